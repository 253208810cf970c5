/* heir.pml - a mutex goes from one thread to another that is named: src/latch/handover.c (latch_hand_over_, name_heir,
 * latch_take_handed_, latch_yield_until), lock_fast.h (latch_take_fast_). A session in the hands of one server after another is
 * handover.pml.
 *
 * A giver takes the mutex and hands it over, GIVES times; the heir takes up what was handed over, as often, and may come
 * first. OTHERS take it as ever meanwhile.
 *
 * Asserted: one has it at a time, and between the giver and the heir nobody has. Every stuck state is an invalid end: nobody
 * sleeps through its wake-up.
 *
 * Memory order: heir is changed and read under the mutex alone, `handed` is compared by the kernel when who waits goes to
 * sleep: interleaving is exact.
 */
#ifdef LARGE
#define OTHERS 2
#define GIVES  2
#else
#define OTHERS 1
#define GIVES  2
#endif
#define THREADS (OTHERS + 2)
#define NOBODY  255

byte mutex = NOBODY;             /* pthread's */
byte heir = NOBODY;              /* m->heir */
byte handed;                     /* m->handed: the futex's word */
bool asleep[THREADS];
byte inside;                     /* how many have it */
bool promised;                   /* to the heir */

inline lock(me)   { atomic { mutex == NOBODY -> mutex = me } }
inline unlock(me) { atomic { assert(mutex == me); mutex = NOBODY } }

/* handover.c: sleep_on. */
inline sleep_on(me, seen) {
        atomic {
                if
                :: handed == seen -> asleep[me] = true
                :: else
                fi
        };
        !asleep[me]
}

/* handover.c: name_heir. */
inline name_heir(who) {
        heir = who;
#ifdef BROKEN_4 /* who saw the word before, and sleeps after the wake-up, sleeps on */
        if
        :: who != NOBODY -> handed++
        :: else
        fi;
#else
        handed++;
#endif
        d_step {
                i = 0;
                do
                :: i < THREADS -> asleep[i] = false; i++
                :: else -> break
                od;
                i = 0
        }
}

inline have_it() { assert(inside == 0); inside++; inside-- }

/* lock.c: take_judged; handover.c: latch_yield_until. */
inline take(me) {
        lock(me);
#ifndef BROKEN_3 /* nobody looks for an heir */
        do
        :: heir != NOBODY ->
#ifdef BROKEN_1 /* the word is read when the mutex has been let go */
                unlock(me);
                seen = handed;
#else
                seen = handed;
                unlock(me);
#endif
                sleep_on(me, seen);
                lock(me)
        :: else -> break
        od;
#endif
        seen = 0;
        assert(!promised)
}

active proctype giver() {
        byte gives, seen, i;

        do
        :: gives < GIVES ->
                take(0);
                have_it();
#ifdef BROKEN_5 /* the heir is named when the mutex has been let go */
                promised = true;
                unlock(0);
                name_heir(1);
#else
                promised = true;
                name_heir(1);                                   /* latch_hand_over_ */
                have_it();
                unlock(0);                                      /* the guard's end */
#endif
                gives++
        :: else -> break
        od
}

/* handover.c: latch_take_handed_. */
active proctype heir_of_it() {
        byte takes, seen, i;

        do
        :: takes < GIVES ->
                if
                :: atomic { mutex == NOBODY -> mutex = 1 };     /* tries first */
                        if
                        :: heir == 1 -> goto had
                        :: else -> unlock(1)
                        fi
                :: true                                         /* another has it */
                fi;
                do                                              /* await_hand_over */
                :: true ->
#ifndef BROKEN_2 /* looks first: what is handed over in between is slept through */
                        seen = handed;
#endif
                        lock(1);
                        if
                        :: heir == 1 -> break
                        :: else -> unlock(1)
                        fi;
#ifdef BROKEN_2
                        seen = handed;
#endif
                        sleep_on(1, seen)
                od;
had:            seen = 0;
                name_heir(NOBODY);                              /* latch_take_up */
                promised = false;
                have_it();
                unlock(1);
                takes++
        :: else -> break
        od
}

active [OTHERS] proctype other() {
        byte seen;

        take(_pid);
        have_it();
        unlock(_pid)
}
