/* What latchctl asks about settings. The contract is in main/control_private.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "main/control_private.h"
#include "main/reload.h"

static json_t *changes_json(const struct config_change *changes, size_t n) {
        json_t *list = json_array();

        for (size_t i = 0; i < n; i++) {
                const struct config_change *c = &changes[i];
                json_t *one = json_pack("{s:s++, s:b, s:s, s:s}", "setting", c->section, ".",
                                        c->key, "live", c->live, "from", c->from, "to", c->to);
                if (json_array_append_new(list, one) < 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return json_pack("{s:b, s:o}", "ok", 1, "changes", list);
}

json_t *control_reload(struct control *c, const json_t *m) {
        _cleanup_(freep) struct config_change *changes = NULL;
        _cleanup_(freep) char *words = NULL;
        size_t n = 0;

        (void)m;
        int r = reload_settings(c->deps.reload, &changes, &n, &words);
        if (r == -EINVAL && words)
                return json_pack("{s:b, s:s}", "ok", 1, "refused", words);
        if (r < 0)
                return control_refusal(words ? words : strerror(-r));
        return changes_json(changes, n);
}
