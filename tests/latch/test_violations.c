/* Each violation of liblatch's list, planted in a child process; its report is read from stderr. */
#include <pthread.h>

#include "latch/lock.h"
#include "latch/rcu.h"
#include "plant.h"

#define TAKE(p) latch_take_long_(&(p)->head, LATCH_HERE_(), LATCH_MUTEX, (p)->head.class)
#define DROP(p) latch_drop_long_(&(p)->head, LATCH_HERE_(), LATCH_MUTEX)

static struct latch_mutex outer, middle, inner, other_outer;
static struct latch_rwlock table;
static struct latch_cond cond;

static void make_locks(void) {
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&other_outer, LATCH_CLASS_outer);
        latch_mutex_init(&middle, LATCH_CLASS_middle);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
        latch_cond_init(&cond);
}

/* Another thread, which holds until the process ends. */
static pthread_barrier_t taken;
static _Noreturn void rest(void) {
        pthread_barrier_wait(&taken);
        for (;;)
                pause();
}

static void *hold_outer(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("holder");
        TAKE(&outer), MARK(0);
        rest();
}

static void *hold_table_for_reading(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("holder");
        latch_take_long_(&table.head, LATCH_HERE_(), LATCH_READ, table.head.class);
        rest();
}

/* In a thread that has ended when this returns. */
static void in_a_thread(void *(*plant)(void *)) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, plant, NULL), 0);
        pthread_join(t, NULL);
}

/* In an RCU callback that has ended when this returns. */
static void in_a_callback(void (*plant)(struct latch_deferred *d)) {
        static struct latch_deferred d;

        latch_rcu_defer(&d, plant);
        latch_rcu_barrier();
}

static void let_another(void *(*hold)(void *)) {
        pthread_t t;

        assert_int_equal(pthread_barrier_init(&taken, NULL, 2), 0);
        assert_int_equal(pthread_create(&t, NULL, hold, NULL), 0);
        pthread_barrier_wait(&taken);
}

static void plant_double_release(void) LATCH_UNCHECKED_ {
        TAKE(&outer);
        DROP(&outer), MARK(0);
        MARK(1), DROP(&outer);
}

static void plant_release_by_another(void) LATCH_UNCHECKED_ {
        let_another(hold_outer);
        MARK(1), DROP(&outer);
}

static void plant_release_of_anothers_reading(void) LATCH_UNCHECKED_ {
        let_another(hold_table_for_reading);
        MARK(0), latch_drop_long_(&table.head, LATCH_HERE_(), LATCH_READ);
}

static void plant_recursion(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        MARK(1), TAKE(&outer);
}

static void plant_recursive_reading(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_READ(beside, &table);
        MARK_ABOVE(0);
        MARK(1), latch_take_long_(&table.head, LATCH_HERE_(), LATCH_READ, table.head.class);
}

static void plant_upgrade(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_READ(beside, &table);
        MARK_ABOVE(0);
        MARK(1), latch_take_long_(&table.head, LATCH_HERE_(), LATCH_WRITE, table.head.class);
}

static void plant_reading_while_writing(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_WRITE(beside, &table);
        MARK_ABOVE(0);
        MARK(1), latch_take_long_(&table.head, LATCH_HERE_(), LATCH_READ, table.head.class);
}

static void plant_inversion(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(inner, &inner);
        MARK_ABOVE(0);
        MARK(1), TAKE(&outer);
}

static void *take_inner_under_outer(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("orderly");
        TAKE(&other_outer), MARK(2);
        TAKE(&inner), MARK(3);
        DROP(&inner);
        DROP(&other_outer);
        return NULL;
}

/* The other thread is gone, and had other locks of these classes. */
static void plant_inversion_of_what_was_seen(void) LATCH_UNCHECKED_ {
        in_a_thread(take_inner_under_outer);
        LATCH_GUARD(inner, &inner);
        MARK_ABOVE(0);
        MARK(1), TAKE(&outer);
}

static void plant_inversion_against_a_reader(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_READ(beside, &table);
        MARK_ABOVE(0);
        MARK(1), TAKE(&middle);
}

static void plant_inversion_of_no_order(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(inner, &inner);
        latch_take_long_(&table.head, LATCH_HERE_(), LATCH_READ, table.head.class);
}

static void plant_same_class(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        MARK(1), TAKE(&other_outer);
}

static void plant_other_class(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &inner);
}

static void plant_destroy_while_held(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        MARK(1), latch_mutex_done(&outer);
}

static void plant_destroy_while_another_holds(void) LATCH_UNCHECKED_ {
        let_another(hold_outer);
        MARK(1), latch_mutex_done(&outer);
}

static void plant_destroy_while_read(void) LATCH_UNCHECKED_ {
        let_another(hold_table_for_reading);
        MARK(0), latch_rwlock_done(&table);
}

static void plant_use_before_init(void) LATCH_UNCHECKED_ {
        static struct latch_mutex never;

        MARK(0), TAKE(&never);
}

static void plant_use_of_garbage(void) LATCH_UNCHECKED_ {
        struct latch_mutex garbage;

        memset(&garbage, 0xa5, sizeof garbage);
        MARK(0), TAKE(&garbage);
}

static void plant_use_after_done(void) LATCH_UNCHECKED_ {
        latch_mutex_done(&outer);
        MARK(0), TAKE(&outer);
}

static void plant_release_after_done(void) LATCH_UNCHECKED_ {
        latch_mutex_done(&outer);
        MARK(0), DROP(&outer);
}

static void plant_done_twice(void) LATCH_UNCHECKED_ {
        latch_mutex_done(&outer);
        MARK(0), latch_mutex_done(&outer);
}

static void *leave_while_holding(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("leaver");
        TAKE(&middle), MARK(0);
        return NULL;
}

static void plant_end_while_holding(void) {
        in_a_thread(leave_while_holding);
}

static void plant_leave_rcu_while_holding(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        latch_thread_end();
}

static void *leave_in_a_section(void *arg) LATCH_UNCHECKED_ {
        latch_thread_begin("reader");
        latch_rcu_enter();
        return arg;
}

static void plant_end_in_a_section(void) {
        in_a_thread(leave_in_a_section);
}

static void plant_leave_rcu_in_a_section(void) LATCH_UNCHECKED_ {
        latch_rcu_enter();
        latch_thread_end();
}

static void plant_wait_while_holding(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        LATCH_GUARD(inner, &inner);
        MARK(1), latch_cond_wait(&cond, &inner);
}

static void plant_wait_without_the_lock(void) LATCH_UNCHECKED_ {
        MARK(0), (void)latch_cond_wait_until(&cond, &inner, 0);
}

static void plant_blocking(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        LATCH_GUARD(inner, &inner);
        MARK_ABOVE(0);
        MARK(1), latch_blocking("reading a socket");
}

static void plant_blocking_in_a_section(void) LATCH_UNCHECKED_ {
        latch_rcu_enter();
        MARK(0), latch_blocking("reading a socket");
        latch_rcu_leave();
}

static void plant_condition_in_a_section(void) LATCH_UNCHECKED_ {
        latch_rcu_enter();
        LATCH_GUARD(inner, &inner);
        (void)latch_cond_wait_until(&cond, &inner, 0);
}

static void plant_fork(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        if (fork() == 0)
                _exit(0);
}

static void plant_rcu_wait(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(0);
        MARK(1), latch_rcu_wait();
}

static void plant_rcu_barrier(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_READ(beside, &table);
        MARK_ABOVE(0);
        MARK(1), latch_rcu_barrier();
}

static void plant_rcu_wait_in_a_section(void) LATCH_UNCHECKED_ {
        latch_rcu_enter();
        MARK(0), latch_rcu_wait();
}

static void keep_a_lock(struct latch_deferred *d) LATCH_UNCHECKED_ {
        (void)d;
        TAKE(&middle), MARK(0);
}

static void leave_a_section_open(struct latch_deferred *d) LATCH_UNCHECKED_ {
        (void)d;
        latch_rcu_enter();
}

static void plant_section_of_a_callback(void) {
        in_a_callback(leave_a_section_open);
}

static void wait_for_itself(struct latch_deferred *d) {
        (void)d;
        MARK(0), latch_rcu_barrier();
}

static void plant_holding_in_a_callback(void) {
        in_a_callback(keep_a_lock);
}

static void plant_blocking_in_a_callback(void) {
        in_a_callback(wait_for_itself);
}

static void interrupt(void (*handler)(int number)) {
        const struct sigaction action = {.sa_handler = handler};

        assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
        raise(SIGUSR1);
}

static void handler(int number) LATCH_UNCHECKED_ {
        LATCH_SIGNAL_HANDLER();
        (void)number;
        MARK(0), TAKE(&inner);
}

static void plant_signal_handler(void) {
        interrupt(handler);
}

static void plant_too_many(void) LATCH_UNCHECKED_ {
        static struct latch_mutex tower[LATCH_HELD_MAX + 1];

        for (unsigned i = 0; i <= LATCH_HELD_MAX; i++) {
                latch_mutex_init(&tower[i], LATCH_CLASS_t1 + i);
                MARK(0), TAKE(&tower[i]);
        }
}

static void *read_without_begin(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_rcu_enter();
        latch_rcu_leave();
        return NULL;
}

static void plant_rcu_without_begin(void) {
        in_a_thread(read_without_begin);
}

static const struct violation violations[] = {
        {PLANTED(plant_double_release),
         {"latch: double release\n", "thread     culprit (tid",
          "at         {L1} (plant_double_release)", "class      outer at 0x", "owner      none",
          "let go at  {L0} (plant_double_release)"}},
        {PLANTED(plant_release_by_another),
         {"latch: release by another thread\n", "thread     culprit",
          "at         {L1} (plant_release", "class      outer", "owner      holder (tid",
          "taken at   {L0} (hold_outer)"}},
        {PLANTED(plant_release_of_anothers_reading),
         {"latch: release by another thread\n", "thread     culprit",
          "at         {L0} (plant_release", "class      beside"}},
        {PLANTED(plant_recursion),
         {"latch: recursion", "thread     culprit", "at         {L1} (plant_recursion)",
          "class      outer", "owner      culprit", "taken at   {L0} (plant_recursion)"}},
        {PLANTED(plant_upgrade),
         {"latch: upgrade: this thread reads under the lock that it wants to write under\n",
          "thread     culprit", "at         {L1} (plant_upgrade)", "class      beside",
          "held       beside (read) at 0x", ", taken at {L0} (plant_upgrade)"}},
        {PLANTED(plant_reading_while_writing),
         {"latch: recursion", "at         {L1} (plant_reading", "owner      culprit",
          "taken at   {L0} (plant_reading_while_writing)"}},
        {PLANTED(plant_recursive_reading),
         {"latch: read lock taken twice: a writer", "at         {L1} (plant_rec",
          "class      beside", "held       beside (read) at 0x",
          ", taken at {L0} (plant_recursive_reading)"}},
        {PLANTED(plant_inversion),
         {"latch: inversion", "thread     culprit", "at         {L1} (plant_inversion)",
          "class      outer", "owner      none", "held       inner at 0x",
          ", taken at {L0} (plant_inversion)"}},
        {PLANTED(plant_inversion_of_what_was_seen),
         {"latch: inversion", "at         {L1} (plant_inv", "class      outer",
          "before     orderly (tid ", ") took inner at {L3} (take_inner_under_outer)",
          "while it held outer, taken at {L2} (take_inner_under_outer)",
          "table      inner may be taken under outer"}},
        {PLANTED(plant_inversion_of_no_order),
         {"latch: inversion", "class      beside", "held       inner at 0x",
          "table      no order of beside and inner"}},
        {PLANTED(plant_inversion_against_a_reader),
         {"latch: inversion", "at         {L1} (plant_inv", "class      middle",
          "held       beside (read) at 0x", ", taken at {L0} (plant_inversion_against_a_reader)"}},
        {PLANTED(plant_same_class),
         {"latch: two locks of one class at once\n", "thread     culprit",
          "at         {L1} (plant_same_class)", "class      outer", "held       outer at 0x",
          ", taken at {L0} (plant_same_class)"}},
        {PLANTED(plant_other_class),
         {"latch: a lock of another class than its guard names: outer\n", "thread     culprit",
          "(plant_other_class)", "class      inner"}},
        {PLANTED(plant_destroy_while_held),
         {"latch: destroyed while held\n", "thread     culprit", "at         {L1} (plant_destroy",
          "class      outer", "owner      culprit", "taken at   {L0} (plant_destroy_while_held)"}},
        {PLANTED(plant_destroy_while_another_holds),
         {"latch: destroyed while held\n", "thread     culprit", "at         {L1} (plant_destroy",
          "class      outer", "owner      holder", "taken at   {L0} (hold_outer)"}},
        {PLANTED(plant_destroy_while_read),
         {"latch: destroyed while held: by readers\n", "at         {L0} (plant_destroy",
          "class      beside"}},
        {PLANTED(plant_use_before_init),
         {"latch: not a living lock: taken before init or after done\n", "thread     culprit",
          "at         {L0} (plant_use_before_init)", "class      unknown at 0x"}},
        {PLANTED(plant_use_of_garbage),
         {"latch: not a living lock", "at         {L0} (plant_use_of_garbage)",
          "class      unknown at 0x"}},
        {PLANTED(plant_use_after_done),
         {"latch: not a living lock: taken before init or after done\n",
          "at         {L0} (plant_use_after_done)", "class      outer"}},
        {PLANTED(plant_release_after_done),
         {"latch: not a living lock: let go before init or after done\n",
          "at         {L0} (plant_release_after_done)", "class      outer"}},
        {PLANTED(plant_done_twice),
         {"latch: not a living lock: destroyed before init or a second time\n",
          "at         {L0} (plant_done_twice)", "class      outer"}},
        {PLANTED(plant_end_while_holding),
         {"latch: thread ends while it holds a lock\n", "thread     leaver", "class      middle",
          "owner      leaver", "taken at   {L0} (leave_while_holding)"}},
        {PLANTED(plant_leave_rcu_while_holding),
         {"latch: thread ends while it holds a lock\n", "thread     culprit", "class      outer",
          "taken at   {L0} (plant_leave_rcu_while_holding)"}},
        {PLANTED(plant_end_in_a_section),
         {"latch: an RCU read section is left open at the end: a thread\n", "thread     reader"}},
        {PLANTED(plant_leave_rcu_in_a_section),
         {"latch: an RCU read section is left open at the end: a thread\n", "thread     culprit"}},
        {PLANTED(plant_section_of_a_callback),
         {"latch: an RCU read section is left open at the end: an RCU callback\n"}},
        {PLANTED(plant_wait_while_holding),
         {"latch: waits on a condition while it holds another lock\n", "thread     culprit",
          "at         {L1} (plant_wait_while_holding)", "class      outer", "owner      culprit",
          "taken at   {L0} (plant_wait_while_holding)"}},
        {PLANTED(plant_wait_without_the_lock),
         {"latch: waits on a condition without holding its lock\n", "thread     culprit",
          "at         {L0} (plant_wait_without_the_lock)", "class      inner", "owner      none"}},
        {PLANTED(plant_blocking),
         {"latch: a call that may block while a lock is held: reading a socket\n",
          "thread     culprit", "at         {L1} (plant_blocking)", "class      inner",
          "owner      culprit", "taken at   {L0} (plant_blocking)", "held       outer at 0x"}},
        {PLANTED(plant_blocking_in_a_section),
         {"latch: a call that may block in an RCU read section: reading a socket\n",
          "thread     culprit", "at         {L0} (plant_blocking_in_a_section)"}},
        {PLANTED(plant_condition_in_a_section),
         {"latch: a call that may block in an RCU read section: a condition\n",
          "thread     culprit", "(plant_condition_in_a_section)"}},
        {PLANTED(plant_fork),
         {"latch: fork while a lock is held\n", "thread     culprit", "class      outer",
          "owner      culprit", "taken at   {L0} (plant_fork)"}},
        {PLANTED(plant_rcu_wait),
         {"latch: a call that may block while a lock is held: an RCU wait\n",
          "at         {L1} (plant_rcu_wait)", "class      outer",
          "taken at   {L0} (plant_rcu_wait)"}},
        {PLANTED(plant_rcu_barrier),
         {"latch: a call that may block while a lock is held: an RCU barrier\n",
          "at         {L1} (plant_rcu_barrier)", "held       beside (read)",
          "taken at {L0} (plant_rcu_barrier)"}},
        {PLANTED(plant_rcu_wait_in_a_section),
         {"latch: a wait for RCU inside a read section, for itself: an RCU wait\n",
          "thread     culprit", "at         {L0} (plant_rcu_wait_in_a_section)"}},
        {PLANTED(plant_holding_in_a_callback),
         {"latch: an RCU callback ends while it holds a lock\n", "class      middle",
          "taken at   {L0} (keep_a_lock)"}},
        {PLANTED(plant_blocking_in_a_callback),
         {"latch: a call that may block in an RCU callback: an RCU barrier\n",
          "at         {L0} (wait_for_itself)"}},
        {PLANTED(plant_signal_handler),
         {"latch: a lock taken in a signal handler\n", "thread     culprit",
          "at         {L0} (handler)", "class      inner"}},
        {PLANTED(plant_too_many),
         {"latch: too many locks held at once\n", "thread     culprit",
          "at         {L0} (plant_too", "class      t17", "held       t1 at 0x", " t16 at 0x"}},
        {PLANTED(plant_rcu_without_begin),
         {"latch: RCU used by a thread that did not call latch_thread_begin\n"}},
};

static void quiet_handler(int number) {
        LATCH_SIGNAL_HANDLER();
        (void)number;
}

static void lock_and_let_go(struct latch_deferred *d) {
        (void)d;
        LATCH_WITH(outer, &outer)
                latch_cond_signal(&cond);
}

/* What stands beside a violation: a handler that takes nothing, a fork and waits while nothing is held. */
static void plant_nothing(void) LATCH_UNCHECKED_ {
        interrupt(quiet_handler);
        latch_rcu_wait();
        in_a_callback(lock_and_let_go);
        pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        waitpid(pid, NULL, 0);
        LATCH_GUARD(outer, &outer);
        LATCH_GUARD(middle, &middle);
        LATCH_GUARD(inner, &inner);
}

/* The harness itself can tell: the same road without a violation ends in peace. */
static void test_no_violation_no_report(void **state) {
        static const struct violation none = {PLANTED(plant_nothing), {NULL}};
        char report[REPORT_MAX];

        (void)state;
        assert_int_equal(run_planted(&none, report), 0);
        assert_string_equal(report, "");
}

int main(void) {
        const struct CMUnitTest hold[] = {cmocka_unit_test(test_no_violation_no_report)};

        return plant_main("violations", hold, ELEMENTS(hold), violations, ELEMENTS(violations));
}
