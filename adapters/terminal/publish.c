/* SPDX-License-Identifier: Apache-2.0 */
/* publish.c - `event publish`: one event, its payload a JSON file */
#include "adapters/terminal/publish.h"

#include <errno.h>
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/sealing.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/transfer.h"
#include "lib/json.h"

enum { DRAFT_ARENA = 16 << 20, INPUT_MOST = 4 * PAYLOAD_MOST };

int draft_of_call(const struct call *c, struct draft *d)
{
    struct buf why = {0};
    int rc = DONE;

    for (const struct draft_field *f = draft_fields; f->name && rc == DONE; f++)
        if (c->option[f->option] && !f->set(d, c->option[f->option], &why))
            rc = call_usage(c, "--%s: %s", option_rows[f->option].name, buf_cstr(&why));
    buf_free(&why);
    return rc;
}

static const char *const outcomes[] = {[CHANCERY_RECORDED] = "recorded",
                                       [CHANCERY_REFUSED] = "refused",
                                       [CHANCERY_UNKNOWN] = "unknown"};

void published_show(const struct published *p, const uint8_t *id, uint64_t line)
{
    json_t *object = json_object();
    char text[40];

    if (line)
        json_object_set_new(object, "line", json_integer((json_int_t)line));
    json_object_set_new(object, "result", json_string(outcomes[p->outcome]));
    if (p->outcome == CHANCERY_RECORDED) {
        time_text(text, p->received);
        json_object_set_new(object, "position", json_integer((json_int_t)p->position));
        json_object_set_new(object, "received", json_string(text));
    } else {
        json_object_set_new(object, "code", json_string(p->code));
        json_object_set_new(object, "text", json_string(p->text));
        json_object_set_new(object, "field", json_string(p->field));
    }
    if (id) {
        id_text(text, id);
        json_object_set_new(object, "id", json_string(text));
    }
    show_json(object);
}

static bool input_read(const char *name, struct buf *out)
{
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    bool ok = in != NULL;

    for (size_t n = 1; ok && n && out->size <= INPUT_MOST;) {
        size_t before = out->size;
        n = fread(buf_grow(out, 65536), 1, 65536, in);
        out->size = before + n;
    }
    if (!ok || ferror(in)) {
        complain("%s: %s", name, strerror(errno));
        ok = false;
    }
    if (in && in != stdin)
        fclose(in);
    return ok;
}

static int payload_read(const char *file, struct draft *d)
{
    struct buf text = {0}, why = {0};
    int rc = input_read(file, &text) ? DONE : FAILED;
    json_t *value = rc == DONE ? json_of_text(slice_buf(&text), &why) : NULL;

    if (rc == DONE && (!value || !draft_payload(d, value, slice_buf(&text), "", &why))) {
        complain("%s:%s", file, buf_cstr(&why));
        rc = FAILED;
    }
    json_decref(value);
    buf_free(&text);
    buf_free(&why);
    return rc;
}

/* The part first; a broker that began anew in between is given it again. */
static int send_event(struct session *s, struct sealing *sealed, const struct chancery_event *event)
{
    int rc = FAILED;

    for (int again = 0; again < 4; again++) {
        s->published_done = false;
        rc = sealed->file ? transfer_put(s, sealed->file, &sealed->part) : DONE;
        if (rc == DONE)
            rc = session_publish(s, event);
        if (rc != FAILED || !transfer_missing(s))
            break;
    }
    return rc;
}

static int publish_sealed(const struct call *c, struct session *s, const struct draft *d)
{
    const char *file = c->option[OPT_SEAL];
    struct chancery_event event = d->event;
    struct sealing sealed = {0};
    int rc = DONE;

    if (file) {
        rc = sealing_make(&sealed, s, file, &event, !c->option[OPT_JSON]);
        event.parts = &sealed.part;
        event.n_parts = 1;
    }
    if (rc == DONE)
        rc = send_event(s, &sealed, &event);
    sealing_end(&sealed);
    return rc;
}

static int publish(const struct call *c, const struct draft *d)
{
    struct session s;
    int rc = session_open_publishing(&s, c);

    if (rc != DONE)
        return rc;
    rc = publish_sealed(c, &s, d);
    progress_end(&s.progress);
    if (s.published_done && c->option[OPT_JSON])
        published_show(&s.published, d->event.id, 0);
    else if (s.published_done && rc == FAILED)
        session_unpublished(&s);
    else if (rc == DONE)
        printf("recorded at position %llu\n", (unsigned long long)s.published.position);
    session_close(&s);
    return rc;
}

static int draft_complete(const struct call *c, struct draft *d)
{
    struct buf why = {0};
    int rc = draft_of_call(c, d);

    if (rc == DONE && !draft_check(d, &why))
        rc = call_usage(c, "%s", buf_cstr(&why));
    if (rc == DONE && c->option[OPT_SEAL] && d->event.n_recipients == 0)
        rc = call_usage(c, "--seal needs recipients: say who can open it (--to)");
    if (rc == DONE && !d->identified)
        id_v7(d->event.id, time_now());
    buf_free(&why);
    return rc;
}

static int publish_one(const struct call *c)
{
    struct draft d = {.arena = arena_new(DRAFT_ARENA)};
    int rc = draft_complete(c, &d);

    if (rc == DONE)
        rc = payload_read(c->argument[0], &d);
    if (rc == DONE)
        rc = publish(c, &d);
    arena_free(d.arena);
    return rc;
}

int event_publish_run(const struct call *c)
{
    if (c->option[OPT_NDJSON] && c->option[OPT_SEAL])
        return call_usage(c, "--seal is for one event: not with --ndjson");
    if (c->option[OPT_NDJSON])
        return ndjson_run(c);
    if (c->n_arguments == 0)
        return call_usage(c, "an argument is missing: FILE");
    return publish_one(c);
}
