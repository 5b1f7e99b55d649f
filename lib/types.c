/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/types.h"

#include <stdio.h>
#include <string.h>

void type_short(char *out, size_t size, const char *name)
{
    static const char root[] = "chancery.";
    const char *domain = strncmp(name, root, sizeof root - 1) == 0 ? name + sizeof root - 1 : name;
    const char *version = strstr(domain, ".v1.");

    if (domain == name || !version)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%.*s.%s", (int)(version - domain), domain, version + 4);
}

const ProtobufCMessageDescriptor *type_find(const ProtobufCMessageDescriptor *const table[],
                                            const char *name)
{
    for (size_t i = 0; table[i]; i++) {
        char brief[160];

        type_short(brief, sizeof brief, table[i]->name);
        if (strcmp(table[i]->name, name) == 0 || strcmp(brief, name) == 0)
            return table[i];
    }
    return NULL;
}
