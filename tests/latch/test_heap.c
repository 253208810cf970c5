/* Unit tests for include/latch/heap.h: what is done with memory while locks are held. Without a sanitizer they run
 * with liblatch-malloc.so. */
#include <pthread.h>

#include "latch/lock.h"
#include "plant.h"

struct object {
        char name[40];
        struct latch_mutex lock;
        struct latch_rwlock table;
};

static struct latch_mutex lean, outer;
static void *volatile block; /* where compilers do not look */

static void make_locks(void) {
        latch_mutex_init(&lean, LATCH_CLASS_lean);
        latch_mutex_init(&outer, LATCH_CLASS_outer);
}

static void plant_malloc(void) {
        LATCH_GUARD(lean, &lean);
        MARK_ABOVE(0);
        block = malloc(24);
}

static void plant_calloc(void) {
        LATCH_GUARD(lean, &lean);
        block = calloc(3, 8);
}

static void plant_realloc(void) {
        block = malloc(8);
        LATCH_GUARD(lean, &lean);
        void *larger = realloc(block, 1 << 10);
        block = larger;
}

static void plant_in_the_library(void) {
        LATCH_GUARD(lean, &lean);
        block = strdup("eleven byte");
}

static struct object *new_object(void) {
        struct object *o = malloc(sizeof *o);

        CHECK(o);
        latch_mutex_init(&o->lock, LATCH_CLASS_outer);
        latch_rwlock_init(&o->table, LATCH_CLASS_beside);
        return o;
}

static void plant_free_while_held(void) LATCH_UNCHECKED_ {
        struct object *o = new_object();

        latch_rwlock_done(&o->table);
        LATCH_GUARD(outer, &o->lock);
        MARK_ABOVE(0);
        free(o);
}

static pthread_barrier_t reads;

static void *read_table(void *of) {
        struct object *o = of;

        latch_thread_begin("reader");
        LATCH_GUARD_READ(beside, &o->table);
        pthread_barrier_wait(&reads);
        while (pause() < 0) /* until the process ends */
                ;
        return NULL;
}

static void plant_free_while_read(void) {
        struct object *o = new_object();
        pthread_t t;

        latch_mutex_done(&o->lock);
        pthread_barrier_init(&reads, NULL, 2);
        CHECK(pthread_create(&t, NULL, read_table, o) == 0);
        pthread_barrier_wait(&reads);
        free(o);
}

static void plant_free_without_done(void) {
        struct object *o = new_object();

        latch_rwlock_done(&o->table);
        LATCH_WITH(outer, &o->lock)
                MARK(0);
        free(o);
}

static void plant_realloc_without_done(void) {
        struct object *o = new_object();

        latch_mutex_done(&o->lock);
        block = realloc(o, 1 << 20); /* moved: a lock does not go along */
}

static const struct violation violations[] = {
        {PLANTED(plant_malloc),
         {"latch: memory is allocated under a lock of a class that forbids it: 24 bytes\n",
          "thread     culprit", "class      lean at 0x", "owner      culprit",
          "taken at   {L0} (plant_malloc)", "held       lean at 0x"}},
        {PLANTED(plant_calloc), {"a class that forbids it: 24 bytes\n"}},
        {PLANTED(plant_realloc), {"a class that forbids it: 1024 bytes\n"}},
        {PLANTED(plant_in_the_library), {"a class that forbids it: 12 bytes\n"}},
        {PLANTED(plant_free_while_held),
         {"latch: memory is freed with a lock in it that is held\n", "class      outer at 0x",
          "owner      culprit", "taken at   {L0} (plant_free_while_held)"}},
        {PLANTED(plant_free_while_read),
         {"latch: memory is freed with a lock in it that is held\n", "class      beside at 0x",
          "owner      none"}},
        {PLANTED(plant_free_without_done),
         {"latch: memory is freed with a lock in it that was not destroyed\n",
          "class      outer at 0x", "owner      none", "let go at  ", "(plant_free_without_done)"}},
        {PLANTED(plant_realloc_without_done),
         {"latch: memory is freed with a lock in it that was not destroyed\n",
          "class      beside at 0x"}},
};

static void test_what_is_allowed_is_done(void **state) {
        (void)state;
        make_locks();
        LATCH_WITH(outer, &outer) /* its class does not forbid it */
                block = malloc(10);
        free(block);
        LATCH_WITH(lean, &lean)
                free(NULL);
        LATCH_WITH(lean, &lean) {
                struct object o; /* no block of the heap */
                latch_rwlock_init(&o.table, LATCH_CLASS_beside);
        }
        struct object *o = new_object();
        latch_mutex_done(&o->lock);
        latch_rwlock_done(&o->table);
        LATCH_WITH(lean, &lean)
                free(o); /* to free is not to allocate */
        block = strdup("after");
        free(block);
        latch_mutex_done(&lean);
        latch_mutex_done(&outer);
}

/* Starts this program again. */
static void watch_by_preload(char **argv) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        const char *bin = getenv("LATCH_BIN");
        char preload[4096];

        if (getenv("LD_PRELOAD"))
                return;
        snprintf(preload, sizeof preload, "%s/../lib/liblatch-malloc.so", bin ? bin : "build/bin");
        setenv("LD_PRELOAD", preload, 1);
        execv("/proc/self/exe", argv);
        CHECK(!"it did not start");
#else
        (void)argv;
#endif
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_allowed_is_done)};

        (void)argc;
        watch_by_preload(argv);
        return plant_main("heap", tests, ELEMENTS(tests), violations, ELEMENTS(violations));
}
