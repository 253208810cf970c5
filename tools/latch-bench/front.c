/* front.c - sockets and files beside peers that do the least: civetweb's own echo, nginx, a bare write. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "front.h"

/* A body of 100 MB is over what is delivered as the limit of a file, and so are our requests. */
const struct server_settings bench_front_settings = {
        "max_sockets = 1100\n",
        "file_bytes = 134217728\nrequests_per_minute = 100000000\n"
        "address_requests_per_minute = 100000000\n",
        "[diagnostics]\necho = yes\n",
};

static int echo_small(struct front_run *run) {
        return front_echo(run, "echo64", 64);
}

static int echo_large(struct front_run *run) {
        return front_echo(run, "echo16k", 16384);
}

/* The memory first, while nothing else has grown either process. */
static const struct {
        const char *name;
        int (*run)(struct front_run *run);
} cases[] = {
        {"idle", front_idle},    {"upgrades", front_upgrades}, {"echo64", echo_small},
        {"echo16k", echo_large}, {"files", front_files},
};

/* -ENOTSUP: there is no such case. */
static int run_cases(struct front_run *run) {
        const char *only = run->options->only;
        int r = only ? -ENOTSUP : 0;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                if (only && !str_eq(cases[i].name, only))
                        continue;
                r = cases[i].run(run);
                if (r < 0)
                        break;
        }
        return r;
}

int bench_front(struct server *server, const struct bench_options *o) {
        struct front_run run = {.options = o, .server = server};
        int r = bench_raise_descriptors();

        if (r == 0)
                r = front_threads(server->latchd.pid, "http", &run.threads);
        if (r == 0)
                r = front_civet(server, run.threads, o->deadline_ns, &run.civet);
        if (r == 0) {
                r = run_cases(&run);
                listener_end(&run.civet);
        }
        if (r < 0)
                fprintf(stderr, "latch-bench: front: %s\n", strerror(-r));
        return r < 0;
}
