/* lease.pml - the life of a lease: src/latch/lease.c (latch_lease_take_, latch_lease_release_, latch_lease_transfer_,
 * latch_lease_look, latch_lease_done_).
 *
 * TAKERS try to take it, TRIES times each. Who has it lets it go, or gives its token to the receiver, which makes it its
 * own; and each lets go a second time, some time later, which is the bug. One looks who has it. In the end the lease is
 * destroyed, by who waited until nobody had it.
 *
 * Asserted: one has it at a time; what lets it go is the token of the hold, and each other one is noticed; a look
 * that has a name has the name of that hold; nothing of the lease is touched when it is gone.
 *
 * Memory order: the word is compared and exchanged. The notes beside it are stores with release and loads with acquire,
 * in the order of the program: interleaving is exact.
 */
#ifdef LARGE
#define TAKERS 2
#define TRIES  2
#else
#define TAKERS 2
#define TRIES  1
#endif
#define RECEIVER TAKERS
#define NOBODY   255

typedef lease_word { byte generation; bool held };

lease_word word;                 /* l->word */
byte generations = 1;            /* drawn so far */
byte note_generation, note_tid = NOBODY;   /* l->taken */
chan passed = [1] of { byte };
bool gone;

/* What is so. */
byte holder = NOBODY;
byte holder_of[(TAKERS * TRIES + 1) * 2 + 2];
byte wrong, noticed;
byte will_take = TAKERS;         /* who may still take it */
byte ended;

/* lease.c: begin_hold. The generation is 0 while the rest is written. */
inline begin_hold(who) {
        assert(!gone);
        note_generation = 0;
        note_tid = who;
        note_generation = mine
}

inline take(who) {
        mine = 0;
        d_step { was = word.generation; is_held = word.held };
        if
        :: !is_held ->
                atomic { mine = generations; generations++ };   /* draw */
                atomic {
                        if
                        :: word.generation == was && !word.held ->
                                word.generation = mine;
                                word.held = true;
                                assert(holder == NOBODY);
                                holder = who;
                                holder_of[mine] = who
                        :: else -> mine = 0                     /* it tries again; here that is another try */
                        fi
                };
                if
                :: mine != 0 -> begin_hold(who)
                :: else
                fi
        :: else
        fi;
        was = 0;
        is_held = false
}

/* lease.c: end_hold. ours: it is the bug that this call is there at all. */
inline release(token, ours) {
        d_step { was = word.generation; is_held = word.held };
#ifdef BROKEN_1 /* whatever is held is let go */
        was = token;
#endif
        if
        :: was == token && is_held ->
#ifndef BROKEN_3
                assert(!gone);                                  /* the note of the end */
#endif
                atomic {
#ifdef BROKEN_1
                        if
                        :: word.held ->
#else
                        if
                        :: word.generation == token && word.held ->
#endif
                                assert(holder != NOBODY && holder == holder_of[token] && !ours);
                                holder = NOBODY;
                                word.held = false
                        :: else -> noticed = noticed + 1
                        fi
                };
#ifdef BROKEN_3 /* the note comes behind the end, when the lease may be gone */
                assert(!gone)
#endif
        :: else -> noticed++
        fi;
        was = 0;
        is_held = false
}

active [TAKERS] proctype taker() {
        byte tries, mine, was, token;
        bool is_held;

        do
        :: tries < TRIES ->
                take(_pid);
                token = mine;
                tries++;
                if
                :: tries == TRIES -> will_take--
                :: else
                fi;
                if
                :: token != 0 ->
                        if
                        :: true -> release(token, false)
                        :: nfull(passed) -> passed!token        /* and keeps a copy */
                        fi
                :: else
                fi
        :: else -> break
        od
}

/* Lets go once more what has been let go: of each token that is done with he may have a copy. */
active proctype twice() {
        byte was, token;
        bool is_held;

        if
        :: atomic { word.generation != 0 && !word.held && !gone -> token = word.generation };
                wrong++;
                release(token, true)
        :: true
        fi;
        ended++
}

/* On another thread: latch_lease_transfer_, then the end; and the old token once more. */
active proctype receiver() {
        byte was, token, mine;
        bool is_held;

        do
        :: passed?token ->
                atomic { mine = generations; generations++ };
                atomic {
                        assert(word.held && word.generation == token);
#ifdef BROKEN_4 /* the token stays what it was: who gave it away can still let go */
                        mine = token;
#endif
                        word.generation = mine;
                        holder = RECEIVER;
                        holder_of[mine] = RECEIVER
                };
                begin_hold(RECEIVER);
                wrong++;
                release(token, true);                           /* by who gave it */
                release(mine, false)
        :: gone -> break
        od
}

/* lease.c: latch_lease_look, read_note. */
active proctype looker() {
        byte was, before, tid, after;
        bool is_held;

        d_step { was = word.generation; is_held = word.held };
        if
        :: is_held ->
                before = note_generation;
                tid = note_tid;
#ifdef BROKEN_2 /* no second look at the generation */
                after = before;
#else
                after = note_generation;
#endif
                if
                :: before == was && after == was -> assert(tid == holder_of[was])
                :: else
                fi
        :: else
        fi;
        ended++
}

/* latch_lease_done_, by who knows that it is free: it takes it for good. */
active proctype destroyer() {
        atomic {
                will_take == 0 && empty(passed) && !word.held && ended == 2 ->
                assert(wrong == noticed);
                gone = true
        }
}
