/* latch-spawn - the only maker of processes: single-threaded, started before latchd's first thread.
 *
 *     latch-spawn DIR EXEC_DIR BWRAP PYTHON UID_BASE UID_COUNT LATCHD_UID LATCHD_GID
 *
 * Descriptor 3 is a SEQPACKET socket to latchd. It says first whether the cage holds (struct spawn_verdict),
 * then takes requests: struct spawn_spec and its strings, with the socket on which the holder will speak
 * and, for a run, the snapshot. It ends when latchd's end is closed; the holders live on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "spawn/canary.h"
#include "spawn/filter.h"
#include "spawn/launch.h"
#include "spawn/spec_check.h"

#define REQUESTS    3
#define HOLDERS_MAX 8192u
#define INIT_MAX    (8u << 20)
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

struct holder {
        pid_t pid;
        char id[RANDOM_ID_CHARS + 1];
};

static struct {
        struct launcher launcher;
        struct holder *holders; /* of those that live */
        size_t holders_n, holders_cap;
        int signals;
        struct spawn_verdict verdict;
} state;

static int fail(int error, const char *what, const char *path) {
        snprintf(state.verdict.text, sizeof state.verdict.text, "%s %s (%s)", what, path,
                 strerrordesc_np(-error));
        return error;
}

/* ---- start ---- */

static int open_program(const char *dir, const char *name, int *ret) {
        _cleanup_(freep) char *path = *dir ? str_printf("%s/%s", dir, name)
                                           : str_printf("%s", name);
        int fd;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0) {
                int r = fail(-errno, "cannot execute", path);
                fd_close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}

/* A copy that nothing can change and that has no path: what /proc/1/exe in the cage leads to. */
static int copy_init(const char *dir, int *ret) {
        _cleanup_(fd_closep) int from = -1, to = -1;
        _cleanup_(freep) char *data = NULL;
        size_t n;
        int r = open_program(dir, "latch-init", &from);

        if (r == 0)
                r = fd_read_file(from, INIT_MAX, &data, &n);
        if (r < 0)
                return r;
        to = memfd_create("latch-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
        if (to < 0) /* before Linux 6.3 there is no such flag, and every memfd may be executed */
                to = memfd_create("latch-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (to < 0)
                return -errno;
        r = fd_write_all(to, data, n);
        if (r < 0)
                return r;
        if (fchmod(to, 0555) < 0 ||
            fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        /* Executing a file that is open for writing is refused (ETXTBSY). */
        return launch_reopen(to, ret);
}

static int check_python(const char *path) {
        _cleanup_(freep) char *real = realpath(path, NULL);

        if (!real || access(real, X_OK) < 0)
                return fail(-errno, "cannot execute", path);
        if (!str_starts(path, "/usr/") && !str_starts(path, "/bin/"))
                return fail(-EINVAL, "a cage shows of the system only what is below /usr, not",
                            path);
        if (!str_starts(real, "/usr/"))
                return fail(-EINVAL, "a cage shows of the system only what is below /usr, not",
                            real);
        return 0;
}

static int parse(char **argv, struct launcher *l) {
        uint64_t base, count, uid, gid;

        if (argv[1][0] != '/' || str_to_u64(argv[5], 0, UINT32_MAX - 1, &base) < 0 ||
            str_to_u64(argv[6], 0, UINT32_MAX - 1, &count) < 0 ||
            str_to_u64(argv[7], 0, UINT32_MAX - 1, &uid) < 0 ||
            str_to_u64(argv[8], 0, UINT32_MAX - 1, &gid) < 0)
                return -EINVAL;
        l->data = argv[1];
        l->python = argv[4];
        l->root = geteuid() == 0;
        l->uid_base = (uid_t)base;
        l->uid_count = (unsigned)count;
        l->latchd_uid = (uid_t)uid;
        l->latchd_gid = (gid_t)gid;
        if (l->root && (base == 0 || count == 0 || base + count > UINT32_MAX - 1))
                return fail(-EINVAL, "as root, programs need a range of uids of their own, not",
                            argv[5]);
        return 0;
}

static int open_sessions(struct launcher *l) {
        _cleanup_(freep) char *path = str_printf("%s/sessions", l->data);

        if (!path)
                return -ENOMEM;
        l->sessions = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return l->sessions < 0 ? fail(-errno, "cannot open", path) : 0;
}

/* As root: what making a session needs, and nothing of the rest. A child that becomes its user has none. */
static int keep_few_privileges(void) {
        const uint64_t kept = UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID |
                              UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_DAC_OVERRIDE;
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2] = {
                {.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
                {.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)},
        };

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int start(char **argv) {
        struct launcher *l = &state.launcher;
        int r = parse(argv, l);

        if (r == 0)
                r = open_sessions(l);
        if (r == 0)
                r = open_program(argv[2], "latch-hold", &l->hold);
        if (r == 0)
                r = copy_init(argv[2], &l->init);
        if (r == 0)
                r = open_program("", argv[3], &l->bwrap);
        if (r == 0)
                r = check_python(l->python);
        if (r == 0)
                r = filter_make(&l->filter);
        if (r == 0 && l->root)
                r = keep_few_privileges();
        if (r == 0)
                r = canary_run(l, state.verdict.text, sizeof state.verdict.text);
        return r;
}

static int prepare(void) {
        const struct rlimit no_core = {0, 0};
        sigset_t set;

        umask(077);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGPIPE);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
                return -errno;
        sigdelset(&set, SIGPIPE);
        state.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return state.signals < 0 ? -errno : fd_set_cloexec(REQUESTS, true);
}

/* ---- holders ---- */

static int remember_room(void) {
        if (state.holders_n < state.holders_cap)
                return 0;
        if (state.holders_cap >= HOLDERS_MAX)
                return -EAGAIN;
        size_t cap = state.holders_cap ? state.holders_cap * 2 : 64;
        struct holder *p = reallocarray(state.holders, cap, sizeof *p);
        if (!p)
                return -ENOMEM;
        state.holders = p;
        state.holders_cap = cap;
        return 0;
}

/* A holder that runs as its user cannot remove its own socket. */
static void forget(pid_t pid) {
        char name[sizeof state.holders->id + 5];

        for (size_t i = 0; i < state.holders_n; i++) {
                if (state.holders[i].pid != pid)
                        continue;
                snprintf(name, sizeof name, "%s.sock", state.holders[i].id);
                if (unlinkat(state.launcher.sessions, name, 0) < 0 && errno != ENOENT)
                        log_event(LOG_WARN, "spawn.socket", LOG_S("session", state.holders[i].id),
                                  LOG_E(errno));
                state.holders[i] = state.holders[--state.holders_n];
                return;
        }
}

static void reap(void) {
        struct signalfd_siginfo si;
        pid_t pid;
        int status;

        while (read(state.signals, &si, sizeof si) > 0)
                ;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                forget(pid);
}

/* ---- requests ---- */

static int serve(const struct spawn_spec *spec, size_t n, const char *strings, int conn,
                 int script) {
        pid_t pid;
        int r = spawn_spec_check(spec, n, strings);

        if (r == 0)
                r = remember_room();
        if (r == 0)
                r = launch_session(&state.launcher, spec, strings, conn, script, &pid);
        if (r < 0)
                return r;
        struct holder *h = &state.holders[state.holders_n++];
        h->pid = pid;
        memcpy(h->id, spec->id, sizeof h->id);
        return 0;
}

/* False at the end of latchd. */
static bool request(void) {
        static struct {
                struct spawn_spec spec;
                char strings[SPAWN_STRINGS_MAX];
        } message;
        int fds[2] = {-1, -1};
        size_t nfds = ELEMENTS(fds);
        ssize_t k = fd_recv(REQUESTS, &message, sizeof message, fds, &nfds, MSG_DONTWAIT);

        if (k == -EAGAIN)
                return true;
        if (k == 0 || k == -ECONNRESET)
                return false;
        if (k < 0 || nfds == 0) { /* nobody to answer */
                log_event(LOG_WARN, "spawn.request", LOG_I("bytes", k), LOG_I("fds", nfds));
                return true;
        }
        struct spawn_refusal no = {
                .type = SPAWN_REFUSED,
                .error = serve(&message.spec, (size_t)k, (char *)&message + sizeof message.spec,
                               fds[0], nfds > 1 ? fds[1] : -1),
        };
        if (no.error < 0 && fd_send(fds[0], &no, sizeof no, NULL, 0, MSG_DONTWAIT) < 0)
                log_event(LOG_WARN, "spawn.refusal", LOG_E(no.error));
        fd_close(fds[0]);
        if (nfds > 1)
                fd_close(fds[1]);
        return true;
}

static int loop(void) {
        for (;;) {
                struct pollfd p[] = {{.fd = REQUESTS, .events = POLLIN},
                                     {.fd = state.signals, .events = POLLIN}};
                if (poll(p, ELEMENTS(p), -1) < 0 && errno != EINTR)
                        return -errno;
                if (p[1].revents)
                        reap();
                if (p[0].revents && !request())
                        return 0;
        }
}

int main(int argc, char **argv) {
        int r;

        if (argc != 9) {
                fprintf(stderr, "latch-spawn is started by latchd\n");
                return 1;
        }
        r = prepare();
        if (r == 0)
                r = start(argv);
        state.verdict.error = r;
        if (r < 0 && state.verdict.text[0] == '\0')
                (void)fail(r, "the spawner cannot start in", argv[1]);
        if (fd_send(REQUESTS, &state.verdict, sizeof state.verdict, NULL, 0, 0) < 0 || r < 0)
                return 1;
        r = loop();
        if (r < 0)
                log_event(LOG_ERROR, "spawn.end", LOG_E(r));
        return r < 0;
}
