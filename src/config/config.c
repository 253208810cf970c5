/* The contract is in config/config.h. */
#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "config/file.h"
#include "config/settings.h"

#define FILES_PER_SOCKET  2u /* a connection; a file that it asked for */
#define FILES_PER_REQUEST 4u /* a connection, ours and civetweb's, and its deadline; a file */
#define FILES_PER_SESSION 3u /* its holder's connection, its wake-up, its pidfd */
#define FILES_BESIDE                                                                               \
        1280u /* the store, folders, ourselves, who has not asked yet, what comes and goes */

#define USAGE                                                                                      \
        "usage: latchd [--data DIR] [--listen HOST:PORT] [--port-file FILE] [--config FILE] "      \
        "[--lock-level N] [--check-config | --print-config]"

int config_default_data(char *to, size_t size) {
        const char *base = getenv("XDG_STATE_HOME"), *below = "latch";
        char path[sizeof(((struct config *)0)->data)];

        if (geteuid() == 0)
                return str_copy(to, size, "/var/lib/latch") < 0 ? -EINVAL : 0;
        if (!base || *base == '\0') {
                base = getenv("HOME");
                below = ".local/state/latch";
        }
        if (!base || *base != '/')
                return -EINVAL;
        int n = snprintf(path, sizeof path, "%s%s%s", base, str_ends(base, "/") ? "" : "/", below);
        if (n < 0 || (size_t)n >= sizeof path)
                return -EINVAL;
        return str_copy(to, size, path) < 0 ? -EINVAL : 0;
}

void config_defaults(struct config *ret) {
        const struct setting *s;

        *ret = (struct config){0};
        for (size_t i = 0; (s = setting_at(i)); i++)
                if (s->initial)
                        CHECK(setting_set(s, s->initial, ret) == 0);
        if (config_default_data(ret->data, SETTING_TEXT_MAX + 1) < 0)
                ret->data[0] = '\0'; /* "missing", if nobody gives one */
}

/* ---- the command line ---- */

enum option_kind { OPTION_SETTING, OPTION_CONFIG, OPTION_PORT_FILE, OPTION_CHECK, OPTION_PRINT };

static const struct option {
        const char *name;
        enum option_kind kind;
        const char *section, *key; /* of OPTION_SETTING */
        bool valued;
} options[] = {
        {"--data", OPTION_SETTING, "server", "data", true},
        {"--listen", OPTION_SETTING, "server", "listen", true},
        {"--lock-level", OPTION_SETTING, "diagnostics", "lock_level", true},
        {"--port-file", OPTION_PORT_FILE, NULL, NULL, true},
        {"--config", OPTION_CONFIG, NULL, NULL, true},
        {"--check-config", OPTION_CHECK, NULL, NULL, false},
        {"--print-config", OPTION_PRINT, NULL, NULL, false},
};

struct command_line {
        const char *values[ELEMENTS(options)]; /* NULL: not given */
};

#define COMPLAIN(ret, ...) ((*(ret) = str_printf(__VA_ARGS__)) ? -EINVAL : -ENOMEM)

/* --name VALUE and --name=VALUE. Which option arg is, or -ENOENT; *ret_value behind the '='. */
static int option_find(const char *arg, const char **ret_value) {
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                size_t n = strlen(options[i].name);
                if (strncmp(arg, options[i].name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
                        continue;
                *ret_value = arg[n] == '=' ? arg + n + 1 : NULL;
                return (int)i;
        }
        return -ENOENT;
}

static int command_line_read(int argc, char **argv, struct command_line *cl, char **ret_error) {
        for (int i = 1; i < argc; i++) {
                const char *value = NULL;
                int k = option_find(argv[i], &value);
                if (k < 0)
                        return COMPLAIN(ret_error, "%s: no such option; " USAGE, argv[i]);
                const struct option *o = &options[k];
                if (cl->values[k])
                        return COMPLAIN(ret_error, "%s: given twice", o->name);
                if (!o->valued && value)
                        return COMPLAIN(ret_error, "%s: takes no value", o->name);
                if (o->valued && !value && ++i < argc)
                        value = argv[i];
                if (o->valued && (!value || *value == '\0'))
                        return COMPLAIN(ret_error, "%s: its value is missing; " USAGE, o->name);
                cl->values[k] = o->valued ? value : "";
        }
        return 0;
}

/* A folder as people name it: relative to where they are. */
static char *absolute_folder(const char *path) {
        _cleanup_(freep) char *here = *path == '/' ? NULL : getcwd(NULL, 0);

        if (*path == '/')
                return strdup(path);
        return here ? str_printf("%s/%s", here, path) : NULL;
}

static void drop_slashes(char *path) {
        for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
                path[n - 1] = '\0';
}

static int apply_setting(const struct option *o, const char *given, struct config *c,
                         char **ret_error) {
        bool folder = str_eq(o->name, "--data");
        _cleanup_(freep) char *value = folder ? absolute_folder(given) : strdup(given);
        char allowed[SETTING_WORDS_MAX];
        int k = setting_find(o->section, o->key);

        CHECK(k >= 0);
        if (!value)
                return -ENOMEM;
        const struct setting *s = setting_at((size_t)k);
        if (setting_set(s, value, c) < 0) {
                setting_allowed(s, allowed);
                return COMPLAIN(ret_error, "%s.%s = %s (%s): allowed is %s", s->section, s->key,
                                value, o->name, allowed);
        }
        c->source[k] = SOURCE_COMMAND_LINE;
        return 0;
}

static int apply_option(const struct option *o, const char *value, struct config *c,
                        char **ret_error) {
        switch (o->kind) {
        case OPTION_SETTING: return apply_setting(o, value, c, ret_error);
        case OPTION_PORT_FILE:
                if (str_copy(c->port_file, sizeof c->port_file, value) < 0)
                        return COMPLAIN(ret_error,
                                        "--port-file: allowed is a path of at most %zu bytes",
                                        sizeof c->port_file - 1);
                return 0;
        case OPTION_CHECK: c->check_config = true; return 0;
        case OPTION_PRINT: c->print_config = true; return 0;
        case OPTION_CONFIG: return 0; /* read before all others */
        }
        CHECK(false);
        return -EINVAL;
}

static const char *value_of(const struct command_line *cl, enum option_kind kind) {
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (options[i].kind == kind)
                        return cl->values[i];
        return NULL;
}

int config_load(int argc, char **argv, struct config *ret, char **ret_error) {
        struct command_line cl = {0};
        struct config c;
        char *error = NULL;
        int r;

        config_defaults(&c);
        r = command_line_read(argc, argv, &cl, &error);
        const char *file = value_of(&cl, OPTION_CONFIG);
        if (r == 0 && file)
                r = config_file_read(file, &c, &error);
        for (size_t i = 0; r == 0 && i < ELEMENTS(options); i++)
                if (cl.values[i])
                        r = apply_option(&options[i], cl.values[i], &c, &error);
        if (r == 0 && c.check_config && c.print_config)
                r = COMPLAIN(&error, "--check-config and --print-config: allowed is one of them");
        if (r == 0)
                r = settings_check_together(&c, &error);
        if (r < 0) {
                if (r == -EINVAL)
                        *ret_error = error;
                return r;
        }
        drop_slashes(c.data);
        *ret = c;
        return 0;
}

rlim_t config_files_needed(const struct config *c) {
        rlim_t sockets = c->max_sockets, requests = c->http_threads;
        rlim_t sessions = MAX(c->max_sockets, c->sessions_per_user);

        return sockets * FILES_PER_SOCKET + requests * FILES_PER_REQUEST +
               sessions * FILES_PER_SESSION + FILES_BESIDE;
}

void config_print(const struct config *c, FILE *to) {
        static const char *const sources[] = {[SOURCE_DEFAULT] = "default",
                                              [SOURCE_FILE] = "file",
                                              [SOURCE_COMMAND_LINE] = "command line"};
        const struct setting *s;
        const char *section = "";

        for (size_t i = 0; (s = setting_at(i)); i++) {
                char value[SETTING_TEXT_MAX + 1];
                if (!str_eq(section, s->section))
                        fprintf(to, "%s[%s]\n", i > 0 ? "\n" : "", s->section);
                section = s->section;
                setting_get(s, c, value);
                fprintf(to, "%s = %s ; %s\n", s->key, value, sources[c->source[i]]);
        }
}
