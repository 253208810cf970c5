/* The contract is in spawn/spec_check.h. */
#include "spawn/spec_check.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "spawn/language.h"

#define SIDE_MAX      2000u /* columns, rows */
#define RING_MIN      (UINT64_C(64) << 10)
#define RING_MAX      (UINT64_C(64) << 20)
#define INPUT_MIN     (UINT64_C(1) << 10)
#define INPUT_MAX     (UINT64_C(4) << 20)
#define GRACE_MAX_MS  86400000u
#define STOP_MAX_MS   60000u
#define TMP_MAX       (UINT64_C(1) << 40)
#define PROCESSES_MAX (UINT64_C(1) << 20)

static bool ends_within(const char *s, size_t size) {
        return memchr(s, '\0', size) != NULL;
}

static bool id_valid(const char *id) {
        for (unsigned i = 0; i < RANDOM_ID_CHARS; i++)
                if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9')))
                        return false;
        return id[RANDOM_ID_CHARS] == '\0';
}

/* Letters, digits, _ . -; at most 32; no mark first. */
static bool user_valid(const char *user) {
        size_t n = strlen(user);

        if (n == 0 || n > 32 || !isalnum((unsigned char)user[0]))
                return false;
        return strspn(user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               n;
}

/* The wire's rule: no empty, "." or ".." part; "" is the root. */
static bool path_valid(const char *path) {
        size_t n = strlen(path);

        if (n == 0)
                return true;
        if (!utf8_valid(path, n))
                return false;
        for (const char *part = path;; part++) {
                size_t k = strcspn(part, "/");
                if (k == 0 || (k == 1 && part[0] == '.') ||
                    (k == 2 && part[0] == '.' && part[1] == '.'))
                        return false;
                part += k;
                if (*part == '\0')
                        return true;
        }
}

static bool env_valid(const char *entry) {
        size_t n = strcspn(entry, "=");

        if (n == 0 || entry[n] != '=' || isdigit((unsigned char)entry[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)entry[i]) && entry[i] != '_')
                        return false;
        return true;
}

/* Exactly argc and then envc strings, each with its end, and nothing after them. */
static bool strings_valid(const struct spawn_spec *spec, const char *strings) {
        size_t at = 0;

        if (spec->argc > SPAWN_ARGS_MAX || spec->envc > SPAWN_ENV_MAX)
                return false;
        for (uint32_t i = 0; i < spec->argc + spec->envc; i++) {
                if (at >= spec->strings_n || !ends_within(strings + at, spec->strings_n - at))
                        return false;
                if (i >= spec->argc && !env_valid(strings + at))
                        return false;
                at += strlen(strings + at) + 1;
        }
        return at == spec->strings_n;
}

static bool sizes_valid(const struct spawn_spec *spec) {
        return spec->cols >= 1 && spec->cols <= SIDE_MAX && spec->rows >= 1 &&
               spec->rows <= SIDE_MAX && spec->ring_bytes >= RING_MIN &&
               spec->ring_bytes <= RING_MAX && (spec->ring_bytes & (spec->ring_bytes - 1)) == 0 &&
               spec->input_bytes >= INPUT_MIN && spec->input_bytes <= INPUT_MAX &&
               spec->driver_grace_ms <= GRACE_MAX_MS && spec->stop_grace_ms <= STOP_MAX_MS &&
               spec->limits.tmp_bytes <= TMP_MAX && spec->limits.processes <= PROCESSES_MAX &&
               spec->tty <= 1 && spec->then_repl <= 1;
}

/* Only what the cage shows of the system. Its strings are checked already. */
static bool tool_valid(const struct spawn_spec *spec, const char *strings) {
        return spec->argc > 0 && str_starts(strings, "/usr/") && !spec->tty && !spec->then_repl;
}

static bool program_valid(const struct spawn_spec *spec, const char *strings) {
        switch (spec->kind) {
        case SPAWN_SHELL: return true;
        case SPAWN_REPL: return language_known(spec->language);
        case SPAWN_RUN: return language_known(spec->language) && spec->path[0] != '\0';
        case SPAWN_TOOL: return tool_valid(spec, strings);
        default: return false;
        }
}

int spawn_spec_check(const struct spawn_spec *spec, size_t n, const char *strings) {
        if (n < sizeof *spec || spec->size != sizeof *spec || spec->strings_n > SPAWN_STRINGS_MAX ||
            n - sizeof *spec != spec->strings_n)
                return -EINVAL;
        if (!ends_within(spec->id, sizeof spec->id) ||
            !ends_within(spec->user, sizeof spec->user) ||
            !ends_within(spec->language, sizeof spec->language) ||
            !ends_within(spec->path, sizeof spec->path) ||
            !ends_within(spec->cwd, sizeof spec->cwd))
                return -EINVAL;
        if (!id_valid(spec->id) || !user_valid(spec->user) || !path_valid(spec->path) ||
            !path_valid(spec->cwd) || !sizes_valid(spec) || !strings_valid(spec, strings) ||
            !program_valid(spec, strings))
                return -EINVAL;
        return 0;
}
