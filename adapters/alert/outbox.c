/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.c - see outbox.h */
#include "adapters/alert/outbox.h"

#include "adapters/alert/mail.h"
#include "adapters/alert/smtp.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 300000, PATIENCE_SECONDS = 60 };

struct post { /* one mail to one recipient */
    struct post *next;
    struct item *item;
    char *recipient;
    uint32_t tries;
    uint64_t first_try, not_before; /* milliseconds of the loop's clock; 0 = none yet */
};

struct outbox {
    uv_loop_t *loop;
    const struct alert_settings *settings;
    const char *log;
    outbox_done *done;
    void *arg;
    struct smtp_options smtp_options;
    struct smtp *smtp;
    struct post *waiting; /* in order */
    size_t n_waiting;
    struct post *flying; /* not in `waiting` */
    bool may_go;
    uint32_t unreached; /* tries in a row that reached no server */
    uint64_t closed_until;
    uv_timer_t timer;
    unsigned closing; /* halves still to close */
    void (*closed)(void *arg);
    void *closed_arg;
};

static void post_free(struct post *p)
{
    if (!p)
        return;
    item_free(p->item);
    mem_free(p->recipient);
    mem_free(p);
}

static uint64_t pause_after(uint32_t tries)
{
    uint64_t pause = tries > 9 ? LONGEST_PAUSE_MS : (uint64_t)FIRST_PAUSE_MS << (tries - 1);

    return pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
}

static void outbox_try(struct outbox *o);

static void on_pause_over(uv_timer_t *timer)
{
    outbox_try(timer->data);
}

/* The first one whose time has come, taken out; else *wake = when the first one's time comes. */
static struct post *post_take(struct outbox *o, uint64_t now, uint64_t *wake)
{
    *wake = UINT64_MAX;
    for (struct post **at = &o->waiting; *at; at = &(*at)->next) {
        struct post *p = *at;
        uint64_t when = p->not_before > o->closed_until ? p->not_before : o->closed_until;
        if (when <= now) {
            *at = p->next;
            o->n_waiting--;
            return p;
        }
        *wake = when < *wake ? when : *wake;
    }
    return NULL;
}

static void post_put_back(struct outbox *o, struct post *p)
{
    struct post **at = &o->waiting;

    while (*at)
        at = &(*at)->next;
    p->next = NULL;
    *at = p;
    o->n_waiting++;
}

static void report(struct outbox *o, const struct post *p, const struct smtp_result *result)
{
    struct buf id = {0}, subject = {0};
    struct outbox_report r = {.item = p->item,
                              .recipient = p->recipient,
                              .taken = result->outcome == SMTP_TAKEN,
                              .code = result->code,
                              .text = result->text,
                              .tries = p->tries};

    mail_message_id(&id, o->log, p->item->terms->rule, p->recipient, p->item->key);
    mail_subject(&subject, p->item);
    r.message_id = buf_cstr(&id);
    r.subject = buf_cstr(&subject);
    o->done(o->arg, &r);
    buf_free(&id);
    buf_free(&subject);
}

static void on_answer(void *arg, const struct smtp_result *result)
{
    struct outbox *o = arg;
    struct post *p = o->flying;
    uint64_t now = uv_now(o->loop);
    bool again = result->outcome == SMTP_LATER &&
                 now - p->first_try < (uint64_t)o->settings->retry_for / 1000;

    o->flying = NULL;
    o->unreached = result->reached ? 0 : o->unreached + 1;
    o->closed_until = result->reached ? 0 : now + pause_after(o->unreached);
    if (again) {
        log_warn("alert.delayed", "not sent, trying again rule=%s code=%s tries=%u answer=\"%s\"",
                 p->item->terms->rule, result->code, p->tries, result->text);
        p->not_before = now + pause_after(p->tries);
        post_put_back(o, p);
        o->may_go = true;
        outbox_try(o);
        return;
    }
    report(o, p, result);
    post_free(p);
}

static void send_post(struct outbox *o, struct post *p)
{
    const struct alert_settings *s = o->settings;
    struct letter letter = {.item = p->item,
                            .log = o->log,
                            .recipient = p->recipient,
                            .from_name = s->from_name,
                            .from_address = s->from_address,
                            .organisation = s->organisation,
                            .footer = s->footer};
    struct buf mail = {0};

    if (p->tries++ == 0)
        p->first_try = uv_now(o->loop);
    mail_compose(&mail, &letter);
    o->flying = p;
    o->may_go = false;
    smtp_send(o->smtp, p->recipient, &mail, on_answer, o);
}

static void outbox_try(struct outbox *o)
{
    uint64_t wake;

    if (!o->may_go || o->flying || o->closing)
        return;
    uv_update_time(o->loop);
    struct post *p = post_take(o, uv_now(o->loop), &wake);
    if (p)
        send_post(o, p);
    else if (wake != UINT64_MAX)
        uv_timer_start(&o->timer, on_pause_over, wake - uv_now(o->loop), 0);
}

void outbox_go(struct outbox *o)
{
    o->may_go = true;
    outbox_try(o);
}

size_t outbox_waiting(const struct outbox *o)
{
    return o->n_waiting + (o->flying ? 1 : 0);
}

void outbox_add(struct outbox *o, struct item *item, const char *recipient)
{
    struct post *p = mem_new(sizeof(*p));
    struct post **at = &o->waiting;

    p->item = item;
    item->users++;
    p->recipient = mem_str(recipient);
    while (*at && (item->kind != ITEM_SET_ASIDE || (*at)->item->kind == ITEM_SET_ASIDE))
        at = &(*at)->next;
    p->next = *at;
    *at = p;
    o->n_waiting++;
    outbox_try(o);
}

int outbox_open(struct outbox **out, uv_loop_t *loop, const struct alert_settings *settings,
                const char *log, outbox_done *done, void *arg)
{
    struct outbox *o = mem_new(sizeof(*o));
    int rc;

    *o = (struct outbox){
        .loop = loop,
        .settings = settings,
        .log = log,
        .done = done,
        .arg = arg,
        .smtp_options = {.url = settings->smtp,
                         .from = settings->from_address,
                         .user = settings->user,
                         .password = settings->password,
                         .tls_required = settings->tls_mode == TLS_REQUIRED,
                         .tls_wanted = settings->tls_mode == TLS_OPPORTUNISTIC,
                         .patience = PATIENCE_SECONDS},
    };
    rc = smtp_open(&o->smtp, loop, &o->smtp_options);
    if (rc != 0) {
        mem_free(o);
        return rc;
    }
    uv_timer_init(loop, &o->timer);
    o->timer.data = o;
    *out = o;
    return 0;
}

static void half_closed(struct outbox *o)
{
    if (--o->closing > 0)
        return;
    if (o->closed)
        o->closed(o->closed_arg);
    mem_free(o);
}

static void on_timer_closed(uv_handle_t *handle)
{
    half_closed(handle->data);
}

static void on_smtp_closed(void *arg)
{
    half_closed(arg);
}

void outbox_close(struct outbox *o, void (*closed)(void *arg), void *arg)
{
    o->closing = 2;
    o->closed = closed;
    o->closed_arg = arg;
    smtp_close(o->smtp, on_smtp_closed, o);
    uv_close((uv_handle_t *)&o->timer, on_timer_closed);
    post_free(o->flying);
    o->flying = NULL;
    for (struct post *p; (p = o->waiting);) {
        o->waiting = p->next;
        post_free(p);
    }
}
