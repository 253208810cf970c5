/* What a reload may change. The contract is in config/config.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/str.h"
#include "config/config.h"
#include "config/settings.h"

static void take_setting(const struct setting *s, struct config *c, const struct config *fresh) {
        char value[SETTING_TEXT_MAX + 1];

        setting_get(s, fresh, value);
        CHECK(setting_set(s, value, c) == 0); /* it was allowed when it was read */
}

void config_take_live(struct config *c, const struct config *fresh) {
        const struct setting *s;

        for (size_t i = 0; (s = setting_at(i)); i++) {
                if (!s->live)
                        continue;
                take_setting(s, c, fresh);
                c->source[i] = fresh->source[i];
        }
}

static size_t count(void) {
        size_t n = 0;

        while (setting_at(n))
                n++;
        return n;
}

int config_compare(const struct config *c, const struct config *fresh, struct config_change **ret,
                   size_t *ret_n) {
        _cleanup_(freep) struct config_change *list = calloc(count(), sizeof *list);
        const struct setting *s;
        size_t n = 0;

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; (s = setting_at(i)); i++) {
                struct config_change *to = &list[n];
                setting_get(s, c, to->from);
                setting_get(s, fresh, to->to);
                if (str_eq(to->from, to->to))
                        continue;
                to->section = s->section;
                to->key = s->key;
                to->live = s->live;
                n++;
        }
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
