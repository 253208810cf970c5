/* latchctl attach: a session in this terminal. It comes back by itself when the server does, at the byte where
 * it was; what was typed meanwhile is sent then, once.
 *
 * The wire is that of every client, so size, seat, resume and the verdict are what they are for all. The control
 * socket gives what a client needs to begin: a ticket of the session's owner, and where to show it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "base/clock.h"
#include "command.h"
#include "terminal.h"

#define TYPED_MAX     65536u /* of what is not taken yet; more is thrown away, with a bell */
#define FIRST_WAIT_MS 50u
#define LAST_WAIT_MS  1000u
#define GIVE_UP_MS    10000u /* before it was ever attached */
#define SAY_SO_MS     2000u  /* a blink is not worth a word */
#define FULL_MS       50u

struct breaking {                   /* since the connection broke */
        uint64_t since_ms, next_ms; /* 0: it has not; monotonic */
        unsigned wait_ms;
        bool told;
};

void attach_remark(const char *words) {
        char line[400];
        int n = snprintf(line, sizeof line, "\r\n[latchctl: %s]\r\n", words);

        (void)!terminal_write(line, (size_t)n);
}

/* ---- coming back ---- */

static void on_break(struct attach *a, struct breaking *b) {
        if (a->channel)
                *b = (struct breaking){.since_ms = clock_mono_ms(), .wait_ms = FIRST_WAIT_MS};
        b->next_ms = clock_mono_ms() + b->wait_ms;
        wire_close(a);
}

/* Once the time has come. */
static void come_back(struct attach *a, struct breaking *b) {
        uint64_t now = clock_mono_ms();

        if (!b->told && a->began && now - b->since_ms >= SAY_SO_MS) {
                attach_remark("the server does not answer; waiting for it");
                b->told = true;
        }
        if (now < b->next_ms)
                return;
        int r = wire_open(a);
        if (r == -ECANCELED || (r < 0 && !a->began && now - b->since_ms >= GIVE_UP_MS)) {
                a->over = true;
                a->status = -ECANCELED;
                if (r != -ECANCELED)
                        snprintf(a->words, sizeof a->words, "the server does not answer");
                return;
        }
        b->next_ms = clock_mono_ms() + b->wait_ms;
        b->wait_ms = MIN(b->wait_ms * 2, LAST_WAIT_MS);
}

/* ---- keys ---- */

static void type(struct attach *a, const char *data, size_t n) {
        size_t room = TYPED_MAX - a->input.n;

        if (n > 0 && ((a->channel && !a->driver) || n > room || buf_add(&a->input, data, n) < 0))
                (void)!terminal_write("\a", 1);
}

/* True: detach. */
static bool read_keys(struct attach *a, char key) {
        char data[4096];
        ssize_t n = read(STDIN_FILENO, data, sizeof data);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return false;
        if (n <= 0) {
                a->over = true;
                a->status = -ECANCELED;
                snprintf(a->words, sizeof a->words, "the terminal is gone");
                return false;
        }
        const char *at = key ? memchr(data, key, (size_t)n) : NULL;
        type(a, data, at ? (size_t)(at - data) : (size_t)n);
        return at != NULL;
}

/* ---- waiting ---- */

static int wait_ms(const struct attach *a, const struct breaking *b) {
        uint64_t now = clock_mono_ms();

        if (!a->ws)
                return b->next_ms > now ? (int)(b->next_ms - now) : 0;
        return a->input_full ? (int)FULL_MS : -1;
}

static int await(struct attach *a, const struct breaking *b, struct pollfd fds[2]) {
        int ms = wait_ms(a, b);
        struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

        fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = a->ws ? ws_fd(a->ws) : -1, .events = POLLIN};
        if (a->ws && ws_wants_to_write(a->ws))
                fds[1].events |= POLLOUT;
        int n = ppoll(fds, 2, ms < 0 ? NULL : &t, terminal_mask());
        if (n < 0 && errno != EINTR)
                return -errno;
        if (n <= 0)
                fds[0].revents = fds[1].revents = 0;
        if (n == 0)
                a->input_full = false; /* again: perhaps it reads now */
        return 0;
}

/* One turn with what has come. True: detach. */
static bool turn(struct attach *a, struct breaking *b, const struct pollfd fds[2], char key) {
        bool leave = fds[0].revents && read_keys(a, key);
        int r = 0;

        if (!a->ws) {
                come_back(a, b);
                return leave;
        }
        if (terminal_changed())
                r = wire_resize(a);
        if (r == 0)
                r = fds[1].revents ? wire_turn(a) : wire_input(a);
        if (r < 0)
                on_break(a, b);
        return leave;
}

/* Until the session has ended, or the user wants to leave. What was typed before the key goes out. */
static int stay(struct attach *a, char key) {
        struct breaking b = {.wait_ms = FIRST_WAIT_MS};
        struct pollfd fds[2];
        bool leave = false;
        int r = 0;

        b.since_ms = b.next_ms = clock_mono_ms();
        while (r == 0 && !a->over && !leave) {
                r = await(a, &b, fds);
                if (r == 0)
                        leave = turn(a, &b, fds, key);
        }
        if (leave && a->ws && wire_input(a) == 0 && wire_detach(a) == 0)
                (void)!ws_turn(a->ws);
        return r;
}

/* ---- all of it ---- */

static int finish(const struct attach *a, int r, char **ret_error) {
        if (r < 0)
                return r;
        if (a->over && a->status < 0)
                return COMPLAIN(ret_error, a->status, "%s", a->words);
        printf("[latchctl: %s%s]\n", a->over ? "the session has ended: " : "detached; it goes on",
               a->words);
        return a->status;
}

int attach_ask(const struct command *c, const struct config *config, char **ret_error) {
        const char *name = c->option[OPTION_DETACH_KEY] ? c->option[OPTION_DETACH_KEY] : "^\\";
        struct attach a = {.config = config,
                           .session = c->arg[0],
                           .driver = !c->option[OPTION_VIEWER],
                           .input = BUF_INIT(TYPED_MAX)};
        char key;

        int r = command_key(name, &key);
        if (r < 0)
                return r;
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return COMPLAIN(ret_error, -ECANCELED,
                                "attach wants a terminal; `session send` is for scripts");
        random_id(a.client);
        r = wire_open(&a);
        if (r == -ECANCELED)
                return COMPLAIN(ret_error, r, "%s", a.words);
        if (r < 0 && r != -EAGAIN)
                return r;
        if (key && printf("[latchctl: %s detaches]\n", name) > 0)
                (void)fflush(stdout);
        r = terminal_begin();
        if (r == 0)
                r = stay(&a, key);
        terminal_end();
        wire_close(&a);
        buf_done(&a.input);
        return finish(&a, r, ret_error);
}
