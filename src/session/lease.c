/* The contract is in session/lease.h. */
#include "session/lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "workspace/workspace.h"

#define KEY_MAX (sizeof(int64_t) + WORKSPACE_PATH_MAX)

struct lease {
        struct registry_item item;
        char session[RANDOM_ID_CHARS + 1]; /* fixed */
        size_t n;
        unsigned char key[]; /* user id, path */
};

static void lease_reclaim(struct registry_item *item) {
        free(CONTAINER_OF(item, struct lease, item));
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

static struct lease *lease_new(struct leases *l, int64_t user_id, const char *path,
                               const char *session) {
        struct lease *lease = calloc(1, sizeof *lease + sizeof user_id + strlen(path));

        if (!lease)
                return NULL;
        lease->n = make_key(lease->key, user_id, path);
        CHECK(str_copy(lease->session, sizeof lease->session, session) == 0);
        registry_item_init(l->registry, &lease->item, lease->key, lease->n);
        return lease;
}

bool lease_held(struct leases *l, int64_t user_id, const char *path,
                char holder[RANDOM_ID_CHARS + 1]) {
        unsigned char key[KEY_MAX];
        size_t n = make_key(key, user_id, path);
        struct registry_item *item = registry_find(l->registry, key, n);

        if (!item)
                return false;
        memcpy(holder, CONTAINER_OF(item, struct lease, item)->session, RANDOM_ID_CHARS + 1);
        registry_item_unref(item);
        return true;
}

int lease_take(struct leases *l, int64_t user_id, const char *path, const char *session,
               struct lease **ret, char holder[RANDOM_ID_CHARS + 1]) {
        struct lease *lease = lease_new(l, user_id, path, session);
        int r;

        if (!lease)
                return -ENOMEM;
        /* Who held it may let go between the two looks: then it is ours to take. */
        do
                r = registry_add(l->registry, &lease->item);
        while (r == -EEXIST && !lease_held(l, user_id, path, holder));
        if (r < 0) {
                registry_item_unref(&lease->item);
                return r == -EEXIST ? -EBUSY : r;
        }
        atomic_fetch_add(&l->taken, 1);
        *ret = lease;
        return 0;
}

struct lease *lease_release(struct leases *l, struct lease *lease) {
        if (!lease)
                return NULL;
        CHECK(registry_remove(l->registry, &lease->item)); /* this very one, and once */
        registry_item_unref(&lease->item);
        atomic_fetch_add(&l->released, 1);
        return NULL;
}

uint64_t lease_generation(const struct lease *lease) {
        return lease->item.generation;
}
