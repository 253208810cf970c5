/* The contract is in base/clock.h. */
#include "base/clock.h"

#include <time.h>

#include "base/macros.h"

static uint64_t read_ns(clockid_t id) {
        struct timespec t;

        CHECK(clock_gettime(id, &t) == 0);
        return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void) {
        return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void) {
        return read_ns(CLOCK_MONOTONIC) / 1000000;
}

uint64_t clock_real_ms(void) {
        return read_ns(CLOCK_REALTIME) / 1000000;
}

#define DAYS_BEFORE_1970 719468                /* since the first of March of the year 0 */
#define SECONDS_MAX      INT64_C(253402300799) /* the last of 9999 */
#define DAYS_4           1461u                 /* of four years, the last of them a leap year */
#define DAYS_100         36524u
#define DAYS_400         146097u

/* A year that begins in March has its leap day at its end, and 153 days in each five months. */
void clock_date(int64_t seconds, struct clock_date *ret) {
        const int64_t before = DAYS_BEFORE_1970 * INT64_C(86400);
        uint64_t since = (uint64_t)(MIN(MAX(seconds, -before), SECONDS_MAX) + before),
                 days = since / 86400;
        unsigned in_400 = (unsigned)(days % DAYS_400), rest = (unsigned)(since % 86400);
        unsigned hundreds = MIN(in_400 / DAYS_100, 3u), in_100 = in_400 - hundreds * DAYS_100;
        unsigned fours = in_100 / DAYS_4, in_4 = in_100 - fours * DAYS_4;
        unsigned ones = MIN(in_4 / 365, 3u), in_year = in_4 - ones * 365;
        unsigned month = (in_year * 5 + 2) / 153; /* 0: March */
        unsigned year = (unsigned)(days / DAYS_400) * 400 + hundreds * 100 + fours * 4 + ones;

        *ret = (struct clock_date){
                .year = year + (month >= 10),
                .month = month < 10 ? month + 3 : month - 9,
                .day = in_year - (month * 153 + 2) / 5 + 1,
                .hour = rest / 3600,
                .minute = rest / 60 % 60,
                .second = rest % 60,
                .weekday = (unsigned)((days + 3) % 7),
        };
}
