/* The contract is in base/log.h. */
#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic enum log_level least_level = LOG_INFO;

struct line {
        size_t n;
        bool cut;
        char text[2048]; /* a longer line ends in "..." */
};

static void put(struct line *l, const char *s, size_t n) {
        size_t room = sizeof l->text - 5 - l->n; /* for "...\n" and a NUL */

        if (n > room) {
                n = room;
                l->cut = true;
        }
        memcpy(l->text + l->n, s, n);
        l->n += n;
}

static void puts_(struct line *l, const char *s) {
        put(l, s, strlen(s));
}

static bool is_plain(const char *s) {
        if (*s == '\0')
                return false;
        for (; *s; s++)
                if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' ||
                    (unsigned char)*s >= 127)
                        return false;
        return true;
}

static void put_quoted(struct line *l, const char *s) {
        char hex[8];

        puts_(l, "\"");
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;
                if (c == '"' || c == '\\') {
                        snprintf(hex, sizeof hex, "\\%c", c);
                        puts_(l, hex);
                } else if (c < ' ' || c >= 127) {
                        snprintf(hex, sizeof hex, "\\x%02x", c);
                        puts_(l, hex);
                } else {
                        put(l, s, 1);
                }
        }
        puts_(l, "\"");
}

static void put_field(struct line *l, const struct log_field *f) {
        char number[24];
        const char *value = f->text;

        if (f->type == LOG_FIELD_TEXT && !value)
                return;
        if (f->type == LOG_FIELD_ERRNO) {
                int e = (int)(f->number < 0 ? -f->number : f->number);
                value = strerrorname_np(e);
                if (!value)
                        value = "unknown";
        } else if (f->type == LOG_FIELD_NUMBER) {
                snprintf(number, sizeof number, "%lld", (long long)f->number);
                value = number;
        }
        puts_(l, " ");
        puts_(l, f->key);
        puts_(l, "=");
        if (is_plain(value))
                puts_(l, value);
        else
                put_quoted(l, value);
}

static void put_time(struct line *l) {
        uint64_t ms = clock_real_ms();
        struct clock_date d;
        char text[64];

        clock_date((int64_t)(ms / 1000), &d);
        snprintf(text, sizeof text, "time=%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", d.year, d.month,
                 d.day, d.hour, d.minute, d.second, (unsigned)(ms % 1000));
        puts_(l, text);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n) {
        static const char *const names[] = {"debug", "info", "warn", "error"};
        int saved = errno;
        struct line l;

        if (level < atomic_load_explicit(&least_level, memory_order_relaxed))
                return;
        l.n = 0;
        l.cut = false;
        put_time(&l);
        puts_(&l, " level=");
        puts_(&l, names[level]);
        puts_(&l, " event=");
        puts_(&l, event);
        for (size_t i = 0; i < n; i++)
                put_field(&l, &fields[i]);
        if (l.cut) {
                memcpy(l.text + l.n, "...", 3);
                l.n += 3;
        }
        l.text[l.n++] = '\n';
        ssize_t k = write(STDERR_FILENO, l.text, l.n);
        (void)k; /* there is nowhere else to say it */
        errno = saved;
}

void log_set_level(enum log_level least) {
        atomic_store_explicit(&least_level, least, memory_order_relaxed);
}
