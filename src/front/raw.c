/* raw.c - see raw.h. */
#include "front/raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "front/front_private.h"
#include "front/pump_private.h"
#include "session/session.h"
#include "session/viewer.h"

#define LOOK_NS 200000000ull /* how soon a seat that was lost, and a close of ours, is noticed */

struct raw {
        struct session *session; /* referenced */
        struct session_join join;
};

/* ---- the request ---- */

static bool read_since(const char *value, struct session_join *join) {
        join->has_since = true;
        return str_to_u64(value, 0, INT64_MAX, &join->since) == 0;
}

static bool read_role(const char *value, struct session_join *join) {
        bool drives = str_eq(value, "driver");

        join->role = drives ? SESSION_ROLE_DRIVER : SESSION_ROLE_VIEWER;
        return drives || str_eq(value, "viewer");
}

static bool read_ticket(const char *value, struct session_join *join) {
        (void)value; /* who asks is known already */
        (void)join;
        return true;
}

static const struct {
        const char *name;
        bool (*read)(const char *value, struct session_join *join);
        const char *wrong;
} parameters[] = {
        {"since", read_since, "\"since\" is the number of a byte of output"},
        {"role", read_role, "\"role\" is driver or viewer"},
        {"ticket", read_ticket, NULL},
};

/* One name=value, which is cut at its '='. NULL, or what is wrong with it. */
static const char *read_parameter(char *text, struct session_join *join, unsigned *seen) {
        char *value = strchr(text, '=');

        if (value)
                *value++ = '\0';
        for (size_t i = 0; i < ELEMENTS(parameters); i++) {
                if (!str_eq(parameters[i].name, text))
                        continue;
                if (*seen & 1u << i)
                        return "a parameter stands twice that may stand once";
                *seen |= 1u << i;
                return parameters[i].read(value ? value : "", join) ? NULL : parameters[i].wrong;
        }
        return "the parameters are \"since\", \"role\" and \"ticket\"";
}

/* False: it was answered. */
static bool read_query(struct request *r, struct session_join *join) {
        _cleanup_(freep) char *query = strdup(r->ri->query_string ? r->ri->query_string : "");
        char *rest = query, *text;
        const char *wrong = NULL;
        unsigned seen = 0;

        if (!query) {
                http_errno(r, -ENOMEM);
                return false;
        }
        while (!wrong && (text = strsep(&rest, "&")))
                if (*text)
                        wrong = read_parameter(text, join, &seen);
        if (wrong)
                http_error(r, 400, "invalid", wrong);
        return !wrong;
}

/* False: it was answered. */
static bool may_be_had(struct request *r, const struct raw *raw) {
        char words[128];
        int e;

        e = raw->session ? session_reaches(raw->session, raw->join.since) : -ENOENT;
        if (e == -ENOENT) {
                http_error(r, 404, "not_found", "there is no such session");
        } else if (e == -EINVAL) {
                snprintf(words, sizeof words,
                         "\"since\" is %llu, and the session has not put out that much",
                         (unsigned long long)raw->join.since);
                http_error(r, 400, "invalid", words);
        } else if (e < 0) {
                http_errno(r, e);
        }
        return e == 0;
}

bool raw_asked(struct request *r, struct raw **ret) {
        struct raw *raw = calloc(1, sizeof *raw);

        if (!raw) {
                http_errno(r, -ENOMEM);
                return false;
        }
        raw->join.raw = true;
        raw->session = sessions_find(r->front->deps.sessions, r->identity->account, r->rest);
        if (!read_query(r, &raw->join) || !may_be_had(r, raw)) {
                raw_free(raw);
                return false;
        }
        *ret = raw;
        return true;
}

struct raw *raw_free(struct raw *raw) {
        if (!raw)
                return NULL;
        session_unref(raw->session);
        free(raw);
        return NULL;
}

/* ---- the socket ---- */

static void close_for(struct sock *c, int error, const struct session_refusal *no) {
        if (error == -ENOENT)
                sock_close(c, 1000, "the session has ended");
        else if (error == -EUSERS)
                sock_close(c, 1013, no->words);
        else
                sock_close(c, 1013, "it cannot be attached to just now");
}

struct typing *raw_begin(const struct raw *raw, struct sock *c) {
        struct session_joined joined;
        struct session_refusal no;
        struct typing *t = NULL;
        int r = session_attach(raw->session, &c->port, &raw->join, &joined, &no);

        if (r == 0) {
                r = typing_new(joined.viewer, &t);
                if (r == 0)
                        viewer_activate(joined.viewer);
                viewer_unref(joined.viewer);
        }
        if (r < 0)
                close_for(c, r, &no);
        return t;
}

/* What was received is typed though its sender goes, as long as the program reads. */
void raw_type(struct sock *c, struct typing *t, const void *data, size_t n) {
        uint64_t moved_ns = clock_mono_ns();
        const char *at = data;

        while (t) {
                size_t taken = typing_add(t, at, n);
                uint64_t now = clock_mono_ns();

                at += taken;
                n -= taken;
                if (n == 0)
                        return;
                if (typing_wait(t, now + LOOK_NS) || taken)
                        moved_ns = now;
                /* What it would say in answer to a ping stands behind what we do not read. */
                atomic_store(&c->heard_ns, clock_mono_ns());
                if (atomic_load(&c->close_code))
                        return; /* nothing that comes counts any more */
                if (now - moved_ns >= c->pump->times.stall_ns)
                        sock_close(c, 1008, "no progress");
        }
}
