/* wakeup.pml - nobody sleeps while there are bytes: the event index of src/ring (ring_writer_publish,
 * ring_reader_arm), the eventfd, and viewers that share one place to be woken at (src/session/viewer.c).
 *
 * A holder puts out up to BYTES bytes in turns of one or two, sometimes with a publish in the middle of a turn
 * (keep_behind), and may stop for ever behind any of them. Two viewers read, each as much as it is given.
 *
 * Memory order: `head` and `wake_at` are written relaxed or released and ordered by fences, so here each has a
 * store buffer of its own (`own` is what its writer sees, `mem` what the other sees; `memory` moves one to the
 * other whenever it likes, a fence at once). That is more than x86 does (PSO) and what makes a missing fence
 * show. Loads are not reordered; where that matters the code has an acquire or a fence between (copy.pml).
 * The session's lock is `atomic`. How the pump goes to sleep: ready.pml.
 *
 * Every stuck state is an invalid end: the pump may end only when all that was put out has been taken.
 */
#ifdef LARGE
#define BYTES 5
#else
#define BYTES 4
#endif
#define NEVER 255                /* RING_NO_DRIVER in wake_at */

typedef word { byte own, mem };

word head, wake_at;
bool output;                     /* the eventfd's edge */
bool listed[2];                  /* stands in the pump's row */
byte made;                       /* by the holder, in the end */
bool stopped;                    /* it makes no more */

byte cursor[2];
bool waiting[2];

#ifdef BROKEN_1                  /* two help each other: there it is one */
#define ALONE true
#else
#define ALONE false
#endif
#define DRAINED (stopped && cursor[0] == made && (ALONE || cursor[1] == made))

/* ---- the holder ---- */

/* ring_writer.c: ring_writer_publish. */
inline publish() {
        due = wake_due;
        wake_due = false;
        if
        :: committed != published ->
                head.own = committed;                           /* store-release of head */
#ifndef BROKEN_2 /* no fence: wake_at may be read before head is seen */
                head.mem = head.own;                            /* ring_fence */
#endif
                due = due || (published <= wake_at.mem && wake_at.mem < committed);
                published = committed
        :: else
        fi
}

active proctype holder() {
        byte committed, published;
        bool due, wake_due, two;

        do
        :: committed < BYTES ->                                 /* hold_output.c: hold_output_read */
                committed++;
                if
                :: committed < BYTES ->
                        if
                        :: true ->                              /* ring_writer.c: keep_behind */
                                publish();
#ifndef BROKEN_5 /* what the inner publish found is forgotten */
                                wake_due = due;
#endif
                                committed++
                        :: true -> committed++
                        :: true
                        fi
                :: else
                fi;
                publish();
                if
                :: due -> output = true                         /* notify: write(SETUP_WAKE) */
                :: else
                fi
        :: true -> break
        od;
        atomic { made = committed; stopped = true }
}

/* A store reaches the others when it likes. */
active proctype memory() {
end:    do
        :: atomic { head.mem != head.own -> head.mem = head.own }
        :: atomic { wake_at.mem != wake_at.own -> wake_at.mem = wake_at.own }
        od
}

/* ---- latchd's pump ---- */

/* viewer.c: plan_locked, wait_locked, copy; viewer_take asks again after each step. */
inline turn(x) {
        do
        :: cursor[x] < head.mem -> cursor[x] = head.mem         /* reach_locked: load-acquire; copy */
        :: else ->
#ifdef BROKEN_1 /* looks, then says where it wants to be woken */
                behind = (head.mem > cursor[x]);
#endif
                atomic {
                        waiting[x] = true;                      /* wait_locked */
#ifndef BROKEN_4 /* who waits further back has lost its place */
                        if
                        :: waiting[1 - x] && cursor[1 - x] < cursor[x] ->
                                waiting[1 - x] = false;         /* crowd_waiting_locked, crowd_wake */
                                listed[1 - x] = true
                        :: else
                        fi;
#endif
                        wake_at.own = cursor[x]                 /* ring_reader.c: ring_reader_arm */
                };
#ifndef BROKEN_3 /* no fence: head may be read before wake_at is seen */
                wake_at.mem = wake_at.own;                      /* ring_fence */
#endif
#ifndef BROKEN_1
                behind = (head.mem > cursor[x]);
#endif
                if
                :: behind -> waiting[x] = false
                :: else -> break
                fi
        od;
        behind = false
}

/* pump.c: pump_main; events.c: sessions_on_output. */
active proctype pump() {
        bool behind;

        atomic {
                wake_at.own = NEVER;
                wake_at.mem = NEVER;
                listed[0] = true;                               /* viewer_activate */
                listed[1] = !ALONE
        };
        do
        :: atomic {
                output ->
                output = false;                                 /* crowd_waiting_locked(UINT64_MAX) */
                listed[0] = listed[0] || waiting[0];
                listed[1] = listed[1] || waiting[1];
                waiting[0] = false;
                waiting[1] = false
           }
        :: listed[0] -> listed[0] = false; turn(0)
        :: listed[1] -> listed[1] = false; turn(1)
        :: DRAINED -> break
        od
}
