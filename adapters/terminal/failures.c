/* SPDX-License-Identifier: Apache-2.0 */
/* failures.c - inputs that workers failed on */
#include "adapters/terminal/failures.h"

#include <stdio.h>

#include "adapters/terminal/show.h"
#include "chancery/core/v1/answers.pb-c.h"

int failures_domain(const char *stream)
{
    const char *dot = strrchr(stream, '.');

    return dot ? (int)(dot - stream) : (int)strlen(stream);
}

static void failures_drop(struct failures *f, const char *stream, uint64_t input)
{
    int size = failures_domain(stream);
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct failure *at = &f->list[i];
        if (at->input != input || failures_domain(at->stream) != size ||
            strncmp(at->stream, stream, (size_t)size) != 0)
            f->list[kept++] = *at;
    }
    f->n = kept;
}

static void failures_add(struct failures *f, const char *stream, const Core__WorkerFailed *w)
{
    failures_drop(f, stream, w->input); /* asked for twice, it fails twice */
    f->list = mem_grow(f->list, (f->n + 1) * sizeof *f->list);
    struct failure *added = &f->list[f->n++];
    *added = (struct failure){.input = w->input, .deaths = w->deaths};
    snprintf(added->stream, sizeof added->stream, "%s", stream);
    snprintf(added->type, sizeof added->type, "%s", w->type);
}

/* A retry that fails again has a WorkerFailed of its own, which names the same input. */
static bool failures_gather(void *arg, const struct seen *seen)
{
    const char *stream = seen->event.envelope->stream;
    const void *body = seen->body;

    if (seen->type == &core__worker_failed__descriptor && body)
        failures_add(arg, stream, body);
    else if (seen->type == &core__retry_input__descriptor && body)
        failures_drop(arg, stream, ((const Core__RetryInput *)body)->input);
    return true;
}

int failures_find(struct session *s, struct failures *f)
{
    struct look look = {
        .types = {core__worker_failed__descriptor.name, core__retry_input__descriptor.name},
        .each = failures_gather,
        .arg = f,
    };

    *f = (struct failures){0};
    return session_look(s, &look);
}

void failures_show(const struct failures *f)
{
    for (size_t i = 0; i < f->n; i++)
        show_line("failed", "%s: input %llu (%s), %u deaths; chancery worker retry %llu",
                  f->list[i].stream, (unsigned long long)f->list[i].input, f->list[i].type,
                  f->list[i].deaths, (unsigned long long)f->list[i].input);
}

json_t *failures_json(const struct failures *f)
{
    json_t *array = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(array,
                              json_pack("{s:I, s:s, s:s, s:i}", "input",
                                        (json_int_t)f->list[i].input, "stream", f->list[i].stream,
                                        "type", f->list[i].type, "deaths", (int)f->list[i].deaths));
    return array;
}
