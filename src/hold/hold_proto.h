/* hold_proto.h - what latchd and a holder say to each other: one struct a SEQPACKET message.
 *
 * The holder listens on DIR/sessions/ID.sock and has one connection at a time, the newest; the first is
 * made by the spawner. On each it says HELLO, then STARTED or FAILED as soon as that is known, then EXIT
 * once everything ended: also again after a reconnection, so nothing is lost. Versioned: a holder goes
 * on speaking the version it was built with; latchd keeps what older ones need.
 *
 * A name of 108 bytes is the most that a socket has: connect to /proc/self/fd/N/ID.sock, N being DIR/sessions.
 * As root the holder, which is the user's, cannot remove its socket: the spawner does when the holder
 * ends, if it lives; else whoever finds nobody listening there (ECONNREFUSED), or sent HOLD_FORGET, does.
 * A holder whose cage failed ends by itself once HOLD_FAILED was read and the connection closed.
 *
 * The gate: latchd sends HOLD_GATE whenever ring_reader_set_gate says so, and always after it has set it
 * for a driver that takes its seat (which ends a grace that runs).
 *
 * Without a terminal stdin is a pipe that stays open: there is no word for its end.
 *
 * The screen: since version 2 the holder of a terminal draws it when it is asked (HOLD_ASK_SNAPSHOT), also once
 * everything ended. The bytes come as a sealed memfd; output from the offset that comes with it goes on from there.
 *
 * The title: since version 3 the holder of a terminal says what its program calls it (HOLD_TITLE), whenever that is another,
 * and on each connection, if there is one; five times a second at most.
 *
 * The folder: since version 4 the holder of a terminal says where the program in its foreground is (HOLD_CWD), like the title.
 * At first that is where it was started; it looks once a second at most, and only while there is input or output.
 *
 * Each side checks the other as if it were hostile: sizes, types, ranges, descriptors.
 */
#pragma once

#include <stdint.h>

#include "base/random.h"
#include "vt/title.h"

#define HOLD_VERSION      4u
#define HOLD_VERSION_MIN  1u          /* the oldest that latchd speaks to */
#define HOLD_SNAPSHOTS    2u          /* the first that draws its screen */
#define HOLD_INPUT_MAX    (32u << 10) /* bytes of input in a message */
#define HOLD_KEY_BYTES    16u         /* of a client key: a hash of user and key, made by latchd */
#define HOLD_MESSAGE_MAX  (HOLD_INPUT_MAX + 128u)
#define HOLD_SNAPSHOT_MAX (4u << 20) /* bytes of a snapshot */
#define HOLD_CWD_MAX      1024u      /* bytes of a folder's path; a longer one is not told */

enum hold_type {
        /* latchd to holder */
        HOLD_INPUT = 1, /* struct hold_input, then bytes */
        HOLD_RESIZE,    /* struct hold_resize */
        HOLD_SIGNAL,    /* struct hold_signal */
        HOLD_STOP, /* struct hold_head: TERM, grace, KILL, to the whole tree; verdict stopped */
        HOLD_GATE, /* struct hold_head: look at the gate again */
        HOLD_QUERY_INPUT, /* struct hold_query: answered by HOLD_INPUT_AT */
        HOLD_FORGET,      /* struct hold_head: kill what lives, remove the socket, end */
        HOLD_GRACE, /* struct hold_head: the driver's socket is lost: driver_grace starts now. A gate
                              that is set again ends it (HOLD_GATE). Also starts when latchd's connection ends */
        HOLD_ASK_SNAPSHOT, /* struct hold_query, key unused: answered by HOLD_SNAPSHOT or HOLD_NO_SNAPSHOT */
        /* holder to latchd */
        HOLD_HELLO = 64, /* struct hold_hello; fds: DATA, CONTROL, wake eventfd */
        HOLD_STARTED,    /* struct hold_head; fds: pidfd of the cage's init */
        HOLD_FAILED,     /* struct hold_failed: the cage did not start; no EXIT follows */
        HOLD_INPUT_ACK, /* struct hold_mark: written to the terminal or pipe, up to offset. It says also
                            that there is output: the eventfd may stay as it is */
        HOLD_INPUT_REFUSED, /* struct hold_mark, code set: send again from offset; FULL: behind the ACK that follows */
        HOLD_INPUT_AT, /* struct hold_mark: the count of this key; tag is the query's */
        HOLD_EXIT,     /* struct hold_exit: after the ring's eof */
        HOLD_RESIZED,  /* struct hold_resize: as applied */
        HOLD_SNAPSHOT, /* struct hold_mark: where output goes on; fds: a memfd, sealed, 1..HOLD_SNAPSHOT_MAX */
        HOLD_NO_SNAPSHOT, /* struct hold_mark, code: errno */
        HOLD_EXPIRES, /* struct hold_mark, offset: unused for so long that it ends in so many ms; 0: used again */
        HOLD_TITLE, /* struct hold_title: as the program says, or "" */
        HOLD_CWD,   /* struct hold_cwd: where the program is, or "": outside of the workspace */
};

struct hold_head {
        uint32_t type; /* enum hold_type */
        uint32_t zero;
};

struct hold_input {
        struct hold_head head;
        uint8_t key[HOLD_KEY_BYTES];
        uint64_t tag;    /* latchd's: comes back in ACK and REFUSED */
        uint64_t offset; /* how many bytes this key sent before */
        /* bytes follow, 0..HOLD_INPUT_MAX */
};

struct hold_resize {
        struct hold_head head;
        uint16_t cols, rows;
        uint32_t zero;
};

struct hold_signal {
        struct hold_head head;
        uint32_t signal, zero;
};

struct hold_query {
        struct hold_head head;
        uint8_t key[HOLD_KEY_BYTES];
        uint64_t tag;
};

enum hold_refusal { HOLD_REFUSED_FULL = 1, HOLD_REFUSED_HOLE, HOLD_REFUSED_ENDED };

struct hold_mark {
        struct hold_head head;
        uint64_t tag, offset;
        uint32_t code; /* enum hold_refusal */
        uint32_t zero;
};

struct hold_hello {
        struct hold_head head;
        uint32_t version, pid;
        char id[RANDOM_ID_CHARS + 1];
        char user[33];
        uint8_t kind, tty; /* enum spawn_kind */
        uint16_t cols, rows;
        uint64_t started_ms; /* real time */
        char path[4097];     /* of the run's file */
        char zero[3];
};

struct hold_title {
        struct hold_head head;
        char text[TITLE_BYTES + 8]; /* as in vt/title.h, then zeros */
};

struct hold_cwd {
        struct hold_head head;
        char path[HOLD_CWD_MAX + 8]; /* in the workspace, as on the disk: "home/x"; then zeros */
};

struct hold_failed {
        struct hold_head head;
        int32_t error;  /* errno */
        char stage[60]; /* what failed, for the log and the reply */
};

/* Why it ended. On the wire: exited stopped killed timeout idle cpu memory processes output disk. */
enum hold_verdict {
        HOLD_EXITED,
        HOLD_STOPPED,
        HOLD_KILLED,
        HOLD_TIMEOUT,
        HOLD_IDLE,
        HOLD_CPU,
        HOLD_MEMORY,
        HOLD_PROCESSES,
        HOLD_OUTPUT,
        HOLD_DISK,
};

struct hold_exit {
        struct hold_head head;
        int32_t code, signal; /* signal 0: exited with code */
        uint32_t verdict, zero;
        uint64_t wall_ms, cpu_ms, peak_bytes;
        uint64_t offset; /* all output lies below it */
};
