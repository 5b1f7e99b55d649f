/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - settings: what is taken, and how a mistake is named */
#include "lib/conf.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/settings.h"
#include "tests/support/test.h"

enum { RULES = 2 };

struct target {
    char *name;
    int64_t number, wait, size;
    bool flag;
    struct sockaddr_storage listen;
    struct rule {
        char *name, *to;
        int64_t count;
    } rules[RULES];
    size_t n_rules;
};

#define OF(field) offsetof(struct target, field)
#define OF_RULE(field) offsetof(struct rule, field)

static const struct conf_key keys[] = {
    {"", "top", CONF_STRING, OF(name), NULL, 0, 0, "A text"},
    {"broker", "number", CONF_NUMBER, OF(number), "7", 1, 65535, "A number"},
    {"broker", "wait", CONF_SECONDS, OF(wait), "15m", 1000000, INT64_C(604800000000), "A duration"},
    {"broker", "size", CONF_SIZE, OF(size), "64K", 4096, INT64_C(1) << 31, "A size"},
    {"broker", "flag", CONF_BOOL, OF(flag), "no", 0, 0, "A flag"},
    {"broker", "listen", CONF_LOOPBACK, OF(listen), "127.0.0.1:1", 0, 0, "A place"},
    {"rule *", "to", CONF_STRING, OF_RULE(to), "!", 3, 40, "Who"},
    {"rule *", "count", CONF_NUMBER, OF_RULE(count), "1", 0, 9, "How many"},
    {0},
};

static void *rule_section(void *arg, const char *section, const char *name)
{
    struct target *t = arg;

    assert_string_equal(section, "rule *");
    if (t->n_rules == RULES)
        return NULL;
    t->rules[t->n_rules].name = mem_str(name);
    return &t->rules[t->n_rules++];
}

static void target_clear(struct target *t)
{
    conf_clear(keys, "", t);
    for (size_t i = 0; i < t->n_rules; i++) {
        conf_clear(keys, "rule *", &t->rules[i]);
        mem_free(t->rules[i].name);
    }
}

static int parse(struct target *t, const char *text, struct buf *why)
{
    *t = (struct target){0};
    return conf_parse("q.conf", slice_str(text), keys, t, rule_section, why);
}

static void what_is_not_stated_keeps_its_default(void **unused)
{
    (void)unused;
    struct target t;
    struct buf why = {0};

    assert_int_equal(parse(&t, "", &why), 0);
    assert_null(t.name);
    assert_int_equal(t.number, 7);
    assert_int_equal(t.wait, 900000000);
    assert_int_equal(t.size, 65536);
    assert_false(t.flag);
    target_clear(&t);
}

static void what_is_stated_is_taken(void **unused)
{
    (void)unused;
    struct target t;
    struct buf why = {0};

    assert_int_equal(parse(&t,
                           "\xef\xbb\xbftop = a name = with equals\r\n"
                           "; remark\n# remark\n\n[broker]\n"
                           "  number = 8\n\twait = 2d ; remark\n size=2G\nflag = true\n"
                           "[rule un]\nto = a@qma.example,\n  b@qma.example\n"
                           "[rule eu]\nto = c@qma.example\ncount = 0",
                           &why),
                     0);
    assert_string_equal(t.name, "a name = with equals");
    assert_int_equal(t.number, 8);
    assert_int_equal(t.wait, INT64_C(172800000000));
    assert_int_equal(t.size, INT64_C(1) << 31);
    assert_true(t.flag);
    assert_int_equal(t.n_rules, 2);
    assert_string_equal(t.rules[0].name, "un");
    assert_string_equal(t.rules[0].to, "a@qma.example, b@qma.example");
    assert_int_equal(t.rules[0].count, 1);
    assert_int_equal(t.rules[1].count, 0);
    target_clear(&t);
}

static void a_mistake_is_named_with_file_line_and_what_is_allowed(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"[broker]\nnumbr = 1\n",
         "q.conf:2: [broker] has no key \"numbr\"; did you mean \"number\"?"},
        {"[broker]\nwiat = 1\n", "q.conf:2: [broker] has no key \"wiat\"; did you mean \"wait\"?"},
        {"[broker]\nsomething = 1\n",
         "q.conf:2: [broker] has no key \"something\"; it has: number, wait, size, flag, listen"},
        {"\n[broke]\nnumber = 1\n",
         "q.conf:3: there is no section [broke]; did you mean [broker]?"},
        {"[elsewhere]\na = 1\n", "q.conf:2: there is no section [elsewhere]"},
        {"[broker]\nnumber = 1\nflag = no\nnumber = 1\n",
         "q.conf:4: [broker] number: stated twice; leave one of them out"},
        {"[broker]\nnumber = 0\n",
         "q.conf:2: [broker] number = 0: must be a whole number from 1 to 65535"},
        {"[broker]\nnumber = 65536\n",
         "q.conf:2: [broker] number = 65536: must be a whole number from 1 to 65535"},
        {"[broker]\nnumber = 7x\n",
         "q.conf:2: [broker] number = 7x: must be a whole number from 1 to 65535"},
        {"[broker]\nnumber =\n",
         "q.conf:2: [broker] number = : must be a whole number from 1 to 65535"},
        {"[broker]\nnumber = 99999999999999999999\n",
         "q.conf:2: [broker] number = 99999999999999999999: must be a whole number from 1 to "
         "65535"},
        {"[broker]\nwait = 8d\n", "q.conf:2: [broker] wait = 8d: must be a duration such as 90, "
                                  "90s, 15m, 8h or 7d, from 1s to 7d"},
        {"[broker]\nwait = 9000000000000000000d\n",
         "q.conf:2: [broker] wait = 9000000000000000000d: must be a duration such as 90, "
         "90s, 15m, 8h or 7d, from 1s to 7d"},
        {"[broker]\nsize = 1K\n", "q.conf:2: [broker] size = 1K: must be a size such as 4096, 64K, "
                                  "16M or 2G, from 4K to 2G"},
        {"[broker]\nflag = maybe\n", "q.conf:2: [broker] flag = maybe: must be yes or no"},
        {"[rule un]\ncount = 1\n", "q.conf: [rule un] must state \"to\""},
        {"[rule un]\nto = a\n", "q.conf:2: [rule un] to = a: must be text of 3 to 40 bytes"},
        {"[rule a]\nto=abc\n[rule b]\nto=abc\n[rule c]\nto=abc\n",
         "q.conf:6: [rule c]: there may be no more sections of this kind"},
        {"[rule ]\nto = abc\n", "q.conf:2: there is no section [rule ]; did you mean [rule *]?"},
        {"other = 1\n", "q.conf:1: [] has no key \"other\"; it has: top"},
        {"[broker]\nnumber = 3\nnonsense\n",
         "q.conf:3: neither \"[section]\" nor \"key = value\" nor a comment"},
        {"[broker\nnumber = 3\n",
         "q.conf:1: neither \"[section]\" nor \"key = value\" nor a comment"},
        {"[broker]\nnonsense\nnumber = x\n",
         "q.conf:2: neither \"[section]\" nor \"key = value\" nor a comment"},
        {"[broker]\n# \xff\n", "q.conf:2: not valid UTF-8 in normalisation form C, or a NUL"},
        {"[rule un]\nto = abc,\n  def,\n  01234567890123456789012345678901234567890123456789\n",
         "q.conf:4: [rule un] to = 01234567890123456789012345678901234567890123456789: must be "
         "text of 3 to 40 bytes"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct target t;
        struct buf why = {0};
        assert_int_equal(parse(&t, rows[i].text, &why), ERR_CONFIG);
        assert_string_equal(buf_cstr(&why), rows[i].why);
        assert_null(t.name);
        buf_free(&why);
        target_clear(&t);
    }
}

static void an_address_is_one_that_no_other_machine_reaches(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "0.0.0.0:9464",    "192.0.2.1:9464",      "[::]:9464",    "[2001:db8::1]:1",
        "localhost:9464",  "127.0.0.1",           "127.0.0.1:",   "127.0.0.1:0",
        "127.0.0.1:65536", "127.0.0.1:94x",       "127.0.0.1:-1", ":9464",
        "::1:9464",        "[127.0.0.1]:1",       "[::1]",        "128.0.0.1:9464",
        "127.0.0.1:+9464", "[::ffff:127.0.0.1]:1"};
    struct target t;
    struct buf why = {0}, expected = {0}, text = {0};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        buf_reset(&text), buf_reset(&expected), buf_reset(&why);
        buf_printf(&text, "[broker]\nlisten = %s\n", wrong[i]);
        buf_printf(&expected,
                   "q.conf:2: [broker] listen = %s: must be an address of this machine alone and a "
                   "port: 127.0.0.1:9464, [::1]:9464",
                   wrong[i]);
        assert_int_equal(parse(&t, buf_cstr(&text), &why), ERR_CONFIG);
        assert_string_equal(buf_cstr(&why), buf_cstr(&expected));
        target_clear(&t);
    }
    assert_int_equal(parse(&t, "[broker]\nlisten = 127.8.0.1:65535\n", &why), 0);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&t.listen;
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(ntohl(v4->sin_addr.s_addr), 0x7f080001);
    assert_int_equal(ntohs(v4->sin_port), 65535);
    assert_int_equal(parse(&t, "[broker]\nlisten = [::1]:9464\n", &why), 0);
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&t.listen;
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
    assert_int_equal(ntohs(v6->sin6_port), 9464);
    buf_free(&why), buf_free(&expected), buf_free(&text);
}

static void a_line_that_would_be_cut_is_refused(void **unused)
{
    (void)unused;
    struct target t;
    struct buf why = {0}, text = {0};

    for (int size = 190; size < 260; size++) {
        buf_reset(&text);
        buf_printf(&text, "top = %0*d\n[broker]\nnumber = 3\n", size - 6, 1);
        buf_reset(&why);
        int rc = parse(&t, buf_cstr(&text), &why);
        assert_int_equal(rc, size <= 197 ? 0 : ERR_CONFIG);
        if (rc == 0)
            assert_int_equal(strlen(t.name), size - 6);
        else
            assert_non_null(strstr(buf_cstr(&why), "q.conf:1: the line is longer"));
        target_clear(&t);
    }
    buf_free(&why);
    buf_free(&text);
}

static char dir[] = "/tmp/chancery-conf-XXXXXX";

static int make_dir(void **unused)
{
    (void)unused;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **unused)
{
    static const char *const made[] = {"run", "keep", "chancery.conf"};

    (void)unused;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        char *path = mem_printf("%s/%s", dir, made[i]);
        remove(path);
        mem_free(path);
    }
    return rmdir(dir);
}

static void write_conf(const char *text)
{
    char *conf = mem_printf("%s/chancery.conf", dir);
    FILE *f = fopen(conf, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    mem_free(conf);
}

#define SERVER_KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LOG_AND_CONNECTION                 \
    "[log]\nname = log.qma.example/main\n" \
    "[connection]\nendpoint = ipc://run/broker.sock\nserver-key = " SERVER_KEY "\n"

static const struct conf_key own_keys[] = {
    {"embargo", "number", CONF_NUMBER, offsetof(struct target, number), "7", 1, 10, "A number"},
    {0},
};

static void a_process_reads_its_own_sections_and_skips_those_of_others(void **unused)
{
    (void)unused;
    struct settings s;
    struct target t = {0};
    struct buf why = {0};
    struct stat st;
    char *endpoint = mem_printf("ipc://%s/run/broker.sock", dir);
    char *key_file = mem_printf("%s/keys/embargo.key", dir);

    write_conf(LOG_AND_CONNECTION "[embargo]\nseat = embargo\nnumber = 3\n"
                                  "[alert]\nanything = goes\n[rule un]\nto = nobody\n");
    assert_int_equal(settings_read(&s, dir, "embargo", own_keys, &t, NULL, &why), 0);
    assert_string_equal(s.dir, dir);
    assert_string_equal(s.log, "log.qma.example/main");
    assert_string_equal(s.endpoint, endpoint);
    assert_string_equal(s.server_key, SERVER_KEY);
    assert_string_equal(s.seat, "embargo");
    assert_string_equal(s.key_file, key_file);
    assert_int_equal(stat(s.run_dir, &st), 0);
    assert_int_equal(t.number, 3);
    settings_clear(&s);

    assert_int_equal(settings_read(&s, dir, NULL, NULL, NULL, NULL, &why), 0);
    assert_null(s.seat);
    assert_null(s.key_file);
    settings_clear(&s);
    mem_free(endpoint);
    mem_free(key_file);
}

static void a_program_of_one_s_own_has_a_section_that_all_others_accept(void **unused)
{
    (void)unused;
    struct settings s;
    struct buf why = {0};
    char *program = mem_printf("%s/bin/tally", dir), *key_file = mem_printf("%s/keys/t.key", dir);

    write_conf(LOG_AND_CONNECTION "[embargo]\nseat = embargo\n"
                                  "[process tally]\nprogram = bin/tally\nseat = t\n"
                                  "[process other]\nprogram = /usr/bin/other\n");
    assert_int_equal(settings_read(&s, dir, "tally", NULL, NULL, NULL, &why), 0);
    assert_string_equal(s.key_file, key_file);
    assert_string_equal(settings_process_find(&s, "tally")->program, program);
    assert_string_equal(settings_process_find(&s, "other")->program, "/usr/bin/other");
    assert_null(settings_process_find(&s, "embargo"));
    settings_clear(&s);

    assert_int_equal(settings_read(&s, dir, "embargo", NULL, NULL, NULL, &why), 0);
    assert_string_equal(s.seat, "embargo");
    settings_clear(&s);

    assert_int_equal(settings_read(&s, dir, "other", NULL, NULL, NULL, &why), ERR_CONFIG);
    assert_non_null(strstr(buf_cstr(&why), "[process other] must state \"seat\""));
    buf_free(&why);
    assert_int_equal(settings_read(&s, dir, "absent", NULL, NULL, NULL, &why), ERR_CONFIG);
    assert_non_null(strstr(buf_cstr(&why), "[process absent] must state \"seat\""));
    buf_free(&why);
    mem_free(program);
    mem_free(key_file);
}

static void small_files_lie_where_the_environment_says(void **unused)
{
    (void)unused;
    struct settings s;
    struct buf why = {0};

    write_conf(LOG_AND_CONNECTION);
    setenv("CHANCERY_RUN", "/nonexistent/run", 1);
    assert_int_equal(settings_read(&s, dir, NULL, NULL, NULL, NULL, &why), ERR_IO);
    assert_string_equal(buf_cstr(&why), "/nonexistent/run: No such file or directory");
    buf_free(&why);
    setenv("CHANCERY_RUN", "/tmp", 1);
    assert_int_equal(settings_read(&s, dir, NULL, NULL, NULL, NULL, &why), 0);
    assert_string_equal(s.run_dir, "/tmp");
    settings_clear(&s);
    unsetenv("CHANCERY_RUN");
}

static void the_manual_says_of_a_key_what_the_table_says(void **unused)
{
    (void)unused;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    conf_man(keys + 1, "broker", out);
    fclose(out);
    assert_string_equal(text,
                        "\n*number* = _number_\n\tA number. From 1 to 65535. Default: 7.\n"
                        "\n*wait* = _duration_\n\tA duration. From 1s to 7d. Default: 15m.\n"
                        "\n*size* = _size_\n\tA size. From 4K to 2G. Default: 64K.\n"
                        "\n*flag* = _yes|no_\n\tA flag. Default: no.\n"
                        "\n*listen* = _address:port_\n\tA place. Default: 127\\.0\\.0\\.1:1.\n"
                        "\n## [rule NAME]\n"
                        "\n*to* = _text_\n\tWho. Must be stated.\n"
                        "\n*count* = _number_\n\tHow many. From 0 to 9. Default: 1.\n");
    free(text);
}

static void an_instance_that_is_not_right_is_refused_with_the_place(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "[log] must state \"name\""},
        {LOG_AND_CONNECTION, "[embargo] must state \"seat\""},
        {LOG_AND_CONNECTION "[embargo]\nseat = e\nnumbers = 1\n", ":8: [embargo] has no key "},
        {LOG_AND_CONNECTION "[embarg]\nseat = e\n", ":7: there is no section [embarg]; did you"},
        {LOG_AND_CONNECTION "[process x]\nprogram = x\npath = y\n", ":8: [process x] has no key "},
        {LOG_AND_CONNECTION "[embargo]\nseat = e\n[process x]\nseat = x\n",
         "[process x] must state \"program\""},
        {LOG_AND_CONNECTION "[embargo]\nseat = ../e\n", "seat: must be an identifier"},
        {"[log]\nname = A\n[connection]\nendpoint = ipc://a\nserver-key = " SERVER_KEY
         "\n[embargo]\nseat = e\n",
         "[log] name: must be"},
        {"[log]\nname = a\n[connection]\nendpoint = http://a\nserver-key = " SERVER_KEY
         "\n[embargo]\nseat = e\n",
         "[connection] endpoint: must be"},
        {"[log]\nname = a\n[connection]\nendpoint = tcp://127.0.0.1:7\nserver-key = 12\n"
         "[embargo]\nseat = e\n",
         "[connection] server-key: must be"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s = {0};
        struct target t = {0};
        struct buf why = {0};
        write_conf(rows[i].text);
        assert_int_equal(settings_read(&s, dir, "embargo", own_keys, &t, NULL, &why), ERR_CONFIG);
        if (!strstr(buf_cstr(&why), rows[i].why))
            fail_msg("%s", buf_cstr(&why));
        buf_free(&why);
        settings_clear(&s);
    }
}

static void a_file_that_is_missing_is_named(void **unused)
{
    (void)unused;
    struct settings s = {0};
    struct buf why = {0};

    assert_int_equal(settings_read(&s, "/nonexistent/q.conf", NULL, NULL, NULL, NULL, &why),
                     ERR_IO);
    assert_string_equal(buf_cstr(&why), "/nonexistent/q.conf: No such file or directory");
    buf_free(&why);
}

static void a_socket_path_that_is_too_long_goes_by_a_descriptor(void **unused)
{
    (void)unused;
    struct settings s;
    struct buf why = {0};
    char *deep = mem_printf("%s/%080d/%080d", dir, 1, 2), *half = mem_printf("%s/%080d", dir, 1);
    char *text = mem_printf("[log]\nname = a\n[connection]\nendpoint = ipc://%080d/%080d/s\n"
                            "server-key = " SERVER_KEY "\n",
                            1, 2);

    assert_int_equal(mkdir(half, 0700), 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    write_conf(text);
    assert_int_equal(settings_read(&s, dir, NULL, NULL, NULL, NULL, &why), 0);
    assert_memory_equal(s.endpoint, "ipc:///proc/self/fd/", 20);
    FILE *f = fopen(s.endpoint + 6, "w");
    assert_non_null(f);
    fclose(f);
    char *made = mem_printf("%s/s", deep);
    assert_int_equal(unlink(made), 0);
    settings_clear(&s);
    rmdir(deep);
    rmdir(half);
    mem_free(made);
    mem_free(deep);
    mem_free(half);
    mem_free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_stated_keeps_its_default),
        cmocka_unit_test(what_is_stated_is_taken),
        cmocka_unit_test(a_mistake_is_named_with_file_line_and_what_is_allowed),
        cmocka_unit_test(an_address_is_one_that_no_other_machine_reaches),
        cmocka_unit_test(a_line_that_would_be_cut_is_refused),
        cmocka_unit_test(a_process_reads_its_own_sections_and_skips_those_of_others),
        cmocka_unit_test(a_program_of_one_s_own_has_a_section_that_all_others_accept),
        cmocka_unit_test(small_files_lie_where_the_environment_says),
        cmocka_unit_test(the_manual_says_of_a_key_what_the_table_says),
        cmocka_unit_test(an_instance_that_is_not_right_is_refused_with_the_place),
        cmocka_unit_test(a_file_that_is_missing_is_named),
        cmocka_unit_test(a_socket_path_that_is_too_long_goes_by_a_descriptor),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
