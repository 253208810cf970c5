/* owner.pml - the word that says who holds a mutex: src/latch (latch_take_fast_, latch_drop_fast_ around pthread's calls), whoever asks
 * it (latch_holds_mutex, a release by another or a second time), and done.
 *
 * THREADS threads take the mutex and let it go, ROUNDS times each. Between any two steps each may ask whether it holds the
 * mutex; a stranger lets go what it does not hold, and is told why; when all have been joined the mutex is destroyed.
 *
 * Asserted: who holds it knows, who does not is never told that it does, also while stores are under way; the stranger
 * is told of an owner that had it; nobody is said to hold it when it is destroyed.
 *
 * Memory order: the word is written relaxed, so each thread has a store buffer, which empties when it likes, and at
 * an unlock. (More than C11 lets relaxed stores to one word do; the mutex orders the rest.)
 */
#ifdef LARGE
#define THREADS 3
#define ROUNDS  2
#else
#define THREADS 2
#define ROUNDS  2
#endif
#define NOBODY 255

byte mutex = NOBODY;             /* pthread's */
byte owner = NOBODY;             /* h->owner, in memory */
bool had[THREADS];
byte ended;

/* The store buffer of a thread: one word, for the code writes the one word. */
bool pending[THREADS];
byte value[THREADS];

#define OWN(t) (pending[t] -> value[t] : owner)

inline flush(x) {
        atomic {
                if
                :: pending[x] -> owner = value[x]; pending[x] = false; value[x] = 0
                :: else
                fi
        }
}
/* A second store to a word comes behind the first. */
inline store(x, what) {
        atomic {
                if
                :: pending[x] -> owner = value[x]
                :: else
                fi;
                pending[x] = true;
                value[x] = what
        }
}

active proctype memory() {
end:    do
        :: pending[0] -> flush(0)
        :: pending[1] -> flush(1)
#if THREADS > 2
        :: pending[2] -> flush(2)
#endif
        od
}

/* lock.c: latch_holds_mutex. */
#define ASK(t) assert((OWN(t) == t) == holds)

active [THREADS] proctype locker() {
        byte t = _pid - 1, round;
        bool holds;

        do
        :: round < ROUNDS ->
                ASK(t);
#ifdef BROKEN_2 /* said before it is so */
                store(t, t);
#endif
                atomic { mutex == NOBODY -> mutex = t; had[t] = true };     /* pthread_mutex_lock */
#ifndef BROKEN_2
                store(t, t);                                    /* latch_take_fast_ */
#endif
                holds = true;
                ASK(t);
                ASK(t);
                holds = false;
#ifdef BROKEN_1 /* cleared behind the unlock: the word is the next owner's by then */
                flush(t);
                mutex = NOBODY;
                store(t, NOBODY);
#else
                store(t, NOBODY);                               /* latch_pop_ */
                flush(t);                                       /* pthread_mutex_unlock: release */
                mutex = NOBODY;
#endif
                round++
        :: else -> break
        od;
        flush(t);                                               /* its end: release */
        ended++
}

/* track.c: report_foreign. */
active proctype stranger() {
        byte seen = owner;

        assert(seen == NOBODY || had[seen])
}

/* track.c: latch_track_done, behind pthread_join. */
active proctype destroyer() {
        ended == THREADS;
        assert(owner == NOBODY)
}
