/* SPDX-License-Identifier: Apache-2.0 */
/* un.h - the United Nations Security Council Consolidated List, XML
 *
 * Elements are known by their local names; namespaces, unknown elements and attributes, comments,
 * instructions, CDATA, any order and every encoding that expat reads are fine.  A document type
 * declaration is refused, and with it every entity but the five of XML.  Identity is
 * REFERENCE_NUMBER.  An entry without it is refused, one without a name is read with a warning:
 * what that means is for who compares lists.  Bounds: 256 MiB, depth 32, 20,000 children of one
 * element, 64 attributes, 64 KiB of text (COMMENTS1 256 KiB), 64 KiB of one tag.
 */
#pragma once

#include "adapters/sanctions/list.h"

/* Called for each party, in the order of the file, duplicates left out; what it gets is valid
 * during the call.  Nonzero ends the reading. */
typedef int un_party(void *arg, const Sanctions__ListedParty *party, const struct hash *content);

/* Reads a whole file into `list` (empty before; the caller clears it).  0; or ERR_MALFORMED with
 * `fault` set; or what `each` returned.  Parties handed out before a fault count for nothing. */
int un_read(struct slice file, un_party *each, void *arg, struct list *list,
            struct list_fault *fault);
