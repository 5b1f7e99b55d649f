/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/slice.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

static void a_buffer_grows_and_keeps_what_it_had(void **unused)
{
    (void)unused;
    struct buf b = {0};

    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    buf_add(&b, NULL, 0);
    assert_int_equal(b.size, 3890);
    assert_memory_equal(b.data, "0,1,2,3,", 8);
    assert_string_equal(buf_cstr(&b) + b.size - 8, "998,999,");
    buf_reset(&b);
    assert_string_equal(buf_cstr(&b), "");
    buf_free(&b);
}

static void slices_compare_like_memcmp_and_then_by_length(void **unused)
{
    (void)unused;
    assert_true(slice_compare(slice_str("a"), slice_str("b")) < 0);
    assert_true(slice_compare(slice_str("ab"), slice_str("a")) > 0);
    assert_int_equal(slice_compare(slice_str("ab"), slice_str("ab")), 0);
    assert_true(slice_equal(slice_of(NULL, 0), slice_str("")));
    assert_false(slice_is(slice_str("ab"), "abc"));
}

static void hexadecimal_is_exact_in_length_and_digits(void **unused)
{
    (void)unused;
    uint8_t bytes[3];
    char hex[7];

    assert_true(hex_decode(bytes, 3, "00fFa9"));
    hex_encode(hex, bytes, 3);
    assert_string_equal(hex, "00ffa9");
    static const char *const wrong[] = {"", "00ffa", "00ffa9a", "00ffg9", "00ff 9", "00ff\xc3\xa4"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(hex_decode(bytes, 3, wrong[i]));
}

static void base64_of_rfc_4648_goes_both_ways(void **unused)
{
    (void)unused;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct buf b = {0}, back = {0};
        base64_encode(&b, slice_str(pairs[i][0]));
        assert_string_equal(buf_cstr(&b), pairs[i][1]);
        assert_int_equal(base64_decode(&back, slice_buf(&b)), 0);
        assert_true(slice_is(slice_buf(&back), pairs[i][0]));
        buf_free(&b);
        buf_free(&back);
    }
}

static void base64_that_is_not_canonical_is_refused_and_adds_nothing(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {"Zg",       "Zg=",  "Zh==",   "Zm9=", "Z===",     "====",
                                        "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-_", "Zm9vZg==="};
    struct buf b = {0};

    buf_add_str(&b, "kept");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(base64_decode(&b, slice_str(wrong[i])), ERR_MALFORMED);
        assert_string_equal(buf_cstr(&b), "kept");
    }
    buf_free(&b);
}

static void an_arena_gives_zeroed_memory_up_to_its_cap(void **unused)
{
    (void)unused;
    struct arena *a = arena_new(100000);

    for (int round = 0; round < 3; round++) {
        uint8_t *p = arena_take(a, 40000), *q = arena_take(a, 60000);
        assert_non_null(p);
        assert_non_null(q);
        for (size_t i = 0; i < 40000; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, 40000);
        memset(q, 0xff, 60000);
        assert_null(arena_take(a, 1));
        assert_null(arena_take(a, SIZE_MAX));
        arena_reset(a);
    }
    arena_free(a);
}

static void add_one(void *p)
{
    ++*(int *)p;
}

static void an_arena_releases_what_it_keeps_with_its_memory(void **unused)
{
    (void)unused;
    struct arena *a = arena_new(1000), *tight = arena_new(8);
    int first = 0, second = 0;

    assert_true(arena_keep(a, add_one, &first));
    assert_int_equal(first, 0);
    arena_reset(a);
    assert_int_equal(first, 1);
    assert_true(arena_keep(a, add_one, &second));
    arena_free(a);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    assert_false(arena_keep(tight, add_one, &first));
    arena_free(tight);
    assert_int_equal(first, 1);
}

/* Small and large pieces in changing order: each lies alone, and what is held has a bound. */
static void an_arena_uses_its_memory_again(void **unused)
{
    (void)unused;
    enum { ROUNDS = 50, PIECES = 40, MOST = 30000 };
    struct arena *a = arena_new((size_t)1 << 30);
    uint8_t *pieces[PIECES];
    unsigned seed = 1;

    for (int round = 0; round < ROUNDS; round++) {
        size_t sizes[PIECES];
        for (int i = 0; i < PIECES; i++) {
            seed = seed * 1103515245 + 12345;
            sizes[i] = seed / 65536 % MOST + 1;
            pieces[i] = arena_room(a, sizes[i]);
            assert_non_null(pieces[i]);
            memset(pieces[i], i, sizes[i]);
        }
        for (int i = 0; i < PIECES; i++)
            assert_true(pieces[i][0] == i && pieces[i][sizes[i] - 1] == i);
        arena_reset(a);
        assert_in_range(arena_held(a), 1, 200 * 1024);
    }
    arena_free(a);
}

static void every_error_has_a_code_of_its_own_that_leads_back(void **unused)
{
    (void)unused;
    for (int err = -1; err > -ERR_COUNT_; err--) {
        assert_int_equal(err_of_code(err_code(err)), err);
        assert_true(strlen(err_text(err)) > 3);
    }
    assert_string_equal(err_code(0), "");
    assert_string_equal(err_code(-9999), "error.unlisted");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_keeps_what_it_had),
        cmocka_unit_test(slices_compare_like_memcmp_and_then_by_length),
        cmocka_unit_test(hexadecimal_is_exact_in_length_and_digits),
        cmocka_unit_test(base64_of_rfc_4648_goes_both_ways),
        cmocka_unit_test(base64_that_is_not_canonical_is_refused_and_adds_nothing),
        cmocka_unit_test(an_arena_gives_zeroed_memory_up_to_its_cap),
        cmocka_unit_test(an_arena_releases_what_it_keeps_with_its_memory),
        cmocka_unit_test(an_arena_uses_its_memory_again),
        cmocka_unit_test(every_error_has_a_code_of_its_own_that_leads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
