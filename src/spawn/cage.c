/* The contract is in spawn/cage.h. bubblewrap's options: bwrap(1). */
#include "spawn/cage.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "spawn/language.h"
#include "spawn/runner.h"

#define ARGS_MAX (64u << 10)

/* Parts of /etc that programs look at and that say nothing about the machine's people. Few: each mount
 * costs a start a fifth of a millisecond and more. */
static const char *const etc[] = {"/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"};
static const char *const etc_of_terminals[] = {"/etc/inputrc"};
static const char *const etc_of_prompts[] = {"/etc/profile", "/etc/profile.d", "/etc/bash.bashrc"};

/* Adds words, NUL after each, up to a NULL. */
static int add(struct buf *b, ...) {
        va_list words;
        const char *word;
        int r = 0;

        va_start(words, b);
        while (r == 0 && (word = va_arg(words, const char *)))
                r = buf_add(b, word, strlen(word) + 1);
        va_end(words);
        return r;
}

static int add_namespaces(struct buf *b) {
        return add(b, "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL",
                   "--new-session", "--die-with-parent", "--as-pid-1", "--uid", "1000", "--gid",
                   "1000", "--hostname", "latch", NULL);
}

static int add_system(struct buf *b) {
        return add(b, "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink",
                   "usr/sbin", "/sbin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64",
                   "/lib64", "--proc", "/proc", "--dev", "/dev", "--symlink",
                   "../usr/lib/os-release", "/etc/os-release", NULL);
}

static int add_shown(struct buf *b, const char *const *paths, size_t n) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = add(b, "--ro-bind-try", paths[i], paths[i], NULL);
        return r;
}

/* The local time is a link into /usr, where it is shown already. */
static int add_local_time(struct buf *b) {
        char target[PATH_MAX];
        ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);

        if (n <= 0)
                return 0; /* UTC */
        target[n] = '\0';
        if (!str_starts(target, "/usr/") && !str_starts(target, "../usr/"))
                return add(b, "--ro-bind-try", "/etc/localtime", "/etc/localtime", NULL);
        return add(b, "--symlink", target, "/etc/localtime", NULL);
}

static int add_etc(struct buf *b, const struct cage *c) {
        int r = add_shown(b, etc, ELEMENTS(etc));

        if (r == 0 && c->tty)
                r = add_shown(b, etc_of_terminals, ELEMENTS(etc_of_terminals));
        if (r == 0 && c->prompt)
                r = add_shown(b, etc_of_prompts, ELEMENTS(etc_of_prompts));
        return r < 0 ? r : add_local_time(b);
}

/* A copy of what is read from a descriptor; the file system that it stands on is read-only in the end. */
static int add_file(struct buf *b, enum setup_fd fd, const char *path) {
        char number[12];

        snprintf(number, sizeof number, "%d", fd);
        return add(b, "--perms", "0444", "--file", number, path, NULL);
}

static int add_made_files(struct buf *b, bool script) {
        int r = add_file(b, SETUP_PASSWD, "/etc/passwd");

        if (r == 0)
                r = add_file(b, SETUP_GROUP, "/etc/group");
        if (r == 0)
                r = add_file(b, SETUP_HOSTS, "/etc/hosts");
        if (r == 0)
                r = add_file(b, SETUP_RUNNER, LANGUAGE_RUNNER);
        if (r == 0 && script)
                r = add_file(b, SETUP_SCRIPT, LANGUAGE_SCRIPT);
        return r;
}

static int add_room(struct buf *b, const char *path, uint64_t bytes) {
        char size[24];
        int r = add(b, "--perms", "1777", NULL);

        snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
        if (r == 0 && bytes > 0)
                r = add(b, "--size", size, NULL);
        return r < 0 ? r : add(b, "--tmpfs", path, NULL);
}

static int add_work(struct buf *b, const struct cage *c) {
        int r = add(b, "--dir", "/work", NULL);

        if (r == 0 && !c->user)
                return add(b, "--tmpfs", "/work/home", NULL);
        if (r == 0)
                r = add(b, "--bind", NULL);
        if (r == 0)
                r = buf_addf(b, "%s/users/%s/home", c->data, c->user);
        if (r == 0)
                r = buf_add(b, "", 1);
        if (r == 0)
                r = add(b, "/work/home", "--ro-bind-try", NULL);
        if (r == 0)
                r = buf_addf(b, "%s/courses", c->data);
        if (r == 0)
                r = buf_add(b, "", 1);
        return r < 0 ? r : add(b, "/work/courses", NULL);
}

/* The roots that bubblewrap made are the user's own, in memory and without a limit: not to be written. */
static int add_end(struct buf *b) {
        char number[12];

        snprintf(number, sizeof number, "%d", SETUP_FILTER);
        return add(b, "--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--remount-ro", "/dev",
                   "--remount-ro", "/", "--chdir", "/work", "--seccomp", number, NULL);
}

static int make_args(const struct cage *c, int *ret_fd) {
        struct buf b = BUF_INIT(ARGS_MAX);
        int r = add_namespaces(&b);

        if (r == 0)
                r = add_system(&b);
        if (r == 0)
                r = add_etc(&b, c);
        if (r == 0)
                r = add_room(&b, "/tmp", c->tmp_bytes);
        if (r == 0)
                r = add_room(&b, "/dev/shm", c->tmp_bytes);
        if (r == 0)
                r = add_made_files(&b, c->script);
        if (r == 0)
                r = add_work(&b, c);
        if (r == 0)
                r = add_end(&b);
        if (r == 0)
                r = fd_sealed("latch-args", b.data, b.n, ret_fd);
        buf_done(&b);
        return r;
}

static int make_text(const char *name, int *ret_fd, const char *fmt, const char *user) {
        char text[256];
        int n = snprintf(text, sizeof text, fmt, user, user, user);

        CHECK(n > 0 && (size_t)n < sizeof text);
        return fd_sealed(name, text, (size_t)n, ret_fd);
}

int cage_files(const struct cage *c, int fds[SETUP_END]) {
        const char *user = c->user ? c->user : "canary";
        int r = make_args(c, &fds[SETUP_ARGS]);

        if (r == 0)
                r = make_text("passwd", &fds[SETUP_PASSWD],
                              "%s:x:1000:1000:%s:/work/home:/bin/bash\n"
                              "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                              user);
        if (r == 0)
                r = make_text("group", &fds[SETUP_GROUP], "%s:x:1000:\nnogroup:x:65534:\n", user);
        if (r == 0)
                r = make_text("hosts", &fds[SETUP_HOSTS],
                              "127.0.0.1 localhost latch\n::1 localhost\n%.0s", user);
        if (r == 0)
                r = fd_sealed("runner.py", runner_text, runner_size(), &fds[SETUP_RUNNER]);
        return r;
}
