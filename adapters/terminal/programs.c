/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/programs.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "lib/program.h"

static const struct conf_key keys[] = {
    {"up", "processes", CONF_STRING, 0, "broker signer embargo sanctions alert", 0, 0,
     "What `chancery up` starts, the broker first; the units of systemd do not read it"},
    {0},
};

const char *programs_instance(const struct call *c)
{
    const char *dir = getenv("CHANCERY_DIR");

    if (c->option[OPT_CONFIG] || c->option[OPT_DIR])
        dir = c->option[OPT_CONFIG] ? c->option[OPT_CONFIG] : c->option[OPT_DIR];
    return dir && dir[0] ? dir : ".";
}

int programs_read(const struct call *c, struct settings *s, char **names, struct buf *why)
{
    return settings_read(s, programs_instance(c), NULL, keys, names, NULL, why);
}

char *programs_find(const struct settings *s, const char *name)
{
    const struct settings_process *own = settings_process_find(s, name);

    if (own)
        return mem_str(own->program);
    char *file = mem_printf("chancery-%s", name);
    char *program = program_beside(file);
    mem_free(file);
    return program;
}

void programs_settings(void)
{
    settings_man(NULL, keys, stdout);
    settings_man("terminal", NULL, stdout);
}
