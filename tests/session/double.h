/* double.h - a holder that the test plays: it listens where holders do, speaks hold/hold_proto.h, and has a
 * real ring; what it writes and when it ends is the test's to say. The real one is in test_open.c.
 *
 * Threads: one of its own answers latchd; the rest is the test's.
 */
#pragma once

#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "hold/hold_proto.h"
#include "ring/ring.h"
#include "world.h"

#define DOUBLE_KEYS 16

struct double_key {
        uint8_t key[HOLD_KEY_BYTES];
        uint64_t count;
};

struct holder_double {
        char id[RANDOM_ID_CHARS + 1], user[33], path[128];
        bool tty, mute, deaf, ends_on_stop; /* fixed at the start */
        uint32_t version;                   /* the same; 0: the oldest, which has no screen */
        /* Answers HOLD_ASK_SNAPSHOT, with the lock held. NULL: it is never to be asked. */
        void (*draw)(struct holder_double *h, uint64_t tag);
        int listen_fd, conn, wake, data, control;
        int child; /* pid of what stands for the cage's init */
        int pidfd;
        struct ring_writer *ring;
        struct ring_data *raw; /* a mapping from before the seals: for lies */
        pthread_t thread;
        atomic_bool stop;
        atomic_uint turns;    /* of the thread */
        pthread_mutex_t lock; /* of all below, and of the ring */
        bool ended, forgotten, shut;
        struct hold_exit exit;
        enum hold_type seat; /* the last of GATE and GRACE */
        unsigned gates, graces, stops, signals, resizes, inputs, forgets, pictures;
        size_t largest;
        uint32_t last_signal;
        struct double_key keys[DOUBLE_KEYS];
        size_t keys_n;
        size_t room; /* bytes of input that it takes in all; 0: any */
        struct buf input;
};

#define HELD(h)                                                                                    \
        for (int once_ = (pthread_mutex_lock(&(h)->lock), 1); once_;                               \
             once_ = (pthread_mutex_unlock(&(h)->lock), 0))

static void double_say(struct holder_double *h, const void *m, size_t n, const int *fds, size_t k) {
        if (h->conn >= 0)
                (void)!fd_send(h->conn, m, n, fds, k, 0);
}

static void double_wake(struct holder_double *h) {
        uint64_t one = 1;

        CHECK(write(h->wake, &one, sizeof one) == sizeof one);
}

static void double_hello(struct holder_double *h) {
        struct hold_hello m = {.head.type = HOLD_HELLO,
                               .version = h->version ? h->version : HOLD_VERSION_MIN,
                               .pid = (uint32_t)getpid(),
                               .kind = 0,
                               .tty = h->tty,
                               .cols = 80,
                               .rows = 24,
                               .started_ms = clock_real_ms()};
        struct hold_head started = {.type = HOLD_STARTED};

        memcpy(m.id, h->id, sizeof m.id);
        snprintf(m.user, sizeof m.user, "%s", h->user);
        snprintf(m.path, sizeof m.path, "%s", h->path);
        double_say(h, &m, sizeof m, (int[]){h->data, h->control, h->wake}, 3);
        double_say(h, &started, sizeof started, &h->pidfd, 1);
        if (h->ended)
                double_say(h, &h->exit, sizeof h->exit, NULL, 0);
}

/* The first word of one that was mute, to whoever has called it. */
_unused_ static void double_speak(struct holder_double *h) {
        uint64_t until = clock_mono_ns() + PATIENCE_NS;

        for (bool said = false; !said; usleep(1000)) {
                CHECK(clock_mono_ns() < until);
                HELD(h) {
                        said = h->conn >= 0;
                        double_hello(h);
                }
        }
}

static struct double_key *double_key(struct holder_double *h, const uint8_t *key) {
        for (size_t i = 0; i < h->keys_n; i++)
                if (memcmp(h->keys[i].key, key, HOLD_KEY_BYTES) == 0)
                        return &h->keys[i];
        CHECK(h->keys_n < DOUBLE_KEYS);
        memcpy(h->keys[h->keys_n].key, key, HOLD_KEY_BYTES);
        return &h->keys[h->keys_n++];
}

static void double_input(struct holder_double *h, const struct hold_input *m, size_t n) {
        struct double_key *k = double_key(h, m->key);
        struct hold_mark mark = {.head.type = HOLD_INPUT_ACK, .tag = m->tag};
        const char *bytes = (const char *)(m + 1);

        h->inputs++;
        h->largest = MAX(h->largest, n);
        if (m->offset > k->count) {
                mark.head.type = HOLD_INPUT_REFUSED;
                mark.code = HOLD_REFUSED_HOLE;
        } else if (m->offset + n > k->count) {
                size_t skip = (size_t)(k->count - m->offset), take = n - skip;
                if (h->room && take > h->room - h->input.n) {
                        take = h->room - h->input.n;
                        mark.head.type = HOLD_INPUT_REFUSED;
                        mark.code = HOLD_REFUSED_FULL;
                }
                CHECK(buf_add(&h->input, bytes + skip, take) == 0);
                k->count += take;
        }
        mark.offset = k->count;
        double_say(h, &mark, sizeof mark, NULL, 0);
}

/* With the lock held. */
static void double_end(struct holder_double *h, enum hold_verdict verdict, int code) {
        if (h->ended)
                return;
        (void)!ring_writer_eof(h->ring);
        h->ended = true;
        h->exit = (struct hold_exit){.head.type = HOLD_EXIT,
                                     .code = code,
                                     .verdict = verdict,
                                     .wall_ms = 7,
                                     .cpu_ms = 3,
                                     .peak_bytes = 4096,
                                     .offset = ring_writer_head(h->ring)};
        double_wake(h);
        double_say(h, &h->exit, sizeof h->exit, NULL, 0);
}

static void double_obey(struct holder_double *h, const char *message, size_t n) {
        const struct hold_head *head = (const void *)message;
        const struct hold_resize *resize = (const void *)message;
        const struct hold_query *query = (const void *)message;

        switch (head->type) {
        case HOLD_INPUT:
                double_input(h, (const void *)message, n - sizeof(struct hold_input));
                break;
        case HOLD_RESIZE: {
                struct hold_resize m = *resize;
                m.head.type = HOLD_RESIZED;
                h->resizes++;
                double_say(h, &m, sizeof m, NULL, 0);
                break;
        }
        case HOLD_QUERY_INPUT: {
                struct hold_mark m = {.head.type = HOLD_INPUT_AT,
                                      .tag = query->tag,
                                      .offset = double_key(h, query->key)->count};
                double_say(h, &m, sizeof m, NULL, 0);
                break;
        }
        case HOLD_ASK_SNAPSHOT:
                CHECK(h->draw);
                h->pictures++;
                h->draw(h, query->tag);
                break;
        case HOLD_SIGNAL:
                h->signals++;
                h->last_signal = ((const struct hold_signal *)(const void *)message)->signal;
                break;
        case HOLD_STOP:
                h->stops++;
                if (h->ends_on_stop)
                        double_end(h, HOLD_STOPPED, 0);
                break;
        case HOLD_GATE:
                h->gates++;
                h->seat = head->type;
                break;
        case HOLD_GRACE:
                h->graces++;
                h->seat = head->type;
                break;
        case HOLD_FORGET:
                h->forgets++;
                h->forgotten = true;
                break;
        default: CHECK(!"a message of latchd");
        }
}

static void double_kill_child(struct holder_double *h) {
        int status;

        if (h->child > 0) {
                kill(h->child, SIGKILL);
                CHECK(waitpid(h->child, &status, 0) == h->child);
        }
        h->child = 0;
}

static void double_hang_up(struct holder_double *h) {
        h->conn = fd_close(h->conn);
        h->listen_fd = fd_close(h->listen_fd);
}

static void *double_main(void *arg) {
        static _Thread_local _Alignas(8) char message[HOLD_MESSAGE_MAX];
        struct holder_double *h = arg;

        while (!atomic_load(&h->stop)) {
                atomic_fetch_add(&h->turns, 1);
                struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
                HELD(h) {
                        p[0].fd = h->listen_fd;
                        p[1].fd = h->deaf ? -1 : h->conn;
                }
                if (poll(p, 2, 5) <= 0)
                        continue;
                HELD(h) {
                        if (p[0].revents && h->listen_fd >= 0) {
                                fd_close(h->conn);
                                h->conn = accept(h->listen_fd, NULL, NULL);
                                if (!h->mute)
                                        double_hello(h);
                        }
                        if (p[1].revents && h->conn >= 0) {
                                ssize_t n = fd_recv(h->conn, message, sizeof message, NULL, NULL,
                                                    MSG_DONTWAIT);
                                if (n <= 0 && n != -EAGAIN && n != -ECONNRESET)
                                        h->conn = fd_close(h->conn);
                                else if (n > 0)
                                        double_obey(h, message, (size_t)n);
                                if (h->forgotten) {
                                        double_kill_child(h);
                                        double_hang_up(h);
                                }
                        }
                }
        }
        return NULL;
}

static void double_listen(struct holder_double *h) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        snprintf(a.sun_path, sizeof a.sun_path, "%s/sessions/%s.sock", world.dir, h->id);
        h->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(h->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(h->listen_fd, 4), 0);
}

/* The first process of a pid namespace, as a cage's init is. */
static pid_t double_cage(void) {
        long pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);

        if (pid < 0 && errno == EPERM)
                pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL,
                              NULL);
        if (pid == 0) {
                (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                for (;;)
                        (void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
        }
        return (pid_t)pid;
}

/* A holder with these properties (id and user may be ""), and a process that stands for the cage's init. */
_unused_ static struct holder_double *double_new(const struct holder_double *like) {
        struct holder_double *h = calloc(1, sizeof *h);

        assert_non_null(h);
        *h = *like;
        random_id(h->id);
        if (!h->user[0])
                strcpy(h->user, "ann");
        if (!h->path[0])
                snprintf(h->path, sizeof h->path, "home/%.8s.py", h->id);
        h->conn = -1;
        h->input.limit = 64 << 20;
        h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_int_equal(ring_create(h->id, world.config.ring_bytes, &h->data, &h->control), 0);
        h->raw = mmap(NULL, sizeof *h->raw, PROT_READ | PROT_WRITE, MAP_SHARED, h->data, 0);
        assert_true(h->raw != MAP_FAILED);
        assert_int_equal(ring_writer_open(h->data, h->control, &h->ring), 0);
        h->child = double_cage();
        h->pidfd = (int)syscall(SYS_pidfd_open, h->child, 0);
        assert_true(h->pidfd >= 0);
        assert_int_equal(pthread_mutex_init(&h->lock, NULL), 0);
        double_listen(h);
        assert_int_equal(pthread_create(&h->thread, NULL, double_main, h), 0);
        return h;
}

_unused_ static void double_free(struct holder_double *h) {
        char path[200];

        snprintf(path, sizeof path, "%s/sessions/%s.sock", world.dir, h->id);
        (void)unlink(path);
        atomic_store(&h->stop, true);
        assert_int_equal(pthread_join(h->thread, NULL), 0);
        double_kill_child(h);
        double_hang_up(h);
        ring_writer_free(h->ring);
        munmap(h->raw, sizeof *h->raw);
        fd_close(h->data);
        fd_close(h->control);
        fd_close(h->wake);
        fd_close(h->pidfd);
        buf_done(&h->input);
        pthread_mutex_destroy(&h->lock);
        free(h);
}

/* Output, as much as the gate lets through. How many bytes. */
_unused_ static size_t double_write(struct holder_double *h, enum ring_kind kind, const void *data,
                                    size_t n) {
        size_t done = 0;

        HELD(h) {
                while (done < n) {
                        struct iovec iov[2];
                        size_t k = ring_writer_space(h->ring, n - done, iov);
                        if (k == 0)
                                break;
                        size_t first = MIN(k, iov[0].iov_len);
                        memcpy(iov[0].iov_base, (const char *)data + done, first);
                        memcpy(iov[1].iov_base, (const char *)data + done + first, k - first);
                        ring_writer_commit(h->ring, kind, k);
                        done += k;
                        if (ring_writer_publish(h->ring))
                                double_wake(h);
                }
        }
        return done;
}

/* All of it, however long the gate is shut. */
_unused_ static void double_write_all(struct holder_double *h, enum ring_kind kind,
                                      const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                size_t k = 0;
                UNTIL((k = double_write(h, kind, p, n)) > 0);
                p += k;
                n -= k;
        }
}

_unused_ static void double_finish(struct holder_double *h, enum hold_verdict verdict, int code) {
        HELD(h)
        double_end(h, verdict, code);
}

/* Dies without a word, its cage with it; or, with `cage` false, leaving it. */
_unused_ static void double_die(struct holder_double *h, bool cage) {
        HELD(h) {
                if (cage)
                        double_kill_child(h);
                double_hang_up(h);
        }
        unsigned turns = atomic_load(&h->turns); /* a poll under way keeps the listener alive */
        UNTIL(atomic_load(&h->turns) >= turns + 2);
}

#define SEEN(h, field)                                                                             \
        ({                                                                                         \
                unsigned seen_ = 0;                                                                \
                HELD(h)                                                                            \
                seen_ = (unsigned)(h)->field;                                                      \
                seen_;                                                                             \
        })

/* The record that latchd would have written for it. */
_unused_ static void double_record(struct holder_double *h, enum record_state state,
                                   bool tombstone) {
        struct store_session r = {.user_id = str_eq(h->user, "ann") ? world.ann->user_id
                                                                    : world.bob->user_id,
                                  .kind = SESSION_RUN,
                                  .state = state,
                                  .tty = h->tty,
                                  .tombstone = tombstone,
                                  .started_ms = clock_real_ms()};

        memcpy(r.id, h->id, sizeof r.id);
        snprintf(r.path, sizeof r.path, "%s", h->path);
        assert_int_equal(store_session_put(world.store, &r), 0);
}

/* A session with such a holder, found as a starting server finds it, which may have to wait for HELLO. */
_unused_ static struct session *double_session(struct holder_double *h) {
        double_record(h, RECORD_RUNNING, false);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        struct session *s = sessions_find(world.sessions,
                                          str_eq(h->user, "ann") ? world.ann : world.bob, h->id);
        assert_non_null(s);
        UNTIL(session_reaches(s, 0) != -EAGAIN);
        UNTIL(pool_is_idle()); /* its record is written: what follows is not on its strand */
        return s;
}
