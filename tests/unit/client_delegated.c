/* SPDX-License-Identifier: Apache-2.0 */
/* client_delegated.c - a gateway's client: it shows a delegation, hands on what others signed, and
 * signs nothing
 */
#include <stdio.h>

#include "lib/delegation.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/peer.h"

static void delegate(struct peer *p)
{
    static const struct chancery_delegation says = {.log = "test.example/log",
                                                    .gateway = {7},
                                                    .read = true,
                                                    .publish = true,
                                                    .issued = 1,
                                                    .expires = 2};
    char *key_file = path_in(p, "alice.key"), why[256] = "";
    uint8_t token[CHANCERY_DELEGATION_MOST];
    size_t size;

    assert_int_equal(chancery_delegate(key_file, &says, token, &size, why), 0);
    buf_add(&p->delegation, token, size);
    mem_free(key_file);
}

/* A frame with an event of alice's, published by a client of her own. */
static void sign_one(struct peer *p)
{
    client_open(p, 0, false);
    publish(p, 1);
    until_frames(p, 1);
    say_recorded(p, p->frames[0], 1);
    until_results(p, 1);
    client_close(p);
}

static struct peer *delegated(void)
{
    struct peer *p = peer_new();

    sign_one(p);
    delegate(p);
    client_open(p, 0, false);
    return p;
}

static void a_delegation_is_shown_in_every_hello(void **unused)
{
    (void)unused;
    struct peer *p = delegated();

    while (p->hellos < 2)
        turn(p);
    assert_true(slice_equal(slice_buf(&p->shown), slice_buf(&p->delegation)));
    buf_reset(&p->shown);
    p->forget = true;
    assert_int_equal(publish_signed(p, 2, p->frames[0]), 0);
    while (p->hellos < 3)
        turn(p);
    assert_true(slice_equal(slice_buf(&p->shown), slice_buf(&p->delegation)));
    peer_free(p);
}

static void what_others_signed_goes_as_it_is(void **unused)
{
    (void)unused;
    struct peer *p = delegated();
    unsigned tails = p->tails;

    p->forget = true; /* it is said again in the next session */
    assert_int_equal(publish_signed(p, 2, p->frames[0]), 0);
    until_frames(p, 3);
    assert_true(same_events(p->frames[0], p->frames[1]));
    assert_true(same_events(p->frames[0], p->frames[2]));
    say_recorded(p, p->frames[2], 1);
    until_results(p, 2);
    assert_int_equal(p->results[1].outcome, CHANCERY_RECORDED);
    assert_int_equal(p->tails, tails);
    peer_free(p);
}

static void it_waits_where_that_helps_and_is_never_signed_again(void **unused)
{
    (void)unused;
    struct peer *p = delegated();

    assert_int_equal(publish_signed(p, 2, p->frames[0]), 0);
    until_frames(p, 2);
    say_refused(p, p->frames[1]->ref, "busy");
    until_frames(p, 3);
    assert_true(same_events(p->frames[0], p->frames[2]));
    say_order(p, p->frames[2]->ref, 9);
    until_results(p, 2);
    assert_int_equal(p->results[1].outcome, CHANCERY_REFUSED);
    assert_string_equal(p->results[1].code, "seat.order");
    peer_free(p);
}

static void what_is_no_event_is_not_sent(void **unused)
{
    (void)unused;
    struct peer *p = delegated();
    struct chancery_signed junk = {"junk", 4, "", 0}, large = {p, (size_t)-1, p, 2};

    assert_true(chancery_publish_signed(p->client, &junk, 1, NULL, NULL) < 0);
    assert_int_equal(chancery_publish_signed(p->client, &large, 1, NULL, NULL), ERR_BOUNDS);
    assert_int_equal(chancery_publish_signed(p->client, &junk, 0, NULL, NULL), ERR_BOUNDS);
    peer_free(p);
}

static void a_delegated_client_signs_and_keeps_nothing(void **unused)
{
    (void)unused;
    struct peer *p = delegated();
    const struct chancery_event e = {.stream = "test.in", .type = "chancery.test.v1.Note"};
    char *key_file = path_in(p, "alice.key"), *keep = path_in(p, "keep"), why[256] = "";
    struct chancery_options options = {.endpoint = "ipc:///nowhere",
                                       .server_key = p->public_key,
                                       .key_file = key_file,
                                       .keep_dir = keep,
                                       .delegation = p->delegation.data,
                                       .delegation_size = p->delegation.size};
    struct chancery *other;

    assert_int_equal(chancery_publish(p->client, &e, 1, NULL, NULL), ERR_DENIED);
    assert_int_equal(chancery_open(&other, &p->loop, &options, why), ERR_CONFIG);
    options.keep_dir = NULL;
    options.delegation = "junk";
    options.delegation_size = 4;
    assert_true(chancery_open(&other, &p->loop, &options, why) < 0);
    assert_non_null(strstr(why, "not a delegation"));
    mem_free(key_file);
    mem_free(keep);
    peer_free(p);
}

static void on_refusal(void *arg, const char *code, const char *text)
{
    assert_true(text[0]);
    snprintf(arg, 64, "%s", code);
}

static void who_is_refused_is_told_and_asks_again(void **unused)
{
    (void)unused;
    struct peer *p = peer_new();
    char code[64] = "";

    delegate(p);
    p->refuses = "delegation.expired";
    client_open(p, 0, false);
    chancery_on_refusal(p->client, on_refusal, code);
    while (!code[0])
        turn(p);
    assert_string_equal(code, "delegation.expired");
    assert_null(chancery_current(p->client));
    p->refuses = NULL;
    while (!chancery_current(p->client))
        turn(p);
    peer_free(p);
}

static void a_delegation_that_is_none_is_not_signed(void **unused)
{
    (void)unused;
    struct peer *p = peer_new();
    struct chancery_delegation says = {.log = "test.example/log", .issued = 1, .expires = 2};
    char *key_file = path_in(p, "alice.key"), why[256] = "";
    uint8_t token[CHANCERY_DELEGATION_MOST];
    size_t size = 0;

    assert_int_equal(chancery_delegate(key_file, &says, token, &size, why), ERR_FIELD);
    assert_non_null(strstr(why, "verbs"));
    says.ask = true;
    says.expires = 2 + DELEGATION_LIFE;
    assert_int_equal(chancery_delegate(key_file, &says, token, &size, why), ERR_BOUNDS);
    assert_int_equal(chancery_delegate("/nowhere", &says, token, &size, NULL), ERR_NOT_FOUND);
    assert_int_equal(size, 0);
    mem_free(key_file);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delegation_is_shown_in_every_hello),
        cmocka_unit_test(what_others_signed_goes_as_it_is),
        cmocka_unit_test(it_waits_where_that_helps_and_is_never_signed_again),
        cmocka_unit_test(what_is_no_event_is_not_sent),
        cmocka_unit_test(a_delegated_client_signs_and_keeps_nothing),
        cmocka_unit_test(who_is_refused_is_told_and_asks_again),
        cmocka_unit_test(a_delegation_that_is_none_is_not_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
