/* latch_bench_main.c - latch-bench: what the server does under a class, how soon a program speaks, what
 * its front costs beside bare peers, and its locks and lookups beside plain ones. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "bench.h"

#define USERS_MAX  1000u
#define ROUNDS_MAX 100000u

static const char usage[] =
        "usage: latch-bench classroom [--users N] [OPTIONS]   N users (60) run a program at once\n"
        "       latch-bench run [--rounds N] [OPTIONS]        first output of print(1), beside bare bwrap\n"
        "       latch-bench front [--rounds N] [--quick] [--case NAME] [--json] [--timeout SECONDS]\n"
        "                                                     sockets and files, beside bare civetweb and nginx\n"
        "       latch-bench terminal [--peers] [the same]     terminals, beside a bare relay; with --peers beside\n"
        "                                                     node-pty and terminado, too, if they are installed\n"
        "       latch-bench lock [--quick] [--case NAME] [--json]\n"
        "                                                     taking a lock at each level, beside pthread's own\n"
        "       latch-bench registry [--quick] [--case read|referenced] [--json]\n"
        "                                                     lookups, beside a hash table under a rwlock\n"
        "       latch-bench levels [--rounds N] [--quick] [--json]\n"
        "                                                     requests at level 1 and 2 of locks, beside level 0\n"
        "\n"
        "  --json                  the last line is one JSON object\n"
        "  --timeout SECONDS       give up after this long (900)\n"
        "  --url http://ADDR:PORT  a server that is there, instead of one of its own; and either\n"
        "  --data DIR              its DIR: users are made by latchctl, and stay; or\n"
        "  --password-file FILE    its users, a line \"NAME PASSWORD\" each\n";

/* Only cuts waiting short: the way out is the usual one, which ends the server. */
static void on_interrupt(int signal_number) {
        (void)signal_number;
}

static int catch_interrupts(void) {
        const struct sigaction act = {.sa_handler = on_interrupt}; /* no SA_RESTART */

        if (sigaction(SIGINT, &act, NULL) < 0 || sigaction(SIGTERM, &act, NULL) < 0)
                return -errno;
        return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static bool parse_number(const char *text, unsigned max, unsigned *ret) {
        uint64_t v;

        if (str_to_u64(text, 1, max, &v) < 0)
                return false;
        *ret = (unsigned)v;
        return true;
}

static bool parse(int argc, char **argv, struct bench_options *o) {
        static const struct option options[] = {
                {"users", required_argument, NULL, 'u'},
                {"rounds", required_argument, NULL, 'r'},
                {"timeout", required_argument, NULL, 't'},
                {"url", required_argument, NULL, 'U'},
                {"data", required_argument, NULL, 'd'},
                {"password-file", required_argument, NULL, 'p'},
                {"json", no_argument, NULL, 'j'},
                {"quick", no_argument, NULL, 'q'},
                {"case", required_argument, NULL, 'c'},
                {"peers", no_argument, NULL, 'P'},
                {0},
        };
        unsigned timeout_s = 900;
        bool ok = true;
        int c;

        while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
                switch (c) {
                case 'u': ok = parse_number(optarg, USERS_MAX, &o->users); break;
                case 'r': ok = parse_number(optarg, ROUNDS_MAX, &o->rounds); break;
                case 't': ok = parse_number(optarg, 86400, &timeout_s); break;
                case 'U': o->url = optarg; break;
                case 'd': o->data = optarg; break;
                case 'p': o->password_file = optarg; break;
                case 'j': o->json = true; break;
                case 'q': o->quick = true; break;
                case 'c': o->only = optarg; break;
                case 'P': o->peers = true; break;
                default: ok = false;
                }
        }
        o->deadline_ns = clock_mono_ns() + timeout_s * UINT64_C(1000000000);
        bool known = o->data || o->password_file; /* who the users of a server that is there are */
        return ok && optind == argc - 1 && (o->url != NULL) == known &&
               !(o->data && o->password_file);
}

struct benchmark {
        const char *name;
        int (*run)(struct server *server, const struct bench_options *o);
        const struct server_settings *settings; /* of a server of our own; NULL: it needs none */
        bool own;                               /* it measures no other */
};

static int bench(const struct benchmark *b, const struct bench_options *o) {
        struct server server;
        int r = catch_interrupts();

        if (r == 0 && !b->settings)
                return b->run(NULL, o);
        if (r == 0)
                r = o->url ? server_use(&server, o->url, o->data)
                           : server_start(&server, b->settings, o->deadline_ns);
        if (r < 0)
                return EXIT_FAILURE;
        int status = b->run(&server, o);
        return server_end(&server) < 0 ? EXIT_FAILURE : status;
}

int main(int argc, char **argv) {
        static const struct server_settings none = {"", "", ""};
        static const struct benchmark all[] = {
                {"classroom", bench_classroom, &none, false},
                {"run", bench_run, &none, false},
                {"front", bench_front, &bench_front_settings, true},
                {"terminal", bench_terminal, &bench_terminal_settings, true},
                {"lock", bench_lock, NULL, true},
                {"registry", bench_registry, NULL, true},
                {"levels", bench_levels, &bench_levels_settings, true},
        };
        struct bench_options o = {.users = 60};
        bool valid = parse(argc, argv, &o);

        for (size_t i = 0; valid && i < ELEMENTS(all); i++)
                if (str_eq(argv[optind], all[i].name) && !(o.url && all[i].own))
                        return bench(&all[i], &o);
        fputs(usage, stderr);
        return 2;
}
