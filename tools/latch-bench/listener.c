/* The contract is in listener.h. */
#include "listener.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "client/ws.h"

#define END_NS UINT64_C(10000000000)

int listener_start(const char *program, const char *const *argv, uint64_t deadline_ns,
                   struct listener *ret) {
        struct listener l = {.process = PROCESS_NONE, .site.host = "127.0.0.1"};
        char line[64] = "";
        int r = process_start(
                &(struct process_plan){program, argv, STDERR_FILENO, .in = true, .out = true},
                &l.process);

        if (r == 0)
                r = fd_wait(l.process.out, POLLIN, deadline_ns);
        if (r == 0 && (read(l.process.out, line, sizeof line - 1) <= 0 ||
                       sscanf(line, "127.0.0.1:%u", &l.site.port) != 1))
                r = -EPROTO;
        if (r == 0)
                *ret = l;
        else
                process_end(&l.process);
        return r;
}

void listener_end(struct listener *l) {
        bool waits = l->process.in >= 0;

        l->process.in = fd_close(l->process.in);
        if (!waits || process_wait(&l->process, clock_mono_ns() + END_NS) < 0)
                process_end(&l->process);
}
