/* latchctl locks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

#define TIME_MAX 16

static int64_t number(const json_t *of, const char *key) {
        return json_integer_value(json_object_get(of, key));
}

static const char *text(const json_t *of, const char *key) {
        const char *s = json_string_value(json_object_get(of, key));

        return s ? s : "";
}

/* Three digits and the unit that makes it so; "-" for nothing. */
static const char *time_words(int64_t ns, char to[TIME_MAX]) {
        static const char *const units[] = {"ns", "us", "ms", "s"};
        double value = (double)ns;
        size_t unit = 0;

        for (; value >= 999.5 && unit + 1 < ELEMENTS(units); unit++)
                value /= 1000;
        int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
        if (ns == 0)
                (void)snprintf(to, TIME_MAX, "-");
        else
                (void)snprintf(to, TIME_MAX, "%.*f %s", digits, value, units[unit]);
        return to;
}

static int print_json(const json_t *of) {
        return json_dumpf(of, stdout, JSON_COMPACT) < 0 || putchar('\n') < 0 ? -EIO : 0;
}

/* ---- figures ---- */

static int print_times(const json_t *h) {
        static const char *const keys[] = {"p50_ns", "p99_ns", "max_ns"};
        char words[TIME_MAX];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(keys); i++)
                r = printf(" %9s", time_words(number(h, keys[i]), words));
        return r;
}

static int print_classes(const json_t *list) {
        const json_t *c;
        size_t i;
        int r = printf("%-14s %12s %10s %9s %9s %9s %9s %9s %9s\n", "class", "taken", "waited",
                       "wait p50", "p99", "max", "hold p50", "p99", "max");

        json_array_foreach(list, i, c) {
                if (r >= 0)
                        r = printf("%-14s %12" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT,
                                   text(c, "name"), (json_int_t)number(c, "taken"),
                                   (json_int_t)number(c, "contended"));
                if (r >= 0)
                        r = print_times(json_object_get(c, "wait"));
                if (r >= 0)
                        r = print_times(json_object_get(c, "hold"));
                if (r >= 0)
                        r = putchar('\n');
        }
        return r;
}

static int print_waits(const json_t *list) {
        char all[TIME_MAX], longest[TIME_MAX];
        const json_t *p;
        size_t i;
        int r = json_array_size(list) == 0 ? 0
                                           : printf("\n%-14s %10s %9s %9s  waited for at\n",
                                                    "class", "times", "in all", "longest");

        json_array_foreach(list, i, p)
                if (r >= 0)
                        r = printf("%-14s %10" JSON_INTEGER_FORMAT " %9s %9s  %s\n",
                                   text(p, "class"), (json_int_t)number(p, "contended"),
                                   time_words(number(p, "wait_ns"), all),
                                   time_words(number(p, "longest_wait_ns"), longest),
                                   text(p, "place"));
        return r;
}

static int print_holds(const json_t *list) {
        char longest[TIME_MAX];
        const json_t *p;
        size_t i;
        int r = json_array_size(list) == 0 ? 0
                                           : printf("\n%-14s %9s  held at\n", "class", "longest");

        json_array_foreach(list, i, p)
                if (r >= 0)
                        r = printf("%-14s %9s  %s\n", text(p, "class"),
                                   time_words(number(p, "longest_hold_ns"), longest),
                                   text(p, "place"));
        return r;
}

static int print_figures(const json_t *f) {
        int64_t violations = number(f, "violations"), lost = number(f, "places_lost");
        int r = printf("level %d, %" JSON_INTEGER_FORMAT " violation%s\n\n",
                       (int)number(f, "level"), (json_int_t)violations, violations == 1 ? "" : "s");

        if (r >= 0)
                r = print_classes(json_object_get(f, "classes"));
        if (r >= 0)
                r = print_waits(json_object_get(f, "contention"));
        if (r >= 0)
                r = print_holds(json_object_get(f, "holds"));
        if (r >= 0 && lost > 0)
                r = printf("\n%" JSON_INTEGER_FORMAT " times the table of places was full\n",
                           (json_int_t)lost);
        return r < 0 ? -EIO : 0;
}

/* Steals message. *ret is what was answered, without its "ok". */
static int ask(const struct config *config, json_t *message, json_t **ret, char **ret_error) {
        int r = command_request(config, message, COMMAND_ANSWER_MS, ret, ret_error);

        if (r == 0)
                json_object_del(*ret, "ok");
        return r;
}

static int figures(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        int r = ask(config, json_pack("{s:s}", "command", "locks"), &reply, ret_error);

        if (r < 0)
                return r;
        return c->option[OPTION_JSON] ? print_json(reply) : print_figures(reply);
}

/* ---- the level ---- */

static int level(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        int wanted = c->option[OPTION_LEVEL][0] - '0';
        int r = ask(config, json_pack("{s:s, s:i}", "command", "locks.level", "level", wanted),
                    &reply, ret_error);

        if (r < 0)
                return r;
        if (c->option[OPTION_JSON])
                return print_json(reply);
        return printf("lock level %d (it was %d)\n", (int)number(reply, "is"),
                      (int)number(reply, "was")) < 0
                       ? -EIO
                       : 0;
}

/* ---- the trace ---- */

static int print_event(const json_t *e) {
        bool shared = json_is_true(json_object_get(e, "shared"));

        if (printf("%s %d %" JSON_INTEGER_FORMAT " %s%s %s %s", text(e, "thread"),
                   (int)number(e, "tid"), (json_int_t)number(e, "n"), text(e, "step"),
                   shared ? " shared" : "", text(e, "class"), text(e, "lock")) < 0 ||
            printf(" generation %" JSON_INTEGER_FORMAT, (json_int_t)number(e, "generation")) < 0)
                return -EIO;
        if (number(e, "time_ns") != 0 &&
            printf(" at %.9f s", (double)number(e, "time_ns") / 1e9) < 0)
                return -EIO;
        return printf(" %s\n", text(e, "place")) < 0 ? -EIO : 0;
}

static int print_page(const json_t *events, bool json) {
        const json_t *e;
        size_t i;
        int r = 0;

        json_array_foreach(events, i, e)
                if (r == 0)
                        r = json ? print_json(e) : print_event(e);
        return r;
}

static int trace(const struct command *c, const struct config *config, char **ret_error) {
        json_int_t at = 0, which = 0, lost = 0;
        bool more = true;
        int r = 0;

        while (r == 0 && more) {
                json_auto_t *reply = NULL;

                r = command_request(config,
                                    json_pack("{s:s, s:I, s:I}", "command", "locks.trace", "at", at,
                                              "trace", which),
                                    COMMAND_ANSWER_MS, &reply, ret_error);
                if (r < 0)
                        return r;
                at = number(reply, "next");
                which = number(reply, "trace");
                lost = number(reply, "lost");
                more = json_is_true(json_object_get(reply, "more"));
                r = print_page(json_object_get(reply, "events"), c->option[OPTION_JSON]);
        }
        if (r == 0 && lost > 0)
                fprintf(stderr, "latchctl: %" JSON_INTEGER_FORMAT " steps found no ring\n", lost);
        return r;
}

/* ---- who waits for whom ---- */

static int waits(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        int r = ask(config, json_pack("{s:s}", "command", "locks.waits"), &reply, ret_error);

        if (r < 0)
                return r;
        if (c->option[OPTION_JSON])
                return print_json(reply);
        if (fputs(text(reply, "text"), stdout) < 0)
                return -EIO;
        if (!json_is_true(json_object_get(reply, "whole")))
                fputs("latchctl: there is more than one answer has room for\n", stderr);
        return 0;
}

int locks_ask(const struct command *c, const struct config *config, char **ret_error) {
        if (!!c->option[OPTION_LEVEL] + !!c->option[OPTION_TRACE] + !!c->option[OPTION_WAITS] > 1)
                return COMPLAIN(ret_error, -ECANCELED, "--level, --trace, --waits: one of them");
        if (c->option[OPTION_LEVEL])
                return level(c, config, ret_error);
        if (c->option[OPTION_WAITS])
                return waits(c, config, ret_error);
        return c->option[OPTION_TRACE] ? trace(c, config, ret_error)
                                       : figures(c, config, ret_error);
}
