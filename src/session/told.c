/* told.c - what a holder tells of the program on its terminal: its title, its folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/session_private.h"
#include "workspace/workspace.h"

int session_hear_title(struct session *s, const struct hold_title *m) {
        size_t n = strnlen(m->text, sizeof m->text);

        if (!s->about.tty || !title_valid(m->text, n))
                return -EPROTO;
        LATCH_GUARD(session, &s->lock);
        memcpy(s->title, m->text, n);
        s->title[n] = '\0';
        return 0;
}

/* A path of the wire; NULL: of nothing there, or of too much. */
static char *wire_of(const char *path) {
        char wire[SESSION_CWD_MAX + 1];
        size_t top = strcspn(path, "/");
        bool known = (top == 4 && memcmp(path, "home", top) == 0) ||
                     (top == 7 && memcmp(path, "courses", top) == 0);

        return known && workspace_path_wire(path, wire, sizeof wire) == 0 ? strdup(wire) : NULL;
}

int session_hear_cwd(struct session *s, const struct hold_cwd *m) {
        if (!s->about.tty || strnlen(m->path, sizeof m->path) > HOLD_CWD_MAX)
                return -EPROTO;
        char *was = NULL, *now = wire_of(m->path);
        LATCH_WITH(session, &s->lock) {
                was = s->cwd;
                s->cwd = now;
        }
        free(was);
        return 0;
}
