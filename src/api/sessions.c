/* sessions.c - the session.* methods: what a session can do, as the wire says it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/api_private.h"
#include "audit/audit.h"
#include "base/buf.h"
#include "base/str.h"
#include "session/viewer.h"

#define TITLE_MAX 256u

/* ---- parameters ---- */

/* As many columns or rows as fit the number: more than a terminal may have are cut where they are used. */
static unsigned size_param(const struct rpc_request *r, const char *name) {
        return (unsigned)MIN(json_integer_value(json_object_get(r->params, name)),
                             (json_int_t)UINT16_MAX);
}

static uint32_t channel_param(const struct rpc_request *r) {
        return (uint32_t)json_integer_value(json_object_get(r->params, "channel"));
}

static struct sessions *sessions_of(const struct rpc_request *r) {
        const struct api_deps *deps = rpc_context(r);

        return deps->sessions;
}

/* ---- replies ---- */

static json_t *holders_json(const struct session_refusal *no) {
        json_t *list = json_array();

        for (size_t i = 0; list && i < no->holder_count; i++) {
                const struct session_holder *h = &no->holders[i];
                json_t *one = json_pack("{s:s, s:i, s:i}", "role", h->driver ? "driver" : "viewer",
                                        "age_s", (int)h->age_s, "idle_s", (int)h->idle_s);
                if (json_array_append_new(list, one) < 0)
                        list = (json_decref(list), NULL);
        }
        return list;
}

/* Without memory a hint is left out: the code says what is wrong. */
static void add_data(struct rpc_request *r, const char *name, json_t *value) {
        if (!r->data)
                r->data = json_object();
        if (json_object_set_new(r->data, name, value) < 0)
                r->data = (json_decref(r->data), NULL);
}

static int refused(struct rpc_request *r, int error, const struct session_refusal *no) {
        if (no->session[0])
                add_data(r, "session", json_string(no->session));
        if (no->retry_after_ms > 0)
                add_data(r, "retry_after_ms", json_integer(no->retry_after_ms));
        if (no->holder_count > 0)
                add_data(r, "holders", holders_json(no));
        return rpc_fail(r, error, no->code[0] ? no->code : NULL, "%s", no->words);
}

/* Where the table's words would not say enough. */
static int fail(struct rpc_request *r, int error) {
        switch (error) {
        case -EAGAIN:
        case -ETIMEDOUT:
                return rpc_fail(r, error, "unavailable",
                                "what keeps this session does not answer: try again");
        default: return error;
        }
}

/* Behind the reply that names the channel: from now on it is heard. */
static void activate(struct rpc_request *r) {
        struct viewer *v = r->after_arg;

        viewer_activate(v);
        viewer_unref(v);
}

/* ---- open ---- */

static const char *const kinds[] = {
        [SESSION_RUN] = "run", [SESSION_SHELL] = "shell", [SESSION_REPL] = "repl"};

static int read_kind(struct rpc_request *r, enum session_kind *ret) {
        const char *word = text_param(r, "kind");

        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                if (str_eq(kinds[i], word)) {
                        *ret = (enum session_kind)i;
                        return 0;
                }
        }
        return rpc_fail(r, -EINVAL, NULL, "kind is \"run\", \"shell\" or \"repl\"");
}

static uint64_t *limit_named(struct spawn_limits *l, const char *name) {
        const struct {
                const char *name;
                uint64_t *where;
        } all[] = {{"wall_ms", &l->wall_ms},     {"idle_ms", &l->idle_ms},
                   {"cpu_ms", &l->cpu_ms},       {"memory_bytes", &l->memory_bytes},
                   {"processes", &l->processes}, {"output_bytes", &l->output_bytes}};

        for (size_t i = 0; i < ELEMENTS(all); i++)
                if (str_eq(all[i].name, name))
                        return all[i].where;
        return NULL;
}

static int read_limits(struct rpc_request *r, struct spawn_limits *ret) {
        const char *name;
        json_t *value;

        json_object_foreach(json_object_get(r->params, "limits"), name, value) {
                uint64_t *where = limit_named(ret, name);
                if (!where)
                        return rpc_fail(
                                r, -EINVAL, NULL,
                                "limits has no \"%.40s\": there are wall_ms, idle_ms, cpu_ms, "
                                "memory_bytes, processes and output_bytes",
                                name);
                if (!json_is_integer(value) || json_integer_value(value) < 1)
                        return rpc_fail(r, -EINVAL, NULL,
                                        "limits.%s must be a whole number, 1 or more", name);
                *where = (uint64_t)json_integer_value(value);
        }
        return 0;
}

static int add_args(struct rpc_request *r, struct buf *b, struct session_request *ret) {
        json_t *value;
        size_t i;
        int e = 0;

        json_array_foreach(json_object_get(r->params, "args"), i, value) {
                const char *s = json_string_value(value);
                if (e == 0)
                        e = buf_add(b, s, strlen(s) + 1);
                ret->argc++;
        }
        return e;
}

static bool is_variable(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

        return n > 0 && name[n] == '\0' && !(name[0] >= '0' && name[0] <= '9');
}

static int add_env(struct rpc_request *r, struct buf *b, struct session_request *ret) {
        const char *name;
        json_t *value;

        json_object_foreach(json_object_get(r->params, "env"), name, value) {
                if (!is_variable(name))
                        return rpc_fail(
                                r, -EINVAL, NULL,
                                "env: a variable's name is made of letters, digits and _, and "
                                "begins with no digit");
                int e = buf_addf(b, "%s=%s", name, json_string_value(value));
                if (e == 0)
                        e = buf_add(b, "", 1);
                if (e < 0)
                        return e;
                ret->envc++;
        }
        return 0;
}

static int read_strings(struct rpc_request *r, struct buf *b, struct session_request *ret) {
        int e = add_args(r, b, ret);

        if (e == 0)
                e = add_env(r, b, ret);
        if (e == -ENOBUFS)
                return rpc_fail(r, -E2BIG, NULL, "args and env are at most %u bytes together",
                                SPAWN_STRINGS_MAX);
        ret->strings = b->data;
        ret->strings_n = b->n;
        return e;
}

static int read_request(struct rpc_request *r, struct buf *strings, struct session_request *ret) {
        *ret = (struct session_request){.path = text_param(r, "path"),
                                        .language = text_param(r, "language"),
                                        .cwd = text_param(r, "cwd"),
                                        .title = text_param(r, "title"),
                                        .client = text_param(r, "client"),
                                        .tty = flag_param(r, "tty", true),
                                        .then_repl = flag_param(r, "then_repl", false),
                                        .cols = size_param(r, "cols"),
                                        .rows = size_param(r, "rows")};
        int e = read_kind(r, &ret->kind);

        if (e == 0 && ret->title && strlen(ret->title) > TITLE_MAX)
                e = rpc_fail(r, -EINVAL, NULL, "title is at most %u bytes", TITLE_MAX);
        if (e == 0)
                e = read_limits(r, &ret->limits);
        if (e == 0)
                e = read_strings(r, strings, ret);
        return e;
}

/* Its reply cannot be made, so nobody would ever know of it. */
static int take_back(struct rpc_request *r, const struct session_opened *opened) {
        _cleanup_(session_unrefp) struct session *s =
                sessions_find(sessions_of(r), r->account, opened->session);

        viewer_unref(opened->viewer);
        return s && session_close(s) < 0 ? -EIO : -ENOMEM;
}

static int open_reply(struct rpc_request *r, const struct session_opened *opened, json_t **ret) {
        *ret = json_pack("{s:s, s:I, s:i, s:b}", "session", opened->session, "channel",
                         (json_int_t)opened->channel, "offset", 0, "driver", 1);
        if (!*ret)
                return take_back(r, opened);
        r->after_reply = activate;
        r->after_arg = opened->viewer;
        return 0;
}

/* What was started: a run's path, else the new session's id. */
static void note_open(const struct rpc_request *r, const struct session_request *request,
                      const struct session_opened *opened, int error) {
        static const char *const whats[] = {[SESSION_RUN] = "session.run",
                                            [SESSION_SHELL] = "session.shell",
                                            [SESSION_REPL] = "session.repl"};
        const struct api_deps *deps = rpc_context(r);
        const char *object = error == 0 ? opened->session : "";

        audit_note(deps->audit,
                   &(struct audit_event){.what = whats[request->kind],
                                         .user = r->account->name,
                                         .address = r->port->address,
                                         .object = request->path ? request->path : object,
                                         .error = error});
}

static int do_open(struct rpc_request *r, json_t **ret) {
        struct buf strings = BUF_INIT(SPAWN_STRINGS_MAX);
        struct session_request request;
        struct session_opened opened;
        struct session_refusal no = {0};
        int e = read_request(r, &strings, &request);

        if (e == 0) {
                e = session_open(sessions_of(r), r->port, &request, &opened, &no);
                note_open(r, &request, &opened, e);
                e = e < 0 ? refused(r, e, &no) : open_reply(r, &opened, ret);
        }
        buf_done(&strings);
        return e;
}

/* ---- attach, drive, detach ---- */

static int read_role(struct rpc_request *r, enum session_role *ret) {
        const char *word = text_param(r, "role");

        if (!word)
                *ret = SESSION_ROLE_ANY;
        else if (str_eq(word, "driver"))
                *ret = SESSION_ROLE_DRIVER;
        else if (str_eq(word, "viewer"))
                *ret = SESSION_ROLE_VIEWER;
        else
                return rpc_fail(r, -EINVAL, NULL, "role is \"driver\" or \"viewer\"");
        return 0;
}

static int attach_reply(struct rpc_request *r, const struct session_joined *joined, json_t **ret) {
        *ret = json_pack("{s:I, s:I, s:I, s:s, s:I, s:b, s:i, s:o}", "channel",
                         (json_int_t)joined->channel, "offset", (json_int_t)joined->offset, "head",
                         (json_int_t)joined->head, "replay",
                         joined->snapshot ? "snapshot" : "exact", "input_offset",
                         (json_int_t)joined->input_offset, "driver", (int)joined->driver, "viewers",
                         (int)joined->viewers, "watchers", watching_json(r->session));
        if (!*ret) {
                int e = session_detach(r->session, r->port, joined->channel);
                viewer_unref(joined->viewer);
                return e < 0 ? e : -ENOMEM;
        }
        r->after_reply = activate;
        r->after_arg = joined->viewer;
        return 0;
}

static int do_attach(struct rpc_request *r, json_t **ret) {
        const json_t *since = json_object_get(r->params, "since");
        struct session_join join = {.has_since = since != NULL,
                                    .since = (uint64_t)json_integer_value(since),
                                    .cols = size_param(r, "cols"),
                                    .rows = size_param(r, "rows"),
                                    .client = text_param(r, "client")};
        struct session_joined joined;
        struct session_refusal no = {0};
        int e = read_role(r, &join.role);

        if (e == 0)
                e = watching_judge(r, &join);
        if (e < 0)
                return e;
        e = session_attach(r->session, r->port, &join, &joined, &no);
        if (e == 0)
                return attach_reply(r, &joined, ret);
        return no.words[0] ? refused(r, e, &no) : fail(r, e);
}

static void drive_answered(struct rpc_request *r) {
        struct viewer *v = r->after_arg;

        viewer_drive_answered(v);
        viewer_unref(v);
}

static int do_drive(struct rpc_request *r, json_t **ret) {
        struct viewer *v;
        int e = session_drive(r->session, r->port, channel_param(r), &v);

        (void)ret;
        if (e < 0)
                return e;
        r->after_reply = drive_answered;
        r->after_arg = v;
        return 0;
}

static int do_detach(struct rpc_request *r, json_t **ret) {
        (void)ret;
        return session_detach(r->session, r->port, channel_param(r));
}

/* ---- control ---- */

static int do_resize(struct rpc_request *r, json_t **ret) {
        const unsigned wanted[2] = {size_param(r, "cols"), size_param(r, "rows")};
        unsigned now[2];
        int e = session_resize(r->session, r->port, channel_param(r), wanted, now);

        if (e == -ENODEV)
                return rpc_fail(r, e, "conflict", "this session has no terminal");
        if (e < 0)
                return fail(r, e);
        return give(json_pack("{s:i, s:i}", "cols", (int)now[0], "rows", (int)now[1]), ret);
}

static int do_signal(struct rpc_request *r, json_t **ret) {
        int e = session_signal(r->session, text_param(r, "signal"));

        (void)ret;
        if (e == -EINVAL)
                return rpc_fail(r, e, NULL,
                                "signal is INT, TERM, KILL, HUP, QUIT, USR1, USR2, TSTP or CONT");
        if (e == -ESRCH)
                return rpc_fail(r, e, "conflict", "the session has ended");
        return fail(r, e);
}

static int do_stop(struct rpc_request *r, json_t **ret) {
        (void)ret;
        return fail(r, session_stop(r->session));
}

static int do_close(struct rpc_request *r, json_t **ret) {
        (void)ret;
        return fail(r, session_close(r->session));
}

/* ---- list ---- */

static json_t *info_json(const struct session_info *s) {
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:f, s:i, s:i, s:i}", "session",
                         s->id, "kind", kinds[s->kind], "owner", s->owner, "title", s->title,
                         "name", s->name, "state", s->state, "path", s->path, "cwd",
                         s->cwd[0] ? s->cwd : NULL, "started", (double)s->started_ms / 1000.0,
                         "viewers", (int)s->viewers, "cols", (int)s->cols, "rows", (int)s->rows);
}

static int do_list(struct rpc_request *r, json_t **ret) {
        _cleanup_(freep) struct session_info *list = NULL;
        bool all = flag_param(r, "all", false);
        size_t n;

        if (all && r->account->role < ROLE_TEACHER)
                return rpc_fail(r, -EACCES, NULL,
                                "only teachers and admins see the sessions of all");
        int e = sessions_list(sessions_of(r), all ? NULL : r->account, &list, &n);
        if (e < 0)
                return e;
        json_t *array = json_array();
        for (size_t i = 0; array && i < n; i++)
                if (json_array_append_new(array, info_json(&list[i])) < 0)
                        array = (json_decref(array), NULL);
        return give(array, ret);
}

/* ---- the table ---- */

static const struct rpc_method methods[] = {
        {.name = "session.open",
         .cost = 10, /* processes are made */
         .params = {{"kind", 's', true},
                    {"path", 's', false},
                    {"args", 'a', false},
                    {"language", 's', false},
                    {"tty", 'b', false},
                    {"then_repl", 'b', false},
                    {"cols", 'i', false},
                    {"rows", 'i', false},
                    {"limits", 'O', false},
                    {"cwd", 's', false},
                    {"env", 'o', false},
                    {"title", 's', false},
                    {"client", 's', false}},
         .handle = do_open},
        {.name = "session.attach",
         .order = RPC_BY_SESSION,
         .others = true,
         .params = {{"session", 's', true},
                    {"since", 'i', false},
                    {"role", 's', false},
                    {"cols", 'i', false},
                    {"rows", 'i', false},
                    {"client", 's', false}},
         .handle = do_attach},
        {.name = "session.drive",
         .order = RPC_BY_CHANNEL,
         .params = {{"channel", 'i', true}},
         .handle = do_drive},
        {.name = "session.detach",
         .order = RPC_BY_CHANNEL,
         .params = {{"channel", 'i', true}},
         .handle = do_detach},
        {.name = "session.resize",
         .order = RPC_BY_CHANNEL,
         .params = {{"channel", 'i', true}, {"cols", 'i', true}, {"rows", 'i', true}},
         .handle = do_resize},
        {.name = "session.signal",
         .order = RPC_BY_SESSION,
         .params = {{"session", 's', true}, {"signal", 's', true}},
         .handle = do_signal},
        {.name = "session.stop",
         .order = RPC_BY_SESSION,
         .params = {{"session", 's', true}},
         .handle = do_stop},
        {.name = "session.close",
         .order = RPC_BY_SESSION,
         .params = {{"session", 's', true}},
         .handle = do_close},
        {.name = "session.list", .params = {{"all", 'b', false}}, .handle = do_list},
};

int api_sessions_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_STUDENT, deps);
}
