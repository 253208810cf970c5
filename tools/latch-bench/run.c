/* run.c - from "run" to the first output of print(1): over the socket, and beside it the least that a cage
 * with Python in it can take: bubblewrap with the same namespaces, started from here, its output a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "bench.h"
#include "client/ws.h"
#include "stats.h"

#define PROGRAM      "print(1)\n"
#define PROGRAM_PATH "home/first.py"
#define ROUNDS       20u
#define WARM_UP      2u /* rounds that are not counted: page cache, compiled imports */

struct rounds {
        double *latch, *bare; /* ms */
        size_t n, wanted;
};

/* ---- bare ---- */

/* The program lies in a folder of its own, which the cage shows as /work. */
struct bare {
        char dir[64];
};

static int bare_make(struct bare *b) {
        char path[96];

        strcpy(b->dir, "/tmp/latch-bench-XXXXXX");
        if (!mkdtemp(b->dir)) {
                b->dir[0] = '\0';
                return -errno;
        }
        (void)snprintf(path, sizeof path, "%s/first.py", b->dir);
        _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        return fd_write_all(fd, PROGRAM, strlen(PROGRAM));
}

static void bare_done(struct bare *b) {
        char path[96];

        if (b->dir[0] == '\0')
                return;
        (void)snprintf(path, sizeof path, "%s/first.py", b->dir);
        if ((unlink(path) < 0 && errno != ENOENT) || rmdir(b->dir) < 0)
                fprintf(stderr, "latch-bench: %s: %s\n", b->dir, strerror(errno));
}

static int bare_round(const struct bare *b, uint64_t deadline_ns, double *ret_ms) {
        const char *const argv[] = {
                "bwrap", BENCH_CAGE, "--new-session",    "--bind",   b->dir, "/work", "--chdir",
                "/work", "--",       "/usr/bin/python3", "first.py", NULL};
        _cleanup_(process_end) struct process p = PROCESS_NONE;
        char first[8];
        uint64_t began = clock_mono_ns();

        int r = process_start(
                &(struct process_plan){"/usr/bin/bwrap", argv, STDERR_FILENO, .out = true}, &p);
        if (r == 0)
                r = fd_wait(p.out, POLLIN, deadline_ns);
        if (r < 0)
                return r;
        ssize_t n = read(p.out, first, sizeof first);
        *ret_ms = (double)(clock_mono_ns() - began) / 1e6;
        if (n < 1 || first[0] != '1')
                return -EPROTO;
        r = process_wait(&p, deadline_ns);
        return r > 0 ? -EREMOTEIO : r;
}

/* ---- over the socket ---- */

static int latch_round(struct student *s, uint64_t deadline_ns, double *ret_ms) {
        student_run(s, PROGRAM_PATH);
        int r = students_until(s, 1, STUDENT_ENDED, deadline_ns);
        if (r < 0)
                return r;
        if (student_failed(s) || s->output.n < 1 || s->output.data[0] != '1')
                return -EPROTO;
        *ret_ms = (double)(s->first_ns - s->opened_ns) / 1e6;
        return 0;
}

/* Pairs, the order within them by turns: what the machine does besides falls on both. */
static int measure(struct student *s, const struct bare *b, const struct bench_options *o,
                   struct rounds *to) {
        for (unsigned i = 0; i < to->wanted + WARM_UP; i++) {
                double latch, bare;
                int r = i % 2 ? latch_round(s, o->deadline_ns, &latch)
                              : bare_round(b, o->deadline_ns, &bare);
                if (r == 0)
                        r = i % 2 ? bare_round(b, o->deadline_ns, &bare)
                                  : latch_round(s, o->deadline_ns, &latch);
                if (r < 0)
                        return r;
                if (i < WARM_UP)
                        continue;
                to->latch[to->n] = latch;
                to->bare[to->n] = bare;
                to->n++;
        }
        return 0;
}

static void tell(struct rounds *rounds, bool json) {
        struct stats latch = stats_of(rounds->latch, rounds->n),
                     bare = stats_of(rounds->bare, rounds->n);
        double ratio = bare.p50 > 0 ? latch.p50 / bare.p50 : 0;

        if (json)
                printf("{\"bench\":\"run\",\"rounds\":%zu,\"latch_ms\":%.2f,\"bare_ms\":%.2f,\"ratio\":%.3f,"
                       "\"latch_max_ms\":%.2f,\"bare_max_ms\":%.2f}\n",
                       rounds->n, latch.p50, bare.p50, ratio, latch.max, bare.max);
        else
                printf("first output of print(1), medians of %zu pairs: over the socket %.1f ms, bare bwrap and "
                       "python %.1f ms, ratio %.2f\n",
                       rounds->n, latch.p50, bare.p50, ratio);
}

static int run_rounds(struct student *s, const struct bench_options *o, struct rounds *rounds) {
        _cleanup_(bare_done) struct bare bare = {""};
        int r = bare_make(&bare);

        if (r < 0)
                return r;
        student_write(s, PROGRAM_PATH, PROGRAM);
        r = students_until(s, 1, STUDENT_WRITTEN, o->deadline_ns);
        return r < 0 || student_failed(s) ? r : measure(s, &bare, o, rounds);
}

int bench_run(struct server *server, const struct bench_options *o) {
        size_t wanted = o->rounds ? o->rounds : ROUNDS;
        struct rounds rounds = {calloc(wanted, sizeof(double)), calloc(wanted, sizeof(double)), 0,
                                wanted};
        struct student *s = NULL;
        int r = rounds.latch && rounds.bare ? 0 : -ENOMEM;

        if (r == 0 && !(s = class_gather(server, o, 1)))
                r = -ECANCELED;
        if (r == 0)
                r = run_rounds(s, o, &rounds);
        bool failed = (s && class_troubles(s, 1) > 0) || r < 0;
        if (r < 0 && s)
                fprintf(stderr, "latch-bench: %s\n", strerror(-r));
        if (!failed)
                tell(&rounds, o->json);
        class_dismiss(s, 1);
        free(rounds.latch);
        free(rounds.bare);
        return failed;
}
