/* pump_hooks.h - how a session's descriptors reach the pump, and events come back.
 *
 * A session has two descriptors to watch: the eventfd by which its holder says "there is output", and
 * the socket to its holder. The pump knows it by a number that is never reused, so a late event finds
 * nothing rather than a stranger.
 *
 * Threads: watch, unwatch: any, under no lock, and neither may wait for the pump, which may wait for its caller.
 * The session_on_*: the pump alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sessions;

struct pump_hooks {
        void *context;
        /* Watch both for EPOLLIN (wake_fd edge-triggered, never read). 0 or -errno (epoll_ctl(2)). */
        int (*watch)(void *context, uint64_t number, int wake_fd, int holder_fd);
        void (*unwatch)(void *context, uint64_t number, int wake_fd, int holder_fd);
};

void sessions_on_output(struct sessions *ss,
                        uint64_t number); /* wake_fd fired: wakes the viewers' ports */
void sessions_on_holder(struct sessions *ss, uint64_t number); /* reads at most 64 messages */
/* Grace, no progress, leases of what is gone: about ten times a second. */
void sessions_tick(struct sessions *ss, uint64_t now_ns);
