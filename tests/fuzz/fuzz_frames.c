/* fuzz_frames.c - RFC 6455 as front reads it: the same events in whatever pieces the bytes come, each of them
 * within what frames.h promises.
 *
 * The first byte chooses: raw bytes, or frames that are well-formed but for what the fuzzer spoils.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "front/frames.h"
#include "fuzz.h"

#define LIMIT_BYTES  40000u
#define STREAM_BYTES (64u << 10)

/* ---- the stream ---- */

static void add(struct buf *b, const void *p, size_t n) {
        if (b->n + n <= b->limit)
                CHECK(buf_add(b, p, n) == 0);
}

/* From the fuzzer: first byte (FIN, opcode); how its length is written; length; mask; payload. */
static void add_frame(struct buf *b, struct input *in) {
        uint8_t head[14] = {take_byte(in), 0x80}, how = take_byte(in);
        size_t length = take_byte(in), n = 2, have;

        if ((how & 0xc4) == 0xc4)
                length = length << 8 | take_byte(in);
        head[1] |= how & 2 ? 127 : length > 125 || how & 1 ? 126 : (uint8_t)length;
        for (int i = (head[1] & 0x7f) == 127 ? 8 : (head[1] & 0x7f) == 126 ? 2 : 0; i > 0; i--)
                head[n++] = (uint8_t)(i > 2 ? 0 : length >> (8 * (i - 1)));
        memset(head + n, how >> 3, 4);
        add(b, head, n + 4);
        have = MIN(length, in->n);
        if (b->n + length > b->limit)
                length = have = 0;
        CHECK(buf_reserve(b, length) == 0);
        for (size_t i = 0; i < length; i++)
                b->data[b->n + i] = (char)((i < have ? in->p[i] : 'x') ^ how >> 3);
        b->n += length;
        in->p += have;
        in->n -= have;
}

static void make_stream(struct buf *b, struct input *in) {
        if (take_byte(in) & 1) {
                add(b, in->p, in->n);
                return;
        }
        while (in->n > 0 && b->n < b->limit)
                add_frame(b, in);
}

/* ---- what is read of it ---- */

static void check_event(const struct frames_event *e) {
        switch (e->what) {
        case FRAMES_MORE: return;
        case FRAMES_TEXT: CHECK(utf8_valid((const char *)e->data, e->n)); /* fallthrough */
        case FRAMES_BINARY: CHECK(e->n <= LIMIT_BYTES && e->data); return;
        case FRAMES_PING:
        case FRAMES_PONG: CHECK(e->n <= 125); return;
        case FRAMES_CLOSE:
                CHECK(e->code >= 1000 && e->code < 5000 && e->code != 1005 && e->code != 1006);
                CHECK(e->n != 1 && e->n <= 125);
                return;
        case FRAMES_BAD:
                CHECK(e->code == 1002 || e->code == 1007 || e->code == 1009 || e->code == 1013);
                CHECK(e->reason);
                return;
        }
        CHECK(false);
}

/* All events, told in bytes. random: 0 for all at once. */
static void read_stream(const struct buf *stream, size_t budget_bytes, unsigned random,
                        struct buf *told) {
        struct frames_budget budget = {.limit = budget_bytes};
        struct frames_event e = {.what = FRAMES_MORE};
        size_t longest = 7 + stream->n / 100;
        struct frames f;
        char *copy = malloc(stream->n + 1);

        CHECK(copy);
        if (stream->n)
                memcpy(copy, stream->data, stream->n);
        frames_init(&f, LIMIT_BYTES, &budget);
        for (size_t at = 0; at < stream->n && e.what != FRAMES_BAD && e.what != FRAMES_CLOSE;) {
                size_t n = stream->n - at, used;
                random = random * 1103515245u + (random ? 12345u : 0);
                if (random)
                        n = MIN(n, 1 + (random >> 16) % ((random >> 24) % 4 ? longest : 3000u));
                frames_feed(&f, (unsigned char *)copy + at, n, &used, &e);
                CHECK(used > 0 && used <= n);
                at += used;
                check_event(&e);
                if (e.what != FRAMES_MORE)
                        CHECK(buf_addf(told, "%d %u %zu %s\n", e.what, e.code, e.n,
                                       e.reason ? e.reason : "") == 0 &&
                              buf_add(told, e.data ? (const char *)e.data : "", e.n) == 0);
        }
        CHECK(buf_addf(told, "inside %d", frames_inside(&f)) == 0);
        frames_done(&f);
        CHECK(budget.used == 0);
        free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = {data, size};
        unsigned seed = (unsigned)take_byte(&in) << 8 | take_byte(&in) | 1u;
        struct buf stream = BUF_INIT(STREAM_BYTES), whole = BUF_INIT(STREAM_BYTES * 4),
                   pieces = BUF_INIT(STREAM_BYTES * 4), poor = BUF_INIT(STREAM_BYTES * 4);

        make_stream(&stream, &in);
        read_stream(&stream, SIZE_MAX, 0, &whole);
        read_stream(&stream, SIZE_MAX, seed, &pieces);
        CHECK(whole.n == pieces.n && memcmp(whole.data, pieces.data, whole.n) == 0);
        read_stream(&stream, 20000, seed, &poor); /* memory that ends must end nothing else */
        buf_done(&stream);
        buf_done(&whole);
        buf_done(&pieces);
        buf_done(&poor);
        return 0;
}
