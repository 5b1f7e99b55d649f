/* SPDX-License-Identifier: Apache-2.0 */
/* receipt_check.c - `receipt check`: receipts compared with the log, and with the broker's word */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/receipt.h"
#include "adapters/terminal/registry.h"
#include "adapters/terminal/show.h"
#include "lib/countersign.h"
#include "lib/err.h"

enum word { NONE, GIVEN, FORGED }; /* that the broker gave for it */
enum found { MISSING, SAME, MOVED, ALTERED, FOUND_KINDS };
static const char *const found_words[FOUND_KINDS] = {"missing", "the same", "moved", "altered"};

struct claim { /* what a receipt says */
    uint8_t id[ID_SIZE];
    struct hash envelope;
    char *log;
    uint64_t position, at; /* at: where the log has it; 0 = nowhere */
    enum found found;
    enum word word;
};

struct claims {
    const Core__SeatStands *broker; /* NULL: its keys are not known here */
    struct claim *list;             /* by id */
    size_t n, capacity;
};

/* ---- the broker's word ---- */

static bool is_key_of(const Core__SeatStands *seat, ProtobufCBinaryData key)
{
    for (size_t i = 0; i < seat->n_keys; i++)
        if (seat->keys[i]->kind == CORE__KEY_KIND__KEY_KIND_ED25519 &&
            slice_equal(slice_of(seat->keys[i]->public_key.data, seat->keys[i]->public_key.len),
                        slice_of(key.data, key.len)))
            return true;
    return false;
}

static bool states(ProtobufCBinaryData entries, const struct chancery_record *r)
{
    uint8_t entry[LOG_ENTRY_SIZE];
    struct hash hash;

    hash_sha256(&hash, slice_of(r->event, r->event_size));
    tree_log_entry(entry, r->position, r->received, &hash);
    for (size_t i = 0; i + LOG_ENTRY_SIZE <= entries.len; i += LOG_ENTRY_SIZE)
        if (memcmp(entries.data + i, entry, LOG_ENTRY_SIZE) == 0)
            return true;
    return false;
}

static enum word word_of(const struct claims *c, const struct chancery_receipt *receipt)
{
    if (receipt->countersigned_size == 0)
        return NONE;
    Core__Receipt *m =
        core__receipt__unpack(NULL, receipt->countersigned_size, receipt->countersigned);
    bool good = m && m->key.len == KEY_SIZE && strcmp(m->log, receipt->log) == 0 &&
                states(m->entries, &receipt->record) &&
                countersign_check(slice_of(m->signature.data, m->signature.len), m->log,
                                  slice_of(m->entries.data, m->entries.len), m->key.data) &&
                (!c->broker || is_key_of(c->broker, m->key));
    if (m)
        core__receipt__free_unpacked(m, NULL);
    return good ? GIVEN : FORGED;
}

/* ---- what the receipts say ---- */

static void claim_add(void *arg, const struct seen *seen, const struct chancery_receipt *receipt)
{
    struct claims *c = arg;

    if (c->n == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 256;
        c->list = mem_grow(c->list, c->capacity * sizeof *c->list);
    }
    struct claim *claim = &c->list[c->n++];
    *claim = (struct claim){.envelope = seen->event.envelope_hash,
                            .log = mem_str(receipt->log),
                            .position = seen->position,
                            .word = word_of(c, receipt)};
    memcpy(claim->id, seen->event.envelope->id.data, ID_SIZE);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct claim *)a)->id, ((const struct claim *)b)->id, ID_SIZE);
}

static void claim_judge(struct claim *claim, const struct seen *seen)
{
    claim->at = seen->position;
    if (!hash_equal(&claim->envelope, &seen->event.envelope_hash))
        claim->found = ALTERED;
    else
        claim->found = claim->position == seen->position ? SAME : MOVED;
}

/* All receipts of the event: there is one a log that it was recorded in. */
static bool compare_one(void *arg, const struct seen *seen)
{
    struct claims *c = arg;
    struct claim key;

    memcpy(key.id, seen->event.envelope->id.data, ID_SIZE);
    struct claim *claim = c->n ? bsearch(&key, c->list, c->n, sizeof key, by_id) : NULL;
    while (claim && claim > c->list && by_id(claim - 1, &key) == 0)
        claim--;
    for (; claim && claim < c->list + c->n && by_id(claim, &key) == 0; claim++)
        claim_judge(claim, seen);
    return true;
}

static int by_position(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int log = strcmp(x->log, y->log);

    return log ? log : (x->position > y->position) - (x->position < y->position);
}

static const char *word_text(enum word word)
{
    static const char *const texts[] = {"", ", and the broker signed for it",
                                        ", with a countersignature that is not the broker's"};

    return texts[word];
}

static void tell_claim(const struct claim *claim, bool json)
{
    if (json)
        show_json(json_pack("{s:s, s:I, s:s, s:I, s:b}", "log", claim->log, "position",
                            (json_int_t)claim->position, "found", found_words[claim->found], "at",
                            (json_int_t)claim->at, "countersigned", (int)(claim->word == GIVEN)));
    else if (claim->at)
        printf("position %llu of %s: %s, now at %llu%s\n", (unsigned long long)claim->position,
               claim->log, found_words[claim->found], (unsigned long long)claim->at,
               word_text(claim->word));
    else
        printf("position %llu of %s: missing%s\n", (unsigned long long)claim->position, claim->log,
               word_text(claim->word));
}

struct counts {
    size_t found[FOUND_KINDS], given, forged;
    int status;
};

/* A receipt of another log, which this one goes on from, may be met at another position. */
static void count_claim(struct counts *n, const struct claim *claim, const char *log)
{
    n->found[claim->found]++;
    n->given += claim->word == GIVEN;
    n->forged += claim->word == FORGED;
    if (claim->found == MISSING || claim->found == ALTERED || claim->word == FORGED ||
        (claim->found == MOVED && strcmp(claim->log, log) == 0))
        n->status = FAILED;
}

static void tell_counts(const struct counts *n, size_t all, bool json)
{
    const size_t *found = n->found;

    if (json)
        show_json(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", n->status == DONE,
                            "receipts", (json_int_t)all, "same", (json_int_t)found[SAME], "moved",
                            (json_int_t)found[MOVED], "missing", (json_int_t)found[MISSING],
                            "altered", (json_int_t)found[ALTERED], "countersigned",
                            (json_int_t)n->given, "forged", (json_int_t)n->forged));
    else
        printf("%s: %zu receipts, %zu at their positions, %zu moved, %zu missing, %zu altered; "
               "%zu countersigned, %zu forged\n",
               n->status == DONE ? "ok" : "not ok", all, found[SAME], found[MOVED], found[MISSING],
               found[ALTERED], n->given, n->forged);
}

static int tell_all(const struct claims *c, const char *log, bool json)
{
    struct counts n = {.status = DONE};

    for (size_t i = 0; i < c->n; i++) {
        count_claim(&n, &c->list[i], log);
        if (c->list[i].found != SAME || c->list[i].word == FORGED)
            tell_claim(&c->list[i], json);
    }
    tell_counts(&n, c->n, json);
    if (n.found[MISSING])
        complain("what is missing lies in a stream that this seat may not read, or the log was"
                 " restored from an older copy: the seat's next command that publishes brings it"
                 " back while the return is open");
    return n.status;
}

/* ---- the log beside them ---- */

/* Who may not read the registry sees that the receipts are signed, and not whether by the broker.
 */
static const Core__SeatStands *find_broker(struct session *s)
{
    const Core__Registry *r = registry_quietly(s);

    for (size_t i = 0; r && i < r->n_seats; i++)
        if (strcmp(r->seats[i]->seat, r->broker) == 0)
            return r->seats[i];
    return NULL;
}

static int look_through(struct claims *claims, struct session *s)
{
    struct look look = {
        .seat = chancery_current(s->client)->seat, .each = compare_one, .arg = claims};

    if (claims->n)
        qsort(claims->list, claims->n, sizeof *claims->list, by_id);
    progress_step(&s->progress, "reading the log", 0, 0);
    int status = session_look(s, &look);
    progress_end(&s->progress);
    if (status == DONE && claims->n)
        qsort(claims->list, claims->n, sizeof *claims->list, by_position);
    return status;
}

static int compare(struct claims *claims, const struct call *c)
{
    struct session s;
    int status = session_open(&s, c);

    if (status != DONE)
        return status;
    claims->broker = find_broker(&s);
    int read = receipts_read(c, claim_add, claims);
    status = look_through(claims, &s);
    if (status == DONE)
        status = tell_all(claims, chancery_current(s.client)->log, c->option[OPT_JSON] != NULL);
    session_close(&s);
    return status == DONE ? read : status;
}

int receipt_check_run(const struct call *c)
{
    struct claims claims = {0};
    int status = compare(&claims, c);

    for (size_t i = 0; i < claims.n; i++)
        mem_free(claims.list[i].log);
    mem_free(claims.list);
    return status;
}
