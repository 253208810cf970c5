/* The contract is in main/control.h. */
#include "main/control_private.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "session/session.h"
#include "store/datadir.h"

/* ---- answers ---- */

void control_send(int fd, json_t *reply) {
        _cleanup_(freep) char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
        const char *last_resort = "{\"ok\":false,\"error\":\"the server is out of memory\"}";
        const char *what = text ? text : last_resort;
        int r = fd_send(fd, what, strlen(what), NULL, 0, MSG_DONTWAIT);

        if (r < 0)
                log_event(LOG_WARN, "control.reply", LOG_E(r));
        json_decref(reply);
}

json_t *control_refusal(const char *words) {
        return json_pack("{s:b, s:s}", "ok", 0, "error", words);
}

json_t *control_note(struct control *c, const char *what, const char *object, int error) {
        int r = audit_note_durable(
                c->deps.audit,
                &(struct audit_event){.what = what, .object = object, .error = error});
        char words[160];

        if (r == 0)
                return NULL;
        log_event(LOG_ERROR, "control.audit", LOG_S("what", what), LOG_E(r));
        snprintf(words, sizeof words, "%s, but the audit log could not be written: %s",
                 error ? "it was refused" : "it was done", strerror(-r));
        return control_refusal(words);
}

/* ---- commands ---- */

/* The answer comes with the end: then `latchctl stop` returns when there is nothing left to wait for. */
static json_t *stop(struct control *c, const json_t *m) {
        if (c->stop)
                return control_refusal("the server is stopping already");
        audit_note(c->deps.audit, &(struct audit_event){.what = "admin.stop"});
        c->stop = true;
        c->end_sessions = json_is_true(json_object_get(m, "end_sessions"));
        c->stop_asker = TAKE_FD(*c->asking);
        return NULL;
}

static json_t *audit_flushed(struct control *c, const json_t *m) {
        int r = audit_flush(c->deps.audit);

        (void)m;
        return r < 0 ? control_refusal(r == -ENOSPC ? "the audit log: the disk is full"
                                                    : "the audit log could not be written")
                     : json_pack("{s:b}", "ok", 1);
}

static const struct {
        const char *command;
        control_handler *handle;
} commands[] = {
        {"user.add", control_user_add},
        {"course.add", control_course_add},
        {"course.teacher", control_course_teacher},
        {"user.list", control_user_list},
        {"user.password", control_user_act},
        {"user.link", control_user_act},
        {"user.role", control_user_act},
        {"user.disable", control_user_act},
        {"user.enable", control_user_act},
        {"user.delete", control_user_act},
        {"user.purge", control_user_act},
        {"user.sign_out", control_user_act},
        {"session.list", control_session_list},
        {"session.kill", control_session_kill},
        {"session.send", control_session_send},
        {"session.wait", control_session_wait},
        {"session.attach", control_session_attach},
        {"locks", control_locks},
        {"locks.trace", control_locks_trace},
        {"locks.level", control_locks_level},
        {"locks.waits", control_locks_waits},
        {"reload", control_reload},
        {"audit.flush", audit_flushed},
        {"stop", stop},
};

/* Answers, or keeps *fd for later. */
static void carry_out(struct control *c, const char *text, size_t n, int *fd) {
        json_t *m = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
        const char *command = json_string_value(json_object_get(m, "command"));
        json_t *reply = NULL;
        bool known = false;

        c->asking = fd;
        for (size_t i = 0; !known && i < ELEMENTS(commands); i++) {
                known = str_eq(commands[i].command, command);
                if (known)
                        reply = commands[i].handle(c, m);
        }
        if (!known)
                reply = control_refusal("there is no such command");
        c->asking = NULL;
        if (*fd >= 0)
                control_send(*fd, reply);
        json_decref(m);
}

/* ---- peers ---- */

static bool may_ask(int fd) {
        struct ucred who;
        socklen_t n = sizeof who;

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
               (who.uid == 0 || who.uid == geteuid());
}

static int watch(struct control *c, int fd, uint32_t events) {
        struct epoll_event e = {.events = events, .data.fd = fd};

        return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static void forget_peer(struct control *c, size_t i) {
        fd_close(c->peers[i]);
        memmove(&c->peers[i], &c->peers[i + 1], (CONTROL_PEERS - i - 1) * sizeof *c->peers);
        c->peers[CONTROL_PEERS - 1] = -1;
}

static void admit(struct control *c) {
        int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return; /* it went away, or we are short of descriptors: it is tried again */
        if (!may_ask(fd) || watch(c, fd, EPOLLIN) < 0) {
                fd_close(fd);
                return;
        }
        if (c->peers[CONTROL_PEERS - 1] >= 0)
                forget_peer(c, 0);
        for (size_t i = 0; i < CONTROL_PEERS; i++) {
                if (c->peers[i] < 0) {
                        c->peers[i] = fd;
                        return;
                }
        }
}

static void hear(struct control *c, size_t i) {
        _cleanup_(freep) char *text = malloc(DATADIR_MESSAGE_MAX);
        ssize_t n = text ? fd_recv(c->peers[i], text, DATADIR_MESSAGE_MAX, NULL, NULL, MSG_DONTWAIT)
                         : -ENOMEM;

        if (n == -EAGAIN)
                return;
        if (n > 0)
                carry_out(c, text, (size_t)n, &c->peers[i]);
        if (text)
                explicit_bzero(text, DATADIR_MESSAGE_MAX); /* it may hold a password */
        forget_peer(c, i);
}

/* Whoever waits has said all that it has to say: it is gone. */
static void forget_waiter(struct control *c, int fd) {
        for (size_t i = 0; i < CONTROL_WAITERS; i++)
                if (c->waiters[i].fd == fd)
                        c->waiters[i].fd = fd_close(fd);
}

static void on_event(struct control *c, int fd) {
        if (fd == c->listener) {
                admit(c);
                return;
        }
        if (fd == c->over) {
                control_answer_waiters(c);
                return;
        }
        for (size_t i = 0; i < CONTROL_PEERS; i++) {
                if (c->peers[i] == fd) {
                        hear(c, i);
                        return;
                }
        }
        forget_waiter(c, fd);
}

void control_dispatch(struct control *c) {
        struct epoll_event events[CONTROL_PEERS + 2];
        int n = epoll_wait(c->epoll, events, ELEMENTS(events), 0);

        for (int e = 0; e < n; e++)
                on_event(c, events[e].data.fd);
}

int control_fd(const struct control *c) {
        return c->epoll;
}

bool control_stop_wanted(const struct control *c, bool *ret_end_sessions) {
        if (c->stop)
                *ret_end_sessions = c->end_sessions;
        return c->stop;
}

/* ---- life ---- */

int control_open(const struct control_deps *deps, struct control **ret) {
        struct control *c = malloc(sizeof *c);

        if (!c)
                return -ENOMEM;
        *c = (struct control){.deps = *deps, .listener = -1, .stop_asker = -1};
        for (size_t i = 0; i < CONTROL_PEERS; i++)
                c->peers[i] = -1;
        for (size_t i = 0; i < CONTROL_WAITERS; i++)
                c->waiters[i].fd = -1;
        c->over = deps->people->sessions ? sessions_over_fd(deps->people->sessions) : -1;
        c->epoll = epoll_create1(EPOLL_CLOEXEC);
        int r = c->epoll < 0 ? -errno : 0;
        if (r == 0)
                r = datadir_listen(deps->config->data, &c->listener);
        if (r == 0)
                r = watch(c, c->listener, EPOLLIN);
        if (r == 0 && c->over >= 0)
                r = watch(c, c->over, EPOLLIN | EPOLLET);
        if (r < 0) {
                control_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

void control_close(struct control *c) {
        _cleanup_(freep) char *path = str_printf("%s/control.sock", c->deps.config->data);

        if (c->listener >= 0 && path && unlink(path) < 0)
                log_event(LOG_WARN, "control.close", LOG_E(errno));
        c->listener = fd_close(c->listener);
}

struct control *control_free(struct control *c) {
        if (!c)
                return NULL;
        if (c->stop_asker >= 0)
                control_send(c->stop_asker, json_pack("{s:b}", "ok", 1));
        fd_close(c->stop_asker);
        for (size_t i = 0; i < CONTROL_PEERS; i++)
                fd_close(c->peers[i]);
        for (size_t i = 0; i < CONTROL_WAITERS; i++)
                fd_close(c->waiters[i].fd);
        fd_close(c->listener);
        fd_close(c->epoll);
        latch_trace_free(c->trace);
        free(c);
        return NULL;
}
