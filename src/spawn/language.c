/* The contract is in spawn/language.h. */
#include "spawn/language.h"

#include <string.h>

#include "base/str.h"

/* What follows the interpreter. Words in braces are replaced: {script} the snapshot, {path} the file's
 * place at /work, {runner} what runs Python files. Nothing is ever read by a shell. */
struct language {
        const char *name, *ending;
        const char *program; /* NULL: the configured Python */
        const char *run[6], *run_then_repl[6], *repl[3];
};

static const struct language table[] = {
        {.name = "python",
         .ending = ".py",
         .run = {"{runner}", "{script}", "{path}", "run"},
         .run_then_repl = {"-i", "{runner}", "{script}", "{path}", "inspect"},
         .repl = {"-i"}},
        /* The snapshot is sourced, so that $0 is the file's own place and nothing is read twice. */
        {.name = "shell",
         .ending = ".sh",
         .program = "/bin/bash",
         .run = {"-c", ". " LANGUAGE_SCRIPT, "{path}"},
         .run_then_repl = {"-c", ". " LANGUAGE_SCRIPT "; exec /bin/bash -i", "{path}"},
         .repl = {"-i"}},
};

static const struct language *find(const char *name) {
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (str_eq(table[i].name, name))
                        return &table[i];
        return NULL;
}

const char *language_by_name(const char *path) {
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (str_ends(path, table[i].ending))
                        return table[i].name;
        return NULL;
}

bool language_known(const char *language) {
        return find(language) != NULL;
}

const char *language_list(void) {
        return "python (.py), shell (.sh)";
}

static int add(struct buf *to, uint32_t *argc, const char *word) {
        ++*argc;
        return buf_add(to, word, strlen(word) + 1);
}

static int add_word(struct buf *to, uint32_t *argc, const char *word, const char *path) {
        char whole[SPAWN_PATH_MAX + 8];

        if (str_eq(word, "{runner}"))
                return add(to, argc, LANGUAGE_RUNNER);
        if (str_eq(word, "{script}"))
                return add(to, argc, LANGUAGE_SCRIPT);
        if (!str_eq(word, "{path}"))
                return add(to, argc, word);
        memcpy(whole, "/work/", 6);
        memcpy(whole + 6, path, strlen(path) + 1);
        return add(to, argc, whole);
}

static int add_shell(struct buf *to, uint32_t *argc) {
        int r = add(to, argc, "/bin/bash");

        return r < 0 ? r : add(to, argc, "-l");
}

int language_argv(const struct spawn_spec *spec, const char *python, const char *arguments,
                  struct buf *to, uint32_t *ret_argc) {
        const struct language *l = find(spec->language);
        const char *const *words;
        uint32_t argc = 0;
        int r;

        if (spec->kind == SPAWN_TOOL) {
                r = 0; /* its arguments are all of it */
        } else if (spec->kind == SPAWN_SHELL) {
                r = add_shell(to, &argc);
        } else {
                CHECK(l);
                words = spec->kind == SPAWN_REPL ? l->repl
                        : spec->then_repl        ? l->run_then_repl
                                                 : l->run;
                r = add(to, &argc, l->program ? l->program : python);
                for (; r == 0 && *words; words++)
                        r = add_word(to, &argc, *words, spec->path);
        }
        for (uint32_t i = 0; r == 0 && i < spec->argc; i++) {
                r = add(to, &argc, arguments);
                arguments += strlen(arguments) + 1;
        }
        if (r == 0)
                *ret_argc = argc;
        return r;
}
