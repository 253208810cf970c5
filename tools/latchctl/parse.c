/* The command line and the password. The contract is in command.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "command.h"

#define WORDS_MAX  (COMMAND_ARGS_MAX + 3)
#define EVERYWHERE (OPTION_BIT(OPTION_DATA) | OPTION_BIT(OPTION_CONFIG))

static bool is_role(const char *value) {
        enum role role;

        return role_parse(value, &role) == 0;
}

static bool is_key(const char *value) {
        char key;

        return command_key(value, &key) == 0;
}

static bool is_level(const char *value) {
        return value[0] >= '0' && value[0] <= '2' && value[1] == '\0';
}

static const struct {
        const char *name;
        bool flag;                        /* takes no value */
        bool (*valid)(const char *value); /* NULL: any */
        const char *allowed;
        const char *why; /* more words for when it is missing; NULL: none */
} options[OPTION_COUNT] = {
        [OPTION_DATA] = {.name = "--data"},
        [OPTION_CONFIG] = {.name = "--config"},
        [OPTION_ROLE] = {.name = "--role",
                         .valid = is_role,
                         .allowed = "student, teacher or admin"},
        [OPTION_PASSWORD_STDIN] = {.name = "--password-stdin",
                                   .flag = true,
                                   .why = ": a password is read from there only"},
        [OPTION_DETACH_KEY] = {.name = "--detach-key",
                               .valid = is_key,
                               .allowed = "^A to ^Z, ^\\, ^], ^^, ^_ or none"},
        [OPTION_VIEWER] = {.name = "--viewer", .flag = true},
        [OPTION_TRACE] = {.name = "--trace", .flag = true},
        [OPTION_WAITS] = {.name = "--waits", .flag = true},
        [OPTION_LEVEL] = {.name = "--level", .valid = is_level, .allowed = "0, 1 or 2"},
        [OPTION_ENTER] = {.name = "--enter", .flag = true},
        [OPTION_END_SESSIONS] = {.name = "--end-sessions", .flag = true},
        [OPTION_FILE] = {.name = "--file"},
        [OPTION_FORCE] = {.name = "--force", .flag = true},
        [OPTION_JSON] = {.name = "--json", .flag = true},
        [OPTION_SINCE] = {.name = "--since"},
        [OPTION_TEACHER] = {.name = "--teacher"},
        [OPTION_USER] = {.name = "--user"},
        [OPTION_WHAT] = {.name = "--what"},
};

struct line {
        struct command c;
        const char *words[WORDS_MAX];
        size_t n;
};

/* ---- complaints ---- */

static int add_usage(struct buf *b, const struct command_row *row) {
        return buf_addf(b, "\n%s latchctl [--data DIR] [--config FILE] %s%s%s%s%s",
                        b->n > 0 && strstr(b->data, "usage:") ? "      " : "usage:", row->words,
                        *row->args ? " " : "", row->args, *row->usage ? " " : "", row->usage);
}

/* what: "" none; then the words; below them how it is done: this command, or (NULL) each. */
static int complain(char **ret_error, const struct command_row *row, const char *what,
                    const char *words) {
        struct buf b = BUF_INIT(65536);
        int r = buf_addf(&b, "%s%s", what, words);

        if (row && r == 0)
                r = add_usage(&b, row);
        for (size_t i = 0; !row && r == 0 && command_row_at(i); i++)
                r = add_usage(&b, command_row_at(i));
        *ret_error = r == 0 ? str_printf("%s", b.data) : NULL;
        buf_done(&b);
        return *ret_error ? -EINVAL : -ENOMEM;
}

/* ---- options ---- */

static int take_option(struct command *c, enum option o, const char *value, char **ret_error) {
        if (c->option[o])
                return complain(ret_error, c->row, options[o].name, ": given twice");
        if (!options[o].flag && (!value || *value == '\0'))
                return complain(ret_error, c->row, options[o].name, ": its value is missing");
        if (options[o].flag && value)
                return complain(ret_error, c->row, options[o].name, ": takes no value");
        if (options[o].valid && !options[o].valid(value))
                return COMPLAIN(ret_error, -EINVAL, "%s %s: allowed is %s", options[o].name, value,
                                options[o].allowed);
        c->option[o] = value ? value : "";
        return 0;
}

/* --name VALUE, --name=VALUE, or --flag at argv[*i], which is moved behind what was used. */
static int read_option(int argc, char **argv, int *i, struct command *c, char **ret_error) {
        const char *arg = argv[*i];
        size_t n = strcspn(arg, "=");

        for (unsigned o = 0; o < OPTION_COUNT; o++) {
                if (strlen(options[o].name) != n || strncmp(options[o].name, arg, n) != 0)
                        continue;
                const char *value = arg[n] == '=' ? arg + n + 1 : NULL;
                if (!options[o].flag && !value && *i + 1 < argc)
                        value = argv[++*i];
                return take_option(c, (enum option)o, value, ret_error);
        }
        return complain(ret_error, c->row, arg, ": no such option");
}

/* An option that the command has no use for is a mistake, not a detail. */
static int judge_options(const struct command *c, char **ret_error) {
        const struct command_row *row = c->row;

        for (unsigned o = 0; o < OPTION_COUNT; o++) {
                if (c->option[o] && !((row->options | EVERYWHERE) & OPTION_BIT(o)))
                        return complain(ret_error, row, options[o].name, ": not for this command");
                if (c->option[o] || !(row->needed & OPTION_BIT(o)))
                        continue;
                _cleanup_(freep) char *missing =
                        str_printf(" is missing%s", options[o].why ? options[o].why : "");
                return missing ? complain(ret_error, row, options[o].name, missing) : -ENOMEM;
        }
        return 0;
}

/* ---- words ---- */

static int read_line(int argc, char **argv, struct line *l, char **ret_error) {
        for (int i = 1; i < argc; i++) {
                int r = 0;
                if (str_starts(argv[i], "--"))
                        r = read_option(argc, argv, &i, &l->c, ret_error);
                else if (l->n == WORDS_MAX)
                        r = complain(ret_error, NULL, argv[i], ": one word too many");
                else
                        l->words[l->n++] = argv[i];
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The next of several words: its length; *at is moved behind it. 0: there is none. */
static size_t next_word(const char **at, const char **ret) {
        *ret = *at + strspn(*at, " ");
        size_t n = strcspn(*ret, " ");

        *at = *ret + n;
        return n;
}

/* How many words of the line are the row's name; 0: it is another's. */
static size_t matches(const struct line *l, const struct command_row *row) {
        const char *at = row->words, *word;
        size_t taken = 0, n;

        while ((n = next_word(&at, &word)) > 0) {
                const char *given = taken < l->n ? l->words[taken] : "";
                if (strlen(given) != n || strncmp(given, word, n) != 0)
                        return 0;
                taken++;
        }
        return taken;
}

static size_t find_row(struct line *l) {
        for (size_t i = 0; command_row_at(i); i++) {
                size_t taken = matches(l, command_row_at(i));
                if (taken > 0) {
                        l->c.row = command_row_at(i);
                        return taken;
                }
        }
        return 0;
}

static int read_args(struct line *l, size_t taken, char **ret_error) {
        const char *at = l->c.row->args, *word;
        size_t n, i = 0;

        for (; (n = next_word(&at, &word)) > 0; i++) {
                if (taken + i == l->n && *word == '[')
                        return 0; /* so may all behind it */
                if (taken + i == l->n) {
                        _cleanup_(freep) char *name = str_printf("%.*s", (int)n, word);
                        return name ? complain(ret_error, l->c.row, name, " is missing") : -ENOMEM;
                }
                l->c.arg[i] = l->words[taken + i];
        }
        if (taken + i < l->n)
                return complain(ret_error, l->c.row, l->words[taken + i], ": one word too many");
        return 0;
}

int command_parse(int argc, char **argv, struct command *ret, char **ret_error) {
        struct line l = {0};
        int r = read_line(argc, argv, &l, ret_error);

        if (r < 0)
                return r;
        size_t taken = find_row(&l);
        if (taken == 0)
                return complain(ret_error, NULL, "", l.n == 0 ? "no command" : "no such command");
        r = read_args(&l, taken, ret_error);
        if (r == 0)
                r = judge_options(&l.c, ret_error);
        if (r == 0)
                *ret = l.c;
        return r;
}

int command_key(const char *value, char *ret) {
        if (str_eq(value, "none")) {
                *ret = '\0';
                return 0;
        }
        if (value[0] != '^' || value[1] == '\0' || value[2] != '\0')
                return -EINVAL;
        char c = value[1];
        if (c >= 'a' && c <= 'z')
                c = (char)(c - 'a' + 'A');
        if (c < 'A' || c > '_' || c == '[') /* ^[ begins what arrows send */
                return -EINVAL;
        *ret = (char)(c - '@');
        return 0;
}

/* ---- the password ---- */

int command_read_password(struct command *c, char **ret_error) {
        ssize_t n = fd_read_full(STDIN_FILENO, c->password, sizeof c->password);

        if (n < 0)
                return COMPLAIN(ret_error, -EINVAL, "the password: %s", strerror((int)-n));
        /* A line's end is two bytes at most; with more than that behind it, it is too long anyway. */
        if (n > 0 && c->password[n - 1] == '\n')
                n--;
        if (n > 0 && c->password[n - 1] == '\r')
                n--;
        if ((size_t)n == sizeof c->password)
                return COMPLAIN(ret_error, -EINVAL, "the password: at most 1024 bytes");
        c->password[n] = '\0';
        if (strlen(c->password) != (size_t)n || strpbrk(c->password, "\r\n") ||
            !utf8_valid(c->password, (size_t)n))
                return COMPLAIN(ret_error, -EINVAL, "the password: one line of text in UTF-8");
        return 0;
}
