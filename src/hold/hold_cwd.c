/* The contract is in hold/hold_private.h: in which folder a terminal's program is.
 *
 * What we read of it is in the names of its cage: the kernel writes the path of a folder as whose mounts it is in see it.
 * That it may be read is the user's right over what descends from it (ptrace(2), PTRACE_MODE_READ_FSCREDS).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold/hold_private.h"

#define WORK    "/work/"
#define WORK_N  (sizeof WORK - 1)
#define REMOVED " (deleted)"

/* A name may end like that; of one that is removed there is no link. */
static bool is_removed(const char *link, const char *path, size_t n) {
        size_t end = sizeof REMOVED - 1;
        struct stat st;

        return n > end && memcmp(path + n - end, REMOVED, end) == 0 &&
               (stat(link, &st) < 0 || st.st_nlink == 0);
}

/* A path of the cage as the workspace has it; "" of what is elsewhere, or longer than is told. */
static void take(const char *path, size_t n, char ret[HOLD_CWD_MAX + 1]) {
        ret[0] = '\0';
        if (n < WORK_N || n > WORK_N + HOLD_CWD_MAX || memcmp(path, WORK, WORK_N) != 0)
                return;
        memcpy(ret, path + WORK_N, n - WORK_N);
        ret[n - WORK_N] = '\0';
}

/* The folder of this process in the workspace, or "". False: it cannot be said. */
static bool read_cwd(pid_t pid, char ret[HOLD_CWD_MAX + 1]) {
        char link[32], path[WORK_N + HOLD_CWD_MAX + 1];

        snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
        ssize_t n = readlink(link, path, sizeof path);
        if (n < 0 && errno != ENAMETOOLONG)
                return false;
        take(path, n < 0 || is_removed(link, path, (size_t)n) ? 0 : (size_t)n, ret);
        return true;
}

void hold_cwd_start(struct hold *h) {
        if (h->setup->tty)
                take(h->setup->cwd, strlen(h->setup->cwd), h->cwd);
        h->conn.cwd_due = h->cwd[0] != '\0';
}

/* Of the group in the foreground, by its leader. Where that one has ended, what was known stays. While the group is
 * there its number is nobody else's. */
void hold_cwd_look(struct hold *h) {
        char cwd[HOLD_CWD_MAX + 1];
        pid_t group = tcgetpgrp(h->input.fd);

        if (group <= 0 || !read_cwd(group, cwd) || tcgetpgrp(h->input.fd) != group ||
            strcmp(cwd, h->cwd) == 0)
                return;
        memcpy(h->cwd, cwd, strlen(cwd) + 1);
        h->conn.cwd_due = true;
}
