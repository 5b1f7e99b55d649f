/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - events as they are: listed, shown, published, followed */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "lib/json.h"
#include "lib/types.h"

struct listing {
    bool json;
    uint64_t left;
};

static bool list_one(void *arg, const struct seen *seen)
{
    struct listing *l = arg;

    if (l->json) {
        show_json(seen_json(seen));
    } else {
        const Core__Envelope *e = seen->event.envelope;
        char brief[160], *when = time_of(seen->received, false);

        type_short(brief, sizeof brief, e->type);
        printf("%8llu  %s  %-13s %-28s %s %s\n", (unsigned long long)seen->position, when,
               e->stream, brief, e->seat, e->office);
        mem_free(when);
    }
    fflush(stdout);
    return --l->left > 0;
}

/* A type's full name where a short one was given; the pattern itself otherwise. */
static const char *type_given(const struct call *c)
{
    const ProtobufCMessageDescriptor *type =
        c->option[OPT_TYPE] ? type_find(known_types, c->option[OPT_TYPE]) : NULL;

    return type ? type->name : c->option[OPT_TYPE];
}

static int listing_run(const struct call *c, bool follow)
{
    struct listing listing = {.json = c->option[OPT_JSON] != NULL};
    struct look look = {.streams = {c->option[OPT_STREAM]},
                        .types = {type_given(c)},
                        .follow = follow,
                        .each = list_one,
                        .arg = &listing};
    struct session s;

    if (!call_number(c, OPT_FROM, 1, &look.from) ||
        !call_number(c, OPT_LIMIT, UINT64_MAX, &listing.left))
        return USAGE;
    if (listing.left == 0)
        return DONE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    if (follow && !c->option[OPT_FROM])
        look.from = chancery_current(s.client)->head + 1;
    s.patient = follow;
    progress_end(&s.progress);
    rc = session_look(&s, &look);
    session_close(&s);
    return rc;
}

int event_ls_run(const struct call *c)
{
    return listing_run(c, false);
}

int watch_run(const struct call *c)
{
    return listing_run(c, true);
}

/* ---- one event ---- */

struct showing {
    bool json, found;
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

void show_event(const struct seen *seen, bool json)
{
    const Core__SignedEvent *s = seen->event.signed_event;
    char *received = time_of(seen->received, true), *key = hex_of(s->key_id, 0);
    char hash[2 * HASH_SIZE + 1];

    hex_encode(hash, seen->event.envelope_hash.bytes, HASH_SIZE);
    if (json) {
        json_t *object = seen_json(seen);
        json_object_set_new(object, "envelopeHash", json_string(hash));
        json_object_set_new(object, "signed", signature_json(&seen->event));
        show_json(object);
    } else {
        show_line("position", "%llu", (unsigned long long)seen->position);
        show_line("received", "%s", received);
        show_line("signed with", "key %s, leaf %u of %u in its batch", key, s->leaf_index + 1,
                  s->tree_size);
        show_line("envelope hash", "%s", hash);
        show_pretty("envelope", &seen->event.envelope->base);
        if (seen->body)
            show_pretty(seen->type->name, seen->body);
        else
            printf("\npayload of an unknown type, %zu bytes\n", seen->event.payload.size);
    }
    mem_free(received);
    mem_free(key);
}

static bool show_one(void *arg, const struct seen *seen)
{
    struct showing *show = arg;

    show->found = true;
    show_event(seen, show->json);
    return false;
}

int event_show_run(const struct call *c)
{
    struct showing show = {.json = c->option[OPT_JSON] != NULL};
    struct look look = {.each = show_one, .arg = &show};
    struct session s;

    if (!call_position(c, c->argument[0], &look.from))
        return USAGE;
    look.until = look.from;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    progress_end(&s.progress);
    rc = session_look(&s, &look);
    if (rc == DONE && !show.found) {
        complain("there is no event at position %s that this seat may read", c->argument[0]);
        rc = FAILED;
    }
    session_close(&s);
    return rc;
}

/* ---- publishing ---- */

static bool input_read(const char *name, struct buf *out)
{
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    bool ok = in != NULL;

    for (size_t n = 1; ok && n && out->size <= 4u * PAYLOAD_MOST;) {
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

/* "exercise" with the enum's prefix, in capitals; 0 when there is no such value. */
static int enum_value(const ProtobufCEnumDescriptor *type, const char *prefix, const char *word)
{
    char name[64];
    size_t n = (size_t)snprintf(name, sizeof name, "%s%s", prefix, word);

    for (size_t i = 0; i < n && i < sizeof name; i++)
        name[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    return value ? value->value : 0;
}

static int event_of_call(const struct call *c, struct chancery_event *event)
{
    const char *mode = c->option[OPT_MODE], *label = c->option[OPT_LABEL];

    event->stream = c->option[OPT_STREAM];
    if (!event->stream || !c->option[OPT_TYPE]) {
        complain("--stream and --type are needed; see `chancery event publish --help`");
        return USAGE;
    }
    if (mode)
        event->mode = enum_value(&core__mode__descriptor, "MODE_", mode);
    if (label)
        event->label = enum_value(&core__label__descriptor, "LABEL_", label);
    if ((mode && !event->mode) || (label && !event->label)) {
        complain("there is no such %s; see `chancery event publish --help`",
                 mode && !event->mode ? "mode" : "label");
        return USAGE;
    }
    if (c->option[OPT_ID] && !id_parse(event->id, c->option[OPT_ID])) {
        complain("--id %s: not a UUID of the form 8-4-4-4-12", c->option[OPT_ID]);
        return USAGE;
    }
    return DONE;
}

static int payload_of_file(const struct call *c, const ProtobufCMessageDescriptor *type,
                           struct buf *payload)
{
    struct arena *arena = arena_new(16 << 20);
    struct buf text = {0}, why = {0};
    int rc = input_read(c->argument[0], &text) ? DONE : FAILED;

    if (rc == DONE) {
        const ProtobufCMessage *m = json_to_message(type, slice_buf(&text), arena, &why);
        if (m) {
            size_t size = protobuf_c_message_get_packed_size(m);
            protobuf_c_message_pack(m, buf_grow(payload, size));
        } else {
            complain("%s: %s", c->argument[0], buf_cstr(&why));
            rc = FAILED;
        }
    }
    buf_free(&text);
    buf_free(&why);
    arena_free(arena);
    return rc;
}

int event_publish_run(const struct call *c)
{
    struct chancery_event event = {0};
    struct buf payload = {0};
    uint64_t position;
    struct session s;
    int rc = event_of_call(c, &event);
    if (rc != DONE)
        return rc;
    const ProtobufCMessageDescriptor *type = type_find(known_types, c->option[OPT_TYPE]);
    if (!type) {
        complain("--type %s: not a type that this program knows", c->option[OPT_TYPE]);
        return USAGE;
    }
    rc = payload_of_file(c, type, &payload);
    if (rc == DONE)
        rc = session_open_publishing(&s, c);
    if (rc == DONE) {
        event.type = type->name;
        event.payload = payload.data;
        event.payload_size = payload.size;
        rc = session_publish(&s, &event, &position);
        session_close(&s);
        if (rc == DONE && c->option[OPT_JSON])
            show_json(json_pack("{s:I}", "position", (json_int_t)position));
        else if (rc == DONE)
            printf("recorded at position %llu\n", (unsigned long long)position);
    }
    buf_free(&payload);
    return rc;
}
