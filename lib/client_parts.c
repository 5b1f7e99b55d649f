/* SPDX-License-Identifier: Apache-2.0 */
/* client_parts.c - parts: sent and fetched in pieces, checked against their hash
 *
 * A part goes out in groups of pieces with a Ping behind each; the next group follows its Pong, so
 * what is on the way is bounded.  In a new session a part begins at its first byte again.  A part
 * comes in one piece after the other, into a file beside its place, which takes its name at the
 * end.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { PIECE = 128 * 1024, GROUP = 8 };

/* ---- hashing what does not fit into memory ---- */

static EVP_MD_CTX *hashing_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        abort();
    return ctx;
}

static void hashing_end(EVP_MD_CTX **ctx, uint8_t sha256[HASH_SIZE])
{
    EVP_DigestFinal_ex(*ctx, sha256, NULL);
    EVP_MD_CTX_free(*ctx);
    *ctx = NULL;
}

static int hash_file(int fd, uint8_t sha256[HASH_SIZE], uint64_t *size)
{
    EVP_MD_CTX *ctx = hashing_new();
    uint8_t *piece = mem_new(PIECE);
    ssize_t n;

    *size = 0;
    while ((n = pread(fd, piece, PIECE, (off_t)*size)) > 0) {
        EVP_DigestUpdate(ctx, piece, (size_t)n);
        *size += (uint64_t)n;
    }
    hashing_end(&ctx, sha256);
    mem_free(piece);
    if (n < 0)
        return ERR_IO;
    return *size > PART_MOST ? ERR_BOUNDS : 0;
}

/* ---- sending a part ---- */

struct put {
    struct put *next;
    uint64_t ref;
    uint64_t ping; /* ref of the Ping behind the last group; 0 = the next one may go */
    int fd;
    uint8_t sha256[HASH_SIZE];
    uint64_t size, offset;
    bool all; /* the last piece is sent */
    void (*done)(void *arg, int err, const char *text);
    void *arg;
};

static void put_end(struct chancery *c, struct put *p, int err, const char *text)
{
    struct put **at = &c->puts;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    close(p->fd);
    if (!c->closing && p->done)
        p->done(p->arg, err, text);
    mem_free(p);
}

static void put_piece(struct chancery *c, struct put *p, const uint8_t *piece, size_t n)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__PutPart body = CORE__PUT_PART__INIT;

    body.sha256 = (ProtobufCBinaryData){HASH_SIZE, p->sha256};
    body.size = p->size;
    body.offset = p->offset;
    body.chunk = (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)piece};
    frame.ref = p->ref;
    frame.body_case = CORE__FRAME__BODY_PUT_PART;
    frame.put_part = &body;
    client_send(c, &frame);
    p->offset += n;
    p->all = p->offset == p->size;
}

static void put_ping(struct chancery *c, struct put *p)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Ping ping = CORE__PING__INIT;

    p->ping = frame.ref = client_ref(c);
    frame.body_case = CORE__FRAME__BODY_PING;
    frame.ping = &ping;
    client_send(c, &frame);
}

/* Sends a group; false when the file is no longer what it was. */
static bool put_group(struct chancery *c, struct put *p)
{
    uint8_t *piece = mem_new(PIECE);
    bool good = true;

    for (int i = 0; i < GROUP && good && !p->all; i++) {
        size_t want = p->size - p->offset < PIECE ? (size_t)(p->size - p->offset) : PIECE;
        good = pread(p->fd, piece, want, (off_t)p->offset) == (ssize_t)want;
        if (good)
            put_piece(c, p, piece, want);
    }
    mem_free(piece);
    if (good && !p->all)
        put_ping(c, p);
    return good;
}

void parts_turn(struct chancery *c)
{
    struct put *p = c->puts;

    while (p && client_idle(c) && !c->closing) {
        struct put *next = p->next;
        if (!p->all && !p->ping && !put_group(c, p)) {
            put_end(c, p, ERR_PART, "the file changed while it was sent");
            next = c->puts;
        }
        p = next;
    }
}

void parts_resume(struct chancery *c)
{
    for (struct put *p = c->puts; p; p = p->next) {
        p->ref = client_ref(c);
        p->ping = 0;
        p->offset = 0;
        p->all = false;
    }
    if (c->puts)
        client_soon(c);
}

bool parts_pong(struct chancery *c, const Core__Frame *f)
{
    for (struct put *p = c->puts; p; p = p->next)
        if (p->ping == f->ref) {
            p->ping = 0;
            client_soon(c);
            return true;
        }
    return false;
}

static struct put *put_find(const struct chancery *c, uint64_t ref)
{
    struct put *p = c->puts;

    while (p && p->ref != ref)
        p = p->next;
    return p;
}

bool parts_stored(struct chancery *c, const Core__Frame *f)
{
    struct put *p = put_find(c, f->ref);

    if (p)
        put_end(c, p, 0, "");
    return p;
}

bool parts_refused(struct chancery *c, const Core__Frame *f)
{
    struct put *p = put_find(c, f->ref);

    if (p)
        put_end(c, p, err_of_code(f->refused->code), f->refused->text);
    return p;
}

void parts_close(struct chancery *c)
{
    while (c->puts)
        put_end(c, c->puts, ERR_CANCELLED, "");
}

int chancery_put_part(struct chancery *c, const char *file, struct chancery_part *part,
                      void (*done)(void *arg, int err, const char *text), void *arg)
{
    struct stat st;
    struct put *p;

    if (c->closing)
        return ERR_CANCELLED;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    p = mem_new(sizeof *p);
    int rc =
        fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ? ERR_IO : hash_file(fd, p->sha256, &p->size);
    if (rc) {
        close(fd);
        mem_free(p);
        return rc;
    }
    memcpy(part->sha256, p->sha256, HASH_SIZE);
    part->size = p->size;
    p->fd = fd;
    p->ref = client_ref(c);
    p->done = done;
    p->arg = arg;
    p->next = c->puts;
    c->puts = p;
    client_soon(c);
    return 0;
}

/* ---- fetching a part ---- */

struct get {
    struct request request;
    uint64_t position, offset;
    uint8_t sha256[HASH_SIZE];
    EVP_MD_CTX *hashing;
    char *file, *partial;
    int fd;
    void (*done)(void *arg, int err, const char *text);
    void *arg;
};

/* The directory of the file's new name is synced too. */
static int get_rename(struct get *g)
{
    char *slash = strrchr(g->file, '/');
    char *dir =
        slash ? mem_strn(g->file, slash == g->file ? 1 : (size_t)(slash - g->file)) : mem_str(".");
    int rc = fsync(g->fd) == 0 && rename(g->partial, g->file) == 0 ? 0 : ERR_IO;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    mem_free(dir);
    return rc;
}

static void get_end(struct chancery *c, struct get *g, int err, const char *text)
{
    uint8_t sha256[HASH_SIZE];

    hashing_end(&g->hashing, sha256);
    if (err == 0 && memcmp(sha256, g->sha256, HASH_SIZE) != 0)
        err = ERR_PART;
    if (err == 0)
        err = get_rename(g);
    if (err)
        unlink(g->partial);
    close(g->fd);
    if (!c->closing)
        g->done(g->arg, err, text ? text : err ? err_text(err) : "");
    mem_free(g->file);
    mem_free(g->partial);
    request_free(&g->request);
}

static void get_ask(struct chancery *c, struct get *g)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetPart body = CORE__GET_PART__INIT;

    body.position = g->position;
    body.sha256 = (ProtobufCBinaryData){HASH_SIZE, g->sha256};
    body.offset = g->offset;
    body.length = CHUNK_MOST;
    frame.body_case = CORE__FRAME__BODY_GET_PART;
    frame.get_part = &body;
    request_start(c, &g->request, &frame);
}

static int get_take(struct get *g, const Core__PartChunk *chunk)
{
    size_t n = chunk->chunk.len;

    if (chunk->offset != g->offset || chunk->size > PART_MOST || n > chunk->size - g->offset ||
        (n == 0 && g->offset < chunk->size))
        return ERR_PART;
    if (n && pwrite(g->fd, chunk->chunk.data, n, (off_t)g->offset) != (ssize_t)n)
        return ERR_IO;
    EVP_DigestUpdate(g->hashing, chunk->chunk.data, n);
    g->offset += n;
    return 0;
}

static void on_chunk(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                     const Core__Refused *refused)
{
    struct get *g = (struct get *)q;

    if (answer && answer->body_case != CORE__FRAME__BODY_PART_CHUNK)
        err = ERR_MALFORMED;
    if (err == 0 && answer)
        err = get_take(g, answer->part_chunk);
    if (err == 0 && answer && g->offset < answer->part_chunk->size)
        get_ask(c, g);
    else
        get_end(c, g, err, refused ? refused->text : NULL);
}

int chancery_get_part(struct chancery *c, uint64_t position, const uint8_t sha256[32],
                      const char *file, void (*done)(void *arg, int err, const char *text),
                      void *arg)
{
    if (c->closing)
        return ERR_CANCELLED;
    char *partial = mem_printf("%s.XXXXXX", file);
    int fd = mkostemp(partial, O_CLOEXEC);
    if (fd < 0) {
        mem_free(partial);
        return ERR_IO;
    }
    struct get *g = mem_new(sizeof *g);
    g->request.done = on_chunk;
    g->position = position;
    memcpy(g->sha256, sha256, HASH_SIZE);
    g->hashing = hashing_new();
    g->file = mem_str(file);
    g->partial = partial;
    g->fd = fd;
    g->done = done;
    g->arg = arg;
    get_ask(c, g);
    return 0;
}

/* ---- looking whether it is there ---- */

struct look_part {
    struct request request;
    void (*done)(void *arg, int err, const char *text);
    void *arg;
};

static void on_looked(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                      const Core__Refused *refused)
{
    struct look_part *l = (struct look_part *)q;

    if (answer && answer->body_case != CORE__FRAME__BODY_PART_CHUNK)
        err = ERR_MALFORMED;
    if (!c->closing)
        l->done(l->arg, err, refused ? refused->text : err ? err_text(err) : "");
    request_free(q);
}

int chancery_look_part(struct chancery *c, uint64_t position, const uint8_t sha256[32],
                       void (*done)(void *arg, int err, const char *text), void *arg)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetPart body = CORE__GET_PART__INIT;

    if (c->closing)
        return ERR_CANCELLED;
    struct look_part *l = mem_new(sizeof *l);
    l->request.done = on_looked;
    l->done = done;
    l->arg = arg;
    body.position = position;
    body.sha256 = (ProtobufCBinaryData){HASH_SIZE, (uint8_t *)(uintptr_t)sha256};
    body.length = 1;
    frame.body_case = CORE__FRAME__BODY_GET_PART;
    frame.get_part = &body;
    request_start(c, &l->request, &frame);
    return 0;
}
