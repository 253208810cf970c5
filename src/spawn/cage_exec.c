/* The contract is in spawn/cage.h. Apart from cage.c, since the small static holder needs this alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "spawn/cage.h"

int cage_exec(const char *const init_args[]) {
        char number[12], init[32];
        const char *argv[16] = {"bwrap", "--args", number, "--", init};
        char *env[] = {NULL};
        size_t n = 5;

        snprintf(number, sizeof number, "%d", SETUP_ARGS);
        /* By its descriptor: what a folder's mode hides, or another build replaces, does not matter. */
        snprintf(init, sizeof init, "/proc/self/fd/%d", SETUP_INIT);
        for (; *init_args && n < ELEMENTS(argv) - 1; init_args++)
                argv[n++] = *init_args;
        CHECK(*init_args == NULL);
        execveat(SETUP_BWRAP, "", (char **)(uintptr_t)argv, env, AT_EMPTY_PATH);
        return -errno;
}
