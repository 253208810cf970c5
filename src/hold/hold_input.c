/* The contract is in hold/hold_private.h: input, each byte of a client key once, in the order it came. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "hold/hold_private.h"

/* A key that was pushed out counts from 0 again, so there is room for more than ever send at once. */
#define KEYS_MAX 256u

static struct input_key *find(const struct hold *h, const uint8_t key[HOLD_KEY_BYTES]) {
        for (unsigned i = 0; i < h->input.keys_n; i++)
                if (memcmp(h->input.keys[i].key, key, HOLD_KEY_BYTES) == 0)
                        return &h->input.keys[i];
        return NULL;
}

/* The one that was used the longest ago and has nothing under way. There is one: a run is one key's. */
static struct input_key *oldest(struct hold_input_state *in) {
        struct input_key *old = NULL;

        for (unsigned i = 0; i < in->keys_n; i++) {
                struct input_key *k = &in->keys[i];
                if (k->taken == k->written && (!old || k->used < old->used))
                        old = k;
        }
        return old;
}

static struct input_key *add(struct hold_input_state *in, const uint8_t key[HOLD_KEY_BYTES]) {
        struct input_key *k;

        if (in->keys_n == in->keys_cap && in->keys_cap < KEYS_MAX) {
                unsigned cap = in->keys_cap ? in->keys_cap * 2 : 8;
                struct input_key *p = reallocarray(in->keys, cap, sizeof *p);
                if (p) {
                        in->keys = p;
                        in->keys_cap = cap;
                }
        }
        if (in->keys_n < in->keys_cap)
                k = &in->keys[in->keys_n++];
        else
                k = oldest(in);
        if (!k)
                return NULL;
        *k = (struct input_key){0};
        memcpy(k->key, key, HOLD_KEY_BYTES);
        return k;
}

/* ---- the buffer ---- */

static struct input_run *last_run(struct hold_input_state *in) {
        return in->runs_n ? &in->runs[(in->run_at + in->runs_n - 1) % INPUT_RUNS] : NULL;
}

/* As much as there is room for; how much that was. */
static size_t push(struct hold *h, struct input_key *k, const char *bytes, size_t n) {
        struct hold_input_state *in = &h->input;
        size_t cap = h->setup->input_bytes;
        uint32_t index = (uint32_t)(k - in->keys);
        struct input_run *run = last_run(in);

        if (!in->bytes)
                in->bytes = malloc(cap);
        if (!in->bytes)
                return 0;
        n = MIN(n, cap - in->n);
        if (n == 0)
                return 0;
        if (!run || run->key != index) {
                if (in->runs_n == INPUT_RUNS)
                        return 0;
                in->runs_n++;
                run = last_run(in);
                *run = (struct input_run){.key = index};
        }
        size_t end = (in->at + in->n) % cap, first = MIN(n, cap - end);
        memcpy(in->bytes + end, bytes, first);
        memcpy(in->bytes, bytes + first, n - first);
        run->n += (uint32_t)n;
        in->n += n;
        k->taken += n;
        return n;
}

/* n bytes of the buffer's front were written: each key whose they are may know. */
static void pop(struct hold *h, size_t n) {
        struct hold_input_state *in = &h->input;

        in->at = (in->at + n) % h->setup->input_bytes;
        in->n -= n;
        in->unsaid += n;
        hold_clocks_wrote(h);
        while (n > 0) {
                struct input_run *run = &in->runs[in->run_at];
                struct input_key *k = &in->keys[run->key];
                uint32_t piece = (uint32_t)MIN(n, (size_t)run->n);

                k->written += piece;
                k->ack_due = k->heard;
                run->n -= piece;
                n -= piece;
                if (run->n == 0) {
                        in->run_at = (in->run_at + 1) % INPUT_RUNS;
                        in->runs_n--;
                }
        }
}

/* ---- the contract ---- */

static uint32_t take(struct hold *h, struct input_key *k, uint64_t offset, const char *bytes,
                     size_t n) {
        /* What comes behind an idle limit is too late: it would be read, and not count. */
        if (h->input.closed || (h->ending && h->verdict == HOLD_IDLE))
                return HOLD_REFUSED_ENDED;
        if (offset > k->taken)
                return HOLD_REFUSED_HOLE;
        uint64_t known = k->taken - offset;
        if (known >= n) { /* all of it came before: the answer may have been lost */
                k->ack_due = true;
                h->clocks.ack_at = 0;
                return 0;
        }
        bytes += known;
        n -= known;
        hold_clocks_active(h);
        size_t done = push(h, k, bytes, n);
        if (done < n) { /* the program may have read by now */
                hold_input_write(h);
                done += push(h, k, bytes + done, n - done);
        }
        return done < n ? HOLD_REFUSED_FULL : 0;
}

void hold_input_take(struct hold *h, const struct hold_input *m, const char *bytes, size_t n) {
        struct input_key *k = find(h, m->key);

        if (!k)
                k = add(&h->input, m->key);
        if (!k)
                return; /* no memory: as if it had not come; latchd asks for the count */
        k->tag = m->tag;
        k->heard = true;
        k->used = ++h->input.uses;
        uint32_t refusal = take(h, k, m->offset, bytes, n);
        if (refusal)
                k->refusal_due = refusal;
        k->starved |= refusal == HOLD_REFUSED_FULL;
}

uint64_t hold_input_count(const struct hold *h, const uint8_t key[HOLD_KEY_BYTES]) {
        const struct input_key *k = find(h, key);

        return k ? k->taken : 0;
}

/* Room is asked for only where there is none: else a program that reads a key would wake us up for it. */
static void watch_room(struct hold *h, bool room) {
        bool tty = h->input.fd == h->out[0].fd;
        uint32_t events = (tty ? (uint32_t)EPOLLIN : 0) | (room ? (uint32_t)EPOLLOUT : 0);
        int r = hold_watch_again(h, h->input.fd, tty ? EVENT_TTY : EVENT_STDIN, events);

        h->input.writable = !room || r < 0; /* failing, it tries again at once rather than never */
}

void hold_input_writable(struct hold *h) {
        if (h->input.fd >= 0 && !h->input.writable)
                watch_room(h, false);
}

void hold_input_write(struct hold *h) {
        struct hold_input_state *in = &h->input;

        while (hold_input_more(h)) {
                size_t piece = MIN(in->n, h->setup->input_bytes - in->at);
                ssize_t k = write(in->fd, in->bytes + in->at, piece);

                if (k > 0)
                        pop(h, (size_t)k);
                else if (k < 0 && errno == EINTR)
                        continue;
                else if (k == 0 || errno == EAGAIN)
                        watch_room(h, true);
                else /* EPIPE, EIO: nobody will ever read it */
                        hold_input_end(h);
        }
}

bool hold_input_has_room(const struct hold *h) {
        return h->input.n < h->setup->input_bytes && h->input.runs_n < INPUT_RUNS;
}

bool hold_input_more(const struct hold *h) {
        return h->input.n > 0 && h->input.writable && h->input.fd >= 0;
}

void hold_input_end(struct hold *h) {
        struct hold_input_state *in = &h->input;
        bool shared = in->fd >= 0 && in->fd == h->out[0].fd;

        in->closed = true;
        for (unsigned i = 0; i < in->keys_n; i++) {
                struct input_key *k = &in->keys[i];
                k->starved = false;
                if (k->taken == k->written)
                        continue;
                k->taken = k->written;
                if (k->heard)
                        k->refusal_due = HOLD_REFUSED_ENDED;
        }
        in->n = in->runs_n = 0;
        free(in->bytes);
        in->bytes = NULL;
        if (!shared)
                in->fd = fd_close(in->fd);
        else if (!hold_alive(h))
                in->fd = -1; /* the output side closes it */
}

void hold_input_forget_tags(struct hold *h) {
        for (unsigned i = 0; i < h->input.keys_n; i++) {
                struct input_key *k = &h->input.keys[i];
                k->heard = k->ack_due = k->starved = false;
                k->refusal_due = 0;
        }
}

void hold_input_free(struct hold *h) {
        free(h->input.bytes);
        free(h->input.keys);
        h->input.bytes = NULL;
        h->input.keys = NULL;
        h->input.keys_n = h->input.keys_cap = 0;
}
