/* What latchctl asks about sessions. The contract is in main/control_private.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/str.h"
#include "main/control_private.h"
#include "session/session.h"
#include "store/datadir.h"

/* Of what one answer may have: an entry is at most 33 KiB, every byte of its paths escaped. */
#define LIST_BYTES (DATADIR_MESSAGE_MAX - (36u << 10))

static json_t *refuse(int error) {
        switch (error) {
        case -ENOENT: return control_refusal("there is no such session");
        case -ESRCH: return control_refusal("the session has ended");
        case -EAGAIN:
        case -ETIMEDOUT: return control_refusal("the session's holder does not answer");
        default: return control_refusal(strerror(-error));
        }
}

static struct session *find(struct control *c, const json_t *m) {
        const char *id = json_string_value(json_object_get(m, "session"));

        return id ? sessions_find(c->deps.people->sessions, NULL, id) : NULL;
}

/* ---- list ---- */

static json_t *info_json(const struct session_info *s) {
        static const char *const kinds[] = {
                [SESSION_RUN] = "run", [SESSION_SHELL] = "shell", [SESSION_REPL] = "repl"};

        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "owner", s->owner,
                         "session", s->id, "kind", kinds[s->kind], "state", s->state, "title",
                         s->title, "path", s->path, "cwd", s->cwd, "viewers", (int)s->viewers,
                         "started_ms", (json_int_t)s->started_ms);
}

/* Behind the one that was told last: the list is by start, then by id. */
static bool is_behind(const struct session_info *s, uint64_t started_ms, const char *id) {
        return s->started_ms > started_ms || (s->started_ms == started_ms && strcmp(s->id, id) > 0);
}

json_t *control_session_list(struct control *c, const json_t *m) {
        uint64_t started_ms = (uint64_t)json_integer_value(json_object_get(m, "after_ms"));
        const char *id = json_string_value(json_object_get(m, "after"));
        _cleanup_(freep) struct session_info *list = NULL;
        json_t *page = json_array();
        size_t n, bytes = 0, i = 0;
        int r = sessions_list(c->deps.people->sessions, NULL, &list, &n);

        for (; r == 0 && i < n && bytes < LIST_BYTES; i++) {
                if (id && !is_behind(&list[i], started_ms, id))
                        continue;
                json_t *one = info_json(&list[i]);
                bytes += one ? json_dumpb(one, NULL, 0, JSON_COMPACT) + 1 : 0;
                if (json_array_append_new(page, one) < 0)
                        r = -ENOMEM;
        }
        if (r < 0) {
                json_decref(page);
                return refuse(r);
        }
        return json_pack("{s:b, s:o, s:b}", "ok", 1, "sessions", page, "more", i < n);
}

/* ---- kill, send ---- */

json_t *control_session_kill(struct control *c, const json_t *m) {
        _cleanup_(session_unrefp) struct session *s = find(c, m);
        struct session_over over;

        if (!s || session_over(s, &over))
                return s ? json_pack("{s:b}", "ok", 1) : refuse(-ENOENT);
        int r = session_stop(s);
        json_t *unwritten = control_note(c, "session.end_other",
                                         json_string_value(json_object_get(m, "session")), r);
        if (r < 0) {
                json_decref(unwritten);
                return refuse(r);
        }
        return unwritten ? unwritten : json_pack("{s:b}", "ok", 1);
}

struct text { /* what is to be typed */
        char *data;
        size_t n;
};

/* With the key behind it, if that is to be pressed. 0, -EINVAL, -ENOMEM. */
static int read_text(const json_t *m, char enter, struct text *ret) {
        const json_t *data = json_object_get(m, "data");
        bool press = json_is_true(json_object_get(m, "enter"));
        size_t n;
        char *text, *more;
        int r = base64_decode(json_is_string(data) ? json_string_value(data) : "!",
                              json_is_string(data) ? json_string_length(data) : 1, &text, &n);

        if (r < 0)
                return r;
        more = realloc(text, n + 1);
        if (!more || n + press > SESSION_TYPE_MAX) {
                free(more ? more : text);
                return more ? -EINVAL : -ENOMEM;
        }
        if (press)
                more[n++] = enter;
        *ret = (struct text){more, n};
        return 0;
}

json_t *control_session_send(struct control *c, const json_t *m) {
        _cleanup_(session_unrefp) struct session *s = find(c, m);
        const char *client = json_string_value(json_object_get(m, "client"));
        uint64_t offset = (uint64_t)json_integer_value(json_object_get(m, "offset")), taken = 0;
        struct text text = {NULL, 0};
        json_t *unwritten = NULL;

        if (!s)
                return refuse(-ENOENT);
        int r = client ? read_text(m, session_enter_key(s), &text) : -EINVAL;
        if (r == 0)
                r = session_type(s, client, offset, text.data, text.n, &taken);
        free(text.data);
        if (offset == 0 && (r < 0 || taken > 0)) /* one for all that follows it */
                unwritten = control_note(c, "session.type_other",
                                         json_string_value(json_object_get(m, "session")), r);
        if (r < 0) {
                json_decref(unwritten);
                return refuse(r);
        }
        return unwritten ? unwritten : json_pack("{s:b, s:I}", "ok", 1, "taken", (json_int_t)taken);
}

/* ---- attach ---- */

/* A visit of its owner's: what the owner may do with it, and where. */
json_t *control_session_attach(struct control *c, const json_t *m) {
        const char *id = json_string_value(json_object_get(m, "session"));
        _cleanup_(session_unrefp) struct session *s = find(c, m);
        char ticket[TICKET_TEXT_MAX];

        if (!s)
                return refuse(-ENOENT);
        int r = auth_make_visit(c->deps.people->auth, session_owner(s), ticket);
        json_t *unwritten = control_note(c, "session.attach_other", id, r);
        if (r == 0 && !unwritten)
                return json_pack("{s:b, s:s, s:s}", "ok", 1, "ticket", ticket, "address",
                                 c->deps.address);
        json_decref(r < 0 ? unwritten : NULL);
        return r == -EACCES ? control_refusal("its user is disabled or deleted")
               : r < 0      ? refuse(r)
                            : unwritten;
}

/* ---- wait ---- */

static json_t *how_it_ended(const struct session_over *o) {
        const char *name = o->signal ? sigabbrev_np(o->signal) : NULL;
        char words[96];

        if (str_eq(o->verdict, "lost"))
                snprintf(words, sizeof words, "lost: nobody knows how it ended");
        else if (o->signal)
                snprintf(words, sizeof words, "ended by SIG%s (%s)", name ? name : "?", o->verdict);
        else
                snprintf(words, sizeof words, "exited with code %d%s%s%s", o->code,
                         str_eq(o->verdict, "exited") ? "" : " (",
                         str_eq(o->verdict, "exited") ? "" : o->verdict,
                         str_eq(o->verdict, "exited") ? "" : ")");
        return json_pack("{s:b, s:s}", "ok", 1, "words", words);
}

/* NULL: not yet, and *ret_over is false. */
static json_t *answer(struct control *c, const char *id, bool *ret_over) {
        _cleanup_(session_unrefp) struct session *s =
                sessions_find(c->deps.people->sessions, NULL, id);
        struct session_over over;

        *ret_over = !s || session_over(s, &over);
        if (!*ret_over)
                return NULL;
        return s ? how_it_ended(&over) : refuse(-ENOENT);
}

json_t *control_session_wait(struct control *c, const json_t *m) {
        const char *id = json_string_value(json_object_get(m, "session"));
        bool over;
        json_t *reply = answer(c, id ? id : "", &over);

        if (over)
                return reply;
        for (size_t i = 0; i < CONTROL_WAITERS; i++) {
                struct control_waiter *w = &c->waiters[i];
                if (w->fd >= 0)
                        continue;
                CHECK(str_copy(w->session, sizeof w->session, id) == 0);
                w->fd = TAKE_FD(*c->asking);
                return NULL;
        }
        return control_refusal("too many wait already");
}

void control_answer_waiters(struct control *c) {
        for (size_t i = 0; i < CONTROL_WAITERS; i++) {
                struct control_waiter *w = &c->waiters[i];
                bool over = false;
                json_t *reply = w->fd >= 0 ? answer(c, w->session, &over) : NULL;

                if (!over)
                        continue;
                control_send(w->fd, reply);
                w->fd = fd_close(w->fd);
        }
}
