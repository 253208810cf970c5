/* The contract is in pool/turns.h. */
#include "pool/turns.h"

#include <stddef.h>

static void rotate_in(struct rotation *r, struct pool_turn *t) {
        if (t->rotating)
                return;
        t->rotating = true;
        t->next = NULL;
        if (r->last)
                r->last->next = t;
        else
                r->first = t;
        r->last = t;
}

/* By age: a job that its strand held back takes the place that it would have had. */
static void queue_up(struct pool_turn *t, struct pool_job *job) {
        struct pool_job **at = &t->first;

        if (t->last && t->last->queued_ns <= job->queued_ns)
                at = &t->last->next;
        else
                while (*at && (*at)->queued_ns <= job->queued_ns)
                        at = &(*at)->next;
        job->next = *at;
        *at = job;
        if (!job->next)
                t->last = job;
}

static void make_ready(struct rotation *r, struct pool_job *job) {
        queue_up(job->turn, job);
        rotate_in(r, job->turn);
}

static void hold_back(struct pool_strand *s, struct pool_job *job) {
        job->next = NULL;
        if (s->last)
                s->last->next = job;
        else
                s->first = job;
        s->last = job;
}

bool turns_add(struct rotation *r, struct pool_job *job) {
        struct pool_strand *s = job->strand;

        job->turn->queued++;
        if (s && s->busy) {
                hold_back(s, job);
                return false;
        }
        if (s)
                s->busy = true;
        make_ready(r, job);
        return true;
}

struct pool_job *turns_take(struct rotation *r) {
        struct pool_turn *t = r->first;

        if (!t)
                return NULL;
        r->first = t->next;
        if (!r->first)
                r->last = NULL;
        t->rotating = false;

        struct pool_job *job = t->first;
        t->first = job->next;
        if (!t->first)
                t->last = NULL;
        else
                rotate_in(r, t);
        t->queued--;
        return job;
}

bool turns_leave_strand(struct rotation *r, struct pool_strand *s) {
        struct pool_job *job = s->first;

        if (!job) {
                s->busy = false;
                return false;
        }
        s->first = job->next;
        if (!s->first)
                s->last = NULL;
        make_ready(r, job);
        return true;
}
