/* The contract is in terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

/* The other screen, colours, mouse, focus, paste, keys of modes; the cursor is seen. Then a line of its own. */
static const char leave[] = "\x1b[?1049l\x1b[0m\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l"
                            "\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[r\x1b[?25h\r\n";
static const char clear[] = "\x1b[?1049l\x1b[!p\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l"
                            "\x1b[?1006l\x1b[?2004l\x1b[2J\x1b[H";

static struct termios before, raw;
static volatile sig_atomic_t is_raw, changed;
static sigset_t waiting; /* the mask of before: SIGWINCH is not blocked in it */

/* Async-signal-safe: signal-safety(7) has tcsetattr and write. TCSANOW: nobody waits for output that is held. */
static void restore(void) {
        if (!is_raw)
                return;
        is_raw = 0;
        (void)!write(STDOUT_FILENO, leave, sizeof leave - 1);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static int become_raw(void) {
        if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
                return -errno;
        is_raw = 1;
        return 0;
}

static void on_end(int sig) {
        int error = errno;

        restore();
        (void)signal(sig, SIG_DFL);
        (void)raise(sig); /* comes when this returns */
        errno = error;
}

static void on_stop(int sig) {
        int error = errno;

        (void)sig;
        restore();
        (void)raise(SIGSTOP);
        (void)become_raw(); /* somebody said SIGCONT */
        changed = 1;
        errno = error;
}

static void on_change(int sig) {
        (void)sig;
        changed = 1;
}

static int hear(int sig, void (*handler)(int)) {
        struct sigaction a = {.sa_handler = handler};

        sigemptyset(&a.sa_mask);
        return sigaction(sig, &a, NULL) < 0 ? -errno : 0;
}

static int hear_all(void) {
        static const int ends[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP,  SIGALRM, SIGUSR1, SIGUSR2,
                                   SIGABRT, SIGBUS, SIGFPE,  SIGSEGV, SIGILL,  SIGXCPU, SIGXFSZ};
        sigset_t change;
        int r = 0;

        sigemptyset(&change);
        sigaddset(&change, SIGWINCH);
        if (sigprocmask(SIG_BLOCK, &change, &waiting) < 0)
                return -errno;
        sigdelset(&waiting, SIGWINCH);
        for (size_t i = 0; r == 0 && i < ELEMENTS(ends); i++)
                r = hear(ends[i], on_end);
        if (r == 0)
                r = hear(SIGTSTP, on_stop);
        return r == 0 ? hear(SIGWINCH, on_change) : r;
}

int terminal_begin(void) {
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
                return -ENOTTY;
        raw = before;
        cfmakeraw(&raw);
        int r = hear_all();
        return r < 0 ? r : become_raw();
}

void terminal_end(void) {
        restore();
}

void terminal_size(unsigned *ret_cols, unsigned *ret_rows) {
        struct winsize size;
        bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
                     size.ws_row > 0;

        *ret_cols = known ? size.ws_col : 80;
        *ret_rows = known ? size.ws_row : 24;
}

bool terminal_changed(void) {
        bool was = changed;

        changed = 0;
        return was;
}

const sigset_t *terminal_mask(void) {
        return &waiting;
}

int terminal_write(const void *data, size_t n) {
        return fd_write_all(STDOUT_FILENO, data, n);
}

int terminal_clear(void) {
        return terminal_write(clear, sizeof clear - 1);
}
