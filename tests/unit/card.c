/* SPDX-License-Identifier: Apache-2.0 */
/* card.c - invitations and cards: what is written is read, and what was changed is refused */
#include "adapters/terminal/card.h"

#include <stdio.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

struct made { /* an invitation, keys and their card */
    struct invitation to;
    struct seat_key key;
    struct buf invitation, card;
};

static struct invitation invitation(const char *name)
{
    uint8_t public_key[KEY_SIZE] = {7};
    struct buf vkey = {0};

    note_vkey(&vkey, "chancery.qma.example/main", public_key);
    struct invitation to = {
        .log = mem_str("chancery.qma.example/main"),
        .log_key = mem_str(buf_cstr(&vkey)),
        .endpoint = mem_str("tcp://chancery.qma.example:7312"),
        .server_key = mem_str("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        .seat = mem_str("bela"),
        .office = mem_str("QMB/desk"),
        .name = mem_str(name),
        .code = mem_str("000102030405060708090a0b0c0d0e0f"),
    };
    buf_free(&vkey);
    return to;
}

static void make(struct made *m)
{
    struct buf why = {0};

    *m = (struct made){.to = invitation("B\u00e9la B., clerk")};
    seat_key_make(&m->key, "bela", "QMB/desk");
    assert_int_equal(invitation_write(&m->to, &m->invitation, &why), 0);
    card_write(&m->to, &m->key, &m->card);
}

static void made_free(struct made *m)
{
    invitation_clear(&m->to);
    seat_key_clear(&m->key);
    buf_free(&m->invitation);
    buf_free(&m->card);
}

static void refused_card(struct slice text, int err, const char *sentence)
{
    struct card card = {0};
    struct buf why = {0};

    assert_int_equal(card_read(&card, "b.card", text, &why), err);
    assert_non_null(strstr(buf_cstr(&why), sentence));
    assert_non_null(strstr(buf_cstr(&why), "b.card"));
    buf_free(&why);
}

/* The card with one line in place of another that begins so. */
static struct buf with_line(const struct buf *card, const char *begins, const char *line)
{
    struct buf out = {0}, copy = {0};

    buf_add(&copy, card->data, card->size);
    for (const char *at = buf_cstr(&copy); *at; at += strcspn(at, "\n") + 1) {
        size_t n = strcspn(at, "\n") + 1;
        if (strncmp(at, begins, strlen(begins)) == 0)
            buf_add_str(&out, line);
        else
            buf_add(&out, at, n);
    }
    buf_free(&copy);
    return out;
}

static void refused_line(const struct made *m, const char *begins, const char *line, int err,
                         const char *sentence)
{
    struct buf changed = with_line(&m->card, begins, line);

    refused_card(slice_buf(&changed), err, sentence);
    buf_free(&changed);
}

static void an_invitation_is_read_as_it_was_written(void **unused)
{
    struct made m;
    struct invitation in = {0};
    struct buf why = {0};

    (void)unused;
    make(&m);
    assert_int_equal(invitation_read(&in, "inv", slice_buf(&m.invitation), &why), 0);
    assert_string_equal(in.log, m.to.log);
    assert_string_equal(in.log_key, m.to.log_key);
    assert_string_equal(in.endpoint, m.to.endpoint);
    assert_string_equal(in.server_key, m.to.server_key);
    assert_string_equal(in.seat, "bela");
    assert_string_equal(in.office, "QMB/desk");
    assert_string_equal(in.name, "B\u00e9la B., clerk");
    assert_string_equal(in.code, m.to.code);
    invitation_clear(&in);
    made_free(&m);
}

static void refused_name(const char *name)
{
    struct invitation to = invitation(name);
    struct buf out = {0}, why = {0};

    assert_int_equal(invitation_write(&to, &out, &why), ERR_CONFIG);
    assert_true(why.size > 0);
    invitation_clear(&to);
    buf_free(&out);
    buf_free(&why);
}

static void a_name_that_would_be_read_otherwise_is_not_written(void **unused)
{
    char much[256] = "";

    (void)unused;
    memset(much, 'x', sizeof much - 1);
    refused_name("B ; clerk");
    refused_name("; B");
    refused_name(" B");
    refused_name("B ");
    refused_name("B,\n  C");
    refused_name("B\nseat = amina");
    refused_name("B\n[log]");
    refused_name("E\xcc\x81"); /* not normalised */
    refused_name(much);
}

static void an_invitation_names_what_is_wrong_with_it(void **unused)
{
    static const struct {
        const char *begins, *line, *sentence;
    } rows[] = {
        {"log = ", "log = Main\n", "inv: log: must be"},
        {"log = ", "log = chancery.qmb.example/main\n", "log-key: must be the verifier key of"},
        {"log-key", "log-key = chancery.qma.example/main+00000000+AA==\n", "log-key: must be"},
        {"server-key", "server-key = 00\n", "server-key: must be 64"},
        {"seat", "seat = be la\n", "seat: must be an identifier"},
        {"seat", "", "seat"},
        {"office", "office = QMB\n", "office: must be PARTY/NAME"},
        {"name", "name =; clerk\n", "name: must be one line"}, /* a comment when written again */
        {"code", "code = xyz\n", "code: must be 32"},
        {"endpoint", "endpoint = http://qma.example\n", "endpoint: must be"},
        {"code", "codes = 1\n", "did you mean \"code\"?"},
    };
    struct made m;

    (void)unused;
    make(&m);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf text = with_line(&m.invitation, rows[i].begins, rows[i].line), why = {0};
        struct invitation in = {0};
        assert_int_equal(invitation_read(&in, "inv", slice_buf(&text), &why), ERR_CONFIG);
        assert_non_null(strstr(buf_cstr(&why), rows[i].sentence));
        buf_free(&text);
        buf_free(&why);
    }
    made_free(&m);
}

static void a_card_has_the_keys_and_what_the_invitation_said(void **unused)
{
    struct made m;
    struct card card = {0};
    struct buf why = {0};

    (void)unused;
    make(&m);
    assert_int_equal(card_read(&card, "b.card", slice_buf(&m.card), &why), 0);
    assert_string_equal(card.to.log_key, m.to.log_key);
    assert_string_equal(card.to.name, m.to.name);
    assert_string_equal(card.to.code, m.to.code);
    assert_null(card.to.endpoint);
    for (size_t i = 0; halves[i].name; i++) {
        assert_true(card.has[i]);
        assert_memory_equal(card.halves[i], half_of(&m.key, &halves[i]), KEY_SIZE);
    }
    assert_true(card_is(slice_buf(&m.card)));
    assert_false(card_is(slice_buf(&m.invitation)));
    card_clear(&card);
    made_free(&m);
}

static void a_card_of_a_seat_without_an_age_key_is_one(void **unused)
{
    struct made m;
    struct card card = {0};
    struct buf why = {0};
    bool none = false;

    (void)unused;
    make(&m);
    memset(&m.key.age, 0, sizeof m.key.age);
    buf_reset(&m.card);
    card_write(&m.to, &m.key, &m.card);
    assert_int_equal(card_read(&card, "b.card", slice_buf(&m.card), &why), 0);
    for (size_t i = 0; halves[i].name; i++)
        none = none || !card.has[i];
    assert_true(none);
    card_clear(&card);
    made_free(&m);
}

static void every_byte_of_a_card_is_signed(void **unused)
{
    struct made m;

    (void)unused;
    make(&m);
    for (size_t i = 0; i < m.card.size; i++)
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            struct card card = {0};
            struct buf why = {0};
            m.card.data[i] ^= (uint8_t)flip;
            assert_int_not_equal(card_read(&card, "b.card", slice_buf(&m.card), &why), 0);
            assert_true(why.size > 0);
            m.card.data[i] ^= (uint8_t)flip;
            buf_free(&why);
        }
    made_free(&m);
}

static void a_piece_of_a_card_is_none(void **unused)
{
    struct made m;

    (void)unused;
    make(&m);
    refused_card(slice_of("", 0), ERR_CONFIG, "not a card");
    for (size_t n = 1; n < m.card.size; n++) {
        struct card card = {0};
        struct buf why = {0};
        assert_int_not_equal(card_read(&card, "b.card", slice_of(m.card.data, n), &why), 0);
        assert_int_not_equal(
            card_read(&card, "b.card", slice_of(m.card.data + n, m.card.size - n), &why), 0);
        buf_free(&why);
    }
    made_free(&m);
}

static void a_key_put_in_place_of_another_breaks_the_card(void **unused)
{
    static const char other[] = "0f0e0d0c0b0a09080706050403020100f0e0d0c0b0a09080706050403020100f";
    struct made m;
    char line[128];

    (void)unused;
    make(&m);
    for (size_t i = 0; halves[i].name; i++) {
        snprintf(line, sizeof line, "%s = %s\n", halves[i].name, other);
        refused_line(&m, halves[i].name, line, ERR_SIGNATURE, "not as it was signed");
    }
    refused_line(&m, "office", "office = QMC/desk\n", ERR_SIGNATURE, "not as it was signed");
    refused_line(&m, "age", "", ERR_SIGNATURE, "not as it was signed");
    refused_line(&m, "curve", "", ERR_CONFIG, "curve");
    refused_line(&m, "curve", "curve = 00\n", ERR_CONFIG, "curve: must be 64");
    made_free(&m);
}

static void cards_differ_in_their_fingerprints(void **unused)
{
    struct made a, b;
    uint8_t print_a[CARD_PRINT_SIZE], print_b[CARD_PRINT_SIZE];

    (void)unused;
    make(&a);
    make(&b);
    card_print(print_a, slice_buf(&a.card));
    card_print(print_b, slice_buf(&b.card));
    assert_memory_not_equal(print_a, print_b, CARD_PRINT_SIZE);
    made_free(&a);
    made_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invitation_is_read_as_it_was_written),
        cmocka_unit_test(a_name_that_would_be_read_otherwise_is_not_written),
        cmocka_unit_test(an_invitation_names_what_is_wrong_with_it),
        cmocka_unit_test(a_card_has_the_keys_and_what_the_invitation_said),
        cmocka_unit_test(a_card_of_a_seat_without_an_age_key_is_one),
        cmocka_unit_test(every_byte_of_a_card_is_signed),
        cmocka_unit_test(a_piece_of_a_card_is_none),
        cmocka_unit_test(a_key_put_in_place_of_another_breaks_the_card),
        cmocka_unit_test(cards_differ_in_their_fingerprints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
