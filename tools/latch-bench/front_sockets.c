/* front_sockets.c - see front.h: how fast sockets come and go, and what those that are idle weigh. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "front.h"
#include "pairs.h"
#include "usage.h"

#define AT_ONCE     16 /* upgrades under way */
#define BATCHES     200u
#define ROUNDS      21u
#define TURNS       3u /* that a process serves */
#define WARM        5u /* turns that do not count, after its start: each thread has served some */
#define SOCKETS     1000u
#define SOCKETS_MIN 50u /* quick */
#define PAYLOAD     64u

/* ---- upgrades ---- */

struct upgrades {
        struct front_run *run;
        bool bare;
        unsigned batches, turns; /* of a turn; of this side so far */
};

static const struct site *site_of(const struct upgrades *u) {
        return u->bare ? &u->run->civet.site : &u->run->server->site;
}

static pid_t pid_of(const struct upgrades *u) {
        return u->bare ? u->run->civet.process.pid : u->run->server->latchd.pid;
}

/* Says that there is nothing to come, and waits until the server has let go. */
static int await_end(int fd) {
        char byte;

        if (shutdown(fd, SHUT_WR) < 0)
                return -errno;
        for (;;) {
                ssize_t n = recv(fd, &byte, 1, 0);
                if (n <= 0)
                        return n < 0 && errno != ECONNRESET ? -errno : 0;
        }
}

static int batch(const struct site *site, uint64_t deadline_ns) {
        int fds[AT_ONCE], r = 0;
        size_t n = 0;

        while (r == 0 && n < AT_ONCE) {
                r = front_connect(site, deadline_ns, &fds[n]);
                if (r == 0)
                        r = front_ask_upgrade(fds[n++], site);
        }
        for (size_t i = 0; i < n && r == 0; i++)
                r = front_take_upgrade(fds[i]);
        for (size_t i = 0; i < n && r == 0; i++)
                r = await_end(fds[i]);
        for (size_t i = 0; i < n; i++)
                fd_close(fds[i]);
        return r;
}

static int batches(const struct upgrades *u, unsigned n) {
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++)
                r = batch(site_of(u), u->run->options->deadline_ns);
        return r;
}

/* How a process's threads and memory happen to lie makes a third of difference, and stays: so it is not always the
 * same process. */
static int renew(const struct upgrades *u) {
        uint64_t deadline_ns = u->run->options->deadline_ns;
        int r;

        if (u->bare) {
                listener_end(&u->run->civet);
                r = front_civet(u->run->server, u->run->threads, deadline_ns, &u->run->civet);
        } else {
                r = server_end(u->run->server);
                if (r == 0)
                        r = server_start(u->run->server, &bench_front_settings, deadline_ns);
        }
        return r == 0 ? batches(u, WARM * u->batches) : r;
}

static int upgrade_turn(void *side, double to[PAIRS_VALUES]) {
        struct upgrades *u = side;
        int r = u->turns++ % TURNS ? 0 : renew(u);
        uint64_t began = clock_mono_ns(), cpu = usage_cpu_ns(pid_of(u));

        if (r == 0)
                r = batches(u, u->batches);
        to[0] = u->batches * AT_ONCE / ((double)(clock_mono_ns() - began) / 1e9);
        to[1] = (double)(usage_cpu_ns(pid_of(u)) - cpu) / 1e3 / (u->batches * AT_ONCE);
        return r;
}

int front_upgrades(struct front_run *run) {
        const struct bench_options *o = run->options;
        unsigned n = o->quick ? 2 : BATCHES;
        struct upgrades ours = {run, false, n, 0}, bare = {run, true, n, 0};
        const struct pairs_plan plan = {
                .bench = "front",
                .name = "upgrades",
                .values = 2,
                .names = {"upgrades_per_s", "cpu_us"},
                .ours = {NULL, upgrade_turn, &ours},
                .peers = {{"civetweb's own echo", upgrade_turn, &bare}},
                .rounds = bench_rounds(o, ROUNDS),
        };

        return pairs_run(&plan, o->json);
}

/* ---- memory ---- */

struct weight {
        unsigned long before_kib, after_kib;
};

/* Opens sockets; one echo through each says that it is open on the other side, too. */
static int weigh_sockets(pid_t pid, const struct site *site, unsigned sockets, uint64_t deadline_ns,
                         struct weight *ret) {
        _cleanup_(front_frame_done) struct front_frame frame = {0};
        int *fds = malloc(sockets * sizeof *fds),
            r = fds ? usage_pss_kib(pid, &ret->before_kib) : -ENOMEM;
        unsigned char answer[PAYLOAD + 4];
        unsigned n = 0;

        if (r == 0)
                r = front_frame(PAYLOAD, &frame);
        while (r == 0 && n < sockets) {
                r = front_connect(site, deadline_ns, &fds[n]);
                if (r < 0)
                        break;
                r = front_ask_upgrade(fds[n], site);
                if (r == 0)
                        r = front_take_upgrade(fds[n]);
                if (r == 0)
                        r = front_exchange(fds[n], &frame, answer);
                n++;
        }
        if (r == 0)
                r = usage_pss_kib(pid, &ret->after_kib);
        for (unsigned i = 0; i < n; i++)
                fd_close(fds[i]);
        free(fds);
        return r;
}

static void tell_weights(const struct weight *ours, const struct weight *bare, unsigned sockets,
                         bool json) {
        unsigned long ours_kib = ours->after_kib - ours->before_kib,
                      bare_kib = bare->after_kib - bare->before_kib;
        double ratio = bare_kib ? (double)ours_kib / (double)bare_kib : 0;

        if (json)
                printf("{\"bench\":\"front\",\"case\":\"idle\",\"sockets\":%u,\"unit\":\"KiB\",\"ours\":%lu,"
                       "\"bare\":%lu,\"ratio\":%.3f,\"ours_all\":%lu,\"bare_all\":%lu,\"ratio_all\":%.3f}\n",
                       sockets, ours_kib, bare_kib, ratio, ours->after_kib, bare->after_kib,
                       (double)ours->after_kib / (double)bare->after_kib);
        else
                printf("%u idle sockets take %lu KiB beside civetweb's %lu, ratio %.2f; the whole process %lu "
                       "and %lu\n",
                       sockets, ours_kib, bare_kib, ratio, ours->after_kib, bare->after_kib);
        (void)fflush(stdout);
}

int front_idle(struct front_run *run) {
        const struct bench_options *o = run->options;
        unsigned sockets = o->quick ? SOCKETS_MIN : SOCKETS;
        struct weight ours, bare;
        int r = weigh_sockets(run->server->latchd.pid, &run->server->site, sockets, o->deadline_ns,
                              &ours);

        if (r == 0)
                r = weigh_sockets(run->civet.process.pid, &run->civet.site, sockets, o->deadline_ns,
                                  &bare);
        if (r == 0)
                tell_weights(&ours, &bare, sockets, o->json);
        return r;
}
