/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <string.h>

static const struct {
    const char *code, *text;
} errors[] = {
#define ERR_ROW_(name, code, text) {code, text},
    {"", "no error"}, ERR_LIST(ERR_ROW_)
#undef ERR_ROW_
};

const char *err_code(int err)
{
    return err <= 0 && err > -ERR_COUNT_ ? errors[-err].code : "error.unlisted";
}

const char *err_text(int err)
{
    return err <= 0 && err > -ERR_COUNT_ ? errors[-err].text : "an error without a text";
}

int err_of_code(const char *code)
{
    for (int i = 1; i < ERR_COUNT_; i++)
        if (strcmp(errors[i].code, code) == 0)
            return -i;
    return ERR_NOT_FOUND;
}
