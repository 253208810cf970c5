/* What latchctl asks about locks. The contract is in main/control_private.h. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/locks.h"
#include "base/fd.h"
#include "latch/level.h"
#include "latch/trace.h"
#include "latch/watchdog.h"
#include "main/control_private.h"
#include "store/datadir.h"

/* Of what one answer may have: an event is less than half a KiB. */
#define EVENTS_BYTES (DATADIR_MESSAGE_MAX - 1024)
#define WAITS_BYTES  (DATADIR_MESSAGE_MAX / 2) /* a line's end takes two bytes there */

static json_t *with_ok(json_t *answer) {
        if (answer && json_object_set_new(answer, "ok", json_true()) < 0)
                return json_decref(answer), NULL;
        return answer;
}

json_t *control_locks(struct control *c, const json_t *m) {
        (void)c;
        (void)m;
        return with_ok(locks_json());
}

/* -1: it is none. */
static int level_of(const json_t *m) {
        const json_t *level = json_object_get(m, "level");
        json_int_t n = json_is_integer(level) ? json_integer_value(level) : -1;

        return n >= 0 && n <= 2 ? (int)n : -1;
}

json_t *control_locks_level(struct control *c, const json_t *m) {
        unsigned was = latch_level();
        int level = level_of(m);
        char words[48];

        if (level < 0)
                return control_refusal("locks.level needs a level, 0 to 2");
        CHECK(latch_set_level((unsigned)level) == 0);
        (void)snprintf(words, sizeof words, "diagnostics.lock_level = %d", level);
        json_t *unwritten = control_note(c, "admin.settings", words, 0);
        return unwritten ? unwritten
                         : json_pack("{s:b, s:i, s:i}", "ok", 1, "was", (int)was, "is", level);
}

/* ---- who waits for whom ---- */

/* What there is no room for is left out: the answer says so by `whole`. */
json_t *control_locks_waits(struct control *c, const json_t *m) {
        char words[WAITS_BYTES];
        _cleanup_(fd_closep) int fd = memfd_create("locks.waits", MFD_CLOEXEC);
        struct stat st;

        (void)c;
        (void)m;
        if (fd < 0 || latch_dump(fd) < 0 || fstat(fd, &st) < 0)
                return NULL;
        ssize_t n = pread(fd, words, sizeof words, 0);
        if (n < 0)
                return NULL;
        return json_pack("{s:b, s:s%, s:b}", "ok", 1, "text", words, (size_t)n, "whole",
                         st.st_size <= (off_t)sizeof words);
}

/* ---- the trace ---- */

static size_t count_of(const struct latch_trace *t) {
        size_t n = 0;

        for (size_t i = 0; i < t->count; i++)
                n += t->rings[i].count;
        return n;
}

/* Event `at` of all, ring by ring. */
static json_t *event_at(const struct latch_trace *t, size_t at) {
        size_t i = 0;

        while (at >= t->rings[i].count)
                at -= t->rings[i++].count;
        return locks_event_json(&t->rings[i], at);
}

/* As many events from `at` as one answer has room for. */
static json_t *page_of(const struct latch_trace *t, size_t at) {
        size_t n = count_of(t), bytes = 0;
        json_t *page = json_array();

        while (page && at < n && bytes < EVENTS_BYTES - 512) {
                json_t *one = event_at(t, at++);
                bytes += one ? json_dumpb(one, NULL, 0, JSON_COMPACT) + 1 : 0;
                if (json_array_append_new(page, one) < 0)
                        page = (json_decref(page), NULL);
        }
        return page;
}

/* The first page is of a copy that is made for it, the others are of the same: an event is told once. */
json_t *control_locks_trace(struct control *c, const json_t *m) {
        size_t at = (size_t)json_integer_value(json_object_get(m, "at"));

        if (at == 0) {
                c->trace = latch_trace_free(c->trace);
                if (latch_trace_copy(&c->trace) < 0)
                        return NULL;
                c->traces++;
        } else if (!c->trace || at > count_of(c->trace) ||
                   json_integer_value(json_object_get(m, "trace")) != c->traces) {
                return control_refusal("somebody else began to read the trace: begin anew");
        }
        json_t *page = page_of(c->trace, at);
        size_t next = at + json_array_size(page), all = count_of(c->trace);
        json_t *answer = json_pack("{s:b, s:I, s:I, s:b, s:I, s:o}", "ok", 1, "trace",
                                   (json_int_t)c->traces, "next", (json_int_t)next, "more",
                                   next < all, "lost", (json_int_t)c->trace->lost, "events", page);
        if (next >= all)
                c->trace = latch_trace_free(c->trace);
        return answer;
}
