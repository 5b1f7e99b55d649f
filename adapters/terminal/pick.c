/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/pick.h"

#include <string.h>
#include <strings.h>

#include "lib/slice.h"

bool pick_valid(const char *digits)
{
    size_t n = strspn(digits, "0123456789abcdefABCDEF");

    return digits[n] == '\0' && n >= PICK_LEAST && n <= PICK_MOST;
}

const Embargo__ListStatus *pick_snapshot(const Embargo__ListStatuses *statuses, const char *digits,
                                         size_t *n)
{
    const Embargo__ListStatus *found = NULL;
    char hex[PICK_MOST + 1];

    *n = 0;
    for (size_t i = 0; i < statuses->n_lists; i++) {
        const Embargo__SnapshotSetAside *a = statuses->lists[i]->set_aside;
        if (!a || a->snapshot.len != PICK_MOST / 2)
            continue;
        hex_encode(hex, a->snapshot.data, a->snapshot.len);
        if (strncasecmp(hex, digits, strlen(digits)) != 0)
            continue;
        found = statuses->lists[i];
        ++*n;
    }
    return *n == 1 ? found : NULL;
}
