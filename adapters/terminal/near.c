/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/near.h"

#include <string.h>

enum { LETTERS_MOST = 40, BEGINNING = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment; rows[i][k] of the first i letters of a and k of b. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t rows[LETTERS_MOST + 1][LETTERS_MOST + 1];

    if (n > LETTERS_MOST || m > LETTERS_MOST)
        return n > m ? n : m;
    for (size_t i = 0; i <= n; i++)
        for (size_t k = 0; k <= m; k++) {
            size_t d = i ? k ? rows[i - 1][k - 1] + (a[i - 1] != b[k - 1]) : i : k;
            if (i && k)
                d = least(d, least(rows[i - 1][k], rows[i][k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                d = least(d, rows[i - 2][k - 2] + 1);
            rows[i][k] = d;
        }
    return rows[n][m];
}

size_t near_distance(const char *typed, const char *meant)
{
    size_t n = strlen(typed);

    if (n >= BEGINNING && n < strlen(meant) && strncmp(typed, meant, n) == 0)
        return 1;
    return distance(typed, meant);
}

bool near_enough(const char *typed, const char *meant)
{
    size_t n = strlen(meant);

    return n > 1 && near_distance(typed, meant) <= (n > 4 ? 2 : 1);
}
