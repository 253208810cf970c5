/* front.h - the cases of latch-bench front: what they share, and the peers that run beside us.
 *
 * Threads: one. Errors: 0 or -errno.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "bench.h"
#include "listener.h"
#include "student.h"

struct front_run {
        const struct bench_options *options;
        struct server *server; /* ours */
        unsigned threads;      /* that it has for connections: its peer has as many */
        struct listener civet;
};

/* civet-echo, found beside latchd. */
_must_use_ int front_civet(const struct server *s, unsigned threads, uint64_t deadline_ns,
                           struct listener *ret);
/* nginx, if there is one (-ENOENT), that serves DIR/nginx. */
_must_use_ int front_nginx(const struct server *s, uint64_t deadline_ns, struct listener *ret);

/* How many of a process's threads bear this name. */
_must_use_ int front_threads(pid_t pid, const char *name, unsigned *ret);

/* A blocking connection whose reads and writes give up after a while. */
_must_use_ int front_connect(const struct site *site, uint64_t deadline_ns, int *ret);
_must_use_ int front_send(int fd, const void *data, size_t n);
/* An upgrade of /v1/echo: asked for, and answered. -EPROTO: it was refused. */
_must_use_ int front_ask_upgrade(int fd, const struct site *site);
_must_use_ int front_take_upgrade(int fd);
/* A masked frame of n bytes (at most 64 KiB - 1), and what a server answers that echoes it. */
struct front_frame {
        unsigned char *out, *in; /* malloc'd */
        size_t out_n, in_n;
};
_must_use_ int front_frame(size_t n, struct front_frame *ret);
void front_frame_done(struct front_frame *f);
/* Sends it, and reads the answer into a buffer of in_n bytes, whole. */
_must_use_ int front_exchange(int fd, const struct front_frame *f, unsigned char *to);

/* The cases. 0, or what went wrong. */
_must_use_ int front_idle(struct front_run *run);
_must_use_ int front_upgrades(struct front_run *run);
_must_use_ int front_echo(struct front_run *run, const char *name, size_t bytes);
_must_use_ int front_files(struct front_run *run);
