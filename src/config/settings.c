/* The contract is in config/settings.h. */
#include "config/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/net.h"
#include "base/str.h"

static bool power_of_two(const char *value) {
        uint64_t v;

        return str_to_u64(value, 1, UINT64_MAX, &v) == 0 && (v & (v - 1)) == 0;
}

static bool absolute_path(const char *value) {
        return value[0] == '/';
}

static bool below_usr(const char *value) {
        return value[0] == '\0' || (str_starts(value, "/usr/") && !strstr(value, "/../"));
}

static bool port_valid(const char *s, uint64_t min) {
        uint64_t port;

        return strlen(s) <= 5 && str_to_u64(s, min, 65535, &port) == 0;
}

static bool listen_address(const char *value) {
        char host[INET_ADDRSTRLEN];
        struct in_addr address;
        const char *colon = strrchr(value, ':');

        if (!colon || (size_t)(colon - value) >= sizeof host || !port_valid(colon + 1, 0))
                return false;
        memcpy(host, value, (size_t)(colon - value));
        host[colon - value] = '\0';
        return inet_pton(AF_INET, host, &address) == 1;
}

static bool url_without_path(const char *value) {
        static const char host_chars[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

        if (*value == '\0')
                return true;
        if (str_starts(value, "https://"))
                value += 8;
        else if (str_starts(value, "http://"))
                value += 7;
        else
                return false;
        size_t n = strspn(value, host_chars);
        if (n == 0 || value[0] == '-' || value[0] == '.')
                return false;
        return value[n] == '\0' || (value[n] == ':' && port_valid(value + n + 1, 1));
}

static bool ipv4_list(const char *value) {
        struct ipv4_nets nets;

        return ipv4_nets_parse(value, &nets) == 0;
}

static bool origins(const char *value) {
        char one[SETTING_TEXT_MAX + 1];

        while (*value) {
                size_t n = strcspn(value, ", ");

                if (n == 0 || n >= sizeof one)
                        return false;
                memcpy(one, value, n);
                one[n] = '\0';
                value += n + strspn(value + n, " ");
                if (!url_without_path(one) || (*value && *value != ',') || str_eq(value, ","))
                        return false;
                value += *value == ',';
                value += strspn(value, " ");
        }
        return true;
}

static bool system_user(const char *value) {
        size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-");

        return n > 0 && n <= 32 && value[n] == '\0' &&
               (value[0] == '_' || (value[0] >= 'a' && value[0] <= 'z'));
}

#define LIVE(f)                                                                                    \
        _Generic(&((struct config *)0)->f, _Atomic bool *: true, _Atomic unsigned *: true,         \
                         _Atomic uint64_t *: true,                                                 \
                         default: false)
#define FIELD(f)                                                                                   \
        .offset = offsetof(struct config, f), .size = sizeof(((struct config *)0)->f),             \
        .live = LIVE(f)
#define NUMBER(s, f, d, u, lo, hi)                                                                 \
        {                                                                                          \
                .section = s, .key = #f, .kind = SETTING_NUMBER, FIELD(f), .initial = d,           \
                .unit = u, .min = (lo), .max = (hi)                                                \
        }
/* A limit that 0 lifts. */
#define LIMIT(s, f, d, u, lo, hi)                                                                  \
        {                                                                                          \
                .section = s, .key = #f, .kind = SETTING_NUMBER, FIELD(f), .initial = d,           \
                .unit = u, .min = (lo), .max = (hi), .zero = true                                  \
        }
#define TEXT(s, f, d, a, v)                                                                        \
        {                                                                                          \
                .section = s, .key = #f, .kind = SETTING_TEXT, FIELD(f), .initial = d,             \
                .allowed = a, .valid = v                                                           \
        }

#define KIB       UINT64_C(1024)
#define MIB       (KIB * 1024)
#define GIB       (MIB * 1024)
#define MINUTE_S  UINT64_C(60)
#define DAY_S     (MINUTE_S * 60 * 24)
#define SECOND_MS UINT64_C(1000)
#define DAY_MS    (SECOND_MS * DAY_S)

static const struct setting table[] = {
        TEXT("server", data, NULL, "the absolute path of a folder", absolute_path),
        TEXT("server", listen, "127.0.0.1:8090", "an IPv4 address and a port, like 127.0.0.1:8090",
             listen_address),
        TEXT("server", public_url, "",
             "empty, or http(s)://HOST or http(s)://HOST:PORT without a path", url_without_path),
        TEXT("server", trusted_proxies, "",
             "empty, or up to 16 IPv4 addresses or networks like 10.1.0.0/16, with commas between",
             ipv4_list),
        TEXT("server", cors_origins, "",
             "empty, or origins like https://lab.example.org, with commas between", origins),
        {.section = "server",
         .key = "metrics_loopback",
         .kind = SETTING_YESNO,
         FIELD(metrics_loopback),
         .initial = "no"},
        TEXT("server", user, "latch", "the name of a user of the system", system_user),
        NUMBER("server", workers, "4", "threads", 2, 64),
        NUMBER("server", max_sockets, "512", "sockets", 1, 10000),
        NUMBER("server", http_threads, "32", "threads", 4, 256),
        {.section = "server",
         .key = "log_level",
         .kind = SETTING_LEVEL,
         FIELD(log_level),
         .initial = "info"},

        NUMBER("users", uid_base, "300000", "uid", 1000, 2000000000),
        NUMBER("users", uid_count, "60000", "uids", 1, 1000000),

        NUMBER("auth", token_lifetime_s, "2592000", "seconds", MINUTE_S, 366 * DAY_S),
        NUMBER("auth", link_lifetime_s, "86400", "seconds", MINUTE_S, 30 * DAY_S),
        {.section = "auth",
         .key = "single_session",
         .kind = SETTING_YESNO,
         FIELD(single_session),
         .initial = "no"},
        NUMBER("auth", failures_per_minute, "10", "failures", 1, 1000),

        NUMBER("limits", message_bytes, "1048576", "bytes", 64 * KIB, 64 * MIB),
        NUMBER("limits", window_bytes, "262144", "bytes", 256 * KIB, 64 * MIB),
        NUMBER("limits", input_bytes, "65536", "bytes", 4 * KIB, MIB),
        NUMBER("limits", file_bytes, "8388608", "bytes", 4 * KIB, GIB),
        LIMIT("limits", quota_bytes, "1073741824", "bytes", MIB, 1024 * 1024 * GIB),
        LIMIT("limits", quota_files, "100000", "files", 100, 1000000),
        NUMBER("limits", upload_bytes, "268435456", "bytes", 4 * KIB, 64 * GIB),
        NUMBER("limits", viewers_per_session, "8", "viewers", 1, 64),
        NUMBER("limits", sockets_per_user, "128", "sockets", 1, 10000),
        NUMBER("limits", sessions_per_user, "128", "sessions", 1, 10000),
        NUMBER("limits", runs_per_minute, "64", "runs", 1, 100000),
        NUMBER("limits", requests_per_minute, "12000", "units", 600, 100000000),
        NUMBER("limits", address_requests_per_minute, "60000", "units", 600, 100000000),
        NUMBER("limits", ended_kept, "20", "sessions", 0, 1000),
        NUMBER("limits", ended_bytes, "262144", "bytes", 0, 16 * MIB),
        NUMBER("limits", ended_total_bytes, "1073741824", "bytes", 32 * MIB, 1024 * GIB),
        NUMBER("limits", list_entries, "10000", "entries", 100, 1000000),
        NUMBER("limits", watches_per_user, "256", "watches", 1, 10000),
        NUMBER("limits", search_ms, "10000", "milliseconds", 100, 60 * SECOND_MS),

        LIMIT("run", wall_ms, "3600000", "milliseconds", 100, 30 * DAY_MS),
        LIMIT("run", idle_ms, "0", "milliseconds", 100, 30 * DAY_MS),
        LIMIT("run", cpu_ms, "600000", "milliseconds", 100, 30 * DAY_MS),
        LIMIT("run", memory_bytes, "1073741824", "bytes", 16 * MIB, 1024 * GIB),
        LIMIT("run", processes, "256", "processes", 4, 32768),
        LIMIT("run", output_bytes, "67108864", "bytes", KIB, 1024 * GIB),
        LIMIT("run", tmp_bytes, "268435456", "bytes", MIB, 1024 * GIB),

        {.section = "session",
         .key = "ring_bytes",
         .kind = SETTING_NUMBER,
         FIELD(ring_bytes),
         .initial = "1048576",
         .unit = "bytes, a power of two",
         .min = 512 * KIB,
         .max = 256 * MIB,
         .valid = power_of_two},
        NUMBER("session", driver_grace_ms, "60000", "milliseconds", 0, DAY_MS),
        LIMIT("session", unused_ms, "0", "milliseconds", 1000, 30 * DAY_MS),
        NUMBER("session", stop_grace_ms, "2000", "milliseconds", 100, 60 * SECOND_MS),
        NUMBER("session", linger_ms, "30000", "milliseconds", 0, DAY_MS),

        TEXT("sandbox", bwrap, "/usr/bin/bwrap", "the absolute path of bubblewrap", absolute_path),
        TEXT("sandbox", python, "/usr/bin/python3", "the absolute path of Python inside the cage",
             absolute_path),
        TEXT("sandbox", ripgrep, "/usr/bin/rg",
             "empty, or the path of ripgrep inside the cage, which is below /usr", below_usr),

        LIMIT("audit", keep_rows, "1000000", "rows", 1000, 1000000000),

        {.section = "diagnostics",
         .key = "echo",
         .kind = SETTING_YESNO,
         FIELD(echo),
         .initial = "no"},
        NUMBER("diagnostics", lock_level, "1", "", 0, 2),
        LIMIT("diagnostics", lock_slow_ms, "5000", "milliseconds", 100, 3600 * SECOND_MS),
};
_Static_assert(ELEMENTS(table) <= sizeof(((struct config *)0)->source),
               "each setting has a source");

static const char *const levels[] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

const struct setting *setting_at(size_t i) {
        return i < ELEMENTS(table) ? &table[i] : NULL;
}

int setting_find(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (str_eq(table[i].section, section) && str_eq(table[i].key, key))
                        return (int)i;
        return -ENOENT;
}

bool setting_section_known(const char *section) {
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (str_eq(table[i].section, section))
                        return true;
        return false;
}

void setting_allowed(const struct setting *s, char to[SETTING_WORDS_MAX]) {
        switch (s->kind) {
        case SETTING_NUMBER:
                snprintf(to, SETTING_WORDS_MAX, "%s%" PRIu64 " to %" PRIu64 "%s%s",
                         s->zero ? "0 or " : "", s->min, s->max, *s->unit ? " " : "", s->unit);
                return;
        case SETTING_YESNO: snprintf(to, SETTING_WORDS_MAX, "yes or no"); return;
        case SETTING_LEVEL: snprintf(to, SETTING_WORDS_MAX, "debug, info, warn or error"); return;
        case SETTING_TEXT:
                snprintf(to, SETTING_WORDS_MAX, "%s; at most %zu bytes", s->allowed,
                         MIN(s->size - 1, (size_t)SETTING_TEXT_MAX));
                return;
        }
}

/* What an INI file can hold: no line breaks, nothing that would be read as a comment, no blanks at the
 * ends. Else a printed configuration would not be the one in force. */
static bool setting_text_valid(const char *value) {
        size_t n = strlen(value);

        for (size_t i = 0; i < n; i++) {
                if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
                        return false;
                if (value[i] == ';' && (i == 0 || value[i - 1] == ' '))
                        return false;
        }
        return (n == 0 || (value[0] != ' ' && value[n - 1] != ' ')) && utf8_valid(value, n);
}

static void put_number(const struct setting *s, uint64_t v, void *field) {
        if (s->size == sizeof(uint64_t))
                __atomic_store_n((uint64_t *)field, v, __ATOMIC_RELAXED);
        else
                __atomic_store_n((unsigned *)field, (unsigned)v, __ATOMIC_RELAXED);
}

static int set_number(const struct setting *s, const char *value, void *field) {
        uint64_t v;

        if (str_to_u64(value, 0, s->max, &v) < 0 || (v < s->min && !(s->zero && v == 0)))
                return -EINVAL;
        if (s->valid && !s->valid(value))
                return -EINVAL;
        put_number(s, v, field);
        return 0;
}
_Static_assert(sizeof(size_t) == sizeof(uint64_t) && sizeof(uid_t) == sizeof(unsigned),
               "numbers are written by their size");
_Static_assert(sizeof(_Atomic bool) == sizeof(bool) &&
                       sizeof(_Atomic uint64_t) == sizeof(uint64_t) &&
                       sizeof(_Atomic unsigned) == sizeof(unsigned),
               "a live value is stored as a plain one");

static int set_text(const struct setting *s, const char *value, char *field) {
        if (strlen(value) > SETTING_TEXT_MAX || strlen(value) >= s->size)
                return -EINVAL;
        if (!setting_text_valid(value) || !s->valid(value))
                return -EINVAL;
        return str_copy(field, s->size, value);
}

static int set_level(const struct setting *s, const char *value, void *field) {
        for (unsigned i = 0; i < ELEMENTS(levels); i++)
                if (str_eq(value, levels[i])) {
                        put_number(s, i, field);
                        return 0;
                }
        return -EINVAL;
}

int setting_set(const struct setting *s, const char *value, struct config *c) {
        void *field = (char *)c + s->offset;

        switch (s->kind) {
        case SETTING_NUMBER: return set_number(s, value, field);
        case SETTING_TEXT: return set_text(s, value, field);
        case SETTING_LEVEL: return set_level(s, value, field);
        case SETTING_YESNO:
                if (!str_eq(value, "yes") && !str_eq(value, "no"))
                        return -EINVAL;
                __atomic_store_n((bool *)field, str_eq(value, "yes"), __ATOMIC_RELAXED);
                return 0;
        }
        CHECK(false);
        return -EINVAL;
}

static uint64_t get_number(const struct setting *s, const void *field) {
        if (s->size == sizeof(uint64_t))
                return __atomic_load_n((const uint64_t *)field, __ATOMIC_RELAXED);
        return __atomic_load_n((const unsigned *)field, __ATOMIC_RELAXED);
}

void setting_get(const struct setting *s, const struct config *c, char to[SETTING_TEXT_MAX + 1]) {
        const void *field = (const char *)c + s->offset;
        size_t size = SETTING_TEXT_MAX + 1;

        switch (s->kind) {
        case SETTING_NUMBER: snprintf(to, size, "%" PRIu64, get_number(s, field)); return;
        case SETTING_TEXT: snprintf(to, size, "%s", (const char *)field); return;
        case SETTING_LEVEL: snprintf(to, size, "%s", levels[get_number(s, field)]); return;
        case SETTING_YESNO:
                snprintf(to, size, "%s",
                         __atomic_load_n((const bool *)field, __ATOMIC_RELAXED) ? "yes" : "no");
                return;
        }
}
