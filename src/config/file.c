/* The contract is in config/file.h. */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <ini.h>

#include "base/fd.h"
#include "base/str.h"
#include "config/settings.h"

#define FILE_MAX_BYTES (64u << 10)
#define BLANKS         " \t\r\n"

struct reading {
        struct config *config;
        const char *path;
        const char *at; /* what inih has not seen yet; ends with NUL */
        unsigned line;  /* of what it has seen last */
        int r;          /* the first failure; later ones are not looked at */
        char *error;
};

#define COMPLAIN(rd, ...) ((rd)->r = ((rd)->error = str_printf(__VA_ARGS__)) ? -EINVAL : -ENOMEM)

/* [name], then nothing but blanks or a comment. */
static void check_section(struct reading *rd, const char *line) {
        size_t n = strcspn(line, "]");
        char name[32];

        if (line[n] == '\0' || n >= sizeof name) {
                COMPLAIN(rd, "%s, line %u: no section; allowed is [NAME]", rd->path, rd->line);
                return;
        }
        memcpy(name, line, n);
        name[n] = '\0';
        const char *rest = line + n + 1;
        rest += strspn(rest, BLANKS);
        if (*rest != '\0' && *rest != ';' && *rest != '#')
                COMPLAIN(rd, "%s, line %u: [%s] is followed by something else", rd->path, rd->line,
                         name);
        else if (!setting_section_known(name))
                COMPLAIN(rd, "[%s]: no such section (%s, line %u)", name, rd->path, rd->line);
}

/* One line for inih, without the blanks before it: indented, it would go on with the last value. */
static char *next_line(char *to, int size, void *arg) {
        struct reading *rd = arg;

        if (rd->r < 0 || *rd->at == '\0')
                return NULL;
        rd->line++;
        size_t n = strcspn(rd->at, "\n");
        const char *line = rd->at + strspn(rd->at, " \t");
        rd->at += n + (rd->at[n] == '\n');
        size_t length = line < rd->at ? (size_t)(rd->at - line) : 0;
        if (length + 1 > (size_t)size) {
                COMPLAIN(rd, "%s, line %u: too long; allowed is at most %d bytes", rd->path,
                         rd->line, size - 2);
                return NULL;
        }
        memcpy(to, line, length);
        to[length] = '\0';
        if (to[0] == '[')
                check_section(rd, to + 1);
        return rd->r < 0 ? NULL : to;
}

static int take_value(void *arg, const char *section, const char *key, const char *value) {
        struct reading *rd = arg;
        char allowed[SETTING_WORDS_MAX];
        int k = setting_find(section, key);

        if (rd->r < 0)
                return 1;
        if (k < 0) {
                COMPLAIN(rd, "%s%s%s = %s: no such setting (%s, line %u)", section,
                         *section ? "." : "", key, value, rd->path, rd->line);
                return 1;
        }
        if (rd->config->source[k] == SOURCE_FILE) {
                COMPLAIN(rd, "%s.%s = %s: given twice (%s, line %u)", section, key, value, rd->path,
                         rd->line);
                return 1;
        }
        const struct setting *s = setting_at((size_t)k);
        if (setting_set(s, value, rd->config) < 0) {
                setting_allowed(s, allowed);
                COMPLAIN(rd, "%s.%s = %s (%s, line %u): allowed is %s", section, key, value,
                         rd->path, rd->line, allowed);
        }
        rd->config->source[k] = SOURCE_FILE;
        return 1;
}

static int read_text(struct reading *rd, char **ret) {
        _cleanup_(fd_closep) int fd = open(rd->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_(freep) char *text = NULL;
        size_t n = 0;
        int r = fd < 0 ? -errno : fd_read_file(fd, FILE_MAX_BYTES, &text, &n);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return COMPLAIN(rd, "--config %s: %s", rd->path, strerror(-r));
        if (memchr(text, '\0', n) || !utf8_valid(text, n))
                return COMPLAIN(rd, "--config %s: it is not text in UTF-8", rd->path);
        *ret = TAKE_PTR(text);
        return 0;
}

int config_file_read(const char *path, struct config *c, char **ret_error) {
        struct reading rd = {.config = c, .path = path};
        _cleanup_(freep) char *text = NULL;
        int r = read_text(&rd, &text);

        if (r == 0) {
                rd.at = text;
                int wrong = ini_parse_stream(next_line, &rd, take_value, &rd);
                if (wrong < 0 && rd.r == 0)
                        rd.r = -ENOMEM;
                else if (wrong > 0 && rd.r == 0)
                        COMPLAIN(&rd,
                                 "%s, line %d: allowed is [SECTION], KEY = VALUE, or a comment",
                                 path, wrong);
        } else if (rd.r == 0) {
                rd.r = r;
        }
        if (rd.r == -EINVAL)
                *ret_error = rd.error;
        return rd.r;
}
