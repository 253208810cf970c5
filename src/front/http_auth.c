/* http_auth.c - signing in and out. Passwords, links and tokens go nowhere but to auth. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/str.h"
#include "front/cors.h"
#include "front/front_private.h"
#include "front/judge.h"
#include "front/routes.h"
#include "rpc/rpc.h"
#include "workspace/workspace.h"

#define LOGIN_BYTES  4096u
#define HEADERS_MAX  512u
#define COOKIE_FLAGS "Path=/; HttpOnly; SameSite=Strict"

static const char *cookie_secure(const struct request *r) {
        return str_starts(r->front->deps.config->public_url, "https://") ? "; Secure" : "";
}

static void set_cookie(const struct request *r, const struct auth_grant *g, char to[HEADERS_MAX]) {
        int n = snprintf(to, HEADERS_MAX,
                         "Set-Cookie: latch_session=%s; " COOKIE_FLAGS "; Max-Age=%u%s\r\n",
                         g->token, g->expires_in_s, cookie_secure(r));

        CHECK(n > 0 && (size_t)n < HEADERS_MAX);
}

static void answer_grant(struct request *r, struct auth_grant *g) {
        const struct account *a = g->identity->account;
        char headers[HEADERS_MAX] = "";

        if (!cors_origin(r))
                set_cookie(r, g, headers);
        http_json(r, 200,
                  json_pack("{s:s,s:i,s:{s:s,s:s}}", "token", g->token, "expires_in",
                            (int)g->expires_in_s, "user", "name", a->name, "role",
                            role_name(a->role)),
                  headers);
        explicit_bzero(headers, sizeof headers);
        explicit_bzero(g->token, sizeof g->token);
        identity_unref(g->identity);
}

static void answer_refused(struct request *r, int error, unsigned retry_s) {
        char headers[64];

        if (error == -EACCES) {
                http_error(r, 401, "unauthorized", "the name, the password or the link is wrong");
                return;
        }
        r->error = error;
        snprintf(headers, sizeof headers, "Retry-After: %u\r\n", MAX(retry_s, 1u));
        if (error == -EAGAIN)
                counters_limited(&r->front->counters, LIMITED_SIGN_IN);
        if (error == -EAGAIN)
                http_error_more(r, 429, "rate_limited", "too many sign-ins; try again later",
                                headers);
        else
                http_error_more(r, 503, rpc_error_of(error), "nobody can sign in right now",
                                headers);
}

static void note(const struct request *r, const char *what, const char *user, const char *object,
                 int error) {
        audit_note(r->front->deps.audit, &(struct audit_event){.what = what,
                                                               .user = user,
                                                               .address = r->address,
                                                               .object = object,
                                                               .error = error});
}

/* A name is noted if it is one: it may be a password that was typed in the wrong place. */
static void note_sign_in_refused(struct request *r, const char *name, int error) {
        struct store_user u;
        bool known = name && error == -EACCES &&
                     store_user_by_name(r->front->deps.store, name, &u) == 0;

        note(r, "auth.sign_in", known ? u.name : NULL, name ? NULL : "link", error);
        r->noted = true;
}

/* {"username","password"} or {"link"}, and nothing else. */
static bool login_fields(json_t *j, const char **ret_name, const char **ret_password,
                         const char **ret_link) {
        *ret_name = *ret_password = *ret_link = NULL;
        if (json_unpack_ex(j, NULL, JSON_STRICT, "{s:s}", "link", ret_link) == 0)
                return true;
        *ret_link = NULL;
        return json_unpack_ex(j, NULL, JSON_STRICT, "{s:s,s:s}", "username", ret_name, "password",
                              ret_password) == 0;
}

/* jansson's memory of a secret, before it goes. */
static void wipe(json_t *j) {
        const char *key;
        json_t *value;

        json_object_foreach(j, key, value)
                if (json_is_string(value))
                        explicit_bzero((char *)json_string_value(value), json_string_length(value));
        json_decref(j);
}

static void sign_in(struct request *r, json_t *j) {
        const char *name, *password, *link;
        struct auth_grant grant;
        unsigned retry_s = 0;
        int e;

        if (!login_fields(j, &name, &password, &link)) {
                http_error(r, 400, "bad_request",
                           "send {\"username\",\"password\"} or {\"link\"}, as strings");
                return;
        }
        if (link)
                e = auth_sign_in_link(r->front->deps.auth, link, r->address, &grant, &retry_s);
        else
                e = auth_sign_in(r->front->deps.auth, name, password, r->address, &grant, &retry_s);
        if (e < 0) {
                note_sign_in_refused(r, name, e);
                answer_refused(r, e, retry_s);
        } else {
                note(r, "auth.sign_in", grant.identity->account->name, link ? "link" : NULL, 0);
                answer_grant(r, &grant);
        }
}

void http_login(struct request *r) {
        const char *origin = http_header(r, "Origin");
        json_t *j;

        /* Somebody else's page must not sign a browser in as somebody else. */
        if (origin && !cors_origin(r) &&
            !judge_origin(origin, http_header(r, "Host"), r->front->deps.config->public_url)) {
                http_error(r, 403, "forbidden", "the Origin is not this server's");
                return;
        }
        j = http_body_json(r, LOGIN_BYTES);
        if (!j)
                return;
        sign_in(r, j);
        wipe(j);
}

void http_logout(struct request *r) {
        int e = auth_sign_out(r->front->deps.auth, r->identity);

        note(r, "auth.sign_out", r->identity->account->name, NULL, e);
        if (e < 0) {
                http_errno(r, e);
                return;
        }
        http_answer(r, &(struct answer){.status = 204,
                                        .headers = "Set-Cookie: latch_session=; " COOKIE_FLAGS
                                                   "; Max-Age=0\r\n"});
}

void http_renew(struct request *r) {
        struct auth_grant grant;
        int e = auth_renew(r->front->deps.auth, r->identity, r->address, &grant);

        note(r, "auth.renew", r->identity->account->name, NULL, e);
        if (e == -EACCES)
                http_error(r, 401, "unauthorized", "this sign-in has ended; sign in again");
        else if (e < 0)
                answer_refused(r, e, 1);
        else
                answer_grant(r, &grant);
}

void http_ticket(struct request *r) {
        char ticket[TICKET_TEXT_MAX];

        auth_make_ticket(r->front->deps.auth, r->identity, ticket);
        http_json(r, 200,
                  json_pack("{s:s,s:i}", "ticket", ticket, "expires_in", (int)TICKET_LIFETIME_S),
                  NULL);
        explicit_bzero(ticket, sizeof ticket);
}

static json_t *limits_of(const struct config *c) {
        return json_pack(
                "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "message_bytes",
                (json_int_t)c->message_bytes, "window_bytes", (json_int_t)c->window_bytes,
                "input_bytes", (json_int_t)c->input_bytes, "file_bytes", (json_int_t)c->file_bytes,
                "upload_bytes", (json_int_t)c->upload_bytes, "viewers_per_session",
                (json_int_t)c->viewers_per_session, "sockets", (json_int_t)c->sockets_per_user,
                "sessions", (json_int_t)c->sessions_per_user, "runs_per_minute",
                (json_int_t)c->runs_per_minute, "wall_ms", (json_int_t)c->wall_ms, "cpu_ms",
                (json_int_t)c->cpu_ms, "memory_bytes", (json_int_t)c->memory_bytes, "processes",
                (json_int_t)c->processes, "output_bytes", (json_int_t)c->output_bytes);
}

void http_me(struct request *r) {
        const struct account *a = r->identity->account;
        const struct config *c = r->front->deps.config;
        _cleanup_(workspace_closep) struct workspace *ws = NULL;
        uint64_t used = 0, files = 0;
        int e = workspace_open(c->data, a->name, a->uid, &ws);

        if (e == 0)
                e = workspace_limit(ws, r->front->deps.quota, a->name);
        if (e == 0)
                e = workspace_used(ws, &used, &files);
        if (e < 0) {
                http_errno(r, e);
                return;
        }
        http_json(r, 200,
                  json_pack("{s:s,s:s,s:{s:I,s:I,s:I,s:I},s:o}", "name", a->name, "role",
                            role_name(a->role), "quota", "bytes", (json_int_t)c->quota_bytes,
                            "used", (json_int_t)used, "files", (json_int_t)c->quota_files,
                            "files_used", (json_int_t)files, "limits", limits_of(c)),
                  NULL);
}
