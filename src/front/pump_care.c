/* pump_care.c - what is looked at for each socket a few times a second. */
#include "front/pump_private.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "session/viewer.h"

#define ANSWERS_NS 500000000u /* with a look and the close: in a second */

enum { OP_TEXT = 1, OP_PING = 9 };

/* A close frame is queued or was received: it has CLOSE_NS to be answered. */
static bool closing(struct sock *c, uint64_t now_ns) {
        if (!atomic_load(&c->close_code) && !atomic_load(&c->close_received))
                return false;
        if (c->close_until_ns == 0)
                c->close_until_ns = now_ns + SOCK_CLOSE_NS;
        if (now_ns >= c->close_until_ns)
                sock_cut(c);
        return true;
}

/* Bytes that the kernel holds for the peer are going down: that is progress of TCP. */
static void watch_kernel(struct sock *c, uint64_t now_ns) {
        int waiting = 0;

        if (!c->blocked || ioctl(c->fd, SIOCOUTQ, &waiting) < 0)
                return;
        if (c->waiting_bytes >= 0 && waiting < c->waiting_bytes)
                atomic_store(&c->progress_ns, now_ns);
        c->waiting_bytes = waiting;
}

/* Since when output has waited for an acknowledgement on this socket; 0: it does not. */
static uint64_t stalled_since(struct sock *c) {
        struct viewer *viewers[PORT_CHANNELS_MAX];
        size_t n = c->echo ? 0 : port_viewers(&c->port, viewers);
        uint64_t since = 0;

        for (size_t i = 0; i < n; i++) {
                uint64_t s = viewer_stalled_since(viewers[i]);

                if (s && (since == 0 || s < since))
                        since = s;
                viewer_unref(viewers[i]);
        }
        return since;
}

/* Data waits, in our hands or behind a shut window. */
static bool waiting(struct pump *p, struct sock *c, uint64_t now_ns) {
        uint64_t since = stalled_since(c), moved;

        watch_kernel(c, now_ns);
        if (!since && !c->blocked)
                return false;
        moved = atomic_load(&c->progress_ns); /* maybe just now, later than now_ns */
        since = MAX(since, moved);
        if (now_ns > since && now_ns - since >= p->times.stall_ns)
                sock_close(c, 1008, "no progress");
        return true;
}

/* Someone who is there answers pings. Where data waits, the rule for that judges. */
static void listen_for_life(struct pump *p, struct sock *c, uint64_t now_ns) {
        uint64_t heard = atomic_load(&c->heard_ns);
        uint64_t silent = now_ns > heard ? now_ns - heard : 0;

        if (silent >= p->times.silent_ns) {
                sock_close(c, 1008, "no answer to pings");
        } else if (silent >= p->times.ping_ns && now_ns - c->pinged_ns >= p->times.ping_ns) {
                c->pinged_ns = now_ns;
                sock_send(c, OP_PING, "", 0);
        }
}

/* Whoever ends his own sign-in, by a change of his role say, hears first that it was done. Nothing more is begun for him
 * meanwhile (rpc), and what takes its time is not waited for. */
static bool answers_are_due(struct sock *c, uint64_t now_ns) {
        if (atomic_load(&c->port.requests) == 0)
                return false;
        if (c->answers_until_ns == 0)
                c->answers_until_ns = now_ns + ANSWERS_NS;
        return now_ns < c->answers_until_ns;
}

/* Why, for the page, and then the end. */
static void say_signed_out(struct sock *c) {
        static const char *const whys[] = {
                [AUTH_EXPIRED] = "expired",     [AUTH_SIGNED_OUT] = "signed_out",
                [AUTH_RENEWED] = "renewed",     [AUTH_TOO_MANY] = "too_many_sign_ins",
                [AUTH_ELSEWHERE] = "elsewhere", [AUTH_ENDED] = "ended",
                [AUTH_PASSWORD] = "password",   [AUTH_ROLE] = "role",
                [AUTH_DISABLED] = "disabled",   [AUTH_DELETED] = "deleted",
        };
        enum auth_end why = identity_why(c->port.identity);
        char text[128];
        int n = snprintf(text, sizeof text,
                         "{\"jsonrpc\":\"2.0\",\"method\":\"user.signed_out\",\"params\":{\"why\":"
                         "\"%s\"}}",
                         whys[why]);

        if (!c->raw)
                sock_send(c, OP_TEXT, text, (size_t)n);
        sock_close(c, 1008,
                   why == AUTH_ELSEWHERE ? "no longer signed in: signed in elsewhere"
                                         : "no longer signed in");
}

void pump_care(struct pump *p, struct sock *c, uint64_t now_ns) {
        if (atomic_load(&c->gone) || closing(c, now_ns))
                return;
        if (!c->echo && !identity_valid(c->port.identity)) {
                if (!answers_are_due(c, now_ns))
                        say_signed_out(c);
                return;
        }
        if (!waiting(p, c, now_ns))
                listen_for_life(p, c, now_ns);
}
