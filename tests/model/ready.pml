/* ready.pml - the pump goes to sleep, and others wake it: src/front/pump.c (pump_wake, pump_later, put_ready, take_ready,
 * line_up, sleep_until).
 *
 * One socket. LATERS threads put it on the list of those that can wait for the tick, WAKERS have something to say on it
 * and wake the pump. What was said so is taken without a tick, of which there is none here. (What only comes by
 * pump_later waits for it, and is not asked for.)
 *
 * Memory order: all of it is seq_cst atomics, so interleaving is exact.
 *
 * Every stuck state is an invalid end: the pump may end only when all that was said has been taken.
 */
#ifdef LARGE
#define LATERS 2
#define WAKERS 2
#else
#define LATERS 1
#define WAKERS 2
#endif

mtype = { NOT_READY, LISTED, WOKEN };

mtype ready = NOT_READY;         /* c->ready */
byte listed;                     /* how often it stands on p->ready: never twice */
bool asleep, event;              /* p->asleep, p->event_fd */
byte said, taken;                /* by wakers; by the pump */

/* pump.c: put_ready: by whoever found it not ready. */
inline put_ready() {
        assert(listed == 0);
        listed++
}

/* pump.c: pump_wake. */
inline wake() {
        atomic { was = ready; ready = WOKEN };                  /* atomic_exchange */
        if
        :: was == NOT_READY -> put_ready()
        :: else
        fi;
        atomic {
                if
                :: asleep -> asleep = false; event = true
                :: else
                fi
        }
}

/* sock.c: sock_send, by way of the outbox. */
active [WAKERS] proctype waker() {
        mtype was;

        said++;
        wake()
}

/* pump.c: pump_later. */
active [LATERS] proctype later() {
        mtype was;

        atomic {
                was = ready;
                ready = (was == NOT_READY -> LISTED : was)
        };
        if
        :: was == NOT_READY ->
                put_ready();
#ifndef BROKEN_1 /* no second look: another's wake found it marked, and the list empty */
                if
                :: ready == WOKEN -> wake()
                :: else
                fi
#endif
        :: else
        fi
}

/* pump.c: pump_main. */
active proctype pump() {
        bool idle, mine;

        do
        :: true ->
#ifdef BROKEN_2 /* the flag is set after the look */
                idle = (listed == 0);
                asleep = true;
#else
                asleep = true;                                  /* sleep_until */
                idle = (listed == 0);
#endif
                if
                :: !idle
                :: idle && event
                :: idle && said == WAKERS && taken == said -> break
                fi;
                asleep = false;
                event = false;
                atomic { mine = (listed > 0); listed = 0 };     /* take_ready */
                if
                :: mine ->
#ifdef BROKEN_3 /* the mark is taken away behind the turn: what is said meanwhile is not listed */
                        taken = said;
                        ready = NOT_READY
#else
                        ready = NOT_READY;                      /* line_up */
                        taken = said                            /* run */
#endif
                :: else
                fi;
                mine = false
        od
}
