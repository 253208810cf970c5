/* The contract is in session/lease.h. */
#include "session/lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "latch/lease.h"
#include "workspace/workspace.h"

#define KEY_MAX (sizeof(int64_t) + WORKSPACE_PATH_MAX)

_Static_assert(RANDOM_ID_CHARS < LATCH_LEASE_OWNER_MAX, "a session is known by its whole id");

/* In the registry from a moment before it is taken until a moment before it is let go. */
struct lease {
        struct registry_item item;
        struct latch_lease run;
        struct latch_token token; /* of who took it */
        size_t n;
        unsigned char key[]; /* user id, path */
};

static void lease_reclaim(struct registry_item *item) {
        struct lease *lease = CONTAINER_OF(item, struct lease, item);

        latch_lease_done(&lease->run);
        free(lease);
}

int leases_init(struct leases *l, size_t limit) {
        atomic_init(&l->taken, 0);
        atomic_init(&l->released, 0);
        return registry_new(limit, lease_reclaim, &l->registry);
}

void leases_done(struct leases *l) {
        l->registry = registry_free(l->registry);
}

static size_t make_key(unsigned char *to, int64_t user_id, const char *path) {
        size_t n = strlen(path);

        CHECK(n <= WORKSPACE_PATH_MAX);
        memcpy(to, &user_id, sizeof user_id);
        memcpy(to + sizeof user_id, path, n);
        return sizeof user_id + n;
}

static struct lease *lease_new(struct leases *l, int64_t user_id, const char *path) {
        struct lease *lease = calloc(1, sizeof *lease + sizeof user_id + strlen(path));

        if (!lease)
                return NULL;
        lease->n = make_key(lease->key, user_id, path);
        latch_lease_init(&lease->run, "run");
        registry_item_init(l->registry, &lease->item, lease->key, lease->n);
        return lease;
}

static struct lease *lease_unref(struct lease *lease) {
        if (lease)
                registry_item_unref(&lease->item);
        return NULL;
}
DEFINE_CLEANUP(struct lease, lease_unref)

static struct lease *find(struct leases *l, int64_t user_id, const char *path) {
        unsigned char key[KEY_MAX];
        size_t n = make_key(key, user_id, path);
        struct registry_item *item = registry_find(l->registry, key, n);

        return item ? CONTAINER_OF(item, struct lease, item) : NULL;
}

/* One that was let go is out of the registry, and comes never back: another may be there by now. */
static bool is_in(struct leases *l, const struct lease *lease) {
        struct registry_item *item = registry_find(l->registry, lease->key, lease->n);
        bool in = item == &lease->item;

        registry_item_unref(item);
        return in;
}

/* Who has it: what is held and in is its holder's until that takes it out. Who is just taking it says so within a
 * few instructions. */
static bool look(struct leases *l, const struct lease *lease, char holder[RANDOM_ID_CHARS + 1]) {
        struct latch_lease_holder h;

        do
                if (!latch_lease_look(&lease->run, &h))
                        return false;
        while (h.tid == 0);
        if (!is_in(l, lease))
                return false;
        memcpy(holder, h.owner, RANDOM_ID_CHARS + 1);
        return true;
}

bool lease_held(struct leases *l, int64_t user_id, const char *path,
                char holder[RANDOM_ID_CHARS + 1]) {
        _cleanup_(lease_unrefp) struct lease *lease = find(l, user_id, path);

        return lease && look(l, lease, holder);
}

/* The lease of this file, made if there is none, referenced. 0, -EUSERS, -ENOMEM. */
static int find_or_add(struct leases *l, int64_t user_id, const char *path, struct lease **ret) {
        int r;

        do {
                *ret = find(l, user_id, path);
                if (*ret)
                        return 0;
                *ret = lease_new(l, user_id, path);
                if (!*ret)
                        return -ENOMEM;
                r = registry_add(l->registry, &(*ret)->item);
                if (r < 0)
                        *ret = lease_unref(*ret);
        } while (r == -EEXIST);
        return r;
}

int lease_take(struct leases *l, int64_t user_id, const char *path, const char *session,
               struct lease **ret, char holder[RANDOM_ID_CHARS + 1]) {
        for (;;) {
                _cleanup_(lease_unrefp) struct lease *lease = NULL;
                int r = find_or_add(l, user_id, path, &lease);
                if (r < 0)
                        return r;
                LATCH_LEASE_GUARD(guard, &lease->run, session);
                if (guard.token.lease && is_in(l, lease)) {
                        lease->token = LATCH_LEASE_TAKE(guard);
                        atomic_fetch_add(&l->taken, 1);
                        *ret = TAKE_PTR(lease);
                        return 0;
                }
                /* Who held it may let go between the two looks: then it is ours to take. */
                if (!guard.token.lease && look(l, lease, holder))
                        return -EBUSY;
        }
}

struct lease *lease_release(struct leases *l, struct lease *lease) {
        if (!lease)
                return NULL;
        /* First: who finds it free afterwards knows that it is out. */
        CHECK(registry_remove(l->registry, &lease->item));
        latch_lease_release(lease->token);
        atomic_fetch_add(&l->released, 1);
        return lease_unref(lease);
}

uint64_t lease_generation(const struct lease *lease) {
        return lease->token.generation;
}
