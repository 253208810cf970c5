/* latch-order - the lock classes of a program and their order: as text, drawn, or held against what tests did.
 *
 * Without files it is Latch's own table, which is linked into it. Any other program that uses liblatch tells its
 * table where LATCH_ORDERS names a folder (latch/orders.h).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/str.h"
#include "latch/orders.h"
#include "order.h"

static const char usage[] =
        "usage: latch-order [text | svg] [FILE.orders | FOLDER]\n"
        "       latch-order check [--unexercised FILE] FOLDER...\n"
        "\n"
        "text, svg  the table of lock classes: Latch's own, or that of the program which wrote FILE.orders\n"
        "check      which declared orders no program exercised; fails where one is not declared, or neither\n"
        "           exercised nor in FILE, whose lines are: TABLE TAKEN HELD REASON\n"
        "\n"
        "A program writes FOLDER/PID.orders as it ends, where the environment has LATCH_ORDERS=FOLDER.\n";

void fail(const char *format, ...) {
        va_list args;

        va_start(args, format);
        fputs("latch-order: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
        exit(2);
}

static void read_own(struct tables *all) {
        int fd = memfd_create("orders", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : latch_orders_write(fd);
        FILE *from = r < 0 ? NULL : fdopen(fd, "r");

        if (!from || fseek(from, 0, SEEK_SET) != 0)
                fail("the table of this program: %s", strerror(r < 0 ? -r : errno));
        tables_read_stream(all, from, "the table of this program");
        fclose(from);
}

static int show(int argc, char **argv, void (*how)(const struct table *t, FILE *to)) {
        struct tables all = {0};

        if (argc > 1)
                fail("one file or folder at a time");
        if (argc == 1)
                tables_read(&all, argv[0]);
        else
                read_own(&all);
        if (all.n != 1)
                fail("%s has %zu tables: name the file of one program", argv[0], all.n);
        how(all.list[0], stdout);
        tables_done(&all);
        return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int check(int argc, char **argv) {
        const char *excuses = NULL;
        struct tables all = {0};

        if (argc >= 2 && str_eq(argv[0], "--unexercised")) {
                excuses = argv[1];
                argc -= 2;
                argv += 2;
        }
        for (int i = 0; i < argc; i++)
                tables_read(&all, argv[i]);
        if (all.n == 0)
                fail("no program wrote its orders there: run the tests with LATCH_ORDERS");
        unsigned wrong = tables_judge(&all, excuses);
        tables_done(&all);
        return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        const char *what = argc > 1 ? argv[1] : "text";

        if (str_eq(what, "text"))
                return show(argc > 2 ? argc - 2 : 0, argv + 2, table_print);
        if (str_eq(what, "svg"))
                return show(argc - 2, argv + 2, table_draw);
        if (str_eq(what, "check"))
                return check(argc - 2, argv + 2);
        fputs(usage, str_eq(what, "--help") ? stdout : stderr);
        return str_eq(what, "--help") ? EXIT_SUCCESS : 2;
}
