/* front_peer.c - see front.h: the peers, started as children and ended by their pid. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/ws.h"
#include "front.h"

#define NGINX      "/usr/sbin/nginx"
#define LOOK_US    10000u
#define PATH_BYTES (PATH_MAX + 64)

/* One process, no workers: it ends with its pid. Large files go out by sendfile, as Debian delivers it. */
static const char nginx_config[] =
        "daemon off;\nmaster_process off;\npid %s/nginx.pid;\nerror_log stderr;\nevents {}\n"
        "http {\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n"
        "  client_body_temp_path %s/t1;\n  proxy_temp_path %s/t2;\n  fastcgi_temp_path %s/t3;\n"
        "  uwsgi_temp_path %s/t4;\n  scgi_temp_path %s/t5;\n"
        "  server { listen 127.0.0.1:%u; root %s/nginx; }\n}\n";

int front_civet(const struct server *s, unsigned threads, uint64_t deadline_ns,
                struct listener *ret) {
        char program[PATH_BYTES], number[16];
        const char *const argv[] = {"civet-echo", number, NULL};

        (void)snprintf(program, sizeof program, "%s/civet-echo", s->bin);
        (void)snprintf(number, sizeof number, "%u", threads);
        return listener_start(program, argv, deadline_ns, ret);
}

static int free_port(unsigned *ret) {
        _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof a;

        if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 ||
            getsockname(fd, (struct sockaddr *)&a, &n) < 0)
                return -errno;
        *ret = ntohs(a.sin_port);
        return 0;
}

static int write_nginx_config(const char *dir, unsigned port, const char *path) {
        _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        _cleanup_(freep) char *text =
                str_printf(nginx_config, dir, dir, dir, dir, dir, dir, port, dir);

        if (fd < 0)
                return -errno;
        return text ? fd_write_all(fd, text, strlen(text)) : -ENOMEM;
}

/* It says nothing when it is ready: we knock until it opens, or has ended. */
static int await_open(struct listener *p, uint64_t deadline_ns) {
        for (;;) {
                int fd, r = tcp_connect(p->site.host, p->site.port, deadline_ns, &fd);

                if (r == 0)
                        fd_close(fd);
                if (r != -ECONNREFUSED)
                        return r;
                if (fd_wait(p->process.pidfd, POLLIN, clock_mono_ns() + LOOK_US * 1000u) == 0)
                        return -ECHILD;
                if (clock_mono_ns() >= deadline_ns)
                        return -ETIMEDOUT;
        }
}

int front_nginx(const struct server *s, uint64_t deadline_ns, struct listener *ret) {
        char config[PATH_BYTES], prefix[PATH_BYTES];
        const char *const argv[] = {"nginx", "-p", prefix, "-c", config, NULL};
        struct listener p = {.process = PROCESS_NONE, .site.host = "127.0.0.1"};

        if (access(NGINX, X_OK) < 0)
                return -ENOENT;
        (void)snprintf(prefix, sizeof prefix, "%s/", s->dir);
        (void)snprintf(config, sizeof config, "%s/nginx.conf", s->dir);
        int r = free_port(&p.site.port);
        if (r == 0)
                r = write_nginx_config(s->dir, p.site.port, config);
        if (r == 0)
                r = process_start(&(struct process_plan){NGINX, argv, s->log, .in = false},
                                  &p.process);
        if (r == 0)
                r = await_open(&p, deadline_ns);
        if (r == 0)
                *ret = p;
        else
                process_end(&p.process);
        return r;
}

static bool is_named(pid_t pid, const char *task, const char *name) {
        _cleanup_(fd_closep) int fd = -1;
        char path[PATH_BYTES], line[32] = "";

        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)pid, task);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, line, sizeof line - 1) <= 0)
                return false;
        line[strcspn(line, "\n")] = '\0';
        return str_eq(line, name);
}

int front_threads(pid_t pid, const char *name, unsigned *ret) {
        char path[64];
        const struct dirent *e;
        unsigned n = 0;

        (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        DIR *d = opendir(path);
        if (!d)
                return -errno;
        while ((e = readdir(d)))
                n += is_named(pid, e->d_name, name);
        (void)closedir(d);
        *ret = n;
        return n > 0 ? 0 : -ESRCH;
}
