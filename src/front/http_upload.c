/* http_upload.c - many files in one request, each of which is saved whole or not at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "front/front_private.h"
#include "front/http_place.h"
#include "front/multipart.h"
#include "front/routes.h"
#include "rpc/rpc.h"
#include "workspace/workspace.h"

#define FILES_MAX 1000u /* of a request */

struct upload {
        struct request *r;
        struct http_place at;
        const char *if_match;
        json_t *files; /* the answer's list */
        unsigned n, failed;
        /* The file that is coming. */
        struct workspace_save *save; /* NULL: what comes is passed over */
        char *path;
};

static void upload_done(struct upload *u) {
        workspace_save_abort(u->save);
        free(u->path);
        json_decref(u->files);
        place_done(&u->at);
}

static int list(struct upload *u, json_t *entry) {
        return json_array_append_new(u->files, entry) < 0 ? -ENOMEM : 0;
}

static int list_saved(struct upload *u, const struct workspace_stat *st) {
        return list(u, json_pack("{s:s,s:I,s:s}", "path", u->path, "size", (json_int_t)st->size,
                                 "etag", st->etag));
}

/* One that could not be saved keeps none of the others back. */
static int list_failed(struct upload *u, int error) {
        struct workspace_stat now;
        json_t *e =
                json_pack("{s:s,s:s}", "code", rpc_error_of(error), "message", http_words(error));

        u->failed++;
        if ((error == -ESTALE || error == -EEXIST) && e &&
            workspace_stat(u->at.ws, u->path, &now) == 0 &&
            json_object_set_new(e, "etag", json_string(now.etag)) < 0)
                e = (json_decref(e), NULL);
        return list(u, json_pack("{s:s,s:o}", "path", u->path, "error", e));
}

/* The folders that the path lies in, beneath the one that was asked for. */
static int make_folders(struct upload *u) {
        size_t base = strlen(u->at.path);
        int r = 0;

        for (char *slash = strchr(u->path + base + (base > 0), '/'); r == 0 && slash;
             slash = strchr(slash + 1, '/')) {
                struct workspace_stat st;

                *slash = '\0';
                r = workspace_stat(u->at.ws, u->path, &st);
                if (r == -ENOENT) {
                        r = workspace_mkdir(u->at.ws, u->path);
                        if (r == -EEXIST) /* another request was quicker */
                                r = 0;
                }
                *slash = '/';
        }
        return r;
}

static int start_file(struct upload *u) {
        int r = workspace_path_check(u->path, strlen(u->path));

        if (r == 0)
                r = make_folders(u);
        if (r == 0)
                r = workspace_save_begin(u->at.ws, u->path, u->if_match, 0, &u->save);
        return r;
}

static int begin(void *arg, const struct multipart_part *part) {
        struct upload *u = arg;
        const char *base = u->at.path;

        if (!part->is_file) /* another field of the form */
                return 0;
        if (u->n++ >= FILES_MAX)
                return -EUSERS;
        free(u->path);
        u->path = utf8_valid(part->filename, strlen(part->filename))
                          ? str_printf("%s%s%s", base, base[0] ? "/" : "", part->filename)
                          : strdup("");
        if (!u->path)
                return -ENOMEM;
        int r = u->path[0] ? start_file(u) : -EINVAL;
        if (r == 0)
                return 0;
        place_note(u->r, "fs.upload", u->path, r);
        return list_failed(u, r);
}

static int add(void *arg, const char *data, size_t n) {
        struct upload *u = arg;
        int r = u->save ? workspace_save_add(u->save, data, n) : 0;

        if (r == 0)
                return 0;
        u->save = workspace_save_abort(u->save);
        place_note(u->r, "fs.upload", u->path, r);
        return list_failed(u, r);
}

static int end(void *arg) {
        struct upload *u = arg;
        struct workspace_stat st;

        if (!u->save)
                return 0;
        int r = workspace_save_commit(u->save, &st, NULL);
        u->save = workspace_save_abort(u->save);
        place_note(u->r, "fs.upload", u->path, r);
        return r == 0 ? list_saved(u, &st) : list_failed(u, r);
}

static int feed(void *arg, const char *piece, size_t n) {
        return multipart_feed(arg, piece, n);
}

/* What was saved before stays, and the answer names it. */
static void answer_broken(struct request *r, struct upload *u, int error) {
        bool many = error == -E2BIG || error == -EUSERS;
        const char *message = many ? "a request may have 1,000 files and 10,000 parts"
                                   : "the body is not the form that its Content-Type says";

        if (error != -EBADMSG && !many) {
                http_errno(r, error);
                return;
        }
        http_json(r, many ? 413 : 400,
                  json_pack("{s:{s:s,s:s},s:O}", "error", "code",
                            many ? "too_large" : "bad_request", "message", message, "files",
                            u->files),
                  NULL);
}

static void receive(struct request *r, struct upload *u, const char *boundary) {
        _cleanup_(multipart_freep) struct multipart *m = NULL;
        struct multipart_hooks hooks = {.begin = begin, .data = add, .end = end, .arg = u};
        int e = multipart_new(boundary, &hooks, &m);

        u->files = json_array();
        if (e == 0 && !u->files)
                e = -ENOMEM;
        if (e == 0)
                e = http_body_stream(r, r->front->deps.config->upload_bytes, feed, m);
        if (e == 0)
                e = multipart_finish(m);
        if (e == 0)
                http_json(r, 200,
                          json_pack("{s:O,s:i}", "files", u->files, "failed", (int)u->failed),
                          NULL);
        else if (e != -ECANCELED)
                answer_broken(r, u, e);
}

void http_upload(struct request *r) {
        _cleanup_(upload_done) struct upload u = {.r = r};
        const char *type = http_header(r, "Content-Type"), *none = http_header(r, "If-None-Match");
        char boundary[MULTIPART_BOUNDARY_MAX + 1];
        struct workspace_stat st;
        int e;

        if (!place_open(r, &u.at))
                return;
        if (!type || multipart_boundary(type, boundary) < 0) {
                http_error(r, 400, "bad_request",
                           "send a form: multipart/form-data with a boundary");
                return;
        }
        u.if_match = none && none[strspn(none, " \t")] == '*' ? "" : NULL;
        e = workspace_stat(u.at.ws, u.at.path, &st);
        if (e == 0 && st.type != WORKSPACE_DIR)
                e = -ENOTDIR;
        if (e < 0)
                http_errno(r, e);
        else
                receive(r, &u, boundary);
}
