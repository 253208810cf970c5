/* catch.h - what a function says on stderr, for tests of what liblatch prints. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

/* What fn says goes to said[]. */
static inline void catch_stderr(void (*fn)(void), char *said, size_t size) {
        _cleanup_(fd_closep) int file = memfd_create("said", MFD_CLOEXEC);
        _cleanup_(fd_closep) int saved = dup(STDERR_FILENO);

        assert_true(file >= 0 && saved >= 0);
        dup2(file, STDERR_FILENO);
        fn();
        dup2(saved, STDERR_FILENO);
        ssize_t n = pread(file, said, size - 1, 0);
        assert_true(n >= 0);
        said[n] = '\0';
}
