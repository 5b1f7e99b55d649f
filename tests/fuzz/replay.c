/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - runs a fuzz target over the files of its corpus: the ordinary suite's share of fuzzing
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *dir, const char *name)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return;
    uint8_t *data = malloc(16 * 1024 * 1024);
    size_t size = data ? fread(data, 1, 16 * 1024 * 1024, f) : 0;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    fclose(f);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    size_t files = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    for (const struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') {
            replay(argv[1], e->d_name);
            files++;
        }
    closedir(dir);
    printf("%zu files\n", files);
    return files ? EXIT_SUCCESS : EXIT_FAILURE;
}
