/* SPDX-License-Identifier: Apache-2.0 */
/* embargo_chain.c - fifteen real UN lists, one after the other, through the worker
 *
 * Every file goes through the parser's own process; what is new or changed since the file before
 * becomes the feed's events.  What is set aside is confirmed.  The real lists lie beside the
 * project; without them this test is skipped by name.
 */
#include "tests/support/test.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/pipe.h"
#include "tests/support/rig.h"
#include "workers/embargo/embargo.h"
#include "workers/embargo/image.h"

#define DATA SOURCE_DIR "/../shared/data/sanctions/un"

enum { PARTIES = 4096 };

struct known { /* what the feed said last */
    char reference[32];
    uint8_t content[32];
    unsigned seen; /* number of the file that had it */
};

struct chain {
    struct rig *rig;
    struct known known[PARTIES];
    size_t n;
    unsigned file;
    uint64_t number; /* of the last notice */
    size_t relisted, iran_relisted, set_aside, last_entries;
};

static struct known *known_get(struct chain *c, const char *reference)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->known[i].reference, reference) == 0)
            return &c->known[i];
    assert_true(c->n < PARTIES);
    snprintf(c->known[c->n].reference, sizeof c->known->reference, "%s", reference);
    return &c->known[c->n++];
}

static void party(struct chain *c, const Sanctions__PartyPublished *event)
{
    struct known *k = known_get(c, event->party->reference);

    assert_int_equal(event->content.len, sizeof k->content);
    bool changed = k->seen + 1 != c->file || event->of > 1 ||
                   memcmp(k->content, event->content.data, sizeof k->content) != 0;
    memcpy(k->content, event->content.data, sizeof k->content);
    k->seen = c->file;
    if (changed)
        rig_input(c->rig, "un.feed", &event->base);
}

static void count_notice(struct chain *c, const Embargo__Notice *n)
{
    assert_int_equal(n->number, c->number + 1);
    c->number = n->number;
    if (n->kind != EMBARGO__NOTICE_KIND__NOTICE_KIND_RELIST)
        return;
    c->relisted++;
    c->iran_relisted += strcmp(n->committee, "Iran") == 0;
    assert_non_null(n->earlier);
    assert_true(n->earlier->removed_by > 0 && n->earlier->removed_by < n->number);
    assert_true(n->earlier->from < n->earlier->to && n->earlier->to < n->generated);
}

/* Numbers have no gaps, whatever kind of notice takes them. */
static void count_answers(struct chain *c)
{
    for (size_t i = 0; i < rig_answers(c->rig); i++) {
        const char *type = rig_answer_type(c->rig, i);
        if (strcmp(type, embargo__notice__descriptor.name) == 0) {
            count_notice(c, rig_answer(c->rig, i, &embargo__notice__descriptor));
        } else if (strcmp(type, embargo__editorial_notice__descriptor.name) == 0) {
            const Embargo__EditorialNotice *n =
                rig_answer(c->rig, i, &embargo__editorial_notice__descriptor);
            assert_int_equal(n->number, c->number + 1);
            c->number = n->number;
        }
    }
}

static void all_gone(struct chain *c, const Sanctions__SnapshotPublished *event)
{
    Sanctions__PartiesGone gone = SANCTIONS__PARTIES_GONE__INIT;
    const char *references[PARTIES];

    gone.snapshot = event->snapshot;
    gone.list = "un";
    gone.references = references;
    for (size_t i = 0; i < c->n; i++)
        if (c->known[i].seen + 1 == c->file)
            references[gone.n_references++] = c->known[i].reference;
    if (gone.n_references)
        rig_input(c->rig, "un.feed", &gone.base);
}

static void snapshot(struct chain *c, const Sanctions__SnapshotPublished *event)
{
    Embargo__ConfirmSnapshot confirm = EMBARGO__CONFIRM_SNAPSHOT__INIT;

    all_gone(c, event);
    rig_input(c->rig, "un.feed", &event->base);
    count_answers(c);
    c->last_entries = event->entries;
    if (strcmp(rig_answer_type(c->rig, 0), embargo__snapshot_set_aside__descriptor.name) != 0)
        return;
    c->set_aside++;
    confirm.list = "un";
    confirm.snapshot = event->snapshot;
    rig_input(c->rig, "embargo.in", &confirm.base);
    rig_answer(c->rig, 0, &embargo__snapshot_confirmed__descriptor);
    count_answers(c);
}

static void message(struct chain *c, const struct pipe_message *m)
{
    if (m->kind == PIPE_PARTY) {
        Sanctions__PartyPublished *event =
            sanctions__party_published__unpack(NULL, m->bytes.size, m->bytes.data);
        assert_non_null(event);
        party(c, event);
        sanctions__party_published__free_unpacked(event, NULL);
    } else {
        assert_int_equal(m->kind, PIPE_SNAPSHOT);
        Sanctions__SnapshotPublished *event =
            sanctions__snapshot_published__unpack(NULL, m->bytes.size, m->bytes.data);
        assert_non_null(event);
        snapshot(c, event);
        sanctions__snapshot_published__free_unpacked(event, NULL);
    }
}

static void file(struct chain *c, const char *packed)
{
    static const char unpacked[] = BUILD_DIR "/embargo_chain.xml";
    char command[2048];
    struct pipe_message m;
    struct buf room = {0};

    c->file++;
    snprintf(command, sizeof command, "xz -dc '%s' > '%s'", packed, unpacked);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "exec '%s/bin/chancery-list-parse' --list un '%s'", BUILD_DIR,
             unpacked);
    FILE *parser = popen(command, "r");
    assert_non_null(parser);
    while (pipe_read(fileno(parser), &room, &m) == 1)
        message(c, &m);
    pclose(parser);
    unlink(unpacked);
    buf_free(&room);
}

/* Every entry of the last file is in force as the feed has it, and nothing else is. */
static void in_force_is_the_last_file(const struct chain *c)
{
    const struct list *list = images_find(rig_state(c->rig), "un");
    size_t provisional;

    assert_int_equal(list_in_force(list, &provisional), c->last_entries);
    assert_int_equal(provisional, 0);
    for (size_t i = 0; i < list->n_entries; i++)
        assert_true(version_same(list->entries[i]->final, list->entries[i]->feed));
}

static void the_chain_of_real_lists_folds_and_decides_alike(void **unused)
{
    (void)unused;
    struct chain *c = mem_new(sizeof *c);
    glob_t files;

    if (glob(DATA "/*.xml.xz", 0, NULL, &files) != 0) {
        print_message("SKIP: no real lists at ../shared/data/sanctions/un\n");
        mem_free(c);
        skip();
    }
    c->rig = rig_new(&embargo);
    for (size_t i = 0; i < files.gl_pathc; i++)
        file(c, files.gl_pathv[i]);
    globfree(&files);
    assert_int_equal(c->file, 15);
    assert_int_equal(c->set_aside, 3);
    assert_int_equal(c->iran_relisted, 84);
    in_force_is_the_last_file(c);
    print_message("%zu notices, %zu re-listed\n", (size_t)c->number, c->relisted);
    rig_free(c->rig); /* folds and decides the log anew */
    mem_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chain_of_real_lists_folds_and_decides_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
