/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/refusals.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

static struct refusal_row *find(struct refusals *r, const char *seat, const char *code)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->rows[i].code, code) == 0 && strcmp(r->rows[i].seat, seat) == 0)
            return &r->rows[i];
    return NULL;
}

static struct refusal_row *add(struct refusals *r, const char *seat, const char *code)
{
    if (!r->rows)
        r->rows = mem_new(REFUSAL_ROWS * sizeof *r->rows);
    struct refusal_row *row = &r->rows[r->n++];
    *row = (struct refusal_row){0};
    snprintf(row->seat, sizeof row->seat, "%s", seat);
    snprintf(row->code, sizeof row->code, "%s", code);
    return row;
}

static void count_code(struct refusals *r, const char *code)
{
    size_t i = 0;

    if (!r->totals)
        r->totals = mem_new(REFUSAL_ROWS * sizeof *r->totals);
    while (i < r->n_totals && strcmp(r->totals[i].code, code) != 0)
        i++;
    if (i == REFUSAL_ROWS)
        return;
    if (i == r->n_totals)
        snprintf(r->totals[r->n_totals++].code, sizeof r->totals->code, "%s", code);
    r->totals[i].count++;
}

void refusals_count(struct refusals *r, const char *seat, const char *code, const char *stream,
                    const char *type, int64_t now)
{
    struct refusal_row *row = find(r, seat, code);

    r->total++;
    count_code(r, code);
    if (!row && r->n >= REFUSAL_ROWS - 1) {
        seat = "", code = "refusals.other", stream = "", type = "";
        row = find(r, seat, code);
    }
    if (!row) {
        row = add(r, seat, code);
        snprintf(row->stream, sizeof row->stream, "%s", stream);
        snprintf(row->type, sizeof row->type, "%s", type);
        row->since = now;
    }
    row->count++;
}

void refusals_clear(struct refusals *r)
{
    mem_free(r->rows);
    r->rows = NULL;
    r->n = 0;
}

void refusals_free(struct refusals *r)
{
    refusals_clear(r);
    mem_free(r->totals);
    *r = (struct refusals){0};
}
