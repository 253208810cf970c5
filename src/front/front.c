/* front.c - see front.h: civetweb's start, its callbacks, its stop. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "front/arrive.h"
#include "front/door.h"
#include "front/front_private.h"
#include "front/head.h"
#include "front/peer.h"
#include "front/serve.h"
#include "front/ws.h"
#include "latch/thread.h"

#define BUDGET_BYTES ((size_t)256 << 20) /* what is coming in, over all clients */
#define PIECE_NS     10000000000ull      /* 16 KiB: a client slower than 1.6 KiB/s is given up */
#define TAKE_NS      30000000000ull      /* 64 KiB of a download */
#define STOP_MS      1000u               /* for the close frames to leave and be answered */
#define STOP_LOOK_MS 5u

/* Of linux/prctl.h, which is older here than the kernel may be. */
#ifndef PR_FUTEX_HASH
#define PR_FUTEX_HASH           78
#define PR_FUTEX_HASH_SET_SLOTS 1
#endif
#define SLEEPER_LISTS 1024

static int on_request(struct mg_connection *conn) {
        return serve(mg_get_user_data(mg_get_context(conn)), conn);
}

/* What civetweb cannot parse, or would answer itself. */
static int on_error(struct mg_connection *conn, int status, const char *message) {
        const struct guest *g = guest_of(conn);
        struct request r;

        if (g && g->refused)
                return 0;
        serve_begin(mg_get_user_data(mg_get_context(conn)), conn, mg_get_request_info(conn), &r);
        http_error(&r, status, "bad_request", message);
        serve_log(&r);
        http_linger(&r);
        return 0;
}

static void on_close(const struct mg_connection *conn) {
        struct guest *g = guest_of(conn);

        arrive_look(conn);
        if (g) {
                ws_leave(g->seat);
                peer_forget(g->own);
        }
        guest_unref(g);
}

/* Anything it complains of while it starts is a start that failed, and these are the words. */
static int on_message(const struct mg_connection *conn, const char *message) {
        struct front *f = mg_get_user_data(mg_get_context(conn));

        if (f && pthread_equal(pthread_self(), f->starter) && !f->started && !f->complaint[0])
                snprintf(f->complaint, sizeof f->complaint, "%s", message);
        else
                log_event(LOG_WARN, "http.library", LOG_S("message", message));
        return 1;
}

static void *on_thread(const struct mg_context *context, int type) {
        (void)context;
        latch_thread_begin(type == 0 ? "accept" : "http");
        return NULL;
}

static void on_thread_end(const struct mg_context *context, int type, void *data) {
        (void)context, (void)type, (void)data;
        latch_thread_end();
}

/* civetweb looks for a password file on each request where nobody else says who may. */
static int on_authorize(struct mg_connection *conn, void *data) {
        (void)conn, (void)data;
        return 1; /* serve() has decided */
}

int front_new(const struct front_deps *deps, struct front **ret) {
        struct front *f = calloc(1, sizeof *f);
        int r;

        if (!f)
                return -ENOMEM;
        f->deps = *deps;
        f->budget.limit = BUDGET_BYTES;
        f->piece_ns = PIECE_NS;
        f->head_ns = ARRIVE_NS;
        f->take_ns = TAKE_NS;
        lobby_init(&f->lobby);
        f->started_ms = clock_real_ms();
        f->admitting = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = f->admitting < 0 ? -errno : 0;
        if (r == 0)
                r = ipv4_nets_parse(deps->config->trusted_proxies, &f->proxies);
        if (r == 0)
                r = registry_new(deps->config->max_sockets, sock_reclaim, &f->socks);
        if (r == 0)
                r = watchdog_new(&f->watchdog);
        if (r < 0) {
                front_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

struct front *front_free(struct front *f) {
        if (!f)
                return NULL;
        CHECK(!f->http);
        watchdog_free(f->watchdog);
        registry_free(f->socks);
        lobby_done(&f->lobby);
        fd_close(f->admitting);
        free(f);
        return NULL;
}

static int fail(char **ret_error, char *message) {
        *ret_error = message;
        return message ? -EINVAL : -ENOMEM;
}

static int check_descriptors(const struct config *c, char **ret_error) {
        rlim_t need = config_files_needed(c);
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return fail(ret_error, str_printf("the limit of open files: %s", strerror(errno)));
        if (limit.rlim_cur >= need)
                return 0;
        if (limit.rlim_max < need)
                return fail(ret_error,
                            str_printf("max_sockets: %u sockets need %llu open files, and "
                                       "the limit (ulimit -Hn) is %llu",
                                       c->max_sockets, (unsigned long long)need,
                                       (unsigned long long)limit.rlim_max));
        limit.rlim_cur = need;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return fail(ret_error, str_printf("the limit of open files: %s", strerror(errno)));
        return 0;
}

/* HOST:PORT as numbers. */
static int parse_address(const char *where, struct sockaddr_in *ret, char **ret_error) {
        const char *colon = strrchr(where, ':');
        char host[64];
        uint64_t port;

        if (!colon || (size_t)(colon - where) >= sizeof host ||
            str_to_u64(colon + 1, 0, 65535, &port) < 0)
                return fail(ret_error, str_printf("listen: %s is no HOST:PORT", where));
        memcpy(host, where, (size_t)(colon - where));
        host[colon - where] = '\0';
        *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        if (inet_pton(AF_INET, host, &ret->sin_addr) != 1)
                return fail(ret_error, str_printf("listen: %s is no IPv4 address", host));
        return 0;
}

/* What the system says of the address: civetweb says less. */
static int check_address(const char *where, const struct sockaddr_in *a, char **ret_error) {
        _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int on = 1;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
            bind(fd, (const struct sockaddr *)a, sizeof *a) < 0 ||
            (a->sin_port && listen(fd, 1) < 0))
                return fail(ret_error, str_printf("listen: %s: %s", where, strerror(errno)));
        return 0;
}

/* Before the first thread of civetweb's: no request comes too early. */
static void on_context(const struct mg_context *context) {
        struct mg_context *http = (struct mg_context *)context;
        struct front *f = mg_get_user_data(context);

        mg_set_auth_handler(http, "**", on_authorize, NULL);
        mg_set_websocket_handler(http, "/v1/ws", ws_connect, ws_ready, NULL, NULL, f);
        mg_set_websocket_handler(http, "/v1/attach/**", ws_connect, ws_ready, NULL, NULL, f);
        mg_set_websocket_handler(http, "/v1/echo", ws_connect, ws_ready, NULL, NULL, f);
}

static void set_callbacks(struct mg_callbacks *c) {
        *c = (struct mg_callbacks){
                .begin_request = on_request,
                .http_error = on_error,
                .log_message = on_message,
                .init_connection = arrive,
                .connection_close = on_close,
                .init_context = on_context,
                .init_thread = on_thread,
                .exit_thread = on_thread_end,
        };
}

/* Linux (6.16) keeps whoever waits for a lock in one of few lists, of a number that follows the processors': with civetweb's
 * thousand threads asleep in one of them, a lock that happens to share it is slow for as long as the process lives. */
static void spread_sleepers(void) {
        (void)prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, SLEEPER_LISTS, 0, 0);
}

/* Signals that arrive on its threads would close connections (facts), so none may. */
static struct mg_context *start(struct front *f) {
        const struct config *c = f->deps.config;
        char threads[16], head_bytes[16];
        const char *options[] = {"listening_ports",
                                 c->listen,
                                 "num_threads",
                                 threads,
                                 "tcp_nodelay",
                                 "1",
                                 "enable_keep_alive",
                                 "no",
                                 "request_timeout_ms",
                                 "8000",
                                 "websocket_timeout_ms",
                                 "1000",
                                 "enable_websocket_ping_pong",
                                 "no",
                                 "decode_url",
                                 "no",
                                 "max_request_size",
                                 head_bytes,
                                 "listen_backlog",
                                 "1024",
                                 "enable_directory_listing",
                                 "no",
                                 "enable_auth_domain_check",
                                 "no",
                                 "access_control_allow_origin",
                                 "",
                                 "access_control_allow_methods",
                                 "",
                                 "access_control_allow_headers",
                                 "",
                                 NULL};
        struct mg_callbacks callbacks;
        struct mg_context *http;
        sigset_t all, before;

        snprintf(threads, sizeof threads, "%u",
                 c->max_sockets + c->http_threads + LOBBY_MAX + CROWD_MAX);
        snprintf(head_bytes, sizeof head_bytes, "%u", HEAD_BYTES_MAX);
        set_callbacks(&callbacks);
        spread_sleepers();
        sigfillset(&all);
        CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
        http = mg_start(&callbacks, f, options);
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
        return http;
}

/* Whoever says nothing gets no thread for a second: the kernel keeps him until his first byte. Not a matter of right or
 * wrong, so that it may fail. */
static void let_wait(uint16_t port) {
        int fd = peer_listener(port), seconds = 1;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

int front_listen(struct front *f, char *address, size_t size, char **ret_error) {
        const char *listen = f->deps.config->listen;
        struct mg_server_port port;
        struct sockaddr_in a;
        int r = check_descriptors(f->deps.config, ret_error);

        if (r == 0)
                r = parse_address(listen, &a, ret_error);
        if (r == 0)
                r = check_address(listen, &a, ret_error);
        if (r < 0)
                return r;
        f->starter = pthread_self();
        f->http = start(f);
        if (!f->http || f->complaint[0] || mg_get_server_ports(f->http, 1, &port) != 1) {
                mg_stop(f->http);
                f->http = NULL;
                return fail(ret_error, str_printf("listen: %s: %s", listen,
                                                  f->complaint[0] ? f->complaint : "cannot serve"));
        }
        f->port = (uint16_t)port.port;
        let_wait(f->port);
        a.sin_port = htons(f->port);
        r = arrive_learn(f, &a);
        if (r == 0)
                r = door_new(f->port, &f->door);
        if (r < 0) {
                mg_stop(f->http);
                f->http = NULL;
                return fail(ret_error, str_printf("listen: %s: it cannot be reached: %s", listen,
                                                  strerror(-r)));
        }
        f->started = true;
        snprintf(address, size, "%.*s:%u", (int)(strrchr(listen, ':') - listen), listen, f->port);
        return 0;
}

/* It stays readable: for all who wait, and for all who come. */
static void let_in(struct front *f) {
        CHECK(eventfd_write(f->admitting, 1) == 0);
}

void front_admit(struct front *f) {
        atomic_store(&f->admitted, true);
        let_in(f);
}

void front_say_goodbye(struct front *f, struct sock *c) {
        unsigned code = atomic_load(&f->stop_code);

        sock_close(c, code, code == 1012 ? "restarting" : "the server ends");
}

static void close_all(struct front *f) {
        struct registry_item **items = NULL;
        size_t n = 0;

        if (registry_list(f->socks, &items, &n) < 0)
                return; /* no memory for goodbyes */
        for (size_t i = 0; i < n; i++) {
                struct sock *c = sock_of_item(items[i]);

                if (c)
                        front_say_goodbye(f, c);
                sock_unref(c);
        }
        registry_list_free(items, n);
}

void front_stop(struct front *f, unsigned close_code) {
        uint64_t until = clock_mono_ms() + STOP_MS;

        if (!f->http)
                return;
        atomic_store(&f->stop_code, close_code);
        atomic_store(&f->stopping, true);
        let_in(f);
        close_all(f);
        while (atomic_load(&f->sockets) > 0 && clock_mono_ms() < until)
                usleep(STOP_LOOK_MS * 1000);
        f->door = door_free(f->door);
        peer_shut_all(f->port);
        mg_stop(f->http);
        f->http = NULL;
}
