/* log.h - structured log lines: time, level, event, fields, to stderr, one write(2) each.
 *
 *     time=2026-01-02T03:04:05.678Z level=info event=session.open req=7f user=ann session=k3v9…
 *
 * Values are quoted and escaped where they need it, so a value can never make a second line. Never
 * pass a secret: no passwords, tokens, tickets, links, file or terminal contents.
 *
 * Threads: any. Lock: none may be held (a line is a write).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
        const char *key;
        enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_ERRNO } type;
        const char *text; /* NULL prints nothing at all, not even the key */
        int64_t number;
};

#define LOG_S(k, v) ((struct log_field){.key = (k), .type = LOG_FIELD_TEXT, .text = (v)})
#define LOG_I(k, v)                                                                                \
        ((struct log_field){.key = (k), .type = LOG_FIELD_NUMBER, .number = (int64_t)(v)})
/* An error: v is -errno or errno; printed as error=ENOENT. */
#define LOG_E(v) ((struct log_field){.key = "error", .type = LOG_FIELD_ERRNO, .number = (v)})

/* log_event(LOG_INFO, "http.request", LOG_S("path", path), LOG_I("status", 200)); at least one field. */
#define log_event(level, event, ...)                                                               \
        log_write(level, event, (const struct log_field[]){__VA_ARGS__},                           \
                  sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
void log_set_level(enum log_level least); /* any thread, at any time */
