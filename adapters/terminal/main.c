/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - `chancery`: one command in front of several programs, as git is */
#include <locale.h>

#include "adapters/terminal/verb.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    return verb_main(argc, argv);
}
