/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - PKCS #11 over p11-kit, which reads URIs and loads a module once for all who name it
 *
 *     URI -> module -> token -> session, logged in -> private key -> its public half
 *
 * p11-kit starts a module once for all sessions of the process, says that threads use it, and ends
 * it with the last one.
 */
#include "lib/token.h"

#include <errno.h>
#include <fcntl.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

enum { SLOTS_MOST = 64, PIN_MOST = 256, ID_MOST = 256, POINT_MOST = 64 };

struct token {
    CK_FUNCTION_LIST *module;
    bool initialized;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    uint8_t public_key[TOKEN_KEY_SIZE];
};

struct opening { /* what a URI says, and what it has led to so far */
    P11KitUri *uri;
    char *name; /* the URI without its query: for sentences */
    struct token *token;
    struct buf *why;
    CK_SLOT_ID slot;
    CK_FLAGS flags; /* of the token */
};

static CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void *value, size_t size)
{
    /* PKCS #11 has no const bytes; a template is read only */
    union {
        const void *in;
        void *out;
    } cast = {value};

    return (CK_ATTRIBUTE){type, cast.out, size};
}

static int refuse(const struct opening *o, int err, const char *text)
{
    buf_printf(o->why, "%s: %s", o->name, text);
    return err;
}

/* `rv` is what the module said. */
static int refuse_rv(const struct opening *o, int err, const char *text, CK_RV rv)
{
    buf_printf(o->why, "%s: %s: %s", o->name, text, p11_kit_strerror(rv));
    return err;
}

/* ---- the URI ---- */

static int check_uri(const struct opening *o)
{
    const char *module = p11_kit_uri_get_module_path(o->uri);
    const char *pin = p11_kit_uri_get_pin_source(o->uri);

    if (p11_kit_uri_any_unrecognized(o->uri))
        return refuse(o, ERR_CONFIG, "it has an attribute that nobody knows; see RFC 7512");
    if (p11_kit_uri_get_pin_value(o->uri))
        return refuse(o, ERR_CONFIG,
                      "a PIN is not part of it: put it into a file of mode 0600 and write "
                      "pin-source=file:/PATH");
    if (!module || module[0] != '/')
        return refuse(o, ERR_CONFIG, "it names no module; write ?module-path=/PATH behind it");
    if (pin && strncmp(pin, "file:/", 6) != 0)
        return refuse(o, ERR_CONFIG, "pin-source names no file; write pin-source=file:/PATH");
    return 0;
}

/* What follows the '?' is not repeated. */
static int read_uri(struct opening *o, const char *uri)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE private = attribute(CKA_CLASS, &class, sizeof class);

    o->name = mem_strn(uri, strcspn(uri, "?"));
    o->uri = p11_kit_uri_new();
    int rc = strlen(uri) < TOKEN_URI_SIZE ? p11_kit_uri_parse(uri, P11_KIT_URI_FOR_ANY, o->uri)
                                          : P11_KIT_URI_UNEXPECTED;
    if (rc != P11_KIT_URI_OK)
        return refuse(o, ERR_CONFIG, "not a pkcs11: URI; see RFC 7512");
    p11_kit_uri_set_attribute(o->uri, &private);
    return check_uri(o);
}

/* ---- the module ---- */

static int load(struct opening *o)
{
    struct token *t = o->token;
    const char *path = p11_kit_uri_get_module_path(o->uri);

    t->module = p11_kit_module_load(path, P11_KIT_MODULE_CRITICAL);
    if (!t->module) {
        buf_printf(o->why, "%s: not a PKCS #11 module that can be loaded: %s", path,
                   p11_kit_message());
        return ERR_TOKEN_MODULE;
    }
    CK_RV rv = p11_kit_module_initialize(t->module);
    t->initialized = rv == CKR_OK;
    if (rv == CKR_OK)
        return 0;
    buf_printf(o->why, "%s: the module does not start: %s; see what its own settings say", path,
               p11_kit_strerror(rv));
    return ERR_TOKEN_MODULE;
}

/* ---- the token ---- */

static bool is_named(const struct opening *o, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    return o->token->module->C_GetTokenInfo(slot, info) == CKR_OK &&
           info->flags & CKF_TOKEN_INITIALIZED && p11_kit_uri_match_token_info(o->uri, info);
}

static int find_token(struct opening *o)
{
    CK_SLOT_ID slots[SLOTS_MOST];
    CK_ULONG n = SLOTS_MOST, found = 0;
    CK_TOKEN_INFO info;
    CK_RV rv = o->token->module->C_GetSlotList(CK_TRUE, slots, &n);

    if (rv != CKR_OK)
        return refuse_rv(o, ERR_TOKEN_ABSENT, "the tokens cannot be listed", rv);
    for (CK_ULONG i = 0; i < n; i++)
        if (is_named(o, slots[i], &info)) {
            found++;
            o->slot = slots[i];
            o->flags = info.flags;
        }
    if (found == 0)
        return refuse(o, ERR_TOKEN_ABSENT,
                      "no such token is there; plug it in, or see `p11tool --list-tokens` for what "
                      "it is called");
    if (found > 1)
        return refuse(o, ERR_TOKEN_ABSENT,
                      "several tokens are meant; name one by token= or serial=");
    return 0;
}

static int open_session(struct opening *o, CK_FLAGS more)
{
    struct token *t = o->token;
    CK_RV rv =
        t->module->C_OpenSession(o->slot, CKF_SERIAL_SESSION | more, NULL, NULL, &t->session);

    return rv == CKR_OK ? 0 : refuse_rv(o, ERR_TOKEN, "the token opens no session", rv);
}

/* ---- the PIN ---- */

static int open_pin(const char *file, int *fd, struct buf *why)
{
    struct stat st;

    *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        buf_printf(why, "%s: the file with the token's PIN cannot be read: %s", file,
                   *fd < 0 ? strerror(errno) : "not a file");
        return ERR_TOKEN_PIN;
    }
    if (st.st_mode & 077) {
        buf_printf(why, "%s: others can read this PIN (mode %04o); run: chmod 600 '%s'", file,
                   (unsigned)(st.st_mode & 07777), file);
        return ERR_FILE_MODE;
    }
    return 0;
}

/* Without the line's end behind it. */
static int read_pin(const char *file, uint8_t pin[PIN_MOST], size_t *size, struct buf *why)
{
    int fd, rc = open_pin(file, &fd, why);
    ssize_t n = rc == 0 ? read(fd, pin, PIN_MOST) : 0;

    if (fd >= 0)
        close(fd);
    if (rc)
        return rc;
    while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
        n--;
    *size = n > 0 ? (size_t)n : 0;
    if (n > 0 && n < PIN_MOST)
        return 0;
    buf_printf(why, "%s: not a PIN: one line with at most %d bytes", file, PIN_MOST - 1);
    return ERR_TOKEN_PIN;
}

static int log_in(struct opening *o)
{
    const char *source = p11_kit_uri_get_pin_source(o->uri);
    uint8_t pin[PIN_MOST];
    size_t size = 0;

    if (!(o->flags & CKF_LOGIN_REQUIRED))
        return 0;
    if (!source)
        return refuse(o, ERR_TOKEN_PIN,
                      "the token asks for a PIN; put it into a file of mode 0600 and write "
                      "pin-source=file:/PATH");
    int rc = read_pin(source + strlen("file:"), pin, &size, o->why);
    CK_RV rv = CKR_OK;
    if (rc == 0)
        rv = o->token->module->C_Login(o->token->session, CKU_USER, pin, size);
    sodium_memzero(pin, sizeof pin);
    if (rc || rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return rc;
    buf_printf(
        o->why,
        "%s: the token does not take the PIN of %s: %s; mend that file before you try again: "
        "a token locks itself after a few wrong ones",
        o->name, source + strlen("file:"), p11_kit_strerror(rv));
    return ERR_TOKEN_PIN;
}

/* ---- objects ---- */

/* The first one, and how many there are: 0, 1 or more. */
static CK_RV find(const struct token *t, CK_ATTRIBUTE like[], size_t n, CK_OBJECT_HANDLE *object,
                  CK_ULONG *found)
{
    CK_OBJECT_HANDLE objects[2];
    CK_RV rv = t->module->C_FindObjectsInit(t->session, like, n);

    if (rv != CKR_OK)
        return rv;
    rv = t->module->C_FindObjects(t->session, objects, 2, found);
    t->module->C_FindObjectsFinal(t->session);
    if (rv == CKR_OK && *found)
        *object = objects[0];
    return rv;
}

static int find_key(struct opening *o, CK_ULONG *found)
{
    CK_ULONG n;
    CK_ATTRIBUTE *like = p11_kit_uri_get_attributes(o->uri, &n);
    CK_RV rv = find(o->token, like, n, &o->token->key, found);

    if (rv != CKR_OK)
        return refuse_rv(o, ERR_TOKEN, "the keys of the token cannot be listed", rv);
    if (*found > 1)
        return refuse(o, ERR_TOKEN_KEY, "several keys are meant; name one by object= or id=");
    return 0;
}

static CK_RV get(const struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a)
{
    return t->module->C_GetAttributeValue(t->session, object, a, 1);
}

static int check_kind(struct opening *o)
{
    CK_KEY_TYPE type = 0;
    CK_ATTRIBUTE a = attribute(CKA_KEY_TYPE, &type, sizeof type);
    CK_RV rv = get(o->token, o->token->key, &a);

    if (rv != CKR_OK)
        return refuse_rv(o, ERR_TOKEN_KEY, "the kind of the key cannot be read", rv);
    if (type != CKK_EC_EDWARDS)
        return refuse(o, ERR_TOKEN_KEY,
                      "the key is of another kind than Ed25519; name another object, or make one");
    return 0;
}

bool token_point(uint8_t out[TOKEN_KEY_SIZE], struct slice point)
{
    static const uint8_t octets[] = {0x04, TOKEN_KEY_SIZE};

    if (point.size == sizeof octets + TOKEN_KEY_SIZE && memcmp(point.data, octets, 2) == 0)
        point = slice_of(point.data + 2, TOKEN_KEY_SIZE);
    if (point.size != TOKEN_KEY_SIZE)
        return false;
    memcpy(out, point.data, TOKEN_KEY_SIZE);
    return true;
}

/* The object with the public half: that of the same id, or where there is none the key itself. */
static CK_OBJECT_HANDLE public_half(const struct token *t)
{
    uint8_t id[ID_MOST];
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_OBJECT_HANDLE object = t->key;
    CK_ULONG found;
    CK_ATTRIBUTE like[] = {attribute(CKA_ID, id, sizeof id),
                           attribute(CKA_CLASS, &class, sizeof class)};

    if (get(t, t->key, &like[0]) == CKR_OK)
        find(t, like, 2, &object, &found);
    return object;
}

static int read_public(struct opening *o)
{
    uint8_t point[POINT_MOST];
    CK_ATTRIBUTE a = attribute(CKA_EC_POINT, point, sizeof point);
    CK_RV rv = get(o->token, public_half(o->token), &a);

    if (rv != CKR_OK)
        return refuse_rv(o, ERR_TOKEN_KEY,
                         "the token does not have the public half of the key, under the same id",
                         rv);
    if (!token_point(o->token->public_key, slice_of(point, a.ulValueLen)))
        return refuse(o, ERR_TOKEN_KEY, "the key is of another curve than Ed25519");
    return 0;
}

/* ---- making a key ---- */

/* RFC 8410: 1.3.101.112, and as PrintableString what modules from before it take (softhsm2). */
static const uint8_t curve_name[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                     'd',  's',  '2', '5', '5', '1', '9'};
static const uint8_t curve_oid[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

static CK_RV generate_of(const struct token *t, const CK_ATTRIBUTE names[2], struct slice curve)
{
    static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    static const CK_KEY_TYPE type = CKK_EC_EDWARDS;
    CK_MECHANISM how = {CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public, private;
    CK_ATTRIBUTE shown[] = {
        names[0],
        names[1],
        attribute(CKA_TOKEN, &yes, sizeof yes),
        attribute(CKA_VERIFY, &yes, sizeof yes),
        attribute(CKA_KEY_TYPE, &type, sizeof type),
        attribute(CKA_EC_PARAMS, curve.data, curve.size),
    };
    CK_ATTRIBUTE hidden[] = {
        names[0],
        names[1],
        attribute(CKA_TOKEN, &yes, sizeof yes),
        attribute(CKA_PRIVATE, &yes, sizeof yes),
        attribute(CKA_SENSITIVE, &yes, sizeof yes),
        attribute(CKA_EXTRACTABLE, &no, sizeof no),
        attribute(CKA_SIGN, &yes, sizeof yes),
        attribute(CKA_KEY_TYPE, &type, sizeof type),
    };

    return t->module->C_GenerateKeyPair(t->session, &how, shown, sizeof shown / sizeof *shown,
                                        hidden, sizeof hidden / sizeof *hidden, &public, &private);
}

static int generate(struct opening *o)
{
    uint8_t fresh[8];
    const CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(o->uri, CKA_LABEL);
    const CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(o->uri, CKA_ID);

    if (!label)
        return refuse(o, ERR_CONFIG, "it names no key to be made; write ;object=NAME");
    randombytes_buf(fresh, sizeof fresh);
    const CK_ATTRIBUTE names[] = {*label, id ? *id : attribute(CKA_ID, fresh, sizeof fresh)};
    CK_RV rv = generate_of(o->token, names, slice_of(curve_oid, sizeof curve_oid));
    if (rv != CKR_OK)
        rv = generate_of(o->token, names, slice_of(curve_name, sizeof curve_name));
    return rv == CKR_OK ? 0 : refuse_rv(o, ERR_TOKEN, "the token makes no Ed25519 key", rv);
}

/* ---- opening ---- */

static int find_or_make(struct opening *o, bool make)
{
    CK_ULONG found = 0;
    int rc = find_key(o, &found);

    if (rc == 0 && found == 0 && make) {
        rc = generate(o);
        if (rc == 0)
            rc = find_key(o, &found);
    }
    if (rc == 0 && found == 0)
        return refuse(o, ERR_TOKEN_KEY,
                      "the token has no private key of that name; see `pkcs11-tool --login "
                      "--list-objects` for what it has");
    return rc;
}

static int open_all(struct opening *o, const char *uri, bool make)
{
    int rc = read_uri(o, uri);

    if (rc == 0)
        rc = load(o);
    if (rc == 0)
        rc = find_token(o);
    if (rc == 0)
        rc = open_session(o, make ? CKF_RW_SESSION : 0);
    if (rc == 0)
        rc = log_in(o);
    if (rc == 0)
        rc = find_or_make(o, make);
    if (rc == 0)
        rc = check_kind(o);
    return rc ? rc : read_public(o);
}

static int token_begin(struct token **out, const char *uri, bool make, struct buf *why)
{
    struct opening o = {.token = mem_new(sizeof(struct token)), .why = why};

    *out = NULL;
    int rc = open_all(&o, uri, make);
    if (rc == 0)
        *out = o.token;
    else
        token_close(o.token);
    p11_kit_uri_free(o.uri);
    mem_free(o.name);
    return rc;
}

int token_open(struct token **out, const char *uri, struct buf *why)
{
    return token_begin(out, uri, false, why);
}

int token_make(struct token **out, const char *uri, struct buf *why)
{
    return token_begin(out, uri, true, why);
}

void token_close(struct token *t)
{
    if (!t)
        return;
    if (t->session)
        t->module->C_CloseSession(t->session);
    if (t->initialized)
        p11_kit_module_finalize(t->module);
    if (t->module)
        p11_kit_module_release(t->module);
    mem_free(t);
}

const uint8_t *token_public(const struct token *t)
{
    return t->public_key;
}

/* A token that signs something else is broken, and nobody else shall find out. */
int token_sign(struct token *t, struct slice message, uint8_t signature[TOKEN_SIGNATURE_SIZE])
{
    CK_MECHANISM how = {CKM_EDDSA, NULL, 0};
    CK_ULONG size = TOKEN_SIGNATURE_SIZE;
    union { /* PKCS #11 has no const bytes */
        const uint8_t *in;
        uint8_t *out;
    } cast = {message.data};

    if (t->module->C_SignInit(t->session, &how, t->key) != CKR_OK ||
        t->module->C_Sign(t->session, cast.out, message.size, signature, &size) != CKR_OK ||
        size != TOKEN_SIGNATURE_SIZE ||
        crypto_sign_verify_detached(signature, message.data, message.size, t->public_key) != 0)
        return ERR_TOKEN;
    return 0;
}
