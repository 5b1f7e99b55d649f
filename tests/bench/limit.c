/* SPDX-License-Identifier: Apache-2.0 */
/* limit.c - what the machine allows: the log's database and the transport, each alone
 *
 *   -m lmdb    one put a record, -b of them a commit, LMDB's default durability
 *   -m zmq     DEALERs with -w messages under way, a ROUTER that acknowledges each (-x curve)
 *   -m proxy   DEALERs that ask, zmq_proxy, and a DEALER that answers with what it got
 */
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/mem.h"
#include "tests/bench/bench.h"

/* ---- the database ---- */

static void need(int rc, const char *what)
{
    if (rc)
        bench_fail(what, mdb_strerror(rc));
}

static void commit_once(MDB_env *env, MDB_dbi dbi, const struct bench_options *o, uint8_t *payload,
                        uint64_t *position)
{
    MDB_txn *txn;

    need(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    for (size_t i = 0; i < o->batch; i++) {
        MDB_val key = {sizeof *position, position}, value = {o->size, payload};
        ++*position;
        need(mdb_put(txn, dbi, &key, &value, MDB_APPEND), "put");
    }
    need(mdb_txn_commit(txn), "commit");
}

static void lmdb(struct bench_options *o)
{
    struct samples commits = {0};
    char *dir = bench_dir(o);
    uint8_t *payload = bench_payload(o->size);
    uint64_t n = 0;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    need(mdb_env_create(&env), "environment");
    need(mdb_env_set_mapsize(env, (size_t)1 << 36), "map");
    need(mdb_env_open(env, dir, 0, 0600), dir);
    need(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    need(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi), "open");
    need(mdb_txn_commit(txn), "commit");
    double start = bench_now(), end = start;
    while (end - start < o->seconds) {
        uint64_t at = bench_now_ns();
        commit_once(env, dbi, o, payload, &n);
        samples_add(&commits, bench_now_ns() - at);
        end = bench_now();
    }
    o->window = o->batch;
    bench_report(o, "LMDB, one put a record", n, end - start, &commits);
    samples_free(&commits);
    mdb_env_close(env);
    bench_dir_remove(dir);
    mem_free(payload);
}

/* ---- the transport ---- */

enum { Z85 = 41 };

struct wire {
    void *context; /* of the server's side; each client has its own */
    char front[128], back[128];
    char server_public[Z85], server_secret[Z85], client_public[Z85], client_secret[Z85];
    bool curve;
    atomic_bool stopping;
};

static void *socket_new(const struct wire *w, void *context, int type, bool server)
{
    int many = 100000, none = 0, one = 1, patience = 100;
    void *s = zmq_socket(context, type);

    zmq_setsockopt(s, ZMQ_SNDHWM, &many, sizeof many);
    zmq_setsockopt(s, ZMQ_RCVHWM, &many, sizeof many);
    zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none);
    if (server)
        zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    if (w->curve && server) {
        zmq_setsockopt(s, ZMQ_CURVE_SERVER, &one, sizeof one);
        zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, w->server_secret, Z85 - 1);
    } else if (w->curve) {
        zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, w->server_public, Z85 - 1);
        zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, w->client_public, Z85 - 1);
        zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, w->client_secret, Z85 - 1);
    }
    return s;
}

static void *bound(const struct wire *w, int type, const char *endpoint)
{
    void *s = socket_new(w, w->context, type, true);

    if (zmq_bind(s, endpoint) != 0)
        bench_fail(endpoint, zmq_strerror(zmq_errno()));
    return s;
}

/* Answers each message with 8 bytes. */
static void *acknowledge(void *arg)
{
    struct wire *w = arg;
    void *router = bound(w, ZMQ_ROUTER, w->front);
    uint64_t n = 0;
    zmq_msg_t id, body;

    while (!w->stopping) {
        zmq_msg_init(&id);
        if (zmq_msg_recv(&id, router, 0) < 0) {
            zmq_msg_close(&id);
            continue;
        }
        zmq_msg_init(&body);
        zmq_msg_recv(&body, router, 0);
        zmq_msg_close(&body);
        n++;
        if (zmq_msg_send(&id, router, ZMQ_SNDMORE) < 0)
            zmq_msg_close(&id);
        else
            zmq_send(router, &n, sizeof n, 0);
    }
    zmq_close(router);
    return NULL;
}

/* Gives back what it got, to whom it came from. */
static void *answer(void *arg)
{
    struct wire *w = arg;
    void *context = zmq_ctx_new(), *s = socket_new(w, context, ZMQ_DEALER, false);
    int patience = 100;
    zmq_msg_t part;

    zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_connect(s, w->back);
    while (!w->stopping) {
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, s, 0) < 0 ||
            zmq_msg_send(&part, s, zmq_msg_more(&part) ? ZMQ_SNDMORE : 0) < 0)
            zmq_msg_close(&part);
    }
    zmq_close(s);
    zmq_ctx_term(context);
    return NULL;
}

static void *relay(void *arg)
{
    const struct wire *w = arg;
    void *front = bound(w, ZMQ_ROUTER, w->front), *back = bound(w, ZMQ_DEALER, w->back);

    zmq_proxy(front, back, NULL); /* until the context ends */
    zmq_close(front);
    zmq_close(back);
    return NULL;
}

static void await(void *s, void *into, size_t size)
{
    if (zmq_recv(s, into, size, 0) < 0)
        bench_fail("answer", zmq_strerror(zmq_errno()));
}

/* Keeps its window full until the time is over, and takes all answers. */
static void send_and_await(struct producer *p)
{
    const struct bench_options *o = p->options;
    const struct wire *w = o->arg;
    void *context = zmq_ctx_new(), *s = socket_new(w, context, ZMQ_DEALER, false);
    uint8_t *payload = bench_payload(o->size), *into = mem_new(o->size + 8);
    uint64_t *sent_at = mem_new(o->window * sizeof *sent_at), sent = 0;
    int patience = 10000;

    zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_connect(s, w->front);
    zmq_send(s, payload, o->size, 0); /* connects, outside of the clock */
    await(s, into, o->size + 8);
    bench_ready(p);
    for (bool going = true; going || p->done < sent;) {
        for (; going && sent - p->done < o->window; sent++) {
            sent_at[sent % o->window] = bench_now_ns();
            zmq_send(s, payload, o->size, 0);
        }
        await(s, into, o->size + 8);
        p->ended = bench_now();
        samples_add(&p->latencies, bench_now_ns() - sent_at[p->done++ % o->window]);
        going = p->ended - p->begun < o->seconds;
    }
    zmq_close(s);
    zmq_ctx_term(context);
    mem_free(payload);
    mem_free(into);
    mem_free(sent_at);
}

static void wire_open(struct wire *w, struct bench_options *o)
{
    *w = (struct wire){.context = zmq_ctx_new(), .curve = bench_extra(o, "curve")};
    zmq_curve_keypair(w->server_public, w->server_secret);
    zmq_curve_keypair(w->client_public, w->client_secret);
    snprintf(w->front, sizeof w->front, "ipc:///tmp/chancery-bench.%d.front", (int)getpid());
    snprintf(w->back, sizeof w->back, "ipc:///tmp/chancery-bench.%d.back", (int)getpid());
    o->arg = w;
}

static void zmq(struct bench_options *o)
{
    struct wire w;
    pthread_t thread;

    wire_open(&w, o);
    pthread_create(&thread, NULL, acknowledge, &w);
    bench_producers(o, w.curve ? "libzmq with CURVE, acknowledged" : "libzmq, acknowledged",
                    send_and_await);
    w.stopping = true;
    pthread_join(thread, NULL);
    zmq_ctx_term(w.context);
}

static void proxy(struct bench_options *o)
{
    struct wire w;
    pthread_t between, behind;

    wire_open(&w, o);
    pthread_create(&between, NULL, relay, &w);
    pthread_create(&behind, NULL, answer, &w);
    bench_producers(o, w.curve ? "zmq_proxy with CURVE, answered" : "zmq_proxy, answered",
                    send_and_await);
    w.stopping = true;
    zmq_ctx_shutdown(w.context);
    pthread_join(between, NULL);
    pthread_join(behind, NULL);
    zmq_ctx_term(w.context);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *mode;
        void (*run)(struct bench_options *o);
    } modes[] = {{"lmdb", lmdb}, {"zmq", zmq}, {"proxy", proxy}};
    struct bench_options o;

    bench_options(&o, argc, argv, "limit");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(o.mode, modes[i].mode) == 0) {
            modes[i].run(&o);
            return 0;
        }
    bench_fail("-m", "lmdb, zmq or proxy");
}
