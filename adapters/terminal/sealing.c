/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/terminal/text.h"
#include "adapters/terminal/transfer.h"
#include "adapters/terminal/vouch.h"
#include "lib/err.h"
#include "lib/seal.h"
#include "lib/sign.h"

struct circle { /* those who will be able to open it */
    struct session *s;
    struct vouch *vouch; /* whose keys are whose, not by the broker's word */
    uint8_t keys[SEAL_RECIPIENTS_MOST][SEAL_KEY_SIZE];
    size_t n;
    struct buf told;    /* a line a key */
    struct buf keyless; /* seats, with commas between */
};

/* ---- who ---- */

static bool is_of_party(const struct roll_seat *seat, const char *party)
{
    size_t n = strcspn(seat->office, "/");

    return strlen(party) == n && strncasecmp(seat->office, party, n) == 0;
}

static bool names_one(Core__RecipientKind kind, const char *name, const struct roll_seat *seat)
{
    if (seat->standing != CORE__STANDING__STANDING_SEATED || !seat->office)
        return false;
    if (kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT)
        return strcasecmp(name, seat->name) == 0;
    if (seat->kind != CORE__SEAT_KIND__SEAT_KIND_PERSON)
        return false;
    return kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE ? strcasecmp(name, seat->office) == 0
                                                               : is_of_party(seat, name);
}

static bool names(const struct circle *c, const struct chancery_recipient *r,
                  const struct roll_seat *seat)
{
    if (r->kind != CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP)
        return names_one((Core__RecipientKind)r->kind, r->name, seat);
    const Core__GroupSet *group = roll_group(vouch_roll(c->vouch), r->name);
    for (size_t i = 0; group && i < group->n_members; i++)
        if (names_one(group->members[i]->kind, group->members[i]->name, seat))
            return true;
    return false;
}

static bool has_key(const struct circle *c, const uint8_t key[SEAL_KEY_SIZE])
{
    for (size_t i = 0; i < c->n; i++)
        if (memcmp(c->keys[i], key, SEAL_KEY_SIZE) == 0)
            return true;
    return false;
}

static int add_key(struct circle *c, const char *seat, const char *office,
                   const uint8_t key[SEAL_KEY_SIZE])
{
    uint8_t id[KEY_ID_SIZE];
    char hex[2 * KEY_ID_SIZE + 1];

    if (has_key(c, key))
        return DONE;
    if (c->n == SEAL_RECIPIENTS_MOST)
        return session_fail(c->s, "sealed for at most %d keys; name fewer recipients (--to)",
                            SEAL_RECIPIENTS_MOST);
    memcpy(c->keys[c->n++], key, SEAL_KEY_SIZE);
    key_id(id, key);
    hex_encode(hex, id, KEY_ID_SIZE);
    buf_printf(&c->told, "sealed for %s %s, key %s  ", office, seat, hex);
    text_words(&c->told, slice_of(id, KEY_ID_SIZE));
    buf_add_byte(&c->told, '\n');
    return DONE;
}

static int add_seat(struct circle *c, const struct roll_seat *seat)
{
    bool any = false;
    int rc = DONE;

    for (size_t i = 0; rc == DONE && i < seat->n_keys; i++) {
        const struct roll_key *key = &seat->keys[i];
        if (key->kind != CORE__KEY_KIND__KEY_KIND_AGE || key->revoked)
            continue;
        any = true;
        rc = vouch_prove(c->vouch, key->stated);
        if (rc == DONE)
            rc = add_key(c, seat->name, seat->office, key->public_key);
    }
    if (!any)
        buf_printf(&c->keyless, "%s%s", c->keyless.size ? ", " : "", seat->name);
    return rc;
}

static int add_recipient(struct circle *c, const struct chancery_recipient *r)
{
    const struct roll *roll = vouch_roll(c->vouch);
    size_t named = 0;
    int rc = DONE;

    for (size_t i = 0; rc == DONE && i < roll_seats(roll); i++)
        if (names(c, r, roll_seat(roll, i))) {
            named++;
            rc = add_seat(c, roll_seat(roll, i));
        }
    if (rc == DONE && named == 0)
        rc = session_fail(c->s, "%s is nobody who could open it: no person is seated there%s",
                          r->name,
                          r->kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP
                              ? ", or there is no such version; see `chancery group ls`"
                              : "; see `chancery seat ls`");
    return rc;
}

/* The publisher's own, from where it is kept: what one sealed one can read again. */
static int add_own(struct circle *c)
{
    const char *file = c->s->settings.key_file;
    struct seat_key key;
    struct buf why = {0};
    int rc = DONE;

    if (seat_key_read(&key, file, &why) < 0) {
        rc = session_fail(c->s, "%s", buf_cstr(&why));
    } else {
        rc = seat_key_has_age(&key)
                 ? add_key(c, key.seat, key.office, key.age.public_key)
                 : session_fail(c->s,
                                "%s is from before there were age keys; make new keys with "
                                "`chancery key new`, and have them registered",
                                file);
        seat_key_clear(&key);
    }
    buf_free(&why);
    return rc;
}

static int circle_fill(struct circle *c, const struct chancery_event *event)
{
    int rc = DONE;

    for (size_t i = 0; rc == DONE && i < event->n_recipients; i++)
        rc = add_recipient(c, &event->recipients[i]);
    if (rc == DONE && c->keyless.size)
        rc =
            session_fail(c->s,
                         "no age key is registered of: %s. They make keys with `chancery key new`, "
                         "and an administrator publishes what `chancery key show --ndjson` prints "
                         "of them (KeyAdded)",
                         buf_cstr(&c->keyless));
    return rc == DONE ? add_own(c) : rc;
}

/* ---- what ---- */

static const char *media_type_of(const char *name)
{
    static const char *const rows[][2] = {
        {".txt", "text/plain"},
        {".md", "text/markdown"},
        {".csv", "text/csv"},
        {".pdf", "application/pdf"},
        {".json", "application/json"},
        {".xml", "application/xml"},
        {".zip", "application/zip"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".png", "image/png"},
        {".odt", "application/vnd.oasis.opendocument.text"},
        {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
        {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
        {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof rows / sizeof *rows; i++)
        if (strcasecmp(dot, rows[i][0]) == 0)
            return rows[i][1];
    return "application/octet-stream";
}

static int seal_file(struct sealing *out, struct circle *c, const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    int rc;

    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = session_fail(c->s, "%s: %s", file, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        rc = session_fail(c->s, "%s: not a file", file);
    } else {
        int err = seal_write(fd, out->fd, (const uint8_t(*)[SEAL_KEY_SIZE])c->keys, c->n);
        rc = err == 0 ? DONE
             : err == ERR_FIELD
                 ? session_fail(c->s, "a key that is registered is no key of age")
                 : session_fail(c->s, "%s cannot be sealed: %s", file, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int sealing_make(struct sealing *out, struct session *s, const char *file,
                 const struct chancery_event *event, bool told)
{
    struct circle *c = mem_new(sizeof *c);
    const char *slash = strrchr(file, '/');

    c->s = s;
    *out = (struct sealing){.fd = transfer_scratch(), .name = mem_str(slash ? slash + 1 : file)};
    out->file = mem_printf("/proc/self/fd/%d", out->fd);
    out->part = (struct chancery_part){
        .media_type = media_type_of(out->name), .name = out->name, .sealed = true};
    int rc = out->fd < 0 ? FAILED : vouch_open(&c->vouch, s);
    if (rc == DONE)
        rc = circle_fill(c, event);
    if (rc == DONE)
        rc = seal_file(out, c, file);
    if (rc == DONE && told) {
        progress_end(&s->progress);
        fputs(buf_cstr(&c->told), stdout);
    }
    vouch_close(c->vouch);
    buf_free(&c->told);
    buf_free(&c->keyless);
    mem_free(c);
    return rc;
}

void sealing_end(struct sealing *sealed)
{
    if (!sealed->file)
        return;
    if (sealed->fd >= 0)
        close(sealed->fd);
    mem_free(sealed->file);
    mem_free(sealed->name);
    *sealed = (struct sealing){0};
}
