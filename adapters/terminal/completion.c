/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c - `chancery completion bash`: a script made of the table of verbs */
#include <stdio.h>
#include <string.h>

#include "adapters/terminal/commands.h"

static void print_options(const struct verb *v)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (verb_takes(v, i))
            printf("--%s ", option_rows[i].name);
    fputs("--help", stdout);
}

static bool is_first(const struct verb *v)
{
    return v == verbs || strcmp(v->noun, v[-1].noun) != 0;
}

static bool is_told(size_t o)
{
    for (size_t i = 0; i < o; i++)
        if (strcmp(option_rows[i].name, option_rows[o].name) == 0)
            return true;
    return false;
}

/* The word behind an option: one of its choices, a file, a directory, or nothing to guess. */
static void print_values(void)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option_row *row = &option_rows[i];
        if (!row->argument || is_told(i))
            continue;
        if (row->choices)
            printf("    --%s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", row->name,
                   row->choices);
        else if (strcmp(row->argument, "DIR") == 0 || strcmp(row->argument, "FILE") == 0)
            printf("    --%s) COMPREPLY=($(compgen -%c -- \"$word\")); return ;;\n", row->name,
                   row->argument[0] == 'D' ? 'd' : 'f');
        else
            printf("    --%s) return ;;\n", row->name);
    }
}

static void print_nouns(void)
{
    for (const struct verb *v = verbs; v->noun; v++)
        if (is_first(v))
            printf("%s%s", v == verbs ? "" : " ", v->noun);
}

static void print_verbs(void)
{
    for (const struct verb *v = verbs; v->noun; v++) {
        if (is_first(v))
            printf("        %s) words='", v->noun);
        printf("%s", v->verb);
        if (!v->verb[0])
            print_options(v);
        fputs(v[1].noun && strcmp(v->noun, v[1].noun) == 0 ? " " : "' ;;\n", stdout);
    }
}

static void print_verbs_options(void)
{
    for (const struct verb *v = verbs; v->noun; v++) {
        printf("        '%s %s'%s) words='", v->noun, v->verb, v->verb[0] ? "" : "*");
        print_options(v);
        fputs("' ;;\n", stdout);
    }
}

int completion_run(const struct call *c)
{
    (void)c;
    fputs(
        "# completion of chancery for bash\n"
        "_chancery()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words= n=$COMP_CWORD\n"
        "    local noun=${COMP_WORDS[1]} verb=${COMP_WORDS[2]}\n"
        "    case $before in\n",
        stdout);
    print_values();
    fputs("    esac\n"
          "    if [ \"$noun\" = help ] && [ \"$n\" -gt 1 ]; then\n"
          "        noun=$verb verb=${COMP_WORDS[3]} n=$((n - 1)) words='--man --help '\n"
          "    fi\n"
          "    if [ \"$n\" = 1 ]; then\n        words+='",
          stdout);
    print_nouns();
    fputs("'\n    elif [ \"$n\" = 2 ]; then\n        case $noun in\n", stdout);
    print_verbs();
    fputs("        esac\n    else\n        case \"$noun $verb\" in\n", stdout);
    print_verbs_options();
    fputs("        esac\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "    [ ${#COMPREPLY[@]} = 0 ] && COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "}\ncomplete -o filenames -F _chancery chancery\n",
          stdout);
    return DONE;
}
