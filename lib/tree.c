/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - RFC 6962 hashes and proofs
 *
 * A subtree is the range [begin, end) of its leaves.  Its left child holds the largest power of two
 * of leaves that is smaller than the range, so every left child is complete and its root is stored.
 */
#include "lib/tree.h"

#include <assert.h>

#include "lib/err.h"

static void big_endian(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

void tree_log_entry(uint8_t out[LOG_ENTRY_SIZE], uint64_t position, int64_t received,
                    const struct hash *event)
{
    out[0] = 1;
    big_endian(out + 1, position);
    big_endian(out + 9, (uint64_t)received);
    memcpy(out + 17, event->bytes, HASH_SIZE);
}

static uint64_t big_endian_read(const uint8_t in[8])
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | in[i];
    return v;
}

int tree_log_entry_read(struct slice entry, uint64_t *position, int64_t *received,
                        struct hash *event)
{
    if (entry.size != LOG_ENTRY_SIZE || entry.data[0] != 1)
        return ERR_MALFORMED;
    *position = big_endian_read(entry.data + 1);
    *received = (int64_t)big_endian_read(entry.data + 9);
    memcpy(event->bytes, entry.data + 17, HASH_SIZE);
    return 0;
}

void tree_log_leaf(struct hash *out, uint64_t position, int64_t received, const struct hash *event)
{
    uint8_t entry[LOG_ENTRY_SIZE];

    tree_log_entry(entry, position, received, event);
    tree_leaf(out, slice_of(entry, sizeof entry));
}

void tree_leaf(struct hash *out, struct slice entry)
{
    struct hash_text text = tree_batch_leaf(slice_of(NULL, 0), entry);

    hash_text(out, &text);
}

struct hash_text tree_batch_leaf(struct slice salt, struct slice envelope)
{
    static const uint8_t zero = 0;

    return (struct hash_text){{{&zero, 1}, salt, envelope}};
}

void tree_node(struct hash *out, const struct hash *left, const struct hash *right)
{
    static const uint8_t one = 1;

    hash_text(
        out, &(struct hash_text){{{&one, 1}, {left->bytes, HASH_SIZE}, {right->bytes, HASH_SIZE}}});
}

int tree_append(struct tree *t, const struct hash *leaf, struct hash stored[TREE_LEVELS])
{
    int n = 1;

    t->edge[t->depth++] = *leaf;
    if (stored)
        stored[0] = *leaf;
    for (uint64_t size = t->size; size & 1; size >>= 1, n++) {
        t->depth--;
        tree_node(&t->edge[t->depth - 1], &t->edge[t->depth - 1], &t->edge[t->depth]);
        if (stored)
            stored[n] = t->edge[t->depth - 1];
    }
    t->size++;
    return n;
}

void tree_root(const struct tree *t, struct hash *out)
{
    if (t->depth == 0) {
        hash_sha256(out, slice_of(NULL, 0));
        return;
    }
    struct hash root = t->edge[t->depth - 1];
    for (int i = t->depth - 2; i >= 0; i--)
        tree_node(&root, &t->edge[i], &root);
    *out = root;
}

uint64_t tree_stored_count(uint64_t size)
{
    return 2 * size - (uint64_t)__builtin_popcountll(size);
}

uint64_t tree_stored_index(int level, uint64_t index)
{
    /* after the last leaf of the subtree, and after the smaller subtrees that it ends */
    uint64_t last_leaf = ((index + 1) << level) - 1;

    return tree_stored_count(last_leaf) + (uint64_t)level;
}

/* The edge of the tree over the leaves [begin, end); begin is a multiple of a power of two that is
 * not smaller than the range. */
static int load_range(struct tree *t, uint64_t begin, uint64_t end, tree_read *read, void *arg)
{
    *t = (struct tree){.size = end - begin};
    for (uint64_t at = begin; at < end;) {
        int level = 63 - __builtin_clzll(end - at);
        int rc = read(arg, tree_stored_index(level, at >> level), &t->edge[t->depth++]);
        if (rc != 0)
            return rc;
        at += (uint64_t)1 << level;
    }
    return 0;
}

int tree_load(struct tree *t, uint64_t size, tree_read *read, void *arg)
{
    struct tree loaded;
    int rc = load_range(&loaded, 0, size, read, arg);

    if (rc == 0)
        *t = loaded;
    return rc;
}

/* A proof is gathered from the root down and handed out from the leaves up. */
struct gather {
    tree_read *read;
    void *arg;
    struct hash *path;
    int n, rc;
};

static void gather_range(struct gather *g, uint64_t begin, uint64_t end)
{
    struct tree t;

    if (g->rc == 0)
        g->rc = load_range(&t, begin, end, g->read, g->arg);
    if (g->rc == 0)
        tree_root(&t, &g->path[g->n++]);
}

static int gather_done(const struct gather *g, int *n)
{
    for (int i = 0, k = g->n - 1; i < k; i++, k--) {
        struct hash swap = g->path[i];
        g->path[i] = g->path[k];
        g->path[k] = swap;
    }
    *n = g->rc == 0 ? g->n : 0;
    return g->rc;
}

static uint64_t split(uint64_t begin, uint64_t end)
{
    return begin + ((uint64_t)1 << (63 - __builtin_clzll(end - begin - 1)));
}

int tree_inclusion(uint64_t index, uint64_t size, tree_read *read, void *arg,
                   struct hash path[TREE_LEVELS], int *n)
{
    struct gather g = {.read = read, .arg = arg, .path = path};

    *n = 0;
    if (index >= size || size > INT64_MAX)
        return ERR_BOUNDS;
    for (uint64_t begin = 0, end = size; end - begin > 1;) {
        uint64_t middle = split(begin, end);
        if (index < middle) {
            gather_range(&g, middle, end);
            end = middle;
        } else {
            gather_range(&g, begin, middle);
            begin = middle;
        }
    }
    return gather_done(&g, n);
}

int tree_consistency(uint64_t old_size, uint64_t size, tree_read *read, void *arg,
                     struct hash path[TREE_LEVELS], int *n)
{
    struct gather g = {.read = read, .arg = arg, .path = path};
    uint64_t begin = 0, end = size;

    *n = 0;
    if (old_size > size || size > INT64_MAX)
        return ERR_BOUNDS;
    if (old_size == 0)
        return 0;
    while (old_size != end) {
        uint64_t middle = split(begin, end);
        if (old_size <= middle) {
            gather_range(&g, middle, end);
            end = middle;
        } else {
            gather_range(&g, begin, middle);
            begin = middle;
        }
    }
    if (begin > 0) /* else it is the old root, which the reader of the proof has */
        gather_range(&g, begin, end);
    return gather_done(&g, n);
}

/* Walks from a leaf (or complete subtree) towards the root: `at` counts subtrees of the level,
 * `last` is the rightmost of them. */
struct climb {
    uint64_t at, last;
};

static bool climb_is_right(const struct climb *c)
{
    return c->at & 1 || c->at == c->last;
}

static void climb_up(struct climb *c)
{
    if (climb_is_right(c)) /* levels on which the rightmost subtree has no sibling */
        while (c->at && !(c->at & 1)) {
            c->at >>= 1;
            c->last >>= 1;
        }
    c->at >>= 1;
    c->last >>= 1;
}

int tree_inclusion_length(uint64_t index, uint64_t size)
{
    int n = 0;

    for (struct climb c = {index, size - 1}; c.last; climb_up(&c))
        n++;
    return n;
}

bool tree_inclusion_root(uint64_t index, uint64_t size, const struct hash *leaf,
                         const struct hash path[], int n, struct hash *root)
{
    struct climb c = {index, size - 1};
    struct hash h = *leaf;

    if (index >= size)
        return false;
    for (int i = 0; i < n; i++) {
        if (c.last == 0)
            return false;
        if (climb_is_right(&c))
            tree_node(&h, &path[i], &h);
        else
            tree_node(&h, &h, &path[i]);
        climb_up(&c);
    }
    *root = h;
    return c.last == 0;
}

bool tree_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf,
                          const struct hash path[], int n, const struct hash *root)
{
    struct hash h;

    return tree_inclusion_root(index, size, leaf, path, n, &h) && hash_equal(&h, root);
}

bool tree_check_consistency(uint64_t old_size, uint64_t size, const struct hash *old_root,
                            const struct hash *root, const struct hash path[], int n)
{
    struct hash empty;

    hash_sha256(&empty, slice_of(NULL, 0));
    if (old_size == 0)
        return n == 0 && hash_equal(old_root, &empty) && (size > 0 || hash_equal(root, &empty));
    if (old_size >= size)
        return old_size == size && n == 0 && hash_equal(old_root, root);

    /* RFC 9162 section 2.1.4.2: a complete old tree is itself the first hash */
    bool complete = (old_size & (old_size - 1)) == 0;
    if (!complete && n == 0)
        return false;
    struct climb c = {old_size - 1, size - 1};
    while (c.at & 1) {
        c.at >>= 1;
        c.last >>= 1;
    }
    struct hash old_h = complete ? *old_root : path[0];
    struct hash h = old_h;
    for (int i = complete ? 0 : 1; i < n; i++) {
        if (c.last == 0)
            return false;
        if (climb_is_right(&c)) {
            tree_node(&old_h, &path[i], &old_h);
            tree_node(&h, &path[i], &h);
        } else {
            tree_node(&h, &h, &path[i]);
        }
        climb_up(&c);
    }
    return c.last == 0 && hash_equal(&old_h, old_root) && hash_equal(&h, root);
}

enum { SMALL_MOST = 64 };

void tree_small(const struct hash leaves[], size_t n, struct hash *root, struct hash (*paths)[6],
                size_t path_lengths[])
{
    struct hash level[SMALL_MOST];

    assert(n >= 1 && n <= SMALL_MOST);
    memcpy(level, leaves, n * sizeof level[0]);
    for (size_t i = 0; paths && i < n; i++)
        path_lengths[i] = 0;
    for (size_t width = n, depth = 0; width > 1; width = (width + 1) / 2, depth++) {
        for (size_t i = 0; paths && i < n; i++) {
            size_t sibling = (i >> depth) ^ 1;
            if (sibling < width)
                paths[i][path_lengths[i]++] = level[sibling];
        }
        for (size_t i = 0; i < width / 2; i++)
            tree_node(&level[i], &level[2 * i], &level[2 * i + 1]);
        if (width % 2) /* alone on its level: it moves up as it is */
            level[width / 2] = level[width - 1];
    }
    *root = level[0];
}
