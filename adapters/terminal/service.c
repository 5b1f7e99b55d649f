/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - how the service fares, who is seated, which worker failed on what; and keys */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/sign.h"

static const int64_t answer_for = INT64_C(30) * 1000000;

/* ---- status ---- */

struct fetching {
    struct session *s;
    bool done;
    int status;
    const Core__Status *answer;
};

static void on_status(void *arg, int err, const char *text, const void *status, size_t size)
{
    struct fetching *f = arg;

    f->done = true;
    if (err == 0)
        f->answer =
            core__status__unpack(arena_allocator(f->s->arena), size, (const uint8_t *)status);
    if (!f->answer) {
        complain("%s: %s", err_code(err ? err : ERR_MALFORMED), text ? text : err_text(err));
        f->status = FAILED;
    }
}

static int status_fetch(struct session *s, const Core__Status **out)
{
    struct fetching f = {.s = s};
    int rc = chancery_status(s->client, on_status, &f);

    if (rc < 0) {
        complain("cannot ask for the status: %s", err_text(rc));
        return FAILED;
    }
    rc = session_wait(s, &f.done, answer_for);
    if (rc == FAILED)
        complain("the broker does not tell its status");
    *out = f.answer;
    return rc == DONE ? f.status : rc;
}

struct failure { /* an input that a worker failed on and that was not tried again */
    uint64_t input;
    char stream[65], type[129];
    uint32_t deaths;
};

struct failures {
    struct failure *list;
    size_t n;
};

/* "embargo" of "embargo.out". */
static int domain_size(const char *stream)
{
    const char *dot = strrchr(stream, '.');

    return dot ? (int)(dot - stream) : (int)strlen(stream);
}

static void failures_drop(struct failures *f, const char *stream, uint64_t input)
{
    int size = domain_size(stream);
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct failure *at = &f->list[i];
        if (at->input != input || domain_size(at->stream) != size ||
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

static int failures_find(struct session *s, struct failures *f)
{
    struct look look = {
        .types = {core__worker_failed__descriptor.name, core__retry_input__descriptor.name},
        .each = failures_gather,
        .arg = f,
    };

    *f = (struct failures){0};
    return session_look(s, &look);
}

static void show_failures(const struct failures *f)
{
    for (size_t i = 0; i < f->n; i++)
        printf("failed          %s: input %llu (%s), %u deaths; chancery worker retry %llu\n",
               f->list[i].stream, (unsigned long long)f->list[i].input, f->list[i].type,
               f->list[i].deaths, (unsigned long long)f->list[i].input);
}

static json_t *failures_json(const struct failures *f)
{
    json_t *array = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(array,
                              json_pack("{s:I, s:s, s:s, s:i}", "input",
                                        (json_int_t)f->list[i].input, "stream", f->list[i].stream,
                                        "type", f->list[i].type, "deaths", (int)f->list[i].deaths));
    return array;
}

static void show_status(const Core__Status *st)
{
    struct buf disk = {0};
    char *started = time_of(st->started, true);

    text_size(&disk, st->disk_free);
    show_line("log", "%s, head %llu", st->log, (unsigned long long)st->head);
    show_line("broker", "version %s, since %s", st->version, started);
    show_line("publishing", "%s%s", st->publishing ? "yes" : "no: ", st->halted);
    show_line("commits", "%llu, refusals %llu", (unsigned long long)st->commits,
              (unsigned long long)st->refusals);
    show_line("disk free", "%s", buf_cstr(&disk));
    mem_free(started);
    buf_free(&disk);
}

static void show_seats(const Core__Status *st, bool workers)
{
    static const char *const head[] = {"SEAT",     "OFFICE",   "SOFTWARE", "SESSIONS",
                                       "READINGS", "SERVICES", "EVENTS",   NULL};
    struct table *t = table_new(head);

    for (size_t i = 0; i < st->n_seats; i++) {
        const Core__SeatStatus *seat = st->seats[i];
        if (workers && !seat->services[0])
            continue;
        table_cell(t, "%s", seat->seat);
        table_cell(t, "%s", seat->office);
        table_cell(t, "%s", seat->software);
        table_cell(t, "%u", seat->sessions);
        table_cell(t, "%u", seat->readings);
        table_cell(t, "%s", seat->services);
        table_cell(t, "%llu", (unsigned long long)seat->events);
    }
    table_print(t, stdout);
    table_free(t);
}

static bool offered(const Core__Status *st, const char *service)
{
    for (size_t i = 0; i < st->n_seats; i++)
        if (strstr(st->seats[i]->services, service))
            return true;
    return false;
}

static void show_lists(struct session *s, json_t *object)
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;

    if (session_ask(s, "embargo", &question.base, &embargo__list_statuses__descriptor, &answer) !=
        DONE)
        return;
    const Embargo__ListStatuses *statuses = answer;
    if (object)
        json_object_set_new(object, "embargo", json_of_message(&statuses->base));
    for (size_t i = 0; !object && i < statuses->n_lists; i++)
        show_list_status(statuses->lists[i]);
}

static int status_show(struct session *s, bool json)
{
    const Core__Status *st = NULL;
    struct failures failures = {0};
    int rc = status_fetch(s, &st);

    if (rc == DONE)
        rc = failures_find(s, &failures);
    if (rc == DONE) {
        json_t *object = json ? json_object() : NULL;
        progress_end(&s->progress);
        if (json) {
            json_object_set_new(object, "broker", json_of_message(&st->base));
            json_object_set_new(object, "failed", failures_json(&failures));
        } else {
            show_status(st);
            show_failures(&failures);
        }
        if (offered(st, "embargo"))
            show_lists(s, object);
        else if (!json)
            puts("embargo         no worker offers this service now");
        if (json) {
            show_json(object);
        } else {
            putchar('\n');
            show_seats(st, false);
        }
    }
    mem_free(failures.list);
    return rc;
}

int status_run(const struct call *c)
{
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = status_show(&s, c->option[OPT_JSON] != NULL);
    session_close(&s);
    return rc;
}

/* ---- workers ---- */

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
        show_seats(st, true);
        show_failures(&failures);
    }
    mem_free(failures.list);
    session_close(&s);
    return rc;
}

struct retrying {
    uint64_t request;
    const char *type; /* of the first answer */
    char code[128];
};

static bool retry_answered(void *arg, const struct seen *seen)
{
    struct retrying *r = arg;

    if (seen->event.envelope->cause != r->request)
        return true;
    r->type = seen->type ? seen->type->name : "";
    if (seen->type == &core__request_refused__descriptor && seen->body)
        snprintf(r->code, sizeof r->code, "%s",
                 ((const Core__RequestRefused *)(const void *)seen->body)->code);
    return seen->event.envelope->ordinal + 1 < seen->event.envelope->of;
}

static int retry(struct session *s, const struct failure *f)
{
    Core__RetryInput request = CORE__RETRY_INPUT__INIT;
    struct retrying r = {0};
    char in[80];

    request.input = f->input;
    snprintf(in, sizeof in, "%.*s.in", domain_size(f->stream), f->stream);
    int rc = session_request(s, in, &request.base, NULL, &r.request);
    if (rc != DONE)
        return rc;
    struct look look = {.streams = {f->stream},
                        .from = r.request + 1,
                        .follow = true,
                        .patience = answer_for,
                        .each = retry_answered,
                        .arg = &r};
    rc = session_look(s, &look);
    if (rc == FAILED && !r.type)
        complain("no answer yet; the request is recorded at position %llu",
                 (unsigned long long)r.request);
    if (rc != DONE)
        return rc;
    if (strcmp(r.type, core__worker_failed__descriptor.name) == 0)
        rc = FAILED;
    printf("input %llu was %s, asked at position %llu%s%s\n", (unsigned long long)f->input,
           rc == DONE ? "decided" : "fatal to the worker again", (unsigned long long)r.request,
           r.code[0] ? ": refused: " : "", r.code);
    return rc;
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
    progress_end(&s.progress);
    if (rc == DONE && found)
        rc = retry(&s, found);
    else if (rc == DONE) {
        complain("no worker failed on position %llu; `chancery worker ls` shows those that did",
                 (unsigned long long)input);
        rc = FAILED;
    }
    mem_free(failures.list);
    session_close(&s);
    return rc;
}

/* ---- the head of the log ---- */

struct heading {
    bool done;
    int status;
    uint64_t head;
    char *checkpoint;
};

static void on_head(void *arg, int err, uint64_t head, const char *checkpoint)
{
    struct heading *h = arg;

    h->done = true;
    h->head = head;
    if (err < 0) {
        complain("%s: %s", err_code(err), err_text(err));
        h->status = FAILED;
    } else {
        h->checkpoint = mem_str(checkpoint ? checkpoint : "");
    }
}

int log_head_run(const struct call *c)
{
    struct heading h = {0};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    if (chancery_head(s.client, on_head, &h) < 0)
        rc = FAILED;
    else
        rc = session_wait(&s, &h.done, answer_for);
    progress_end(&s.progress);
    if (rc == DONE)
        rc = h.status;
    if (rc == DONE && c->option[OPT_JSON])
        show_json(json_pack("{s:I, s:s}", "head", (json_int_t)h.head, "checkpoint", h.checkpoint));
    else if (rc == DONE)
        printf("head %llu\n\n%s", (unsigned long long)h.head, h.checkpoint);
    mem_free(h.checkpoint);
    session_close(&s);
    return rc;
}

/* ---- seats ---- */

struct seat {
    char name[65], office[130], about[256];
    int kind;
    unsigned keys, revoked;
};

struct seating {
    struct seat *list;
    size_t n;
    char administrator[65];
};

static struct seat *seat_find(struct seating *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->list[i].name, name) == 0)
            return &g->list[i];
    return NULL;
}

static void seat_admit(struct seating *g, const Core__SeatAdmitted *a)
{
    struct seat *seat = seat_find(g, a->seat);

    if (!seat) {
        g->list = mem_grow(g->list, (g->n + 1) * sizeof *g->list);
        seat = &g->list[g->n++];
        *seat = (struct seat){.keys = strcmp(a->seat, g->administrator) == 0};
    }
    snprintf(seat->name, sizeof seat->name, "%s", a->seat);
    snprintf(seat->office, sizeof seat->office, "%s", a->office);
    snprintf(seat->about, sizeof seat->about, "%s", a->name);
    seat->kind = (int)a->kind;
}

static bool seats_gather(void *arg, const struct seen *seen)
{
    struct seating *g = arg;
    const void *body = seen->body;
    struct seat *seat;

    if (!body)
        return true;
    if (seen->type == &core__log_founded__descriptor)
        snprintf(g->administrator, sizeof g->administrator, "%s",
                 ((const Core__LogFounded *)body)->administrator);
    else if (seen->type == &core__seat_admitted__descriptor)
        seat_admit(g, body);
    else if (seen->type == &core__key_added__descriptor &&
             (seat = seat_find(g, ((const Core__KeyAdded *)body)->seat)))
        seat->keys++;
    else if (seen->type == &core__key_revoked__descriptor &&
             (seat = seat_find(g, ((const Core__KeyRevoked *)body)->seat)))
        seat->revoked++;
    return true;
}

static void seats_show(const struct seating *g, bool json)
{
    static const char *const head[] = {"SEAT", "OFFICE", "KIND", "KEYS", "REVOKED", "NAME", NULL};
    struct table *t = table_new(head);

    for (size_t i = 0; i < g->n; i++) {
        const struct seat *seat = &g->list[i];
        char *kind = enum_of(&core__seat_kind__descriptor, seat->kind);
        if (json) {
            show_json(json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "seat", seat->name, "office",
                                seat->office, "kind", kind, "keys", (int)seat->keys, "revoked",
                                (int)seat->revoked, "name", seat->about));
        } else {
            table_cell(t, "%s", seat->name);
            table_cell(t, "%s", seat->office);
            table_cell(t, "%s", kind);
            table_cell(t, "%u", seat->keys);
            table_cell(t, "%u", seat->revoked);
            table_cell(t, "%s", seat->about);
        }
        mem_free(kind);
    }
    if (!json)
        table_print(t, stdout);
    table_free(t);
}

int seat_ls_run(const struct call *c)
{
    struct seating g = {0};
    struct look look = {.streams = {"registry"}, .each = seats_gather, .arg = &g};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = session_look(&s, &look);
    progress_end(&s.progress);
    if (rc == DONE)
        seats_show(&g, c->option[OPT_JSON] != NULL);
    mem_free(g.list);
    session_close(&s);
    return rc;
}

/* ---- keys ---- */

int key_new_run(const struct call *c)
{
    struct seat_key key;
    const char *seat = c->option[OPT_SEAT], *office = c->option[OPT_OFFICE];

    if (!seat || !office || !identifier_valid(seat) || !office_valid(office)) {
        complain("--seat IDENTIFIER and --office PARTY/NAME are needed;"
                 " see `chancery key new --help`");
        return USAGE;
    }
    seat_key_make(&key, seat, office);
    int rc = seat_key_write(&key, c->argument[0]);
    seat_key_clear(&key);
    if (rc < 0) {
        complain("%s: %s", c->argument[0], err_text(rc));
        return FAILED;
    }
    printf("made the keys of %s for %s in %s; `chancery key show` prints their public halves\n",
           seat, office, c->argument[0]);
    return DONE;
}

static void show_key(const char *label, const uint8_t public_key[KEY_SIZE])
{
    char hex[2 * KEY_SIZE + 1], id[2 * KEY_ID_SIZE + 1];
    uint8_t fingerprint[KEY_ID_SIZE];
    struct buf words = {0};

    key_id(fingerprint, public_key);
    hex_encode(hex, public_key, KEY_SIZE);
    hex_encode(id, fingerprint, KEY_ID_SIZE);
    text_words(&words, slice_of(fingerprint, KEY_ID_SIZE));
    show_line(label, "%s", hex);
    show_line("  fingerprint", "%s  %s", id, buf_cstr(&words));
    buf_free(&words);
}

int key_show_run(const struct call *c)
{
    struct seat_key key;
    struct buf why = {0};
    int rc = seat_key_read(&key, c->argument[0], &why);

    if (rc < 0) {
        complain("%s", buf_cstr(&why));
    } else if (c->option[OPT_JSON]) {
        char curve[2 * KEY_SIZE + 1], sign[2 * KEY_SIZE + 1];
        hex_encode(curve, key.curve_public, KEY_SIZE);
        hex_encode(sign, key.sign_public, KEY_SIZE);
        show_json(json_pack("{s:s, s:s, s:s, s:s}", "seat", key.seat, "office", key.office, "curve",
                            curve, "ed25519", sign));
    } else {
        show_line("seat", "%s", key.seat);
        show_line("office", "%s", key.office);
        show_key("transport key", key.curve_public);
        show_key("signature key", key.sign_public);
    }
    if (rc == 0)
        seat_key_clear(&key);
    buf_free(&why);
    return rc < 0 ? FAILED : DONE;
}
