/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/given.h"

#include <errno.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

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

int given_log_id(const struct settings *settings, struct log_id *id)
{
    struct buf text = {0};
    char *file = mem_printf("%s/log.vkey", settings->dir);
    int err = file_read(file, &text);

    if (err == 0)
        err =
            note_vkey_parse(slice_of(text.data, strcspn(buf_cstr(&text), "\n")), id->name, id->key);
    if (err)
        complain("%s: %s: without the log's key nothing that the broker says can be verified; get "
                 "it from who runs the log",
                 file, err_text(err));
    mem_free(file);
    buf_free(&text);
    return err ? FAILED : DONE;
}
