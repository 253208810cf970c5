/* search.c - a tool in a cage, from its start to its end. The contract is in search/search.h. */
#include "search/search.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "ring/ring.h"
#include "search/search_private.h"
#include "session/descriptor.h"
#include "session/holder.h"

#define RING_BYTES (UINT64_C(256) << 10)
#define PIECE      16384u
#define LOOK_MS    50 /* how soon it is noticed that nobody wants it any more */
#define START_MS   5000u
#define EXIT_MS    2000u
#define STOP_MS    200u

struct searches {
        const struct config *config; /* fixed */
        struct spawner *spawner;     /* fixed */
        atomic_uint running;
        atomic_bool stopping;
};

/* One that is under way. */
struct tool {
        struct searches *all;
        struct port *port;
        struct search_parse parse;
        int holder, wake;
        struct ring_reader *ring;
        uint64_t at, until_ns;
        bool exited, late;
        int code;
        char complaint[256]; /* what it said on stderr, first */
        size_t complaint_n;
        char id[RANDOM_ID_CHARS + 1];
};

/* ---- life ---- */

int searches_new(const struct config *config, struct spawner *spawner, struct searches **ret) {
        struct searches *s = calloc(1, sizeof *s);

        if (!s)
                return -ENOMEM;
        s->config = config;
        s->spawner = spawner;
        *ret = s;
        return 0;
}

void searches_stop(struct searches *s) {
        atomic_store(&s->stopping, true);
}

struct searches *searches_free(struct searches *s) {
        if (s)
                CHECK(atomic_load(&s->running) == 0);
        free(s);
        return NULL;
}

void search_result_done(struct search_result *r) {
        for (size_t i = 0; i < r->n; i++) {
                free(r->matches[i].path);
                free(r->matches[i].text);
        }
        free(r->matches);
        r->matches = NULL;
        r->n = 0;
}

/* ---- its start ---- */

static int take(struct searches *s, struct account *a) {
        unsigned most = MAX(s->config->workers / 2, 1u);

        if (atomic_fetch_add(&a->searches, 1) > 0) {
                atomic_fetch_sub(&a->searches, 1);
                return -EBUSY;
        }
        if (atomic_fetch_add(&s->running, 1) < most)
                return 0;
        atomic_fetch_sub(&s->running, 1);
        atomic_fetch_sub(&a->searches, 1);
        return -EBUSY;
}

static void give_back(struct searches *s, struct account *a) {
        atomic_fetch_sub(&s->running, 1);
        atomic_fetch_sub(&a->searches, 1);
}

static void fill_spec(const struct tool *t, struct spawn_spec *spec) {
        const struct config *c = t->all->config;
        const struct account *a = t->port->identity->account;

        spec->size = sizeof *spec;
        spec->kind = SPAWN_TOOL;
        memcpy(spec->id, t->id, sizeof spec->id);
        CHECK(str_copy(spec->user, sizeof spec->user, a->name) == 0);
        spec->uid = a->uid;
        spec->cols = 80;
        spec->rows = 24;
        spec->limits = (struct spawn_limits){.wall_ms = c->search_ms,
                                             .cpu_ms = c->search_ms,
                                             .memory_bytes = c->memory_bytes,
                                             .processes = c->processes,
                                             .tmp_bytes = c->tmp_bytes};
        spec->ring_bytes = RING_BYTES;
        spec->input_bytes = 4096;
        spec->stop_grace_ms = STOP_MS;
}

static int spawn(struct tool *t, const struct buf *strings, uint32_t argc) {
        _cleanup_(freep) struct spawn_spec *spec = calloc(1, sizeof *spec);

        if (!spec)
                return -ENOMEM;
        fill_spec(t, spec);
        spec->argc = argc;
        spec->strings_n = (uint32_t)strings->n;
        int r = spawner_session(t->all->spawner, spec, strings->data, -1, &t->holder);
        return r < 0 ? r : fd_set_cloexec(t->holder, true);
}

/* What a holder says, checked as if it were hostile. */
static int hear_hello(struct tool *t, struct holder_message *m) {
        const struct hold_hello *h = &m->u.hello;

        if (t->ring || h->version != HOLD_VERSION || h->kind != SPAWN_TOOL ||
            memcmp(h->id, t->id, sizeof t->id) != 0)
                return -EPROTO;
        int r = descriptor_is_eventfd(m->fds[2]);
        if (r == 0)
                r = ring_reader_open(m->fds[0], m->fds[1], t->id, &t->ring);
        if (r < 0)
                return r;
        t->wake = TAKE_FD(m->fds[2]);
        return 0;
}

static int hear_one(struct tool *t, struct holder_message *m) {
        switch (m->u.head.type) {
        case HOLD_HELLO: return hear_hello(t, m);
        case HOLD_STARTED: return 0;
        case HOLD_FAILED: return -EIO;
        case HOLD_EXIT:
                t->exited = true;
                t->code = m->u.exit.signal ? 128 + m->u.exit.signal : m->u.exit.code;
                t->late = m->u.exit.verdict == HOLD_TIMEOUT || m->u.exit.verdict == HOLD_CPU;
                return 0;
        default: return -EPROTO;
        }
}

/* All that it has said. */
static int hear(struct tool *t) {
        struct holder_message m;

        for (;;) {
                int r = holder_receive(t->holder, &m);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0)
                        return t->exited && r == -EPIPE ? 0 : r;
                r = hear_one(t, &m);
                holder_message_done(&m);
                if (r < 0)
                        return r;
        }
}

static int await_hello(struct tool *t) {
        uint64_t until = clock_mono_ns() + START_MS * UINT64_C(1000000);
        int r = 0;

        while (r == 0 && !t->ring) {
                r = holder_wait(t->holder, POLLIN, until);
                if (r == 0)
                        r = hear(t);
        }
        return r;
}

/* ---- its output ---- */

static int take_piece(struct tool *t, enum ring_kind kind, const char *data, size_t n) {
        if (kind == RING_OUTPUT)
                return search_parse_feed(&t->parse, data, n);
        size_t k = MIN(n, sizeof t->complaint - 1 - t->complaint_n);
        memcpy(t->complaint + t->complaint_n, data, k);
        t->complaint_n += k;
        return 0;
}

/* What is there. */
static int drain(struct tool *t) {
        char piece[PIECE];

        for (;;) {
                enum ring_kind kind;
                uint64_t tail;
                ssize_t n = ring_read(t->ring, t->at, piece, sizeof piece, &kind, &tail);
                if (n <= 0)
                        return (int)n;
                t->at += (uint64_t)n;
                if (ring_reader_set_gate(t->ring, t->at))
                        (void)!holder_tell(t->holder, HOLD_GATE); /* or it looks by itself, later */
                int r = take_piece(t, kind, piece, (size_t)n);
                if (r < 0)
                        return r;
        }
}

static bool is_over(struct tool *t, int *ret) {
        uint64_t tail, head;
        bool eof;

        *ret = ring_reader_bounds(t->ring, &tail, &head, &eof);
        return *ret < 0 || (eof && head == t->at && t->exited);
}

/* 0: go on. */
static int wanted(const struct tool *t) {
        if (atomic_load(&t->all->stopping))
                return -ESHUTDOWN;
        if (port_is_closed(t->port))
                return -EPIPE;
        return clock_mono_ns() < t->until_ns ? 0 : -ETIMEDOUT;
}

static void wait_for_more(struct tool *t) {
        struct pollfd p[] = {{.fd = t->wake, .events = POLLIN},
                             {.fd = t->exited ? -1 : t->holder, .events = POLLIN}};
        uint64_t count;

        if (ring_reader_arm(t->ring, t->at))
                return;
        if (poll(p, ELEMENTS(p), LOOK_MS) < 0)
                CHECK(errno == EINTR);
        if (p[0].revents && read(t->wake, &count, sizeof count) < 0)
                CHECK(errno == EAGAIN || errno == EINTR);
}

static int collect(struct tool *t) {
        int r = await_hello(t);

        while (r == 0) {
                r = drain(t);
                if (r == 0)
                        r = hear(t);
                if (r < 0 || is_over(t, &r))
                        break;
                r = wanted(t);
                if (r == 0)
                        wait_for_more(t);
        }
        if (r == -ETIMEDOUT)
                t->late = true;
        return r == -ETIMEDOUT || r == -EDQUOT ? 0 : r;
}

/* ---- the whole ---- */

/* The tools end with 2 where a pattern is none; find says it in words. */
static bool is_complaint(const struct tool *t) {
        if (!t->exited || t->late || t->complaint_n == 0)
                return false;
        return t->parse.tool == SEARCH_FIND ? strstr(t->complaint, "regular expression") != NULL
                                            : t->code >= 2 && t->parse.to->n == 0;
}

static int by_place(const void *a, const void *b) {
        const struct search_match *x = a, *y = b;
        int r = strcmp(x->path, y->path);

        return r != 0 ? r : (x->line > y->line) - (x->line < y->line);
}

static int finish(const struct tool *t, struct search_result *ret) {
        if (is_complaint(t)) {
                char *clean = search_clean(t->complaint, t->complaint_n, 200);
                snprintf(ret->words, sizeof ret->words, "that is no regular expression: %s",
                         clean ? clean : "");
                free(clean);
                return -EINVAL;
        }
        ret->truncated |= t->late || (t->exited && t->code > 128);
        if (ret->n > 1)
                qsort(ret->matches, ret->n, sizeof *ret->matches, by_place);
        return 0;
}

static enum search_tool choose(const struct searches *s, const struct search_request *rq) {
        const char *rg = s->config->ripgrep;

        return rq->name ? SEARCH_FIND : rg[0] && access(rg, X_OK) == 0 ? SEARCH_RG : SEARCH_GREP;
}

static int carry_out(struct searches *s, struct port *p, const struct search_request *rq,
                     struct search_result *ret) {
        struct tool t = {.all = s, .port = p, .holder = -1, .wake = -1};
        enum search_tool tool = choose(s, rq);
        struct buf strings = BUF_INIT(SPAWN_STRINGS_MAX);
        uint32_t argc = 0;
        int r = search_argv(rq, tool, s->config->ripgrep, &strings, &argc, ret->words);

        random_id(t.id);
        t.until_ns = clock_mono_ns() + s->config->search_ms * UINT64_C(1000000);
        search_parse_begin(&t.parse, tool, rq, ret);
        if (r == 0)
                r = spawn(&t, &strings, argc);
        if (r == 0)
                r = collect(&t);
        if (t.holder >= 0)
                holder_dismiss(t.holder, clock_mono_ns() + EXIT_MS * UINT64_C(1000000));
        if (r == 0)
                r = finish(&t, ret);
        search_parse_done(&t.parse);
        buf_done(&strings);
        ring_reader_free(t.ring);
        fd_close(t.wake);
        fd_close(t.holder);
        return r;
}

int search_run(struct searches *s, struct port *p, const struct search_request *rq,
               struct search_result *ret) {
        struct account *account = p->identity->account;

        latch_blocking("search_run");
        *ret = (struct search_result){0};
        if (atomic_load(&s->stopping))
                return -ESHUTDOWN;
        int r = take(s, account);
        if (r < 0)
                return r;
        r = carry_out(s, p, rq, ret);
        give_back(s, account);
        return r;
}
