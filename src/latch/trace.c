/* The contract is in latch/trace.h. A ring is written by its thread alone, and never waits for who reads it. */
#include "latch/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "latch/trace_private.h"

#define ENDED_KEPT 32 /* rings of threads that have ended */
#define RINGS_MAX  1536

/* Under the list's lock. */
static struct latch_ring *rings, *ended_first, **ended_last = &ended_first;
static struct latch_ring *spare; /* small ones, which their threads have larger ones for */
static unsigned ring_count, ended_count;
static unsigned copying; /* how many read all rings: nobody's is exchanged meanwhile */
static atomic_bool
        none_left; /* of the small ones, when last asked for: nobody asks before another ends */
static uint64_t lost_by_ended;

/* ---- rings ---- */

static size_t size_of(uint64_t room) {
        return sizeof(struct latch_ring) + room * sizeof(struct latch_stored_event);
}

static struct latch_ring *take_spare(void) {
        struct latch_ring *r = spare;

        if (r)
                spare = r->next_ended;
        return r;
}

/* From those that ended first, while enough of them are kept. */
static struct latch_ring *reuse(uint64_t room) {
        for (struct latch_ring **at = &ended_first; ended_count > ENDED_KEPT && *at;
             at = &(*at)->next_ended) {
                struct latch_ring *r = *at;

                if (r->room != room)
                        continue;
                *at = r->next_ended;
                if (!r->next_ended)
                        ended_last = at;
                ended_count--;
                return r;
        }
        return NULL;
}

static struct latch_ring *map(uint64_t room) {
        if (ring_count == RINGS_MAX)
                return NULL;
        struct latch_ring *r = mmap(NULL, size_of(room), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (r == MAP_FAILED)
                return NULL;
        r->room = room;
        r->next = rings;
        rings = r;
        ring_count++;
        return r;
}

static struct latch_ring *ring_for(const struct latch_thread *t, uint64_t room) {
        struct latch_ring *r = room == LATCH_RING_SMALL ? take_spare() : NULL;

        if (!r)
                r = reuse(room);
        if (!r)
                r = map(room);
        if (!r)
                return NULL;
        LATCH_SET_(r->written, 0);
        r->full_at = room == LATCH_RING_SMALL ? room : UINT64_MAX;
        r->kept_from = 0;
        r->next_ended = NULL;
        r->of = t;
        r->tid = t->tid;
        return r;
}

static void put_with_ended(struct latch_ring *r) {
        memcpy(r->thread, r->of->name, sizeof r->thread);
        r->of = NULL;
        *ended_last = r;
        ended_last = &r->next_ended;
        ended_count++;
        LATCH_SET_(none_left, false);
}

static void put_with_spare(struct latch_ring *r) {
        r->of = NULL;
        LATCH_SET_(r->written, 0);
        r->next_ended = spare;
        spare = r;
        LATCH_SET_(none_left, false);
}

/* What the small one has goes along. */
static void grow(struct latch_thread *t) {
        struct latch_ring *small = t->ring;
        struct latch_ring *large = copying > 0 ? NULL : ring_for(t, LATCH_RING_LARGE);

        if (!large) { /* not for a while */
                small->full_at = LATCH_GET_(small->written) + small->room / 4;
                return;
        }
        uint64_t written = LATCH_GET_(small->written);
        for (uint64_t i = written - small->room; i < written; i++) {
                struct latch_stored_event *from = &small->events[i % small->room];
                struct latch_stored_event *to = &large->events[i % large->room];

                LATCH_SET_(to->lock, LATCH_GET_(from->lock));
                LATCH_SET_(to->place, LATCH_GET_(from->place));
                LATCH_SET_(to->generation, LATCH_GET_(from->generation));
        }
        large->kept_from = written - small->room;
        LATCH_SET_(large->written, written);
        put_with_spare(small);
        t->ring = large;
}

void latch_trace_begin(struct latch_thread *t) {
        if (t->ring ? !latch_ring_is_full(t->ring) : LATCH_GET_(none_left))
                return;
        latch_threads_lock();
        if (t->ring)
                grow(t);
        else if (!(t->ring = ring_for(t, LATCH_RING_SMALL)))
                LATCH_SET_(none_left, true);
        latch_threads_unlock();
        latch_open_short_way(t);
}

void latch_trace_end(struct latch_thread *t) {
        if (t->ring)
                put_with_ended(t->ring);
        t->ring = NULL;
        lost_by_ended += LATCH_GET_(t->lost);
        LATCH_SET_(t->lost, 0);
}

void latch_trace_in_child(struct latch_thread *t) {
        copying = 0;
        if (t->ring)
                t->ring->tid = t->tid;
}

bool latch_trace_has_ring(struct latch_thread *t) {
        if (t->ring)
                return true;
        LATCH_SET_(t->lost, LATCH_GET_(t->lost) + 1);
        t->short_to = NULL; /* once it holds nothing, the long way finds it one */
        return false;
}

/* ---- writing what is not of every hold ---- */

void latch_trace_time(struct latch_ring *r, uint64_t ns) {
        latch_trace_write(r, LATCH_STORED_TIME, 0, ns);
}

void latch_trace_wait(struct latch_thread *t, const void *what, enum latch_class class,
                      const struct latch_site *site, enum latch_waiting how, uint64_t now_ns) {
        static const enum latch_stored steps[] = {
                [LATCH_WAITS_LOCK] = LATCH_STORED_WAIT,
                [LATCH_WAITS_UNTIL] = LATCH_STORED_WAIT,
                [LATCH_WAITS_COND] = LATCH_STORED_COND_WAIT,
                [LATCH_WAITS_HEIR] = LATCH_STORED_HEIR_WAIT,
        };

        latch_trace_time(t->ring, now_ns);
        latch_trace_write(t->ring, (uintptr_t)what | steps[how],
                          (uintptr_t)site | (uintptr_t) class << LATCH_PLACE_CLASS_, 0);
}

/* ---- reading ---- */

struct words {
        uint64_t lock, place, generation;
};

static struct words read_event(struct latch_stored_event *e) {
        uint64_t lock = atomic_load_explicit(&e->lock, memory_order_acquire);
        uint64_t place = atomic_load_explicit(&e->place, memory_order_acquire);

        return (struct words){lock, place,
                              atomic_load_explicit(&e->generation, memory_order_acquire)};
}

/* Its thread may write meanwhile: how many of the first may have been overwritten. */
static uint64_t overwritten(struct latch_ring *r, uint64_t begin, uint64_t end) {
        uint64_t now = LATCH_GET_(r->written);
        uint64_t gone = now + 1 > begin + r->room ? now + 1 - r->room - begin
                                                  : 0; /* one is being written */

        return gone < end - begin ? gone : end - begin;
}

/* What the thread holds at a place in its ring, as far as the ring says. */
struct holds {
        unsigned count;
        struct {
                uint64_t lock, generation;
        } of[LATCH_HELD_MAX];
};

static void begins(struct holds *holds, uint64_t lock, uint64_t generation) {
        if (holds->count < LATCH_HELD_MAX) {
                holds->of[holds->count].lock = lock;
                holds->of[holds->count++].generation = generation;
        }
}

/* 0: it began before what the ring has. */
static uint64_t ends(struct holds *holds, uint64_t lock) {
        for (unsigned i = holds->count; i-- > 0;)
                if (holds->of[i].lock == lock) {
                        uint64_t generation = holds->of[i].generation;
                        holds->of[i] = holds->of[--holds->count];
                        return generation;
                }
        return 0;
}

static struct latch_event event_of(const struct words *w, uint64_t time_ns, struct holds *holds) {
        static const enum latch_step steps[] = {
                [LATCH_STORED_TAKE] = LATCH_STEP_TAKE,
                [LATCH_STORED_TAKE_SHARED] = LATCH_STEP_TAKE,
                [LATCH_STORED_DROP] = LATCH_STEP_DROP,
                [LATCH_STORED_DROP_SHARED] = LATCH_STEP_DROP,
                [LATCH_STORED_WAIT] = LATCH_STEP_WAIT,
                [LATCH_STORED_COND_WAIT] = LATCH_STEP_COND_WAIT,
                [LATCH_STORED_HEIR_WAIT] = LATCH_STEP_HEIR_WAIT,
        };
        uint64_t lock = w->lock & ~UINT64_C(7), generation = 0;
        unsigned stored = w->lock & 7;

        if (steps[stored] == LATCH_STEP_TAKE)
                begins(holds, lock, generation = w->generation);
        else if (steps[stored] == LATCH_STEP_DROP)
                generation = ends(holds, lock);
        return (struct latch_event){.lock = lock,
                                    .site = latch_site_of_place(w->place),
                                    .generation = generation,
                                    .time_ns = time_ns,
                                    .class = latch_class_of_place(w->place),
                                    .step = steps[stored],
                                    .shared = stored == LATCH_STORED_TAKE_SHARED ||
                                              stored == LATCH_STORED_DROP_SHARED};
}

/* Under the list's lock, so that no other thread gets the ring. `room` has a ring's. */
static void copy_events(struct latch_ring *r, struct words *room, struct latch_trace_ring *to) {
        uint64_t end = atomic_load_explicit(&r->written, memory_order_acquire);
        uint64_t begin = end > r->room ? end - r->room : 0, time_ns = 0;
        struct holds holds = {.count = 0};

        if (begin < r->kept_from)
                begin = r->kept_from;
        for (uint64_t i = begin; i < end; i++)
                room[i - begin] = read_event(&r->events[i & (r->room - 1)]);
        uint64_t gone = overwritten(r, begin, end);
        to->first = begin + gone;
        to->count = 0;
        for (uint64_t i = gone; i < end - begin; i++) {
                if ((room[i].lock & 7) == LATCH_STORED_TIME) {
                        time_ns = room[i].generation;
                        continue;
                }
                to->events[to->count++] = event_of(&room[i], time_ns, &holds);
                time_ns = 0;
        }
}

/* What is read under the lock: room for the largest ring. */
struct copy {
        struct words words[LATCH_RING_LARGE];
        struct latch_event events[LATCH_RING_LARGE];
};

static void copy_ring(struct latch_ring *r, struct copy *room, struct latch_trace_ring *to) {
        to->events = room->events;
        latch_threads_lock();
        memcpy(to->thread, r->of ? r->of->name : r->thread, sizeof to->thread);
        to->tid = r->tid;
        to->ended = !r->of;
        copy_events(r, room->words, to);
        latch_threads_unlock();
}

static int add_ring(struct latch_trace *trace, struct latch_ring *r, struct copy *room) {
        struct latch_trace_ring *to = &trace->rings[trace->count];

        copy_ring(r, room, to);
        if (to->count == 0)
                return 0;
        to->events = malloc(to->count * sizeof *to->events);
        if (!to->events)
                return -ENOMEM;
        memcpy(to->events, room->events, to->count * sizeof *to->events);
        trace->count++;
        return 0;
}

/* Rings are only ever added, at the front, and never taken away; a thread that is there keeps its own meanwhile. Nothing is
 * allocated under the list's lock. */
static int copy_rings(struct latch_trace *trace) {
        struct copy *room = malloc(sizeof *room);
        int r = 0;

        latch_threads_lock();
        struct latch_ring *first = rings;
        unsigned count = ring_count;
        copying++;
        latch_threads_unlock();
        trace->rings = calloc(count ? count : 1, sizeof *trace->rings);
        if (!room || !trace->rings)
                r = -ENOMEM;
        for (struct latch_ring *at = first; at && r == 0; at = at->next)
                r = add_ring(trace, at, room);
        latch_threads_lock();
        copying--;
        latch_threads_unlock();
        free(room);
        return r;
}

static void add_lost(struct latch_thread *t, void *arg) {
        *(uint64_t *)arg += LATCH_GET_(t->lost);
}

int latch_trace_copy(struct latch_trace **ret) {
        struct latch_trace *trace = calloc(1, sizeof *trace);

        if (!trace)
                return -ENOMEM;
        latch_threads_lock();
        latch_threads_each_locked(add_lost, &trace->lost);
        trace->lost += lost_by_ended;
        latch_threads_unlock();
        int r = copy_rings(trace);
        if (r < 0) {
                latch_trace_free(trace);
                return r;
        }
        *ret = trace;
        return 0;
}

struct latch_trace *latch_trace_free(struct latch_trace *trace) {
        if (!trace)
                return NULL;
        for (size_t i = 0; i < trace->count; i++)
                free(trace->rings[i].events);
        free(trace->rings);
        free(trace);
        return NULL;
}

const char *latch_step_name(enum latch_step step) {
        static const char *const names[] = {
                [LATCH_STEP_TAKE] = "take",           [LATCH_STEP_DROP] = "drop",
                [LATCH_STEP_WAIT] = "wait",           [LATCH_STEP_COND_WAIT] = "cond_wait",
                [LATCH_STEP_HEIR_WAIT] = "heir_wait",
        };

        return names[step];
}
