/* The contract is in hold/init_cpu.h. /proc/PID/stat: proc(5). */
#include "hold/init_cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macros.h"

#define SOONEST_MS 20u
#define LATEST_MS  2000u

void init_cpu_init(struct init_cpu *c, uint64_t limit_ms) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);

        *c = (struct init_cpu){.limit_ms = limit_ms, .cpus = n > 0 ? (unsigned)n : 1};
        c->next_ms = clock_mono_ms() + MIN(MAX(limit_ms / c->cpus, SOONEST_MS), LATEST_MS);
}

int init_cpu_wait_ms(const struct init_cpu *c) {
        uint64_t now = clock_mono_ms();

        if (c->limit_ms == 0)
                return -1;
        return c->next_ms > now ? (int)(c->next_ms - now) : 0;
}

/* utime, stime and those of children that were waited for: fields 14 to 17, after a name that may hold
 * anything, spaces and parentheses too. In clock ticks. */
static uint64_t ticks_of(int proc, const char *pid) {
        char path[300], text[1024];
        unsigned long long utime, stime;
        long long cutime, cstime;

        snprintf(path, sizeof path, "%s/stat", pid);
        int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0; /* it ended just now: its parent has its time */
        ssize_t n = fd_read_full(fd, text, sizeof text - 1);
        fd_close(fd);
        if (n <= 0)
                return 0;
        text[n] = '\0';
        const char *after = strrchr(text, ')');
        if (!after ||
            sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                   &utime, &stime, &cutime, &cstime) != 4)
                return 0;
        return utime + stime + (uint64_t)cutime + (uint64_t)cstime;
}

static uint64_t used_ms(void) {
        DIR *d = opendir("/proc");
        uint64_t ticks = 0;
        struct dirent *e;

        if (!d)
                return 0;
        while ((e = readdir(d)))
                if (isdigit((unsigned char)e->d_name[0]))
                        ticks += ticks_of(dirfd(d), e->d_name);
        closedir(d);
        return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

bool init_cpu_spent(struct init_cpu *c) {
        uint64_t now = clock_mono_ms();

        if (c->limit_ms == 0 || now < c->next_ms)
                return false;
        uint64_t used = used_ms();
        if (used >= c->limit_ms) {
                c->limit_ms = 0;
                return true;
        }
        c->next_ms = now + MIN(MAX((c->limit_ms - used) / c->cpus, SOONEST_MS), LATEST_MS);
        return false;
}
