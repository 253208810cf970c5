/* writer.c - the thread that writes: what waits goes to the store, many rows a transaction.
 *
 * What the store does not take stays where it is and is tried again, every quarter of a second, and at
 * once when somebody waits for it; meanwhile the open queue fills, and then events are counted only. */
#include <string.h>

#include "audit/audit_private.h"
#include "audit/chain.h"
#include "base/clock.h"
#include "base/log.h"
#include "latch/thread.h"

#define GATHER_NS  UINT64_C(100000000)
#define MINUTE_NS  UINT64_C(60000000000)
#define RETRY_NS   UINT64_C(250000000)
#define LAST_NS    UINT64_C(1000000000) /* at the end, for a store that refuses */
#define ROWS       256u                 /* of a transaction: others want to write, too */
#define PRUNE_ROWS 2000                 /* likewise */

struct turn {
        uint64_t asked; /* who waits for this turn */
        bool ending;
        bool whole; /* it has all that was there */
};

/* ---- taking ---- */

static bool out_empty(const struct audit *a) {
        return a->out_at == a->out->n && a->out_dropped == 0 && refused_events(a->told) == 0;
}

/* When there is something to do (monotonic): 0 now, UINT64_MAX not before somebody says so. */
static uint64_t due_locked(const struct audit *a) LATCH_MUST_HOLD(audit) {
        uint64_t due = UINT64_MAX;

        if (a->asked > MAX(a->answered, a->failed))
                return 0;
        if (a->retry_ns > 0)
                return a->retry_ns;
        if (a->ending || a->open->n > sizeof a->open->data / 2)
                return 0;
        if (a->open->events > 0)
                due = a->open_since_ns + GATHER_NS;
        if (refused_events(a->refused) > 0)
                due = MIN(due, a->refused_since_ns + MINUTE_NS);
        return due;
}

static void swap_queues_locked(struct audit *a) LATCH_MUST_HOLD(audit) {
        struct queue *full = a->open;

        a->open = a->out;
        a->open->n = a->open->events = 0;
        a->out = full;
        a->out_at = 0;
        a->out_dropped = a->dropped;
        a->dropped = 0;
}

static bool refused_due_locked(const struct audit *a) LATCH_MUST_HOLD(audit) {
        return a->ending || a->asked_all > a->answered ||
               (refused_events(a->refused) > 0 &&
                a->refused_since_ns + MINUTE_NS <= clock_mono_ns());
}

static void swap_refused_locked(struct audit *a) LATCH_MUST_HOLD(audit) {
        struct refused *full = a->refused;

        a->refused = a->told;
        a->told = full;
        a->told_at = 0;
}

/* Waits until something is due. What is left of the last turn is taken alone. */
static void take(struct audit *a, struct turn *ret) {
        LATCH_GUARD(audit, &a->lock);
        for (uint64_t due; (due = due_locked(a)) > clock_mono_ns();) {
                if (due == UINT64_MAX)
                        latch_cond_wait(&a->work, &a->lock);
                else
                        (void)!latch_cond_wait_until(&a->work, &a->lock, due);
        }
        *ret = (struct turn){.asked = a->asked, .ending = a->ending, .whole = out_empty(a)};
        if (!ret->whole)
                return;
        swap_queues_locked(a);
        if (refused_due_locked(a))
                swap_refused_locked(a);
}

/* ---- rows ---- */

/* How far a transaction has got, if it is committed. */
struct progress {
        size_t out_at, told_at;
        bool dropped;
};

static const char *outcome(int error) {
        const char *name = error ? strerrorname_np(error) : "ok";

        return name ? name : "EIO";
}

static size_t take_record(const struct queue *q, size_t at, struct store_audit *ret) {
        struct record r;
        const char *user = q->data + at + sizeof r, *address, *object;

        memcpy(&r, q->data + at, sizeof r);
        address = user + strlen(user) + 1;
        object = address + strlen(address) + 1;
        *ret = (struct store_audit){.time_ms = r.time_ms,
                                    .what = audit_whats[r.what],
                                    .user = user,
                                    .address = address,
                                    .object = object,
                                    .outcome = outcome(r.error),
                                    .count = 1};
        return at + r.bytes;
}

static void take_refused(const struct refused_entry *e, struct store_audit *ret) {
        *ret = (struct store_audit){.time_ms = e->time_ms,
                                    .what = audit_whats[e->what],
                                    .user = e->user,
                                    .address = e->address,
                                    .object = e->object,
                                    .outcome = outcome(e->error),
                                    .count = e->count};
}

/* The next rows, at most ROWS, and where that gets us. */
static size_t gather(const struct audit *a, struct store_audit rows[ROWS], struct progress *ret) {
        const struct refused_entry *e;
        size_t n = 0;

        *ret = (struct progress){a->out_at, a->told_at, false};
        while (n < ROWS && ret->out_at < a->out->n)
                ret->out_at = take_record(a->out, ret->out_at, &rows[n++]);
        while (n < ROWS && (e = refused_at(a->told, ret->told_at))) {
                take_refused(e, &rows[n++]);
                ret->told_at++;
        }
        if (n < ROWS && a->out_dropped > 0) {
                rows[n++] = (struct store_audit){.time_ms = clock_real_ms(),
                                                 .what = "audit.dropped",
                                                 .user = "",
                                                 .address = "",
                                                 .object = "",
                                                 .outcome = "ENOBUFS",
                                                 .count = a->out_dropped};
                ret->dropped = true;
        }
        return n;
}

static void go_on(struct audit *a, const struct progress *to) {
        a->out_at = to->out_at;
        a->told_at = to->told_at;
        if (!refused_at(a->told, a->told_at)) {
                refused_clear(a->told);
                a->told_at = 0;
        }
        if (!to->dropped)
                return;
        log_event(LOG_WARN, "audit.dropped", LOG_I("events", a->out_dropped));
        a->out_dropped = 0;
}

/* One transaction. How many rows, or -errno. */
static int write_some(struct audit *a) {
        struct store_audit rows[ROWS];
        struct store_audit_link last = a->last;
        struct progress to;
        size_t n = gather(a, rows, &to);

        for (size_t i = 0; i < n; i++) {
                rows[i].seq = ++last.seq;
                chain_hash(last.hash, &rows[i], rows[i].hash);
                memcpy(last.hash, rows[i].hash, sizeof last.hash);
        }
        int r = n > 0 ? store_audit_add(a->store, rows, n) : 0;
        if (r < 0)
                return r;
        a->last = last;
        go_on(a, &to);
        return (int)n;
}

/* A sixteenth more than are kept, so that it is seldom done; a piece at a time. */
static int prune(struct audit *a) {
        uint64_t keep = a->keep_rows;
        int r = 0;

        if (keep == 0 || (uint64_t)(a->last.seq - a->start.seq) <= keep + keep / 16)
                return 0;
        for (int64_t until = a->last.seq - (int64_t)keep; r == 0 && a->start.seq < until;) {
                int64_t seq = MIN(until, a->start.seq + PRUNE_ROWS);
                r = store_audit_prune(a->store, seq);
                if (r == 0)
                        a->start.seq = seq;
        }
        return r;
}

static int write_all(struct audit *a) {
        int r = 1;

        if (a->stale)
                r = store_audit_ends(a->store, &a->start, &a->last);
        a->stale = r < 0;
        while (r >= 0 && !out_empty(a))
                r = write_some(a);
        if (r >= 0)
                r = prune(a);
        return MIN(r, 0);
}

/* ---- the thread ---- */

/* Once when it begins, then once a minute, and when it is over. */
static void log_result(struct audit *a, int error) {
        uint64_t now = clock_mono_ns();

        if (error == 0 && a->retry_ns > 0)
                log_event(LOG_WARN, "audit.write",
                          LOG_S("result", "audit events are written again"));
        if (error < 0 && (a->retry_ns == 0 || now - a->logged_ns >= MINUTE_NS)) {
                log_event(LOG_ERROR, "audit.write", LOG_E(error),
                          LOG_S("result", "audit events wait in memory"));
                a->logged_ns = now;
        }
}

static void answer(struct audit *a, const struct turn *t, int error) {
        if (error < 0)
                a->stale = true;
        log_result(a, error);
        LATCH_GUARD(audit, &a->lock);
        a->retry_ns = error < 0 ? clock_mono_ns() + RETRY_NS : 0;
        a->error = error;
        if (error < 0)
                a->failed = t->asked;
        else if (t->whole)
                a->answered = t->asked;
        latch_cond_broadcast(&a->done);
}

/* Events that nobody will write any more. */
static uint64_t count_lost(struct audit *a) {
        uint64_t n = a->out_dropped + refused_events(a->told);
        struct store_audit row;

        for (size_t at = a->out_at; at < a->out->n; n++)
                at = take_record(a->out, at, &row);
        LATCH_GUARD(audit, &a->lock);
        return n + a->dropped + a->open->events + refused_events(a->refused);
}

void *audit_writer(void *audit) {
        struct audit *a = audit;
        uint64_t give_up_ns = 0;
        struct turn t;
        int r;

        latch_thread_begin("audit");
        do {
                take(a, &t);
                r = write_all(a);
                answer(a, &t, r);
                if (t.ending && give_up_ns == 0)
                        give_up_ns = clock_mono_ns() + LAST_NS;
        } while (!t.ending || (r == 0 ? !t.whole : clock_mono_ns() < give_up_ns));
        if (r < 0)
                log_event(LOG_ERROR, "audit.lost", LOG_E(r), LOG_I("events", count_lost(a)));
        latch_thread_end();
        return NULL;
}
