/* SPDX-License-Identifier: Apache-2.0 */
/* transcript.c - paper in the log: its grade, its office's word, and `event confirm` */
#include "adapters/terminal/transcript.h"

#include <strings.h>

#include "adapters/terminal/act.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/transcripts.pb-c.h"
#include "lib/err.h"

/* ---- reading ---- */

struct taking {
    struct session *s;
    struct transcript *t;
};

/* Of the session's own memory: what is seen goes with the next one. */
static const Core__Envelope *keep_envelope(struct session *s, const struct seen *seen)
{
    const ProtobufCBinaryData *bytes = &seen->event.signed_event->envelope;

    return core__envelope__unpack(arena_allocator(s->arena), bytes->len, bytes->data);
}

static bool take_event(void *arg, const struct seen *seen)
{
    struct taking *a = arg;

    a->t->envelope = keep_envelope(a->s, seen);
    a->t->hash = seen->event.envelope_hash;
    return false;
}

static const char *reason_of(const struct seen *seen)
{
    if (seen->body && seen->type == &core__transcript_disowned__descriptor)
        return ((const Core__TranscriptDisowned *)seen->body)->reason;
    return seen->body ? ((const Core__TranscriptConfirmed *)seen->body)->reason : "";
}

static bool is_about(const struct transcript *t, const struct seen *seen)
{
    const Core__Envelope *e = seen->event.envelope;

    return e->n_references == 1 && e->references[0]->position == t->position &&
           slice_equal(
               slice_of(e->references[0]->envelope_hash.data, e->references[0]->envelope_hash.len),
               slice_of(t->hash.bytes, HASH_SIZE));
}

static bool take_word(void *arg, const struct seen *seen)
{
    struct taking *a = arg;
    const char *reason = reason_of(seen);

    if (!is_about(a->t, seen))
        return true;
    a->t->word = keep_envelope(a->s, seen);
    a->t->word_position = seen->position;
    a->t->reason = arena_text(a->s->arena, reason, strlen(reason));
    return false;
}

int transcript_read(struct transcript *t, struct session *s, uint64_t position)
{
    struct taking a = {s, t};
    struct look event = {.from = position, .until = position, .each = take_event, .arg = &a};

    *t = (struct transcript){.position = position};
    int rc = session_look(s, &event);
    if (rc != DONE)
        return rc;
    if (!t->envelope)
        return session_fail(s, "there is no event at position %llu that this seat may read",
                            (unsigned long long)position);
    if (!transcript_is(t->envelope))
        return DONE;
    struct look word = {.streams = {t->envelope->stream},
                        .types = {core__transcript_confirmed__descriptor.name,
                                  core__transcript_disowned__descriptor.name},
                        .from = position + 1,
                        .each = take_word,
                        .arg = &a};
    return session_look(s, &word);
}

/* ---- showing ---- */

const char *transcript_grade(char *text, size_t size, const Core__Envelope *e)
{
    text[0] = '\0';
    if (transcript_is(e))
        snprintf(text, size, "transcribed by %s %s for %s", e->office, e->seat, e->acting_for);
    return text;
}

static bool is_disowned(const struct transcript *t)
{
    return strcmp(t->word->type, core__transcript_disowned__descriptor.name) == 0;
}

void transcript_show(const struct transcript *t)
{
    char grade[256];

    transcript_grade(grade, sizeof grade, t->envelope);
    if (!t->word)
        show_line("evidence", "%s; not confirmed", grade);
    else
        show_line("evidence", "%s; %s at position %llu by %s %s%s%s%s%s", grade,
                  is_disowned(t) ? "DISOWNED" : "confirmed", (unsigned long long)t->word_position,
                  t->word->office, t->word->seat, t->word->acting_for[0] ? " for " : "",
                  t->word->acting_for, t->reason[0] ? ": " : "", t->reason);
}

json_t *transcript_json(const struct transcript *t)
{
    json_t *object = json_object();

    json_object_set_new(object, "for", json_string(t->envelope->acting_for));
    json_object_set_new(object, "state",
                        json_string(!t->word         ? "unanswered"
                                    : is_disowned(t) ? "disowned"
                                                     : "confirmed"));
    if (t->word) {
        json_object_set_new(object, "position", json_integer((json_int_t)t->word_position));
        json_object_set_new(object, "office", json_string(t->word->office));
        json_object_set_new(object, "seat", json_string(t->word->seat));
        json_object_set_new(object, "reason", json_string(t->reason));
    }
    return object;
}

/* ---- `event confirm` ---- */

struct circle { /* whom the word goes to: whom the event went to, and who entered it */
    struct chancery_recipient all[2 * EVENT_RECIPIENTS_MOST + 1];
    size_t n;
};

static void add_all(struct circle *c, Core__Recipient *const list[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        c->all[c->n++] = (struct chancery_recipient){(int)list[i]->kind, list[i]->name};
}

static void circle_make(struct circle *c, const Core__Envelope *source)
{
    const Core__Handling *h = source->handling;

    c->n = 0;
    if (h->label < CORE__LABEL__LABEL_AMBER)
        return;
    add_all(c, h->recipients, h->n_recipients);
    add_all(c, h->release_to, h->n_release_to);
    c->all[c->n++] = (struct chancery_recipient){(int)CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE,
                                                 source->office};
}

static int check_open(struct session *s, const struct transcript *t)
{
    unsigned long long at = t->position;

    if (!transcript_is(t->envelope))
        return session_fail(s,
                            "the event at position %llu was signed by %s %s itself: there is "
                            "nothing to confirm",
                            at, t->envelope->office, t->envelope->seat);
    if (t->word)
        return session_fail(s, "%s at position %llu by %s already, and once is for good",
                            is_disowned(t) ? "disowned" : "confirmed",
                            (unsigned long long)t->word_position, t->word->office);
    return DONE;
}

static int publish(struct session *s, const struct transcript *t, const ProtobufCMessage *word)
{
    const Core__Envelope *source = t->envelope;
    bool own = strcasecmp(chancery_current(s->client)->office, source->acting_for) == 0;
    struct circle *circle = mem_new(sizeof *circle);
    size_t size = protobuf_c_message_get_packed_size(word);
    uint8_t *payload = mem_new(size);

    protobuf_c_message_pack(word, payload);
    circle_make(circle, source);
    int rc = session_publish(s, &(struct chancery_event){
                                    .stream = source->stream,
                                    .type = word->descriptor->name,
                                    .payload = payload,
                                    .payload_size = size,
                                    .mode = (int)source->mode,
                                    .label = (int)source->handling->label,
                                    .recipients = circle->all,
                                    .n_recipients = circle->n,
                                    .references = &t->position,
                                    .reference_hashes = t->hash.bytes,
                                    .n_references = 1,
                                    .case_id = source->case_id,
                                    .acting_for = own ? NULL : source->acting_for,
                                    .personal_data = source->handling->personal_data,
                                });
    mem_free(payload);
    mem_free(circle);
    progress_end(&s->progress);
    return rc == FAILED && s->published_done ? session_unpublished(s) : rc;
}

static int say(const struct call *c, struct session *s, const struct transcript *t)
{
    Core__TranscriptConfirmed yes = CORE__TRANSCRIPT_CONFIRMED__INIT;
    Core__TranscriptDisowned no = CORE__TRANSCRIPT_DISOWNED__INIT;
    bool disown = c->option[OPT_DISOWN] != NULL;
    char *sentence =
        mem_printf("%s %s what %s %s entered for it at position %llu, %s", t->envelope->acting_for,
                   disown ? "disowns" : "confirms", t->envelope->office, t->envelope->seat,
                   (unsigned long long)t->position, t->envelope->type);

    yes.reason = no.reason = c->option[OPT_REASON] ? c->option[OPT_REASON] : "";
    progress_end(&s->progress);
    int rc = act_agreed(c, sentence) ? publish(s, t, disown ? &no.base : &yes.base) : FAILED;
    if (rc == DONE)
        printf("%s: recorded at position %llu\n", sentence,
               (unsigned long long)s->published.position);
    mem_free(sentence);
    return rc;
}

int event_confirm_run(const struct call *c)
{
    struct transcript t;
    uint64_t position;
    struct session s;

    if (!call_position(c, c->argument[0], &position))
        return USAGE;
    if (c->option[OPT_DISOWN] && !c->option[OPT_REASON])
        return call_usage(c, "--disown says why: --reason");
    int rc = session_open_publishing(&s, c);
    if (rc != DONE)
        return rc;
    rc = transcript_read(&t, &s, position);
    if (rc == DONE)
        rc = check_open(&s, &t);
    if (rc == DONE)
        rc = say(c, &s, &t);
    session_close(&s);
    return rc;
}
