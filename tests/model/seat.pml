/* seat.pml - who drives, and what the holder believes of it: src/session/seats.c (viewer_drives_locked, viewer_leave,
 * session_drive, session_detach), attach.c (drive_locked), said.c (session_tell_seat, pay), control.c (viewer_may_type),
 * src/hold/hold_clocks.c (the grace), hold_conn.c (lose).
 *
 * CLIENTS clients, each a thread of the server's, one of them the opener, with STEPS steps between them, of their own
 * choice: takes the seat, leaves it (detach), loses its socket, types. Each changes the seat under the session's lock and
 * tells the holder without it, on a socket that has room for QUEUE messages: what finds no room is owed, and paid by the
 * pump. Once, at any moment, the server dies with all that its threads were about to do; what it said before is heard, and
 * the clients come to the next one. A grace ends when it likes.
 *
 * Asserted: one drives at most, and nobody takes its seat by leaving; input is let through of the driver alone; and when
 * all has been said, the holder looks for a driver if and only if one is missing. (Else it would overwrite what the driver
 * has not seen, or wait for nobody for ever.) Where the seat was given up, the gate is open, and it does not matter.
 *
 * Memory order: all of it is under a lock, or the kernel's.
 *
 * Left out: acknowledgements (gate.pml), who is told of a new driver, keys that come again (they leave and take in one step).
 */
#define CLIENTS 2
#if defined(LARGE) || defined(BROKEN_2)
#define STEPS   3
#else
#define STEPS   2
#endif
#define QUEUE   1
#define NOBODY  255
#define ROOM    (len(to_hold) < QUEUE)

mtype = { GATE, GRACE, INPUT, LOST };
mtype = { NO, RUNS, OVER };      /* the holder's grace */

#define OPENER  0

byte driver = OPENER;            /* s->driver; under the lock */
byte changes;                    /* s->driver_changes */
bool open;                       /* the gate is RING_NO_DRIVER; in shared memory, so it outlives the server */
bool owed;                       /* s->owed: OWED_SEAT */
byte server;                     /* which one it is */
byte seat = OPENER;              /* whose it is, by what they did */
byte busy;                       /* what the pump is about to say */
byte steps;                      /* that were begun, by all of them */
byte done;                       /* clients that have done what they wanted */

chan to_hold = [QUEUE] of { mtype };
mtype grace = NO;

/* ---- said.c ---- */

/* seat_word: under the lock. */
inline look() {
        atomic {
                if
                :: driver != NOBODY || open -> word = GATE
                :: else -> word = GRACE
                fi;
                seen = changes
        }
}

/* tell_or_owe; a server that died says nothing more. */
inline say() {
        atomic {
                if
                :: server != mine -> goto died
                :: server == mine && ROOM -> to_hold!word
                :: server == mine && !ROOM -> owed = true
                fi
        }
}

inline tell_seat() {
        look();
        do
        :: told = seen;
           say();
#ifdef BROKEN_1 /* no second look: an older word may be the last */
           break
#else
           look();
           if
           :: seen != told
           :: else -> break
           fi
#endif
        od
}

/* Nothing is to be told from what was: fewer states. */
inline forget() {
        word = 0; told = 0; seen = 0
}

/* sessions_tick: pay. */
active proctype pump() {
        mtype word;
        byte mine, told, seen;

again:  mine = server;
end:    do
        :: atomic { owed && server == mine -> owed = false; busy++ }
#ifdef BROKEN_2 /* the word that found no room is kept, not what is true by then */
           word = GRACE;
           say();
#else
           tell_seat();
#endif
           atomic { forget(); busy-- }
        :: server != mine -> goto again
        od;
died:   busy--;
        goto again
}

/* ---- a client's thread ---- */

/* session_drive, drive_locked. */
inline take() {
        atomic {
                if
                :: server != mine -> goto died
                :: else -> changes = changes + (driver != me); driver = me; open = false; seat = me
                fi
        }
        sits = true;
        tell_seat();
        forget()
}

/* viewer_leave; how: the gate is opened, or held for whoever comes back. */
inline leave(detach) {
        atomic {
                if
                :: server != mine -> goto died
                :: else
                fi;
#ifdef BROKEN_3 /* whoever leaves empties the seat */
                tell = driver != NOBODY;
#else
                tell = driver == me;
#endif
                sits = false;
                if
                :: tell -> driver = NOBODY; changes++; open = open || detach
                :: else
                fi;
                if
                :: seat == me -> seat = NOBODY
                :: else
                fi
        }
        if
        :: tell -> tell_seat(); forget()
        :: tell && detach /* nobody waits for the gate */
        :: !tell
        fi
}

/* sessions_input: viewer_may_type, under the lock. */
inline type() {
        atomic {
                if
                :: server != mine -> goto died
#ifdef BROKEN_4 /* it drove when it came */
                :: server == mine && sits && ROOM ->
#else
                :: server == mine && driver == me && ROOM ->
#endif
                        assert(seat == me);
                        to_hold!INPUT
                :: else                                         /* refused */
                fi
        }
}

active [CLIENTS] proctype client() {
        mtype word;
        byte me, mine, told, seen;
        bool sits, tell;

        atomic { me = _pid - 1; sits = me == OPENER }       /* the pump is 0 */
        goto sit;
again:  mine = server;                                          /* it attaches as a viewer */
        sits = true;
sit:    do
        :: atomic { steps < STEPS -> steps++ }
                if
                :: take()
                :: sits -> leave(true)
                :: sits -> leave(false)
                :: sits -> type()
                fi;
                assert(driver == seat)
        :: break
        od;
        done++;
        goto end;
died:   goto again;
end:    skip
}

/* Once. The next one finds the gate, and nobody who sits. */
active proctype death() {
        if
        :: atomic { ROOM -> server++; driver = NOBODY; seat = NOBODY; owed = false; to_hold!LOST }
        :: skip
        fi
}

/* ---- the holder ---- */

active proctype holder() {
        mtype m;

end:    do
        :: to_hold?m ->
                if
#ifdef BROKEN_5 /* a grace that is over stays so */
                :: m == GATE && grace != OVER -> grace = NO
#else
                :: m == GATE -> grace = NO                      /* hold_clocks_gate */
#endif
                :: (m == GRACE || m == LOST) && grace == NO -> grace = RUNS /* hold_clocks_lost */
                :: else
                fi
        :: grace == RUNS -> grace = OVER
        :: atomic { /* all is said */
                done == CLIENTS && busy == 0 && !owed && len(to_hold) == 0 ->
                assert(driver == NOBODY || grace == NO);
                assert(driver != NOBODY || open || grace != NO);
                break
           }
        od
}
