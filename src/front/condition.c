/* condition.c - see condition.h. */
#include "front/condition.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/str.h"
#include "front/entity.h"

bool condition_date(const char *text, int64_t *ret_s) {
        static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                            "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};

        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                struct tm t = {0};
                const char *end = strptime(text, forms[i], &t); /* no setlocale: English names */

                if (!end || *end)
                        continue;
                *ret_s = timegm(&t);
                return true;
        }
        return false;
}

void condition_date_text(int64_t s, char to[CONDITION_DATE_MAX]) {
        static const char days[] = "SunMonTueWedThuFriSat",
                          months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct clock_date d;

        clock_date(s, &d);
        snprintf(to, CONDITION_DATE_MAX, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                 days + (size_t)d.weekday * 3, d.day, months + ((size_t)d.month - 1) * 3, d.year,
                 d.hour, d.minute, d.second);
}

/* True: it is there, it is a date, and what stands there was not changed after it. */
static bool unchanged_since(const char *text, const struct validators *now, bool *ret_valid) {
        int64_t s = 0;

        *ret_valid = text && now->etag && condition_date(text, &s);
        return *ret_valid && now->modified_s <= s;
}

/* RFC 9110, 13.2.2: the order is the meaning. */
enum condition_verdict condition_judge(const struct conditions *c, const struct validators *now) {
        bool valid, unchanged;

        if (c->match) {
                if (!now->etag || !entity_listed(c->match, now->etag, true))
                        return CONDITION_FAILS;
        } else {
                unchanged = unchanged_since(c->unmodified_s, now, &valid);
                if (valid && !unchanged)
                        return CONDITION_FAILS;
        }
        if (c->none) {
                if (!now->etag || !entity_listed(c->none, now->etag, false))
                        return CONDITION_HOLDS;
                if (c->read)
                        return CONDITION_SAME;
                return c->none[strspn(c->none, " \t")] == '*' ? CONDITION_EXISTS : CONDITION_FAILS;
        }
        return c->read && unchanged_since(c->modified_s, now, &valid) ? CONDITION_SAME
                                                                      : CONDITION_HOLDS;
}

bool condition_range(const char *if_range, const struct validators *now, int64_t now_s) {
        int64_t s;

        if (!if_range)
                return true;
        if (if_range[0] == '"' || str_starts(if_range, "W/"))
                return str_eq(if_range, now->etag);
        return condition_date(if_range, &s) && s == now->modified_s && now_s > s + 1;
}
