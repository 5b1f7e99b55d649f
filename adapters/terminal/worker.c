/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - the workers, and what one failed on decided again */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/failures.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/status.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "lib/json.h"

static const int64_t answer_for = INT64_C(30) * 1000000;

int worker_ls_run(const struct call *c)
{
    const Core__Status *st = NULL;
    struct failures failures = {0};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = status_fetch(&s, &st);
    if (rc == DONE)
        rc = failures_find(&s, &failures);
    progress_end(&s.progress);
    if (rc == DONE && c->option[OPT_JSON]) {
        json_t *workers = json_array();
        for (size_t i = 0; i < st->n_seats; i++)
            if (st->seats[i]->services[0])
                json_array_append_new(workers, json_of_message(&st->seats[i]->base));
        show_json(json_pack("{s:o, s:o}", "workers", workers, "failed", failures_json(&failures)));
    } else if (rc == DONE) {
        status_seats(st, true);
        failures_show(&failures);
    }
    mem_free(failures.list);
    session_close(&s);
    return rc;
}

struct retrying {
    uint64_t request;
    const ProtobufCMessageDescriptor *type; /* of the last answer; NULL = none yet, or unknown */
    bool answered;
    char code[128];
};

static bool retry_answered(void *arg, const struct seen *seen)
{
    struct retrying *r = arg;

    if (seen->event.envelope->cause != r->request)
        return true;
    r->answered = true;
    r->type = seen->type;
    if (seen->type == &core__request_refused__descriptor && seen->body)
        snprintf(r->code, sizeof r->code, "%s",
                 ((const Core__RequestRefused *)(const void *)seen->body)->code);
    return seen->event.envelope->ordinal + 1 < seen->event.envelope->of;
}

static int retry_tell(const struct retrying *r, uint64_t input, bool json)
{
    bool fatal = r->type == &core__worker_failed__descriptor;
    const char *outcome = fatal ? "failed" : r->code[0] ? "refused" : "decided";

    if (json)
        show_json(json_pack("{s:I, s:I, s:s, s:s}", "input", (json_int_t)input, "request",
                            (json_int_t)r->request, "outcome", outcome, "code", r->code));
    else
        printf("input %llu was %s, asked at position %llu%s%s\n", (unsigned long long)input,
               fatal ? "fatal to the worker again" : outcome, (unsigned long long)r->request,
               r->code[0] ? ": " : "", r->code);
    return fatal ? FAILED : DONE;
}

static int retry(struct session *s, const struct failure *f, bool json)
{
    Core__RetryInput request = CORE__RETRY_INPUT__INIT;
    struct retrying r = {0};
    char in[80];

    request.input = f->input;
    snprintf(in, sizeof in, "%.*s.in", failures_domain(f->stream), f->stream);
    int rc = session_request(s, in, &request.base, NULL, &r.request);
    if (rc != DONE)
        return rc == FAILED ? session_unpublished(s) : rc;
    struct look look = {.streams = {f->stream},
                        .from = r.request + 1,
                        .follow = true,
                        .patience = answer_for,
                        .each = retry_answered,
                        .arg = &r};
    rc = session_look(s, &look);
    if (rc == FAILED && !r.answered)
        session_fail(s, "no answer yet; the request is recorded at position %llu",
                     (unsigned long long)r.request);
    progress_end(&s->progress);
    return rc == DONE ? retry_tell(&r, f->input, json) : rc;
}

int worker_retry_run(const struct call *c)
{
    struct failures failures = {0};
    const struct failure *found = NULL;
    struct session s;
    uint64_t input;

    if (!call_position(c, c->argument[0], &input))
        return USAGE;
    int rc = session_open_publishing(&s, c);
    if (rc != DONE)
        return rc;
    rc = failures_find(&s, &failures);
    for (size_t i = 0; i < failures.n; i++)
        if (failures.list[i].input == input)
            found = &failures.list[i];
    if (rc == DONE && found)
        rc = retry(&s, found, c->option[OPT_JSON] != NULL);
    else if (rc == DONE)
        rc = session_fail(
            &s, "no worker failed on position %llu; `chancery worker ls` shows those that did",
            (unsigned long long)input);
    mem_free(failures.list);
    session_close(&s);
    return rc;
}
