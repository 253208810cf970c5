/* The command line and the password. The contract is in command.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "command.h"

#define COMPLAIN(ret, ...) ((*(ret) = str_printf(__VA_ARGS__)) ? -EINVAL : -ENOMEM)

#define USAGE                                                                                      \
        "usage: latchctl [--data DIR] [--config FILE] user add NAME --role student|teacher|admin " \
        "--password-stdin\n"                                                                       \
        "       latchctl [--data DIR] [--config FILE] user list\n"                                 \
        "       latchctl [--data DIR] [--config FILE] stop [--end-sessions]"

struct line {
        const char *data, *config, *role;
        bool password_stdin, end_sessions;
        const char *words[4];
        size_t n;
};

struct option {
        const char *name;
        const char **value; /* or */
        bool *flag;
};

static int take_option(const struct option *o, const char *value, char **ret_error) {
        if (o->flag ? *o->flag : *o->value != NULL)
                return COMPLAIN(ret_error, "%s: given twice", o->name);
        if (o->value && (!value || *value == '\0'))
                return COMPLAIN(ret_error, "%s: its value is missing\n" USAGE, o->name);
        if (o->flag && value)
                return COMPLAIN(ret_error, "%s: takes no value", o->name);
        if (o->flag)
                *o->flag = true;
        else
                *o->value = value;
        return 0;
}

/* --name VALUE, --name=VALUE, or --flag at argv[*i], which is moved behind what was used. */
static int read_option(int argc, char **argv, int *i, struct line *l, char **ret_error) {
        const struct option options[] = {
                {"--data", &l->data, NULL},
                {"--config", &l->config, NULL},
                {"--role", &l->role, NULL},
                {"--password-stdin", NULL, &l->password_stdin},
                {"--end-sessions", NULL, &l->end_sessions},
        };
        const char *arg = argv[*i];
        size_t n = strcspn(arg, "=");

        for (size_t k = 0; k < ELEMENTS(options); k++) {
                const struct option *o = &options[k];
                if (strlen(o->name) != n || strncmp(o->name, arg, n) != 0)
                        continue;
                const char *value = arg[n] == '=' ? arg + n + 1 : NULL;
                if (o->value && !value && *i + 1 < argc)
                        value = argv[++*i];
                return take_option(o, value, ret_error);
        }
        return COMPLAIN(ret_error, "%s: no such option\n" USAGE, arg);
}

static int read_line(int argc, char **argv, struct line *l, char **ret_error) {
        for (int i = 1; i < argc; i++) {
                int r = 0;
                if (str_starts(argv[i], "--"))
                        r = read_option(argc, argv, &i, l, ret_error);
                else if (l->n == ELEMENTS(l->words))
                        r = COMPLAIN(ret_error, "%s: one word too many\n" USAGE, argv[i]);
                else
                        l->words[l->n++] = argv[i];
                if (r < 0)
                        return r;
        }
        return 0;
}

/* An option that the command has no use for is a mistake, not a detail. */
static int refuse_option(const struct line *l, enum command_kind kind, char **ret_error) {
        bool add = kind == COMMAND_USER_ADD;
        const char *odd = !add && l->role                           ? "--role"
                          : !add && l->password_stdin               ? "--password-stdin"
                          : kind != COMMAND_STOP && l->end_sessions ? "--end-sessions"
                                                                    : NULL;

        return odd ? COMPLAIN(ret_error, "%s: not for this command\n" USAGE, odd) : 0;
}

static int read_user_add(const struct line *l, struct command *c, char **ret_error) {
        c->name = l->words[2];
        if (!l->role)
                return COMPLAIN(ret_error, "--role is missing\n" USAGE);
        if (role_parse(l->role, &c->role) < 0)
                return COMPLAIN(ret_error, "--role %s: allowed is student, teacher or admin",
                                l->role);
        if (!l->password_stdin)
                return COMPLAIN(
                        ret_error,
                        "--password-stdin is missing: a password is read from there only\n" USAGE);
        return 0;
}

int command_parse(int argc, char **argv, struct command *ret, char **ret_error) {
        struct line l = {0};
        struct command c = {0};
        int r = read_line(argc, argv, &l, ret_error);

        if (r < 0)
                return r;
        bool user = str_eq(l.words[0], "user");
        if (user && str_eq(l.words[1], "add") && l.n == 3)
                c.kind = COMMAND_USER_ADD;
        else if (user && str_eq(l.words[1], "list") && l.n == 2)
                c.kind = COMMAND_USER_LIST;
        else if (str_eq(l.words[0], "stop") && l.n == 1)
                c.kind = COMMAND_STOP;
        else
                return COMPLAIN(ret_error,
                                l.n == 0 ? "no command\n" USAGE : "no such command\n" USAGE);
        c.data = l.data;
        c.config_file = l.config;
        c.end_sessions = l.end_sessions;
        r = refuse_option(&l, c.kind, ret_error);
        if (r == 0 && c.kind == COMMAND_USER_ADD)
                r = read_user_add(&l, &c, ret_error);
        if (r == 0)
                *ret = c;
        return r;
}

int command_read_password(struct command *c, char **ret_error) {
        ssize_t n = fd_read_full(STDIN_FILENO, c->password, sizeof c->password);

        if (n < 0)
                return COMPLAIN(ret_error, "the password: %s", strerror((int)-n));
        /* A line's end is two bytes at most; with more than that behind it, it is too long anyway. */
        if (n > 0 && c->password[n - 1] == '\n')
                n--;
        if (n > 0 && c->password[n - 1] == '\r')
                n--;
        if ((size_t)n == sizeof c->password)
                return COMPLAIN(ret_error, "the password: at most 1024 bytes");
        c->password[n] = '\0';
        if (strlen(c->password) != (size_t)n || strpbrk(c->password, "\r\n") ||
            !utf8_valid(c->password, (size_t)n))
                return COMPLAIN(ret_error, "the password: one line of text in UTF-8");
        return 0;
}
