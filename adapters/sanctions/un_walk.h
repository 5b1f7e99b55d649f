/* SPDX-License-Identifier: Apache-2.0 */
/* un_walk.h - walks the elements of a UN list as expat reports them, within the bounds of un.h */
#pragma once

#include "adapters/sanctions/un.h"

/* As un_read, which has looked at the beginning and at the tags: `fault` is set only for a fault.
 */
int un_walk(struct slice file, un_party *each, void *arg, struct list *list,
            struct list_fault *fault);

/* The line of a byte of the file. */
uint64_t un_walk_line(struct slice file, size_t at);
