/* frames.c - see frames.h. Sections are those of RFC 6455. */
#include "front/frames.h"

#include <string.h>

#include "base/macros.h"

#define KEEP_BYTES  16384u /* memory that a connection keeps between messages */
#define SINCE_BYTES 65536u /* beside twice a message: fragments of 8 bytes weigh less */

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

void frames_init(struct frames *f, size_t limit_bytes, struct frames_budget *budget) {
        *f = (struct frames){.budget = budget, .message = BUF_INIT(limit_bytes), .head_need = 2};
}

static void uncharge(struct frames *f) {
        atomic_fetch_sub(&f->budget->used, f->charged);
        f->charged = 0;
}

void frames_done(struct frames *f) {
        uncharge(f);
        buf_done(&f->message);
}

bool frames_inside(const struct frames *f) {
        return f->head_n > 0;
}

/* Codes that may stand in a frame: 7.4, and the IANA registry of 2024. */
static bool code_valid(unsigned code) {
        if (code >= 3000 && code <= 4999)
                return true;
        return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

size_t frames_header(unsigned char to[FRAMES_HEADER_MAX], unsigned opcode, uint64_t n) {
        to[0] = (unsigned char)(0x80u | opcode);
        if (n < 126) {
                to[1] = (unsigned char)n;
                return 2;
        }
        if (n <= 0xffff) {
                to[1] = 126;
                to[2] = (unsigned char)(n >> 8);
                to[3] = (unsigned char)n;
                return 4;
        }
        to[1] = 127;
        for (unsigned i = 0; i < 8; i++)
                to[2 + i] = (unsigned char)(n >> (56 - 8 * i));
        return 10;
}

/* What a first byte allows after it: RFC 3629's table, so overlong forms and surrogates fall out. */
static bool utf8_begin(struct frames_utf8 *u, unsigned char b) {
        u->low = 0x80;
        u->high = 0xbf;
        if (b < 0x80)
                return true;
        if (b >= 0xc2 && b <= 0xdf) {
                u->need = 1;
        } else if (b >= 0xe0 && b <= 0xef) {
                u->need = 2;
                u->low = b == 0xe0 ? 0xa0 : 0x80;
                u->high = b == 0xed ? 0x9f : 0xbf;
        } else if (b >= 0xf0 && b <= 0xf4) {
                u->need = 3;
                u->low = b == 0xf0 ? 0x90 : 0x80;
                u->high = b == 0xf4 ? 0x8f : 0xbf;
        } else {
                return false;
        }
        return true;
}

static bool utf8_more(struct frames_utf8 *u, const unsigned char *p, size_t n) {
        for (size_t i = 0; i < n; i++) {
                if (u->need == 0) {
                        if (!utf8_begin(u, p[i]))
                                return false;
                        continue;
                }
                if (p[i] < u->low || p[i] > u->high)
                        return false;
                u->low = 0x80;
                u->high = 0xbf;
                u->need--;
        }
        return true;
}

static void bad(struct frames *f, struct frames_event *ret, unsigned code, const char *reason) {
        f->bad = true;
        *ret = (struct frames_event){.what = FRAMES_BAD, .code = code, .reason = reason};
}

static bool is_control(const struct frames *f) {
        return (f->head[0] & 0x08) != 0;
}

/* 5.2: what the first two bytes say. NULL, or what is wrong. */
static const char *check_start(const struct frames *f) {
        unsigned opcode = f->head[0] & 0x0f;
        bool fin = (f->head[0] & 0x80) != 0;

        if (f->head[0] & 0x70)
                return "a reserved bit is set";
        if (!(f->head[1] & 0x80))
                return "a frame is not masked";
        if ((opcode > OP_BINARY && opcode < OP_CLOSE) || opcode > OP_PONG)
                return "an opcode is reserved";
        if (opcode >= OP_CLOSE)
                return !fin                        ? "a control frame is fragmented"
                       : (f->head[1] & 0x7f) > 125 ? "a control frame is over 125 bytes"
                                                   : NULL;
        if (opcode == OP_CONTINUE && f->opcode == 0)
                return "a continuation continues nothing";
        if (opcode != OP_CONTINUE && f->opcode != 0)
                return "a message begins inside another";
        return NULL;
}

static size_t head_size(const struct frames *f) {
        unsigned n = f->head[1] & 0x7f;

        return (n < 126 ? 2u : n == 126 ? 4u : 10u) + 4u;
}

/* 5.2: the length, in the least number of bytes. NULL, or what is wrong. */
static const char *take_length(struct frames *f) {
        unsigned short_n = f->head[1] & 0x7f;
        uint64_t n = 0;

        if (short_n < 126) {
                f->left = short_n;
                return NULL;
        }
        for (size_t i = 2; i < (short_n == 126 ? 4u : 10u); i++)
                n = n << 8 | f->head[i];
        if (n >> 63)
                return "a length has its highest bit set";
        if (short_n == 126 ? n < 126 : n <= 0xffff)
                return "a length takes more bytes than it needs";
        f->left = n;
        return NULL;
}

/* The header is whole: false if it is one that ends the connection. */
static bool begin_payload(struct frames *f, struct frames_event *ret) {
        unsigned opcode = f->head[0] & 0x0f;
        const char *wrong = take_length(f);

        f->at = 0;
        if (wrong) {
                bad(f, ret, 1002, wrong);
                return false;
        }
        if (is_control(f))
                return true;
        if (f->left > f->message.limit - f->message.n) {
                bad(f, ret, 1009, "a message is over the limit");
                return false;
        }
        if (opcode != OP_CONTINUE) {
                f->opcode = (unsigned char)opcode;
                f->utf8 = (struct frames_utf8){.need = 0};
        }
        return true;
}

/* Bytes of the header. False while it is not whole, or when it is bad. */
static bool feed_head(struct frames *f, const unsigned char *data, size_t n, size_t *used,
                      struct frames_event *ret) {
        while (f->head_n < f->head_need && *used < n) {
                f->begun += f->head_n == 0;
                f->head[f->head_n++] = data[(*used)++];
                if (f->head_n == 2) {
                        const char *wrong = check_start(f);

                        if (wrong) {
                                bad(f, ret, 1002, wrong);
                                return false;
                        }
                        f->head_need = head_size(f);
                }
        }
        return f->head_n == f->head_need;
}

/* Eight bytes at a time: a mask that begins anywhere repeats every four. */
static void unmask(const struct frames *f, unsigned char *p, size_t n) {
        const unsigned char *mask = f->head + f->head_need - 4;
        unsigned char turned[8];
        uint64_t m, word;
        size_t i = 0;

        for (size_t k = 0; k < sizeof turned; k++)
                turned[k] = mask[(f->at + k) & 3];
        memcpy(&m, turned, sizeof m);
        for (; i + sizeof m <= n; i += sizeof m) {
                memcpy(&word, p + i, sizeof word);
                word ^= m;
                memcpy(p + i, &word, sizeof word);
        }
        for (; i < n; i++)
                p[i] ^= turned[i & 7];
}

/* Adds to the message, and draws its memory from the budget. */
static bool add(struct frames *f, const unsigned char *p, size_t n, struct frames_event *ret) {
        size_t more;

        if (f->opcode == OP_TEXT && !utf8_more(&f->utf8, p, n)) {
                bad(f, ret, 1007, "a text is not UTF-8");
                return false;
        }
        if (buf_add(&f->message, p, n) < 0) {
                bad(f, ret, 1013, "no memory for a message");
                return false;
        }
        more = f->message.cap > KEEP_BYTES ? f->message.cap - f->charged : 0;
        if (more && atomic_fetch_add(&f->budget->used, more) + more > f->budget->limit) {
                f->charged += more;
                bad(f, ret, 1013, "too much is being received");
                return false;
        }
        f->charged += more;
        return true;
}

/* 5.5.1, 7.4: the code to answer a close frame with. */
static void end_close(struct frames *f, struct frames_event *ret) {
        struct frames_utf8 u = {.need = 0};
        unsigned code = f->at >= 2 ? (unsigned)f->control[0] << 8 | f->control[1] : 1000;

        if (f->at == 1 || !code_valid(code)) {
                bad(f, ret, 1002, "a close code is none");
                return;
        }
        if (f->at > 2 && (!utf8_more(&u, f->control + 2, f->at - 2) || u.need)) {
                bad(f, ret, 1007, "a close reason is not UTF-8");
                return;
        }
        ret->what = FRAMES_CLOSE;
        ret->code = code;
}

static void end_control(struct frames *f, struct frames_event *ret) {
        unsigned opcode = f->head[0] & 0x0f;

        ret->data = f->control;
        ret->n = f->at;
        if (opcode == OP_CLOSE)
                end_close(f, ret);
        else
                ret->what = opcode == OP_PING ? FRAMES_PING : FRAMES_PONG;
}

static void end_data(struct frames *f, struct frames_event *ret) {
        if (!(f->head[0] & 0x80))
                return;
        if (f->opcode == OP_TEXT && f->utf8.need) {
                bad(f, ret, 1007, "a text ends inside a character");
                return;
        }
        ret->what = f->opcode == OP_TEXT ? FRAMES_TEXT : FRAMES_BINARY;
        ret->data = (const unsigned char *)(f->message.data ? f->message.data : "");
        ret->n = f->message.n;
        f->opcode = 0;
        f->delivered = true;
}

static void drop_delivered(struct frames *f) {
        f->delivered = false;
        if (f->message.cap > KEEP_BYTES) {
                uncharge(f);
                buf_done(&f->message);
        } else {
                buf_clear(&f->message);
        }
}

/* Payload bytes. False: bad. */
static bool feed_payload(struct frames *f, unsigned char *data, size_t n, size_t *used,
                         struct frames_event *ret) {
        size_t take = f->left < n - *used ? (size_t)f->left : n - *used;
        unsigned char *p = data + *used;

        unmask(f, p, take);
        *used += take;
        if (is_control(f))
                memcpy(f->control + f->at, p, take);
        else if (take && !add(f, p, take, ret))
                return false;
        f->at += take;
        f->left -= take;
        return true;
}

void frames_feed(struct frames *f, unsigned char *data, size_t n, size_t *ret_used,
                 struct frames_event *ret) {
        size_t used = 0;

        CHECK(!f->bad);
        *ret = (struct frames_event){.what = FRAMES_MORE};
        if (f->delivered)
                drop_delivered(f);
        while (used < n && ret->what == FRAMES_MORE) {
                if (f->head_n < f->head_need) {
                        if (!feed_head(f, data, n, &used, ret) || !begin_payload(f, ret))
                                break;
                }
                if (!feed_payload(f, data, n, &used, ret))
                        break;
                if (f->left > 0)
                        continue;
                if (is_control(f))
                        end_control(f, ret);
                else
                        end_data(f, ret);
                f->head_n = 0;
                f->head_need = 2;
        }
        f->since = ret->what == FRAMES_MORE ? f->since + used : 0;
        if (f->since > 2 * (uint64_t)f->message.limit + SINCE_BYTES)
                bad(f, ret, 1009, "a message in too many pieces");
        *ret_used = used;
}
