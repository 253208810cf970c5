/* The contract is in hold/hold_private.h: the end of a cage, from the first word to the last figure. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "hold/hold_private.h"

#define AGAIN_MS 100u
#define FORCE_MS 150u /* after KILL was asked of init */

void hold_move(struct hold *h, enum hold_stage to) {
        static const uint8_t allowed[] = {
                [STAGE_STARTING] = 1 << STAGE_RUNNING | 1 << STAGE_FAILED,
                [STAGE_RUNNING] = 1 << STAGE_GONE,
                [STAGE_GONE] = 1 << STAGE_DONE,
                [STAGE_DONE] = 0,
                [STAGE_FAILED] = 0,
        };

        CHECK(allowed[h->stage] & (1 << to));
        h->stage = to;
}

bool hold_alive(const struct hold *h) {
        return h->stage == STAGE_STARTING || h->stage == STAGE_RUNNING;
}

int hold_cage_signal(struct hold *h, uint32_t signal, enum init_whom whom) {
        struct init_signal s = {.type = INIT_SIGNAL, .signal = signal, .whom = whom};

        if (h->init < 0 || h->stage != STAGE_RUNNING)
                return -ESRCH;
        return fd_send(h->init, &s, sizeof s, NULL, 0, MSG_DONTWAIT);
}

void hold_cage_end(struct hold *h, enum hold_verdict verdict) {
        if (h->ending || h->reported || !hold_alive(h))
                return;
        h->ending = true;
        h->verdict = verdict;
        h->clocks.kill_at = clock_mono_ms() + h->setup->stop_grace_ms;
        hold_clocks_end(h);
        /* Whoever is stopped hears TERM only once it goes on; an interactive shell hears HUP alone. */
        (void)hold_cage_signal(h, SIGTERM, INIT_ALL);
        if (h->setup->kind == SPAWN_SHELL) {
                (void)hold_cage_signal(h, SIGHUP, INIT_ALL);
                h->clocks.again_at = clock_mono_ms() + AGAIN_MS;
        }
        (void)hold_cage_signal(h, SIGCONT, INIT_ALL);
}

/* bash notes a signal that comes just before it waits for a key, and looks at the note after the key. */
void hold_cage_urge(struct hold *h) {
        if (hold_cage_signal(h, SIGHUP, INIT_FOREGROUND) == 0)
                h->clocks.again_at = clock_mono_ms() + AGAIN_MS;
}

void hold_cage_kill(struct hold *h) {
        h->clocks.kill_at = 0;
        if (!hold_alive(h))
                return;
        if (hold_cage_signal(h, SIGKILL, INIT_ALL) < 0)
                hold_cage_force(h);
        else
                h->clocks.force_at = clock_mono_ms() + FORCE_MS;
}

void hold_cage_force(struct hold *h) {
        h->clocks.force_at = 0;
        if (h->pidfd >= 0)
                (void)syscall(SYS_pidfd_send_signal, h->pidfd, SIGKILL, NULL, 0);
        else if (h->bwrap)
                (void)kill(h->bwrap, SIGKILL);
}

/* bubblewrap's first line of complaint says best what is missing. */
static void failed_by_bwrap(struct hold *h) {
        char line[sizeof h->failed.stage] = "cage";
        ssize_t n = read(h->complaints, line, sizeof line - 1);

        if (n > 0) {
                line[n] = '\0';
                line[strcspn(line, "\n")] = '\0';
        }
        hold_cage_fail(h, h->ending ? ECANCELED : EIO, line);
}

void hold_cage_reap(struct hold *h) {
        struct signalfd_siginfo si;
        int status;

        while (read(h->signals, &si, sizeof si) > 0) {
                if (si.ssi_signo == SIGTERM) { /* the machine goes down: as if forgotten */
                        h->forget = true;
                        hold_cage_kill(h);
                }
        }
        if (h->bwrap == 0 || wait4(h->bwrap, &status, WNOHANG, &h->usage) <= 0)
                return;
        h->bwrap = 0;
        hold_cage_hear(h); /* init may have spoken before it ended */
        if (h->stage == STAGE_STARTING)
                failed_by_bwrap(h);
}

/* bubblewrap ended and was waited for, and init is gone: with it, by the kernel's word, its whole PID
 * namespace. A pidfd can be read once its process has ended. */
static bool is_gone(const struct hold *h) {
        struct pollfd p = {.fd = h->pidfd, .events = POLLIN};

        return h->bwrap == 0 && poll(&p, 1, 0) > 0;
}

static void fill_exit(struct hold *h) {
        int status = h->reported ? h->report.status : SIGKILL;
        const struct rusage *u = &h->usage;
        struct hold_exit e = {.head.type = HOLD_EXIT, .offset = ring_writer_head(h->ring)};

        e.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        e.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        /* What a program wrote may be read only after the word of its end: cut is not exited. */
        e.verdict = h->ending                                    ? h->verdict
                    : h->cut                                     ? HOLD_OUTPUT
                    : WIFSIGNALED(status) && e.signal == SIGXCPU ? HOLD_CPU
                    : WIFSIGNALED(status)                        ? HOLD_KILLED
                                                                 : HOLD_EXITED;
        e.wall_ms = h->ended_ms - h->started_ms;
        e.cpu_ms = h->reported
                           ? h->report.cpu_ms
                           : (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
                                     (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
        e.peak_bytes = h->reported ? h->report.peak_bytes : (uint64_t)u->ru_maxrss * 1024;
        h->exit = e;
        h->conn.exit_due = true;
}

void hold_cage_check(struct hold *h) {
        if (h->stage == STAGE_RUNNING && is_gone(h)) {
                if (!h->reported)
                        h->ended_ms = clock_mono_ms();
                hold_move(h, STAGE_GONE);
                hold_clocks_end(h);
                h->clocks.kill_at = h->clocks.force_at = h->clocks.again_at = 0;
                for (size_t i = 0; i < ELEMENTS(h->out); i++)
                        h->out[i].ready = h->out[i].fd >=
                                          0; /* to its end, with or without an edge */
                hold_input_end(h);
        }
        if (h->stage == STAGE_GONE && hold_output_ended(h)) {
                hold_move(h, STAGE_DONE);
                hold_output_finish(h);
                fill_exit(h);
        }
}
