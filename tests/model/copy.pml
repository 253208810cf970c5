/* copy.pml - what a viewer that holds nothing back reads is right, or known to be gone: src/ring/ring_reader.c
 * (load_bounds, ring_read) against ring_writer.c (raise_tail), src/session/viewer.c (skip).
 *
 * A ring of RING bytes that is written over and over, BYTES in all; nobody drives. The viewer reads a byte at a
 * time, falls behind, is told of gaps.
 *
 * Memory order: store buffers as in gate.pml. The reader's fence between the bytes and the second look at tail
 * keeps those loads in order: twin 1, which looks at tail only before it copies, is what may happen without it.
 */
#define RING 2
#ifdef LARGE
#define BYTES 9
#else
#define BYTES 6
#endif

typedef word { byte own, mem };

word slot[RING];                 /* what lies there: the byte's offset */
word head, tail;

#define SETTLED(w) (w.own == w.mem)

active proctype memory() {
end:    do
        :: atomic { !SETTLED(slot[0]) -> slot[0].mem = slot[0].own }
        :: atomic { !SETTLED(slot[1]) -> slot[1].mem = slot[1].own }
        :: atomic { !SETTLED(tail) -> tail.mem = tail.own }
#ifdef BROKEN_3
        :: atomic { !SETTLED(head) && SETTLED(slot[0]) && SETTLED(slot[1]) -> head.mem = head.own }
#else
        :: atomic { !SETTLED(head) && SETTLED(slot[0]) && SETTLED(slot[1]) && SETTLED(tail) -> head.mem = head.own }
#endif
        od
}

/* What was stored so far is seen by all. */
inline settle() {
        d_step {
                slot[0].mem = slot[0].own;
                slot[1].mem = slot[1].own;
                head.mem = head.own;
                tail.mem = tail.own
        }
}

/* ring_writer.c: ring_writer_space, ring_writer_commit, ring_writer_publish. */
active proctype holder() {
        byte committed;

        do
        :: committed == BYTES -> break
        :: committed < BYTES ->
                if
                :: committed - head.own > RING / 2 -> head.own = committed /* keep_behind */
                :: else
                fi;
                if
                :: committed >= RING ->
#ifndef BROKEN_3 /* tail is stored relaxed: it may be seen before the head that was there already */
                        settle();
#endif
                        tail.own = committed + 1 - RING;        /* raise_tail, store-release */
#ifndef BROKEN_2 /* no fence: bytes may be seen before tail is */
                        settle()
#endif
                :: else
                fi;
                slot[committed % RING].own = committed;         /* readv */
                committed++;
                if
                :: true -> head.own = committed                 /* publish, released; its fence is wakeup.pml's */
                :: committed < BYTES -> skip
                fi
        od
}

/* viewer.c: copy, skip; ring_reader.c: ring_read. */
active proctype viewer() {
        byte cursor, got, low, high, again;

        do
        :: cursor == BYTES -> break
        :: cursor < BYTES ->
                high = head.mem;                                /* load_head, acquire */
                low = tail.mem;                                 /* load_bounds, acquire */
                if
                :: low > high ->
                        again = head.mem;
                        assert(low <= again);                   /* else refuse(): an honest holder is bad */
                        high = low;
                        again = 0
                :: else
                fi;
                assert(high - low <= RING);                     /* else refuse() */
                if
                :: cursor < low -> cursor = low                 /* -ESTALE: a gap is told */
                :: cursor >= high -> head.mem > high            /* until it is woken: wakeup.pml */
                :: else ->
                        got = slot[cursor % RING].mem;          /* copy_out, relaxed */
#ifndef BROKEN_1 /* no second look at tail, or one that comes before the bytes */
                        low = tail.mem;                         /* ring_fence; load of tail */
#endif
                        if
                        :: low > cursor -> cursor = low         /* -ESTALE: the copy is thrown away */
                        :: else ->
                                assert(got == cursor);
                                cursor++
                        fi;
                        got = 0
                fi;
                low = 0;
                high = 0
        od
}
