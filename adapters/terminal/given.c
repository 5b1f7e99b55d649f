/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/given.h"

#include <errno.h>
#include <sys/stat.h>

#include "adapters/terminal/verb.h"
#include "lib/err.h"
#include "lib/file.h"

int given_read(const char *file, size_t most, struct buf *text)
{
    struct stat st;

    if (stat(file, &st) == 0 && st.st_size > (off_t)most) {
        complain("%s: %s (%s)", file, err_text(ERR_BOUNDS), err_code(ERR_BOUNDS));
        return FAILED;
    }
    if (file_read(file, text) == 0)
        return DONE;
    complain("%s: %s", file, strerror(errno));
    return FAILED;
}
