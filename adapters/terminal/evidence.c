/* SPDX-License-Identifier: Apache-2.0 */
/* evidence.c - `event verify`: an event and its proof, checked by who has neither log nor broker
 *
 * What cannot be known from the two files is said too: whose a key is stands in the registry, and
 * that a log shows everybody the same tree can only be seen by comparing.
 */
#include "adapters/terminal/commands.h"
#include "adapters/terminal/given.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/proof.h"
#include "lib/scan.h"
#include "lib/sign.h"

enum { EVENT_ARENA = 16 << 20 };

static const char proof_ending[] = ".tlog-proof";

struct evidence {
    const struct call *call;
    struct log_id log;
    uint8_t seat_key[KEY_SIZE];
    char *proof_file, *record_file;
    struct buf proof_text, record_text;
    struct proof proof;
    struct checkpoint checkpoint;
    struct arena *arena;
    struct seen seen;
    json_t *checked, *unchecked; /* sentences */
};

static void say(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(json_t *list, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(list, json_string(text));
}

static int wrong(const char *file, int err)
{
    complain("%s: %s (%s)", file, err_text(err), err_code(err));
    return FAILED;
}

/* ---- what is given ---- */

static int id_of_instance(struct evidence *e)
{
    struct settings settings = {0};
    int status = settings_of_call(&settings, e->call);

    if (status != DONE)
        return status;
    status = given_log_id(&settings, &e->log);
    settings_clear(&settings);
    return status;
}

static int keys_given(struct evidence *e)
{
    const struct call *c = e->call;
    const char *vkey = c->option[OPT_KEY], *seat_key = c->option[OPT_SEAT_KEY];

    if (seat_key && !hex_decode(e->seat_key, KEY_SIZE, seat_key))
        return call_usage(c, "--seat-key: not an Ed25519 key, 64 hexadecimal digits: %s", seat_key);
    if (!vkey)
        return id_of_instance(e);
    if (note_vkey_parse(slice_str(vkey), e->log.name, e->log.key) != 0)
        return call_usage(c, "--key: not a verifier key, NAME+HASH+BASE64: %s", vkey);
    return DONE;
}

static int files_given(struct evidence *e)
{
    const char *file = e->call->argument[0], *event = e->call->option[OPT_EVENT];
    size_t size = strlen(file), ending = strlen(proof_ending);

    e->proof_file = mem_str(file);
    if (event) {
        e->record_file = mem_str(event);
    } else if (size > ending && strcmp(file + size - ending, proof_ending) == 0) {
        char *name = mem_strn(file, size - ending);
        e->record_file = mem_printf("%s.event", name);
        mem_free(name);
    } else {
        return call_usage(e->call, "%s does not end in %s: name the event's file with --event",
                          file, proof_ending);
    }
    return DONE;
}

/* ---- what is checked ---- */

static int open_record(struct evidence *e, struct chancery_record *out)
{
    struct arena *arena = arena_new(EVENT_ARENA);
    char where[128];
    int err;
    const Core__Record *r = (const Core__Record *)scan_unpack_lent(
        &core__record__descriptor, slice_buf(&e->record_text), arena, &err, where);

    if (r)
        *out = (struct chancery_record){.position = r->position,
                                        .received = r->received,
                                        .event = r->event.data,
                                        .event_size = r->event.len,
                                        .payload = r->payload.data,
                                        .payload_size = r->payload.len};
    arena_free(arena);
    if (!r)
        return wrong(e->record_file, err);
    return seen_open(&e->seen, out, e->arena);
}

static int check_proof(struct evidence *e, const struct chancery_record *r)
{
    uint8_t entry[LOG_ENTRY_SIZE];
    struct hash hash;
    int err = proof_parse(&e->proof, slice_buf(&e->proof_text));

    hash_sha256(&hash, slice_of(r->event, r->event_size));
    tree_log_entry(entry, r->position, r->received, &hash);
    if (err == 0)
        err = proof_check(&e->proof, entry, e->log.name, e->log.key, &e->checkpoint);
    if (err == 0 && e->proof.index + 1 != r->position)
        err = ERR_PROOF;
    if (err == ERR_SIGNATURE) {
        complain("%s: its checkpoint is not signed with the key of %s (%s)", e->proof_file,
                 e->log.name, err_code(err));
        return FAILED;
    }
    if (err)
        return wrong(e->proof_file, err);
    say(e->checked, "it stands at position %llu in the tree of %llu records of %s",
        (unsigned long long)r->position, (unsigned long long)e->checkpoint.size, e->log.name);
    say(e->checked, "that tree is signed with the log's key, %s",
        e->call->option[OPT_KEY] ? "the one of --key" : "the one of the instance's log.vkey");
    say(e->checked, "its payload is the one whose hash it states");
    return DONE;
}

static int check_signature(struct evidence *e)
{
    const Core__SignedEvent *s = e->seen.event.signed_event;
    char *named = hex_of(s->key_id, 0), given[2 * KEY_ID_SIZE + 1];
    uint8_t id[KEY_ID_SIZE];
    struct hash root;
    int status = DONE;

    key_id(id, e->seat_key);
    hex_encode(given, id, sizeof id);
    if (strcmp(named, given) != 0) {
        complain("%s: it names the key %s, and --seat-key is %s (%s)", e->record_file, named, given,
                 err_code(ERR_KEY_UNKNOWN));
        status = FAILED;
    } else if (!sign_event_root(s, &root) ||
               !sign_root_check(&root, slice_of(s->signature.data, s->signature.len),
                                e->seat_key)) {
        status = wrong(e->record_file, ERR_SIGNATURE);
    } else {
        say(e->checked, "it is signed with the key %s, the one of --seat-key", named);
    }
    mem_free(named);
    return status;
}

static void say_unchecked(struct evidence *e)
{
    const Core__Envelope *envelope = e->seen.event.envelope;
    char *key = hex_of(e->seen.event.signed_event->key_id, 0);

    if (!e->call->option[OPT_SEAT_KEY])
        say(e->unchecked, "the signature with the key %s: give the key with --seat-key", key);
    say(e->unchecked,
        "that the key %s was then a key of %s: compare with `chancery seat ls --json`", key,
        envelope->seat);
    say(e->unchecked, "the time of receipt: it is the log's own word");
    say(e->unchecked, "that the log shows others the same tree: compare checkpoints with them");
    if (envelope->n_parts)
        say(e->unchecked, "its parts: compare the SHA-256 of each");
    if (strcmp(envelope->log, e->log.name) != 0)
        say(e->unchecked, "that %s is the successor of %s, which it was made for", e->log.name,
            envelope->log);
    mem_free(key);
}

static int check(struct evidence *e)
{
    struct chancery_record record;
    int status = given_read(e->proof_file, FRAME_MOST, &e->proof_text);

    if (status == DONE)
        status = given_read(e->record_file, FRAME_MOST, &e->record_text);
    if (status == DONE)
        status = open_record(e, &record);
    if (status == DONE)
        status = check_proof(e, &record);
    if (status == DONE && e->call->option[OPT_SEAT_KEY])
        status = check_signature(e);
    if (status == DONE)
        say_unchecked(e);
    return status;
}

/* ---- what is told ---- */

static void tell_list(const char *label, const json_t *list)
{
    size_t i;
    const json_t *text;

    json_array_foreach(list, i, text) show_line(i ? "" : label, "%s", json_string_value(text));
}

static void tell(struct evidence *e)
{
    if (e->call->option[OPT_JSON]) {
        json_t *object = event_json(&e->seen);
        json_object_set_new(object, "log", json_string(e->log.name));
        json_object_set_new(object, "size", json_integer((json_int_t)e->checkpoint.size));
        json_object_set(object, "checked", e->checked);
        json_object_set(object, "unchecked", e->unchecked);
        show_json(object);
        return;
    }
    show_line("log", "%s", e->log.name);
    show_event(&e->seen, false);
    putchar('\n');
    tell_list("checked", e->checked);
    tell_list("NOT checked", e->unchecked);
}

int event_verify_run(const struct call *c)
{
    struct evidence e = {.call = c, .checked = json_array(), .unchecked = json_array()};
    int status = keys_given(&e);

    e.arena = arena_new(EVENT_ARENA);
    if (status == DONE)
        status = files_given(&e);
    if (status == DONE)
        status = check(&e);
    if (status == DONE)
        tell(&e);
    arena_free(e.arena);
    mem_free(e.proof_file);
    mem_free(e.record_file);
    buf_free(&e.proof_text);
    buf_free(&e.record_text);
    json_decref(e.checked);
    json_decref(e.unchecked);
    return status;
}
