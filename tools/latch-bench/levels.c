/* levels.c - requests per second of one server at level 1 and 2 of its locks' watch, beside level 0. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/macros.h"
#include "bench.h"
#include "client/ws.h"
#include "line.h"
#include "stats.h"
#include "store/datadir.h"
#include "student.h"

#define USERS     2u
#define CALLERS   8u /* sockets, by turns the users' */
#define UNDER_WAY 8u /* requests on each: the workers always have something to do */
#define PAIRS     11u
#define PAIRS_MAX 1001u
#define SLICES                                                                                     \
        8u /* of each side in a pair: what the machine does besides changes within a second */
#define SLICE_NS   UINT64_C(125000000)
#define QUICK_NS   UINT64_C(6000000)
#define PATIENCE_S 20
#define ANSWER_MS  10000u

const struct server_settings bench_levels_settings = {
        "",
        "requests_per_minute = 100000000\naddress_requests_per_minute = 100000000\n",
        "",
};

struct caller {
        struct ws *ws;
        unsigned under_way;
        int64_t asked;
        uint64_t answered;
        bool refused;
};

struct levels {
        const struct bench_options *options;
        struct server *server;
        struct student users[USERS];
        struct line shells[USERS]; /* one each: a list of sessions takes their locks */
        struct line_place places[USERS];
        struct caller callers[CALLERS];
        uint64_t slice_ns;
};

/* ---- callers ---- */

static void on_text(void *arg, const char *text, size_t n) {
        struct caller *c = arg;

        if (memmem(text, n, "\"method\"", 8))
                return; /* news */
        if (!memmem(text, n, "\"result\"", 8))
                c->refused = true;
        c->under_way--;
        c->answered++;
}

static void on_binary(void *arg, const unsigned char *data, size_t n) {
        (void)arg;
        (void)data;
        (void)n;
}

static int ask(struct caller *c) {
        bool list = ++c->asked % 2 == 0;

        c->under_way++;
        return ws_send_json(c->ws, json_pack("{s:s, s:I, s:s, s:{s:s*}}", "jsonrpc", "2.0", "id",
                                             (json_int_t)c->asked, "method",
                                             list ? "session.list" : "fs.stat", "params", "path",
                                             list ? NULL : "home"));
}

/* As many as may be under way, until the slice is over. */
static int feed(struct caller *c, bool over) {
        int r = c->refused ? -EREMOTEIO : 0;

        while (r == 0 && !over && c->under_way < UNDER_WAY)
                r = ask(c);
        return r;
}

static int take(struct levels *l, uint64_t until_ns) {
        struct pollfd fds[CALLERS];
        int r = 0;

        for (size_t i = 0; i < CALLERS; i++)
                fds[i] = (struct pollfd){
                        .fd = ws_fd(l->callers[i].ws),
                        .events = (short)(POLLIN |
                                          (ws_wants_to_write(l->callers[i].ws) ? POLLOUT : 0))};
        if (poll(fds, CALLERS, PATIENCE_S * 1000) <= 0)
                return -ETIMEDOUT;
        bool over = clock_mono_ns() >= until_ns;
        for (size_t i = 0; r == 0 && i < CALLERS; i++) {
                if (fds[i].revents)
                        r = ws_turn(l->callers[i].ws);
                if (r == 0)
                        r = feed(&l->callers[i], over);
        }
        return r;
}

static uint64_t answered(const struct levels *l, unsigned *ret_under_way) {
        uint64_t n = 0;

        *ret_under_way = 0;
        for (size_t i = 0; i < CALLERS; i++) {
                n += l->callers[i].answered;
                *ret_under_way += l->callers[i].under_way;
        }
        return n;
}

/* ---- levels ---- */

static int set_level(const struct levels *l, unsigned level) {
        _cleanup_(freep) char *answer = NULL;
        char request[64];

        (void)snprintf(request, sizeof request, "{\"command\":\"locks.level\",\"level\":%u}",
                       level);
        int r = datadir_ask(l->server->data, request, ANSWER_MS, &answer);
        return r == 0 && !strstr(answer, "\"was\"") ? -EREMOTEIO : r;
}

/* Answers per second in one slice, to the last one that was asked for. */
static int turn(struct levels *l, unsigned level, double *ret) {
        unsigned under_way;
        int r = set_level(l, level);
        uint64_t before = answered(l, &under_way), began = clock_mono_ns();

        for (size_t i = 0; r == 0 && i < CALLERS; i++)
                r = feed(&l->callers[i], false);
        do {
                if (r == 0)
                        r = take(l, began + l->slice_ns);
                if (r < 0)
                        return r;
                *ret = (double)(answered(l, &under_way) - before) * 1e9 /
                       (double)(clock_mono_ns() - began);
        } while (under_way > 0);
        return 0;
}

/* How many of n sorted values may be left out at each end so that the median of what they are from lies between the
 * rest with at least 95 %: each value is above it or below, as a coin falls (order statistics; exact). */
static unsigned bound(unsigned n) {
        double one = 1, below = 0; /* P(exactly k), P(at most k) of n coins */
        unsigned k = 0;

        for (unsigned i = 0; i < n; i++)
                one /= 2;
        for (; k < n / 2; k++) {
                below += one;
                if (2 * below > 0.05)
                        break;
                one = one * (n - k) / (k + 1);
        }
        return k > 0 ? k - 1 : 0;
}

static void tell(unsigned level, double *ratios, unsigned n, bool json) {
        double median = stats_of(ratios, n).p50, low = ratios[bound(n)],
               high = ratios[n - 1 - bound(n)];

        if (json)
                printf("{\"bench\":\"levels\",\"level\":%u,\"pairs\":%u,\"ratio\":%.4f,\"low\":%.4f,"
                       "\"high\":%.4f}\n",
                       level, n, median, low, high);
        else
                printf("level %u, median of %u pairs: %.1f %% of the requests per second at level 0 (95 %%: %.1f "
                       "to %.1f)\n",
                       level, n, median * 100, low * 100, high * 100);
        (void)fflush(stdout);
}

/* Slices of both by turns, who begins by turns, too: ours to level 0. */
static int pair(struct levels *l, unsigned level, double *ret) {
        double at_level = 0, at_zero = 0, rate;
        int r = 0;

        for (unsigned i = 0; r == 0 && i < 2 * SLICES; i++) {
                bool zero = i % 4 == 0 || i % 4 == 3;
                r = turn(l, zero ? 0 : level, &rate);
                *(zero ? &at_zero : &at_level) += r == 0 ? rate : 0;
        }
        if (r == 0)
                *ret = at_level / at_zero;
        return r;
}

static int measure(struct levels *l, unsigned level) {
        static double ratios[PAIRS_MAX];
        unsigned n = MIN(bench_rounds(l->options, PAIRS), PAIRS_MAX);
        double unused;
        int r = turn(l, level, &unused); /* to be warm */

        for (unsigned i = 0; r == 0 && i < n; i++)
                r = pair(l, level, &ratios[i]);
        if (r == 0)
                tell(level, ratios, n, l->options->json);
        return r;
}

/* ---- */

static int open_caller(struct levels *l, size_t i) {
        static const struct ws_events events = {.text = on_text, .binary = on_binary};
        const struct site *site = &l->server->site;
        const struct ws_target t = {site->host,
                                    site->port,
                                    "/v1/ws",
                                    "latch.v1",
                                    l->users[i % USERS].token,
                                    l->options->deadline_ns};
        int status = 0;

        return ws_open(&t, &events, &l->callers[i], &l->callers[i].ws, &status);
}

static int open_user(struct levels *l, size_t i) {
        struct student *u = &l->users[i];

        student_init(u);
        (void)snprintf(u->name, sizeof u->name, "bench-%zu", i);
        (void)snprintf(u->password, sizeof u->password, "password of %zu", i);
        int r = server_add_user(l->server, u->name, u->password, l->options->deadline_ns);
        if (r < 0)
                return r;
        student_sign_in(u, &l->server->site, l->options->deadline_ns);
        if (class_troubles(u, 1) > 0)
                return -EREMOTEIO;
        l->places[i] = (struct line_place){.site = &l->server->site,
                                           .wire = LINE_LATCH,
                                           .token = u->token,
                                           .deadline_ns = l->options->deadline_ns};
        return line_open(&l->places[i], &l->shells[i]);
}

int bench_levels(struct server *server, const struct bench_options *o) {
        static struct levels l;
        int r = 0;

        l.options = o;
        l.server = server;
        l.slice_ns = o->quick ? QUICK_NS : SLICE_NS;
        for (size_t i = 0; i < USERS; i++)
                l.shells[i] = LINE_NONE;
        for (size_t i = 0; r == 0 && i < USERS; i++)
                r = open_user(&l, i);
        for (size_t i = 0; r == 0 && i < CALLERS; i++)
                r = open_caller(&l, i);
        for (unsigned level = 1; r == 0 && level <= 2; level++)
                r = measure(&l, level);
        for (size_t i = 0; i < CALLERS; i++)
                l.callers[i].ws = ws_close(l.callers[i].ws);
        for (size_t i = 0; i < USERS; i++) {
                line_end(&l.shells[i]);
                student_done(&l.users[i]);
        }
        if (r < 0)
                fprintf(stderr, "latch-bench: levels: %s\n", strerror(-r));
        return r < 0;
}
