/* clients.c - the sockets that have watches: their numbers, their room, what they are told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/str.h"
#include "watch/watch_private.h"
#include "workspace/workspace.h"

/* ---- telling ---- */

static json_t *entry_path(const struct watch *x, const char *name) {
        char wire[WORKSPACE_NAME_MAX];

        workspace_name_wire(name ? name : "", wire);
        _cleanup_(freep) char *path = x->name[0] || !name ? str_printf("%s", x->path)
                                                          : str_printf("%s/%s", x->path, wire);

        return path ? json_string(path) : NULL;
}

/* name NULL: the watched path itself. */
static int offer(struct watch *x, const char *name, enum change change) {
        static const char *const words[] = {[CHANGE_CREATED] = "created",
                                            [CHANGE_CHANGED] = "changed",
                                            [CHANGE_REMOVED] = "removed",
                                            [CHANGE_RESCAN] = "rescan"};
        json_auto_t *m = json_pack("{s:s, s:s, s:{s:I, s:o, s:s}}", "jsonrpc", "2.0", "method",
                                   "fs.changed", "params", "watch", (json_int_t)x->number, "path",
                                   entry_path(x, name), "change", words[change]);
        _cleanup_(freep) char *text = m ? json_dumps(m, JSON_COMPACT) : NULL;
        struct port *p = x->client->port;

        return text ? p->ops->offer_text(p, text, strlen(text)) : -ENOMEM;
}

static void later(struct watches *w, struct client *c) {
        if (c->stuck)
                return;
        if (!w->stuck)
                w->again_ms = clock_mono_ms() + WATCH_AGAIN_MS;
        c->stuck = true;
        c->stuck_next = w->stuck;
        w->stuck = c;
}

static void drop(struct watch *x) {
        struct watch **at = &x->client->list;

        while (*at != x)
                at = &(*at)->client_next;
        *at = x->client_next;
        atomic_fetch_sub(&x->client->port->identity->account->watches, 1);
        free(x);
}

/* What is owed. False: there is no room yet. May free x. */
static bool settle(struct watch *x) {
        if (!x->active || (!x->rescan && !x->removed))
                return true;
        int r = offer(x, NULL, x->removed ? CHANGE_REMOVED : CHANGE_RESCAN);
        if (r < 0 && r != -EPIPE)
                return false;
        x->rescan = false;
        if (x->removed)
                drop(x);
        return true;
}

void watch_rescan(struct watches *w, struct watch *x) {
        struct client *c = x->client;

        x->rescan = true;
        if (!settle(x))
                later(w, c);
}

void watch_tell(struct watches *w, struct watch *x, const char *name, enum change change) {
        if (x->name[0] && !str_eq(x->name, name))
                return;
        if (!x->active || x->rescan)
                x->rescan = true;
        else if (offer(x, name, change) < 0)
                watch_rescan(w, x);
}

void watch_end(struct watches *w, struct watch *x) {
        struct client *c = x->client;

        x->folder = NULL;
        x->removed = true;
        if (!settle(x))
                later(w, c);
}

void clients_again(struct watches *w, uint64_t now_ms) {
        if (!w->stuck || now_ms < w->again_ms)
                return;
        struct client *list = w->stuck;
        w->stuck = NULL;
        while (list) {
                struct client *c = list;
                bool done = true;
                list = c->stuck_next;
                c->stuck = false;
                for (struct watch *x = c->list, *next; x && done; x = next) {
                        next = x->client_next;
                        done = settle(x);
                }
                if (!done)
                        later(w, c);
        }
}

/* ---- watches ---- */

/* On the connection's thread. */
static void client_closed(struct port_closer *c) {
        struct client *client = CONTAINER_OF(c, struct client, closer);
        struct ask a = {.what = ASK_CLOSE, .client = client};

        watches_ask(client->all, &a);
        CHECK(a.result == 0); /* watches outlive every socket */
}

static struct client *client_of(struct port *p) {
        struct port_closer *c = port_closer(p, client_closed);

        return c ? CONTAINER_OF(c, struct client, closer) : NULL;
}

static int client_get(struct watches *w, struct port *p, struct client **ret) {
        struct client *c = client_of(p);

        if (!c) {
                c = calloc(1, sizeof *c);
                if (!c)
                        return -ENOMEM;
                c->closer.closed = client_closed;
                c->all = w;
                c->port = p;
                int r = port_at_close(p, &c->closer);
                if (r < 0) {
                        free(c);
                        return r;
                }
        }
        *ret = c;
        return 0;
}

static struct watch *find(struct port *p, uint32_t number) {
        struct client *c = client_of(p);
        struct watch *x = c ? c->list : NULL;

        while (x && x->number != number)
                x = x->client_next;
        return x;
}

static bool take_place(const struct watches *w, struct account *a) {
        unsigned n = atomic_load(&a->watches), most = w->config->watches_per_user;

        while (n < most)
                if (atomic_compare_exchange_weak(&a->watches, &n, n + 1))
                        return true;
        return false;
}

static struct watch *watch_new(const struct watch_request *rq) {
        size_t path = strlen(rq->path) + 1, name = strlen(rq->name) + 1;
        struct watch *x = calloc(1, sizeof *x + path + name);

        if (x) {
                memcpy(x->path, rq->path, path);
                x->name = memcpy(x->path + path, rq->name, name);
        }
        return x;
}

static int add_to(struct watches *w, struct client *c, struct ask *a) {
        struct watch *x = watch_new(a->rq);
        struct folder *f = NULL;
        int r = x ? 0 : -ENOMEM;

        if (r == 0 && a->rq->folder >= 0)
                r = folder_watch(w, a->rq->folder, &a->names, &f);
        if (r < 0) {
                free(x);
                return r;
        }
        if (f)
                folder_join(f, x);
        x->client = c;
        x->client_next = c->list;
        c->list = x;
        a->number = x->number = ++c->last;
        return 0;
}

int client_add(struct watches *w, struct ask *a) {
        struct account *account = a->port->identity->account;
        struct client *c;

        if (!take_place(w, account))
                return -EUSERS;
        int r = client_get(w, a->port, &c);
        if (r == 0)
                r = add_to(w, c, a);
        if (r < 0)
                atomic_fetch_sub(&account->watches, 1);
        return r;
}

int client_activate(struct watches *w, struct ask *a) {
        struct watch *x = find(a->port, a->number);

        if (!x)
                return -ENOENT;
        struct client *c = x->client;
        x->active = true;
        if (!settle(x))
                later(w, c);
        return 0;
}

int client_remove(struct watches *w, struct ask *a) {
        const struct client *c = client_of(a->port);
        struct watch *x = find(a->port, a->number);

        if (!c || a->number == 0 || a->number > c->last)
                return -ENOENT;
        if (x) {
                folder_leave(w, x);
                drop(x);
        }
        return 0;
}

void client_close(struct watches *w, struct client *c) {
        for (struct watch *x = c->list, *next; x; x = next) {
                next = x->client_next;
                folder_leave(w, x);
                drop(x);
        }
        struct client **at = &w->stuck;
        while (*at && *at != c)
                at = &(*at)->stuck_next;
        if (*at)
                *at = c->stuck_next;
        free(c);
}
