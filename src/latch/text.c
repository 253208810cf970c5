/* The contract is in text_private.h. */
#include "latch/text_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macros.h"
#include "latch/latch_private.h"

static int write_all(int fd, const char *text, size_t n) {
        while (n > 0) {
                ssize_t done = write(fd, text, n);

                if (done == 0 || (done < 0 && errno != EINTR))
                        return done < 0 ? -errno : -EIO;
                if (done > 0)
                        text += done, n -= (size_t)done;
        }
        return 0;
}

int latch_text_write(int fd, void (*print)(FILE *to)) {
        _cleanup_(latch_cancel_back) _unused_ int cancel = latch_cancel_off();
        char *text = NULL;
        size_t n = 0;
        FILE *to = open_memstream(&text, &n);

        if (!to)
                return -errno;
        print(to);
        int r = fclose(to) != 0 ? -errno : write_all(fd, text, n);
        free(text);
        return r;
}
