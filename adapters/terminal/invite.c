/* SPDX-License-Identifier: Apache-2.0 */
/* invite.c - `seat invite`: what somebody needs to make a seat's keys and find this broker
 *
 * The code in an invitation is chosen at random: the card that answers it repeats it, so two
 * invitations of one seat can be told apart.  That it was written is kept (invited.h).
 */
#include <assert.h>
#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#include "adapters/terminal/card.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/contacts.h"
#include "adapters/terminal/given.h"
#include "adapters/terminal/invited.h"
#include "adapters/terminal/programs.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/settings.h"

enum { CONTACTS_MOST = 1 << 20 };

struct host { /* what all invitations to an instance state */
    struct settings settings;
    char *endpoint;
    struct buf log_key;
};

/* ---- the instance ---- */

static const struct conf_key endpoint_key[] = {
    {"connection", "endpoint", CONF_STRING, 0, "!", 0, 0, ""}, {0}};

/* A path that is relative to this directory means nothing in another one. */
static void locate(struct host *h)
{
    static const char ipc[] = "ipc://";
    const size_t n = sizeof ipc - 1;

    if (strncmp(h->endpoint, ipc, n) != 0 || h->endpoint[n] == '/')
        return;
    char *whole = mem_printf("%s%s/%s", ipc, h->settings.dir, h->endpoint + n);
    mem_free(h->endpoint);
    h->endpoint = whole;
}

static int read_log_key(struct host *h)
{
    char *file = mem_printf("%s/log.vkey", h->settings.dir);
    int rc = given_read(file, NOTE_SIZE, &h->log_key);

    if (rc == DONE)
        h->log_key.size = strcspn(buf_cstr(&h->log_key), "\n");
    mem_free(file);
    return rc;
}

static int host_open(struct host *h, const struct call *c)
{
    struct buf why = {0};
    int rc = settings_read(&h->settings, programs_instance(c), NULL, endpoint_key, &h->endpoint,
                           NULL, &why);

    if (rc < 0)
        complain("%s; name an instance with --dir or $CHANCERY_DIR", buf_cstr(&why));
    buf_free(&why);
    if (rc < 0)
        return FAILED;
    if (c->option[OPT_ENDPOINT]) {
        mem_free(h->endpoint);
        h->endpoint = mem_str(c->option[OPT_ENDPOINT]);
    }
    locate(h);
    return read_log_key(h);
}

static void host_close(struct host *h)
{
    settings_clear(&h->settings);
    mem_free(h->endpoint);
    buf_free(&h->log_key);
}

/* ---- the invitation ---- */

static struct invitation invitation_of(struct host *h, const struct contact *to)
{
    uint8_t code[CODE_SIZE];
    char hex[2 * CODE_SIZE + 1];

    ssize_t n = getrandom(code, sizeof code, 0);
    assert(n == sizeof code); /* so few come at once, says getrandom(2) */
    hex_encode(hex, code, sizeof code);
    return (struct invitation){.log = mem_str(h->settings.log),
                               .log_key = mem_str(buf_cstr(&h->log_key)),
                               .endpoint = mem_str(h->endpoint),
                               .server_key = mem_str(h->settings.server_key),
                               .seat = mem_str(to->seat),
                               .office = mem_str(to->office),
                               .name = mem_str(to->name),
                               .code = mem_str(hex)};
}

/* An invitation that is not kept was not written. */
static int issue(const struct host *h, const struct invitation *in, const char *file,
                 struct slice text, struct buf *why)
{
    int rc = file_create(file, text, 0644);

    if (rc) {
        buf_printf(why, "%s: %s", file, rc == ERR_EXISTS ? err_text(rc) : strerror(errno));
        return rc;
    }
    rc = invited_keep(h->settings.dir, in, why);
    if (rc)
        unlink(file);
    return rc;
}

/* `file` NULL: only whether it could be written. */
static int invite(struct host *h, const struct contact *to, const char *file, struct buf *why)
{
    struct invitation in = invitation_of(h, to);
    struct buf text = {0};
    int rc = invitation_write(&in, &text, why);

    if (rc == 0 && file)
        rc = issue(h, &in, file, slice_buf(&text), why);
    buf_free(&text);
    invitation_clear(&in);
    return rc;
}

static void say_next(const struct host *h)
{
    if (strncmp(h->endpoint, "ipc://", 6) == 0)
        printf("it reaches the broker from this machine alone; for others: --endpoint "
               "tcp://HOST:PORT\n");
    printf("next: send it; who gets it runs `chancery join FILE DIR`\n");
}

static int invite_one(const struct call *c, struct host *h)
{
    const struct contact to = {c->argument[0], c->argument[1],
                               c->option[OPT_NAME] ? c->option[OPT_NAME] : ""};
    struct buf why = {0};
    int rc = invite(h, &to, c->argument[2], &why);

    if (rc == 0) {
        printf("invited %s to %s: %s\n", to.seat, to.office, c->argument[2]);
        say_next(h);
    } else {
        complain("%s", buf_cstr(&why));
    }
    buf_free(&why);
    return rc ? FAILED : DONE;
}

/* ---- many of them ---- */

struct inviting {
    struct host *host;
    const char *dir; /* NULL: the table is only checked */
    size_t n;
};

static int invite_contact(void *arg, const struct contact *contact, struct buf *why)
{
    struct inviting *i = arg;
    char *file = i->dir ? mem_printf("%s/%s.invitation", i->dir, contact->seat) : NULL;
    int rc = invite(i->host, contact, file, why);

    mem_free(file);
    i->n++;
    return rc;
}

static int invite_table(struct inviting *i, const char *file, struct slice text)
{
    struct buf why = {0};

    i->n = 0;
    int rc = contacts_read(file, text, invite_contact, i, &why);
    if (rc)
        complain("%s", buf_cstr(&why));
    buf_free(&why);
    return rc ? FAILED : DONE;
}

/* The table is read once before anything is written. */
static int invite_all(const struct call *c, struct host *h)
{
    const char *file = c->option[OPT_CONTACTS], *dir = c->option[OPT_INVITATIONS];
    struct inviting i = {.host = h};
    struct buf text = {0};
    int rc = given_read(file, CONTACTS_MOST, &text);

    if (rc == DONE)
        rc = invite_table(&i, file, slice_buf(&text));
    if (rc == DONE && file_make_dir(dir) != 0) {
        complain("%s: %s", dir, strerror(errno));
        rc = FAILED;
    }
    i.dir = dir;
    if (rc == DONE)
        rc = invite_table(&i, file, slice_buf(&text));
    if (rc == DONE) {
        printf("invited %zu seats: %s/SEAT.invitation\n", i.n, dir);
        say_next(h);
    }
    buf_free(&text);
    return rc;
}

/* ---- the verb ---- */

static int check_call(const struct call *c)
{
    bool many = c->option[OPT_CONTACTS] || c->option[OPT_INVITATIONS];

    if (many && (c->n_arguments || c->option[OPT_NAME]))
        return call_usage(c, "--from FILE and --out DIR take seats, offices and names from FILE");
    if (many && (!c->option[OPT_CONTACTS] || !c->option[OPT_INVITATIONS]))
        return call_usage(c, "--from FILE and --out DIR go together");
    if (!many && c->n_arguments < 3)
        return call_usage(c, "an argument is missing: SEAT OFFICE FILE");
    if (!many && !identifier_valid(c->argument[0]))
        return call_usage(c, "%s: not an identifier, [A-Za-z0-9._-]{1,64}", c->argument[0]);
    if (!many && !office_valid(c->argument[1]))
        return call_usage(c, "%s: not PARTY/NAME, two identifiers", c->argument[1]);
    if (c->option[OPT_ENDPOINT] && !settings_endpoint_valid(c->option[OPT_ENDPOINT]))
        return call_usage(c, "--endpoint: not tcp://HOST:PORT or ipc://PATH: %s",
                          c->option[OPT_ENDPOINT]);
    return DONE;
}

int seat_invite_run(const struct call *c)
{
    struct host h = {0};
    int rc = check_call(c);

    if (rc == DONE)
        rc = host_open(&h, c);
    if (rc == DONE)
        rc = c->option[OPT_CONTACTS] ? invite_all(c, &h) : invite_one(c, &h);
    host_close(&h);
    return rc;
}
