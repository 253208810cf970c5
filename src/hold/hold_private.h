/* hold_private.h - one session as its holder has it: cage, output, input, connection, clocks. Of src/hold
 * alone.
 *
 * The holder is one thread and one loop (latch_hold_main.c): each turn takes what is ready from everybody,
 * a bounded piece of each, publishes output once, and only then looks at the clocks.
 *
 * Threads: the holder's one. Lock: none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/macros.h"
#include "hold/hold_proto.h"
#include "hold/init_proto.h"
#include "ring/ring.h"
#include "spawn/setup.h"
#include "vt/title.h"
#include "vt/vt.h"

/* Moves: hold_end.c. */
enum hold_stage {
        STAGE_STARTING, /* the cage is being made */
        STAGE_RUNNING,
        STAGE_GONE,   /* nothing of it lives; output may wait for the gate */
        STAGE_DONE,   /* eof; EXIT is known */
        STAGE_FAILED, /* the program never ran */
};

enum hold_event { /* epoll's data, and a bit each of what is ready */
                  EVENT_CONN,
                  EVENT_LISTEN,
                  EVENT_SIGNALS,
                  EVENT_INIT,
                  EVENT_PIDFD,
                  EVENT_TTY,
                  EVENT_STDIN,
                  EVENT_STDOUT,
                  EVENT_STDERR,
};

struct hold_source { /* of output; edge-triggered */
        int fd;
        enum ring_kind kind;
        bool ready;
};

struct input_key { /* what a client key has sent */
        uint8_t key[HOLD_KEY_BYTES];
        uint64_t taken, written; /* bytes: into the buffer; out of it */
        uint64_t tag, used;      /* latchd's, if `heard`; when it was last used */
        bool heard;              /* on this connection */
        bool ack_due;
        bool starved;         /* refused for want of room: an ACK is due once there is some */
        uint32_t refusal_due; /* enum hold_refusal, 0: none */
};

struct input_run { /* bytes of the buffer that are one key's */
        uint32_t key, n;
};

#define INPUT_RUNS 256u

struct hold_input_state {
        int fd; /* the terminal or the pipe; -1 before and after */
        bool writable, closed;
        char *bytes; /* a ring of setup->input_bytes, made when first needed */
        size_t at, n;
        struct input_run runs[INPUT_RUNS];
        unsigned run_at, runs_n;
        struct input_key *keys;
        unsigned keys_n, keys_cap;
        uint64_t uses;
        size_t unsaid; /* bytes written since acknowledgements were said */
};

struct hold_screen {         /* of a terminal */
        struct vt *vt;       /* made when bytes are about to leave the ring, or somebody asks */
        uint64_t fed;        /* output below it is in there */
        uint16_t cols, rows; /* of the output from there on */
        int error;           /* it is lost for good: -errno */
};

#define ANSWERS_MAX   32u
#define SNAPSHOTS_MAX 8u

struct hold_conn {
        int fd; /* -1: latchd is away */
        bool readable, writable;
        bool hello_due, word_due, exit_due, resized_due, expires_due; /* word: STARTED or FAILED */
        bool title_due, cwd_due;
        struct hold_mark answers[ANSWERS_MAX]; /* to queries, oldest first */
        unsigned answers_n;
        uint64_t snapshots[SNAPSHOTS_MAX]; /* the tags of those who asked, oldest first */
        unsigned snapshots_n;
};

struct hold_clocks { /* monotonic ms; 0: not set */
        uint64_t wall_at, idle_at, start_at, kill_at, force_at, grace_at, retry_at, linger_at,
                again_at, warn_at, title_at, cwd_at;
        bool warned; /* that it is unused, and ends soon */
        /* Till then acknowledgements of input may wait for output to go with; 0: no longer. */
        uint64_t ack_at;
        bool grace_over;
        uint64_t grace_gate; /* the gate when the driver was lost */
};

struct hold {
        const struct setup *setup;
        char *strings;
        const char *data;
        int epoll, signals, init, pidfd, complaints;
        pid_t bwrap; /* 0: none, or reaped */
        enum hold_stage stage;
        struct ring_writer *ring;
        struct hold_source out[2]; /* with a terminal the first alone */
        bool gated;                /* the gate holds output back */
        struct hold_input_state input;
        struct hold_screen screen;
        struct title title;
        uint64_t titled_ms;         /* when it was said last */
        char cwd[HOLD_CWD_MAX + 1]; /* as struct hold_cwd has it */
        uint64_t looked_ms;         /* when it was looked for last */
        struct hold_conn conn;
        struct hold_clocks clocks;
        uint64_t started_real_ms, started_ms, ended_ms;
        uint16_t cols, rows;
        bool ending, forget;       /* somebody asked for the end: of the cage; of us too */
        enum hold_verdict verdict; /* if ending */
        bool told_due;             /* output was published that latchd waits for */
        bool cut;                  /* output went beyond its limit: not all of it is in the ring */
        bool reported;
        struct init_word report; /* INIT_ENDED, if reported */
        struct rusage usage;     /* of bwrap and all it waited for */
        struct hold_failed failed;
        struct hold_exit exit;
};

/* ---- hold_cage.c ---- */
void hold_cage_start(struct hold *h); /* failure is STAGE_FAILED */
void hold_cage_hear(struct hold *h);  /* a message of init */
void hold_cage_fail(struct hold *h, int error, const char *stage);

/* ---- hold_end.c ---- */
void hold_move(struct hold *h, enum hold_stage to); /* one of the allowed moves */
void hold_cage_reap(struct hold *h);
void hold_cage_check(struct hold *h); /* moves on to GONE and DONE when it is time */
/* TERM now, KILL after the grace, to all; the first verdict counts. */
void hold_cage_end(struct hold *h, enum hold_verdict verdict);
void hold_cage_urge(struct hold *h); /* again, to a shell that may have missed it */
void hold_cage_kill(struct hold *h);
void hold_cage_force(struct hold *h); /* init itself: the kernel ends the rest */
int hold_cage_signal(struct hold *h, uint32_t signal, enum init_whom whom);
bool hold_alive(const struct hold *h); /* STARTING or RUNNING */

/* ---- hold_output.c ---- */
void hold_output_read(struct hold *h); /* at most 64 KiB of each source; publishes once */
void hold_output_tell(struct hold *h); /* latchd, if no message has woken it up already */
bool hold_output_more(const struct hold *h);
bool hold_output_ended(const struct hold *h);
void hold_output_finish(struct hold *h); /* eof */

/* ---- hold_screen.c ---- */
/* Before up to `want` bytes more are read: what they would overwrite is drawn. */
void hold_screen_spare(struct hold *h, size_t want);
void hold_screen_resize(struct hold *h); /* before the program hears of h->cols, h->rows */
/* The picture in a sealed memfd, and where output goes on. 0 or -errno. */
_must_use_ int hold_screen_snapshot(struct hold *h, int *ret_fd, uint64_t *ret_offset);

/* ---- hold_cwd.c ---- */
void hold_cwd_start(struct hold *h); /* it has started: where it was told to */
void hold_cwd_look(struct hold *h);  /* what has changed is due */

/* ---- hold_input.c ---- */
void hold_input_take(struct hold *h, const struct hold_input *m, const char *bytes, size_t n);
uint64_t hold_input_count(const struct hold *h, const uint8_t key[HOLD_KEY_BYTES]);
void hold_input_write(struct hold *h);
void hold_input_writable(struct hold *h); /* epoll says that there is room again */
bool hold_input_has_room(const struct hold *h);
bool hold_input_more(const struct hold *h);
void hold_input_end(struct hold *h);         /* nobody reads any more: what waits is refused */
void hold_input_forget_tags(struct hold *h); /* the connection they came on is gone */
void hold_input_free(struct hold *h);

/* ---- hold_conn.c ---- */
void hold_conn_open(struct hold *h, int fd);
void hold_conn_accept(struct hold *h);
void hold_conn_read(struct hold *h);     /* at most 32 messages */
void hold_conn_write(struct hold *h);    /* what is due, as far as it goes */
void hold_conn_writable(struct hold *h); /* epoll says that there is room again */
bool hold_conn_more(const struct hold *h);

/* ---- hold_clocks.c ---- */
void hold_clocks_started(struct hold *h);
void hold_clocks_active(struct hold *h); /* input, or output */
void hold_clocks_end(struct hold *h);    /* it ends: it has no more time to run out of */
void hold_clocks_lost(struct hold *h);   /* the driver or latchd: its grace begins */
void hold_clocks_failed(struct hold *h); /* and latchd knows: we end soon */
void hold_clocks_retry(struct hold *h);  /* the system was out of memory: soon again */
void hold_clocks_gate(struct hold *h);   /* latchd set the gate: its grace ends */
/* Whether a title may be said now; else it may soon. */
_must_use_ bool hold_clocks_may_title(struct hold *h);
void hold_clocks_wrote(struct hold *h);        /* input: output will follow at once, as a rule */
int hold_clocks_wait_ms(const struct hold *h); /* for epoll_wait(2); -1: for ever */
bool hold_clocks_due(const struct hold *h);
void hold_clocks_run(struct hold *h);

/* ---- latch_hold_main.c ---- */
/* Edge-triggered; events as epoll_ctl(2). 0 or -errno. */
_must_use_ int hold_watch(struct hold *h, int fd, enum hold_event event, uint32_t events);
_must_use_ int hold_watch_again(struct hold *h, int fd, enum hold_event event, uint32_t events);
