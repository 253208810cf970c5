/* Those who note. The contract is in audit/audit.h. */
#include "audit/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#define WAIT_NS UINT64_C(10000000000)

const char *const audit_whats[] = {AUDIT_WHATS};
const size_t audit_whats_n = ELEMENTS(audit_whats);

static unsigned what_of(const char *word) {
        for (unsigned i = 0; i < ELEMENTS(audit_whats); i++)
                if (str_eq(audit_whats[i], word))
                        return i;
        CHECK(!"a word of AUDIT_WHATS");
        return 0;
}

/* As much of a text as fits, with its NUL; the bytes, as text, of what is no UTF-8. How many. */
static size_t put_text(char *to, size_t size, const char *from) {
        size_t n = from ? strnlen(from, size - 1) : 0;

        while (n > 0 && from[n] && ((unsigned char)from[n] & 0xc0) == 0x80)
                n--; /* not in the middle of a character */
        if (n > 0)
                memcpy(to, from, n);
        to[n] = '\0';
        if (!utf8_valid(to, n))
                for (size_t i = 0; i < n; i++)
                        if ((unsigned char)to[i] >= 0x80)
                                to[i] = '?';
        return n + 1;
}

static size_t put_record(char to[RECORD_MAX], const struct audit_event *e) {
        struct record r = {.what = what_of(e->what),
                           .error = e->error < 0 ? -e->error : e->error,
                           .time_ms = clock_real_ms()};
        size_t n = sizeof r;

        n += put_text(to + n, USER_NAME_MAX + 1, e->user);
        n += put_text(to + n, AUDIT_ADDRESS_MAX, e->address);
        n += put_text(to + n, AUDIT_OBJECT_MAX + 1, e->object);
        r.bytes = (uint32_t)n;
        memcpy(to, &r, sizeof r);
        return n;
}

/* What comes from outside and was refused may come a million times. */
static bool is_refusal(const struct audit_event *e) {
        return e->error != 0 && e->address && !str_starts(e->what, "admin.");
}

static void note_refusal(struct audit *a, const struct audit_event *e) {
        struct refused_entry entry = {.what = what_of(e->what),
                                      .error = e->error < 0 ? -e->error : e->error,
                                      .time_ms = clock_real_ms()};

        put_text(entry.user, sizeof entry.user, e->user);
        put_text(entry.address, sizeof entry.address, e->address);
        put_text(entry.object, sizeof entry.object, e->object);

        uint64_t now = clock_mono_ns();
        LATCH_GUARD(audit, &a->lock);
        if (refused_events(a->refused) == 0) {
                a->refused_since_ns = now;
                latch_cond_signal(&a->work);
        }
        refused_add(a->refused, &entry);
}

/* False: there is no room. */
static bool add_locked(struct audit *a, const char *record, size_t n, uint64_t now)
        LATCH_MUST_HOLD(audit) {
        struct queue *q = a->open;
        bool was_half = q->n > sizeof q->data / 2;

        if (n > sizeof q->data - q->n)
                return false;
        memcpy(q->data + q->n, record, n);
        q->n += n;
        if (q->events++ == 0)
                a->open_since_ns = now;
        if (q->events == 1 || (!was_half && q->n > sizeof q->data / 2))
                latch_cond_signal(&a->work);
        return true;
}

void audit_note(struct audit *a, const struct audit_event *e) {
        char record[RECORD_MAX];

        if (!a)
                return;
        if (is_refusal(e)) {
                note_refusal(a, e);
                return;
        }
        size_t n = put_record(record, e);
        uint64_t now = clock_mono_ns();
        LATCH_GUARD(audit, &a->lock);
        if (!add_locked(a, record, n, now))
                a->dropped++;
}

uint64_t audit_queued(struct audit *a) {
        if (!a)
                return 0;
        LATCH_GUARD(audit, &a->lock);
        return a->open->events;
}

static uint64_t ask_locked(struct audit *a) LATCH_MUST_HOLD(audit) {
        latch_cond_signal(&a->work);
        return ++a->asked;
}

/* Until everybody up to `mine` has been answered, or at least been tried for. */
static int wait_for(struct audit *a, uint64_t mine, uint64_t until_ns) {
        LATCH_GUARD(audit, &a->lock);
        while (a->answered < mine) {
                if (a->failed >= mine)
                        return a->error;
                if (latch_cond_wait_until(&a->done, &a->lock, until_ns) < 0)
                        return -ETIMEDOUT;
        }
        return 0;
}

int audit_note_durable(struct audit *a, const struct audit_event *e) {
        latch_blocking("audit");
        char record[RECORD_MAX];
        uint64_t until = clock_mono_ns() + WAIT_NS, mine = 0;
        bool added = false;
        int r = 0;

        if (!a)
                return 0;
        size_t n = put_record(record, e);
        while (!added && r == 0) { /* once there is room */
                LATCH_WITH(audit, &a->lock) {
                        added = add_locked(a, record, n, clock_mono_ns());
                        mine = ask_locked(a);
                }
                r = wait_for(a, mine, until);
        }
        if (added)
                return r;
        LATCH_GUARD(audit, &a->lock);
        a->dropped++;
        return r;
}

int audit_flush(struct audit *a) {
        latch_blocking("audit");
        uint64_t until = clock_mono_ns() + WAIT_NS, mine = 0;

        if (!a)
                return 0;
        LATCH_WITH(audit, &a->lock)
                mine = a->asked_all = ask_locked(a);
        return wait_for(a, mine, until);
}

/* ---- life ---- */

void audit_log_link(const char *event, const struct store_audit_link *link) {
        char hash[2 * AUDIT_HASH_BYTES + 1];

        for (size_t i = 0; i < AUDIT_HASH_BYTES; i++)
                (void)snprintf(hash + 2 * i, 3, "%02x", link->hash[i]);
        log_event(LOG_INFO, event, LOG_I("seq", link->seq), LOG_S("hash", hash));
}

static struct audit *audit_drop(struct audit *a) {
        struct refused *refused = NULL;
        struct queue *open = NULL;

        LATCH_WITH(audit, &a->lock) {
                open = a->open;
                refused = a->refused;
        }
        free(open);
        refused_free(refused);
        latch_cond_done(&a->done);
        latch_cond_done(&a->work);
        latch_mutex_done(&a->lock);
        free(a->out);
        refused_free(a->told);
        free(a);
        return NULL;
}

static int make_memory(struct audit *a) {
        struct refused *refused = NULL;
        struct queue *open = calloc(1, sizeof *open);

        a->out = calloc(1, sizeof *a->out);
        int r = open && a->out ? 0 : -ENOMEM;
        if (r == 0)
                r = refused_new(audit_whats_n, &refused);
        if (r == 0)
                r = refused_new(audit_whats_n, &a->told);
        LATCH_GUARD(audit, &a->lock);
        a->open = open;
        a->refused = refused;
        return r;
}

int audit_new(struct store *store, uint64_t keep_rows, struct audit **ret) {
        struct audit *a = calloc(1, sizeof *a);

        if (!a)
                return -ENOMEM;
        a->store = store;
        a->keep_rows = keep_rows;
        latch_mutex_init(&a->lock, LATCH_CLASS_audit);
        latch_cond_init(&a->work);
        latch_cond_init(&a->done);
        int r = make_memory(a);
        if (r == 0)
                r = store_audit_ends(store, &a->start, &a->last);
        if (r == 0)
                r = -pthread_create(&a->writer, NULL, audit_writer, a);
        if (r < 0) {
                audit_drop(a);
                return r;
        }
        *ret = a;
        return 0;
}

int audit_check(struct audit *a) {
        int r = -pthread_create(&a->checker, NULL, audit_checker, a);

        a->checking = r == 0;
        return r;
}

struct audit *audit_free(struct audit *a) {
        if (!a)
                return NULL;
        atomic_store(&a->stopping, true);
        if (a->checking)
                CHECK(pthread_join(a->checker, NULL) == 0);
        LATCH_WITH(audit, &a->lock) {
                a->ending = true;
                latch_cond_signal(&a->work);
        }
        CHECK(pthread_join(a->writer, NULL) == 0);
        audit_log_link("audit.end", &a->last);
        return audit_drop(a);
}
