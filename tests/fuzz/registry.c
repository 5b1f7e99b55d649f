/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - acts of a registry: nobody signs what is not theirs, what is refused changes
 * nothing, and seats, keys and rules are those that the oracle (support/oracle.h) made of what was
 * taken
 *
 * The input: acts one behind the other, each a byte for its type, one for its signer, the size of
 * its payload in two (little-endian), and the payload.  Before them a log is founded.
 */
#include "broker/registry.h"

#include <assert.h>
#include <stdio.h>

#include "broker/journal.h"
#include "tests/support/oracle.h"

enum { HEAD = 4 };

static const ProtobufCMessageDescriptor *const types[] = {
    &core__party_added__descriptor,      &core__office_added__descriptor,
    &core__office_changed__descriptor,   &core__deputy_named__descriptor,
    &core__seat_admitted__descriptor,    &core__seat_standing__descriptor,
    &core__key_added__descriptor,        &core__key_revoked__descriptor,
    &core__key_rotated__descriptor,      &core__group_set__descriptor,
    &core__access_rule__descriptor,      &core__stream_limited__descriptor,
    &core__lowering_allowed__descriptor, &core__part_purged__descriptor,
    &core__quorum_set__descriptor,       &core__act_confirmed__descriptor,
    &core__act_withdrawn__descriptor,    &core__clock_accepted__descriptor,
    &core__clock_moved__descriptor,      &core__log_founded__descriptor,
    &core__log_succeeded__descriptor,    &core__return_ended__descriptor,
};
static const char *const signers[] = {"administrator", "amina", "bo", "second", "broker", ""};

struct world {
    struct registry *registry;
    struct oracle *oracle;
    uint64_t position;
};

static void act(struct world *w, const struct registry_event *e)
{
    const char *field = NULL;
    char text[256] = "";
    bool may = oracle_may_sign(w->oracle, e);
    int rc = registry_check(w->registry, e, &field, text);

    assert(rc != 0 || may);
    assert(rc == 0 || text[0]);
    registry_fold(w->registry, ++w->position, e);
    if (rc == 0)
        oracle_take(w->oracle, w->position, e);
}

static void found(struct world *w)
{
    static uint8_t keys[3][KEY_SIZE] = {{1}, {2}, {3}};
    Core__LogFounded m = CORE__LOG_FOUNDED__INIT;
    struct buf payload = {0};

    m.format = JOURNAL_FORMAT;
    m.log = "chancery.example/main";
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, keys[0]};
    m.server_key = (ProtobufCBinaryData){KEY_SIZE, keys[1]};
    m.administrator = "administrator";
    m.administrator_key = (ProtobufCBinaryData){KEY_SIZE, keys[2]};
    m.broker = "broker";
    m.exercise = true;
    core__log_founded__pack(&m, buf_grow(&payload, core__log_founded__get_packed_size(&m)));
    act(w, &(struct registry_event){"administrator", m.base.descriptor->name, slice_buf(&payload)});
    assert(registry_founded(w->registry));
    buf_free(&payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {registry_new(), oracle_new(), 0};
    struct buf why = {0};
    size_t answers = 0;

    found(&w);
    while (size >= HEAD && w.position < 64) {
        size_t n = (size_t)data[2] | (size_t)data[3] << 8;
        n = n < size - HEAD ? n : size - HEAD;
        act(&w, &(struct registry_event){signers[data[1] % (sizeof signers / sizeof *signers)],
                                         types[data[0] % (sizeof types / sizeof *types)]->name,
                                         slice_of(data + HEAD, n)});
        data += HEAD + n;
        size -= HEAD + n;
    }
    bool agrees = oracle_agrees(w.oracle, w.registry, &why, &answers);
    if (!agrees)
        fprintf(stderr, "%s\n", buf_cstr(&why));
    assert(agrees);
    buf_free(&why);
    oracle_free(w.oracle);
    registry_free(w.registry);
    return 0;
}
