/* config.h - every setting, parsed and checked as a whole; const afterwards, but for live numbers.
 *
 * INI (inih). Strict: an unknown section or key, a value out of range, a key twice, or a missing need is
 * an error that names the key; the caller exits with 78 (EX_CONFIG). Command line wins over file wins
 * over default. docs/configuration.md is the published list and is compared with the table by a test.
 *
 * A setting is live exactly if its field here is _Atomic (bool, or a number of 4 or 8 bytes): a reload
 * may change it under everybody's eyes. Who needs a value twice reads it once; two live settings may be
 * of two reloads. All else waits for the next start.
 *
 * Threads: load, take_live, print: main. Fields: any; const for all but main.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/macros.h"

struct config {
        /* [server] */
        char data[512];             /* DIR, absolute */
        char listen[64];            /* HOST:PORT; port 0 picks a free one */
        char public_url[256];       /* "" or http(s)://host[:port], without a path */
        char trusted_proxies[256];  /* IPv4 addresses and networks (base/net.h) */
        char cors_origins[256];     /* origins of other pages that may read answers, with commas */
        bool metrics_loopback;      /* GET /metrics from this machine without a token */
        char user[33];              /* who latchd becomes when started as root */
        unsigned workers;           /* threads of the pool */
        unsigned max_sockets;       /* WebSockets in all */
        unsigned http_threads;      /* threads kept for plain HTTP beside them */
        _Atomic unsigned log_level; /* enum log_level */
        /* [users]: host uids of users when started as root */
        uid_t uid_base;
        unsigned uid_count;
        /* [auth] */
        _Atomic unsigned token_lifetime_s;
        _Atomic unsigned link_lifetime_s;
        _Atomic bool single_session;          /* a new sign-in of a user ends the older ones */
        _Atomic unsigned failures_per_minute; /* failed sign-ins by one address or for one name */
        /* [limits] */
        size_t message_bytes;                      /* of one message from a client */
        size_t window_bytes;                       /* sent beyond the last acknowledgement */
        size_t input_bytes;                        /* of input that a program has not read */
        atomic_size_t file_bytes;                  /* of one file read or written on the socket */
        _Atomic uint64_t quota_bytes, quota_files; /* of one user's home; 0: no quota */
        _Atomic uint64_t upload_bytes;             /* of one request's body with files */
        _Atomic unsigned viewers_per_session;
        _Atomic unsigned sockets_per_user;
        _Atomic unsigned sessions_per_user;
        _Atomic unsigned runs_per_minute;
        _Atomic unsigned requests_per_minute; /* units of one user, over all sockets and routes */
        _Atomic unsigned address_requests_per_minute; /* of one address, without an identity */
        _Atomic unsigned ended_kept;                  /* newest ended sessions of each user */
        atomic_size_t ended_bytes;                    /* of the last output of each, on disk */
        _Atomic uint64_t ended_total_bytes;           /* of what all of them have on disk */
        _Atomic unsigned list_entries;                /* of one folder */
        _Atomic unsigned watches_per_user;
        _Atomic unsigned search_ms; /* of one search */
        /* [run]: what one run may use; 0 = no such limit */
        _Atomic uint64_t wall_ms, idle_ms, cpu_ms, memory_bytes, processes, output_bytes, tmp_bytes;
        /* [session] */
        size_t ring_bytes; /* power of two */
        _Atomic unsigned driver_grace_ms;
        _Atomic unsigned stop_grace_ms;
        _Atomic unsigned linger_ms; /* from a session's end to that of its holder */
        _Atomic uint64_t unused_ms; /* of a terminal; 0 = no such limit */
        /* [sandbox] */
        char bwrap[256];   /* path of bubblewrap */
        char python[256];  /* path of the interpreter inside the cage */
        char ripgrep[256]; /* the same of ripgrep; "": grep is used */
        /* [audit] */
        uint64_t keep_rows; /* of the newest audit events; 0: all */
        /* [diagnostics] */
        _Atomic bool echo;           /* GET /v1/echo */
        _Atomic unsigned lock_level; /* latch/level.h */
        uint64_t lock_slow_ms;       /* a hold or a wait that is reported; 0: none is */

        /* Command line only. */
        char port_file[512]; /* "" or where HOST:PORT is written */
        bool check_config, print_config;

        unsigned char source[64]; /* where each setting came from, by its place in the table */
};

/* Every setting at its default; data as config_default_data has it ("" if that fails). */
void config_defaults(struct config *ret);

/* Parses the command line of latchd, then the file it names (--config), if any. 0; -EINVAL and *ret_error
 * says in words what is wrong and where (malloc'd); -ENOMEM. */
_must_use_ int config_load(int argc, char **argv, struct config *ret, char **ret_error);

/* DIR of an absent --data: /var/lib/latch as root, else $XDG_STATE_HOME/latch or ~/.local/state/latch.
 * 0, -EINVAL if there is no home either. */
_must_use_ int config_default_data(char *to, size_t size);

/* ---- a reload: config_load again, then */

#define CONFIG_TEXT_MAX 150 /* bytes of a setting's value as text */
struct config_change {
        const char *section, *key;
        bool live; /* else it takes a restart */
        char from[CONFIG_TEXT_MAX + 1], to[CONFIG_TEXT_MAX + 1];
};
/* In what fresh differs from what is in force, in the table's order. 0 and free(*ret); -ENOMEM. */
_must_use_ int config_compare(const struct config *c, const struct config *fresh,
                              struct config_change **ret, size_t *ret_n);
/* The live settings of fresh are in force. */
void config_take_live(struct config *c, const struct config *fresh);

/* Open files that the server may need at once with these settings: of every socket and request, of a living
 * session for each socket (or of one user's, if those are more), and of all else. */
rlim_t config_files_needed(const struct config *c);

/* The effective settings as an INI file, each with where its value came from. */
void config_print(const struct config *c, FILE *to);
