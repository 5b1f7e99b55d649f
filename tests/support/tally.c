/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tally.h"

#include <inttypes.h>
#include <stdlib.h>

#include "chancery/core/v1/registry.pb-c.h"

#ifdef TALLY_MENDED
static const bool mended = true;
#else
static const bool mended = false;
#endif

struct tally { /* what came, what was answered, and a digest of the answers in their order */
    uint64_t requests, offices, digest;
};

static void *state_new(void)
{
    return mem_new(sizeof(struct tally));
}

static void apply_request(void *state, const struct input *in)
{
    struct tally *t = state;

    (void)in;
    t->requests++;
}

static void apply_office(void *state, const struct input *in)
{
    struct tally *t = state;
    const Core__OfficeAdded *office = (const void *)in->body;

    t->offices++;
    t->digest = t->digest * 31 + in->position;
    for (const char *c = office->office; *c; c++)
        t->digest = t->digest * 31 + (uint8_t)*c;
}

static void answer_offices(const char *party, unsigned long n, struct answers *out)
{
    Core__OfficeAdded office = CORE__OFFICE_ADDED__INIT;
    char name[130];

    office.office = name;
    for (unsigned long i = 1; i <= n; i++) {
        snprintf(name, sizeof name, "%s/%lu", party, i);
        answer(out, &office.base);
    }
}

static void decide_request(const void *state, const struct input *in, struct answers *out)
{
    const Core__PartyAdded *request = (const void *)in->body;
    bool fatal = strcmp(request->name, "abort") == 0;

    (void)state;
    if (fatal && !mended)
        abort();
    unsigned long n = fatal ? 1 : strtoul(request->name, NULL, 10);
    if (n)
        answer_offices(request->party, n, out);
    else
        answer_refused(out, "number.missing", "name", "the name is no number; state one");
}

static void dump(const void *state, struct buf *out)
{
    const struct tally *t = state;

    buf_printf(out, "%" PRIu64 " requests, %" PRIu64 " offices, digest %016" PRIx64, t->requests,
               t->offices, t->digest);
}

static void reply_dump(const void *state, const ProtobufCMessage *question, struct answers *out)
{
    Core__PartyAdded reply = CORE__PARTY_ADDED__INIT;
    struct buf text = {0};

    (void)question;
    dump(state, &text);
    reply.name = buf_cstr(&text);
    answer(out, &reply.base);
    buf_free(&text);
}

static const char *const reads[] = {"tally.in", "tally.feed", NULL};
static const struct worker_row rows[] = {
    {&core__party_added__descriptor, apply_request, decide_request},
    {&core__office_added__descriptor, apply_office, NULL},
    {NULL, NULL, NULL},
};
static const struct worker_question questions[] = {
    {&core__party_added__descriptor, reply_dump},
    {NULL, NULL},
};

const struct worker tally = {
    .name = "tally",
    .rules = 1,
    .reads = reads,
    .out = "tally.out",
    .rows = rows,
    .questions = questions,
    .state_new = state_new,
    .state_free = mem_free,
    .dump = dump,
};
