/* front.c - sockets and files beside peers that do the least: civetweb's own echo, nginx, a bare write. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "front.h"

#define THREADS_TEXT "1100"
#define THREADS      (1100u + 32u) /* max_sockets, and http_threads as delivered */

/* A body of 100 MB is over what is delivered as the limit of a file. */
const struct server_settings bench_front_settings = {
        "max_sockets = " THREADS_TEXT "\n",
        "file_bytes = 134217728\n",
        "[diagnostics]\necho = yes\n",
};

/* Both ends of the sockets of one side at a time are of this machine, ours are this process's. */
static int raise_descriptors(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        limit.rlim_cur = limit.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

/* The memory first, while nothing else has grown either process. */
static int run_cases(struct front_run *run) {
        int r = front_idle(run);

        if (r == 0)
                r = front_upgrades(run);
        if (r == 0)
                r = front_echo(run, "echo64", 64);
        if (r == 0)
                r = front_echo(run, "echo16k", 16384);
        return r < 0 ? r : front_files(run);
}

int bench_front(struct server *server, const struct bench_options *o) {
        struct front_run run = {.options = o, .server = server};
        int r = raise_descriptors();

        if (r == 0)
                r = front_civet(server, THREADS, o->deadline_ns, &run.civet);
        if (r == 0) {
                r = run_cases(&run);
                front_peer_done(&run.civet);
        }
        if (r < 0)
                fprintf(stderr, "latch-bench: front: %s\n", strerror(-r));
        return r < 0;
}
