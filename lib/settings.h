/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - an instance's directory, and the settings that every process of it reads
 *
 * An instance is a directory: chancery.conf, log/, parts/, log.vkey, keys/<seat>.key, keep/<seat>/
 * (what a seat published: see keep.h), signer/ (what the log's key
 * signed last), run/ (socket, small files of the processes).  One
 * configuration file serves all processes: each reads the sections that it knows and skips those of
 * the others; a section that nobody knows is an error. Paths in it are relative to the directory
 * that it lies in.
 */
#pragma once

#include "lib/conf.h"

struct settings_process { /* [process NAME]: a program that is not one of Chancery's own */
    char *name, *program; /* absolute path */
    char *seat;           /* NULL = it has none */
};

enum { PROCESSES_MOST = 16 };

struct settings {     /* settings_clear frees it */
    char *dir;        /* absolute path of the instance */
    char *log;        /* [log] name */
    char *endpoint;   /* [connection] endpoint, ready for ZeroMQ: relative ipc paths made absolute;
                         one that is too long for a socket (107 bytes) goes by /proc/self/fd */
    char *server_key; /* [connection] server-key, 64 hexadecimal digits */
    char *seat;       /* [<section>] seat */
    char *key_file;   /* dir/keys/<seat>.key */
    char *run_dir;  /* small files of this process: $CHANCERY_RUN, or dir/run, made when missing */
    char *keep;     /* $CHANCERY_RUN/keep, or dir/keep; made when missing and there is a seat */
    char *keep_dir; /* keep/<seat>: what the seat's client keeps */
    char *token_state; /* [token] state, absolute; NULL = none */
    int socket_dir;    /* descriptor that the endpoint goes by; 0 = none */
    struct settings_process processes[PROCESSES_MOST];
    size_t n_processes;
};

/* Sections that exist: log, connection, token, broker, up, terminal, embargo, sanctions, clock,
 * alert, rule *, metrics; and process *, which settings_read takes for everybody. */
extern const char *const settings_sections[]; /* NULL-ended */

/* Reads [log], [connection], [token], [process *] and `section`'s `seat`, and, with `keys`, the
 * caller's own settings (any sections) into `target`; `section` NULL: of a program without a seat;
 * one that does not exist: of a program that has its seat in [process <section>]. `file`: the
 * configuration file, or the instance's directory. 0 or a negative err with "file:line: text" in
 * `why`. */
int settings_read(struct settings *s, const char *file, const char *section,
                  const struct conf_key keys[], void *target, conf_family *family, struct buf *why);
/* Another seat of the same instance. */
void settings_set_seat(struct settings *s, const char *seat);
void settings_clear(struct settings *s);
/* ipc://PATH or tcp://HOST:PORT. */
bool settings_endpoint_valid(const char *s);
/* What [process NAME] says, or NULL. */
const struct settings_process *settings_process_find(const struct settings *s, const char *name);

/* The command line of a process of an instance: the file or directory behind --config.  NULL when
 * there is nothing to run, with the exit status: --version, --settings (its part of
 * chancery.conf(5)), --config ... --check (prints what the file says to this program), or an error
 * of usage. */
const char *settings_file(int argc, char **argv, const char *section, const struct conf_key keys[],
                          int *status);

/* The part of chancery.conf(5) of a program that reads its settings so: with `section` its seat and
 * the keys, with NULL the sections of all processes and the keys. */
void settings_man(const char *section, const struct conf_key keys[], FILE *out);

/* Exit status of a process whose settings or keys do not serve: to start it again mends nothing. */
enum { EXIT_SETTINGS = 78 }; /* EX_CONFIG of sysexits.h */
