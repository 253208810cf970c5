/* audit_private.h - what the two sides share: those who note, and the thread that writes.
 *
 * There are two queues and two tables of refusals. Whoever notes adds to the ones that stand open; the writer
 * swaps an open one for its own empty one, and then works on that without a lock.
 *
 * Threads: see each field.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "audit/audit.h"
#include "audit/refused.h"
#include "latch/lock.h"

struct queue {
        size_t n, events;
        char data[AUDIT_QUEUE_BYTES];
};

/* A record in a queue: this, then user, address and object, each with its NUL. */
struct record {
        uint32_t bytes; /* of all of it */
        uint32_t what;
        int32_t error;
        uint64_t time_ms;
};
#define RECORD_MAX                                                                                 \
        (sizeof(struct record) + USER_NAME_MAX + 1 + AUDIT_ADDRESS_MAX + AUDIT_OBJECT_MAX + 1)

struct audit {
        struct store *store;  /* fixed */
        uint64_t keep_rows;   /* fixed */
        pthread_t writer;     /* fixed */
        pthread_t checker;    /* if checking */
        bool checking;        /* whoever made it and frees it */
        atomic_bool stopping; /* the checker is to end */

        struct latch_mutex lock;
        struct latch_cond work; /* for the writer */
        struct latch_cond done; /* for those who wait for it */
        struct queue *open LATCH_GUARDED_BY(audit);
        struct refused *refused LATCH_GUARDED_BY(audit);
        uint64_t open_since_ns LATCH_GUARDED_BY(audit);    /* its first event, monotonic */
        uint64_t refused_since_ns LATCH_GUARDED_BY(audit); /* likewise */
        uint64_t dropped LATCH_GUARDED_BY(audit); /* events that found no room, not told yet */
        /* Who waits takes the next number of `asked`; all up to `answered` are on disk, all up to `failed`
         * have been tried. */
        uint64_t asked LATCH_GUARDED_BY(audit);
        uint64_t asked_all LATCH_GUARDED_BY(audit); /* the last who wants refusals, too */
        uint64_t answered LATCH_GUARDED_BY(audit);
        uint64_t failed LATCH_GUARDED_BY(audit);
        int error LATCH_GUARDED_BY(audit); /* of the last try: 0, or -errno */
        bool ending LATCH_GUARDED_BY(audit);

        /* The writer's. */
        struct queue *out; /* being written, from out_at */
        size_t out_at;
        struct refused *told; /* likewise, from told_at */
        size_t told_at;
        uint64_t out_dropped; /* to be told */
        bool stale;           /* the store may know better than `last` */
        struct store_audit_link start, last;
        uint64_t retry_ns;  /* 0: the last try went well */
        uint64_t logged_ns; /* the last word of it */
};

extern const char *const audit_whats[];
extern const size_t audit_whats_n;

/* One log line: whoever keeps it can tell later whether the chain up to there is still the same. */
void audit_log_link(const char *event, const struct store_audit_link *link);

/* The writer's thread (writer.c). */
void *audit_writer(void *audit);
/* The thread that verifies the chain once, beside the service, and logs what it finds. */
void *audit_checker(void *audit);
