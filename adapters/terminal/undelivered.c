/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/undelivered.h"

#include <stdio.h>

#include "adapters/terminal/show.h"
#include "chancery/alert/v1/alert.pb-c.h"

static const char otherwise[] = "look at its text";

/* What to do about the cause, by the adapter's code. */
static const char *remedy(const char *code)
{
    static const struct {
        const char *code, *text;
    } rows[] = {
        {"mail.rejected",
         "the server refuses this address or sender: mend [rule] to, or [alert] from"},
        {"mail.deferred", "the server put it off for too long: ask who runs [alert] smtp"},
        {"mail.unreached", "the server was not reached: look at [alert] smtp and the network"},
        {"mail.login", "the server refused the login: mend [alert] user and password-file"},
        {"mail.tls", "no safe connection: look at [alert] tls and the server's certificate"},
        {"mail.url", "[alert] smtp names no server: mend it"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].code, code) == 0)
            return rows[i].text;
    return otherwise;
}

static bool gather(void *arg, const struct seen *seen)
{
    struct undelivered *u = arg;
    const void *body = seen->body;
    const Alert__Failed *failed = body;

    if (!failed || seen->received < u->since)
        return true;
    u->n++;
    u->newest = seen->position;
    u->received = seen->received;
    snprintf(u->rule, sizeof u->rule, "%s", failed->rule);
    snprintf(u->recipient, sizeof u->recipient, "%s", failed->recipient);
    snprintf(u->code, sizeof u->code, "%s", failed->code);
    snprintf(u->text, sizeof u->text, "%s", failed->text);
    return true;
}

int undelivered_find(struct session *s, int64_t since, struct undelivered *u)
{
    struct look look = {.types = {alert__failed__descriptor.name}, .each = gather, .arg = u};

    *u = (struct undelivered){.since = since};
    return session_look(s, &look);
}

void undelivered_show(const struct undelivered *u)
{
    if (u->n == 0)
        return;
    show_line("alerts", "%llu given up in the last 7 days, the newest to %s (rule %s): %s: %s",
              (unsigned long long)u->n, u->recipient, u->rule, u->code, u->text);
    show_line("", "%s; what it should have told: chancery event show %llu", remedy(u->code),
              (unsigned long long)u->newest);
}

json_t *undelivered_json(const struct undelivered *u)
{
    if (u->n == 0)
        return json_pack("{s:i}", "failed", 0);
    return json_pack("{s:I, s:{s:I, s:s, s:s, s:s, s:s}}", "failed", (json_int_t)u->n, "newest",
                     "position", (json_int_t)u->newest, "rule", u->rule, "recipient", u->recipient,
                     "code", u->code, "text", u->text);
}
