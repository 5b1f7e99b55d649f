/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/processes.h"

#include "adapters/terminal/show.h"

static json_int_t number_of(const json_t *file, const char *map, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(file, map), name));
}

json_t *processes_read(const struct settings *s)
{
    char *path = mem_printf("%s/up.json", s->run_dir);
    json_t *file = json_load_file(path, 0, NULL), *found = json_array(), *pid;
    const char *name;

    json_object_foreach(json_object_get(file, "processes"), name, pid) json_array_append_new(
        found,
        json_pack("{s:s, s:I, s:I, s:I}", "name", name, "pid", json_integer_value(pid), "since",
                  number_of(file, "since", name), "restarts", number_of(file, "restarts", name)));
    json_decref(file);
    mem_free(path);
    return found;
}

void processes_show(const json_t *processes)
{
    const json_t *p;
    size_t i;

    json_array_foreach(processes, i, p)
    {
        long long pid = json_integer_value(json_object_get(p, "pid"));
        long long restarts = json_integer_value(json_object_get(p, "restarts"));
        char *since = time_of(json_integer_value(json_object_get(p, "since")), false);
        struct buf state = {0};
        if (pid)
            buf_printf(&state, "pid %lld since %s", pid, since);
        else
            buf_printf(&state, "does not run");
        show_line(i ? "" : "processes", "%-10s %s, started again %lld times",
                  json_string_value(json_object_get(p, "name")), buf_cstr(&state), restarts);
        buf_free(&state);
        mem_free(since);
    }
}
