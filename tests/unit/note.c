/* SPDX-License-Identifier: Apache-2.0 */
/* note.c - checkpoints, ours and spoilt ones, and what a judge from outside says of them */
#include "lib/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

#define NAME "log.qma.example/main"

struct signer {
    uint8_t seed[KEY_SIZE], public_key[KEY_SIZE];
};

static struct signer signer_new(void)
{
    struct seat_key key;
    struct signer s;

    seat_key_make(&key, "log", "QMA/log");
    memcpy(s.seed, key.sign_seed, KEY_SIZE);
    memcpy(s.public_key, key.sign_public, KEY_SIZE);
    seat_key_clear(&key);
    return s;
}

static void sign_text(struct buf *note, const char *text, const struct signer *s)
{
    uint8_t signature[SIGNATURE_SIZE];
    struct buf vkey = {0}, raw = {0};

    note_vkey(&vkey, NAME, s->public_key);
    sign_bytes(signature, slice_str(text), &(struct sign_key){s->public_key, s->seed, NULL});
    char hex[9] = {0};
    memcpy(hex, vkey.data + strlen(NAME) + 1, 8);
    assert_true(hex_decode(buf_grow(&raw, 4), 4, hex));
    buf_add(&raw, signature, sizeof signature);
    buf_printf(note, "%s\n\xe2\x80\x94 %s ", text, NAME);
    base64_encode(note, slice_buf(&raw));
    buf_add_byte(note, '\n');
    buf_free(&vkey);
    buf_free(&raw);
}

static struct checkpoint some_checkpoint(void)
{
    struct checkpoint c = {.origin = NAME, .size = 1523};

    hash_sha256(&c.root, slice_str("root"));
    return c;
}

static void a_checkpoint_opens_with_its_key_and_says_the_same(void **unused)
{
    (void)unused;
    struct signer s = signer_new();
    struct checkpoint c = some_checkpoint(), opened;
    struct buf note = {0};

    checkpoint_sign(&note, &c, &(struct sign_key){s.public_key, s.seed, NULL});
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), NAME, s.public_key), 0);
    assert_string_equal(opened.origin, NAME);
    assert_int_equal(opened.size, 1523);
    assert_true(hash_equal(&opened.root, &c.root));
    buf_free(&note);
}

static void a_changed_byte_anywhere_is_refused(void **unused)
{
    (void)unused;
    struct signer s = signer_new();
    struct checkpoint c = some_checkpoint(), opened;
    struct buf note = {0};

    checkpoint_sign(&note, &c, &(struct sign_key){s.public_key, s.seed, NULL});
    for (size_t i = 0; i < note.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            note.data[i] ^= (uint8_t)(1 << bit);
            assert_true(checkpoint_open(&opened, slice_buf(&note), NAME, s.public_key) < 0);
            note.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t size = 0; size < note.size; size++)
        assert_true(checkpoint_open(&opened, slice_of(note.data, size), NAME, s.public_key) < 0);
    buf_free(&note);
}

static void another_key_or_another_name_is_refused(void **unused)
{
    (void)unused;
    struct signer s = signer_new(), other = signer_new();
    struct checkpoint c = some_checkpoint(), opened;
    struct buf note = {0};

    checkpoint_sign(&note, &c, &(struct sign_key){s.public_key, s.seed, NULL});
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), NAME, other.public_key),
                     ERR_SIGNATURE);
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), "log.qmb.example", s.public_key),
                     ERR_SIGNATURE);
    buf_reset(&note); /* signed by the key, but of another log */
    sign_text(&note, "log.qmb.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", &s);
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), NAME, s.public_key), ERR_SIGNATURE);
    buf_free(&note);
}

static void other_signatures_are_ignored_and_a_bad_one_of_the_key_refuses(void **unused)
{
    (void)unused;
    struct signer s = signer_new();
    struct checkpoint c = some_checkpoint(), opened;
    struct buf note = {0};

    checkpoint_sign(&note, &c, &(struct sign_key){s.public_key, s.seed, NULL});
    size_t text = (size_t)(strstr(buf_cstr(&note), "\n\n") - (char *)note.data) + 2;
    struct buf line = {0};
    buf_add(&line, note.data + text, note.size - text);
    buf_add_str(&note, "\xe2\x80\x94 witness.example AAAAAAAAAAAA\n");
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), NAME, s.public_key), 0);
    buf_add(&note, line.data, line.size); /* the same again */
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), NAME, s.public_key), 0);
    line.data[line.size - 6] = line.data[line.size - 6] == 'A' ? 'B' : 'A';
    buf_add(&note, line.data, line.size);
    assert_int_equal(checkpoint_open(&opened, slice_buf(&note), NAME, s.public_key), ERR_SIGNATURE);
    buf_free(&line);
    buf_free(&note);
}

static void a_body_that_is_not_a_checkpoint_is_refused_though_it_is_signed(void **unused)
{
    (void)unused;
    static const char root[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    static const struct {
        const char *format;
        int err;
    } rows[] = {
        {NAME "\n5\n%s\n", 0},
        {NAME "\n5\n%s\nextension\nanother\n", 0},
        {NAME "\n0\n%s\n", 0},
        {NAME "\n05\n%s\n", ERR_MALFORMED},
        {NAME "\n+5\n%s\n", ERR_MALFORMED},
        {NAME "\n\n%s\n", ERR_MALFORMED},
        {NAME "\n9223372036854775808\n%s\n", ERR_MALFORMED},
        {NAME "\n99999999999999999999\n%s\n", ERR_MALFORMED},
        {NAME "\n5\n%s=\n", ERR_MALFORMED},
        {NAME "\n5\nAAAA\n", ERR_MALFORMED},
        {NAME "\n5\n", ERR_MALFORMED},
        {NAME "\n5\n%s\n\nextension\n", ERR_MALFORMED},
        {NAME "\n5\n%s\ntab\there\n", ERR_MALFORMED},
        {NAME "\r\n5\r\n%s\r\n", ERR_MALFORMED},
        {"\n5\n%s\n", ERR_MALFORMED},
        {NAME "\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", ERR_MALFORMED},
    };
    struct signer s = signer_new();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct checkpoint c;
        struct buf note = {0}, text = {0};
        const char *at = strstr(rows[i].format, "%s");
        buf_add(&text, rows[i].format, at ? (size_t)(at - rows[i].format) : strlen(rows[i].format));
        if (at) {
            buf_add_str(&text, root);
            buf_add_str(&text, at + 2);
        }
        sign_text(&note, buf_cstr(&text), &s);
        int err = checkpoint_open(&c, slice_buf(&note), NAME, s.public_key);
        if (err != rows[i].err)
            fail_msg("row %zu: %s", i, err_code(err));
        buf_free(&note);
        buf_free(&text);
    }
}

static void a_note_is_at_most_4_kib(void **unused)
{
    (void)unused;
    struct signer s = signer_new();
    struct buf text = {0};

    buf_add_str(&text, NAME "\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    while (text.size < NOTE_SIZE)
        buf_add_str(&text, "an extension line\n");
    struct checkpoint c;
    struct buf note = {0};
    sign_text(&note, buf_cstr(&text), &s);
    assert_int_equal(checkpoint_open(&c, slice_buf(&note), NAME, s.public_key), ERR_MALFORMED);
    buf_free(&note);
    buf_free(&text);
}

static void a_verifier_key_goes_both_ways(void **unused)
{
    (void)unused;
    struct signer s = signer_new();
    struct buf vkey = {0};
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE];

    note_vkey(&vkey, NAME, s.public_key);
    assert_int_equal(note_vkey_parse(slice_buf(&vkey), name, public_key), 0);
    assert_string_equal(name, NAME);
    assert_memory_equal(public_key, s.public_key, KEY_SIZE);
    for (size_t i = 0; i < vkey.size; i++) {
        vkey.data[i] ^= 1;
        assert_int_equal(note_vkey_parse(slice_buf(&vkey), name, public_key), ERR_MALFORMED);
        vkey.data[i] ^= 1;
        assert_int_equal(note_vkey_parse(slice_of(vkey.data, i), name, public_key), ERR_MALFORMED);
    }
    buf_free(&vkey);
}

static void a_verifier_key_of_the_specification_is_taken(void **unused)
{
    (void)unused; /* the example of golang.org/x/mod/sumdb/note */
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE];

    assert_int_equal(
        note_vkey_parse(
            slice_str("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), name,
            public_key),
        0);
    assert_string_equal(name, "PeterNeumann");
}

static const char judge_source[] = SOURCE_DIR "/../shared/tools/tlogcheck/tlogcheck.go";
static const char judge_library[] = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog/tlog.go";

static void write_file(const char *dir, const char *name, struct slice data)
{
    char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(data.data, 1, data.size, f), data.size);
    assert_int_equal(fclose(f), 0);
    mem_free(path);
}

enum { JUDGED = 11 };

struct judged {
    char dir[32];
    struct buf vkey;
    struct hash stored[2 * JUDGED];
    uint64_t n_stored;
    struct tree tree;
};

static int read_stored(void *arg, uint64_t index, struct hash *out)
{
    const struct judged *j = arg;

    *out = j->stored[index];
    return 0;
}

static void grow_to(struct judged *j, uint64_t size)
{
    while (j->tree.size < size) {
        struct hash leaf, stored[TREE_LEVELS];
        uint8_t byte = (uint8_t)j->tree.size;
        tree_leaf(&leaf, slice_of(&byte, 1));
        int n = tree_append(&j->tree, &leaf, stored);
        memcpy(j->stored + j->n_stored, stored, (size_t)n * sizeof stored[0]);
        j->n_stored += (uint64_t)n;
    }
}

static void write_checkpoint(struct judged *j, const char *file, const struct signer *s,
                             struct buf *note)
{
    struct checkpoint c = {.origin = NAME, .size = j->tree.size};

    tree_root(&j->tree, &c.root);
    buf_reset(note);
    checkpoint_sign(note, &c, &(struct sign_key){s->public_key, s->seed, NULL});
    write_file(j->dir, file, slice_buf(note));
}

static void add_hashes(struct buf *out, const struct hash path[], int n)
{
    for (int i = 0; i < n; i++) {
        base64_encode(out, slice_of(path[i].bytes, HASH_SIZE));
        buf_add_byte(out, '\n');
    }
}

static int judge(struct judged *j, const char *arguments)
{
    struct buf command = {0};

    buf_printf(&command, "cd %s && ./judge >/dev/null %s", j->dir, arguments);
    int status = system(buf_cstr(&command));
    buf_free(&command);
    return status;
}

static int judge_with_key(struct judged *j, const char *verb, const char *arguments)
{
    char *line = mem_printf("%s -log %s %s", verb, buf_cstr(&j->vkey), arguments);
    int status = judge(j, line);

    mem_free(line);
    return status;
}

static void a_judge_from_outside_accepts_checkpoints_and_proofs(void **unused)
{
    (void)unused;
    if (access(judge_source, R_OK) != 0 || access(judge_library, R_OK) != 0 ||
        system("command -v go >/dev/null") != 0) {
        print_message("skipped: needs ../shared/tools/tlogcheck, go and golang-golang-x-mod-dev\n");
        skip();
    }
    struct judged j = {.dir = "/tmp/chancery-note-XXXXXX"};
    struct signer s = signer_new();
    struct buf note = {0}, proof = {0};
    struct hash path[TREE_LEVELS];
    int n;
    static const uint8_t entry = 4;

    assert_non_null(mkdtemp(j.dir));
    char *build = mem_printf("cd %s && HOME=%s GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= "
                             "go build -o judge %s",
                             j.dir, j.dir, judge_source);
    assert_int_equal(system(build), 0);
    note_vkey(&j.vkey, NAME, s.public_key);
    grow_to(&j, 7);
    write_checkpoint(&j, "old", &s, &note);
    grow_to(&j, JUDGED);
    write_checkpoint(&j, "new", &s, &note);
    assert_int_equal(judge_with_key(&j, "checkpoint", "old"), 0);
    assert_int_equal(judge_with_key(&j, "checkpoint", "new"), 0);

    assert_int_equal(tree_consistency(7, JUDGED, read_stored, &j, path, &n), 0);
    add_hashes(&proof, path, n);
    write_file(j.dir, "consistent", slice_buf(&proof));
    assert_int_equal(judge_with_key(&j, "consistency", "old new consistent"), 0);
    assert_int_not_equal(judge_with_key(&j, "consistency", "new old consistent 2>&1"), 0);

    buf_reset(&proof); /* c2sp.org/tlog-proof */
    assert_int_equal(tree_inclusion(entry, JUDGED, read_stored, &j, path, &n), 0);
    buf_printf(&proof, "c2sp.org/tlog-proof@v1\nindex %d\n", entry);
    add_hashes(&proof, path, n);
    buf_add_byte(&proof, '\n');
    buf_add(&proof, note.data, note.size);
    write_file(j.dir, "proof", slice_buf(&proof));
    write_file(j.dir, "leaf", slice_of(&entry, 1));
    assert_int_equal(judge_with_key(&j, "proof", "-leaf leaf proof"), 0);
    write_file(j.dir, "leaf", slice_str("x"));
    assert_int_not_equal(judge_with_key(&j, "proof", "-leaf leaf proof 2>&1"), 0);

    char *clean = mem_printf("chmod -R u+w %s && rm -r %s", j.dir, j.dir);
    assert_int_equal(system(clean), 0);
    mem_free(clean);
    mem_free(build);
    buf_free(&note);
    buf_free(&proof);
    buf_free(&j.vkey);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_opens_with_its_key_and_says_the_same),
        cmocka_unit_test(a_changed_byte_anywhere_is_refused),
        cmocka_unit_test(another_key_or_another_name_is_refused),
        cmocka_unit_test(other_signatures_are_ignored_and_a_bad_one_of_the_key_refuses),
        cmocka_unit_test(a_body_that_is_not_a_checkpoint_is_refused_though_it_is_signed),
        cmocka_unit_test(a_note_is_at_most_4_kib),
        cmocka_unit_test(a_verifier_key_goes_both_ways),
        cmocka_unit_test(a_verifier_key_of_the_specification_is_taken),
        cmocka_unit_test(a_judge_from_outside_accepts_checkpoints_and_proofs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
