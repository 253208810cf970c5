/* latchctl audit ...: the database is read beside the server, which is asked only to write what waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "audit/chain.h"
#include "base/clock.h"
#include "command.h"

#define PAGE_ROWS 1000u

static int open_store(const struct config *config, const char *file, struct store **ret,
                      char **ret_error) {
        _cleanup_(freep) char *own = file ? NULL : str_printf("%s/latch.db", config->data);

        if (!file && !own)
                return -ENOMEM;
        int r = store_open_reader(file ? file : own, ret, ret_error);
        return r == -ENOENT ? -ECANCELED : r; /* there is no server: that is another matter */
}

int audit_flush_ask(const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;

        return command_request(config, json_pack("{s:s}", "command", "audit.flush"),
                               COMMAND_ANSWER_MS, &reply, ret_error);
}

int audit_direct(struct store *store, const char *what, const char *object, char **ret_error) {
        struct audit *audit = NULL;
        int r = audit_new(store, 0, &audit);

        if (r == 0)
                r = audit_note_durable(audit,
                                       &(struct audit_event){.what = what, .object = object});
        audit_free(audit);
        return r < 0 ? COMPLAIN(ret_error, r,
                                "it was done, but the audit log could not be written: %s",
                                strerror(-r))
                     : 0;
}

/* ---- verify ---- */

static void hash_text(const unsigned char hash[AUDIT_HASH_BYTES],
                      char to[2 * AUDIT_HASH_BYTES + 1]) {
        for (size_t i = 0; i < AUDIT_HASH_BYTES; i++)
                (void)snprintf(to + 2 * i, 3, "%02x", hash[i]);
}

static int say(const struct chain_verdict *v, char **ret_error) {
        char hash[2 * AUDIT_HASH_BYTES + 1];
        int n;

        if (!v->whole)
                return COMPLAIN(ret_error, -ECANCELED,
                                "audit: broken at event %" PRId64 ": %" PRIu64
                                " before it are whole, none from it on can be trusted",
                                v->broken, v->rows);
        hash_text(v->last.hash, hash);
        n = printf("audit: %" PRIu64 " events, whole\n", v->rows);
        if (n >= 0 && v->start.seq > 0)
                n = printf("audit: the chain begins behind event %" PRId64
                           ": older ones are not kept\n",
                           v->start.seq);
        if (n >= 0)
                n = printf("audit: the last is %" PRId64 ", with hash %s\n", v->last.seq, hash);
        return n < 0 ? -EIO : 0;
}

static int verify(const struct command *c, const struct config *config, char **ret_error) {
        struct store *store = NULL;
        struct chain_verdict v;
        int r = open_store(config, c->option[OPTION_FILE], &store, ret_error);

        if (r < 0)
                return r;
        r = chain_verify(store, NULL, &v);
        store_close(store);
        return r < 0 ? COMPLAIN(ret_error, r, "the audit events: %s", strerror(-r))
                     : say(&v, ret_error);
}

int audit_verify_ask(const struct command *c, const struct config *config, char **ret_error) {
        int r = c->option[OPTION_FILE] ? 0 : audit_flush_ask(config, ret_error);

        return r < 0 ? r : verify(c, config, ret_error);
}

int audit_verify_direct(const struct command *c, const struct config *config, char **ret_error) {
        return verify(c, config, ret_error);
}

/* ---- list ---- */

struct listing {
        uint64_t since_ms;
        const char *user, *what; /* NULL: any */
        bool json;
        int64_t last;
        unsigned n; /* of this page */
};

/* "90s", "10m", "2h", "3d": that long ago. */
static int ago(const char *text, uint64_t *ret_ms) {
        static const struct {
                char letter;
                uint64_t ms;
        } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
        char digits[12];
        size_t n = strlen(text);
        uint64_t v;

        if (n < 2 || n > sizeof digits)
                return -EINVAL;
        memcpy(digits, text, n - 1);
        digits[n - 1] = '\0';
        if (str_to_u64(digits, 0, 1000000, &v) < 0)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTS(units); i++) {
                if (units[i].letter != text[n - 1])
                        continue;
                uint64_t now = clock_real_ms();
                *ret_ms = v * units[i].ms < now ? now - v * units[i].ms : 0;
                return 0;
        }
        return -EINVAL;
}

static int moment(const char *text, uint64_t *ret_ms) {
        static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};

        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                struct tm tm = {0};
                const char *end = strptime(text, forms[i], &tm);
                time_t t = end && *end == '\0' ? timegm(&tm) : -1;
                if (t >= 0) {
                        *ret_ms = (uint64_t)t * 1000;
                        return 0;
                }
        }
        return ago(text, ret_ms);
}

static bool wanted(const struct listing *l, const struct store_audit *row) {
        return row->time_ms >= l->since_ms && (!l->user || str_eq(l->user, row->user)) &&
               (!l->what || str_starts(row->what, l->what));
}

static int print_json(const struct store_audit *row, const char *time) {
        json_auto_t *j = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "seq",
                                   (json_int_t)row->seq, "time", time, "what", row->what, "user",
                                   row->user, "address", row->address, "object", row->object,
                                   "outcome", row->outcome, "count", (json_int_t)row->count);
        _cleanup_(freep) char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

        if (!text)
                return -ENOMEM;
        return puts(text) < 0 ? -EIO : 0;
}

static int print_line(const struct store_audit *row, const char *time) {
        const char *const texts[] = {row->user, row->address, row->object};
        int r = printf("%" PRId64 "\t%s\t%s\t%s", row->seq, time, row->what, row->outcome) < 0
                        ? -EIO
                        : 0;

        for (size_t i = 0; r == 0 && i < ELEMENTS(texts); i++) {
                r = putchar('\t') < 0 ? -EIO : 0;
                if (r == 0)
                        r = command_print(texts[i]);
        }
        if (r == 0 && row->count > 1 && printf("\t%" PRIu64 " times", row->count) < 0)
                r = -EIO;
        return r < 0 ? r : putchar('\n') < 0 ? -EIO : 0;
}

static int print_row(void *arg, const struct store_audit *row) {
        struct listing *l = arg;
        char time[COMMAND_TIME_MAX];

        l->last = row->seq;
        l->n++;
        if (!wanted(l, row))
                return 0;
        command_time(row->time_ms, time);
        return l->json ? print_json(row, time) : print_line(row, time);
}

static int list(const struct command *c, const struct config *config, char **ret_error) {
        struct listing l = {.user = c->option[OPTION_USER],
                            .what = c->option[OPTION_WHAT],
                            .json = c->option[OPTION_JSON] != NULL};
        const char *since = c->option[OPTION_SINCE];
        struct store *store = NULL;

        if (since && moment(since, &l.since_ms) < 0)
                return COMPLAIN(ret_error, -ECANCELED,
                                "--since %s: allowed is 2026-01-31, 2026-01-31T08:15Z, "
                                "2026-01-31T08:15:00Z, or 90s, 10m, 2h, 3d for so long ago",
                                since);
        int r = open_store(config, c->option[OPTION_FILE], &store, ret_error);
        if (r < 0)
                return r;
        do {
                l.n = 0;
                r = store_audit_read(store, l.last, PAGE_ROWS, print_row, &l);
        } while (r == 0 && l.n == PAGE_ROWS);
        store_close(store);
        return r < 0 ? COMPLAIN(ret_error, r, "the audit events: %s", strerror(-r)) : 0;
}

int audit_list_ask(const struct command *c, const struct config *config, char **ret_error) {
        int r = c->option[OPTION_FILE] ? 0 : audit_flush_ask(config, ret_error);

        return r < 0 ? r : list(c, config, ret_error);
}

int audit_list_direct(const struct command *c, const struct config *config, char **ret_error) {
        return list(c, config, ret_error);
}
