/* folders.c - what the kernel watches, and what it says of it: inotify(7). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "watch/watch_private.h"

#define ENDS (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)
#define NAMES_IN_ALL                                                                               \
        (1u << 18) /* hashes; a folder beyond has `changed` where it could have been `created` */

/* ---- found, made, ended ---- */

static struct folder **bucket(struct watches *w, int wd) {
        return &w->folders[(unsigned)wd % WATCH_BUCKETS];
}

static struct folder *find(struct watches *w, int wd) {
        struct folder *f = *bucket(w, wd);

        while (f && f->wd != wd)
                f = f->next;
        return f;
}

/* The folder that is open, whatever its path leads to by now. */
static int kernel_watch(const struct watches *w, int fd) {
        char path[32];

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int wd = inotify_add_watch(w->inotify, path,
                                   IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY |
                                           IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                           IN_EXCL_UNLINK);
        return wd < 0 ? -errno : wd;
}

int folder_watch(struct watches *w, int fd, struct names *names, struct folder **ret) {
        struct folder *f = w->folders_n < w->in_all ? calloc(1, sizeof *f) : NULL;
        int wd = kernel_watch(w, fd);
        struct folder *known = wd < 0 ? NULL : find(w, wd);

        if (wd < 0 || known || !f) {
                if (wd >= 0 && !known)
                        (void)inotify_rm_watch(w->inotify, wd);
                bool full = w->folders_n >= w->in_all;
                free(f);
                *ret = known;
                return wd < 0 ? wd : known ? 0 : full ? -ENOSPC : -ENOMEM;
        }
        f->wd = wd;
        f->settle_ms = WATCH_SETTLE_MS;
        if (w->names_n + names->n > NAMES_IN_ALL)
                names_forget(names);
        f->names = *names;
        *names = (struct names){.unknown = true};
        w->names_n += f->names.n;
        f->next = *bucket(w, wd);
        *bucket(w, wd) = f;
        w->folders_n++;
        *ret = f;
        return 0;
}

void folder_join(struct folder *f, struct watch *x) {
        x->folder = f;
        x->folder_next = f->watches;
        f->watches = x;
}

static void forget_pending(struct watches *w, struct folder *f) {
        while (f->pending) {
                struct pending *p = f->pending;
                f->pending = p->next;
                free(p);
        }
        w->pending_n -= f->pending_n;
        f->pending_n = 0;
}

static void folder_free(struct watches *w, struct folder *f) {
        struct folder **at = bucket(w, f->wd);

        while (*at != f)
                at = &(*at)->next;
        *at = f->next;
        for (at = &w->busy; *at && *at != f;)
                at = &(*at)->busy_next;
        if (*at)
                *at = f->busy_next;
        forget_pending(w, f);
        w->names_n -= f->names.n;
        names_forget(&f->names);
        w->folders_n--;
        free(f);
}

void folder_leave(struct watches *w, struct watch *x) {
        struct folder *f = x->folder;

        if (!f)
                return;
        struct watch **at = &f->watches;
        while (*at != x)
                at = &(*at)->folder_next;
        *at = x->folder_next;
        x->folder = NULL;
        if (f->watches)
                return;
        (void)inotify_rm_watch(w->inotify, f->wd); /* it may have ended by itself */
        folder_free(w, f);
}

/* Its path leads to it no more. */
static void folder_end(struct watches *w, struct folder *f) {
        struct watch *x = f->watches;

        f->watches = NULL;
        while (x) {
                struct watch *next = x->folder_next;
                watch_end(w, x);
                x = next;
        }
        (void)inotify_rm_watch(w->inotify, f->wd);
        folder_free(w, f);
}

/* ---- collecting ---- */

static void make_busy(struct watches *w, struct folder *f) {
        if (f->busy)
                return;
        uint64_t now = clock_mono_ms();
        bool unrest = f->told_ms > 0 && now - f->told_ms < 2u * f->settle_ms;
        f->settle_ms = unrest ? MIN(2 * f->settle_ms, WATCH_UNREST_MS) : WATCH_SETTLE_MS;
        f->busy = true;
        f->due_ms = now + f->settle_ms;
        f->busy_next = w->busy;
        w->busy = f;
}

static void lose_names(struct watches *w, struct folder *f) {
        forget_pending(w, f);
        f->rescan = true;
        make_busy(w, f);
}

/* Of two changes of one name, one after the other, the one that says both. */
static enum change both(enum change first, enum change then) {
        if (first == CHANGE_CREATED)
                return then == CHANGE_REMOVED ? CHANGE_NONE : CHANGE_CREATED;
        if (first == CHANGE_REMOVED && then == CHANGE_CREATED)
                return CHANGE_CHANGED;
        return then == CHANGE_CREATED ? CHANGE_CHANGED : then;
}

static void note(struct watches *w, struct folder *f, const char *name, uint64_t hash,
                 enum change change) {
        struct pending *p = f->pending;

        if (f->rescan)
                return;
        while (p && (p->hash != hash || !str_eq(p->name, name)))
                p = p->next;
        if (p) {
                p->change = p->change == CHANGE_NONE ? change : both(p->change, change);
                return;
        }
        size_t n = strlen(name) + 1;
        if (f->pending_n < WATCH_NAMES_MAX && w->pending_n < WATCH_TOLD_MAX)
                p = malloc(sizeof *p + n);
        if (!p) {
                lose_names(w, f);
                return;
        }
        *p = (struct pending){.next = f->pending, .hash = hash, .change = change};
        memcpy(p->name, name, n);
        f->pending = p;
        f->pending_n++;
        w->pending_n++;
        make_busy(w, f);
}

static void hear_name(struct watches *w, struct folder *f, const struct inotify_event *e) {
        uint64_t hash = names_hash(w->names_key, e->name);
        bool stood = f->names.unknown || names_have(&f->names, hash);
        size_t before = f->names.n;
        enum change change = e->mask & (IN_DELETE | IN_MOVED_FROM) ? CHANGE_REMOVED
                             : e->mask & IN_CREATE                 ? CHANGE_CREATED
                             : e->mask & IN_MOVED_TO ? (stood ? CHANGE_CHANGED : CHANGE_CREATED)
                                                     : CHANGE_CHANGED;

        if (change == CHANGE_REMOVED)
                names_drop(&f->names, hash);
        else
                names_add(&f->names, hash);
        w->names_n = w->names_n - before + f->names.n;
        note(w, f, e->name, hash, change);
}

/* The kernel's queue ran over: what was lost may be anything. */
static void hear_overflow(struct watches *w) {
        log_event(LOG_INFO, "watch.overflow", LOG_I("folders", w->folders_n));
        for (unsigned i = 0; i < WATCH_BUCKETS; i++) {
                for (struct folder *f = w->folders[i]; f; f = f->next) {
                        w->names_n -= f->names.n;
                        names_forget(&f->names);
                        lose_names(w, f);
                }
        }
}

static void hear(struct watches *w, const struct inotify_event *e) {
        struct folder *f = find(w, e->wd);

        if (e->mask & IN_Q_OVERFLOW)
                hear_overflow(w);
        else if (f && (e->mask & ENDS))
                folder_end(w, f);
        else if (f && e->len > 0)
                hear_name(w, f, e);
}

void folders_hear(struct watches *w) {
        ssize_t n = read(w->inotify, w->events, sizeof w->events);

        if (n < 0)
                CHECK(errno == EAGAIN || errno == EINTR);
        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *e =
                        (const struct inotify_event *)(const void *)(w->events + at);
                hear(w, e);
                at += (ssize_t)(sizeof *e + e->len);
        }
}

/* ---- telling ---- */

/* The list is newest first; what happened first is told first. */
static void reverse(struct folder *f) {
        struct pending *list = NULL;

        while (f->pending) {
                struct pending *p = f->pending;
                f->pending = p->next;
                p->next = list;
                list = p;
        }
        f->pending = list;
}

static void tell(struct watches *w, struct folder *f, uint64_t now_ms) {
        struct watch *next;

        reverse(f);
        for (struct watch *x = f->watches; x; x = next) {
                next = x->folder_next;
                if (f->rescan)
                        watch_rescan(w, x);
                for (const struct pending *p = f->pending; p; p = p->next)
                        if (p->change != CHANGE_NONE)
                                watch_tell(w, x, p->name, p->change);
        }
        forget_pending(w, f);
        f->rescan = false;
        f->told_ms = now_ms;
}

void folders_tell(struct watches *w, uint64_t now_ms) {
        struct folder **at = &w->busy;

        while (*at) {
                struct folder *f = *at;
                if (f->due_ms > now_ms) {
                        at = &f->busy_next;
                        continue;
                }
                *at = f->busy_next;
                f->busy = false;
                tell(w, f, now_ms);
        }
}

uint64_t folders_due_ms(const struct watches *w) {
        uint64_t due = 0;

        for (const struct folder *f = w->busy; f; f = f->busy_next)
                if (due == 0 || f->due_ms < due)
                        due = f->due_ms;
        return due;
}
