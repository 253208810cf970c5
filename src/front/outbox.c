/* outbox.c - see outbox.h. */
#include "front/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "front/frames.h"

enum { OP_CLOSE = 8 };

void outbox_init(struct outbox *o, size_t limit_bytes, unsigned limit_frames) {
        memset(o, 0, sizeof *o);
        o->limit_bytes = limit_bytes;
        o->limit_frames = limit_frames;
        latch_mutex_init(&o->lock, LATCH_CLASS_outbox);
}

void outbox_done(struct outbox *o) {
        struct outbox_frame *f = outbox_take(o);

        while (f)
                f = outbox_sent(o, f);
        latch_mutex_done(&o->lock);
}

struct outbox_frame *outbox_frame_new(size_t n) {
        struct outbox_frame *f = malloc(sizeof *f + n);

        if (f)
                *f = (struct outbox_frame){.n = n};
        return f;
}

static struct outbox_frame *encode(unsigned opcode, const void *data, size_t n) {
        unsigned char head[FRAMES_HEADER_MAX];
        size_t h = frames_header(head, opcode, n);
        struct outbox_frame *f = outbox_frame_new(h + n);

        if (!f)
                return NULL;
        memcpy(f->bytes, head, h);
        if (n)
                memcpy(f->bytes + h, data, n);
        f->close = opcode == OP_CLOSE;
        f->data = opcode < OP_CLOSE;
        return f;
}

static void count(struct outbox *o, struct outbox_frame *f) {
        f->counted = true;
        atomic_fetch_add(&o->bytes, f->n);
        atomic_fetch_add(&o->frames, 1);
}

static int append(struct outbox *o, struct outbox_frame *f) {
        LATCH_GUARD(outbox, &o->lock);

        if (o->closed)
                return -EPIPE;
        if (!f->close && (atomic_load(&o->bytes) + f->n > o->limit_bytes ||
                          atomic_load(&o->frames) >= o->limit_frames))
                return -ENOBUFS;
        o->closed = f->close;
        if (o->last)
                o->last->next = f;
        else
                o->first = f;
        o->last = f;
        count(o, f);
        atomic_fetch_add(&o->waiting, 1);
        return 0;
}

int outbox_add(struct outbox *o, unsigned opcode, const void *data, size_t n) {
        struct outbox_frame *f = encode(opcode, data, n);
        int r = f ? append(o, f) : -ENOMEM;

        if (r < 0)
                free(f);
        return r;
}

struct outbox_frame *outbox_begun(struct outbox *o, unsigned opcode, const void *data, size_t n) {
        struct outbox_frame *f = encode(opcode, data, n);

        if (f)
                count(o, f);
        return f;
}

int outbox_close(struct outbox *o, unsigned code, const char *reason) {
        unsigned char payload[125] = {(unsigned char)(code >> 8), (unsigned char)code};
        size_t n = MIN(strlen(reason), sizeof payload - 2);

        memcpy(payload + 2, reason, n);
        return outbox_add(o, OP_CLOSE, payload, n + 2);
}

struct outbox_frame *outbox_take(struct outbox *o) {
        struct outbox_frame *f;

        if (atomic_load(&o->waiting) == 0)
                return NULL;
        LATCH_WITH(outbox, &o->lock) {
                f = o->first;
                o->first = o->last = NULL;
                atomic_store(&o->waiting, 0);
        }
        return f;
}

struct outbox_frame *outbox_sent(struct outbox *o, struct outbox_frame *f) {
        struct outbox_frame *next = f->next;

        if (f->counted) {
                atomic_fetch_sub(&o->bytes, f->n);
                atomic_fetch_sub(&o->frames, 1);
        }
        free(f);
        return next;
}
