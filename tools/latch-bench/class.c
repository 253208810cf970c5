/* The contract is in bench.h: class_*. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/str.h"
#include "bench.h"

#define TROUBLES_SHOWN 5

/* Lines "NAME PASSWORD"; the password is the rest of the line. */
static int read_names(const char *path, struct student *all, size_t n) {
        FILE *f = fopen(path, "re");
        char line[256];
        size_t got = 0;

        if (!f)
                return -errno;
        while (got < n && fgets(line, sizeof line, f)) {
                char *password = strchr(line, ' ');
                line[strcspn(line, "\n")] = '\0';
                if (!password)
                        continue;
                *password++ = '\0';
                if (str_copy(all[got].name, sizeof all[got].name, line) < 0 ||
                    str_copy(all[got].password, sizeof all[got].password, password) < 0)
                        break;
                got++;
        }
        int r = ferror(f) ? -EIO : 0;
        if (fclose(f) != 0 && r == 0)
                r = -errno;
        return r == 0 && got < n ? -ENODATA : r;
}

/* Names of no other run, for a server that is there keeps its users. */
static int make_users(struct server *server, const struct bench_options *o, struct student *all,
                      size_t n) {
        char id[RANDOM_ID_CHARS + 1];

        random_id(id);
        for (size_t i = 0; i < n; i++) {
                (void)snprintf(all[i].name, sizeof all[i].name, "bench-%.6s-%zu", id, i + 1);
                (void)snprintf(all[i].password, sizeof all[i].password, "%s%zu", id, i);
                int r = server_add_user(server, all[i].name, all[i].password, o->deadline_ns);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int name_all(struct server *server, const struct bench_options *o, struct student *all,
                    size_t n) {
        if (!o->password_file)
                return make_users(server, o, all, n);
        int r = read_names(o->password_file, all, n);
        if (r < 0)
                fprintf(stderr, "latch-bench: %s: %s (%zu users are needed)\n", o->password_file,
                        strerror(-r), n);
        return r;
}

struct student *class_gather(struct server *server, const struct bench_options *o, size_t n) {
        struct student *all = calloc(n, sizeof *all);

        if (!all) {
                fprintf(stderr, "latch-bench: out of memory\n");
                return NULL;
        }
        for (size_t i = 0; i < n; i++)
                student_init(&all[i]);
        int r = name_all(server, o, all, n);
        for (size_t i = 0; i < n && r == 0; i++)
                student_sign_in(&all[i], &server->site, o->deadline_ns);
        /* Passwords take their time, and a socket that nobody turns to answers no ping: those come last. */
        for (size_t i = 0; i < n && r == 0; i++)
                if (!student_failed(&all[i]))
                        student_connect(&all[i], &server->site, o->deadline_ns);
        if (r == 0)
                r = students_until(all, n, STUDENT_GREETED, o->deadline_ns);
        if (r == 0 && class_troubles(all, n) == 0)
                return all;
        if (r < 0)
                fprintf(stderr, "latch-bench: the class did not gather: %s\n", strerror(-r));
        return class_dismiss(all, n);
}

struct student *class_dismiss(struct student *all, size_t n) {
        for (size_t i = 0; all && i < n; i++)
                student_done(&all[i]);
        free(all);
        return NULL;
}

size_t class_troubles(const struct student *all, size_t n) {
        size_t count = 0;

        for (size_t i = 0; i < n; i++) {
                if (!student_failed(&all[i]))
                        continue;
                if (++count <= TROUBLES_SHOWN)
                        fprintf(stderr, "latch-bench: %s: %s\n", all[i].name, all[i].trouble);
        }
        if (count > TROUBLES_SHOWN)
                fprintf(stderr, "latch-bench: and %zu more\n", count - TROUBLES_SHOWN);
        return count;
}
