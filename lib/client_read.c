/* SPDX-License-Identifier: Apache-2.0 */
/* client_read.c - readings: credit, hold, resume
 *
 * `wanted` is the first position not yet taken from the broker, and what was taken but not handed
 * over waits in a queue that the credit bounds: credit is renewed for what was handed over only. A
 * new session reads on from `wanted` with what is left of the window, so nothing comes twice.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/client.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { WINDOW_EVENTS = 1024, WINDOW_BYTES = 4 * 1024 * 1024 };

struct item { /* a record that waits, or (position 0) a CaughtUp */
    struct item *next;
    uint64_t position;
    int64_t received;
    size_t event_size, payload_size;
    uint64_t head;
    bool ended;
    uint8_t bytes[]; /* event, payload */
};

struct chancery_reading {
    struct chancery_reading *next;
    struct chancery *client;
    struct chancery_read_options options;
    const char **streams, **types; /* own copies */
    size_t n_streams, n_types;
    uint64_t ref;    /* of this session; 0 = not asked yet */
    uint64_t wanted; /* the next position to take */
    uint64_t taken;  /* the last one taken; 0 = none */
    struct item *first, **end;
    uint32_t held_events;
    uint64_t held_bytes; /* in the queue */
    uint32_t used_events;
    uint64_t used_bytes; /* handed over, credit not renewed */
    bool held, dead;
};

/* ---- begin and end ---- */

static const char **copy_patterns(const char *const *list, size_t *n)
{
    *n = 0;
    while (list && list[*n])
        ++*n;
    const char **copy = mem_new((*n + 1) * sizeof *copy);
    for (size_t i = 0; i < *n; i++)
        copy[i] = mem_str(list[i]);
    return copy;
}

static void free_patterns(const char **list)
{
    for (size_t i = 0; list[i]; i++)
        mem_free((void *)(uintptr_t)list[i]);
    mem_free((void *)(uintptr_t)list);
}

static void reading_free(struct chancery_reading *r)
{
    while (r->first) {
        struct item *i = r->first;
        r->first = i->next;
        mem_free(i);
    }
    free_patterns(r->streams);
    free_patterns(r->types);
    mem_free((void *)(uintptr_t)r->options.seat);
    mem_free(r);
}

/* Out of the list; freed once the loop has come round, since it may be in use further up. */
static void reading_end(struct chancery_reading *r)
{
    struct chancery *c = r->client;
    struct chancery_reading **at = &c->readings;

    if (r->dead)
        return;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->dead = true;
    r->next = c->dead_readings;
    c->dead_readings = r;
    client_soon(c);
}

static void dead_free(struct chancery *c)
{
    while (c->dead_readings) {
        struct chancery_reading *r = c->dead_readings;
        c->dead_readings = r->next;
        reading_free(r);
    }
}

void readings_close(struct chancery *c)
{
    while (c->readings)
        reading_end(c->readings);
    dead_free(c);
}

static struct chancery_reading *reading_find(const struct chancery *c, uint64_t ref)
{
    struct chancery_reading *r = c->readings;

    while (r && r->ref != ref)
        r = r->next;
    return r;
}

/* ---- asking ---- */

static void reading_ask(struct chancery_reading *r)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Read read = CORE__READ__INIT;

    r->ref = frame.ref = client_ref(r->client);
    r->used_events = 0;
    r->used_bytes = 0;
    read.from = r->wanted;
    read.until = r->options.until;
    read.n_streams = r->n_streams;
    read.streams = r->streams;
    read.n_types = r->n_types;
    read.types = r->types;
    read.seat = r->options.seat;
    read.credit_events = WINDOW_EVENTS - r->held_events;
    read.credit_bytes = WINDOW_BYTES > r->held_bytes ? WINDOW_BYTES - r->held_bytes : 0;
    frame.body_case = CORE__FRAME__BODY_READ;
    frame.read = &read;
    client_send(r->client, &frame);
}

static void hand_error(struct chancery_reading *r, int err, const char *text)
{
    reading_end(r);
    if (r->options.ended)
        r->options.ended(r->options.arg, err, text);
}

/* A reader who took what the log has no more, or who waits behind it, would miss what has its
 * positions now. */
static bool is_ahead(const struct chancery_reading *r, uint64_t common, bool same_log)
{
    return (same_log ? r->taken : r->wanted - 1) > common;
}

void readings_resume(struct chancery *c, uint64_t common, bool same_log)
{
    char text[128];
    struct chancery_reading *r = c->readings;

    snprintf(text, sizeof text,
             "the log was restored from an older copy, which ends at position %" PRIu64
             "; read again from there",
             common);
    while (r && !c->closing) {
        bool ahead = is_ahead(r, common, same_log);
        if (ahead)
            hand_error(r, ERR_ROLLED_BACK, text);
        r = ahead ? c->readings : r->next; /* a callback may end any reading */
    }
    for (r = c->closing ? NULL : c->readings; r; r = r->next)
        reading_ask(r);
}

static void renew_credit(struct chancery_reading *r)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Credit credit = CORE__CREDIT__INIT;

    if (r->used_events < WINDOW_EVENTS / 2 && r->used_bytes < WINDOW_BYTES / 2)
        return;
    credit.events = r->used_events;
    credit.bytes = r->used_bytes;
    frame.ref = r->ref;
    frame.body_case = CORE__FRAME__BODY_CREDIT;
    frame.credit = &credit;
    r->used_events = 0;
    r->used_bytes = 0;
    client_send(r->client, &frame);
}

/* ---- handing over ---- */

static void hand_over(struct chancery_reading *r, const struct chancery_record *record)
{
    r->used_events++;
    r->used_bytes += record->event_size + record->payload_size;
    if (!r->options.record(r->options.arg, record))
        r->held = true;
    if (!r->dead && !r->client->closing)
        renew_credit(r);
}

static void hand_caught_up(struct chancery_reading *r, uint64_t head, bool ended)
{
    if (r->options.caught_up)
        r->options.caught_up(r->options.arg, head);
    if (!ended || r->dead || r->client->closing)
        return;
    reading_end(r);
    if (r->options.ended)
        r->options.ended(r->options.arg, 0, "");
}

static void queue_add(struct chancery_reading *r, struct item *i)
{
    *r->end = i;
    r->end = &i->next;
    if (!i->position)
        return;
    r->held_events++;
    r->held_bytes += i->event_size + i->payload_size;
}

static struct item *queue_take(struct chancery_reading *r)
{
    struct item *i = r->first;

    r->first = i->next;
    if (!r->first)
        r->end = &r->first;
    if (i->position) {
        r->held_events--;
        r->held_bytes -= i->event_size + i->payload_size;
    }
    return i;
}

static void hand_item(struct chancery_reading *r, const struct item *i)
{
    if (!i->position) {
        hand_caught_up(r, i->head, i->ended);
        return;
    }
    hand_over(r, &(struct chancery_record){.position = i->position,
                                           .received = i->received,
                                           .event = i->bytes,
                                           .event_size = i->event_size,
                                           .payload = i->bytes + i->event_size,
                                           .payload_size = i->payload_size});
}

static void queue_turn(struct chancery_reading *r)
{
    while (r->first && !r->held && !r->dead && !r->client->closing) {
        struct item *i = queue_take(r);
        hand_item(r, i);
        mem_free(i);
    }
}

/* A callback may end any reading: look again from the first after each that had something. */
void readings_turn(struct chancery *c)
{
    struct chancery_reading *r = c->readings;

    while (r && !c->closing) {
        bool some = r->first && !r->held;
        queue_turn(r);
        r = some ? c->readings : r->next;
    }
    if (!c->closing)
        dead_free(c);
}

static void take_record(struct chancery_reading *r, const Core__Record *rec)
{
    if (rec->position < r->wanted)
        return;
    r->wanted = rec->position + 1;
    r->taken = rec->position;
    if (!r->held && !r->first) {
        hand_over(r, &(struct chancery_record){.position = rec->position,
                                               .received = rec->received,
                                               .event = rec->event.data,
                                               .event_size = rec->event.len,
                                               .payload = rec->payload.data,
                                               .payload_size = rec->payload.len});
        return;
    }
    struct item *i = mem_new(sizeof *i + rec->event.len + rec->payload.len);
    i->position = rec->position;
    i->received = rec->received;
    i->event_size = rec->event.len;
    i->payload_size = rec->payload.len;
    if (rec->event.len)
        memcpy(i->bytes, rec->event.data, rec->event.len);
    if (rec->payload.len)
        memcpy(i->bytes + rec->event.len, rec->payload.data, rec->payload.len);
    queue_add(r, i);
}

void readings_deliver(struct chancery *c, const Core__Frame *f)
{
    struct chancery_reading *r = reading_find(c, f->ref);

    for (size_t i = 0; r && i < f->deliver->n_records && !r->dead && !c->closing; i++)
        take_record(r, f->deliver->records[i]);
}

void readings_caught_up(struct chancery *c, const Core__Frame *f)
{
    struct chancery_reading *r = reading_find(c, f->ref);

    if (!r)
        return;
    if (!r->held && !r->first) {
        hand_caught_up(r, f->caught_up->head, f->caught_up->ended);
        return;
    }
    struct item *i = mem_new(sizeof *i);
    i->head = f->caught_up->head;
    i->ended = f->caught_up->ended;
    queue_add(r, i);
}

bool readings_refused(struct chancery *c, const Core__Frame *f)
{
    struct chancery_reading *r = reading_find(c, f->ref);

    if (!r)
        return false;
    hand_error(r, err_of_code(f->refused->code), f->refused->text);
    return true;
}

/* ---- the caller's side ---- */

int chancery_read(struct chancery *c, const struct chancery_read_options *options,
                  struct chancery_reading **out)
{
    if (c->closing)
        return ERR_CANCELLED;
    if (!options->record)
        return ERR_FIELD;
    struct chancery_reading *r = mem_new(sizeof *r);
    r->client = c;
    r->options = *options;
    r->options.seat = mem_str(options->seat ? options->seat : "");
    r->streams = copy_patterns(options->streams, &r->n_streams);
    r->types = copy_patterns(options->types, &r->n_types);
    r->wanted = options->from ? options->from : 1;
    r->end = &r->first;
    r->next = c->readings;
    c->readings = r;
    if (c->welcome)
        reading_ask(r);
    if (out)
        *out = r;
    return 0;
}

void chancery_read_more(struct chancery_reading *r)
{
    if (!r || r->dead)
        return;
    r->held = false;
    if (r->first)
        client_soon(r->client);
}

void chancery_read_cancel(struct chancery_reading *r)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Cancel cancel = CORE__CANCEL__INIT;

    if (!r || r->dead)
        return;
    frame.ref = r->ref;
    frame.body_case = CORE__FRAME__BODY_CANCEL;
    frame.cancel = &cancel;
    client_send(r->client, &frame);
    reading_end(r);
}
