/* bank.c - a small program on liblatch, with a bug to choose. liblatch reports it and ends the program.
 *
 *     cc -I. -DLATCH_CLASSES_HEADER='"bank_classes.h"' bank.c $(pkg-config --cflags --libs liblatch) -o bank
 *     ./bank inversion | blocking | closed | late | statement | none
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <latch/lease.h>
#include <latch/lock.h>
#include <latch/thread.h>

LATCH_DEFINE_CLASSES;

static struct latch_mutex ledger, account;
static long total LATCH_GUARDED_BY(ledger);
static long balance LATCH_GUARDED_BY(account);
static pthread_barrier_t meeting;

static void *deposit(void *arg) {
        (void)arg;
        latch_thread_begin("teller");
        LATCH_WITH(ledger, &ledger) {
                total += 10;
                LATCH_WITH(account, &account)
                        balance += 10;
        }
        latch_thread_end();
        return NULL;
}

/* The bug: account first. Both threads never run at once, so nothing ever hangs here; one day it would. */
static void *audit(void *arg) {
        (void)arg;
        latch_thread_begin("auditor");
        LATCH_WITH(account, &account) {
                LATCH_WITH(ledger, &ledger)
                        printf("%ld of %ld\n", balance, total);
        }
        latch_thread_end();
        return NULL;
}

static void write_down(const char *text) {
        latch_blocking("writing the journal"); /* the disk may take its time */
        if (write(STDOUT_FILENO, text, strlen(text)) < 0)
                perror("write");
}

/* The bug: everybody who wants the account waits for the disk. */
static void *withdraw(void *arg) {
        (void)arg;
        latch_thread_begin("teller");
        LATCH_WITH(account, &account) {
                balance -= 10;
                write_down("10 withdrawn\n");
        }
        latch_thread_end();
        return NULL;
}

static void *count(void *arg) {
        (void)arg;
        latch_thread_begin("counter");
        LATCH_WITH(account, &account) {
                pthread_barrier_wait(&meeting);
                for (;;) /* it is a large account */
                        pause();
        }
        return NULL;
}

static void run_with(void *(*work)(void *), char *of) {
        pthread_t t;

        if (pthread_create(&t, NULL, work, of) == 0)
                pthread_join(t, NULL);
}

static void run(void *(*work)(void *)) {
        run_with(work, NULL);
}

/* The bug: the account goes while somebody counts it. */
static void close_account(void) {
        pthread_t t;

        pthread_barrier_init(&meeting, NULL, 2);
        if (pthread_create(&t, NULL, count, NULL) != 0)
                return;
        pthread_barrier_wait(&meeting);
        latch_mutex_done(&account);
}

static struct latch_lease desk; /* whoever is being served has it, from one call to the next */
static struct latch_token calls;

static void *serve(void *customer) {
        latch_thread_begin("clerk");
        calls = latch_lease_take(&desk, customer);
        latch_thread_end();
        return NULL;
}

static void *time_out(void *unused) {
        latch_thread_begin("clock");
        latch_lease_release(calls);
        latch_thread_end();
        return unused;
}

/* The bug: ann is told that she was too slow, then says herself that she is done. It is bob's turn by then. */
static void serve_two(void) {
        run_with(serve, "ann");
        struct latch_token ann = calls;
        run_with(time_out, NULL);
        run_with(serve, "bob");
        latch_lease_release(ann);
}

/* The bug: malloc may take its time, and everybody who wants the account waits. */
static void *print_statement(void *unused) {
        LATCH_WITH(account, &account) {
                char *text = malloc(64);

                if (text && snprintf(text, 64, "balance %ld\n", balance) > 0)
                        fputs(text, stdout);
                free(text);
        }
        return unused;
}

int main(int argc, char **argv) {
        const char *bug = argc > 1 ? argv[1] : "none";

        latch_mutex_init(&ledger, LATCH_CLASS_ledger);
        latch_mutex_init(&account, LATCH_CLASS_account);
        latch_lease_init(&desk, "desk");
        run(deposit);
        if (strcmp(bug, "inversion") == 0)
                run(audit);
        else if (strcmp(bug, "blocking") == 0)
                run(withdraw);
        else if (strcmp(bug, "closed") == 0)
                close_account();
        else if (strcmp(bug, "late") == 0)
                serve_two();
        else if (strcmp(bug, "statement") == 0)
                run(print_statement);
        latch_lease_done(&desk);
        latch_mutex_done(&account);
        latch_mutex_done(&ledger);
        return 0;
}
