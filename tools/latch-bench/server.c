/* The contract is in server.h. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/ws.h"

#define STOP_NS (30 * UINT64_C(1000000000))

static int format(char *to, size_t size, const char *fmt, const char *a, const char *b)
        _printf_(3, 0);
static int format(char *to, size_t size, const char *fmt, const char *a, const char *b) {
        int n = snprintf(to, size, fmt, a, b);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* ---- a DIR of our own ---- */

static int find_bin(struct server *s) {
        ssize_t n = readlink("/proc/self/exe", s->bin, sizeof s->bin - 1);

        if (n < 0)
                return -errno;
        s->bin[n] = '\0';
        char *slash = strrchr(s->bin, '/');
        if (!slash)
                return -ENOENT;
        *slash = '\0';
        return 0;
}

/* Whether every uid may come to this folder. */
static bool reachable(const char *folder) {
        char at[PATH_MAX];
        struct stat st;

        if (str_copy(at, sizeof at, folder) < 0)
                return false;
        for (;;) {
                if (stat(at[0] ? at : "/", &st) < 0 || !(st.st_mode & S_IXOTH))
                        return false;
                char *slash = strrchr(at, '/');
                if (!slash)
                        return true;
                *slash = '\0';
        }
}

static int copy_program(const char *from_dir, const char *to_dir, const char *name) {
        _cleanup_(fd_closep) int from = -1, to = -1;
        _cleanup_(freep) char *data = NULL;
        char path[PATH_MAX];
        size_t n;

        int r = format(path, sizeof path, "%s/%s", from_dir, name);
        if (r < 0)
                return r;
        from = open(path, O_RDONLY | O_CLOEXEC);
        if (from < 0)
                return -errno;
        r = fd_read_file(from, 256u << 20, &data, &n);
        if (r == 0)
                r = format(path, sizeof path, "%s/%s", to_dir, name);
        if (r < 0)
                return r;
        to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        if (to < 0)
                return -errno;
        r = fd_write_all(to, data, n);
        return r == 0 && fchmod(to, 0755) < 0 ? -errno : r;
}

/* Started by root, holders run as users' uids: the programs must be where these can reach them. */
static int move_bin(struct server *s) {
        static const char *const programs[] = {"latchd",     "latchctl",   "latch-spawn",
                                               "latch-hold", "latch-init", "civet-echo"};
        char to[PATH_MAX];
        int r = 0;

        if (geteuid() != 0 || reachable(s->bin))
                return 0;
        r = format(to, sizeof to, "%s/%s", s->dir, "bin");
        if (r == 0 && (mkdir(to, 0755) < 0 || chmod(to, 0755) < 0))
                r = -errno;
        for (size_t i = 0; i < ELEMENTS(programs) && r == 0; i++)
                r = copy_program(s->bin, to, programs[i]);
        return r < 0 ? r : str_copy(s->bin, sizeof s->bin, to);
}

static int make_dir(struct server *s) {
        const char *tmp = getenv("TMPDIR");
        int r = format(s->dir, sizeof s->dir, "%s/%s", tmp && tmp[0] == '/' ? tmp : "/tmp",
                       "latch-bench-XXXXXX");

        if (r == 0 && !mkdtemp(s->dir))
                r = -errno;
        if (r < 0) {
                s->dir[0] = '\0';
                return r;
        }
        if (chmod(s->dir, 0755) < 0)
                return -errno;
        return format(s->data, sizeof s->data, "%s/%s", s->dir, "data");
}

static int open_in_dir(const struct server *s, const char *name) {
        char path[PATH_MAX];
        int r = format(path, sizeof path, "%s/%s", s->dir, name);

        if (r < 0)
                return r;
        r = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        return r < 0 ? -errno : r;
}

/* Everything else is as delivered: it is what people get that is measured. */
static int write_config(const struct server *s, const struct server_settings *more) {
        _cleanup_(fd_closep) int fd = open_in_dir(s, "latch.ini");
        const char *user = geteuid() != 0      ? ""
                           : getpwnam("latch") ? "user = latch\n"
                                               : "user = nobody\n";
        char text[1024];

        if (fd < 0)
                return fd;
        int n = snprintf(text, sizeof text,
                         "[server]\n%s%s[limits]\nruns_per_minute = 100000\n%s%s", user,
                         more->server, more->limits, more->sections);
        return n < 0 || (size_t)n >= sizeof text ? -EINVAL : fd_write_all(fd, text, (size_t)n);
}

/* ---- starting ---- */

/* latchd says on stdout that it is ready, after the port file stands. -EPIPE: it ended before. */
static int await_ready(const struct server *s, uint64_t deadline_ns) {
        char text[8192];
        size_t n = 0;

        while (n < sizeof text - 1) {
                int r = fd_wait(s->latchd.out, POLLIN, deadline_ns);
                if (r < 0)
                        return r;
                ssize_t k = read(s->latchd.out, text + n, sizeof text - 1 - n);
                if (k <= 0)
                        return -EPIPE;
                n += (size_t)k;
                text[n] = '\0';
                if (strstr(text, "is ready"))
                        return 0;
        }
        return -EPROTO;
}

static int parse_address(const char *text, struct site *ret) {
        char host[64] = "";
        unsigned port = 0;

        if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port == 0 || port > 65535)
                return -EINVAL;
        ret->port = port;
        return str_copy(ret->host, sizeof ret->host, host);
}

static int read_address(struct server *s) {
        _cleanup_(fd_closep) int fd = open_in_dir(s, "port");
        _cleanup_(freep) char *text = NULL;
        size_t n;

        if (fd < 0)
                return fd;
        int r = fd_read_file(fd, 256, &text, &n);
        return r < 0 ? r : parse_address(text, &s->site);
}

static void show_log(const struct server *s) {
        char text[4096];
        struct stat st;

        if (fstat(s->log, &st) < 0)
                return;
        off_t from = st.st_size > (off_t)sizeof text ? st.st_size - (off_t)sizeof text : 0;
        ssize_t n = pread(s->log, text, sizeof text, from);
        if (n > 0)
                (void)fwrite(text, 1, (size_t)n, stderr);
}

static int launch(struct server *s) {
        char program[PATH_MAX], port_file[PATH_MAX], config[PATH_MAX];
        const char *const argv[] = {"latchd",      "--data",  s->data,    "--listen", "127.0.0.1:0",
                                    "--port-file", port_file, "--config", config,     NULL};
        int r = format(program, sizeof program, "%s/%s", s->bin, "latchd");

        if (r == 0)
                r = format(port_file, sizeof port_file, "%s/%s", s->dir, "port");
        if (r == 0)
                r = format(config, sizeof config, "%s/%s", s->dir, "latch.ini");
        if (r < 0)
                return r;
        return process_start(&(struct process_plan){program, argv, s->log, .out = true},
                             &s->latchd);
}

int server_start(struct server *s, const struct server_settings *settings, uint64_t deadline_ns) {
        *s = (struct server){.log = -1, .latchd = PROCESS_NONE};

        int r = find_bin(s);
        if (r == 0)
                r = make_dir(s);
        if (r == 0)
                r = move_bin(s);
        if (r == 0)
                r = write_config(s, settings);
        if (r == 0) {
                s->log = open_in_dir(s, "log");
                r = MIN(s->log, 0);
        }
        if (r == 0)
                r = launch(s);
        if (r == 0)
                r = await_ready(s, deadline_ns);
        if (r == 0)
                r = read_address(s);
        if (r < 0) {
                fprintf(stderr, "latch-bench: latchd did not start: %s\n", strerror(-r));
                show_log(s);
                process_end(&s->latchd);
                if (server_end(s) < 0)
                        fprintf(stderr, "latch-bench: and what it left could not be removed\n");
        }
        return r;
}

int server_use(struct server *s, const char *url, const char *data) {
        *s = (struct server){.log = STDERR_FILENO, .latchd = PROCESS_NONE};

        int r = str_starts(url, "http://") ? parse_address(url + strlen("http://"), &s->site)
                                           : -EINVAL;
        if (r < 0)
                fprintf(stderr,
                        "latch-bench: --url wants http://ADDRESS:PORT, the address an IPv4 one\n");
        if (r == 0)
                r = find_bin(s);
        return r == 0 && data ? str_copy(s->data, sizeof s->data, data) : r;
}

/* ---- latchctl ---- */

static int run_ctl(struct server *s, const char *const *argv, const char *input,
                   uint64_t deadline_ns) {
        _cleanup_(process_end) struct process p = PROCESS_NONE;
        char program[PATH_MAX];
        int r = format(program, sizeof program, "%s/%s", s->bin, "latchctl");

        if (r == 0)
                r = process_start(&(struct process_plan){program, argv, s->log, .in = true}, &p);
        if (r == 0 && input)
                r = fd_write_all(p.in, input, strlen(input));
        if (r < 0)
                return r;
        p.in = fd_close(p.in);
        r = process_wait(&p, deadline_ns);
        return r > 0 ? -EREMOTEIO : r;
}

int server_add_user(struct server *s, const char *name, const char *password,
                    uint64_t deadline_ns) {
        const char *const argv[] = {
                "latchctl", "--data",           s->data, "user", "add", name, "--role",
                "student",  "--password-stdin", NULL};
        char line[128];
        int r = format(line, sizeof line, "%s%s", password, "\n");

        if (r == 0)
                r = run_ctl(s, argv, line, deadline_ns);
        if (r < 0) {
                fprintf(stderr, "latch-bench: latchctl user add %s: %s\n", name, strerror(-r));
                if (s->dir[0])
                        show_log(s);
        }
        return r;
}

/* ---- ending ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        (void)st;
        (void)ftw;
        return flag == FTW_DP || flag == FTW_DNR ? rmdir(path) : unlink(path);
}

static int end_latchd(struct server *s) {
        const char *const argv[] = {"latchctl", "--data", s->data, "stop", "--end-sessions", NULL};
        uint64_t deadline = clock_mono_ns() + STOP_NS;

        if (s->latchd.pid == 0)
                return 0;
        int r = run_ctl(s, argv, NULL, deadline);
        if (r == 0)
                r = process_wait(&s->latchd, deadline);
        process_end(&s->latchd);
        return r > 0 ? -EREMOTEIO : r;
}

int server_end(struct server *s) {
        if (s->dir[0] == '\0')
                return 0;
        int r = end_latchd(s);
        if (r < 0) {
                fprintf(stderr, "latch-bench: latchd did not end cleanly: %s\n", strerror(-r));
                show_log(s);
        }
        s->log = fd_close(s->log);
        if (nftw(s->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0 && r == 0) {
                r = -errno;
                fprintf(stderr, "latch-bench: %s: %s\n", s->dir, strerror(errno));
        }
        s->dir[0] = '\0';
        return r;
}
