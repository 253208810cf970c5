/* classroom.c - a class runs a program at once: does each end, with its own output, in its own folder? */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "bench.h"
#include "stats.h"

#define PROGRAM_PATH "home/classroom.py"

struct result {
        size_t users, ended, unanswered, astray;
        struct stats first, exit; /* from session.open to the first output, to session.exit */
};

/* Each leaves a file by its user's name, in the folder where it runs. */
static void write_program(struct student *s) {
        char text[512];

        (void)snprintf(text, sizeof text,
                       "print('hello from %s', flush=True)\n"
                       "with open('by-%s', 'w') as f:\n"
                       "    f.write('%s')\n"
                       "print('done', sum(i * i for i in range(50000)))\n",
                       s->name, s->name, s->name);
        student_write(s, PROGRAM_PATH, text);
}

static void check_output(struct student *s) {
        char expected[256];

        (void)snprintf(expected, sizeof expected, "hello from %s\r\ndone 41665416675000\r\n",
                       s->name);
        if (s->exited_well && !str_eq(s->output.data, expected)) {
                s->exited_well = false;
                (void)snprintf(s->trouble, sizeof s->trouble, "output: %.150s",
                               s->output.data ? s->output.data : "");
        }
}

/* ---- files astray, in a walk of the whole DIR ---- */

static struct {
        const char *data;
        size_t right, wrong;
} walk; /* nftw(3) has no argument for us */

static int look_at(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        const char *name = path + ftw->base;
        char right[PATH_MAX];

        (void)st;
        if (flag != FTW_F || !str_starts(name, "by-"))
                return 0;
        int n = snprintf(right, sizeof right, "%s/users/%s/home/%s", walk.data,
                         name + strlen("by-"), name);
        if (n > 0 && (size_t)n < sizeof right && str_eq(path, right))
                walk.right++;
        else
                walk.wrong++;
        return 0;
}

/* What a student's own listing does not show, the walk does. */
static size_t count_astray(const struct server *server, const struct student *all, size_t n) {
        size_t astray = 0;

        for (size_t i = 0; i < n; i++)
                astray += all[i].others_files + (all[i].exited_well && all[i].own_files != 1);
        if (server->data[0] == '\0')
                return astray;
        walk.data = server->data;
        walk.right = walk.wrong = 0;
        if (nftw(server->data, look_at, 32, FTW_PHYS) != 0) {
                fprintf(stderr, "latch-bench: %s: %s\n", server->data, strerror(errno));
                return astray + 1;
        }
        return astray + walk.wrong;
}

/* ---- the lesson ---- */

static void measure(struct student *all, size_t n, struct result *ret) {
        double *first = calloc(n, sizeof *first), *end = calloc(n, sizeof *end);

        for (size_t i = 0; first && end && i < n; i++) {
                struct student *s = &all[i];
                ret->unanswered += s->asked - s->answered;
                if (!s->exited_well)
                        continue;
                first[ret->ended] = (double)(s->first_ns - s->opened_ns) / 1e6;
                end[ret->ended] = (double)(s->exit_ns - s->opened_ns) / 1e6;
                ret->ended++;
        }
        if (first && end) {
                ret->first = stats_of(first, ret->ended);
                ret->exit = stats_of(end, ret->ended);
        }
        free(first);
        free(end);
}

static int lesson(struct server *server, const struct bench_options *o, struct student *all,
                  struct result *ret) {
        size_t n = o->users;

        for (size_t i = 0; i < n; i++)
                write_program(&all[i]);
        int r = students_until(all, n, STUDENT_WRITTEN, o->deadline_ns);
        for (size_t i = 0; i < n && r == 0; i++)
                student_run(&all[i], PROGRAM_PATH);
        if (r == 0)
                r = students_until(all, n, STUDENT_ENDED, o->deadline_ns);
        for (size_t i = 0; i < n; i++)
                check_output(&all[i]);
        for (size_t i = 0; i < n && r == 0; i++)
                student_list_home(&all[i]);
        if (r == 0)
                r = students_until(all, n, STUDENT_LISTED, o->deadline_ns);
        if (r < 0)
                fprintf(stderr, "latch-bench: %s\n", strerror(-r));
        measure(all, n, ret);
        ret->users = n;
        ret->astray = count_astray(server, all, n);
        return r;
}

static void tell(const struct result *r, bool json) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);

        if (!json) {
                printf("%zu users ran a program at once on %ld processors: %zu ended well, %zu requests "
                       "unanswered, %zu files astray\n",
                       r->users, cpus, r->ended, r->unanswered, r->astray);
                printf("from session.open to first output: p50 %.0f ms, max %.0f ms\n",
                       r->first.p50, r->first.max);
                printf("from session.open to session.exit: p50 %.0f ms, max %.0f ms\n", r->exit.p50,
                       r->exit.max);
                return;
        }
        printf("{\"bench\":\"classroom\",\"users\":%zu,\"processors\":%ld,\"ended\":%zu,\"unanswered\":%zu,"
               "\"astray\":%zu,\"first_p50_ms\":%.1f,\"first_max_ms\":%.1f,\"p50_ms\":%.1f,\"max_ms\":%.1f}\n",
               r->users, cpus, r->ended, r->unanswered, r->astray, r->first.p50, r->first.max,
               r->exit.p50, r->exit.max);
}

int bench_classroom(struct server *server, const struct bench_options *o) {
        struct student *all = class_gather(server, o, o->users);
        struct result result = {0};

        if (!all)
                return 1;
        int r = lesson(server, o, all, &result);
        size_t troubles = class_troubles(all, o->users);
        class_dismiss(all, o->users);
        tell(&result, o->json);
        return r < 0 || troubles > 0 || result.ended != result.users || result.unanswered > 0 ||
               result.astray > 0;
}
