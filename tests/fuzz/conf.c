/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - a configuration file: taken, or refused with a sentence, and nothing is lost */
#include "lib/conf.h"

#include <assert.h>
#include <stddef.h>

#include "lib/mem.h"

enum { RULES = 4 };

struct target {
    char *name;
    int64_t number, wait, size;
    bool flag;
    struct rule {
        char *to;
        int64_t count;
    } rules[RULES];
    size_t n_rules;
};

#define OF(field) offsetof(struct target, field)
#define OF_RULE(field) offsetof(struct rule, field)

static const struct conf_key keys[] = {
    {"broker", "name", CONF_STRING, OF(name), "x", 1, 300, ""},
    {"broker", "number", CONF_NUMBER, OF(number), "7", -5, 65535, ""},
    {"broker", "wait", CONF_SECONDS, OF(wait), "15m", 0, INT64_MAX, ""},
    {"broker", "size", CONF_SIZE, OF(size), "64K", 0, INT64_MAX, ""},
    {"broker", "flag", CONF_BOOL, OF(flag), "no", 0, 0, ""},
    {"rule *", "to", CONF_STRING, OF_RULE(to), "!", 0, 0, ""},
    {"rule *", "count", CONF_NUMBER, OF_RULE(count), "1", 0, 9, ""},
    {0},
};
static const char *const others[] = {"alert", "log", NULL};

static void *rule_section(void *arg, const char *section, const char *name)
{
    struct target *t = arg;

    assert(section[0] && name[0]);
    return t->n_rules == RULES ? NULL : &t->rules[t->n_rules++];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct target t = {0};
    struct buf why = {0};
    const struct conf_table table = {keys, &t, rule_section};
    int err = conf_parse_tables("q.conf", slice_of(data, size), &table, 1, others, &why);

    assert((err == 0) == (why.size == 0));
    assert(err == 0 ? t.name != NULL : t.name == NULL);
    for (size_t i = 0; i < t.n_rules; i++) {
        assert((t.rules[i].to != NULL) == (err == 0));
        conf_clear(keys, "rule *", &t.rules[i]);
    }
    conf_clear(keys, "broker", &t);
    buf_free(&why);
    return 0;
}
