/* latchd_main.c - the server: checked, started, listening, until a signal, latchctl or the spawner's end.
 *
 * Order (PROTOCOL.md, "Starting a server"): settings; what they name; DIR and its lock; the spawner; who
 * latchd becomes; store, workers, pump, adoption; only then the door, the port file and the ready line.
 * One way out: end(), from every place after DIR was taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "latch/level.h"
#include "latch/orders.h"
#include "latch/thread.h"
#include "latch/watchdog.h"
#include "main/control.h"
#include "main/host.h"
#include "main/reload.h"
#include "main/server.h"
#include "people/people.h"

#define EXIT_CONFIG 78 /* EX_CONFIG of sysexits(3head) */
#define MS_NS       UINT64_C(1000000)
#define LOOK_NS     (500 * MS_NS) /* between two looks at who holds and who waits, at most */
#define LARGE_BYTES (256 << 10)   /* memory from here on goes back to the system when it is freed */
#define KEPT_BYTES                                                                                 \
        (1 << 20) /* free at an arena's end: sockets come and go without asking for it anew */

struct latchd {
        const struct config *config;
        struct reload reload;
        struct host host;
        int signals;
        struct server *server;
        struct control *control;
        char address[96]; /* where HTTP is served, once it is */
        bool end_sessions;
        int status; /* of the process, once it ends */
};

/* Says it to people, and yields the exit status: 78 where words name a setting. Takes words. */
static int refuse(int error, char *words, const char *step) {
        int status = error == -EINVAL && words ? EXIT_CONFIG : EXIT_FAILURE;

        if (words)
                fprintf(stderr, "latchd: %s\n", words);
        else
                fprintf(stderr, "latchd: %s: %s\n", step, strerror(-error));
        free(words);
        return status;
}

/* All but those that a bug raises; every thread inherits it. SIGPIPE stays blocked, too: writes say EPIPE. */
static int block_signals(int *ret_fd) {
        static const int bugs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
        sigset_t all, ours;

        sigfillset(&all);
        for (size_t i = 0; i < ELEMENTS(bugs); i++)
                sigdelset(&all, bugs[i]);
        sigemptyset(&ours);
        sigaddset(&ours, SIGTERM);
        sigaddset(&ours, SIGINT);
        sigaddset(&ours, SIGHUP);
        int r = pthread_sigmask(SIG_SETMASK, &all, NULL);
        if (r != 0)
                return -r;
        int fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

/* ---- telling ---- */

/* Whoever waits for the file never reads a half of it, nor an earlier server's. */
static int write_port_file(const char *path, const char *address) {
        _cleanup_(freep) char *fresh = str_printf("%s.new", path);
        _cleanup_(freep) char *line = str_printf("%s\n", address);

        if (!fresh || !line)
                return -ENOMEM;
        if (unlink(fresh) < 0 && errno != ENOENT)
                return -errno;
        _cleanup_(fd_closep) int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        int r = fd_write_all(fd, line, strlen(line));
        if (r == 0 && rename(fresh, path) < 0)
                r = -errno;
        return r;
}

/* The way to us for a browser on this machine: an address that stands for all is not one to go to. */
static char *url_of(const struct config *c, const char *address) {
        if (c->public_url[0])
                return str_printf("%s", c->public_url);
        if (str_starts(address, "0.0.0.0:"))
                return str_printf("http://127.0.0.1%s", strchr(address, ':'));
        return str_printf("http://%s", address);
}

/* Once, to the terminal alone: neither password nor link is ever logged. */
static int welcome_first(struct latchd *d, const char *url) {
        struct people_first first;
        bool made;

        int r = people_make_first(server_people(d->server), &made, &first);
        if (r < 0 || !made)
                return r;
        r = audit_note_durable(server_audit(d->server),
                               &(struct audit_event){.what = "admin.user_add", .object = "admin"});
        /* Said even so: it cannot be said again. */
        int n = printf("First start: the user admin was made.\n"
                       "  password: %s\n"
                       "  sign in, once, with this link: %s/#link=%s\n",
                       first.password, url, first.link);
        explicit_bzero(&first, sizeof first);
        return n < 0 || fflush(stdout) != 0 ? -EIO : r;
}

static int announce(struct latchd *d, const char *address) {
        _cleanup_(freep) char *url = url_of(d->config, address);

        if (!url)
                return -ENOMEM;
        int r = welcome_first(d, url);
        if (r == 0 && d->config->port_file[0])
                r = write_port_file(d->config->port_file, address);
        if (r < 0)
                return r;
        log_event(LOG_INFO, "server.ready", LOG_S("version", LATCH_VERSION),
                  LOG_S("address", address), LOG_I("pid", getpid()));
        if (printf("Latch %s is ready: %s/\n", LATCH_VERSION, url) < 0 || fflush(stdout) != 0)
                log_event(LOG_WARN, "server.stdout", LOG_E(EIO));
        return 0;
}

/* ---- starting ---- */

static int watch_locks(const struct config *c) {
        uint64_t slow_ns = c->lock_slow_ms * MS_NS;

        return latch_watchdog_start(&(struct latch_watchdog){
                .hold_ns = slow_ns,
                .wait_ns = slow_ns,
                .period_ns = slow_ns && slow_ns / 4 < LOOK_NS ? slow_ns / 4 : LOOK_NS,
        });
}

static int start(struct latchd *d) {
        const struct server_deps deps = {
                .config = d->config,
                .spawner = d->host.spawner,
                .users_apart = d->host.who.root ? "uid" : "namespace",
        };
        char *words = NULL;

        int r = block_signals(&d->signals);
        if (r < 0)
                return refuse(r, NULL, "signals");
        r = watch_locks(d->config);
        if (r < 0)
                return refuse(r, NULL, "watch of locks");
        r = server_open(&deps, &d->server, &words);
        if (r < 0)
                return refuse(r, words, d->config->data);
        r = control_open(&(struct control_deps){.config = d->config,
                                                .people = server_people(d->server),
                                                .audit = server_audit(d->server),
                                                .reload = &d->reload,
                                                .address = d->address},
                         &d->control);
        if (r < 0)
                return refuse(r, NULL, "control.sock");
        if (d->config->port_file[0] && unlink(d->config->port_file) < 0 && errno != ENOENT)
                return refuse(
                        -EINVAL,
                        str_printf("--port-file: %s: %s", d->config->port_file, strerror(errno)),
                        "--port-file");
        r = server_listen(d->server, d->address, sizeof d->address, &words);
        if (r < 0)
                return refuse(r, words, "server.listen");
        r = spawner_verdict(d->host.spawner, &words); /* it has tried the cage meanwhile */
        if (r < 0)
                return refuse(r, words, "sandbox");
        r = server_admit(d->server);
        if (r == 0)
                r = announce(d, d->address);
        return r < 0 ? refuse(r == -EINVAL ? -EIO : r, NULL, "start") : 0;
}

/* ---- running ---- */

/* The log says what came of it. */
static void reload(const struct latchd *d) {
        struct config_change *changes = NULL;
        char *words = NULL;
        size_t n;
        int r = reload_settings(&d->reload, &changes, &n, &words);

        (void)r;
        free(changes);
        free(words);
}

/* True: time to end. */
static bool on_signal(const struct latchd *d) {
        struct signalfd_siginfo s;

        if (read(d->signals, &s, sizeof s) != sizeof s)
                return false;
        if (s.ssi_signo == SIGHUP) {
                reload(d);
                return false;
        }
        log_event(LOG_INFO, "server.stop",
                  LOG_S("cause", s.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"));
        return true;
}

static void run(struct latchd *d) {
        struct pollfd fds[] = {
                {.fd = d->signals, .events = POLLIN},
                {.fd = control_fd(d->control), .events = POLLIN},
                {.fd = spawner_fd(d->host.spawner), .events = POLLIN},
        };

        for (;;) {
                if (poll(fds, ELEMENTS(fds), -1) < 0) {
                        CHECK(errno == EINTR);
                        continue;
                }
                if (fds[0].revents && on_signal(d))
                        return;
                if (fds[1].revents)
                        control_dispatch(d->control);
                if (control_stop_wanted(d->control, &d->end_sessions)) {
                        log_event(LOG_INFO, "server.stop", LOG_S("cause", "latchctl"));
                        return;
                }
                if (fds[2].revents & (POLLHUP | POLLERR)) {
                        log_event(LOG_ERROR, "server.stop", LOG_S("cause", "the spawner ended"));
                        d->status = EXIT_FAILURE;
                        return;
                }
        }
}

/* DIR is let go before latchctl hears that the server has stopped: then the next one may start. */
static void end(struct latchd *d) {
        if (d->control)
                control_close(d->control);
        bool closed = server_close(d->server, d->end_sessions);
        host_done(&d->host);
        control_free(d->control);
        fd_close(d->signals);
        latch_watchdog_stop();
        log_event(LOG_INFO, "server.ended", LOG_I("status", d->status));
        if (closed)
                return;
        latch_orders_save();
        _exit(d->status); /* threads still run: nothing may be torn down under them */
}

static int serve(const struct config *config, const struct reload *again) {
        struct latchd d = {.config = config, .reload = *again, .signals = -1};
        char *words = NULL;

        int r = host_check(config, &d.host, &words);
        if (r < 0)
                return refuse(r, words, "start");
        if (config->check_config)
                return EXIT_SUCCESS;
        r = host_take(&d.host, &words);
        if (r < 0) {
                host_done(&d.host);
                return refuse(r, words, config->data);
        }
        d.status = start(&d);
        if (d.status == EXIT_SUCCESS)
                run(&d);
        end(&d);
        return d.status;
}

/* Whoever started us with one of these closed would find log lines in the store, which had got its number. */
static int hold_standard_fds(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd < 0)
                return -errno;
        fd_close(fd);
        return 0;
}

int main(int argc, char **argv) {
        struct config config;
        char *words = NULL;

        if (hold_standard_fds() < 0)
                return EXIT_FAILURE;
        /* Where it moves by itself, one large message is enough, and what comes after it is never given back. */
        (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES); /* sanitizers have none */
        (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);

        int r = config_load(argc, argv, &config, &words);
        if (r < 0)
                return refuse(r, words, "settings");
        log_set_level((enum log_level)config.log_level);
        if (config.print_config) {
                config_print(&config, stdout);
                return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        CHECK(latch_set_level(config.lock_level) == 0);
        latch_thread_begin("latchd");
        int status = serve(&config, &(struct reload){argc, argv, &config});
        latch_thread_end();
        return status;
}
