/* What latchctl asks about locks. The contract is in main/control_private.h. */
#include <stdio.h>

#include "latch/level.h"
#include "main/control_private.h"

/* -1: it is none. */
static int level_of(const json_t *m) {
        const json_t *level = json_object_get(m, "level");
        json_int_t n = json_is_integer(level) ? json_integer_value(level) : -1;

        return n >= 0 && n <= 2 ? (int)n : -1;
}

json_t *control_locks_level(struct control *c, const json_t *m) {
        unsigned was = latch_level();
        int level = level_of(m);
        char words[48];

        if (level < 0)
                return control_refusal("locks.level needs a level, 0 to 2");
        CHECK(latch_set_level((unsigned)level) == 0);
        (void)snprintf(words, sizeof words, "diagnostics.lock_level = %d", level);
        json_t *unwritten = control_note(c, "admin.settings", words, 0);
        return unwritten ? unwritten
                         : json_pack("{s:b, s:i, s:i}", "ok", 1, "was", (int)was, "is", level);
}
