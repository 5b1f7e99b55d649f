/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - options, time, latencies and output that the benches share
 *
 * A run is bounded by -t seconds or -n, counts what was acknowledged, and prints one line of fields
 * with tabs between them:
 *   system case promise size producers window n seconds n/s MB/s p50_us p99_us
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_options {
    const char *system, *promise; /* -L, -D: what the line says of them */
    const char *mode;             /* -m */
    const char *dir;              /* -d: an instance, or where files may lie */
    const char *queue;            /* -q: the stream, or what its name begins with */
    const char *extra;            /* -x: words with commas between them */
    size_t size;                  /* -s: bytes of a payload */
    size_t producers, window;     /* -p, and under way for each of them: -w */
    size_t batch;                 /* -b */
    uint64_t count;               /* -n; 0 = bounded by time */
    uint64_t rate;                /* -r: a second */
    double seconds;               /* -t */
    void *arg;                    /* the bench's own, for its producers */
};

/* Prints the usage and ends the program where it does not understand. */
void bench_options(struct bench_options *o, int argc, char **argv, const char *system);
bool bench_extra(const struct bench_options *o, const char *word);

double bench_now(void); /* seconds, monotonic */
uint64_t bench_now_ns(void);
/* Prints why and ends the program. */
void bench_fail(const char *what, const char *why) __attribute__((noreturn));

struct samples { /* latencies, in nanoseconds */
    uint64_t *ns;
    size_t n, capacity;
};
void samples_add(struct samples *s, uint64_t ns);
void samples_free(struct samples *s);

/* `latencies` may be NULL; it comes back sorted. */
void bench_report(const struct bench_options *o, const char *name, uint64_t n, double seconds,
                  struct samples *latencies);

/* A new directory below -d; removing takes all that lies in it, and frees the name. */
char *bench_dir(const struct bench_options *o);
void bench_dir_remove(char *dir);

/* Bytes that do not compress. */
uint8_t *bench_payload(size_t size);

struct producer { /* what one thread did */
    const struct bench_options *options;
    size_t index;
    uint64_t done;
    double begun, ended;
    struct samples latencies;
};
/* A thread for each of -p producers; bench_ready waits until all of them are ready, and sets
 * `begun`. Prints the line of them all. */
void bench_producers(const struct bench_options *o, const char *name,
                     void (*run)(struct producer *p));
void bench_ready(struct producer *p);

/* Runs `step` for -t seconds and prints what one of its `units` costs. */
void bench_each(const struct bench_options *o, const char *name, void (*step)(void *arg), void *arg,
                size_t units);
