/* rwlock.pml - a rwlock as it is tracked: src/latch (latch_push_, latch_pop_, latch_take_late_, latch_track_want,
 * latch_is_read, latch_rwlock_done_). Its readers share no word: each one's hold stands on the stack of its own thread.
 *
 * READERS threads read, a writer writes, once each. A reader may, while it reads, want to read once more or to write,
 * which is the bug: it is refused. Somebody destroys the lock at any time after a reader has said that it reads
 * (which is the bug, too), and somebody when all have been joined.
 *
 * Asserted: readers and a writer exclude each other; who destroys it while a reader that was known of reads is told
 * so, who destroys it behind all is not; what a stack tells others its thread has, or tries to have. Every stuck state
 * is an invalid end: nobody waits for itself.
 *
 * Memory order: the words of a stack are relaxed stores, but for its count, which is one with release behind a take:
 * so the count has a store buffer, and the entry has another, which the release empties first. pthread's lock may let
 * a new reader wait for a writer that waits, or not.
 */
#ifdef LARGE
#define READERS 3
#else
#define READERS 2
#endif
#define NOTHING 0
#define THIS    1
#define OTHER   2

typedef stack { byte entry_own, entry, count_own, count };      /* held[0].lock, held_count: its own view, in memory */

stack held[READERS];
byte readers;                    /* of pthread's lock */
bool writing, writer_waits;
bool writes;                     /* h->owner is the writer */
bool said[READERS];              /* by a reader, on its way to who destroys: with release */
bool read_still[READERS];
byte ended;

inline flush_entry(t) { held[t].entry = held[t].entry_own }
inline flush_count(t) { held[t].count = held[t].count_own }
inline flush_all(t)   { atomic { flush_entry(t); flush_count(t) } }

active [READERS] proctype memory() {
        byte t = _pid;

end:    do
        :: held[t].entry != held[t].entry_own -> flush_entry(t)
        :: held[t].count != held[t].count_own -> flush_count(t)
        od
}

/* latch_push_: before it is tried. */
inline push(t) {
        held[t].entry_own = THIS;
#ifdef BROKEN_1 /* the count is no release: it may be there before what it counts */
        held[t].count_own = 1
#else
        atomic { flush_entry(t); held[t].count_own = 1 }
#endif
}

/* pthread_rwlock_rdlock: with or without regard to a writer that waits. */
inline read_lock() {
        if
        :: atomic { !writing -> readers++ }
        :: atomic { !writing && !writer_waits -> readers++ }
        :: atomic { writer_waits -> writer_waits = writer_waits }; atomic { !writing && !writer_waits -> readers++ }
        fi
}

/* latch_find_held, on the thread's own stack. */
#define MINE(t) (held[t].count_own == 1 && held[t].entry_own == THIS)

active [READERS] proctype reader() {
        byte t = _pid - READERS;

        /* What it held before lies where this will. */
        held[t].entry_own = OTHER;
        flush_all(t);
        push(t);
        if
        :: atomic { !writing -> readers++ }                     /* had at once */
        :: true ->                                              /* latch_take_late_ */
                held[t].count_own = 0;
                read_lock();
                push(t)
        fi;
        assert(!writing);
        read_still[t] = true;
        atomic { flush_all(t); said[t] = true };                /* a store with release */
        if
        :: true
        :: true ->                                              /* once more: a writer may wait by now */
                if
#ifndef BROKEN_2 /* nobody looks on its own stack */
                :: MINE(t)                                      /* refused */
#endif
                :: !MINE(t) -> read_lock(); readers--
#ifdef BROKEN_2
                :: MINE(t) -> read_lock(); readers--
#endif
                fi
        :: true ->                                              /* an upgrade */
                if
#ifndef BROKEN_3 /* nobody looks on its own stack */
                :: MINE(t)
#else
                :: MINE(t) -> atomic { !writing && readers == 0 -> writing = true }; writing = false
#endif
                fi
        fi;
        assert(!writing);
        read_still[t] = false;
#ifdef BROKEN_4 /* the hold is taken off the stack behind the unlock */
        atomic { flush_all(t); readers-- };
        ended++;
        held[t].count_own = 0
#else
        held[t].count_own = 0;                                    /* latch_pop_ */
        atomic { flush_all(t); readers-- };                     /* pthread_rwlock_unlock: release */
        ended++                                                 /* joined */
#endif
}

active proctype writer() {
        writer_waits = true;
        atomic { !writing && readers == 0 -> writing = true; writer_waits = false };
        writes = true;                                          /* latch_take_fast_ */
        assert(readers == 0);
        writes = false;                                         /* latch_pop_ */
        writing = false;
        ended++
}

/* latch_is_read: any thread's stack. */
inline look() {
        found = false;
        x = 0;
        do
        :: x < READERS ->
                if
                :: held[x].count == 1 ->
                        assert(held[x].entry == THIS);          /* nothing is told of a hold that is over */
                        found = true
                :: else
                fi;
                x++
        :: else -> break
        od;
        x = 0
}

/* latch_rwlock_done_ where it must not be: it has heard of a reader that reads. */
active proctype early() {
        bool found;
        byte x;

        if
        :: said[0] ->
                look();
                assert(found || !read_still[0])
        :: ended > 0
        fi
}

/* latch_rwlock_done_ where it may be. */
active proctype destroyer() {
        bool found;
        byte x;

        ended == READERS + 1;
        look();
        assert(!found && !writes && readers == 0)
}
