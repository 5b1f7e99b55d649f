/* SPDX-License-Identifier: Apache-2.0 */
/* un_xml.c - the UN list's reader: whatever comes, a list or one fault; parties within bounds */
#include <assert.h>

#include "adapters/sanctions/un.h"
#include "lib/err.h"
#include "lib/scan.h"

static int check_piece(void *arg, const Sanctions__PartyPublished *piece)
{
    struct buf packed = {0};
    size_t size = protobuf_c_message_get_packed_size(&piece->base);

    (void)arg;
    protobuf_c_message_pack(&piece->base, buf_grow(&packed, size));
    int rc = scan_message(piece->base.descriptor, slice_buf(&packed), NULL);
    buf_free(&packed);
    assert(rc == 0);
    return 0;
}

static int each(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    return list_cut(party, content, content, check_piece, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct list list = {.counts = NULL};
    struct list_fault fault;
    struct hash content;
    int rc = un_read(slice_of(data, size), each, NULL, &list, &fault);

    assert(rc != ERR_MALFORMED || (fault.code && *fault.text));
    if (rc == 0)
        list_content(&list, &content);
    list_clear(&list);
    return 0;
}
