/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "broker/log_key.h"
#include "lib/err.h"
#include "tests/support/records.h"
#include "tests/support/test.h"

struct place {
    char *dir, *file, *key_file;
    struct log_key key;
    struct hash root;
};

static struct place *place_new(void)
{
    struct place *p = mem_new(sizeof *p);
    char *log;

    p->dir = records_dir();
    p->file = mem_printf("%s/log/checkpoint", p->dir);
    p->key_file = mem_printf("%s/log.key", p->dir);
    log = mem_printf("%s/log", p->dir);
    assert_int_equal(mkdir(log, 0700), 0);
    mem_free(log);
    log_key_make(&p->key, "log.qma.example/main");
    hash_sha256(&p->root, slice_str("root"));
    return p;
}

static void place_free(struct place *p)
{
    records_dir_remove(p->dir);
    mem_free(p->file);
    mem_free(p->key_file);
    mem_free(p);
}

static void write_text(const char *file, const char *text, mode_t mode)
{
    unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void a_checkpoint_is_read_as_it_was_written(void **unused)
{
    (void)unused;
    struct place *p = place_new();
    struct buf note = {0}, again = {0};
    struct checkpoint c;
    for (uint64_t size = 1; size < 5; size++) {
        buf_reset(&note);
        assert_int_equal(log_key_sign(&p->key, size, &p->root, &note), 0);
        assert_int_equal(checkpoint_write(p->dir, slice_buf(&note)), 0);
        assert_int_equal(checkpoint_read(p->dir, p->key.name, p->key.public_key, &c, &again), 0);
        assert_int_equal(c.size, size);
        assert_string_equal(c.origin, p->key.name);
        assert_true(hash_equal(&c.root, &p->root));
        assert_true(slice_equal(slice_buf(&note), slice_buf(&again)));
    }
    buf_free(&note);
    buf_free(&again);
    place_free(p);
}

static void a_missing_or_changed_or_foreign_checkpoint_is_refused(void **unused)
{
    (void)unused;
    struct place *p = place_new();
    struct log_key other;
    struct checkpoint c;
    struct buf note = {0};
    char byte;
    assert_int_equal(checkpoint_read(p->dir, p->key.name, p->key.public_key, &c, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(log_key_sign(&p->key, 7, &p->root, &note), 0);
    assert_int_equal(checkpoint_write(p->dir, slice_buf(&note)), 0);
    buf_free(&note);
    log_key_make(&other, p->key.name);
    assert_int_equal(checkpoint_read(p->dir, p->key.name, other.public_key, &c, NULL),
                     ERR_SIGNATURE);
    assert_int_equal(checkpoint_read(p->dir, "log.qmb.example", p->key.public_key, &c, NULL),
                     ERR_SIGNATURE);
    int fd = open(p->file, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, 21), 1);
    assert_int_equal(byte, '7');
    assert_int_equal(pwrite(fd, "8", 1, 21), 1);
    assert_int_equal(checkpoint_read(p->dir, p->key.name, p->key.public_key, &c, NULL),
                     ERR_SIGNATURE);
    close(fd);
    write_text(p->file, "", 0600);
    assert_int_equal(checkpoint_read(p->dir, p->key.name, p->key.public_key, &c, NULL),
                     ERR_MALFORMED);
    place_free(p);
}

static void a_log_key_is_read_as_it_was_written_and_never_overwritten(void **unused)
{
    (void)unused;
    struct place *p = place_new();
    struct log_key read;
    struct buf why = {0};
    struct stat st;
    assert_int_equal(log_key_write(&p->key, p->key_file), 0);
    assert_int_equal(stat(p->key_file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(log_key_read(&read, p->key_file, &why), 0);
    assert_memory_equal(&read, &p->key, sizeof read);
    assert_int_equal(log_key_write(&p->key, p->key_file), ERR_EXISTS);
    buf_free(&why);
    place_free(p);
}

static void a_log_key_that_others_can_read_is_refused_with_the_cure(void **unused)
{
    (void)unused;
    struct place *p = place_new();
    struct log_key read;
    struct buf why = {0};
    assert_int_equal(log_key_write(&p->key, p->key_file), 0);
    assert_int_equal(chmod(p->key_file, 0640), 0);
    assert_int_equal(log_key_read(&read, p->key_file, &why), ERR_FILE_MODE);
    assert_non_null(strstr(buf_cstr(&why), "chmod 600"));
    buf_free(&why);
    place_free(p);
}

static void a_malformed_log_key_is_refused_by_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no line \"name"},
        {"name = log.example\n", "no line \"seed"},
        {"name = log.example\nseed = 00\n", ":2:"},
        {"name = Log Example\n", ":1:"},
        {"name = log.example\nname = log.example\n", ":2:"},
        {"# text\nnonsense\n", ":2:"},
        {"name = log.example\ntoken = \n", ":2:"},
        {"name = log.example\nseed = "
         "0000000000000000000000000000000000000000000000000000000000000001\ntoken = pkcs11:a\n",
         ":3:"},
    };
    struct place *p = place_new();
    struct log_key read;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf why = {0};
        write_text(p->key_file, cases[i].text, 0600);
        assert_int_equal(log_key_read(&read, p->key_file, &why), ERR_MALFORMED);
        assert_non_null(strstr(buf_cstr(&why), cases[i].says));
        buf_free(&why);
    }
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_is_read_as_it_was_written),
        cmocka_unit_test(a_missing_or_changed_or_foreign_checkpoint_is_refused),
        cmocka_unit_test(a_log_key_is_read_as_it_was_written_and_never_overwritten),
        cmocka_unit_test(a_log_key_that_others_can_read_is_refused_with_the_cure),
        cmocka_unit_test(a_malformed_log_key_is_refused_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
