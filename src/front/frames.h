/* frames.h - RFC 6455 from the client's side: bytes in, whole messages and control frames out.
 *
 * Bytes may come in any pieces. A message's memory grows with what has come, never with what a header
 * declares, and is drawn from a budget that all connections share. Who sends many bytes and never a whole
 * message (pieces of nothing, for ever) is given up as well.
 *
 * Threads: one at a time; the budget is atomic. Lock: none may be held (it allocates).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum frames_what {
        FRAMES_MORE,   /* all bytes are used up, nothing is complete */
        FRAMES_TEXT,   /* a whole message, well-formed UTF-8 */
        FRAMES_BINARY, /* a whole message */
        FRAMES_PING,   /* data: its payload, to be sent back */
        FRAMES_PONG,
        FRAMES_CLOSE, /* code: what to answer (1000 where the client gave none) */
        FRAMES_BAD,   /* code: 1002, 1007, 1009, 1013; reason: in words. No more may be fed */
};

struct frames_event {
        enum frames_what what;
        const unsigned char *data; /* until the next feed */
        size_t n;
        unsigned code;
        const char *reason;
};

struct frames_budget {
        atomic_size_t used;
        size_t limit; /* fixed */
};

/* Where in a UTF-8 sequence a text stands (RFC 3629). */
struct frames_utf8 {
        unsigned need;           /* bytes that must follow */
        unsigned char low, high; /* bounds of the next one */
};

struct frames {
        struct frames_budget *budget;
        struct buf message;   /* of the data frames that have come so far */
        size_t charged;       /* of the budget, for message */
        bool delivered;       /* message was handed out, its memory goes with the next feed */
        unsigned char opcode; /* of the message under way: 1, 2, or 0 for none */
        struct frames_utf8 utf8;

        unsigned char head[14]; /* of the frame under way */
        size_t head_n, head_need;
        uint64_t left;  /* payload bytes that have not come */
        size_t at;      /* payload bytes that have */
        uint64_t begun; /* frames so far */
        uint64_t since; /* bytes of any kind since something was handed out */
        unsigned char control[125];
        bool bad;
};

/* limit_bytes: of one message. */
void frames_init(struct frames *f, size_t limit_bytes, struct frames_budget *budget);
void frames_done(struct frames *f);

/* Takes up to n bytes (they are unmasked in place); *ret_used says how many, always some. */
void frames_feed(struct frames *f, unsigned char *data, size_t n, size_t *ret_used,
                 struct frames_event *ret);

/* A frame has begun and is not whole: what a stalled client leaves behind. */
bool frames_inside(const struct frames *f);

/* The header of a frame to the client, FIN set, unmasked. Its size: 2, 4 or 10. */
#define FRAMES_HEADER_MAX 10
size_t frames_header(unsigned char to[FRAMES_HEADER_MAX], unsigned opcode, uint64_t n);
