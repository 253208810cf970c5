/* What latchctl prints of what others wrote. The contract is in command.h. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "command.h"

void command_time(uint64_t ms, char to[COMMAND_TIME_MAX]) {
        time_t s = (time_t)(ms / 1000);
        struct tm tm = {0};
        char seconds[24] = "";

        if (gmtime_r(&s, &tm))
                (void)strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(to, COMMAND_TIME_MAX, "%s.%03uZ", seconds, (unsigned)(ms % 1000));
}

/* The bytes at s that a terminal takes for a command: C0, DEL, and C1 in UTF-8 (c2 80 to c2 9f). 0: none. */
static unsigned control_bytes(const unsigned char *s) {
        if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
                return 2;
        return *s < 0x20 || *s == 0x7f;
}

int command_print(const char *text) {
        const unsigned char *s = (const unsigned char *)text;
        int r = *s ? 0 : putchar('-');

        while (r >= 0 && *s) {
                unsigned escaped = *s == '\\' ? 1 : control_bytes(s);
                if (escaped == 0)
                        r = putchar(*s++);
                for (; r >= 0 && escaped > 0; escaped--)
                        r = printf("\\x%02x", *s++);
        }
        return r < 0 ? -EIO : 0;
}
