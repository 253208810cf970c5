/* setup.h - what the spawner hands to a holder: one sealed file, and descriptors at fixed numbers.
 *
 * The holder (src/hold) is executed with argv {"latch-hold", DIR, ID, PID}, as the user, with nothing open but
 * these and /dev/null at 0, 1 and 2. The numbers below SETUP_CAGE are its own; the others go to bubblewrap under
 * the same numbers, which the arguments in SETUP_ARGS name. Its process, PID, is the holder's child, and was started
 * before the holder was executed: the mounts of the cage are made while the holder is being loaded.
 *
 * Threads: none yet. Lock: none.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "spawn/spec.h"

enum setup_fd {
        SETUP_CONN =
                3, /* the first connection to latchd; in the cage: the holder's end of init's socket */
        SETUP_LISTEN, /* listens on DIR/sessions/ID.sock, as the user */
        SETUP_DATA,   /* ring */
        SETUP_CONTROL,
        SETUP_WAKE, /* eventfd */
        SETUP_FILE, /* struct setup */
        SETUP_HOLD, /* the holder's own executable, closed by its exec */
        SETUP_BWRAP,
        SETUP_CAGE,
        SETUP_ARGS = SETUP_CAGE, /* of bwrap, NUL after each */
        SETUP_FILTER,            /* seccomp, as bwrap wants it */
        SETUP_INIT,              /* the executable of the cage's init, in a memfd */
        SETUP_PASSWD,
        SETUP_GROUP,
        SETUP_HOSTS,
        SETUP_RUNNER,
        SETUP_SCRIPT, /* the snapshot of a run's file; else not open */
        SETUP_END,
        /* in the holder, whose spawner has started bubblewrap for it: */
        SETUP_TO_INIT = SETUP_BWRAP,   /* its end of init's socket */
        SETUP_COMPLAINTS = SETUP_ARGS, /* what bubblewrap says on its stderr */
};

#define SETUP_VERSION     1u
#define SETUP_STRINGS_MAX (SPAWN_STRINGS_MAX + (16u << 10))

struct setup {
        uint32_t version;
        uint32_t kind; /* enum spawn_kind */
        char id[RANDOM_ID_CHARS + 1];
        char user[33];
        uint8_t tty, zero[3];
        uint16_t cols, rows;
        uint32_t latchd_uid; /* who may connect, beside root */
        char path[SPAWN_PATH_MAX];
        char cwd[SPAWN_PATH_MAX + 8]; /* in the cage */
        struct spawn_limits limits;
        uint64_t input_bytes;
        uint32_t driver_grace_ms, stop_grace_ms;
        uint32_t argc, envc, strings_n; /* of the program in the cage; strings follow the struct */
};

/* The spawner's word on a request's socket if no holder came to be. Its type is none of hold_proto.h's. */
#define SPAWN_REFUSED 1000u
struct spawn_refusal {
        uint32_t type;
        int32_t error; /* -errno */
};

/* Said for a request that was given up: whatever holder it became must not stay. HOLD_FORGET by number. */
#define SETUP_FORGET 7u

/* The spawner's first word to latchd: whether the cage holds. */
struct spawn_verdict {
        int32_t error; /* 0, -errno */
        char text[508];
};
