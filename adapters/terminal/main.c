/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - `chancery`: one command in front of several programs, as git is */
#include <locale.h>
#include <string.h>

#include "adapters/terminal/programs.h"
#include "lib/mem.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    mem_for_rushes();
    if (argc == 2 && strcmp(argv[1], "--settings") == 0) {
        programs_settings();
        return DONE;
    }
    return verb_main(argc, argv);
}
