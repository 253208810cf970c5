/* notice.c - the texts of a channel, in the order in which they are told. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "session/viewer_private.h"

/* The refusal first: whoever is refused for want of room waits for the acknowledgement. */
static void input_next_locked(struct viewer *v, struct notice *n) LATCH_MUST_HOLD(session) {
        if (v->refusal_untold) {
                v->refusal_untold = false;
                *n = (struct notice){
                        .what = NOTICE_REFUSED, .a = v->refusal_offset, .why = v->refusal_code};
        } else if (v->ack_untold) {
                v->ack_untold = false;
                *n = (struct notice){.what = NOTICE_INPUT_ACK, .a = v->ack_offset};
        }
}

/* 0: it is used. */
static uint64_t left_ms_locked(const struct session *s) LATCH_MUST_HOLD(session) {
        uint64_t now = clock_mono_ns();

        if (s->expires_ns == 0)
                return 0;
        return s->expires_ns > now ? (s->expires_ns - now) / 1000000 + 1 : 1;
}

static void others_next_locked(struct viewer *v, struct notice *n) LATCH_MUST_HOLD(session) {
        const struct session *s = v->session;

        if (v->driver_told != s->driver_changes && !v->drive_unanswered) {
                v->driver_told = s->driver_changes;
                *n = (struct notice){
                        .what = NOTICE_DRIVER, .a = s->driver == v, .why = s->driver_why};
        } else if (v->size_told != s->size_changes) {
                v->size_told = s->size_changes;
                *n = (struct notice){
                        .what = NOTICE_RESIZED, .a = s->cols, .b = s->rows, .why = s->size_why};
        } else if (v->viewers_told != s->viewer_changes) {
                v->viewers_told = s->viewer_changes;
                *n = (struct notice){
                        .what = NOTICE_VIEWERS, .a = s->viewer_count, .why = s->viewer_why};
        } else if (v->expiry_told != s->expiry_changes) {
                v->expiry_told = s->expiry_changes;
                *n = (struct notice){.what = NOTICE_EXPIRING, .a = left_ms_locked(s)};
        }
}

void notice_next_locked(struct viewer *v, struct notice *ret) {
        *ret = (struct notice){.what = NOTICE_NONE};
        if (!v->raw)
                input_next_locked(v, ret);
        if (ret->what == NOTICE_NONE)
                others_next_locked(v, ret);
        if (ret->what != NOTICE_NONE || !v->gap_untold)
                return;
        const struct viewer_gap *gap = &v->gaps[v->gap_count - 1];
        *ret = (struct notice){.what = NOTICE_GAP, .a = gap->from, .b = gap->to};
        v->gap_untold = false;
}

/* Appends; what does not fit is a broken promise: every notice is far below VIEWER_BUFFER_MIN. */
struct text {
        char *to;
        size_t n, cap;
};

static void say(struct text *t, const char *fmt, ...) _printf_(2, 3);
static void say(struct text *t, const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        int k = vsnprintf(t->to + t->n, t->cap - t->n, fmt, args);
        va_end(args);
        CHECK(k >= 0 && (size_t)k < t->cap - t->n);
        t->n += (size_t)k;
}

static void say_exit(struct text *t, const struct session_end *e) {
        const char *name = e->signal > 0 ? sigabbrev_np(e->signal) : NULL;

        if (e->signal > 0 && name)
                say(t, ",\"signal\":\"%s\"", name);
        else if (e->signal > 0)
                say(t, ",\"signal\":\"%d\"", e->signal);
        else
                say(t, ",\"code\":%d", e->code);
        say(t, ",\"verdict\":\"%s\"", e->verdict);
        say(t, ",\"usage\":{\"wall_ms\":%" PRIu64 ",\"cpu_ms\":%" PRIu64, e->wall_ms, e->cpu_ms);
        say(t, ",\"peak_bytes\":%" PRIu64 "},\"offset\":%" PRIu64, e->peak_bytes, e->offset);
}

static void say_params(struct text *t, const struct notice *n) {
        switch (n->what) {
        case NOTICE_INPUT_ACK: say(t, ",\"offset\":%" PRIu64, n->a); break;
        case NOTICE_REFUSED: say(t, ",\"offset\":%" PRIu64 ",\"code\":\"%s\"", n->a, n->why); break;
        case NOTICE_DRIVER:
                say(t, ",\"driver\":%s,\"why\":\"%s\"", n->a ? "true" : "false", n->why);
                break;
        case NOTICE_RESIZED:
                say(t, ",\"cols\":%" PRIu64 ",\"rows\":%" PRIu64, n->a, n->b);
                say(t, ",\"why\":\"%s\"", n->why);
                break;
        case NOTICE_VIEWERS: say(t, ",\"viewers\":%" PRIu64 ",\"why\":\"%s\"", n->a, n->why); break;
        case NOTICE_EXPIRING: say(t, ",\"in_ms\":%" PRIu64, n->a); break;
        case NOTICE_GAP: say(t, ",\"from\":%" PRIu64 ",\"to\":%" PRIu64, n->a, n->b); break;
        case NOTICE_EXIT: say_exit(t, &n->end); break;
        case NOTICE_NONE: CHECK(!"a notice");
        }
}

/* As they are now: who came or went since is told of next. */
static void say_watchers(struct text *t, struct session *s) {
        struct session_watcher all[SESSION_WATCHERS_MAX];
        size_t n = session_watchers(s, all);

        say(t, ",\"watchers\":[");
        for (size_t i = 0; i < n; i++)
                say(t, "%s{\"name\":\"%s\",\"role\":\"%s\"}", i > 0 ? "," : "", all[i].name,
                    role_name(all[i].role));
        say(t, "]");
}

/* The members that a channel's notices have by the protocol alone: `session` where it stands there. */
size_t notice_text(const struct viewer *v, const struct notice *n, char *buf, size_t cap) {
        static const char *const methods[] = {
                [NOTICE_INPUT_ACK] = "input_ack", [NOTICE_REFUSED] = "input_refused",
                [NOTICE_DRIVER] = "driver",       [NOTICE_RESIZED] = "resized",
                [NOTICE_VIEWERS] = "viewers",     [NOTICE_GAP] = "gap",
                [NOTICE_EXPIRING] = "expiring",   [NOTICE_EXIT] = "exit",
        };
        struct text t = {buf, 0, cap};

        say(&t, "{\"jsonrpc\":\"2.0\",\"method\":\"session.%s\",\"params\":{", methods[n->what]);
        if (n->what == NOTICE_EXIT || n->what == NOTICE_DRIVER || n->what == NOTICE_RESIZED ||
            n->what == NOTICE_VIEWERS || n->what == NOTICE_EXPIRING)
                say(&t, "\"session\":\"%s\",", v->session->about.id);
        say(&t, "\"channel\":%" PRIu32, v->channel);
        say_params(&t, n);
        if (n->what == NOTICE_VIEWERS)
                say_watchers(&t, v->session);
        say(&t, "}}");
        return t.n;
}
