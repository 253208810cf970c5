/* The contract is in latch/orders.h. */
#include "latch/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "latch/latch_private.h"
#include "latch/text_private.h"

static void write_declared(FILE *to, enum latch_class taken) {
        for (unsigned i = 0; i < latch_table.count; i++)
                if (latch_order_declared(taken) >> i & 1)
                        fprintf(to, "order %s %s\n", latch_class_name(taken),
                                latch_class_name((enum latch_class)i));
}

static void write_seen(FILE *to, enum latch_class taken) {
        for (unsigned i = 0; i < latch_table.count; i++) {
                const struct latch_witness *w = latch_witness_of(taken, (enum latch_class)i);
                if (w)
                        fprintf(to, "seen %s %s %s:%d (%s) under %s:%d (%s), by %s\n",
                                latch_class_name(taken), latch_class_name((enum latch_class)i),
                                w->taken_at->file, w->taken_at->line, w->taken_at->func,
                                w->held_at->file, w->held_at->line, w->held_at->func, w->thread);
        }
}

static void write_marks(FILE *to, enum latch_class class) {
        if (latch_order_by_address(class))
                fprintf(to, "twins %s\n", latch_class_name(class));
        if (latch_order_no_malloc() >> class & 1)
                fprintf(to, "no_malloc %s\n", latch_class_name(class));
}

static void write_record(FILE *to) {
        const char *slash = strrchr(latch_table.header, '/');

        fprintf(to, "table %s %s %d\n", slash ? slash + 1 : latch_table.header,
                program_invocation_short_name, (int)getpid());
        for (unsigned i = 0; i < latch_table.count; i++)
                fprintf(to, "class %s\n", latch_class_name((enum latch_class)i));
        for (unsigned i = 0; i < latch_table.count; i++)
                write_declared(to, (enum latch_class)i);
        for (unsigned i = 0; i < latch_table.count; i++)
                write_marks(to, (enum latch_class)i);
        for (unsigned i = 0; i < latch_table.count; i++)
                write_seen(to, (enum latch_class)i);
}

int latch_orders_write(int fd) {
        return latch_text_write(fd, write_record);
}

void latch_orders_save(void) {
        const char *dir = secure_getenv("LATCH_ORDERS");
        char path[512];

        if (!dir || *dir == '\0')
                return;
        int n = snprintf(path, sizeof path, "%s/%d.orders", dir, (int)getpid());
        int fd = n < (int)sizeof path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
                                      : (errno = ENAMETOOLONG, -1);
        int r = fd < 0 ? -errno : latch_orders_write(fd);
        if (r < 0)
                fprintf(stderr, "latch: LATCH_ORDERS: %s: %s\n", path, strerror(-r));
        if (fd >= 0)
                close(fd);
}
