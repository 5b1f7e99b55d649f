/* SPDX-License-Identifier: Apache-2.0 */
/* make_vectors.c - writes proto/vectors.json to standard output */
#include <stdio.h>

#include "tests/support/vectors.h"

int main(void)
{
    struct buf text = {0};

    vectors_text(&text);
    size_t written = fwrite(text.data, 1, text.size, stdout);
    int failed = written != text.size || fflush(stdout) != 0;
    buf_free(&text);
    return failed;
}
