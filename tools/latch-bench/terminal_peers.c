/* terminal_peers.c - see terminal.h: what else carries terminals, each started as a server of its own, and by turns. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "terminal.h"
#include "usage.h"

#define ARGUMENTS_MAX 128u
#define PATH_BYTES    (PATH_MAX + 128)

/* Scripts lie in the folder of peers beside that of the programs. */
static const struct peer {
        const char *name;
        const char *program, *argument; /* the script's name comes next, then what it starts */
        const char *script, *needs;     /* a relative path is one of that folder */
        enum line_wire wire;
} installable[] = {
        {"node-pty and ws", "/usr/bin/env", "node", "serve_node_pty.mjs",
         "node_modules/@lydell/node-pty/package.json", LINE_PLAIN},
        {"terminado", "/usr/bin/python3", "-I", "serve_terminado.py",
         "/usr/lib/python3/dist-packages/terminado/__init__.py", LINE_TERMINADO},
};

static void path_of(const struct server *s, const char *name, char to[PATH_BYTES]) {
        if (name[0] == '/')
                (void)snprintf(to, PATH_BYTES, "%s", name);
        else
                (void)snprintf(to, PATH_BYTES, "%s/../peers/%s", s->bin, name);
}

static bool is_installed(const struct server *s, const struct peer *p) {
        char script[PATH_BYTES], needs[PATH_BYTES];

        path_of(s, p->script, script);
        path_of(s, p->needs, needs);
        return access(script, R_OK) == 0 && access(needs, R_OK) == 0;
}

static int start(const struct terminal_run *run, const struct peer *p, const char *const *argv,
                 struct terminal_peers *to) {
        struct listener *l = &to->listeners[to->n];
        const char *arguments[ARGUMENTS_MAX] = {p->program, p->argument};
        char script[PATH_BYTES];
        size_t n = 3;
        int r;

        path_of(run->server, p->script, script);
        arguments[2] = script;
        while (*argv && n < ARGUMENTS_MAX - 1)
                arguments[n++] = *argv++;
        r = *argv ? -E2BIG : listener_start(p->program, arguments, run->options->deadline_ns, l);
        if (r < 0) {
                fprintf(stderr, "latch-bench: %s does not start\n", p->name);
                return r;
        }
        to->sides[to->n] = (struct terminal_side){
                .place = {.site = &l->site,
                          .wire = p->wire,
                          .deadline_ns = run->options->deadline_ns},
                .pid = l->process.pid,
        };
        to->names[to->n++] = p->name;
        return 0;
}

int terminal_peers_start(const struct terminal_run *run, const char *const *argv,
                         struct terminal_peers *p) {
        int r = 0;

        *p = (struct terminal_peers){.names = {"a bare relay"}, .n = 1};
        p->listeners[0] = LISTENER_NONE;
        p->sides[0].place =
                (struct line_place){.argv = argv, .deadline_ns = run->options->deadline_ns};
        for (size_t i = 0; i < ELEMENTS(installable) && run->options->peers && r == 0; i++)
                if (is_installed(run->server, &installable[i]))
                        r = start(run, &installable[i], argv, p);
        if (r < 0)
                terminal_peers_end(p);
        return r;
}

void terminal_peers_end(struct terminal_peers *p) {
        while (p->n > 0)
                listener_end(&p->listeners[--p->n]);
}

void terminal_peers_tell(const struct terminal_run *run) {
        for (size_t i = 0; i < ELEMENTS(installable) && run->options->peers; i++)
                if (!is_installed(run->server, &installable[i]))
                        printf(run->options->json
                                       ? "{\"bench\":\"terminal\",\"peer\":\"%s\",\"skipped\":\"it is not "
                                         "installed: make peers\"}\n"
                                       : "%s is not installed: make peers\n",
                               installable[i].name);
        (void)fflush(stdout);
}

int terminal_measure(const struct terminal_run *run, const struct terminal_peers *peers,
                     const struct terminal_work *work, struct pairs_plan *plan) {
        struct terminal_side ours = run->ours, theirs[PAIRS_PEERS];

        ours.work = work;
        plan->bench = "terminal";
        plan->ours.side = &ours;
        for (size_t i = 0; i < peers->n; i++) {
                theirs[i] = peers->sides[i];
                theirs[i].work = work;
                plan->peers[i] = (struct pairs_side){peers->names[i], plan->ours.turn, &theirs[i]};
        }
        return pairs_run(plan, run->options->json);
}

uint64_t terminal_cpu_ns(const struct terminal_side *side, const struct line *l) {
        if (side->server)
                return usage_server_cpu_ns(side->server);
        return usage_cpu_ns(side->pid ? side->pid : l->relay);
}
