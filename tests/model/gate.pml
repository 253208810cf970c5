/* gate.pml - the driver's bytes are never overwritten, and nobody waits for ever: src/ring/ring_writer.c
 * (free_or_wait, raise_tail, keep_behind), ring_reader_set_gate, src/session/viewer.c and seats.c (the window, the
 * acknowledgements), src/hold/hold_clocks.c (HOLD_GATE).
 *
 * A ring of RING bytes, a window of WINDOW, BYTES bytes in all. The client takes what it is sent when it likes and
 * acknowledges in steps of its own choice, at most WINDOW. At any moment, once, the server with all
 * that is on its way; the client comes back to the next one with what it has, within the grace.
 *
 * Memory order: as in wakeup.pml; here the ring's bytes have store buffers, too. A released head (or tail) reaches
 * the others only behind what was stored before it.
 *
 * Left out: the table of segments, which holds the gate shut in the same way; the grace (seat.pml); who is woken
 * by published bytes (wakeup.pml): the viewer here sees them by itself.
 */
#define RING   4                 /* a power of two */
#ifndef BROKEN_5
#define WINDOW 2                 /* at most RING / 2 */
#else
#define WINDOW 3
#endif
#ifdef LARGE
#define BYTES 10
#else
#define BYTES 7
#endif
#ifdef BROKEN_5 /* the holder waits until all is acknowledged, the client for a window's worth, which never fits in */
#define MORE RING
#else
#define MORE 1                   /* HYSTERESIS_BYTES, or ring_bytes / 8 */
#endif
#define NO_NEED 255

typedef word { byte own, mem };

word slot[RING];                 /* holder's; what lies there: the byte's offset */
word head, tail, need;           /* holder's */
word driver;                     /* latchd's: the gate */
bool gate_said;                  /* HOLD_GATE is on its way, or owed (src/session/said.c) */

byte cursor, acked;              /* of the driver's viewer; under the session's lock */
byte taken;                      /* the client has all below */
bool returned;

#define SETTLED(w) (w.own == w.mem)
#define BYTES_SETTLED \
        (SETTLED(slot[0]) && SETTLED(slot[1]) && SETTLED(slot[2]) && SETTLED(slot[3]))

/* A store reaches the others when it likes; a released one not ahead of those before it. */
active proctype memory() {
        byte i;

end:    do
        :: atomic { !SETTLED(slot[0]) -> slot[0].mem = slot[0].own }
        :: atomic { !SETTLED(slot[1]) -> slot[1].mem = slot[1].own }
        :: atomic { !SETTLED(slot[2]) -> slot[2].mem = slot[2].own }
        :: atomic { !SETTLED(slot[3]) -> slot[3].mem = slot[3].own }
        :: atomic { !SETTLED(tail) -> tail.mem = tail.own }
        :: atomic { !SETTLED(need) -> need.mem = need.own }
#ifdef BROKEN_6 /* head is stored relaxed */
        :: atomic { !SETTLED(head) -> head.mem = head.own }
#else
        :: atomic { !SETTLED(head) && BYTES_SETTLED && SETTLED(tail) -> head.mem = head.own }
#endif
        :: atomic { !SETTLED(driver) -> driver.mem = driver.own }
        od
}

/* ring_private.h: ring_fence, of the holder. */
inline writer_fence() {
        d_step {
                i = 0;
                do
                :: i < RING -> slot[i].mem = slot[i].own; i++
                :: else -> i = 0; break
                od;
                tail.mem = tail.own;
                head.mem = head.own;
                need.mem = need.own
        }
}

/* ring_writer.c: free_bytes, gate_now: one load of the gate. */
inline look_at_gate() {
        atomic {
                gate = (driver.mem > committed -> committed : driver.mem);
                n = (committed - gate >= RING -> 0 : RING - (committed - gate));
                gate = 0
        }
}

/* ring_writer.c: ring_writer_publish. */
inline publish() {
        if
        :: head.own != committed ->
                head.own = committed;                           /* store-release */
                writer_fence()
        :: else
        fi
}

/* hold_output.c: read_turn; ring_writer.c: ring_writer_space, ring_writer_commit. A byte at a time. */
active proctype holder() {
        byte committed, gate, n, i;
        bool waiting;

        need.own = NO_NEED;
        need.mem = NO_NEED;
        do
        :: committed == BYTES -> publish(); break
        :: committed < BYTES ->
                if
                :: committed - head.own > RING / 2 -> publish() /* keep_behind */
                :: else
                fi;
                look_at_gate();                                 /* free_or_wait */
                if
                :: n == 0 ->
                        need.own = committed + MORE - RING;     /* needed; at most what was written */
                        waiting = true;
#ifndef BROKEN_2 /* no fence: the gate may be read before need_at is seen */
                        writer_fence();
#endif
#ifndef BROKEN_1 /* no second look */
                        look_at_gate()
#endif
                :: else
                fi;
                if
                :: n > 0 && waiting -> need.own = NO_NEED; waiting = false
                :: else
                fi;
                if
                :: n == 0 ->                                    /* -EBUSY: h->gated */
                        publish();
                        gate_said;                              /* epoll_wait */
                        gate_said = false                       /* hold_clocks_gate */
                :: else ->
                        if
                        :: committed + 1 - RING > tail.own && committed + 1 > RING ->
                                tail.own = committed + 1 - RING; /* raise_tail */
                                writer_fence()
                        :: else
                        fi;
                        slot[committed % RING].own = committed; /* readv */
                        committed++;                            /* ring_writer_commit */
                        n = 0;
                        if
                        :: true -> publish()                    /* the turn is over... */
                        :: true                                 /* ...or it reads on */
                        fi
                fi
        od
}

/* seats.c: viewer_gate_locked; ring_reader.c: ring_reader_set_gate; then session_tell(HOLD_GATE). */
inline set_gate(at) {
        driver.own = at;
#ifndef BROKEN_3 /* no fence: need_at may be read before the gate is seen */
        driver.mem = driver.own;
#endif
        needed = need.mem;
        if
        :: needed != NO_NEED && at >= needed -> gate_said = true
        :: else
        fi;
        needed = 0
}

/* The pump: viewer.c: plan_locked, bytes_locked, copy; ring_reader.c: ring_read. */
active proctype pump() {
        byte needed;

        do
        :: taken == BYTES -> break
        :: atomic {
                cursor < head.mem && cursor - acked < WINDOW -> /* load-acquire of head; bytes_locked */
                assert(slot[cursor % RING].mem == cursor);      /* copy_out: the bytes of this place */
                assert(tail.mem <= cursor);                     /* else -ESTALE: a gap, for the driver */
                cursor++;
                assert(cursor - acked <= WINDOW)
           };
#ifdef BROKEN_4 /* the gate is where output was sent, not what was acknowledged */
           set_gate(cursor)
#endif
        od
}

/* The connection's thread: seats.c: viewer_ack; and once another server: attach.c: drive_locked. */
active proctype client() {
        byte needed, step;

        if
        :: step = 1
        :: step = WINDOW
        fi;
        do
        :: taken == BYTES -> break
        :: atomic { taken < cursor && taken - acked < WINDOW -> taken++ }
        :: taken - acked >= step ->
                acked = taken;                                  /* under the session's lock, as is the gate */
#ifndef BROKEN_4
                set_gate(acked)
#endif
        :: atomic {                                             /* the server dies; the next one is attached to */
                !returned ->
                returned = true;
                cursor = taken;                                 /* since: what the client has */
                acked = taken;
                assert(tail.mem <= cursor)                      /* bounds_locked: it is kept */
           };
#ifndef BROKEN_4
           set_gate(acked);
#endif
           gate_said = true                                     /* told in any case */
        od
}
