/* ask.c - questions to a holder that somebody waits for. The contract is in session/ask.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "session/ask.h"

static void forget_locked(struct session *s, const struct session_query *q)
        LATCH_MUST_HOLD(session) {
        for (struct session_query **at = &s->queries; *at; at = &(*at)->next) {
                if (*at == q) {
                        *at = q->next;
                        return;
                }
        }
}

static int await(struct session *s, struct session_query *q, int said) {
        uint64_t until = clock_mono_ns() + SESSION_WAIT_MS * UINT64_C(1000000);
        int r = said;

        LATCH_GUARD(session, &s->lock);
        while (r == 0 && !q->done && !s->holder_gone)
                r = latch_cond_wait_until(&s->changed, &s->lock, until);
        forget_locked(s, q);
        return q->done || s->holder_gone || said == -EPIPE ? 0 : r;
}

/* 0 also if the holder is gone: then q is not done. */
static int ask(struct session *s, struct session_query *q, const uint8_t *key) {
        struct hold_query m = {.head.type = q->type, .tag = q->tag};

        if (key)
                memcpy(m.key, key, sizeof m.key);
        LATCH_WITH(session, &s->lock) {
                q->next = s->queries;
                s->queries = q;
        }
        return await(s, q, session_say(s, &m, sizeof m));
}

int session_ask_input(struct session *s, uint64_t tag, const uint8_t key[HOLD_KEY_BYTES],
                      uint64_t *ret) {
        struct session_query q = {.type = HOLD_QUERY_INPUT, .tag = tag, .fd = -1};
        int r = ask(s, &q, key);

        if (r == 0 && q.done)
                *ret = q.offset;
        return r;
}

/* Once it is sealed nobody changes it, and nobody who reads it waits. */
static int read_sealed(int fd, struct buf *ret) {
        const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        int have = fcntl(fd, F_GET_SEALS);
        struct stat st;

        if (have < 0 || (have & seals) != seals)
                return -EPROTO;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size < 1 || st.st_size > (off_t)HOLD_SNAPSHOT_MAX)
                return -EPROTO;
        int r = buf_reserve(ret, (size_t)st.st_size);
        if (r < 0)
                return r;
        if (pread(fd, ret->data, (size_t)st.st_size, 0) != st.st_size)
                return -EPROTO;
        ret->n = (size_t)st.st_size;
        return 0;
}

int session_ask_snapshot(struct session *s, uint64_t tag, struct buf *ret, uint64_t *ret_offset) {
        struct session_query q = {.type = HOLD_ASK_SNAPSHOT, .tag = tag, .fd = -1};
        int r = ask(s, &q, NULL);
        _cleanup_(fd_closep) int fd = q.fd;

        if (r == 0)
                r = q.done ? q.error : -ENODATA;
        if (r == 0)
                r = read_sealed(fd, ret);
        if (r == 0)
                *ret_offset = q.offset;
        return r;
}
