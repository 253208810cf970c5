/* http_save.c - PUT and DELETE of one file. */
#include <errno.h>
#include <string.h>

#include "front/front_private.h"
#include "front/http_place.h"
#include "front/routes.h"
#include "workspace/workspace.h"

/* A path that a request changes, and what stands there now. */
struct change {
        struct http_place at;
        struct workspace_stat now;
        bool there;
};

static void change_done(struct change *c) {
        place_done(&c->at);
}

static int look(struct change *c) {
        int e = workspace_stat(c->at.ws, c->at.path, &c->now);

        c->there = e == 0;
        return e == -ENOENT ? 0 : e;
}

/* 412 names what is there now, which may be another than when the request was judged. */
static void answer_refused(struct request *r, struct change *c, int error) {
        if (error != -ESTALE && error != -EEXIST)
                http_errno(r, error);
        else
                http_conflict(r, error, look(c) == 0 && c->there ? &c->now : NULL);
}

/* What the conditions mean for a save: NULL any, or an if_match, which is judged again at the rename. 0, or
 * they do not hold now. */
static int judge(const struct request *r, const struct change *c, const char **ret_if_match) {
        char etag[HTTP_ETAG_MAX];
        struct validators now = validators_of(&c->now, etag);
        struct conditions conditions = {0};

        if (!c->there)
                now.etag = NULL;
        conditions_of(r, &conditions);
        switch (condition_judge(&conditions, &now)) {
        case CONDITION_EXISTS: return -EEXIST;
        case CONDITION_HOLDS: break;
        default: return -ESTALE;
        }
        *ret_if_match = NULL;
        if (conditions.none && conditions.none[strspn(conditions.none, " \t")] == '*')
                *ret_if_match = "";
        else if (conditions.match && conditions.match[strspn(conditions.match, " \t")] == '*')
                *ret_if_match = WORKSPACE_ANY;
        else if (c->there && (conditions.match || conditions.none || conditions.unmodified_s))
                *ret_if_match = c->now.etag;
        return 0;
}

static int take(void *save, const char *piece, size_t n) {
        return workspace_save_add(save, piece, n);
}

static void answer_saved(struct request *r, const struct workspace_stat *st, bool created) {
        char headers[HTTP_ETAG_MAX + 16];

        (void)snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n", st->etag);
        http_json(r, created ? 201 : 200,
                  json_pack("{s:I,s:s}", "size", (json_int_t)st->size, "etag", st->etag), headers);
}

/* The body goes to the disk as it comes: what is held of it is one piece, however long it is. */
static void save(struct request *r, struct change *c) {
        _cleanup_(workspace_save_abortp) struct workspace_save *s = NULL;
        struct workspace_stat after;
        const char *if_match = NULL;
        bool created = false;
        int e = look(c);

        if (e == 0)
                e = judge(r, c, &if_match);
        if (e == 0)
                e = workspace_save_begin(c->at.ws, c->at.path, if_match,
                                         (uint64_t)MAX(r->ri->content_length, 0), &s);
        if (e == 0)
                e = http_body_stream(r, r->front->deps.config->upload_bytes, take, s);
        if (e == 0)
                e = workspace_save_commit(s, &after, &created);
        place_note(r, "fs.write", c->at.path, e);
        if (e == 0)
                answer_saved(r, &after, created);
        else if (e != -ECANCELED)
                answer_refused(r, c, e);
}

void http_files_put(struct request *r) {
        _cleanup_(change_done) struct change c = {0};

        if (place_open(r, &c.at))
                save(r, &c);
}

void http_files_delete(struct request *r) {
        _cleanup_(change_done) struct change c = {0};
        const char *if_match = NULL;
        int e;

        if (!place_open(r, &c.at))
                return;
        e = look(&c);
        if (e == 0 && c.there)
                e = judge(r, &c, &if_match);
        else if (e == 0 && http_header(r, "If-Match")) /* a link to nowhere goes, but has no etag */
                e = -ENOENT;
        if (e == 0)
                e = workspace_remove(c.at.ws, c.at.path, false, if_match);
        place_note(r, "fs.remove", c.at.path, e);
        if (e < 0)
                answer_refused(r, &c, e);
        else
                http_answer(r, &(struct answer){.status = 204});
}
