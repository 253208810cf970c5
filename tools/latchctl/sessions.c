/* latchctl session ... */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/random.h"
#include "command.h"
#include "session/session.h"

#define WAIT_MS   3600000u /* then it is asked again */
#define UNREAD_MS 30000u   /* how long a program may leave alone what is typed */
#define LOOK_MS   20       /* meanwhile: what a program reads is no event for strangers */

/* ---- list ---- */

static int print_text(const json_t *session, const char *name) {
        const char *text = json_string_value(json_object_get(session, name));
        int r = command_print(text ? text : "");

        return r < 0 ? r : putchar('\t') < 0 ? -EIO : 0;
}

static int print_session(const json_t *session) {
        static const char *const texts[] = {"owner", "session", "kind", "state", "title", "path"};
        json_int_t viewers = json_integer_value(json_object_get(session, "viewers"));
        json_int_t started = json_integer_value(json_object_get(session, "started_ms"));
        const char *cwd = json_string_value(json_object_get(session, "cwd"));
        char time[COMMAND_TIME_MAX];
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTS(texts); i++)
                r = print_text(session, texts[i]);
        command_time((uint64_t)started, time);
        if (r == 0 && printf("%" JSON_INTEGER_FORMAT "\t%s\t", viewers, time) < 0)
                r = -EIO;
        if (r == 0)
                r = command_print(cwd ? cwd : "");
        return r < 0 ? r : putchar('\n') < 0 ? -EIO : 0;
}

int session_list_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *last = NULL;
        bool more = true;
        int r = 0;

        (void)c;
        while (r == 0 && more) {
                json_auto_t *reply = NULL;
                const json_t *session;
                size_t i;

                r = command_request(config,
                                    json_pack("{s:s, s:O*, s:O*}", "command", "session.list",
                                              "after_ms", json_object_get(last, "started_ms"),
                                              "after", json_object_get(last, "session")),
                                    COMMAND_ANSWER_MS, &reply, ret_error);
                const json_t *list = json_object_get(reply, "sessions");
                json_array_foreach(list, i, session) {
                        if (r == 0)
                                r = print_session(session);
                }
                json_decref(last);
                last = json_incref(json_array_get(list, json_array_size(list) - 1));
                more = last && json_is_true(json_object_get(reply, "more"));
        }
        return r;
}

/* ---- wait, kill ---- */

static int wait_for_end(const char *session, const struct config *config, char **ret_error) {
        for (;;) {
                json_auto_t *reply = NULL;
                int r = command_request(
                        config,
                        json_pack("{s:s, s:s}", "command", "session.wait", "session", session),
                        WAIT_MS, &reply, ret_error);

                if (r == -ETIMEDOUT) {
                        free(*ret_error);
                        *ret_error = NULL;
                        continue;
                }
                const char *words = json_string_value(json_object_get(reply, "words"));
                return r < 0 ? r : puts(words ? words : "ended") < 0 ? -EIO : 0;
        }
}

int session_wait_ask(const struct command *c, const struct config *config, char **ret_error) {
        return wait_for_end(c->arg[0], config, ret_error);
}

int session_kill_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        int r = command_request(
                config, json_pack("{s:s, s:s}", "command", "session.kill", "session", c->arg[0]),
                COMMAND_ANSWER_MS, &reply, ret_error);

        return r < 0 ? r : wait_for_end(c->arg[0], config, ret_error);
}

/* ---- send ---- */

struct sending {
        const struct config *config;
        const char *session;
        char client[RANDOM_ID_CHARS + 1]; /* this latchctl's */
        uint64_t offset;                  /* typed so far */
        char **error;
};

/* One request. *ret_taken: how much is taken now. */
static int send_piece(const struct sending *s, const char *data, size_t n, bool enter,
                      uint64_t *ret_taken) {
        _cleanup_(freep) char *text = malloc(BASE64_CHARS(n) + 1);
        json_auto_t *reply = NULL;

        if (!text)
                return -ENOMEM;
        base64_encode(data, n, text);
        int r = command_request(s->config,
                                json_pack("{s:s, s:s, s:s, s:I, s:s, s:b}", "command",
                                          "session.send", "session", s->session, "client",
                                          s->client, "offset", (json_int_t)s->offset, "data", text,
                                          "enter", (int)enter),
                                COMMAND_ANSWER_MS, &reply, s->error);
        if (r == 0)
                *ret_taken = (uint64_t)json_integer_value(json_object_get(reply, "taken"));
        return r;
}

/* All of n bytes, and Enter behind them, as fast as the program reads. */
static int send_all(struct sending *s, const char *data, size_t n, bool enter) {
        uint64_t end = s->offset + n + enter, moved_ms = clock_mono_ms();

        while (s->offset < end) {
                size_t left = (size_t)(end - s->offset), plain = left - enter;
                uint64_t taken = s->offset;
                int r = send_piece(s, data + (n - plain), plain, enter, &taken);

                if (r < 0)
                        return r;
                if (taken > s->offset) {
                        s->offset = MIN(taken, end);
                        moved_ms = clock_mono_ms();
                } else if (clock_mono_ms() - moved_ms >= UNREAD_MS) {
                        return COMPLAIN(s->error, -ECANCELED,
                                        "the program does not read: %" PRIu64 " bytes were typed",
                                        s->offset);
                } else {
                        (void)poll(NULL, 0, LOOK_MS);
                }
        }
        return 0;
}

static int send_stdin(struct sending *s, bool enter) {
        _cleanup_(freep) char *piece = malloc(SESSION_TYPE_MAX);
        bool end = false;

        if (!piece)
                return -ENOMEM;
        while (!end) {
                ssize_t n = read(STDIN_FILENO, piece, SESSION_TYPE_MAX - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return COMPLAIN(s->error, -ECANCELED, "standard input: %s",
                                        strerror(errno));
                end = n == 0;
                int r = send_all(s, piece, (size_t)n, end && enter);
                if (r < 0)
                        return r;
        }
        return 0;
}

int session_send_ask(const struct command *c, const struct config *config, char **ret_error) {
        struct sending s = {.config = config, .session = c->arg[0], .error = ret_error};
        bool enter = c->option[OPTION_ENTER] != NULL;

        random_id(s.client);
        if (!c->arg[1])
                return send_stdin(&s, enter);
        if (strlen(c->arg[1]) >= SESSION_TYPE_MAX)
                return COMPLAIN(ret_error, -ECANCELED,
                                "TEXT: at most %u bytes; more goes through standard input",
                                SESSION_TYPE_MAX - 1);
        return send_all(&s, c->arg[1], strlen(c->arg[1]), enter);
}
