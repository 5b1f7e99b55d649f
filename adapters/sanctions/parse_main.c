/* SPDX-License-Identifier: Apache-2.0 */
/* parse_main.c - chancery-list-parse: reads a stranger's file and nothing else
 *
 * A process of its own, so that a fault in reading XML holds no key and no log; from the file's
 * opening on it lives in sandbox.h's bounds.  It writes lib/pipe.h's messages to standard output,
 * the last of them a snapshot or a refusal, and then exits with 0; with 2 on a usage error, with 1
 * where it cannot write.  A file that cannot be read is a refusal.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/sanctions/un.h"
#include "lib/err.h"
#include "lib/pipe.h"
#include "lib/sandbox.h"

enum { WRITE_BLOCK = 64 * 1024 };

typedef int list_read(struct slice file, un_party *each, void *arg, struct list *list,
                      struct list_fault *fault);

static const struct format {
    const char *list;
    list_read *read;
} formats[] = {{"un", un_read}, {NULL, NULL}};

static const char too_large[] = "the file is larger than 256 MiB: this is not the list";

struct output {
    struct hash snapshot;
    struct buf pending;
};

static int flush(struct output *o)
{
    size_t done = 0;

    while (done < o->pending.size) {
        ssize_t n = write(STDOUT_FILENO, o->pending.data + done, o->pending.size - done);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        done += n > 0 ? (size_t)n : 0;
    }
    buf_reset(&o->pending);
    return 0;
}

static int put(struct output *o, int kind, const ProtobufCMessage *message)
{
    uint8_t head[PIPE_HEAD];
    size_t size = protobuf_c_message_get_packed_size(message);

    pipe_head(head, kind, size);
    buf_add(&o->pending, head, sizeof head);
    protobuf_c_message_pack(message, buf_grow(&o->pending, size));
    return o->pending.size > WRITE_BLOCK ? flush(o) : 0;
}

static int put_piece(void *arg, const Sanctions__PartyPublished *piece)
{
    return put(arg, PIPE_PARTY, &piece->base);
}

static int put_party(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    struct output *o = arg;

    return list_cut(party, &o->snapshot, content, put_piece, o);
}

static int put_refusal(struct output *o, const char *list, const struct list_fault *fault)
{
    Sanctions__ImportRefused r = SANCTIONS__IMPORT_REFUSED__INIT;

    r.list = list;
    r.snapshot = (ProtobufCBinaryData){HASH_SIZE, o->snapshot.bytes};
    r.code = fault->code;
    r.text = fault->text;
    r.line = fault->line;
    r.column = fault->column;
    return put(o, PIPE_REFUSED, &r.base);
}

static int put_snapshot(struct output *o, const char *name, const struct list *list, uint64_t size)
{
    struct arena *arena = arena_new(SIZE_MAX);
    const Sanctions__SnapshotPublished *s = list_snapshot(list, name, &o->snapshot, size, arena);
    int rc = put(o, PIPE_SNAPSHOT, &s->base);

    arena_free(arena);
    return rc;
}

static struct list_fault fault_of(const char *code, const char *text, const char *detail)
{
    struct list_fault fault = {.code = code};

    snprintf(fault.text, sizeof fault.text, "%s%s%s", text, *detail ? ": " : "", detail);
    return fault;
}

/* Reads the whole file; a fault where that cannot be. */
static struct list_fault read_file(int fd, struct buf *out)
{
    ssize_t n;

    do {
        size_t had = out->size;
        uint8_t *at = buf_grow(out, 256 * 1024);
        n = read(fd, at, 256 * 1024);
        out->size = had + (n > 0 ? (size_t)n : 0);
        if (out->size > LIST_FILE)
            return fault_of("list.limit", too_large, "");
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? fault_of("list.unreadable", "the file cannot be read", strerror(errno))
                 : (struct list_fault){.code = NULL};
}

/* The text of what was read may hold bytes of the file that are cut in the middle of a character.
 */
static void keep_text(char *text)
{
    for (char *p = text; *p; p++)
        if ((signed char)*p < 0x20)
            *p = '?';
}

static int parse(const struct format *format, int fd)
{
    struct output o = {.pending = {0}};
    struct list list = {.counts = NULL};
    struct buf file = {0};
    struct list_fault fault = read_file(fd, &file);
    int rc = fault.code ? ERR_MALFORMED : 0;

    hash_sha256(&o.snapshot, slice_buf(&file));
    if (rc == 0)
        rc = format->read(slice_buf(&file), put_party, &o, &list, &fault);
    if (rc == ERR_BOUNDS)
        fault = fault_of("list.limit",
                         "one value of an entry is larger than an event may be: this "
                         "is not the list",
                         "");
    if (rc == 0)
        rc = put_snapshot(&o, format->list, &list, file.size);
    else if (fault.code) {
        keep_text(fault.text);
        rc = put_refusal(&o, format->list, &fault);
    }
    if (rc == 0)
        rc = flush(&o);
    list_clear(&list);
    buf_free(&file);
    buf_free(&o.pending);
    return rc;
}

static int refuse_unopened(const struct format *format, const struct list_fault *fault)
{
    struct output o = {.pending = {0}};
    int rc = put_refusal(&o, format->list, fault);

    if (rc == 0)
        rc = flush(&o);
    buf_free(&o.pending);
    return rc;
}

/* The descriptor of a file that may be read, or -1 with a fault. */
static int open_file(const char *name, struct list_fault *fault)
{
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0)
        *fault = fault_of("list.unreadable", "the file cannot be opened", strerror(errno));
    else if (st.st_size > LIST_FILE)
        *fault = fault_of("list.limit", too_large, "");
    else
        return fd;
    return -1;
}

static const struct format *format_find(const char *list)
{
    const struct format *f = formats;

    while (f->list && strcmp(f->list, list) != 0)
        f++;
    return f->list ? f : NULL;
}

int main(int argc, char **argv)
{
    const struct format *format =
        argc == 4 && strcmp(argv[1], "--list") == 0 ? format_find(argv[2]) : NULL;
    struct list_fault fault;

    if (!format) {
        fputs("usage: chancery-list-parse --list un FILE\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* standard output is a pipe; to a file it fails */
    int fd = open_file(argv[3], &fault);
    if (fd < 0)
        return refuse_unopened(format, &fault) == 0 ? 0 : 1;
    if (sandbox_parser(fd) != 0) {
        fprintf(stderr, "chancery-list-parse: cannot confine itself: %s\n", strerror(errno));
        return 1;
    }
    /* at once: what libraries do at an orderly end may ask for more than is allowed */
    _exit(parse(format, fd) == 0 ? 0 : 1);
}
