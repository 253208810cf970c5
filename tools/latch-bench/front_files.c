/* front_files.c - see front.h: a file in and out: what is sent is lasting once it is answered, so its peer is a
 * write that lasts; what is fetched has nginx for a peer. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/random.h"
#include "front.h"
#include "pairs.h"

#define ROUNDS      7u
#define BYTES       100000000u
#define QUICK_BYTES 1000000u
#define PIECE       (256u << 10)
#define HEAD_MAX    4096u
#define PATH_BYTES  (PATH_MAX + 64)

struct transfer { /* one side of a case */
        const struct site *site;
        const char *path;  /* of the URL */
        const char *token; /* NULL: none */
        size_t bytes;
        char *piece; /* PIECE bytes */
        uint64_t deadline_ns;
        const char *dir; /* where the bare write goes */
};

static double megabytes_per_s(size_t bytes, uint64_t began_ns) {
        return (double)bytes / ((double)(clock_mono_ns() - began_ns) / 1e9) / 1e6;
}

static int ask(int fd, const struct transfer *t, const char *method, size_t length) {
        char head[1024];
        int n = snprintf(head, sizeof head,
                         "%s %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n%s%s%s", method,
                         t->path, t->site->host, t->site->port,
                         t->token ? "Authorization: Bearer " : "", t->token ? t->token : "",
                         t->token ? "\r\n" : "");

        if (length > 0 && n > 0 && (size_t)n < sizeof head)
                n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", length);
        if (n < 0 || (size_t)n + 2 >= sizeof head)
                return -EINVAL;
        memcpy(head + n, "\r\n", 2);
        return front_send(fd, head, (size_t)n + 2);
}

/* To the end of the stream: the status, and how many bytes of a body came. */
static int take_answer(int fd, struct transfer *t, int *ret_status, size_t *ret_body) {
        char head[HEAD_MAX], *end = NULL;
        size_t n = 0, body;

        while (!end) {
                ssize_t k = recv(fd, head + n, sizeof head - 1 - n, 0);
                if (k <= 0)
                        return k < 0 ? -errno : -EPROTO;
                n += (size_t)k;
                head[n] = '\0';
                end = strstr(head, "\r\n\r\n");
        }
        if (sscanf(head, "HTTP/1.1 %d ", ret_status) != 1)
                return -EPROTO;
        body = n - (size_t)(end + 4 - head);
        for (;;) {
                ssize_t k = recv(fd, t->piece, PIECE, 0);
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                body += (size_t)k;
        }
        *ret_body = body;
        return 0;
}

static int get_turn(void *side, double to[PAIRS_VALUES]) {
        struct transfer *t = side;
        _cleanup_(fd_closep) int fd = -1;
        uint64_t began = clock_mono_ns();
        int status = 0, r = front_connect(t->site, t->deadline_ns, &fd);
        size_t body = 0;

        if (r == 0)
                r = ask(fd, t, "GET", 0);
        if (r == 0)
                r = take_answer(fd, t, &status, &body);
        to[0] = megabytes_per_s(body, began);
        return r == 0 && (status != 200 || body != t->bytes) ? -EREMOTEIO : r;
}

static int put_turn(void *side, double to[PAIRS_VALUES]) {
        struct transfer *t = side;
        _cleanup_(fd_closep) int fd = -1;
        uint64_t began = clock_mono_ns();
        int status = 0, r = front_connect(t->site, t->deadline_ns, &fd);
        size_t answer;

        if (r == 0)
                r = ask(fd, t, "PUT", t->bytes);
        for (size_t sent = 0; sent < t->bytes && r == 0;
             sent += MIN(t->bytes - sent, (size_t)PIECE))
                r = front_send(fd, t->piece, MIN(t->bytes - sent, (size_t)PIECE));
        if (r == 0)
                r = take_answer(fd, t, &status, &answer);
        to[0] = megabytes_per_s(t->bytes, began);
        return r == 0 && status != 200 && status != 201 ? -EREMOTEIO : r;
}

static int write_bytes(const struct transfer *t, const char *path) {
        _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        int r = fd < 0 ? -errno : 0;

        for (size_t done = 0; done < t->bytes && r == 0;
             done += MIN(t->bytes - done, (size_t)PIECE))
                r = fd_write_all(fd, t->piece, MIN(t->bytes - done, (size_t)PIECE));
        return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* The least that replaces a file so that it lasts. */
static int write_turn(void *side, double to[PAIRS_VALUES]) {
        const struct transfer *t = side;
        _cleanup_(fd_closep) int dir = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char staged[PATH_BYTES], path[PATH_BYTES];
        uint64_t began = clock_mono_ns();

        if (dir < 0)
                return -errno;
        (void)snprintf(staged, sizeof staged, "%s/staged", t->dir);
        (void)snprintf(path, sizeof path, "%s/bench.bin", t->dir);
        int r = write_bytes(t, staged);
        if (r == 0 && (rename(staged, path) < 0 || fsync(dir) < 0))
                r = -errno;
        to[0] = megabytes_per_s(t->bytes, began);
        return r;
}

static int measure_put(struct front_run *run, struct transfer *ours, struct transfer *bare) {
        const struct bench_options *o = run->options;
        const struct pairs_plan plan = {
                .bench = "front",
                .name = o->quick ? "put1m" : "put100m",
                .values = 1,
                .names = {"MB_per_s"},
                .ours = {NULL, put_turn, ours},
                .peers = {{"a write and fsync", write_turn, bare}},
                .rounds = bench_rounds(o, ROUNDS),
        };

        return pairs_run(&plan, o->json);
}

static int measure_get(struct front_run *run, struct transfer *ours, struct transfer *bare) {
        const struct bench_options *o = run->options;
        struct listener nginx;
        const struct pairs_plan plan = {
                .bench = "front",
                .name = o->quick ? "get1m" : "get100m",
                .values = 1,
                .names = {"MB_per_s"},
                .ours = {NULL, get_turn, ours},
                .peers = {{"nginx", get_turn, bare}},
                .rounds = bench_rounds(o, ROUNDS),
        };
        int r = front_nginx(run->server, o->deadline_ns, &nginx);

        if (r == -ENOENT) {
                printf(o->json ? "{\"bench\":\"front\",\"case\":\"%s\",\"skipped\":\"nginx is not installed\"}\n"
                               : "%s: skipped, nginx is not installed\n",
                       plan.name);
                return 0;
        }
        if (r < 0)
                return r;
        bare->site = &nginx.site;
        r = pairs_run(&plan, o->json);
        listener_end(&nginx);
        return r;
}

/* Somebody whose files they are. */
static int sign_in(struct front_run *run, struct student *s) {
        const struct bench_options *o = run->options;
        char id[RANDOM_ID_CHARS + 1];

        student_init(s);
        random_id(id);
        (void)snprintf(s->name, sizeof s->name, "bench-%.6s", id);
        (void)snprintf(s->password, sizeof s->password, "%s", id);
        int r = server_add_user(run->server, s->name, s->password, o->deadline_ns);
        if (r == 0)
                student_sign_in(s, &run->server->site, o->deadline_ns);
        if (r == 0 && student_failed(s)) {
                fprintf(stderr, "latch-bench: %s\n", s->trouble);
                r = -EACCES;
        }
        return r;
}

int front_files(struct front_run *run) {
        const struct bench_options *o = run->options;
        char dir[PATH_BYTES];
        struct student student;
        struct transfer ours = {.site = &run->server->site,
                                .path = "/api/files/home/bench.bin",
                                .token = student.token,
                                .bytes = o->quick ? QUICK_BYTES : BYTES,
                                .piece = malloc(PIECE),
                                .deadline_ns = o->deadline_ns};
        struct transfer bare = ours;

        (void)snprintf(dir, sizeof dir, "%s/nginx", run->server->dir);
        bare.dir = dir;
        bare.path = "/bench.bin";
        bare.token = NULL;
        int r = !ours.piece ? -ENOMEM : mkdir(dir, 0755) < 0 ? -errno : sign_in(run, &student);
        if (r == 0) {
                memset(ours.piece, 'x', PIECE);
                r = measure_put(run, &ours, &bare);
        }
        if (r == 0)
                r = measure_get(run, &ours, &bare);
        free(ours.piece);
        return r;
}
