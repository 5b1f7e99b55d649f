/* SPDX-License-Identifier: Apache-2.0 */
/* proof.c - what an outsider reads of a log: proof files, and bundles of an export
 *
 * The first byte: 0 = a proof file, else a bundle.
 */
#include "lib/proof.h"

#include <assert.h>

#include "lib/tile.h"

static void try_proof(struct slice text)
{
    static const uint8_t key[KEY_SIZE] = {1};
    struct proof p, again;
    struct checkpoint c;
    struct buf printed = {0};

    if (proof_parse(&p, text) == 0) {
        proof_check(&p, p.entry, "log.qma.example/main", key, &c);
        proof_print(&printed, &p);
        assert(slice_equal(slice_buf(&printed), text)); /* one proof, one text */
        assert(proof_parse(&again, slice_buf(&printed)) == 0);
    }
    buf_free(&printed);
}

struct bundled {
    struct slice whole; /* what is read of, from its front */
};

static int on_tile(void *arg, const struct tile *tile, struct slice bytes)
{
    struct bundled *b = arg;

    if (tile->level == TILE_ENTRIES) { /* a bundle built of the entries is the bundle */
        assert(bytes.size <= b->whole.size && memcmp(bytes.data, b->whole.data, bytes.size) == 0);
        b->whole = slice_of(b->whole.data + bytes.size, b->whole.size - bytes.size);
    }
    return 0;
}

static void try_bundle(struct slice bundle)
{
    struct bundled b = {bundle};
    struct tiles *t = tiles_new(on_tile, &b);
    struct slice rest = bundle, entry;
    uint8_t made[LOG_ENTRY_SIZE];
    struct hash event;
    uint64_t position;
    int64_t received;

    while (tile_entry(&rest, &entry)) {
        assert(tiles_add(t, entry) == 0);
        if (tree_log_entry_read(entry, &position, &received, &event) == 0) {
            tree_log_entry(made, position, received, &event);
            assert(slice_equal(entry, slice_of(made, sizeof made)));
        }
    }
    assert(tiles_end(t) == 0);
    assert(b.whole.size == rest.size);
    tiles_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 0)
        try_proof(rest);
    else
        try_bundle(rest);
    return 0;
}
