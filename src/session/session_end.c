/* session_end.c - the end of a session, told once: its lease is let go, its viewers hear of it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "session/found.h"
#include "session/keep.h"
#include "session/viewer_private.h"

/* Whoever claims it settles it; all others come too late. */
static bool claim(struct session *s, struct lease **ret_lease) {
        LATCH_GUARD(session, &s->lock);
        if (s->settling)
                return false;
        s->settling = true;
        *ret_lease = TAKE_PTR(s->lease);
        return true;
}

static void count_down(struct session *s) {
        struct sessions *ss = s->all;

        atomic_fetch_add(&ss->ended, 1);
        atomic_fetch_sub(&s->account->sessions, 1);
        LATCH_WITH(session, &ss->lock) {
                ss->living--;
                latch_cond_broadcast(&ss->quiet);
        }
}

static void tell_administration(const struct sessions *ss) {
        uint64_t one = 1;

        if (write(ss->over_fd, &one, sizeof one) < 0)
                CHECK(errno == EAGAIN); /* full: it is told as can be */
}

void session_settle(struct session *s, enum session_state to, const struct session_end *end) {
        struct crowd c = {.n = 0};
        struct lease *lease = NULL;

        if (!claim(s, &lease))
                return;
        /* Ahead of the news: who hears of the end may run the file again at once. */
        lease_release(&s->all->leases, lease);
        LATCH_WITH(session, &s->lock) {
                s->end = *end;
                session_move_locked(s, to);
                crowd_all_locked(s, &c);
        }
        if (s->counted)
                count_down(s);
        crowd_wake(&c);
        session_keep_later(s, s->all->deps.config->linger_ms);
        session_record_soon(s);
        tell_administration(s->all);
}

/* ---- lost ---- */

/* SIGKILL to the cage's init ends all that is in the cage. Not allowed where its uid is another's: there
 * the holder is asked, and its own end does it. */
static void kill_cage(struct session *s, int init_fd) {
        if (init_fd >= 0 && syscall(SYS_pidfd_send_signal, init_fd, SIGKILL, NULL, 0) < 0 &&
            errno != ESRCH)
                log_event(LOG_WARN, "session.kill", LOG_S("session", s->about.id), LOG_E(errno));
        session_tell(s, HOLD_FORGET);
}

static bool is_gone(int pidfd) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};

        return poll(&p, 1, 0) == 1;
}

bool session_lost_now(struct session *s) {
        struct session_end end = {.signal = SIGKILL, .verdict = "lost"};
        int init_fd = -1;
        bool holder_gone = false;

        LATCH_WITH(session, &s->lock) {
                if (s->state != SESSION_DYING)
                        return true;
                init_fd = s->init_fd;
                holder_gone = s->holder_gone;
                end.offset = s->last_head;
        }
        /* Without a pidfd the holder's end is all there is to see: the cage ends with it. */
        if (init_fd >= 0 ? !is_gone(init_fd) : !holder_gone)
                return false;
        end.ended_ms = clock_real_ms();
        session_settle(s, SESSION_LOST, &end);
        LATCH_GUARD(session, &s->lock);
        return s->state != SESSION_DYING; /* else another thread settles it, and is not done yet */
}

void session_lose(struct session *s, const char *why) {
        int init_fd = -1;

        LATCH_WITH(session, &s->lock) {
                if (s->settling || (s->state != SESSION_STARTING && s->state != SESSION_RUNNING))
                        return;
                session_move_locked(s, SESSION_DYING);
                init_fd = s->init_fd;
                uint64_t tail, head;
                bool eof;
                if (s->ring && !s->ring_bad && ring_reader_bounds(s->ring, &tail, &head, &eof) == 0)
                        s->last_head = head;
        }
        log_event(LOG_WARN, "session.lost", LOG_S("session", s->about.id),
                  LOG_S("user", s->account->name), LOG_S("why", why));
        kill_cage(s, init_fd);
        if (!session_lost_now(s))
                atomic_store(&s->all->look, true);
}

void session_without_holder(struct session *s) {
        if (s->holder_fd >= 0) {
                session_tell(s, HOLD_FORGET);
                found_unlink(s->all->deps.config->data, s->about.id);
        }
        LATCH_GUARD(session, &s->lock);
        s->holder_gone = true;
        s->mute = false;
        latch_cond_broadcast(&s->changed);
}

void session_ring_bad(struct session *s) {
        LATCH_WITH(session, &s->lock)
                s->ring_bad = true;
        session_lose(s, "its ring says what cannot be");
}

bool session_drain_dying(struct session *s) {
        struct holder_message m;
        int r;

        LATCH_WITH(session, &s->lock) {
                if (s->watched || s->holder_gone || s->state != SESSION_DYING)
                        return true; /* the pump reads, or there is nothing to read */
        }
        while ((r = holder_receive(s->holder_fd, &m)) == 0) {
                session_hear(s, &m);
                holder_message_done(&m);
        }
        if (r != -EPIPE)
                return session_is_over(s);
        LATCH_WITH(session, &s->lock)
                s->holder_gone = true;
        return true;
}

void session_wait_cage(struct session *s, uint64_t until_ns) {
        int init_fd = -1;

        LATCH_WITH(session, &s->lock)
                init_fd = s->init_fd;
        if (init_fd >= 0)
                holder_wait(init_fd, POLLIN, until_ns);
}

/* ---- the record ---- */

/* What is to be written now. False: it is to be dropped instead. */
static bool record_of(struct session *s, struct store_session *ret) {
        session_describe(s, ret);
        LATCH_GUARD(session, &s->lock);
        if (s->state == SESSION_ENDED || s->state == SESSION_LOST) {
                ret->state = RECORD_ENDED;
                ret->ended_ms = s->end.ended_ms;
                ret->code = s->end.code;
                ret->signal = s->end.signal;
                CHECK(str_copy(ret->verdict, sizeof ret->verdict, s->end.verdict) == 0);
                ret->wall_ms = s->end.wall_ms;
                ret->cpu_ms = s->end.cpu_ms;
                ret->peak_bytes = s->end.peak_bytes;
                ret->end_offset = s->end.offset;
                return !s->forget;
        }
        ret->state = s->state == SESSION_STARTING ? RECORD_STARTING : RECORD_RUNNING;
        ret->tombstone = s->forget;
        return true;
}

int session_record_now(struct session *s) {
        struct store_session record;
        bool gone = false, written = false;
        int r;

        LATCH_WITH(session, &s->lock) {
                if (s->dropped)
                        return 0;
                written = s->recorded && !s->forget;
                gone = s->holder_gone;
        }
        if (written) { /* only the socket is left to see to */
                if (gone)
                        found_unlink(s->all->deps.config->data, s->about.id);
                return 0;
        }
        if (!record_of(s, &record))
                return session_drop(s);
        r = store_session_put(s->all->deps.store, &record);
        if (r < 0 || record.state != RECORD_ENDED)
                return r;
        LATCH_WITH(session, &s->lock) {
                s->recorded = true;
                gone = s->holder_gone;
        }
        if (gone)
                found_unlink(s->all->deps.config->data, s->about.id);
        sessions_evict(s->all, s->account);
        return 0;
}

static void record_run(struct pool_job *job) {
        struct session *s = CONTAINER_OF(job, struct session, job);

        LATCH_WITH(session, &s->lock)
                s->job_wanted = false;
        int r = session_record_now(s);
        if (r == 0) {
                session_put_away(s, false);
                return;
        }
        log_event(LOG_ERROR, "session.record", LOG_S("session", s->about.id), LOG_E(r));
        LATCH_WITH(session, &s->lock) {
                s->job_wanted = true;
                s->job_after_ns = clock_mono_ns() + UINT64_C(1000000000);
        }
}

static void record_after(struct pool_job *job) {
        struct session *s = CONTAINER_OF(job, struct session, job);
        struct sessions *ss = s->all;
        bool again = false;

        LATCH_WITH(session, &s->lock) {
                s->job_queued = false;
                again = s->job_wanted;
        }
        if (again)
                atomic_store(&ss->look, true); /* sessions_tick submits it */
        session_unref(s);
        LATCH_WITH(session, &ss->lock) {
                ss->jobs--;
                latch_cond_broadcast(&ss->quiet);
        }
}

void session_record_soon(struct session *s) {
        struct sessions *ss = s->all;

        LATCH_WITH(session, &s->lock) {
                s->job_wanted = true;
                if (s->job_queued)
                        return; /* its `after` sees to it */
                s->job_queued = true;
                s->job = (struct pool_job){.run = record_run,
                                           .after = record_after,
                                           .turn = &s->account->turn,
                                           .strand = &s->strand};
        }
        LATCH_WITH(session, &ss->lock)
                ss->jobs++;
        session_ref(s);
        if (pool_submit(ss->deps.pool, &s->job) < 0)
                record_after(&s->job);
}

/* ---- being forgotten ---- */

int session_bury(struct session *s) {
        struct store_session record;

        session_describe(s, &record);
        record.state = RECORD_RUNNING;
        record.tombstone = true;
        return store_session_put(s->all->deps.store, &record);
}

int session_drop(struct session *s) {
        LATCH_WITH(session, &s->lock) {
                if (s->dropped)
                        return 0;
                s->dropped = true;
                latch_cond_broadcast(&s->changed);
        }
        /* The holder first: one that is left behind would be found at the next start, and be a session
         * again. A record that is left behind is only one of a session that was lost. */
        int r = session_say_type(s, HOLD_FORGET);
        if (r == 0 || r == -EPIPE) {
                found_unlink(s->all->deps.config->data, s->about.id);
                r = store_session_remove(s->all->deps.store, s->about.id);
        }
        if (r < 0) {
                LATCH_WITH(session, &s->lock)
                        s->dropped = false;
                return r;
        }
        /* Whoever is about to publish it takes that back, and nobody begins to watch it. */
        LATCH_WITH(session, &s->lock)
                s->gone = true;
        session_forget_kept(s);
        session_unpublish(s);
        session_unwatch(s);
        registry_remove(s->all->by_number, &s->item);
        return 0;
}

/* Ended, recorded, of this account, and not being dropped already: since when, else 0. */
static uint64_t evictable(struct session *s, const struct account *account) {
        if (s->account->user_id != account->user_id)
                return 0;
        LATCH_GUARD(session, &s->lock);
        return s->recorded && !s->dropped ? MAX(s->end.ended_ms, UINT64_C(1)) : 0;
}

/* The oldest of those that may go, if there are more than are kept. */
static struct session *oldest_above(struct registry_item **items, size_t n,
                                    const struct account *account, size_t kept) {
        struct session *oldest = NULL;
        uint64_t since = UINT64_MAX;
        size_t count = 0;

        for (size_t i = 0; i < n; i++) {
                struct session *s = CONTAINER_OF(items[i], struct session, item);
                uint64_t at = evictable(s, account);
                if (at == 0)
                        continue;
                count++;
                if (at < since || (at == since && oldest && s->number < oldest->number)) {
                        since = at;
                        oldest = s;
                }
        }
        return count > kept ? oldest : NULL;
}

void sessions_evict(struct sessions *ss, const struct account *account) {
        struct registry_item **items;
        struct session *s;
        size_t n;

        if (registry_list(ss->by_number, &items, &n) < 0)
                return; /* the next end will */
        while ((s = oldest_above(items, n, account, ss->deps.config->ended_kept)) != NULL) {
                int r = session_drop(s);
                if (r < 0) {
                        log_event(LOG_ERROR, "session.evict", LOG_S("session", s->about.id),
                                  LOG_E(r));
                        break;
                }
        }
        registry_list_free(items, n);
}
