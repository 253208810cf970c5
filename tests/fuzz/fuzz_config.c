/* fuzz_config.c - a configuration file: refused with words, or read; and what is printed of it reads back as the
 * same settings.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "config/file.h"
#include "config/settings.h"
#include "fuzz.h"

/* Through a file in memory: as latchd reads one. */
static int read_back(const void *text, size_t n, struct config *ret, char **ret_error) {
        static struct config defaults;
        static char path[64];
        static int fd = -1;

        if (fd < 0) {
                fd = memfd_create("config", MFD_CLOEXEC);
                CHECK(snprintf(path, sizeof path, "/proc/self/fd/%d", fd) > 0);
                config_defaults(&defaults);
        }
        CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, text, n, 0) == (ssize_t)n);
        *ret = defaults;
        return config_file_read(path, ret, ret_error);
}

static void check_same(const struct config *a, const struct config *b) {
        char left[SETTING_TEXT_MAX + 1], right[SETTING_TEXT_MAX + 1];
        const struct setting *s;

        for (size_t i = 0; (s = setting_at(i)); i++) {
                setting_get(s, a, left);
                setting_get(s, b, right);
                CHECK(str_eq(left, right));
        }
}

static void check_printed(const struct config *c) {
        struct config again;
        char *text = NULL, *error = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&text, &n);

        CHECK(to);
        config_print(c, to);
        CHECK(fclose(to) == 0);
        CHECK(read_back(text, n, &again, &error) == 0);
        check_same(c, &again);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config c;
        char *error = NULL;
        int r = read_back(data, size, &c, &error);

        if (r == 0) {
                CHECK(!error);
                check_printed(&c);
        } else {
                CHECK(r == -EINVAL && error && error[0] && utf8_valid(error, strlen(error)));
        }
        free(error);
        return 0;
}
