/* SPDX-License-Identifier: Apache-2.0 */
/* contacts.c - a table of whom to invite: what is handed over is sound, or the line is named */
#include "adapters/terminal/contacts.h"

#include <assert.h>
#include <stddef.h>

#include "lib/envelope.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_contact(void *arg, const struct contact *contact, struct buf *why)
{
    (void)arg;
    (void)why;
    assert(identifier_valid(contact->seat) && office_valid(contact->office));
    assert(!strchr(contact->name, '\n'));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf why = {0};
    int rc = contacts_read("table.csv", slice_of(data, size), on_contact, NULL, &why);

    assert((rc == 0) == (why.size == 0));
    assert(rc == 0 || strncmp(buf_cstr(&why), "table.csv:", 10) == 0);
    buf_free(&why);
    return 0;
}
