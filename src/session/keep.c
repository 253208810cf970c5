/* keep.c - what an ended session leaves: after a while its last output goes into a file, and its holder goes.
 *
 * On its strand. The ring stays for those who are reading from it; then the pump, which alone reads there without a
 * lock, lets it go. Who comes later is served from the file.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/ask.h"
#include "session/keep.h"
#include "session/kept.h"

#define RETRY_MS 60000u /* a disk that was full */

void session_keep_later(struct session *s, unsigned ms) {
        uint64_t at = clock_mono_ns() + ms * UINT64_C(1000000);

        LATCH_WITH(session, &s->lock)
                s->keep_ns = MAX(at, UINT64_C(1));
        sessions_look_at(s->all, at);
}

/* ---- the file ---- */

struct leaving { /* what is to be kept of it */
        struct ring_reader *ring;
        uint64_t end;
        bool draws;
};

static bool is_due(struct session *s, bool now, struct leaving *ret) {
        LATCH_GUARD(session, &s->lock);
        if (!s->ring || s->put_away || s->keeping || !s->recorded || s->dropped || s->forget ||
            s->mute)
                return false;
        if (!now && (s->keep_ns == 0 || clock_mono_ns() < s->keep_ns))
                return false;
        s->keeping = true;
        *ret = (struct leaving){.ring = s->ring_bad ? NULL : s->ring,
                                .end = s->end.offset,
                                .draws = s->draws && !s->holder_gone && !s->ring_bad};
        return true;
}

/* 0 also where there is none; what is too large, and what is no picture, is none. */
static int picture_of(struct session *s, const struct leaving *l, struct buf *ret) {
        uint64_t tag = 0, offset = l->end;

        if (!l->draws)
                return 0;
        LATCH_WITH(session, &s->lock)
                tag = ++s->last_tag;
        int r = session_ask_snapshot(s, tag, ret, &offset);
        if (r == 0 && (offset != l->end || ret->n > KEPT_PICTURE_MAX))
                r = -EPROTO;
        if (r == 0 || (r != -EPROTO && r != -ENODATA))
                return r;
        buf_clear(ret);
        log_event(LOG_WARN, "session.snapshot", LOG_S("session", s->about.id), LOG_E(r));
        return 0;
}

static int write_file(struct session *s, const struct leaving *l, uint64_t *ret_size) {
        const struct config *config = s->all->deps.config;
        struct buf picture = BUF_INIT(HOLD_SNAPSHOT_MAX);
        _cleanup_(kept_freep) struct kept *k = NULL;
        int r = picture_of(s, l, &picture);

        if (r == 0)
                r = kept_make(s->about.id, l->ring, l->end, config->ended_bytes, &picture, &k);
        if (r == -EPROTO) /* its ring is not what it was */
                r = kept_make(s->about.id, NULL, l->end, 0, &picture, &k);
        if (r == 0)
                r = kept_write(config->data, s->about.id, k);
        if (r == 0)
                *ret_size = k->file.n;
        buf_done(&picture);
        return r;
}

/* ---- all of them together ---- */

static uint64_t size_of(struct session *s, uint64_t *ret_since) {
        LATCH_GUARD(session, &s->lock);
        *ret_since = s->end.ended_ms;
        return s->kept_bytes;
}

static struct session *oldest_kept(struct registry_item **items, size_t n, uint64_t *ret_sum) {
        struct session *oldest = NULL;
        uint64_t first = UINT64_MAX;

        *ret_sum = 0;
        for (size_t i = 0; i < n; i++) {
                struct session *s = CONTAINER_OF(items[i], struct session, item);
                uint64_t since, size = size_of(s, &since);
                *ret_sum += size;
                if (size > 0 && since < first) {
                        first = since;
                        oldest = s;
                }
        }
        return oldest;
}

void session_forget_kept(struct session *s) {
        bool was = false;

        LATCH_WITH(session, &s->lock) {
                was = s->kept_bytes > 0;
                s->kept_bytes = 0;
        }
        if (was)
                kept_unlink(s->all->deps.config->data, s->about.id);
}

void sessions_trim_kept(struct sessions *ss) {
        struct registry_item **items;
        struct session *oldest;
        uint64_t sum;
        size_t n;

        if (registry_list(ss->by_number, &items, &n) < 0)
                return; /* the next one will */
        while ((oldest = oldest_kept(items, n, &sum)) && sum > ss->deps.config->ended_total_bytes) {
                log_event(LOG_INFO, "session.kept_no_more", LOG_S("session", oldest->about.id));
                session_forget_kept(oldest);
        }
        registry_list_free(items, n);
}

/* ---- the whole ---- */

static void put_off(struct session *s, int error) {
        bool told = false;

        LATCH_WITH(session, &s->lock) {
                told = s->keep_failed;
                s->keep_failed = true;
                s->keeping = false;
        }
        if (!told)
                log_event(LOG_ERROR, "session.keep", LOG_S("session", s->about.id), LOG_E(error));
        session_keep_later(s, RETRY_MS);
}

void session_put_away(struct session *s, bool now) {
        struct leaving l = {.end = 0};
        uint64_t size = 0;
        bool dropped = false;

        latch_blocking("session_put_away");
        if (!is_due(s, now, &l))
                return;
        int r = write_file(s, &l, &size);
        if (r < 0) {
                put_off(s, r);
                return;
        }
        LATCH_WITH(session, &s->lock) {
                s->put_away = true;
                s->keeping = false;
                s->keep_ns = 0;
                dropped =
                        s->dropped; /* meanwhile: whoever did may have been too early for the file */
                s->kept_bytes = size;
        }
        if (dropped)
                session_forget_kept(s);
        session_tell(s, HOLD_FORGET);
        atomic_store(&s->all->look, true); /* for the ring */
        sessions_trim_kept(s->all);
}

/* ---- the pump's part ---- */

static bool is_time(struct session *s, uint64_t now, uint64_t *ret_at) {
        LATCH_GUARD(session, &s->lock);
        *ret_at = s->keep_ns;
        return s->keep_ns != 0 && s->keep_ns <= now && s->ring && s->recorded && !s->mute &&
               !s->keeping && !s->dropped;
}

void session_see_to_keep(struct session *s) {
        uint64_t at, now = clock_mono_ns();

        if (is_time(s, now, &at))
                session_record_soon(s);
        else if (at > now)
                sessions_look_at(s->all, at);
}

bool session_release_ring(struct session *s) {
        struct ring_reader *ring = NULL;

        LATCH_WITH(session, &s->lock) {
                if (!s->put_away || !s->ring)
                        return true;
                if (s->viewer_count + s->reserved > 0)
                        return false;
                ring = TAKE_PTR(s->ring);
        }
        ring_reader_free(ring);
        return true;
}
