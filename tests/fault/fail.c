/* fail.c - what does not hold is said at once. cmocka keeps its own words until the test's tear-down is over, and one
 * that ends the program (a CHECK, over what the test left behind) would take them along. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* libcmocka's assertions call it by name, and find this one. NOLINTNEXTLINE(bugprone-reserved-identifier) */
void _fail(const char *file, int line) {
        void (*theirs)(const char *, int) = (void (*)(const char *, int))dlsym(RTLD_NEXT, "_fail");

        fprintf(stderr, "%s:%d: does not hold\n", file, line);
        if (theirs)
                theirs(file, line);
        abort();
}
