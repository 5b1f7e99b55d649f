/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pulse.h"

static void on_head(void *arg, int err, uint64_t head, const char *checkpoint)
{
    struct pulse *p = arg;

    (void)err, (void)head, (void)checkpoint;
    p->waiting = false;
}

bool pulse_beats(struct pulse *p)
{
    if (!chancery_current(p->client))
        return true;
    if (p->waiting)
        return false;
    p->waiting = chancery_head(p->client, on_head, p) == 0;
    return true;
}
