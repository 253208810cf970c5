/* bench.h - the benchmarks and what they are asked. Threads: one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "server.h"

struct bench_options {
        const char *url;  /* NULL: a server of our own */
        const char *data; /* DIR of that url, or NULL */
        const char
                *password_file; /* lines "NAME PASSWORD", or NULL: users are made with latchctl */
        const char *only;       /* one case of front or terminal; NULL: all */
        unsigned users, rounds; /* rounds: 0 is the benchmark's own number */
        bool json, quick;       /* quick: that it runs, not what it measures */
        bool peers;             /* terminal: beside all that are installed, too */
        uint64_t deadline_ns;
};

/* The exit status: 0 all went as it should, 1 it did not. */
_must_use_ int bench_classroom(struct server *server, const struct bench_options *o);
_must_use_ int bench_run(struct server *server, const struct bench_options *o);
_must_use_ int bench_front(struct server *server, const struct bench_options *o);
extern const struct server_settings bench_front_settings;
_must_use_ int bench_terminal(struct server *server, const struct bench_options *o);
extern const struct server_settings bench_terminal_settings;
_must_use_ int bench_levels(struct server *server, const struct bench_options *o);
extern const struct server_settings bench_levels_settings;
/* These need no server. */
_must_use_ int bench_lock(struct server *none, const struct bench_options *o);
_must_use_ int bench_registry(struct server *none, const struct bench_options *o);

unsigned bench_rounds(const struct bench_options *o, unsigned usual);
/* Ours to what is allowed at most: both ends of a side's sockets are of this machine. 0 or -errno. */
_must_use_ int bench_raise_descriptors(void);

/* The arguments of a bare cage, with the same namespaces as the server's and what programs need to run. */
#define BENCH_CAGE                                                                                 \
        "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL",                \
                "--die-with-parent", "--uid", "1000", "--gid", "1000", "--ro-bind", "/usr",        \
                "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",            \
                "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", \
                "/tmp"

/* n students with names and passwords, made on the server if need be, signed in, each at a socket of their own.
 * NULL and words on stderr, or all of them. */
_must_use_ struct student *class_gather(struct server *server, const struct bench_options *o,
                                        size_t n);
struct student *class_dismiss(struct student *all, size_t n); /* returns NULL */
/* Prints the first few troubles; how many students had one. */
size_t class_troubles(const struct student *all, size_t n);
