/* quota.c - see quota.h. */
#include "workspace/quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

#define BUCKETS      1024u
#define FRESH_MS     30000u
#define REFUSE_MS    2000u /* a refusal rests on a scan that is no older, */
#define REFUSE_SHARE 4u    /* unless it took more than a quarter of the time since */
#define SCAN_SHARE   50u   /* other scans take at most 1/50 of the time */
#define SCAN_ENTRIES 2000000u
#define WAIT_NS      200000000u /* for another's scan of the same home */

struct quota_user {
        struct quota *home;
        struct quota_user *next LATCH_GUARDED_BY(quota);
        struct quota_amount used LATCH_GUARDED_BY(quota);
        struct quota_amount claimed LATCH_GUARDED_BY(quota);
        struct quota_amount grown LATCH_GUARDED_BY(quota); /* all that ever grew */
        uint64_t changes LATCH_GUARDED_BY(quota);
        uint64_t scanned_ms LATCH_GUARDED_BY(quota); /* 0: never */
        uint64_t scan_took_ms LATCH_GUARDED_BY(quota);
        unsigned pending LATCH_GUARDED_BY(quota); /* settled, and not done */
        bool unsure LATCH_GUARDED_BY(quota);
        bool scanning LATCH_GUARDED_BY(quota); /* by one thread */
        bool endless LATCH_GUARDED_BY(quota);  /* the last scan saw only a part of it */
        char name[64];                         /* fixed */
};

struct quota {
        const struct config *config; /* fixed */
        struct latch_mutex lock;
        struct latch_cond scanned; /* some user's scan has ended */
        struct quota_user *buckets[BUCKETS] LATCH_GUARDED_BY(quota);
};

int quota_new(const struct config *config, struct quota **ret) {
        struct quota *q = calloc(1, sizeof *q);

        if (!q)
                return -ENOMEM;
        q->config = config;
        latch_mutex_init(&q->lock, LATCH_CLASS_quota);
        latch_cond_init(&q->scanned);
        *ret = q;
        return 0;
}

struct quota *quota_free(struct quota *q) {
        struct quota_user *all = NULL;

        if (!q)
                return NULL;
        LATCH_WITH(quota, &q->lock) {
                for (size_t i = 0; i < BUCKETS; i++) {
                        for (struct quota_user *u = q->buckets[i], *next; u; u = next) {
                                next = u->next;
                                u->next = all;
                                all = u;
                        }
                }
        }
        while (all) {
                struct quota_user *next;
                LATCH_WITH(quota, &q->lock)
                        next = all->next;
                free(all);
                all = next;
        }
        latch_cond_done(&q->scanned);
        latch_mutex_done(&q->lock);
        free(q);
        return NULL;
}

static size_t bucket_of(const char *name) {
        uint64_t h = 1469598103934665603u; /* FNV-1a: names are our own accounts' */

        for (; *name; name++)
                h = (h ^ (unsigned char)*name) * 1099511628211u;
        return h % BUCKETS;
}

int quota_user(struct quota *q, const char *name, struct quota_user **ret) {
        struct quota_user *found = NULL, *fresh;
        size_t at = bucket_of(name);

        LATCH_WITH(quota, &q->lock) {
                for (found = q->buckets[at]; found && !str_eq(found->name, name);)
                        found = found->next;
        }
        if (found) {
                *ret = found;
                return 0;
        }
        fresh = calloc(1, sizeof *fresh);
        if (!fresh)
                return -ENOMEM;
        fresh->home = q;
        int r = str_copy(fresh->name, sizeof fresh->name, name);
        if (r < 0) {
                free(fresh);
                return r;
        }
        LATCH_WITH(quota, &q->lock) {
                for (found = q->buckets[at]; found && !str_eq(found->name, name);)
                        found = found->next;
                if (!found) {
                        fresh->next = q->buckets[at];
                        q->buckets[at] = found = fresh;
                        fresh = NULL;
                }
        }
        free(fresh); /* another thread was quicker */
        *ret = found;
        return 0;
}

static int count(void *arg, const char *path, const struct stat *st, int fd) {
        struct quota_amount *sum = arg;

        (void)path, (void)fd;
        sum->files++;
        if (S_ISREG(st->st_mode))
                sum->bytes += st->st_size;
        return 0;
}

/* What it has found, and what has grown since it began: never less than there is of ours. Of a change that is
 * being made it may have seen the one or the other: the next one who needs to know looks again. */
static void publish_locked(struct quota_user *u, struct quota_amount found,
                           const struct quota_amount *grown, uint64_t changes, uint64_t began_ms)
        LATCH_MUST_HOLD(quota) {
        u->used.bytes = found.bytes + u->grown.bytes - grown->bytes;
        u->used.files = found.files + u->grown.files - grown->files;
        u->unsure = u->changes != changes || u->pending > 0;
        u->scanned_ms = clock_mono_ms();
        u->scan_took_ms = u->scanned_ms - began_ms;
}

/* A home is scanned by one thread at a time; others wait for a moment, which is long enough for the homes of
 * most, and else go by the older figure, so that one huge home does not keep a thread for each request.
 * 1: the caller is to scan; 0: there is a figure; -EBUSY: there is none yet. */
static int scan_begin(struct quota_user *u, struct quota_amount *ret_grown, uint64_t *ret_changes) {
        uint64_t until = clock_mono_ns() + WAIT_NS;
        LATCH_GUARD(quota, &u->home->lock);
        bool waited = u->scanning;

        while (u->scanning && clock_mono_ns() < until)
                (void)latch_cond_wait_until(&u->home->scanned, &u->home->lock, until);
        if (waited || u->scanning)
                return u->scanned_ms != 0 ? 0 : -EBUSY;
        u->scanning = true;
        *ret_grown = u->grown;
        *ret_changes = u->changes;
        return 1;
}

/* A tree with more than can be looked at is over any quota: what was seen says nothing of the rest. */
static int scan(struct quota_user *u, int home) {
        struct quota_amount found = {0}, grown = {0};
        struct workspace_walk how = {.visit = count, .arg = &found, .entries_max = SCAN_ENTRIES};
        uint64_t changes = 0, began_ms = clock_mono_ms();

        int r = scan_begin(u, &grown, &changes);
        if (r <= 0)
                return r;
        r = walk_tree(home, &how);
        LATCH_WITH(quota, &u->home->lock) {
                u->scanning = false;
                if (r == 0 || r == -EFBIG) {
                        publish_locked(u, found, &grown, changes, began_ms);
                        u->endless = r < 0;
                }
                latch_cond_broadcast(&u->home->scanned);
        }
        return r == -EFBIG ? 0 : r;
}

static int scan_if_old(struct quota_user *u, int home) {
        uint64_t now = clock_mono_ms();
        bool old = false;

        LATCH_WITH(quota, &u->home->lock)
                old = u->scanned_ms == 0 || u->unsure ||
                      now - u->scanned_ms > MAX(FRESH_MS, u->scan_took_ms * SCAN_SHARE);
        return old ? scan(u, home) : 0;
}

static bool over(bool endless, int64_t used, int64_t claimed, int64_t more, uint64_t limit) {
        return limit > 0 && more > 0 && (endless || (uint64_t)(used + claimed + more) > limit);
}

static bool fits_locked(const struct quota_user *u, struct quota_amount more)
        LATCH_MUST_HOLD(quota) {
        const struct config *c = u->home->config;

        return !over(u->endless, u->used.bytes, u->claimed.bytes, more.bytes, c->quota_bytes) &&
               !over(u->endless, u->used.files, u->claimed.files, more.files, c->quota_files);
}

static bool try_claim(struct quota_user *u, struct quota_amount more, bool *ret_old) {
        bool fits = false;

        LATCH_WITH(quota, &u->home->lock) {
                fits = fits_locked(u, more);
                if (fits) {
                        u->claimed.bytes += more.bytes;
                        u->claimed.files += more.files;
                }
                *ret_old = u->unsure || clock_mono_ms() - u->scanned_ms >
                                                MAX(REFUSE_MS, u->scan_took_ms * REFUSE_SHARE);
        }
        return fits;
}

int quota_claim(struct quota_user *u, int home, struct quota_amount more) {
        bool old;

        if (!u || (more.bytes <= 0 && more.files <= 0))
                return 0;
        int r = scan_if_old(u, home);
        if (r < 0 || try_claim(u, more, &old))
                return r;
        if (old) /* a program may have made room meanwhile */
                r = scan(u, home);
        return r == 0 && !(old && try_claim(u, more, &old)) ? -EDQUOT : r;
}

static void change_locked(struct quota_user *u, struct quota_amount change) LATCH_MUST_HOLD(quota) {
        u->used.bytes = MAX(u->used.bytes + change.bytes, 0);
        u->used.files = MAX(u->used.files + change.files, 0);
        u->grown.bytes += MAX(change.bytes, 0);
        u->grown.files += MAX(change.files, 0);
        u->changes++;
}

static struct quota_amount growth(struct quota_amount change) {
        return (struct quota_amount){MAX(change.bytes, 0), MAX(change.files, 0)};
}

int quota_settle(struct quota_user *u, struct quota_amount claimed, struct quota_amount change) {
        struct quota_amount kept = growth(change);
        int r = 0;

        if (!u)
                return 0;
        LATCH_WITH(quota, &u->home->lock) {
                u->claimed.bytes -= claimed.bytes;
                u->claimed.files -= claimed.files;
                if (fits_locked(u, change)) {
                        u->claimed.bytes += kept.bytes;
                        u->claimed.files += kept.files;
                        u->pending++;
                } else {
                        r = -EDQUOT;
                }
        }
        return r;
}

void quota_done(struct quota_user *u, struct quota_amount change, bool happened) {
        struct quota_amount kept = growth(change);

        if (!u)
                return;
        LATCH_WITH(quota, &u->home->lock) {
                u->claimed.bytes -= kept.bytes;
                u->claimed.files -= kept.files;
                u->pending--;
                if (happened)
                        change_locked(u, change);
        }
}

void quota_drop(struct quota_user *u, struct quota_amount claimed) {
        if (!u)
                return;
        LATCH_WITH(quota, &u->home->lock) {
                u->claimed.bytes -= claimed.bytes;
                u->claimed.files -= claimed.files;
        }
}

void quota_unsure(struct quota_user *u) {
        if (!u)
                return;
        LATCH_WITH(quota, &u->home->lock) {
                u->unsure = true;
                u->changes++;
        }
}

int quota_used(struct quota_user *u, int home, struct quota_amount *ret) {
        int r = scan_if_old(u, home);

        if (r < 0)
                return r;
        LATCH_WITH(quota, &u->home->lock)
                *ret = u->used;
        return 0;
}
