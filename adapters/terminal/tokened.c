/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/tokened.h"

#include "adapters/terminal/verb.h"
#include "lib/err.h"

int tokened(struct seat_key *key, const char *uri)
{
    struct buf why = {0};
    int err = uri ? seat_key_to_token(key, uri, &why) : 0;

    if (err)
        complain("%s: %s", err_code(err), buf_cstr(&why));
    buf_free(&why);
    return err ? FAILED : DONE;
}
