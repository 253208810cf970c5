/* settings.h - the table of settings: section, key, default, what is allowed. The room's own, and its tests'.
 *
 * Threads: any; the table is const. Lock: any may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "config/config.h"

/* So that a printed setting fits a line of inih (200 bytes) with its comment. */
#define SETTING_TEXT_MAX CONFIG_TEXT_MAX

enum setting_kind { SETTING_NUMBER, SETTING_YESNO, SETTING_LEVEL, SETTING_TEXT };
enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_COMMAND_LINE };

struct setting {
        const char *section, *key;
        enum setting_kind kind;
        size_t offset, size;              /* of the field in struct config */
        bool live;                        /* its field is _Atomic: a reload may change it */
        const char *initial;              /* as one writes it in a file; NULL: found at start */
        uint64_t min, max;                /* of a number */
        bool zero;                        /* 0 is allowed, too, and means: no limit */
        const char *unit;                 /* of a number; "": it has none */
        const char *allowed;              /* of a text, in words */
        bool (*valid)(const char *value); /* of a text or a number; NULL: all within the bounds */
};

/* The i-th setting, in the order in which they are printed, or NULL behind the last. */
const struct setting *setting_at(size_t i);
/* Its place in the table, or -ENOENT. */
_must_use_ int setting_find(const char *section, const char *key);
bool setting_section_known(const char *section);

/* What is allowed, in words: "2 to 64", "0 or 1000 to 60000", "yes or no". */
#define SETTING_WORDS_MAX 256
void setting_allowed(const struct setting *s, char to[SETTING_WORDS_MAX]);

/* value into its field of c. 0, -EINVAL: it is not allowed (c as before). */
_must_use_ int setting_set(const struct setting *s, const char *value, struct config *c);
/* The field as one writes it in a file. */
void setting_get(const struct setting *s, const struct config *c, char to[SETTING_TEXT_MAX + 1]);

/* Rules that tie settings to each other. 0, or -EINVAL and *ret_error (malloc'd); -ENOMEM. */
_must_use_ int settings_check_together(const struct config *c, char **ret_error);
