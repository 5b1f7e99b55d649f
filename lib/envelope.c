/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.c - the checks of an envelope, as the comments of envelope.proto say them, and ids
 *
 * Each check returns 0 or a negative err, and the first that fails names its field in `where`.
 */
#include "lib/envelope.h"

#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "lib/err.h"
#include "lib/scan.h"
#include "lib/sign.h"

enum {
    NAME_MOST = 64,
    TYPE_MOST = 128,
    LOG_NAME_MOST = 128,
    LABEL_TEXT_MOST = 255,
    LANGUAGE_MOST = 35,
    MEDIA_TYPE_MOST = 128,
    CODES_MOST = 4,
};

static const int64_t TIME_MOST = INT64_C(253402300799999999); /* the end of the year 9999 */

/* Classes of characters, as bits. */
enum { LOWER = 1, UPPER = 2, DIGIT = 4, DOT = 8, DASH = 16, UNDERSCORE = 32, OTHER = 0 };

static int char_class(char c)
{
    if (c >= 'a' && c <= 'z')
        return LOWER;
    if (c >= 'A' && c <= 'Z')
        return UPPER;
    if (c >= '0' && c <= '9')
        return DIGIT;
    return c == '.' ? DOT : c == '-' ? DASH : c == '_' ? UNDERSCORE : OTHER;
}

enum {
    IDENTIFIER_CHARS = LOWER | UPPER | DIGIT | DOT | DASH | UNDERSCORE,
    STREAM_CHARS = LOWER | DIGIT | DOT | DASH,
    TYPE_CHARS = LOWER | UPPER | DIGIT | DOT | UNDERSCORE,
    LANGUAGE_CHARS = LOWER | UPPER | DIGIT | DASH,
};

/* Length of the run of allowed characters at the front, or 0 where it is longer than `most`. */
static size_t run(const char *s, int chars, size_t most)
{
    size_t n = 0;

    while (n <= most && char_class(s[n]) & chars)
        n++;
    return n <= most ? n : 0;
}

static bool is_run(const char *s, int chars, size_t most)
{
    size_t n = run(s, chars, most);

    return n > 0 && s[n] == '\0';
}

bool identifier_valid(const char *s)
{
    return is_run(s, IDENTIFIER_CHARS, NAME_MOST);
}

bool office_valid(const char *s)
{
    size_t party = run(s, IDENTIFIER_CHARS, NAME_MOST);

    return party > 0 && s[party] == '/' && identifier_valid(s + party + 1);
}

bool stream_valid(const char *s)
{
    return is_run(s, STREAM_CHARS, NAME_MOST);
}

bool type_valid(const char *s)
{
    return is_run(s, TYPE_CHARS, TYPE_MOST);
}

bool log_name_valid(const char *s)
{
    const char *at = s;

    for (;;) {
        size_t n = run(at, STREAM_CHARS, NAME_MOST);
        at += n;
        if (n == 0 || at - s > LOG_NAME_MOST)
            return false;
        if (*at != '/')
            return *at == '\0';
        at++;
    }
}

const char *label_text(int label)
{
    static const char *const texts[] = {"TLP:?",     "TLP:CLEAR",        "TLP:GREEN",
                                        "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"};

    return texts[label > 0 && label <= CORE__LABEL__LABEL_RED ? label : 0];
}

bool pattern_match(const char *pattern, const char *s)
{
    size_t n = strlen(pattern);

    if (n == 0)
        return false;
    return pattern[n - 1] == '*' ? strncmp(pattern, s, n - 1) == 0 : strcmp(pattern, s) == 0;
}

bool group_valid(const char *s)
{
    size_t n = run(s, IDENTIFIER_CHARS, NAME_MOST);

    return n > 0 && s[n] == '@' && s[n + 1] != '0' && is_run(s + n + 1, DIGIT, 9);
}

static bool language_valid(const char *s)
{
    return is_run(s, LANGUAGE_CHARS, LANGUAGE_MOST);
}

static bool marking_valid(const char *s)
{
    return strlen(s) <= LABEL_TEXT_MOST;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((uint8_t)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

/* A name for people that is safe to save a file under. */
static bool part_name_valid(const char *s)
{
    return strlen(s) <= LABEL_TEXT_MOST && !strchr(s, '/') && !has_control(s) &&
           strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

/* RFC 6838 section 4.2: type "/" subtype, then what parameters there are */
static bool media_type_valid(const char *s)
{
    const char *slash = strchr(s, '/');

    if (!slash || slash == s || slash[1] == '\0' || strlen(s) > MEDIA_TYPE_MOST)
        return false;
    for (; *s; s++)
        if ((uint8_t)*s < 0x20 || (uint8_t)*s > 0x7e)
            return false;
    return true;
}

static int fault(char where[128], int err, const char *field)
{
    snprintf(where, 128, "%s", field);
    return err;
}

static int fault_at(char where[128], int err, const char *list, size_t i, const char *field)
{
    snprintf(where, 128, "%s[%zu].%s", list, i, field);
    return err;
}

static const void *field_at(const void *message, size_t offset)
{
    return (const char *)message + offset;
}

static const struct text_row {
    const char *name;
    size_t offset;
    bool (*valid)(const char *s);
    bool may_be_empty;
} text_rows[] = {
    {"log", offsetof(Core__Envelope, log), log_name_valid, false},
    {"stream", offsetof(Core__Envelope, stream), stream_valid, false},
    {"type", offsetof(Core__Envelope, type), type_valid, false},
    {"seat", offsetof(Core__Envelope, seat), identifier_valid, false},
    {"office", offsetof(Core__Envelope, office), office_valid, false},
    {"acting_for", offsetof(Core__Envelope, acting_for), office_valid, true},
    {"case_id", offsetof(Core__Envelope, case_id), identifier_valid, true},
    {"marking", offsetof(Core__Envelope, marking), marking_valid, true},
    {"language", offsetof(Core__Envelope, language), language_valid, true},
};

static int check_texts(const Core__Envelope *e, char where[128])
{
    for (size_t i = 0; i < sizeof text_rows / sizeof text_rows[0]; i++) {
        const struct text_row *row = &text_rows[i];
        const char *const *text = field_at(e, row->offset);
        if (!(**text == '\0' && row->may_be_empty) && !row->valid(*text))
            return fault(where, ERR_FIELD, row->name);
    }
    return 0;
}

static const struct time_row {
    const char *name;
    size_t offset;
} time_rows[] = {
    {"due", offsetof(Core__Envelope, due)},
    {"created", offsetof(Core__Envelope, created)},
    {"effective", offsetof(Core__Envelope, effective)},
    {"expires", offsetof(Core__Envelope, expires)},
};

static int check_times(const Core__Envelope *e, char where[128])
{
    for (size_t i = 0; i < sizeof time_rows / sizeof time_rows[0]; i++) {
        const int64_t *us = field_at(e, time_rows[i].offset);
        if (*us < 0 || *us > TIME_MOST)
            return fault(where, ERR_FIELD, time_rows[i].name);
    }
    return 0;
}

/* Enums are open on the wire: a value of a later version is refused, not guessed at. */
static bool is_one_of(int64_t value, int64_t first, int64_t last)
{
    return value >= first && value <= last;
}

static int check_enums(const Core__Envelope *e, char where[128])
{
    if (!is_one_of(e->evidence, CORE__EVIDENCE__EVIDENCE_SIGNED,
                   CORE__EVIDENCE__EVIDENCE_TRANSCRIBED))
        return fault(where, ERR_FIELD, "evidence");
    if (!is_one_of(e->kind, CORE__KIND__KIND_NEW, CORE__KIND__KIND_RECALL))
        return fault(where, ERR_FIELD, "kind");
    if (!is_one_of(e->mode, CORE__MODE__MODE_ACTUAL, CORE__MODE__MODE_TEST))
        return fault(where, ERR_FIELD, "mode");
    return 0;
}

static int check_id(const Core__Envelope *e, char where[128])
{
    if (e->id.len != ID_SIZE)
        return fault(where, ERR_ID_INVALID, "id");
    if (e->cause == 0) {
        if (e->ordinal != 0 || e->of != 0)
            return fault(where, ERR_CAUSE, e->of ? "of" : "ordinal");
        return id_v7_time(e->id.data) >= 0 ? 0 : fault(where, ERR_ID_INVALID, "id");
    }
    if (e->cause >> 48)
        return fault(where, ERR_CAUSE, "cause");
    if (e->of == 0)
        return fault(where, ERR_CAUSE, "of");
    if (e->ordinal >= e->of)
        return fault(where, ERR_CAUSE, "ordinal");
    return id_v8_is(e->id.data, e->cause, e->ordinal) ? 0 : fault(where, ERR_ID_INVALID, "id");
}

static int check_order(const Core__Envelope *e, char where[128])
{
    if (e->seat_seq == 0)
        return fault(where, ERR_FIELD, "seat_seq");
    if (e->previous.len != (e->seat_seq == 1 ? 0 : HASH_SIZE))
        return fault(where, ERR_FIELD, "previous");
    return 0;
}

static const char *reference_fault(const Core__EventRef *r)
{
    if (r->position == 0)
        return "position";
    if (r->envelope_hash.len != 0 && r->envelope_hash.len != HASH_SIZE)
        return "envelope_hash";
    return *r->log == '\0' || log_name_valid(r->log) ? NULL : "log";
}

static int check_references(const Core__Envelope *e, char where[128])
{
    if (e->n_references > EVENT_REFERENCES_MOST)
        return fault(where, ERR_BOUNDS, "references");
    if (e->kind != CORE__KIND__KIND_NEW && e->n_references == 0)
        return fault(where, ERR_REFERENCE, "references");
    for (size_t i = 0; i < e->n_references; i++) {
        const char *field = reference_fault(e->references[i]);
        if (field)
            return fault_at(where, ERR_REFERENCE, "references", i, field);
    }
    const char *field = e->in_reply_to ? reference_fault(e->in_reply_to) : NULL;
    if (field) {
        snprintf(where, 128, "in_reply_to.%s", field);
        return ERR_REFERENCE;
    }
    return 0;
}

static bool recipient_name_valid(const Core__Recipient *r)
{
    static bool (*const valid[])(const char *) = {
        [CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY] = identifier_valid,
        [CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE] = office_valid,
        [CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT] = identifier_valid,
        [CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP] = group_valid,
    };

    return valid[r->kind](r->name);
}

static int check_recipients(Core__Recipient *const list[], size_t n, const char *name,
                            char where[128])
{
    if (n > EVENT_RECIPIENTS_MOST)
        return fault(where, ERR_BOUNDS, name);
    for (size_t i = 0; i < n; i++) {
        if (!is_one_of(list[i]->kind, CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY,
                       CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP))
            return fault_at(where, ERR_FIELD, name, i, "kind");
        if (!recipient_name_valid(list[i]))
            return fault_at(where, ERR_FIELD, name, i, "name");
    }
    return 0;
}

static int check_codes(const Core__Handling *h, char where[128])
{
    if (h->n_codes > CODES_MOST)
        return fault(where, ERR_BOUNDS, "handling.codes");
    for (size_t i = 0; i < h->n_codes; i++)
        if (!is_one_of(h->codes[i], CORE__HANDLING_CODE__HANDLING_CODE_H0,
                       CORE__HANDLING_CODE__HANDLING_CODE_H3))
            return fault(where, ERR_FIELD, "handling.codes");
    if (!is_one_of(h->source_evaluation, CORE__SOURCE_EVALUATION__SOURCE_EVALUATION_UNSPECIFIED,
                   CORE__SOURCE_EVALUATION__SOURCE_EVALUATION_X))
        return fault(where, ERR_FIELD, "handling.source_evaluation");
    if (!is_one_of(h->information_evaluation,
                   CORE__INFORMATION_EVALUATION__INFORMATION_EVALUATION_UNSPECIFIED,
                   CORE__INFORMATION_EVALUATION__INFORMATION_EVALUATION_4))
        return fault(where, ERR_FIELD, "handling.information_evaluation");
    return 0;
}

static int check_handling(const Core__Handling *h, char where[128])
{
    if (!h)
        return fault(where, ERR_FIELD, "handling");
    if (!is_one_of(h->label, CORE__LABEL__LABEL_CLEAR, CORE__LABEL__LABEL_RED))
        return fault(where, ERR_FIELD, "handling.label");
    if (h->label >= CORE__LABEL__LABEL_AMBER && h->n_recipients == 0)
        return fault(where, ERR_FIELD, "handling.recipients");
    if (h->retain_until < 0 || h->retain_until > TIME_MOST)
        return fault(where, ERR_FIELD, "handling.retain_until");
    int rc = check_recipients(h->recipients, h->n_recipients, "handling.recipients", where);
    if (rc == 0)
        rc = check_recipients(h->release_to, h->n_release_to, "handling.release_to", where);
    return rc == 0 ? check_codes(h, where) : rc;
}

static int check_parts(const Core__Envelope *e, char where[128])
{
    if (e->n_parts > PARTS_MOST)
        return fault(where, ERR_BOUNDS, "parts");
    for (size_t i = 0; i < e->n_parts; i++) {
        const Core__PartRef *p = e->parts[i];
        if (p->sha256.len != HASH_SIZE)
            return fault_at(where, ERR_FIELD, "parts", i, "sha256");
        if (p->size > PART_MOST)
            return fault_at(where, ERR_BOUNDS, "parts", i, "size");
        if (!media_type_valid(p->media_type))
            return fault_at(where, ERR_FIELD, "parts", i, "media_type");
        if (!part_name_valid(p->name))
            return fault_at(where, ERR_FIELD, "parts", i, "name");
        if (e->handling->label == CORE__LABEL__LABEL_RED && !p->sealed)
            return fault_at(where, ERR_FIELD, "parts", i, "sealed");
    }
    return 0;
}

static int check_payload_form(const Core__Envelope *e, char where[128])
{
    if (e->payload_hash.len != HASH_SIZE)
        return fault(where, ERR_FIELD, "payload_hash");
    return e->payload_size <= PAYLOAD_MOST ? 0 : fault(where, ERR_BOUNDS, "payload_size");
}

typedef int envelope_check(const Core__Envelope *e, char where[128]);

static int check_handling_of(const Core__Envelope *e, char where[128])
{
    return check_handling(e->handling, where);
}

static envelope_check *const checks[] = {
    check_texts,      check_enums,       check_id,    check_order,        check_times,
    check_references, check_handling_of, check_parts, check_payload_form,
};

static int check_envelope(const Core__Envelope *e, char where[128])
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        int rc = checks[i](e, where);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int check_signed(const Core__SignedEvent *s, char where[128])
{
    if (s->envelope.len == 0)
        return fault(where, ERR_MALFORMED, "envelope");
    if (s->envelope.len > ENVELOPE_MOST)
        return fault(where, ERR_BOUNDS, "envelope");
    if (s->key_id.len != KEY_ID_SIZE)
        return fault(where, ERR_MALFORMED, "key_id");
    if (s->salt.len != SALT_SIZE)
        return fault(where, ERR_MALFORMED, "salt");
    if (s->signature.len != SIGNATURE_SIZE)
        return fault(where, ERR_MALFORMED, "signature");
    if (s->tree_size < 1 || s->tree_size > BATCH_MOST)
        return fault(where, ERR_MALFORMED, "tree_size");
    if (s->leaf_index >= s->tree_size)
        return fault(where, ERR_MALFORMED, "leaf_index");
    return sign_path_fits(s) ? 0 : fault(where, ERR_MALFORMED, "path");
}

int event_open_head(struct event *out, struct slice event, struct arena *arena, char where[128])
{
    struct event e = {.bytes = event};
    int rc;

    e.signed_event = (const Core__SignedEvent *)scan_unpack_lent(&core__signed_event__descriptor,
                                                                 event, arena, &rc, where);
    if (rc == 0)
        rc = check_signed(e.signed_event, where);
    if (rc != 0)
        return rc;
    struct slice bytes = slice_of(e.signed_event->envelope.data, e.signed_event->envelope.len);
    e.envelope = (const Core__Envelope *)scan_unpack_lent(&core__envelope__descriptor, bytes, arena,
                                                          &rc, where);
    if (rc == 0)
        rc = check_envelope(e.envelope, where);
    if (rc != 0)
        return rc;
    *out = e;
    return 0;
}

void event_texts(const struct event *e, struct slice payload, struct hash_text texts[EVENT_TEXTS])
{
    const ProtobufCBinaryData *envelope = &e->signed_event->envelope;

    texts[EVENT_PAYLOAD] = (struct hash_text){{payload}};
    texts[EVENT_ENVELOPE] = (struct hash_text){{slice_of(envelope->data, envelope->len)}};
}

int event_add_payload(struct event *e, struct slice payload, const struct hash hashes[EVENT_TEXTS],
                      char where[128])
{
    if (payload.size != e->envelope->payload_size)
        return fault(where, ERR_PAYLOAD, "payload_size");
    if (memcmp(hashes[EVENT_PAYLOAD].bytes, e->envelope->payload_hash.data, HASH_SIZE) != 0)
        return fault(where, ERR_PAYLOAD, "payload_hash");
    e->envelope_hash = hashes[EVENT_ENVELOPE];
    e->payload = payload;
    return 0;
}

int event_open(struct event *out, struct slice event, struct slice payload, struct arena *arena,
               char where[128])
{
    struct hash_text texts[EVENT_TEXTS];
    struct hash hashes[EVENT_TEXTS];
    struct event e;
    int rc = event_open_head(&e, event, arena, where);

    if (rc == 0) {
        event_texts(&e, payload, texts);
        hash_many(hashes, texts, EVENT_TEXTS);
        rc = event_add_payload(&e, payload, hashes, where);
    }
    if (rc == 0)
        *out = e;
    return rc;
}

static void put_big_endian(uint8_t *out, size_t size, uint64_t v)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
}

static uint64_t get_big_endian(const uint8_t *in, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++)
        v = v << 8 | in[i];
    return v;
}

void id_v7(uint8_t id[ID_SIZE], int64_t now)
{
    uint8_t random[ID_RANDOM];

    randombytes_buf(random, sizeof random);
    id_v7_of(id, now, random);
}

void id_v7_of(uint8_t id[ID_SIZE], int64_t now, const uint8_t random[ID_RANDOM])
{
    /* RFC 9562 section 6.2, method 3: the microsecond in 12 bits, so that ids ascend */
    uint64_t fraction = (uint64_t)(now % 1000) * 4096 / 1000;

    put_big_endian(id, 6, (uint64_t)(now / 1000));
    put_big_endian(id + 6, 2, 0x7000 | fraction);
    memcpy(id + 8, random, ID_RANDOM);
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

int64_t id_v7_time(const uint8_t id[ID_SIZE])
{
    if (id[6] >> 4 != 7 || id[8] >> 6 != 2)
        return -1;
    return (int64_t)get_big_endian(id, 6) * 1000;
}

void id_v8(uint8_t id[ID_SIZE], uint64_t cause, uint32_t ordinal)
{
    put_big_endian(id, 6, cause);
    put_big_endian(id + 6, 2, 0x8000);
    put_big_endian(id + 8, 4, 0x80000000);
    put_big_endian(id + 12, 4, ordinal);
}

bool id_v8_is(const uint8_t id[ID_SIZE], uint64_t cause, uint32_t ordinal)
{
    uint8_t own[ID_SIZE];

    id_v8(own, cause, ordinal);
    return memcmp(id, own, ID_SIZE) == 0;
}

void id_text(char out[37], const uint8_t id[ID_SIZE])
{
    char hex[2 * ID_SIZE + 1];

    hex_encode(hex, id, ID_SIZE);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

bool id_parse(uint8_t id[ID_SIZE], const char *text)
{
    char hex[2 * ID_SIZE + 1];
    size_t n = 0;

    for (size_t i = 0; text[i]; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if ((text[i] == '-') != dash || i == 36)
            return false;
        if (!dash)
            hex[n++] = text[i];
    }
    hex[n] = '\0';
    return n == sizeof hex - 1 && hex_decode(id, ID_SIZE, hex);
}

enum { SECOND = 1000000 };

int64_t time_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

void time_text(char out[40], int64_t us)
{
    int64_t fraction = (us % SECOND + SECOND) % SECOND;
    time_t seconds = (time_t)(us / SECOND - (us % SECOND < 0));
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fraction % 1000)
        n += (size_t)snprintf(out + n, 40 - n, ".%06d", (int)fraction);
    else if (fraction)
        n += (size_t)snprintf(out + n, 40 - n, ".%03d", (int)(fraction / 1000));
    snprintf(out + n, 40 - n, "Z");
}

/* Takes exactly `digits` digits and the character behind them (0 = none is wanted). */
static bool take_number(const char **at, int digits, char behind, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (char_class(**at) != DIGIT)
            return false;
        *value = *value * 10 + (**at - '0');
    }
    if (behind == 0)
        return true;
    /* RFC 3339 section 5.6: T and Z may be lower case */
    bool found = **at == behind || (behind == 'T' && **at == 't');
    *at += found;
    return found;
}

/* Digits behind the point; those past the microsecond are dropped. */
static bool take_fraction(const char **at, int64_t *us)
{
    const char *first;
    int64_t unit = SECOND / 10;

    *us = 0;
    if (**at != '.')
        return true;
    for (first = ++*at; char_class(**at) == DIGIT; (*at)++, unit /= 10)
        *us += (**at - '0') * unit;
    return *at > first;
}

static bool take_offset(const char **at, int *seconds)
{
    int hours, minutes, sign = **at == '-' ? -1 : 1;

    *seconds = 0;
    if (**at == 'Z' || **at == 'z') {
        ++*at;
        return true;
    }
    if (**at != '+' && **at != '-')
        return false;
    ++*at;
    if (!take_number(at, 2, ':', &hours) || !take_number(at, 2, 0, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return hours < 24 && minutes < 60;
}

bool time_parse(int64_t *us, const char *text)
{
    struct tm tm = {0};
    int64_t fraction;
    int offset;

    if (!take_number(&text, 4, '-', &tm.tm_year) || !take_number(&text, 2, '-', &tm.tm_mon) ||
        !take_number(&text, 2, 'T', &tm.tm_mday) || !take_number(&text, 2, ':', &tm.tm_hour) ||
        !take_number(&text, 2, ':', &tm.tm_min) || !take_number(&text, 2, 0, &tm.tm_sec) ||
        !take_fraction(&text, &fraction) || !take_offset(&text, &offset) || *text != '\0')
        return false;
    if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59) /* no leap seconds in this time */
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm given = tm;
    time_t seconds = timegm(&tm); /* moves 31 April to 1 May: then it was no date */
    if (tm.tm_mday != given.tm_mday || tm.tm_mon != given.tm_mon)
        return false;
    *us = ((int64_t)seconds - offset) * SECOND + fraction;
    return true;
}
