/* argv.c - what a tool is told: words, never a line for a shell; patterns behind -e, paths behind "--". */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "search/search_private.h"
#include "workspace/workspace.h"

struct argv {
        struct buf *to;
        uint32_t n;
        int r;
};

static void add(struct argv *a, const char *word) {
        if (a->r == 0)
                a->r = buf_add(a->to, word, strlen(word) + 1);
        a->n++;
}

static void add_all(struct argv *a, ...) {
        const char *word;
        va_list words;

        va_start(words, a);
        while ((word = va_arg(words, const char *)))
                add(a, word);
        va_end(words);
}

/* They begin with home or courses, so none is ever an option. */
static void add_paths(struct argv *a, const char *path) {
        char raw[WORKSPACE_PATH_MAX + 1];

        if (a->r == 0)
                a->r = workspace_path_raw(path, strlen(path), raw);
        if (a->r == 0 && raw[0])
                add(a, raw);
        else
                add_all(a, "home", "courses", NULL);
}

static void add_rg(struct argv *a, const struct search_request *rq, const char *rg) {
        add_all(a, rg, "--no-config", "--json", "--no-ignore", "--hidden", "--no-messages",
                "--sort", "path", NULL);
        if (rq->glob)
                add_all(a, "--glob", rq->glob, NULL);
        add_all(a, "--glob", "!.git", NULL);
        if (!rq->exact_case)
                add(a, "--ignore-case");
        if (!rq->regex)
                add(a, "--fixed-strings");
        add_all(a, "-e", rq->text, "--", NULL);
        add_paths(a, rq->path);
}

static void add_grep(struct argv *a, const struct search_request *rq) {
        char include[300];

        add_all(a, "/usr/bin/grep", "-rIHZns", "--color=never", "--exclude-dir=.git",
                rq->regex ? "-E" : "-F", NULL);
        if (rq->glob) {
                snprintf(include, sizeof include, "--include=%s", rq->glob);
                add(a, include);
        }
        if (!rq->exact_case)
                add(a, "-i");
        add_all(a, "-e", rq->text, "--", NULL);
        add_paths(a, rq->path);
}

/* *name*, with what a pattern would take for more than itself marked. */
static void add_substring(struct argv *a, const char *name) {
        struct buf b = BUF_INIT(2048);
        int r = buf_adds(&b, "*");

        for (; r == 0 && *name; name++) {
                if (strchr("*?[\\", *name))
                        r = buf_adds(&b, "\\");
                if (r == 0)
                        r = buf_add(&b, name, 1);
        }
        if (r == 0)
                r = buf_adds(&b, "*");
        if (r == 0)
                add(a, b.data);
        else
                a->r = r;
        buf_done(&b);
}

/* find's -regex is of the whole path: it is told where a name begins and ends. */
static void add_expression(struct argv *a, const char *regex) {
        size_t n = strlen(regex);
        bool first = regex[0] == '^', last = n > 0 && regex[n - 1] == '$';
        struct buf b = BUF_INIT(4096);

        if (last && n > 1 && regex[n - 2] == '\\')
                last = false;
        if (first && n == 1)
                last = false; /* one sign is not both */
        int r = buf_addf(&b, "(.*/)%s(%.*s)%s", first ? "" : "[^/]*",
                         (int)(n - (first ? 1 : 0) - (last ? 1 : 0)), regex + (first ? 1 : 0),
                         last ? "" : "[^/]*");
        if (r == 0)
                add(a, b.data);
        else
                a->r = r;
        buf_done(&b);
}

static void add_find(struct argv *a, const struct search_request *rq) {
        add(a, "/usr/bin/find");
        add_paths(a, rq->path);
        add_all(a, "-mindepth", "1", "-regextype", "posix-extended", "-name", ".git", "-prune",
                "-o", NULL);
        if (rq->regex) {
                add(a, rq->exact_case ? "-regex" : "-iregex");
                add_expression(a, rq->name);
        } else {
                add(a, rq->exact_case ? "-name" : "-iname");
                add_substring(a, rq->name);
        }
        if (rq->glob)
                add_all(a, "-name", rq->glob, NULL);
        add_all(a, "-printf", "%y%p\\0", NULL);
}

static const char *wrong(const struct search_request *rq) {
        const char *pattern = rq->text ? rq->text : rq->name;

        if (!rq->text == !rq->name)
                return "give either text or name";
        if (!pattern[0] || strlen(pattern) > 1000)
                return "what is searched for has 1 to 1000 bytes";
        if (strpbrk(pattern, "\n\r") || (rq->name && strchr(pattern, '/')))
                return rq->name ? "a name has no '/' and no line break in it"
                                : "text is searched for within a line";
        if (rq->glob && (!rq->glob[0] || strlen(rq->glob) > 255 || rq->glob[0] == '!' ||
                         strpbrk(rq->glob, "/{}\\\n")))
                return "glob is a pattern of names: letters, *, ? and [...], without '/', '\\' and {}";
        return NULL;
}

int search_argv(const struct search_request *rq, enum search_tool tool, const char *rg,
                struct buf *to, uint32_t *ret_argc, char words[256]) {
        struct argv a = {.to = to};
        const char *why = wrong(rq);

        if (why) {
                snprintf(words, 256, "%s", why);
                return -EINVAL;
        }
        switch (tool) {
        case SEARCH_RG: add_rg(&a, rq, rg); break;
        case SEARCH_GREP: add_grep(&a, rq); break;
        case SEARCH_FIND: add_find(&a, rq); break;
        }
        *ret_argc = a.n;
        return a.r;
}
