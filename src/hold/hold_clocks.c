/* The contract is in hold/hold_private.h: all deadlines, on one clock, looked at after input and output. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "hold/hold_private.h"

#define LINGER_MS 10000u /* for who reads slowly that we failed */
#define RETRY_MS  20u
#define WARN_MS   60000u /* before an unused session ends; of a shorter time the half */
#define ACK_MS    10u
#define TITLE_MS  200u  /* between two that are said */
#define CWD_MS    1000u /* between two looks */
#define SETTLE_MS 100u  /* for a shell to do what it was told, before the first */

static uint64_t after(uint64_t ms) {
        return ms > 0 ? clock_mono_ms() + ms : 0;
}

static void start_idle(struct hold *h) {
        uint64_t ms = h->setup->limits.idle_ms;

        h->clocks.idle_at = after(ms);
        h->clocks.warn_at = ms > 0 ? h->clocks.idle_at - MIN((uint64_t)WARN_MS, ms / 2) : 0;
        h->conn.expires_due |= h->clocks.warned;
        h->clocks.warned = false;
}

void hold_clocks_started(struct hold *h) {
        h->started_ms = clock_mono_ms();
        h->clocks.start_at = 0;
        if (h->ending)
                return;
        h->clocks.wall_at = after(h->setup->limits.wall_ms);
        start_idle(h);
}

static void look_soon(struct hold *h) {
        uint64_t soon = clock_mono_ms() + SETTLE_MS;

        h->clocks.cwd_at = MAX(soon, h->looked_ms + CWD_MS);
}

void hold_clocks_active(struct hold *h) {
        if (h->clocks.idle_at)
                start_idle(h);
        if (h->setup->tty && !h->clocks.cwd_at && h->stage == STAGE_RUNNING)
                look_soon(h);
}

void hold_clocks_end(struct hold *h) {
        h->clocks.wall_at = h->clocks.idle_at = h->clocks.warn_at = h->clocks.cwd_at = 0;
}

void hold_clocks_lost(struct hold *h) {
        if (h->stage == STAGE_DONE || h->stage == STAGE_FAILED || h->clocks.grace_at ||
            h->clocks.grace_over)
                return;
        h->clocks.grace_gate = ring_writer_gate(h->ring);
        h->clocks.grace_at = clock_mono_ms() + h->setup->driver_grace_ms;
        ring_writer_want_gate(h->ring, true);
}

void hold_clocks_failed(struct hold *h) {
        h->clocks.linger_at = after(LINGER_MS);
}

void hold_clocks_retry(struct hold *h) {
        h->clocks.retry_at = after(RETRY_MS);
}

void hold_clocks_gate(struct hold *h) {
        h->gated = false; /* look again */
        if (!h->clocks.grace_at && !h->clocks.grace_over)
                return;
        h->clocks.grace_at = 0;
        h->clocks.grace_over = false;
        ring_writer_want_gate(h->ring, false);
        ring_writer_ignore_gate(h->ring, false);
}

bool hold_clocks_may_title(struct hold *h) {
        uint64_t now = clock_mono_ms(), next = h->titled_ms + TITLE_MS;

        h->clocks.title_at = now < next ? next : 0;
        if (now >= next)
                h->titled_ms = now;
        return now >= next;
}

void hold_clocks_wrote(struct hold *h) {
        if (!h->clocks.ack_at)
                h->clocks.ack_at = after(ACK_MS);
}

/* Not set counts as never. */
static uint64_t first(const struct hold_clocks *c) {
        const uint64_t all[] = {c->wall_at,  c->idle_at,  c->start_at,  c->kill_at,  c->force_at,
                                c->grace_at, c->retry_at, c->linger_at, c->again_at, c->warn_at,
                                c->ack_at,   c->title_at, c->cwd_at};
        uint64_t at = UINT64_MAX;

        for (size_t i = 0; i < ELEMENTS(all); i++)
                if (all[i] && all[i] < at)
                        at = all[i];
        return at;
}

int hold_clocks_wait_ms(const struct hold *h) {
        uint64_t at = first(&h->clocks), now = clock_mono_ms();

        if (at == UINT64_MAX)
                return -1;
        return at <= now ? 0 : (int)MIN(at - now, (uint64_t)INT_MAX);
}

bool hold_clocks_due(const struct hold *h) {
        return first(&h->clocks) <= clock_mono_ms();
}

/* True once: a deadline that has passed is unset. */
static bool passed(uint64_t *at, uint64_t now) {
        if (*at == 0 || *at > now)
                return false;
        *at = 0;
        return true;
}

void hold_clocks_run(struct hold *h) {
        struct hold_clocks *c = &h->clocks;
        uint64_t now = clock_mono_ms();

        /* A gate that moved while a driver was looked for is a driver's. */
        if ((c->grace_at || c->grace_over) && ring_writer_gate(h->ring) != c->grace_gate)
                hold_clocks_gate(h);
        if (passed(&c->start_at, now))
                hold_cage_fail(h, ETIMEDOUT, "the cage took too long to start");
        if (passed(&c->wall_at, now))
                hold_cage_end(h, HOLD_TIMEOUT);
        if (passed(&c->warn_at, now))
                h->conn.expires_due = c->warned = true;
        if (passed(&c->idle_at, now))
                hold_cage_end(h, HOLD_IDLE);
        if (passed(&c->again_at, now))
                hold_cage_urge(h);
        if (passed(&c->kill_at, now))
                hold_cage_kill(h);
        if (passed(&c->force_at, now))
                hold_cage_force(h);
        if (passed(&c->linger_at, now))
                h->forget = true;
        (void)passed(&c->retry_at, now); /* the next turn tries again */
        (void)passed(&c->ack_at, now);   /* it waits for room only */
        (void)passed(&c->title_at, now);
        if (passed(&c->cwd_at, now)) {
                h->looked_ms = now;
                hold_cwd_look(h);
        }
        if (passed(&c->grace_at, now)) {
                c->grace_over = true;
                h->gated = false;
                ring_writer_ignore_gate(h->ring, true);
        }
}
