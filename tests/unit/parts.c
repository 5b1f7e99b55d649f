/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/parts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "tests/support/records.h"
#include "tests/support/test.h"

enum { PIECE = 100 * 1024 };

struct place {
    char *dir;
    uv_loop_t loop;
    struct parts *parts;
    struct buf bytes;
    struct hash part;
    int done, err;
};

static struct place *place_new(size_t size)
{
    struct place *p = mem_new(sizeof *p);
    struct buf why = {0};

    p->dir = records_dir();
    assert_int_equal(uv_loop_init(&p->loop), 0);
    assert_int_equal(parts_open(&p->parts, p->dir, &p->loop, &why), 0);
    for (size_t i = 0; i < size; i++)
        buf_add_byte(&p->bytes, (uint8_t)(i * 7 + i / 251));
    hash_sha256(&p->part, slice_buf(&p->bytes));
    return p;
}

static void place_free(struct place *p)
{
    parts_close(p->parts);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&p->loop), 0);
    buf_free(&p->bytes);
    records_dir_remove(p->dir);
    mem_free(p);
}

static void on_stored(void *arg, int err)
{
    struct place *p = arg;

    p->done++;
    p->err = err;
}

/* All pieces; the result of the first that is refused, else of storing. */
static int put(struct place *p, const char *seat)
{
    size_t at = 0;

    p->done = 0;
    do {
        size_t n = p->bytes.size - at < PIECE ? p->bytes.size - at : PIECE;
        int err = parts_put(p->parts, seat, &p->part, p->bytes.size, at,
                            slice_of(p->bytes.data + at, n), on_stored, p);
        if (err)
            return err;
        assert_int_equal(p->done, 0);
        at += n;
    } while (at < p->bytes.size);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(p->done, 1);
    return p->err;
}

static char *file_of(const struct place *p)
{
    char name[2 * HASH_SIZE + 1];

    hex_encode(name, p->part.bytes, HASH_SIZE);
    return mem_printf("%s/parts/%.2s/%s", p->dir, name, name);
}

static bool is_referenced(void *arg, const struct hash *part)
{
    return arg && hash_equal(arg, part);
}

static void a_part_is_read_back_as_it_was_put(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, PIECE, 3 * PIECE + 17};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct place *p = place_new(sizes[i]);
        struct buf out = {0};
        uint64_t size = 0;
        assert_int_equal(parts_size(p->parts, &p->part), -1);
        assert_int_equal(put(p, "qma-desk"), 0);
        assert_int_equal(parts_size(p->parts, &p->part), sizes[i]);
        assert_int_equal(parts_check(p->dir, &p->part, sizes[i]), 0);
        for (uint64_t at = 0; at < sizes[i]; at += 7777)
            assert_int_equal(parts_get(p->parts, &p->part, at, 7777, &out, &size), 0);
        assert_true(slice_equal(slice_buf(&out), slice_buf(&p->bytes)));
        assert_int_equal(put(p, "qmb-desk"), 0);
        parts_expire(p->parts, 0, is_referenced, NULL);
        assert_int_equal(parts_bytes(p->parts), sizes[i]); /* there once, whoever puts it */
        buf_free(&out);
        place_free(p);
    }
}

static void another_hash_size_or_order_is_refused_and_leaves_nothing(void **unused)
{
    (void)unused;
    struct place *p = place_new(2 * PIECE);
    struct slice piece = slice_of(p->bytes.data, PIECE);
    uint64_t size = p->bytes.size;
    assert_int_equal(parts_put(p->parts, "qma-desk", &p->part, size, PIECE, piece, on_stored, p),
                     ERR_PART);
    assert_int_equal(parts_put(p->parts, "qma-desk", &p->part, size, 0, piece, on_stored, p), 0);
    assert_int_equal(parts_put(p->parts, "qma-desk", &p->part, size, PIECE + 1,
                               slice_of(piece.data, 1), on_stored, p),
                     ERR_PART);
    assert_int_equal(parts_put(p->parts, "qma-desk", &p->part, PIECE - 1, 0, piece, on_stored, p),
                     ERR_PART);
    assert_int_equal(
        parts_put(p->parts, "qma-desk", &p->part, PART_MOST + 1, 0, piece, on_stored, p),
        ERR_BOUNDS);
    p->bytes.data[PIECE + 3] ^= 1;
    assert_int_equal(put(p, "qma-desk"), ERR_PART);
    assert_int_equal(parts_size(p->parts, &p->part), -1);
    assert_int_equal(parts_check(p->dir, &p->part, size), ERR_NOT_FOUND);
    place_free(p);
}

static void knowing_the_hash_of_a_stored_part_is_not_having_it(void **unused)
{
    (void)unused;
    struct place *p = place_new(PIECE);
    assert_int_equal(put(p, "qma-desk"), 0);
    memset(p->bytes.data, 0, p->bytes.size);
    assert_int_equal(put(p, "qmb-desk"), ERR_PART);
    assert_int_equal(parts_check(p->dir, &p->part, PIECE), 0);
    place_free(p);
}

static void an_upload_may_begin_anew(void **unused)
{
    (void)unused;
    struct place *p = place_new(3 * PIECE);
    assert_int_equal(parts_put(p->parts, "qma-desk", &p->part, p->bytes.size, 0,
                               slice_of(p->bytes.data, PIECE), on_stored, p),
                     0);
    assert_int_equal(put(p, "qma-desk"), 0);
    place_free(p);
}

static void a_seat_has_a_quota_of_uploads_and_of_unreferenced_bytes(void **unused)
{
    (void)unused;
    struct place *p = place_new(1);
    struct hash part = {0};
    int err = 0;
    for (int i = 0; err == 0 && i < 100; i++) {
        part.bytes[0] = (uint8_t)i;
        err = parts_put(p->parts, "qma-desk", &part, PART_MOST, 0, slice_buf(&p->bytes), on_stored,
                        p);
    }
    assert_int_equal(err, ERR_QUOTA);
    assert_int_equal(put(p, "qma-desk"), ERR_QUOTA);
    assert_int_equal(put(p, "qmb-desk"), 0);
    place_free(p);
}

static void parts_that_no_event_names_expire(void **unused)
{
    (void)unused;
    struct place *p = place_new(PIECE);
    struct buf why = {0};
    assert_int_equal(put(p, "qma-desk"), 0);
    parts_close(p->parts);
    assert_int_equal(parts_open(&p->parts, p->dir, &p->loop, &why), 0);
    assert_int_equal(parts_bytes(p->parts), PIECE);
    parts_expire(p->parts, time_now() - 3600 * INT64_C(1000000), is_referenced, NULL);
    assert_int_equal(parts_size(p->parts, &p->part), PIECE);
    parts_expire(p->parts, time_now() + 1000000, is_referenced, &p->part);
    assert_int_equal(parts_size(p->parts, &p->part), PIECE);
    parts_expire(p->parts, time_now() + 1000000, is_referenced, NULL);
    assert_int_equal(parts_size(p->parts, &p->part), -1);
    assert_int_equal(parts_bytes(p->parts), 0);
    place_free(p);
}

static void on_purged(void *arg, const struct hash *part, int err)
{
    struct place *p = arg;

    assert_true(hash_equal(part, &p->part));
    on_stored(arg, err);
}

static void purge(struct place *p)
{
    p->done = 0;
    parts_purge(p->parts, &p->part, on_purged, p);
    assert_int_equal(parts_size(p->parts, &p->part), -1); /* at once: no new event may name it */
    uv_run(&p->loop, UV_RUN_DEFAULT);
}

static void a_purged_part_is_gone_with_what_is_on_its_way(void **unused)
{
    (void)unused;
    struct place *p = place_new(2 * PIECE);
    struct slice piece = slice_of(p->bytes.data, PIECE);
    assert_int_equal(put(p, "qma-desk"), 0);
    assert_int_equal(
        parts_put(p->parts, "qmb-desk", &p->part, p->bytes.size, 0, piece, on_stored, p), 0);
    assert_true(parts_there(p->dir, &p->part));
    assert_true(parts_awaited(p->parts, &p->part));
    purge(p);
    assert_int_equal(p->done, 1);
    assert_int_equal(p->err, 0);
    assert_false(parts_awaited(p->parts, &p->part));
    assert_false(parts_there(p->dir, &p->part));
    assert_int_equal(parts_size(p->parts, &p->part), -1);
    assert_false(parts_put_by(p->parts, "qma-desk", &p->part));
    assert_int_equal(parts_bytes(p->parts), 0);
    assert_int_equal(
        parts_put(p->parts, "qmb-desk", &p->part, p->bytes.size, PIECE, piece, on_stored, p),
        ERR_PART);
    purge(p);
    assert_int_equal(p->done, 0); /* there was nothing */
    place_free(p);
}

static void a_part_that_cannot_be_deleted_is_said_to_be_there(void **unused)
{
    (void)unused;
    struct place *p = place_new(1);
    char *file = file_of(p);
    assert_int_equal(mkdir(file, 0700), 0);
    purge(p);
    assert_int_equal(p->done, 1);
    assert_int_equal(p->err, ERR_IO);
    assert_true(parts_there(p->dir, &p->part));
    mem_free(file);
    place_free(p);
}

static void a_changed_part_is_damaged(void **unused)
{
    (void)unused;
    struct place *p = place_new(PIECE);
    char *file = file_of(p);
    assert_int_equal(put(p, "qma-desk"), 0);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    uint8_t other = (uint8_t)~p->bytes.data[5];
    assert_int_equal(pwrite(fd, &other, 1, 5), 1);
    assert_int_equal(parts_check(p->dir, &p->part, PIECE), ERR_DAMAGED);
    assert_int_equal(pwrite(fd, &p->bytes.data[5], 1, 5), 1);
    assert_int_equal(parts_check(p->dir, &p->part, PIECE), 0);
    assert_int_equal(ftruncate(fd, PIECE - 1), 0);
    assert_int_equal(parts_check(p->dir, &p->part, PIECE), ERR_DAMAGED);
    close(fd);
    mem_free(file);
    place_free(p);
}

static void what_was_on_its_way_is_gone_after_a_restart(void **unused)
{
    (void)unused;
    struct place *p = place_new(2 * PIECE);
    struct buf why = {0};
    char *file = mem_printf("%s/parts/new/left", p->dir);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    parts_close(p->parts);
    assert_int_equal(parts_open(&p->parts, p->dir, &p->loop, &why), 0);
    assert_int_equal(access(file, F_OK), -1);
    mem_free(file);
    place_free(p);
}

static void closing_while_a_part_is_stored_answers_nobody(void **unused)
{
    (void)unused;
    struct place *p = place_new(PIECE);
    assert_int_equal(
        parts_put(p->parts, "qma-desk", &p->part, PIECE, 0, slice_buf(&p->bytes), on_stored, p), 0);
    assert_true(parts_awaited(p->parts, &p->part));
    parts_close(p->parts);
    p->parts = NULL;
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(p->done, 0);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_read_back_as_it_was_put),
        cmocka_unit_test(another_hash_size_or_order_is_refused_and_leaves_nothing),
        cmocka_unit_test(knowing_the_hash_of_a_stored_part_is_not_having_it),
        cmocka_unit_test(an_upload_may_begin_anew),
        cmocka_unit_test(a_seat_has_a_quota_of_uploads_and_of_unreferenced_bytes),
        cmocka_unit_test(parts_that_no_event_names_expire),
        cmocka_unit_test(a_purged_part_is_gone_with_what_is_on_its_way),
        cmocka_unit_test(a_part_that_cannot_be_deleted_is_said_to_be_there),
        cmocka_unit_test(a_changed_part_is_damaged),
        cmocka_unit_test(what_was_on_its_way_is_gone_after_a_restart),
        cmocka_unit_test(closing_while_a_part_is_stored_answers_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
