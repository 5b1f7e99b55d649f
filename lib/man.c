/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/man.h"

#include <string.h>

void man_text(const char *text, FILE *out)
{
    for (const char *at = text; *at; at++) {
        if (strchr("_*\\#.-[]<", *at))
            fputc('\\', out);
        fputc(*at, out);
    }
}
