/* dump.c - what a look saw, printed; latch_dump of latch/watchdog.h. */
#include <stdio.h>

#include "latch/look_private.h"
#include "latch/text_private.h"
#include "latch/watchdog.h"

static void print_place(FILE *to, const char *what, const struct latch_site *site) {
        if (site)
                fprintf(to, ", %s %s:%d (%s)", what, site->file, site->line, site->func);
}

static void print_for(FILE *to, uint64_t since_ns, uint64_t now_ns) {
        if (since_ns && since_ns <= now_ns)
                fprintf(to, ", for %.3f s", (double)(now_ns - since_ns) / 1e9);
}

static void print_hold(FILE *to, const struct latch_look_hold *h, uint64_t now_ns) {
        fprintf(to, "    holds    %s%s at %p", latch_class_name(h->class),
                h->shared ? " (read)" : "", h->lock);
        print_place(to, "taken at", h->site);
        print_for(to, h->since_ns ? h->since_ns : h->seen_ns, now_ns);
        fputc('\n', to);
}

static void print_wait(FILE *to, const struct latch_look *look, unsigned i, uint64_t now_ns) {
        const struct latch_look_thread *t = &look->of[i];

        fprintf(to, "    waits    %s%s at %p",
                t->waits == LATCH_WAITS_HEIR ? "for a hand-over of " : "for ",
                latch_class_name(t->waits_class), t->waits_for);
        print_place(to, "at", t->waits_at);
        print_for(to, t->waits_since_ns, now_ns);
        for (int j = latch_look_holder(look, i, 0), n = 0; j >= 0;
             j = latch_look_holder(look, i, (unsigned)j + 1), n++) {
                bool heir = latch_look_is_heir(look, (unsigned)j, t->waits_for);
                fprintf(to, "%s %s (tid %d)",
                        heir     ? ", which was handed over to"
                        : n == 0 ? ", which is held by"
                                 : ",",
                        look->of[j].name, (int)look->of[j].tid);
        }
        fputc('\n', to);
}

static void print_circle(FILE *to, const struct latch_look *look) {
        unsigned path[LATCH_LOOK_MAX], n = latch_look_circle(look, path);

        for (unsigned i = 0; i < n; i++) {
                const struct latch_look_thread *t = &look->of[path[i]];
                const struct latch_look_thread *next = &look->of[path[(i + 1) % n]];

                fprintf(to, "  %-10s %s waits for %s at %p, which %s %s\n", i == 0 ? "circle" : "",
                        t->name, latch_class_name(t->waits_class), t->waits_for, next->name,
                        latch_look_is_heir(look, path[(i + 1) % n], t->waits_for) ? "is to take up"
                                                                                  : "holds");
        }
}

void latch_look_print_to(FILE *to, const struct latch_look *look, uint64_t now_ns) {
        fprintf(to, "  %-10s %u, of which %u hold or wait for a lock\n", "threads", look->threads,
                look->count + look->more);
        for (unsigned i = 0; i < look->count; i++) {
                const struct latch_look_thread *t = &look->of[i];

                fprintf(to, "  %-10s %s (tid %d)\n", "thread", t->name, (int)t->tid);
                for (unsigned j = 0; j < t->count; j++)
                        print_hold(to, &t->holds[j], now_ns);
                if (latch_look_waits(t))
                        print_wait(to, look, i, now_ns);
        }
        if (look->more > 0)
                fprintf(to, "  %-10s %u threads more\n", "and", look->more);
        print_circle(to, look);
}

static struct latch_look seen; /* large, and taken by one at a time */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void print_seen(FILE *to) {
        latch_must_(pthread_mutex_lock(&lock));
        latch_look(&seen);
        latch_look_print_to(to, &seen, latch_now_ns());
        latch_must_(pthread_mutex_unlock(&lock));
}

int latch_dump(int fd) {
        return latch_text_write(fd, print_seen);
}

/* Of a fork that came while another had it. */
void latch_dump_in_child(void) {
        latch_must_(pthread_mutex_init(&lock, NULL));
}
