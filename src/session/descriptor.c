/* The contract is in session/descriptor.h. */
#include "session/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "latch/lock.h"

/* What stands behind "NAME:" at the start of a line, or NULL. */
static const char *field(const char *text, const char *name) {
        size_t n = strlen(name);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                if (*line == '\n')
                        line++;
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        return line + n + 1;
        }
        return NULL;
}

/* Its first `size` bytes: the fields that are asked for stand there, where they stand at all. */
static int read_info(int fd, char *ret, size_t size) {
        char path[48];

        latch_blocking("fdinfo");
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        _cleanup_(fd_closep) int info = open(path, O_RDONLY | O_CLOEXEC);
        if (info < 0)
                return -errno;
        ssize_t n = fd_read_full(info, ret, size - 1);
        if (n < 0)
                return (int)n;
        ret[n] = '\0';
        return 0;
}

/* The numbers of one line: how many, and the last of them. */
static size_t numbers(const char *at, long *ret_last) {
        size_t n = 0;

        for (;;) {
                char *end;
                at += strspn(at, " \t");
                if (*at == '\n' || *at == '\0')
                        return n;
                *ret_last = strtol(at, &end, 10);
                if (end == at)
                        return 0;
                at = end;
                n++;
        }
}

int descriptor_is_cage_init(int fd) {
        char text[1024];
        long pid = 0, inner = 0;
        int r = read_info(fd, text, sizeof text);

        if (r < 0)
                return r;
        const char *outside = field(text, "Pid"), *all = field(text, "NSpid");
        if (!outside || !all || numbers(outside, &pid) != 1)
                return -EPROTO;
        if (pid == -1)
                return -ESRCH;
        return pid > 0 && numbers(all, &inner) >= 2 && inner == 1 ? 0 : -EPROTO;
}

int descriptor_is_eventfd(int fd) {
        char text[1024];
        int r = read_info(fd, text, sizeof text);

        if (r < 0)
                return r;
        return field(text, "eventfd-count") ? 0 : -EPROTO;
}
