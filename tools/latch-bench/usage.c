/* The contract is in usage.h. */
#include "usage.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define HOLDERS_MAX 1024u

uint64_t usage_cpu_ns(pid_t pid) {
        struct timespec t;
        clockid_t clock;

        if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
                return 0;
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The sum of a /proc file's lines with this key, but for those of mappings whose name has `without` in it. */
static int sum(pid_t pid, const char *file, const char *key, const char *without,
               unsigned long *ret) {
        char path[64], line[PATH_MAX + 128];
        bool counts = true;
        int r = -EPROTO;

        (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
        FILE *f = fopen(path, "re");
        if (!f)
                return -errno;
        *ret = 0;
        while (fgets(line, sizeof line, f)) {
                unsigned long from, to, n;

                if (without && sscanf(line, "%lx-%lx ", &from, &to) == 2)
                        counts = !strstr(line, without);
                if (!str_starts(line, key) || sscanf(line + strlen(key), "%lu", &n) != 1)
                        continue;
                *ret += counts ? n : 0;
                r = 0;
        }
        (void)fclose(f);
        return r;
}

int usage_pss_kib(pid_t pid, unsigned long *ret) {
        return sum(pid, "smaps_rollup", "Pss:", NULL, ret);
}

int usage_private_kib(pid_t pid, unsigned long *ret) {
        return sum(pid, "smaps", "Pss:", "/memfd:", ret);
}

int usage_threads(pid_t pid, unsigned long *ret) {
        return sum(pid, "status", "Threads:", NULL, ret);
}

static bool runs(const char *pid, const char *program) {
        char path[PATH_MAX], exe[PATH_MAX];
        ssize_t n;

        (void)snprintf(path, sizeof path, "/proc/%s/exe", pid);
        n = readlink(path, exe, sizeof exe - 1);
        if (n < 0)
                return false;
        exe[n] = '\0';
        return str_eq(exe, program);
}

size_t usage_find(const struct server *s, const char *program, pid_t *to, size_t max) {
        DIR *d = opendir("/proc");
        char path[PATH_MAX];
        const struct dirent *e;
        uint64_t pid;
        size_t n = 0;

        if (!d)
                return 0;
        (void)snprintf(path, sizeof path, "%.*s/%s", PATH_MAX - 32, s->bin, program);
        while ((e = readdir(d))) {
                if (str_to_u64(e->d_name, 1, INT_MAX, &pid) < 0 || !runs(e->d_name, path))
                        continue;
                if (n < max)
                        to[n] = (pid_t)pid;
                n++;
        }
        (void)closedir(d);
        return n;
}

uint64_t usage_server_cpu_ns(const struct server *s) {
        static const char *const programs[] = {"latch-spawn", "latch-hold"};
        uint64_t ns = usage_cpu_ns(s->latchd.pid);
        pid_t pids[HOLDERS_MAX];

        for (size_t k = 0; k < ELEMENTS(programs); k++) {
                size_t n = usage_find(s, programs[k], pids, ELEMENTS(pids));
                for (size_t i = 0; i < MIN(n, ELEMENTS(pids)); i++)
                        ns += usage_cpu_ns(pids[i]);
        }
        return ns;
}
