/* SPDX-License-Identifier: Apache-2.0 */
/* purge.c - `part ls` and `part purge`: the parts of an event, and one of them deleted for good
 *
 * Who purges a part names it by the position of an event, and need not be able to read it.
 */
#include "adapters/terminal/act.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"

static const int64_t answer_for = INT64_C(30) * 1000000;

struct listing {
    struct session *s;
    uint64_t position;
    const Core__Envelope *envelope; /* in the session's arena; NULL: not found */
    struct table *table;            /* NULL: JSON */
};

struct part_look { /* whether the broker has it */
    bool done;
    int err;
    char text[512];
};

static bool take_event(void *arg, const struct seen *seen)
{
    struct listing *l = arg;
    struct slice from = seen->event.bytes;
    struct event e;
    char where[128];
    const void *bytes = arena_copy(l->s->arena, from.data, from.size);

    if (bytes && event_open_head(&e, slice_of(bytes, from.size), l->s->arena, where) == 0)
        l->envelope = e.envelope;
    return false;
}

static void on_look(void *arg, int err, const char *text)
{
    struct part_look *look = arg;

    look->done = true;
    look->err = err;
    snprintf(look->text, sizeof look->text, "%s", text);
}

static void show_json_part(const Core__PartRef *part, const char *hash,
                           const struct part_look *look)
{
    show_json(json_pack("{s:s, s:I, s:s, s:s, s:b, s:s, s:s}", "sha256", hash, "size",
                        (json_int_t)part->size, "mediaType", part->media_type, "name", part->name,
                        "sealed", (int)part->sealed, "code", err_code(look->err), "text",
                        look->text));
}

static void add_row(struct table *t, const Core__PartRef *part, const char *hash,
                    const struct part_look *look)
{
    struct buf size = {0};

    text_size(&size, part->size);
    table_cell(t, "%s", hash);
    table_cell(t, "%s", buf_cstr(&size));
    table_cell(t, "%s", part->media_type);
    table_cell(t, "%s", part->sealed ? "yes" : "no");
    table_cell(t, "%s", part->name);
    table_cell(t, "%s", look->err ? look->text : "stored");
    buf_free(&size);
}

static int list_part(struct listing *l, const Core__PartRef *part)
{
    struct part_look look = {0};
    int rc = chancery_look_part(l->s->client, l->position, part->sha256.data, on_look, &look);

    if (rc < 0)
        return session_fail(l->s, "cannot ask for the part: %s", err_text(rc));
    rc = session_wait(l->s, &look.done, answer_for);
    if (rc == FAILED)
        session_fail(l->s, "the broker does not tell whether it has the part");
    if (rc != DONE)
        return rc;
    char *hash = hex_of(part->sha256, 0);
    if (l->table)
        add_row(l->table, part, hash, &look);
    else
        show_json_part(part, hash, &look);
    mem_free(hash);
    return DONE;
}

static int list_parts(struct listing *l)
{
    struct look look = {.from = l->position, .until = l->position, .each = take_event, .arg = l};
    int rc = session_look(l->s, &look);
    const Core__Envelope *e = l->envelope;

    if (rc == DONE && !e)
        rc = session_fail(l->s, "there is no event at position %llu that this seat may read",
                          (unsigned long long)l->position);
    for (size_t i = 0; rc == DONE && e && i < e->n_parts; i++)
        rc = list_part(l, e->parts[i]);
    progress_end(&l->s->progress);
    return rc;
}

int part_ls_run(const struct call *c)
{
    static const char *const head[] = {"PART", "SIZE", "TYPE", "SEALED", "NAME", "STATE", NULL};
    struct session s;
    struct listing l = {.s = &s};

    if (!call_position(c, c->argument[0], &l.position))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    l.table = c->option[OPT_JSON] ? NULL : table_new(head);
    rc = list_parts(&l);
    if (rc == DONE && l.table)
        table_print(l.table, stdout);
    if (l.table)
        table_free(l.table);
    session_close(&s);
    return rc;
}

int part_purge_run(const struct call *c)
{
    Core__PartPurged m = CORE__PART_PURGED__INIT;
    uint8_t sha256[HASH_SIZE];

    if (!call_position(c, c->argument[0], &m.position))
        return USAGE;
    if (!hex_decode(sha256, HASH_SIZE, c->argument[1]))
        return call_usage(c, "not a SHA-256, 64 hexadecimal digits: %s", c->argument[1]);
    m.sha256 = (ProtobufCBinaryData){HASH_SIZE, sha256};
    m.reason = c->option[OPT_REASON];
    return act_one(
        c, &m.base,
        mem_printf("Part %s is deleted for good, for every event that names it", c->argument[1]));
}
