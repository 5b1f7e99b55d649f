/* SPDX-License-Identifier: Apache-2.0 */
/* delegation.c - what is signed for a gateway is read alike, and nothing else is read */
#include "lib/delegation.h"

#include <stdio.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/err.h"
#include "tests/support/test.h"

enum {
    PUBLISH = 1 << CORE__VERB__VERB_PUBLISH,
    READ = 1 << CORE__VERB__VERB_READ,
    ASK = 1 << CORE__VERB__VERB_ASK,
    OFFER = 1 << CORE__VERB__VERB_OFFER
};

static const int64_t issued = INT64_C(1790000000000000);

static struct delegation good(void)
{
    struct delegation d = {.log = "chancery.example/main",
                           .seat = "bela",
                           .gateway = {7},
                           .verbs = READ | ASK,
                           .issued = issued,
                           .expires = issued + DELEGATION_LIFE};

    return d;
}

static void what_is_signed_is_read_alike(void **unused)
{
    (void)unused;
    struct delegation d = good();
    struct delegation_shown shown;
    struct seat_key key, other;
    struct buf bytes = {0};
    uint8_t id[KEY_ID_SIZE];
    char where[128] = "";

    seat_key_make(&key, "bela", "QMB/npc");
    seat_key_make(&other, "bela", "QMB/npc");
    for (unsigned verbs = PUBLISH; verbs <= (PUBLISH | READ | ASK); verbs += PUBLISH) {
        d.verbs = verbs;
        buf_reset(&bytes);
        delegation_sign(&d, &key, &bytes);
        assert_true(bytes.size <= DELEGATION_MOST);
        assert_int_equal(delegation_read(&shown, slice_buf(&bytes), where), 0);
        assert_string_equal(shown.says.log, d.log);
        assert_string_equal(shown.says.seat, d.seat);
        assert_memory_equal(shown.says.gateway, d.gateway, KEY_SIZE);
        assert_int_equal(shown.says.verbs, verbs);
        assert_int_equal(shown.says.issued, d.issued);
        assert_int_equal(shown.says.expires, d.expires);
        key_id(id, key.sign_public);
        assert_memory_equal(shown.key_id, id, KEY_ID_SIZE);
        assert_true(delegation_signed_by(&shown, key.sign_public));
        assert_false(delegation_signed_by(&shown, other.sign_public));
    }
    buf_free(&bytes);
}

static void the_largest_one_fits(void **unused)
{
    (void)unused;
    struct delegation d = good();
    struct delegation_shown shown;
    struct seat_key key;
    struct buf bytes = {0};
    char where[128] = "";

    memset(d.log, 'a', 64);
    d.log[64] = '/';
    memset(d.log + 65, 'b', 63);
    memset(d.seat, 's', 64);
    d.verbs = PUBLISH | READ | ASK;
    d.issued = INT64_MAX - DELEGATION_LIFE;
    d.expires = INT64_MAX;
    seat_key_make(&key, "bela", "QMB/npc");
    delegation_sign(&d, &key, &bytes);
    assert_int_equal(delegation_read(&shown, slice_buf(&bytes), where), 0);
    buf_free(&bytes);
}

static void what_is_none_says_where(void **unused)
{
    (void)unused;
    static const struct {
        const char *log, *seat;
        unsigned verbs;
        int64_t issued, life;
        const char *where;
        int err;
    } rows[] = {
        {"Log", "bela", READ, issued, 1, "log", ERR_FIELD},
        {"", "bela", READ, issued, 1, "log", ERR_FIELD},
        {"log", "be la", READ, issued, 1, "seat", ERR_FIELD},
        {"log", "bela", 0, issued, 1, "verbs", ERR_FIELD},
        {"log", "bela", READ | OFFER, issued, 1, "verbs", ERR_FIELD},
        {"log", "bela", READ | 1, issued, 1, "verbs", ERR_FIELD},
        {"log", "bela", READ, 0, 1, "issued", ERR_FIELD},
        {"log", "bela", READ, -1, 1, "issued", ERR_FIELD},
        {"log", "bela", READ, issued, 0, "expires", ERR_FIELD},
        {"log", "bela", READ, issued, -1, "expires", ERR_FIELD},
        {"log", "bela", READ, issued, DELEGATION_LIFE + 1, "expires", ERR_BOUNDS},
        {"log", "bela", READ, issued, DELEGATION_LIFE, "", 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct delegation d = {.verbs = rows[i].verbs,
                               .issued = rows[i].issued,
                               .expires = rows[i].issued + rows[i].life};
        char where[128] = "";
        snprintf(d.log, sizeof d.log, "%s", rows[i].log);
        snprintf(d.seat, sizeof d.seat, "%s", rows[i].seat);
        assert_int_equal(delegation_check(&d, where), rows[i].err);
        assert_string_equal(where, rows[i].where);
    }
}

static void every_bit_of_it_counts(void **unused)
{
    (void)unused;
    struct delegation d = good();
    struct delegation_shown shown;
    struct seat_key key;
    struct buf bytes = {0};
    uint8_t id[KEY_ID_SIZE];
    char where[128];

    seat_key_make(&key, "bela", "QMB/npc");
    key_id(id, key.sign_public);
    delegation_sign(&d, &key, &bytes);
    for (size_t i = 0; i < 8 * bytes.size; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
        bool taken = delegation_read(&shown, slice_buf(&bytes), where) == 0 &&
                     memcmp(shown.key_id, id, KEY_ID_SIZE) == 0 &&
                     delegation_signed_by(&shown, key.sign_public);
        if (taken)
            fail_msg("bit %zu may be another", i);
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t size = 0; size < bytes.size; size++)
        assert_true(delegation_read(&shown, slice_of(bytes.data, size), where) < 0);
    buf_free(&bytes);
}

static void a_signature_for_something_else_is_none(void **unused)
{
    (void)unused;
    static const char *const domains[] = {"chancery-event-v1", "chancery-card-v1", ""};
    struct delegation d = good();
    struct delegation_shown shown;
    struct seat_key key;
    struct buf bytes = {0}, text = {0};
    char where[128];

    seat_key_make(&key, "bela", "QMB/npc");
    const struct sign_key by = seat_key_signs(&key);
    assert_int_equal(delegation_sign(&d, &key, &bytes), 0);
    assert_int_equal(delegation_read(&shown, slice_buf(&bytes), where), 0);
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        buf_reset(&text);
        buf_add(&text, domains[i], strlen(domains[i]) + 1);
        buf_add(&text, shown.text, shown.size);
        assert_int_equal(sign_bytes(shown.signature, slice_buf(&text), &by), 0);
        assert_false(delegation_signed_by(&shown, key.sign_public));
    }
    buf_free(&bytes);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_is_read_alike),
        cmocka_unit_test(the_largest_one_fits),
        cmocka_unit_test(what_is_none_says_where),
        cmocka_unit_test(every_bit_of_it_counts),
        cmocka_unit_test(a_signature_for_something_else_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
