/* watch_private.h - watches from inside: clients, folders, and what is to be told.
 *
 * Threads: all of it but the queue is the watch thread's. Lock: watch, for the queue.
 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latch/lock.h"
#include "watch/names.h"
#include "watch/watch.h"

#define WATCH_BUCKETS 4096u
#define WATCH_NAMES_MAX                                                                            \
        256u /* changed at once in a folder, then a rescan; and of the folder's own */
#define WATCH_TOLD_MAX  16384u /* the same, of all folders */
#define WATCH_SETTLE_MS 50u
#define WATCH_UNREST_MS 1000u
#define WATCH_AGAIN_MS  200u /* to a client that had no room */

enum change { CHANGE_NONE, CHANGE_CREATED, CHANGE_CHANGED, CHANGE_REMOVED, CHANGE_RESCAN };

struct pending {
        struct pending *next;
        uint64_t hash;
        enum change change;
        char name[];
};

/* What the kernel watches. */
struct folder {
        struct folder *next; /* of its bucket */
        int wd;
        struct watch *watches; /* at least one */
        struct names names;
        struct pending *pending; /* newest first */
        unsigned pending_n;
        bool rescan; /* names were lost */
        bool busy;   /* stands in the list of those that have something to tell */
        struct folder *busy_next;
        uint64_t due_ms, told_ms;
        unsigned settle_ms;
};

/* A socket that has watches, or had. */
struct client {
        struct port_closer closer;
        struct watches *all;
        struct port *port;
        struct watch *list;
        uint32_t last; /* number */
        bool stuck;    /* stands in the list of those who are told later */
        struct client *stuck_next;
};

struct watch {
        struct watch *client_next, *folder_next;
        struct client *client;
        struct folder *folder; /* NULL: the root, or it has ended */
        uint32_t number;
        bool active, rescan, removed; /* the last two: to be told */
        const char *name;             /* behind the path; "" all */
        char path[];
};

enum ask_what { ASK_ADD, ASK_ACTIVATE, ASK_REMOVE, ASK_CLOSE };
struct ask { /* on the asker's stack */
        struct ask *next;
        enum ask_what what;
        struct port *port;
        struct client *client; /* of CLOSE */
        const struct watch_request *rq;
        struct names names; /* of ADD: what stands in the folder; taken */
        uint32_t number;
        int result;
        bool done;
};

struct watches {
        const struct config *config; /* fixed */
        unsigned in_all;             /* fixed */
        int inotify, event;          /* fixed */
        unsigned char names_key[16]; /* fixed */
        pthread_t thread;
        bool running; /* main's */

        struct latch_mutex lock;
        struct latch_cond answered;
        struct ask *first LATCH_GUARDED_BY(watch);
        struct ask *last LATCH_GUARDED_BY(watch);
        bool stopping LATCH_GUARDED_BY(watch);

        _Alignas(8) char events[64u << 10]; /* struct inotify_event and names, as read */
        struct folder *folders[WATCH_BUCKETS];
        unsigned folders_n;
        struct folder *busy;
        struct client *stuck;
        uint64_t again_ms; /* for them */
        size_t pending_n, names_n;
};

/* ---- folders.c ---- */
/* The folder watched, found or made; takes names. 0, -errno. */
_must_use_ int folder_watch(struct watches *w, int fd, struct names *names, struct folder **ret);
void folder_join(struct folder *f, struct watch *x);
/* The last one to leave ends it. */
void folder_leave(struct watches *w, struct watch *x);
/* What the kernel has to say, a piece of it. */
void folders_hear(struct watches *w);
/* Those whose time has come are told. */
void folders_tell(struct watches *w, uint64_t now_ms);
uint64_t folders_due_ms(const struct watches *w); /* 0: nothing is */

/* ---- clients.c ---- */
_must_use_ int client_add(struct watches *w, struct ask *a);
_must_use_ int client_activate(struct watches *w, struct ask *a);
_must_use_ int client_remove(struct watches *w, struct ask *a);
void client_close(struct watches *w, struct client *c);
/* One change; what finds no room becomes a rescan. */
void watch_tell(struct watches *w, struct watch *x, const char *name, enum change change);
void watch_rescan(struct watches *w, struct watch *x);
/* Its folder is gone: that is told, and is the end of it. May free x. */
void watch_end(struct watches *w, struct watch *x);
void clients_again(struct watches *w, uint64_t now_ms);

/* ---- watch.c ---- */
void watches_ask(struct watches *w, struct ask *a) LATCH_BLOCKS; /* waits for the answer */
