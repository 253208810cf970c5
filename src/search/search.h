/* search.h - files searched by content or by name, by programs of the system in the user's own cage.
 *
 * ripgrep if it is there, else grep; find for names. What they read is the user's and may be hostile, so they
 * see what a run of the user's would see, with a run's limits, no network, and a clock; their output is
 * taken through a holder's ring as any program's, and parsed as if it came from an enemy. Nothing is
 * recorded, and nothing is left behind: not of a search that was cut short, nor of one whose client has gone.
 *
 * Threads: new, stop, free: main; run: a worker, which it keeps until the end, so there are at most half as
 *          many at once as there are workers. Lock: none inside; none may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "config/config.h"
#include "latch/lock.h"
#include "session/port.h"
#include "spawn/spawn.h"

#define SEARCH_MATCHES_MAX  10000u
#define SEARCH_RESULT_BYTES (2u << 20) /* of paths and texts */
#define SEARCH_TEXT_MAX     512u       /* bytes of a line */

struct searches;

/* Both outlive it. */
_must_use_ int searches_new(const struct config *config, struct spawner *spawner,
                            struct searches **ret);
/* From now on searches end at once, and none begins. Before the pool is drained. */
void searches_stop(struct searches *s);
struct searches *searches_free(struct searches *s); /* NULL is fine; returns NULL */

struct search_request {
        const char *path; /* a folder or file, on the wire's terms; it is there */
        const char *text; /* in a line; NULL: by name */
        const char *name; /* in a file's or folder's name; NULL: by text */
        bool regex;       /* it is a regular expression: ripgrep's, or else POSIX extended */
        bool exact_case;
        const char *glob; /* only files of such a name; NULL all */
        size_t max;       /* 1..SEARCH_MATCHES_MAX */
};

struct search_match {
        char *path;
        uint64_t line, column; /* from 1; the column in bytes. By name: 0 */
        char *text;            /* UTF-8; by name: NULL */
        char type;             /* by name: f, d, l, or another letter of find's */
};

struct search_result {
        struct search_match *matches; /* by path and line */
        size_t n;
        bool truncated;  /* there may be more */
        char words[256]; /* of -EINVAL: what is wrong */
};
void search_result_done(struct search_result *r);

/* 0; -EINVAL a pattern that is none; -EBUSY this user, or too many others, are searching; -EPIPE the client has
 * gone; -ESHUTDOWN; -EPROTO; -errno of the spawner. ret is to be done with either way. */
_must_use_ int search_run(struct searches *s, struct port *p, const struct search_request *rq,
                          struct search_result *ret) LATCH_BLOCKS;
