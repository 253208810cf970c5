/* front_private.h - what the files of front share: the server itself. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <civetweb.h>

#include "base/net.h"
#include "front/counters.h"
#include "front/front.h"
#include "front/lobby.h"
#include "front/sock.h"
#include "front/watchdog.h"
#include "registry/registry.h"

struct door;

struct front {
        struct front_deps deps;   /* fixed */
        struct ipv4_nets proxies; /* fixed: those that are trusted */
        struct mg_context *http;  /* main's */
        uint16_t port;            /* fixed once bound */
        pthread_t starter;        /* fixed while it starts; what follows is that thread's alone */
        bool started;
        char complaint[256];
        struct registry *socks; /* the open sockets, by number */
        struct watchdog *watchdog;
        struct door *door;        /* main's */
        struct lobby lobby;       /* who has connected and not asked yet */
        atomic_size_t info_at;    /* arrive.h */
        _Atomic uint64_t take_ns; /* and for a piece of a file */
        _Atomic uint64_t head_ns; /* how long a client may take for its headers; tests shorten it */
        struct frames_budget budget; /* memory of messages that are coming in */
        uint64_t piece_ns;           /* fixed: how long a client may take for a piece of a body */
        atomic_uint sockets;         /* seats taken */
        atomic_uint requests;  /* under way, of http_threads; beginnings of sockets are none */
        atomic_uint strangers; /* of those, with a body and of nobody who is known */
        atomic_uint crowd;     /* one too many, being told so */
        atomic_uint lingering; /* strangers that were answered and may not have read it yet */
        struct counters counters;
        _Atomic uint64_t numbers; /* requests and sockets: req=, socket= */
        atomic_uint stop_code;    /* what sockets are told */
        int admitting;            /* eventfd: readable once it has begun, or ends */
        atomic_bool admitted;     /* front_admit was called */
        atomic_bool stopping;     /* admit no one */
        uint64_t started_ms;      /* fixed: real time */
};

/* Beyond those that are served: threads for whoever is one too many, so that he hears so at once. */
#define CROWD_MAX 32u

/* Takes one of limit, unless all are taken. */
static inline bool front_take(atomic_uint *count, unsigned limit) {
        unsigned n = atomic_load(count);

        while (n < limit)
                if (atomic_compare_exchange_weak(count, &n, n + 1))
                        return true;
        return false;
}

/* The close frame of a stop: stopping is set. */
void front_say_goodbye(struct front *f, struct sock *c);

static inline uint64_t front_number(struct front *f) {
        return atomic_fetch_add(&f->numbers, 1) + 1;
}
