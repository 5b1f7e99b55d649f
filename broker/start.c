/* SPDX-License-Identifier: Apache-2.0 */
/* start.c - what must hold before the broker serves: settings, keys, log, founding record,
 * checkpoint */
#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/inside.h"
#include "broker/registry_log.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/sandbox.h"

const struct conf_key broker_keys[] = {
    {"broker", "listen", CONF_STRING, offsetof(struct broker_settings, listen), NULL, 0, 0,
     "Where the broker listens when that is not [connection] endpoint: ipc://PATH or "
     "tcp://ADDRESS:PORT"},
    {"broker", "disk-reserve", CONF_SIZE, offsetof(struct broker_settings, disk_reserve), "64M", 0,
     INT64_MAX, "Free space on the log's file system below which publishing is refused"},
    {"broker", "quota-events", CONF_NUMBER, offsetof(struct broker_settings, quota_events),
     "200000", 64, 10000000, "Events that one seat may publish in a second"},
    {"broker", "quota-bytes", CONF_SIZE, offsetof(struct broker_settings, quota_bytes), "512M",
     1048576, INT64_C(1) << 40, "Bytes that one seat may publish in a second"},
    {"broker", "scrub-rate", CONF_SIZE, offsetof(struct broker_settings, scrub_rate), "1M", 0,
     INT64_C(1) << 40,
     "Bytes a second at which the whole log is read over in the background, so that damage is found "
     "before it is needed; 0: not at all"},
    {0},
};

static int fold_registry(struct broker *b, struct buf *why)
{
    uint64_t at;

    b->registry = registry_new();
    int rc = registry_log_fold(b->registry, b->journal, &at);
    if (rc)
        buf_printf(why, "the registry cannot be read at position %llu; run `chancery log verify`",
                   (unsigned long long)at);
    return rc;
}

static int load_transcripts(struct broker *b, struct buf *why)
{
    uint64_t at;

    b->transcripts = transcripts_new();
    int rc = transcripts_load(b->transcripts, b->registry, b->journal, &at);
    if (rc)
        buf_printf(why, "position %llu cannot be read; run `chancery log verify`",
                   (unsigned long long)at);
    return rc;
}

static int mismatch(struct buf *why, const char *text)
{
    buf_printf(why, "%s %s", "this is not the broker of this log:", text);
    return ERR_CONFIG;
}

static int check_founding(struct broker *b, struct buf *why)
{
    const Core__LogFounded *f = registry_founded(b->registry);

    if (!f)
        return mismatch(why, "the log has no founding record; run `chancery init`");
    b->log = registry_log(b->registry);
    if (b->settings.log && b->settings.log[0] && strcmp(b->settings.log, b->log) != 0)
        return mismatch(why, "[log] name is not the log's");
    if (strcmp(b->seat, f->broker) != 0)
        return mismatch(why, "[broker] seat is not the founding record's");
    if (!slice_equal(slice_of(f->server_key.data, f->server_key.len),
                     slice_of(b->key.curve_public, KEY_SIZE)))
        return mismatch(why, "its key file does not hold the founding record's server key");
    if (!registry_seat(b->registry, b->seat))
        return mismatch(why, "its seat is not registered");
    b->exercise = f->exercise;
    return 0;
}

/* It signs each acknowledgement, on the loop. */
static int read_seat(struct broker *b, struct buf *why)
{
    int rc = seat_key_read(&b->key, b->settings.key_file, why);

    if (rc || !b->key.token_uri[0])
        return rc;
    buf_printf(why, "%s: the broker's own key does not lie on a token; put its file back",
               b->settings.key_file);
    return ERR_CONFIG;
}

/* ADDRESS:PORT in numbers, or '*' for all addresses: what is a name would be looked up, which the
 * broker may not do once it has given up what it does not need. */
static bool is_tcp_address(const char *s)
{
    const char *colon = strrchr(s, ':');
    size_t n = colon ? (size_t)(colon - s) : 0;
    bool bracketed = n > 2 && s[0] == '[' && s[n - 1] == ']';
    char address[INET6_ADDRSTRLEN];
    struct in6_addr out;

    if (n == 0 || n >= sizeof address)
        return false;
    snprintf(address, sizeof address, "%.*s", (int)(n - 2 * bracketed), s + bracketed);
    long port = strtol(colon + 1, NULL, 10);
    return strspn(colon + 1, "0123456789") == strlen(colon + 1) && port >= 1 &&
           port <= UINT16_MAX &&
           (strcmp(address, "*") == 0 || inet_pton(bracketed ? AF_INET6 : AF_INET, address, &out));
}

static int check_listen(const char *listen, const char *config, struct buf *why)
{
    if (strncmp(listen, "ipc:///", 7) == 0 ||
        (strncmp(listen, "tcp://", 6) == 0 && is_tcp_address(listen + 6)))
        return 0;
    buf_printf(why,
               "%s: [broker] listen, or else [connection] endpoint: '%.100s' is not ipc://PATH or "
               "tcp://ADDRESS:PORT in numbers",
               config, listen);
    return ERR_CONFIG;
}

/* Where it listens: its own setting, or what the others connect to. */
static void resolve_listen(struct broker *b)
{
    const char *given = b->own.listen && b->own.listen[0] ? b->own.listen : b->settings.endpoint;
    bool beside = strncmp(given, "ipc://", 6) == 0 && given[6] != '/';
    char *whole = beside ? mem_printf("ipc://%s/%s", b->settings.dir, given + 6) : mem_str(given);

    mem_free(b->own.listen);
    b->own.listen = whole;
}

static int read_settings(struct broker *b, const char *config, struct buf *why)
{
    int rc = settings_read(&b->settings, config, "broker", broker_keys, &b->own, NULL, why);

    if (rc == 0) {
        snprintf(b->seat, sizeof b->seat, "%s", b->settings.seat);
        resolve_listen(b);
        rc = check_listen(b->own.listen, config, why);
    }
    return rc;
}

void broker_settings_clear(struct broker_settings *own)
{
    conf_clear(broker_keys, "broker", own);
}

/* Nothing of the log is read before, and no thread runs yet. */
static int give_up(const struct broker *b, struct buf *why)
{
    return sandbox_enter(&(struct sandbox){.profile = SANDBOX_BROKER,
                                           .settings = &b->settings,
                                           .listen = b->own.listen},
                         why);
}

int broker_read(struct broker *b, const char *config, struct buf *why)
{
    int rc = read_settings(b, config, why);

    if (rc == 0)
        rc = read_seat(b, why);
    if (rc == 0)
        rc = give_up(b, why);
    if (rc == 0)
        rc = journal_open(&b->journal, b->settings.dir, false, why);
    if (rc == 0)
        rc = fold_registry(b, why);
    if (rc == 0)
        rc = check_founding(b, why);
    if (rc == 0)
        rc = load_transcripts(b, why);
    if (rc == 0) {
        b->signer = signer_new(&(struct signer_of){.loop = b->loop,
                                                   .journal = b->journal,
                                                   .log = b->log,
                                                   .dir = b->settings.dir,
                                                   .key = registry_log_key(b->registry),
                                                   .lost = broker_lost,
                                                   .arg = b});
        rc = signer_read(b->signer, why);
    }
    return rc;
}
