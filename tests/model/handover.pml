/* handover.pml - a session in the hands of one server after another, each killed at any moment: src/hold/
 * hold_conn.c, hold_input.c, hold_end.c; src/session/adopt.c, events.c, attach.c, control.c, notice.c, session_end.c.
 *
 * DEATHS times latchd dies, between any two steps, with all that is on its way to the client or waits to be read;
 * what it said to the holder before is there. The next one connects, hears HELLO and perhaps EXIT. A client sends
 * INPUTS bytes of input, one a message, comes back with what it has (`since`) and asks how much of its input was
 * taken; what was refused it sends again. The program answers each byte with one, and ends after none, one, or all of them. The holder's buffer has BUFFER bytes, each socket two messages.
 *
 * Asserted: the program gets each byte once, in order; what was acknowledged is never taken back; output comes
 * without a hole and never twice; one exit on a channel, one in all, behind the last byte. Never stuck: the client
 * can always get as far as its exit.
 *
 * Memory order: nothing here is shared but by the kernel's sockets, and the ring's head, which is wakeup.pml's.
 *
 * Left out: the window and the gate (gate.pml), messages of more than one byte (a known part is cut off in front:
 * tests/hold), FULL for lack of memory, a holder that dies or says nothing, several keys.
 */
#if defined(BROKEN_2) || defined(BROKEN_3)
#define INPUTS 3                 /* it takes a byte behind one that was refused to tell these */
#define DEATHS 0
#define QUEUE  1
#elif defined(LARGE)
#define INPUTS 2
#define DEATHS 2
#define QUEUE  2
#else
#define INPUTS 2
#define DEATHS 1
#define QUEUE  2
#endif
#define SERVERS (DEATHS + 1)
#define BUFFER  1
#define NOBODY  255

mtype = { HELLO, INPUT, QUERY, ACK, REFUSED, INPUT_AT, EXIT, ATTACH, OUT };

/* enum hold_refusal; 0: none */
#define FULL  1
#define HOLE  2
#define ENDED 3

chan backlog = [SERVERS] of { byte };                           /* of the holder's listening socket */
chan to_hold[SERVERS] = [QUEUE] of { mtype, byte, byte };           /* offset, byte */
chan to_latchd[SERVERS] = [QUEUE] of { mtype, byte, byte };         /* offset, code */
chan up[SERVERS] = [1] of { mtype, byte, byte };                /* the client's socket */
chan down[SERVERS] = [QUEUE] of { mtype, byte, byte };
byte deaths;
#define DEAD(g) (deaths > g)

byte applied;                    /* what the program has got */
byte out;                        /* what it has put out: the ring's head */
byte lifetime = NOBODY;          /* it ends after so many bytes: none, one, all */
bool recorded;                   /* the store has the end */
bool finished;                   /* the client has heard of it */

/* ---- the holder ---- */

#define ACK_DUE (ack_due || (starved && len(buffer) < BUFFER))
#ifdef BROKEN_8 /* the acknowledgement that is due goes ahead of the refusal, here and in latchd */
#define ACK_TURN ack_due
#define TELL_ACK ack_untold
#else
#define ACK_TURN (ACK_DUE && !refusal_due)
#define TELL_ACK (ack_untold && !refusal_untold)
#endif

/* hold_input.c: take, for a message of one byte. */
inline take(offset, value) {
        heard = true;
        if
        :: over -> refusal_due = ENDED
        :: else ->
                if
#ifndef BROKEN_3 /* a hole is filled with what comes behind it */
                :: offset > taken -> refusal_due = HOLE
#endif
#ifndef BROKEN_2 /* what came before is taken again */
                :: offset < taken -> ack_due = true
#endif
                :: else ->
                        if
                        :: len(buffer) == BUFFER -> refusal_due = FULL; starved = true
                        :: else -> buffer!value; taken++        /* push */
                        fi
                fi
        fi
}

/* hold_conn.c: obey. */
inline obey() {
        to_hold[conn]?m, a, b;
        if
        :: m == INPUT -> take(a, b)
        :: m == QUERY -> answer_due = true; answer = taken      /* hold_input_count */
        fi
}

/* hold_conn.c: lose. */
inline lose() {
        conn = NOBODY;
        answer_due = false;
        heard = false;                                          /* hold_input_forget_tags */
        ack_due = false;
        starved = false;
        refusal_due = 0;
#ifdef BROKEN_1 /* the count is forgotten with the connection */
        taken = 0
#endif
}

active proctype holder() {
        chan buffer = [BUFFER] of { byte };
        byte conn = NOBODY, taken, answer, refusal_due, a, b;
        bool heard, ack_due, starved, answer_due, hello_due, exit_due, over, done;
        mtype m;

end:    do
        :: atomic { (len(backlog) > 0) ->                          /* hold_conn_accept, hold_conn_open */
                do                                              /* hear_last_words */
                :: conn != NOBODY && (len(to_hold[conn]) > 0) ->
#ifdef BROKEN_4 /* what the old server said last is thrown away half done: its bytes count, and are not kept */
                        to_hold[conn]?m, a, b;
                        if
                        :: m == INPUT && a == taken -> taken++
                        :: else
                        fi
#else
                        obey()
#endif
                :: else -> break
                od;
                if
                :: conn != NOBODY -> lose()
                :: else
                fi;
                backlog?conn;
                hello_due = true;
#ifdef BROKEN_5 /* the exit was said once */
                skip
#else
                exit_due = done
#endif
           }
        :: atomic { conn != NOBODY && (len(to_hold[conn]) > 0) && !answer_due -> obey() } /* hold_conn_read */
        :: atomic { conn != NOBODY && DEAD(conn) && (len(to_hold[conn]) == 0) -> lose() }
        :: atomic { (len(buffer) > 0) && applied < lifetime ->     /* hold_input_write, pop */
                buffer?a;
                applied++;
                assert(a == applied);
                ack_due = ack_due || heard
           }
        :: atomic { !over && applied == lifetime ->             /* hold_cage_check: GONE; hold_input_end */
                over = true;
                starved = false;
                if
                :: (len(buffer) > 0) ->
                        taken = applied;
                        refusal_due = (heard -> ENDED : refusal_due);
                        do
                        :: (len(buffer) > 0) -> buffer?_
                        :: else -> break
                        od
                :: else
                fi
           }
        :: out < applied -> out++                               /* hold_output_read */
        :: atomic { over && !done && out == applied -> done = true; exit_due = true }
        /* hold_conn_write: in this order; to one that is gone it stays due */
        :: atomic { conn != NOBODY && !DEAD(conn) && nfull(to_latchd[conn]) &&
                (hello_due || ACK_DUE || refusal_due || answer_due || exit_due) ->
                if
                :: hello_due -> to_latchd[conn]!HELLO, 0, 0; hello_due = false
                :: !hello_due && ACK_TURN ->                    /* say_input */
                        to_latchd[conn]!ACK, applied, 0;
                        ack_due = false;
                        starved = starved && len(buffer) == BUFFER
                :: !hello_due && !ACK_TURN && refusal_due ->
                        to_latchd[conn]!REFUSED, taken, refusal_due;
                        refusal_due = 0
                :: !hello_due && !ACK_DUE && !refusal_due && answer_due ->
                        to_latchd[conn]!INPUT_AT, answer, 0;
                        answer_due = false
                :: !hello_due && !ACK_DUE && !refusal_due && !answer_due && exit_due ->
                        to_latchd[conn]!EXIT, out, 0;
                        exit_due = false
                fi
           }
        od
}

/* ---- latchd ---- */

inline reset() {
        d_step {
                hello = false; over = false; attached = false; asking = false;
                ack_untold = false; refusal_untold = false; starved = false;
                ack_at = 0; refusal_at = 0; code = 0; cursor = 0; end_at = 0; told = false;
                a = 0; b = 0; m = 0
        }
}

/* seats.c: viewer_refuse: the lowest offset, and what says most. */
inline refuse(offset, why) {
        if
        :: !refusal_untold || (code != ENDED && !(code == HOLE && why == FULL)) -> code = why
        :: else
        fi;
        if
        :: !refusal_untold || offset < refusal_at -> refusal_at = offset
        :: else
        fi;
        refusal_untold = true
}

/* events.c: hear_running, hear_ended. */
inline hear() {
        to_latchd[g]?m, a, b;
        if
        :: m == HELLO -> hello = true
        :: m == ACK ->                                          /* hear_input */
                if
                :: attached && a >= ack_at -> ack_at = a; ack_untold = true
                :: else
                fi
        :: m == REFUSED && attached -> refuse(a, b)
        :: m == REFUSED && !attached
        :: m == INPUT_AT -> down[g]!INPUT_AT, a, 0; ack_at = a; attached = true; asking = false /* sit */
        :: m == EXIT ->                                         /* session_settle: whoever claims it first */
#ifdef BROKEN_6 /* an exit that is repeated is an exit */
                end_at = a; over = true; told = false
#else
                if
                :: !over -> end_at = a; over = true
                :: else
                fi
#endif
        fi
}

active proctype latchd() {
        byte g, ack_at, refusal_at, code, cursor, end_at, a, b;
        bool hello, over, attached, asking, ack_untold, refusal_untold, starved, told;
        mtype m;

begin:
        {
                atomic { over = recorded; end_at = (recorded -> out : 0); backlog!g }; /* sessions_adopt: found_look */
                to_latchd[g]?HELLO, _, _;                       /* found_hear, session_greet */
                hello = true;
end:            do
                :: atomic { (len(to_latchd[g]) > 0) && nfull(down[g]) -> hear() }
                :: atomic { over && !recorded -> recorded = true } /* record_run, sooner or later */
                :: atomic { up[g]?[ATTACH, _, _] && nfull(to_hold[g]) ->
                        up[g]?ATTACH, cursor, _;                /* attach.c: ask_input */
                        asking = true;
                        to_hold[g]!QUERY, 0, 0
                   }
                :: atomic { up[g]?[INPUT, _, _] ->              /* sessions_input */
                        up[g]?INPUT, a, b;
                        if
                        :: over -> refuse(a, ENDED)
                        :: !over && len(to_hold[g]) == QUEUE -> refuse(a, FULL); starved = true /* viewer_starves */
                        :: else -> to_hold[g]!INPUT, a, b
                        fi
                   }
                :: atomic { starved && nfull(to_hold[g]) -> starved = false; ack_untold = true } /* said.c: feed */
                /* viewer.c: plan_locked: notices, bytes, the exit */
                :: atomic { attached && !told && nfull(down[g]) &&
                        (ack_untold || refusal_untold || cursor < out || over) ->
                        if
                        :: TELL_ACK ->                          /* notice.c: input_next_locked */
                                down[g]!ACK, ack_at, 0;
                                ack_untold = false
                        :: !TELL_ACK && refusal_untold ->
                                down[g]!REFUSED, refusal_at, code;
                                refusal_untold = false
#ifdef BROKEN_7 /* the exit does not wait for the last byte */
                        :: !ack_untold && !refusal_untold && over ->
#else
                        :: !ack_untold && !refusal_untold && cursor < out ->
                                down[g]!OUT, cursor, 0;
                                cursor++
                        :: !ack_untold && !refusal_untold && cursor == out && over ->
#endif
                                down[g]!EXIT, end_at, 0;
                                told = true
                        :: else -> skip
                        fi
                   }
                od
        } unless {
                atomic {
                        DEAD(g) ->
                        do
                        :: (len(to_latchd[g]) > 0) -> to_latchd[g]?_, _, _
                        :: (len(up[g]) > 0) -> up[g]?_, _, _
                        :: else -> break
                        od;
                        reset();
                        g++;
                        goto begin
                }
        }
}

active proctype death() {
end:    do
        :: deaths < DEATHS && !finished -> deaths++
        od
}

/* ---- the client ---- */

active proctype client() {
        byte g, got, acked, from, sent, a, b;
        bool joined, shut, waits;
        mtype m;

        if
#if DEATHS > 0 && !defined(BROKEN_1)
        :: lifetime = 0
        :: lifetime = 1
#endif
        :: lifetime = INPUTS
        fi;
again:
        if
        :: atomic { !DEAD(g) -> up[g]!ATTACH, got, 0 }
        :: DEAD(g) -> goto gone
        fi;
        do
        :: atomic { (len(down[g]) > 0) ->
                down[g]?m, a, b;
                if
                :: m == INPUT_AT ->                             /* the reply: input_offset */
                        assert(a >= acked);
                        from = a;
                        sent = a;
                        joined = true
                :: m == OUT -> assert(a == got); got++
                :: m == ACK ->
                        assert(a >= acked && a >= from);
                        acked = (a > from -> a : acked);        /* else it says only that there is room */
                        waits = false
                :: m == REFUSED && b == ENDED -> shut = true
                :: m == REFUSED && b != ENDED ->                /* again from there; FULL: when there is room */
                        sent = (a < sent -> a : sent);
                        waits = (b == FULL)
                :: m == EXIT ->
                        assert(a == got && got == lifetime);
                        finished = true;
                        goto heard
                fi
           }
        :: atomic { joined && !shut && !waits && sent < INPUTS && !DEAD(g) && nfull(up[g]) ->
                up[g]!INPUT, sent, sent + 1;
                sent++
           }
        :: DEAD(g) -> goto gone
        od;
gone:   atomic {
                do                                              /* what it did not read is lost */
                :: (len(down[g]) > 0) -> down[g]?_, _, _
                :: else -> break
                od;
                joined = false;
                waits = false;
                g++;
                a = 0; b = 0; m = 0
        };
        goto again;
heard:
end:    do
        :: down[g]?_, _, _ -> assert(false)                     /* nothing follows the exit */
        od
}
