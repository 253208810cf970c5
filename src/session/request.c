/* request.c - a request to open a session, judged: what may be started, and how. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/str.h"
#include "session/opening.h"
#include "session/port.h"
#include "spawn/language.h"
#include "spawn/spec_check.h"
#include "workspace/workspace.h"

int refuse(struct session_refusal *no, int error, const char *code, const char *fmt, ...) {
        va_list args;

        snprintf(no->code, sizeof no->code, "%s", code);
        va_start(args, fmt);
        vsnprintf(no->words, sizeof no->words, fmt, args);
        va_end(args);
        return error;
}

static int take_limit(struct opening *o, const char *name, uint64_t wanted, uint64_t most,
                      uint64_t *ret) {
        if (most > 0 && wanted > most)
                return refuse(o->no, -EINVAL, "", "limits.%s is at most %llu here", name,
                              (unsigned long long)most);
        *ret = wanted > 0 ? wanted : most;
        return 0;
}

/* A terminal that waits for its user is not a run: clocks and output limits are for runs, unless asked; how long
 * it may be unused is its own. */
static int judge_limits(struct opening *o) {
        const struct config *c = o->ss->deps.config;
        const struct spawn_limits *w = &o->rq->limits;
        struct spawn_limits *l = &o->spec->limits;
        bool run = o->rq->kind == SESSION_RUN;
        int r = take_limit(o, "wall_ms", w->wall_ms, run ? c->wall_ms : 0, &l->wall_ms);

        if (r == 0)
                r = take_limit(o, "idle_ms", w->idle_ms, run ? c->idle_ms : c->unused_ms,
                               &l->idle_ms);
        if (r == 0)
                r = take_limit(o, "cpu_ms", w->cpu_ms, run ? c->cpu_ms : 0, &l->cpu_ms);
        if (r == 0)
                r = take_limit(o, "memory_bytes", w->memory_bytes, c->memory_bytes,
                               &l->memory_bytes);
        if (r == 0)
                r = take_limit(o, "processes", w->processes, c->processes, &l->processes);
        if (r == 0)
                r = take_limit(o, "output_bytes", w->output_bytes, run ? c->output_bytes : 0,
                               &l->output_bytes);
        if (o->rq->kind == SESSION_SHELL)
                l->output_bytes = 0; /* never applies to shells */
        l->tmp_bytes = c->tmp_bytes;
        return r;
}

static int judge_language(struct opening *o) {
        const struct session_request *rq = o->rq;
        const char *language = rq->language;

        if (rq->kind == SESSION_SHELL)
                return language ? refuse(o->no, -EINVAL, "", "a shell has no language") : 0;
        if (!language)
                language = rq->kind == SESSION_RUN ? language_by_name(rq->path) : "python";
        if (!language)
                return refuse(o->no, -EINVAL, "",
                              "its name does not say what runs it: rename it, or give one of %s as "
                              "\"language\"",
                              language_list());
        if (!language_known(language) ||
            str_copy(o->spec->language, sizeof o->spec->language, language) < 0)
                return refuse(o->no, -EINVAL, "", "there is no language \"%.20s\": there are %s",
                              language, language_list());
        return 0;
}

static int judge_path(struct opening *o) {
        const struct session_request *rq = o->rq;

        if (rq->kind != SESSION_RUN)
                return rq->path ? refuse(o->no, -EINVAL, "", "only a run has a path") : 0;
        if (!rq->path || !rq->path[0])
                return refuse(o->no, -EINVAL, "", "a run needs the path of a file");
        if (workspace_path_check(rq->path, strlen(rq->path)) < 0)
                return refuse(o->no, -EINVAL, "",
                              "\"path\" is not a path: it is relative, with no "
                              "empty, \".\" or \"..\" part");
        return str_copy(o->spec->path, sizeof o->spec->path, rq->path);
}

/* What is a run's alone is refused where it would do nothing. */
static int judge_kind(struct opening *o) {
        const struct session_request *rq = o->rq;

        if (rq->kind == SESSION_RUN)
                return rq->then_repl && !rq->tty
                               ? refuse(o->no, -EINVAL, "",
                                        "then_repl needs a terminal: leave out \"tty\"")
                               : 0;
        if (rq->argc > 0 || !rq->tty || rq->then_repl)
                return refuse(o->no, -EINVAL, "", "args, tty and then_repl are for runs");
        if (rq->kind == SESSION_SHELL && rq->limits.output_bytes > 0)
                return refuse(o->no, -EINVAL, "", "output limits do not apply to shells");
        return 0;
}

/* The script's folder, or home; or what was asked for, if it is a folder. */
static int judge_cwd(struct opening *o, struct workspace *w) {
        const char *slash = o->rq->path ? strrchr(o->rq->path, '/') : NULL;
        struct workspace_stat st;
        int r;

        if (!o->rq->cwd && o->rq->path)
                return snprintf(o->spec->cwd, sizeof o->spec->cwd, "%.*s",
                                slash ? (int)(slash - o->rq->path) : 0, o->rq->path) < 0
                               ? -EIO
                               : 0;
        r = str_copy(o->spec->cwd, sizeof o->spec->cwd, o->rq->cwd ? o->rq->cwd : "home");
        size_t n = strlen(o->spec->cwd);
        if (n > 1 && o->spec->cwd[n - 1] == '/')
                o->spec->cwd[n - 1] = '\0'; /* "home/" is how people write a folder */
        if (r == 0)
                r = workspace_stat(w, o->spec->cwd, &st);
        if (r < 0)
                return refuse(o->no, r, "", "there is no folder \"cwd\" that it could start in");
        return st.type == WORKSPACE_DIR ? 0 : -ENOTDIR;
}

static uint16_t size_or(unsigned wanted, unsigned otherwise) {
        return (uint16_t)MIN(wanted > 0 ? wanted : otherwise, SESSION_SIZE_MAX);
}

static int judge_strings(struct opening *o) {
        const struct session_request *rq = o->rq;

        if (rq->strings_n > SPAWN_STRINGS_MAX || rq->argc > SPAWN_ARGS_MAX ||
            rq->envc > SPAWN_ENV_MAX)
                return refuse(o->no, -E2BIG, "too_large",
                              "at most %u arguments, %u variables, %u bytes in all are passed on",
                              SPAWN_ARGS_MAX, SPAWN_ENV_MAX, SPAWN_STRINGS_MAX);
        o->spec->argc = rq->argc;
        o->spec->envc = rq->envc;
        o->spec->strings_n = (uint32_t)rq->strings_n;
        return 0;
}

static void fill_spec(struct opening *o) {
        const struct config *c = o->ss->deps.config;
        const struct account *account = o->port->identity->account;
        struct spawn_spec *spec = o->spec;

        spec->size = sizeof *spec;
        spec->kind = session_spawn_kind(o->rq->kind);
        random_id(spec->id);
        CHECK(str_copy(spec->user, sizeof spec->user, account->name) == 0);
        spec->uid = account->uid;
        spec->tty = o->rq->tty;
        spec->then_repl = o->rq->then_repl;
        spec->cols = size_or(o->rq->cols, 80);
        spec->rows = size_or(o->rq->rows, 24);
        spec->ring_bytes = c->ring_bytes;
        spec->input_bytes = c->input_bytes;
        spec->driver_grace_ms = c->driver_grace_ms;
        spec->stop_grace_ms = c->stop_grace_ms;
}

int opening_judge(struct opening *o) {
        const struct account *account = o->port->identity->account;
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        struct workspace_stat st;
        int r = judge_path(o);

        if (r == 0)
                r = judge_kind(o);
        if (r == 0)
                r = judge_language(o);
        if (r == 0)
                r = judge_limits(o);
        if (r == 0)
                r = judge_strings(o);
        if (r == 0)
                r = workspace_open(o->ss->deps.config->data, account->name, account->uid, &w);
        if (r == 0)
                r = judge_cwd(o, w);
        if (r == 0 && o->rq->kind == SESSION_RUN)
                r = workspace_open_file(w, o->rq->path, &o->file_fd, &st);
        if (r < 0)
                return r;
        fill_spec(o);
        return 0;
}
