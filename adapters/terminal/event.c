/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - events as they are: listed, followed, shown */
#include <errno.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/known.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/transcript.h"
#include "lib/json.h"
#include "lib/types.h"

struct listing {
    bool json;
    uint64_t left;
};

static void list_line(const struct seen *seen)
{
    const Core__Envelope *e = seen->event.envelope;
    char type[160], grade[256], *when = time_of(seen->received, false);
    struct buf brief = {0};

    type_short(type, sizeof type, e->type);
    seen_brief(&brief, seen);
    if (!transcript_grade(grade, sizeof grade, e)[0])
        snprintf(grade, sizeof grade, "%s %s", e->seat, e->office);
    printf("%8llu  %s  %-13s %-28s %s%s%s\n", (unsigned long long)seen->position, when, e->stream,
           type, grade, brief.size ? "  " : "", buf_cstr(&brief));
    buf_free(&brief);
    mem_free(when);
}

static bool list_one(void *arg, const struct seen *seen)
{
    struct listing *l = arg;

    if (l->json)
        show_json(seen_json(seen));
    else
        list_line(seen);
    return fflush(stdout) == 0 && --l->left > 0;
}

/* A type's full name where a short one was given; the pattern itself otherwise.  A name that cannot
 * be meant is an error, since nothing would come. */
static bool types_given(const struct call *c, struct look *look)
{
    const char *given = c->option[OPT_TYPE];
    const ProtobufCMessageDescriptor *type = given ? known_type(given) : NULL;

    look->types[0] = type ? type->name : given;
    if (!given || type || strchr(given, '*') || (strchr(given, '.') != strrchr(given, '.')))
        return true;
    call_usage(c, "--type: not a type that this program knows, nor a full name: %s", given);
    return false;
}

static bool streams_given(const struct call *c, struct look *look)
{
    const char *given = c->option[OPT_STREAM];
    size_t n = given ? strcspn(given, "*") : 0;

    look->streams[0] = given;
    if (!given || ((given[n] == '\0' || given[n + 1] == '\0') && n <= 64 &&
                   strspn(given, "abcdefghijklmnopqrstuvwxyz0123456789.-") == n && given[0]))
        return true;
    call_usage(c, "--stream: not a stream, [a-z0-9.-]{1,64}, nor its beginning with a '*': %s",
               given);
    return false;
}

static bool look_given(const struct call *c, struct look *look, struct listing *listing)
{
    look->from = 1;
    return streams_given(c, look) && types_given(c, look) &&
           (!c->option[OPT_FROM] || call_position(c, c->option[OPT_FROM], &look->from)) &&
           call_number(c, OPT_LIMIT, UINT64_MAX, &listing->left);
}

int event_ls_run(const struct call *c)
{
    struct listing listing = {.json = c->option[OPT_JSON] != NULL};
    struct look look = {.each = list_one, .arg = &listing};
    struct session s;

    if (!look_given(c, &look, &listing))
        return USAGE;
    if (listing.left == 0)
        return DONE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    progress_end(&s.progress);
    rc = session_look(&s, &look);
    session_close(&s);
    return rc;
}

int watch_run(const struct call *c)
{
    struct listing listing = {.json = c->option[OPT_JSON] != NULL};
    struct look look = {.follow = true, .each = list_one, .arg = &listing};
    struct session s;

    if (!look_given(c, &look, &listing))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    if (!c->option[OPT_FROM])
        look.from = chancery_current(s.client)->head + 1;
    progress_end(&s.progress);
    s.patient = true;
    session_interruptible(&s);
    if (isatty(STDERR_FILENO))
        complain("following %s from position %llu; Ctrl-C ends it", chancery_current(s.client)->log,
                 (unsigned long long)look.from);
    rc = session_look(&s, &look);
    session_close(&s);
    return rc;
}

/* ---- one event ---- */

struct showing {
    bool json;
    const struct transcript *transcript;
};

static json_t *signature_json(const struct event *e)
{
    const Core__SignedEvent *s = e->signed_event;
    json_t *object = json_object();
    struct buf signature = {0};
    char *key = hex_of(s->key_id, 0);

    base64_encode(&signature, slice_of(s->signature.data, s->signature.len));
    json_object_set_new(object, "keyId", json_string(key));
    json_object_set_new(object, "signature", json_string(buf_cstr(&signature)));
    json_object_set_new(object, "leafIndex", json_integer(s->leaf_index));
    json_object_set_new(object, "treeSize", json_integer(s->tree_size));
    mem_free(key);
    buf_free(&signature);
    return object;
}

/* Indented, a safe line each. */
static void show_pretty(const char *title, const ProtobufCMessage *message)
{
    struct buf text = {0};
    char *line, *rest;

    printf("\n%s\n", title);
    json_print(&text, message, 2);
    buf_cstr(&text);
    for (line = strtok_r((char *)text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *shown = safe(line);
        puts(shown);
        mem_free(shown);
    }
    buf_free(&text);
}

static void show_time(const char *label, int64_t us)
{
    char *text = us ? time_of(us, true) : mem_str("");

    show_line(label, "%s", text);
    mem_free(text);
}

static void show_recipients(const char *label, Core__Recipient *const list[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *kind = enum_of(&core__recipient_kind__descriptor, (int)list[i]->kind);
        show_line(i ? "" : label, "%s %s", kind, list[i]->name);
        mem_free(kind);
    }
}

static void show_handling(const Core__Handling *h)
{
    char *label = enum_of(&core__label__descriptor, (int)h->label);

    show_line("label", "%s%s%s", label, h->no_forward ? ", not to be forwarded" : "",
              h->personal_data ? ", personal data" : "");
    show_recipients("to", h->recipients, h->n_recipients);
    show_recipients("released to", h->release_to, h->n_release_to);
    show_time("kept until", h->retain_until);
    mem_free(label);
}

static void show_relations(const Core__Envelope *e)
{
    show_line("case", "%s", e->case_id);
    for (size_t i = 0; i < e->n_references; i++)
        show_line(i ? "" : "references", "%llu%s%s", (unsigned long long)e->references[i]->position,
                  e->references[i]->log[0] ? " of " : "", e->references[i]->log);
    if (e->in_reply_to)
        show_line("in reply to", "%llu", (unsigned long long)e->in_reply_to->position);
    if (e->of)
        show_line("answers", "%llu, %u of %u", (unsigned long long)e->cause, e->ordinal + 1, e->of);
    for (size_t i = 0; i < e->n_parts; i++) {
        const Core__PartRef *p = e->parts[i];
        char *hash = hex_of(p->sha256, 0);
        struct buf size = {0};
        text_size(&size, p->size);
        show_line(i ? "" : "parts", "%s, %s, %s%s", p->name, p->media_type, buf_cstr(&size),
                  p->sealed ? ", sealed" : "");
        show_line("", "%s", hash);
        buf_free(&size);
        mem_free(hash);
    }
}

static void show_envelope(const Core__Envelope *e)
{
    char *kind = enum_of(&core__kind__descriptor, (int)e->kind);
    char *mode = enum_of(&core__mode__descriptor, (int)e->mode);
    char id[37] = "";

    if (e->id.len == ID_SIZE)
        id_text(id, e->id.data);
    show_line("stream", "%s, event %llu of %s there", e->stream, (unsigned long long)e->seat_seq,
              e->seat);
    show_line("by", "%s %s%s%s%s", e->office, e->seat, e->acting_for[0] ? " for " : "",
              e->acting_for, transcript_is(e) ? ", transcribed" : "");
    show_line("id", "%s", id);
    show_line("kind", "%s, %s", kind, mode);
    show_handling(e->handling);
    show_line("marking", "%s", e->marking);
    show_relations(e);
    show_time("created", e->created);
    show_time("effective", e->effective);
    show_time("due", e->due);
    show_time("expires", e->expires);
    mem_free(kind);
    mem_free(mode);
}

json_t *event_json(const struct seen *seen)
{
    json_t *object = seen_json(seen);
    char hash[2 * HASH_SIZE + 1];

    hex_encode(hash, seen->event.envelope_hash.bytes, HASH_SIZE);
    json_object_set_new(object, "envelopeHash", json_string(hash));
    json_object_set_new(object, "signed", signature_json(&seen->event));
    return object;
}

void show_event(const struct seen *seen, bool json)
{
    const Core__SignedEvent *s = seen->event.signed_event;
    char *received = time_of(seen->received, true), *key = hex_of(s->key_id, 0);
    char hash[2 * HASH_SIZE + 1];

    hex_encode(hash, seen->event.envelope_hash.bytes, HASH_SIZE);
    if (json) {
        show_json(event_json(seen));
    } else {
        show_line("position", "%llu", (unsigned long long)seen->position);
        show_line("received", "%s", received);
        show_line("signed with", "key %s, leaf %u of %u in its batch", key, s->leaf_index + 1,
                  s->tree_size);
        show_line("envelope hash", "%s", hash);
        show_envelope(seen->event.envelope);
        if (seen->body)
            show_pretty(seen->type->name, seen->body);
        else
            printf("\n%s, a type that this program does not know, %zu bytes\n",
                   seen->event.envelope->type, seen->event.payload.size);
    }
    mem_free(received);
    mem_free(key);
}

static bool show_one(void *arg, const struct seen *seen)
{
    struct showing *show = arg;

    bool transcribed = transcript_is(seen->event.envelope);

    if (show->json) {
        json_t *object = event_json(seen);
        if (transcribed)
            json_object_set_new(object, "transcript", transcript_json(show->transcript));
        show_json(object);
    } else {
        if (transcribed)
            transcript_show(show->transcript);
        show_event(seen, false);
    }
    return false;
}

int event_show_run(const struct call *c)
{
    struct transcript transcript;
    struct showing show = {c->option[OPT_JSON] != NULL, &transcript};
    struct look look = {.each = show_one, .arg = &show};
    struct session s;

    if (!call_position(c, c->argument[0], &look.from))
        return USAGE;
    look.until = look.from;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    progress_end(&s.progress);
    rc = transcript_read(&transcript, &s, look.from);
    if (rc == DONE)
        rc = session_look(&s, &look);
    session_close(&s);
    return rc;
}
