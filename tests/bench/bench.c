/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [-m mode] [-d dir] [-q queue] [-x words] [-s size] [-p producers] "
            "[-w window] [-b batch] [-n count] [-r rate] [-t seconds] [-L label] [-D promise]\n",
            program);
    exit(2);
}

void bench_options(struct bench_options *o, int argc, char **argv, const char *system)
{
    *o = (struct bench_options){.system = system,
                                .promise = "-",
                                .mode = "",
                                .dir = "/var/tmp",
                                .queue = "bench",
                                .extra = "",
                                .size = 1024,
                                .producers = 1,
                                .window = 1024,
                                .batch = 64,
                                .rate = 200,
                                .seconds = 0.5};
    for (int c; (c = getopt(argc, argv, "m:d:q:x:s:p:w:b:n:r:t:L:D:")) != -1;) {
        const char **words[128] = {
            ['m'] = &o->mode,  ['d'] = &o->dir,    ['q'] = &o->queue,
            ['x'] = &o->extra, ['L'] = &o->system, ['D'] = &o->promise,
        };
        size_t *sizes[128] = {
            ['s'] = &o->size, ['p'] = &o->producers, ['w'] = &o->window, ['b'] = &o->batch};
        uint64_t *numbers[128] = {['n'] = &o->count, ['r'] = &o->rate};
        if (c == '?')
            usage(argv[0]);
        else if (words[c])
            *words[c] = optarg;
        else if (sizes[c])
            *sizes[c] = strtoul(optarg, NULL, 10);
        else if (numbers[c])
            *numbers[c] = strtoull(optarg, NULL, 10);
        else
            o->seconds = strtod(optarg, NULL);
    }
    if (optind != argc || !o->size || !o->producers || !o->window || !o->batch || !o->rate)
        usage(argv[0]);
}

bool bench_extra(const struct bench_options *o, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = o->extra; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == size && memcmp(at, word, size) == 0)
            return true;
    return false;
}

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double bench_now(void)
{
    return (double)bench_now_ns() / 1e9;
}

void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* ---- latencies ---- */

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 4096;
        s->ns = mem_grow(s->ns, s->capacity * sizeof *s->ns);
    }
    s->ns[s->n++] = ns;
}

void samples_free(struct samples *s)
{
    mem_free(s->ns);
    *s = (struct samples){0};
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double quantile_us(const struct samples *s, double q)
{
    return s && s->n ? (double)s->ns[(size_t)(q * (double)(s->n - 1))] / 1000 : 0;
}

void bench_report(const struct bench_options *o, const char *name, uint64_t n, double seconds,
                  struct samples *latencies)
{
    double rate = seconds > 0 ? (double)n / seconds : 0;

    if (latencies && latencies->n)
        qsort(latencies->ns, latencies->n, sizeof *latencies->ns, ascending);
    printf("%s\t%s\t%s\t%zu\t%zu\t%zu\t%llu\t%.6f\t%.0f\t%.2f\t%.0f\t%.0f\n", o->system, name,
           o->promise, o->size, o->producers, o->window, (unsigned long long)n, seconds, rate,
           rate * (double)o->size / 1e6, quantile_us(latencies, 0.5), quantile_us(latencies, 0.99));
    fflush(stdout);
}

char *bench_dir(const struct bench_options *o)
{
    char *dir = mem_printf("%s/chancery-bench.XXXXXX", o->dir);

    if (!mkdtemp(dir))
        bench_fail(o->dir, "cannot be written to");
    return dir;
}

void bench_dir_remove(char *dir)
{
    char *command = mem_printf("rm -rf '%s'", dir);

    if (system(command) != 0)
        bench_fail(dir, "cannot be removed");
    mem_free(command);
    mem_free(dir);
}

uint8_t *bench_payload(size_t size)
{
    uint8_t *bytes = mem_new(size + sizeof(uint64_t));
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < size; i += sizeof x) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
        memcpy(bytes + i, &x, sizeof x);
    }
    return bytes;
}

/* ---- producers ---- */

struct task {
    struct producer producer; /* first: the way back from it */
    pthread_t thread;
    pthread_barrier_t *ready;
    void (*run)(struct producer *p);
};

static void *task_run(void *arg)
{
    struct task *t = arg;

    t->run(&t->producer);
    return NULL;
}

void bench_ready(struct producer *p)
{
    pthread_barrier_wait(((struct task *)p)->ready);
    p->begun = bench_now();
}

void bench_producers(const struct bench_options *o, const char *name,
                     void (*run)(struct producer *p))
{
    struct task *tasks = mem_new(o->producers * sizeof *tasks);
    struct producer all = {.begun = 1e300};
    pthread_barrier_t ready;

    pthread_barrier_init(&ready, NULL, (unsigned)o->producers);
    for (size_t i = 0; i < o->producers; i++) {
        tasks[i] =
            (struct task){.producer = {.options = o, .index = i}, .ready = &ready, .run = run};
        if (pthread_create(&tasks[i].thread, NULL, task_run, &tasks[i]) != 0)
            bench_fail("thread", "cannot be made");
    }
    for (size_t i = 0; i < o->producers; i++) {
        struct producer *p = &tasks[i].producer;
        pthread_join(tasks[i].thread, NULL);
        all.done += p->done;
        all.begun = p->begun < all.begun ? p->begun : all.begun;
        all.ended = p->ended > all.ended ? p->ended : all.ended;
        for (size_t k = 0; k < p->latencies.n; k++)
            samples_add(&all.latencies, p->latencies.ns[k]);
        samples_free(&p->latencies);
    }
    bench_report(o, name, all.done, all.ended - all.begun, &all.latencies);
    samples_free(&all.latencies);
    pthread_barrier_destroy(&ready);
    mem_free(tasks);
}

void bench_each(const struct bench_options *o, const char *name, void (*step)(void *arg), void *arg,
                size_t units)
{
    double start = bench_now(), end = start;
    uint64_t n = 0;

    for (; end - start < o->seconds; end = bench_now())
        for (int i = 0; i < 8; i++, n++)
            step(arg);
    bench_report(o, name, n * units, end - start, NULL);
}
