/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - cmocka with the headers that it wants before it */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
