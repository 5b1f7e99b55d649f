/* SPDX-License-Identifier: Apache-2.0 */
/* vectors.c - the examples for other languages are what this code makes and takes */
#include "tests/support/vectors.h"

#include <stdio.h>

#include "lib/conf.h"
#include "lib/envelope.h"
#include "lib/json.h"
#include "lib/note.h"
#include "lib/sign.h"
#include "tests/support/test.h"

static const char file[] = SOURCE_DIR "/proto/vectors.json";

static void the_file_is_what_this_code_makes(void **unused)
{
    (void)unused;
    struct buf made = {0}, kept = {0}, why = {0};

    vectors_text(&made);
    assert_int_equal(conf_load(file, &kept, &why), 0);
    assert_string_equal(buf_cstr(&made), buf_cstr(&kept));
    buf_free(&made);
    buf_free(&kept);
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

static void bytes_at(struct buf *out, const json_t *object, const char *name)
{
    const char *text = text_at(object, name);

    buf_reset(out);
    assert_true(hex_decode(buf_grow(out, strlen(text) / 2), strlen(text) / 2, text));
}

static void every_event_of_the_file_opens_and_verifies(void **unused)
{
    (void)unused;
    json_t *all = json_load_file(file, 0, NULL);
    struct buf event = {0}, public_key = {0}, root = {0};
    struct arena *arena = arena_new(1 << 20);
    size_t i;
    json_t *row;

    bytes_at(&public_key, json_object_get(all, "seat_key"), "public_key");
    bytes_at(&root, json_object_get(all, "batch"), "root");
    json_array_foreach(json_object_get(json_object_get(all, "batch"), "events"), i, row)
    {
        struct event opened;
        struct hash signed_root;
        char where[128];
        bytes_at(&event, row, "event");
        assert_int_equal(event_open(&opened, slice_buf(&event), slice_str(text_at(row, "payload")),
                                    arena, where),
                         0);
        assert_true(sign_event_root(opened.signed_event, &signed_root));
        assert_memory_equal(signed_root.bytes, root.data, HASH_SIZE);
        assert_true(sign_root_check(
            &signed_root,
            slice_of(opened.signed_event->signature.data, opened.signed_event->signature.len),
            public_key.data));
        json_t *fields = json_of_message(&opened.envelope->base);
        assert_true(json_equal(fields, json_object_get(row, "fields")));
        json_decref(fields);
    }
    assert_int_equal(i, 3);
    buf_free(&event);
    buf_free(&public_key);
    buf_free(&root);
    arena_free(arena);
    json_decref(all);
}

static void the_checkpoint_of_the_file_opens_with_its_key(void **unused)
{
    (void)unused;
    json_t *all = json_load_file(file, 0, NULL), *log = json_object_get(all, "log");
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE];
    struct checkpoint c;

    assert_int_equal(note_vkey_parse(slice_str(text_at(log, "vkey")), name, public_key), 0);
    assert_int_equal(checkpoint_open(&c, slice_str(text_at(log, "checkpoint")), name, public_key),
                     0);
    assert_int_equal(c.size, 3);
    json_decref(all);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_what_this_code_makes),
        cmocka_unit_test(every_event_of_the_file_opens_and_verifies),
        cmocka_unit_test(the_checkpoint_of_the_file_opens_with_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
