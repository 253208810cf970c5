/* Session records. The contract is in store/store.h. */
#include <errno.h>
#include <stdlib.h>

#include "store/store_private.h"

static const char *const kinds[] = {
        [SESSION_RUN] = "run", [SESSION_SHELL] = "shell", [SESSION_REPL] = "repl"};
static const char *const states[] = {
        [RECORD_STARTING] = "starting", [RECORD_RUNNING] = "running", [RECORD_ENDED] = "ended"};

static int put(struct conn *c, const struct store_session *r) {
        int changed = statement_run(
                c, STATEMENT_SESSION_PUT, "tittiittiiiitiiii", r->id, r->user_id, kinds[r->kind],
                states[r->state], (int64_t)r->tty, (int64_t)r->tombstone, r->path, r->title,
                (int64_t)r->started_ms, (int64_t)r->ended_ms, (int64_t)r->code, (int64_t)r->signal,
                r->verdict, (int64_t)r->wall_ms, (int64_t)r->cpu_ms, (int64_t)r->peak_bytes,
                (int64_t)r->end_offset);

        return MIN(changed, 0);
}

int store_session_put(struct store *s, const struct store_session *record) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        return transaction_end(c, put(c, record));
}

int store_session_announce(struct store *s, const struct store_session *record) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = conn_hurry(c, true);
        if (r < 0)
                return r;
        r = transaction_begin(c);
        if (r == 0)
                r = transaction_end(c, put(c, record));
        int back = conn_hurry(c, false); /* or the connection is not used again */
        return r < 0 ? r : back;
}

int store_session_remove(struct store *s, const char *id) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        int removed = statement_run(c, STATEMENT_SESSION_REMOVE, "t", id);
        return transaction_end(c, MIN(removed, 0));
}

/* A word's place among its kind; -EIO for one that we never wrote. */
static int column_word(sqlite3_stmt *st, int column, const char *const *words, size_t n) {
        char word[16];
        int r = column_text(st, column, word, sizeof word);

        return r < 0 ? r : word_index(words, n, word);
}

static int read_texts(sqlite3_stmt *st, struct store_session *s) {
        int kind = column_word(st, 2, kinds, ELEMENTS(kinds));
        int state = column_word(st, 3, states, ELEMENTS(states));
        int r = kind < 0 ? kind : MIN(state, 0);

        if (r == 0)
                r = column_text(st, 0, s->id, sizeof s->id);
        if (r == 0)
                r = column_text(st, 6, s->path, sizeof s->path);
        if (r == 0)
                r = column_text(st, 7, s->title, sizeof s->title);
        if (r == 0)
                r = column_text(st, 12, s->verdict, sizeof s->verdict);
        if (r < 0)
                return r;
        s->kind = (enum session_kind)kind;
        s->state = (enum record_state)state;
        return 0;
}

static int read_session(sqlite3_stmt *st, struct store_session *s) {
        s->user_id = sqlite3_column_int64(st, 1);
        s->tty = sqlite3_column_int(st, 4) != 0;
        s->tombstone = sqlite3_column_int(st, 5) != 0;
        s->started_ms = (uint64_t)sqlite3_column_int64(st, 8);
        s->ended_ms = (uint64_t)sqlite3_column_int64(st, 9);
        s->code = sqlite3_column_int(st, 10);
        s->signal = sqlite3_column_int(st, 11);
        s->wall_ms = (uint64_t)sqlite3_column_int64(st, 13);
        s->cpu_ms = (uint64_t)sqlite3_column_int64(st, 14);
        s->peak_bytes = (uint64_t)sqlite3_column_int64(st, 15);
        s->end_offset = (uint64_t)sqlite3_column_int64(st, 16);
        return read_texts(st, s);
}

int store_session_list(struct store *s, struct store_session **ret, size_t *ret_n) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        _cleanup_(freep) struct store_session *list = NULL;
        size_t n = 0, cap = 0;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_SESSION_LIST, &st, "");
        if (r < 0)
                return r;
        while ((r = statement_step(st)) > 0) {
                if (n == cap) {
                        cap = MAX(cap * 2, (size_t)16);
                        struct store_session *more = realloc(list, cap * sizeof *list);
                        if (!more)
                                return -ENOMEM;
                        list = more;
                }
                list[n] = (struct store_session){0};
                r = read_session(st, &list[n++]);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
