/* fixture.h - a DIR with one user, in a folder of its own, for the tests of this room.
 *
 * Tests that are not about owners run as an ordinary user, also when root starts them: root passes over
 * permissions, and that would hide what an ordinary user meets.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "workspace/workspace_private.h"

#define NOBODY 65534

struct fixture {
        char dir[64];
        struct workspace *w;
};

static inline void become_ordinary(void) {
        if (geteuid() != 0)
                return;
        CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
        CHECK(prctl(PR_SET_DUMPABLE, 1) == 0); /* for the leak check, which traces */
}

static inline int fixture_begin(void **state) {
        struct fixture *f = calloc(1, sizeof *f);

        CHECK(f);
        strcpy(f->dir, "/tmp/latch-workspace-XXXXXX");
        CHECK(mkdtemp(f->dir));
        CHECK(workspace_prepare(f->dir) == 0);
        CHECK(workspace_make_user(f->dir, "ann", geteuid()) == 0);
        CHECK(workspace_open(f->dir, "ann", geteuid(), &f->w) == 0);
        *state = f;
        return 0;
}

static inline int fixture_rm(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        (void)st;
        (void)ftw;
        return flag == FTW_DP ? rmdir(path) : unlink(path);
}

static inline int fixture_end(void **state) {
        struct fixture *f = *state;

        workspace_close(f->w);
        CHECK(nftw(f->dir, fixture_rm, 16, FTW_DEPTH | FTW_PHYS) == 0);
        free(f);
        return 0;
}

#define with_fixture(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)

/* What a program of the user's would do in its home, around the room. */
static inline int home_fd(const struct fixture *f) {
        return f->w->home;
}

static inline void home_put(const struct fixture *f, const char *name, const char *text) {
        _cleanup_(fd_closep) int fd = openat(f->w->home, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

        CHECK(fd >= 0);
        CHECK(fd_write_all(fd, text, strlen(text)) == 0);
}

/* "" for a file that is not there. */
static inline const char *home_get(const struct fixture *f, const char *name) {
        static _Thread_local char text[256];
        _cleanup_(fd_closep) int fd = openat(f->w->home, name, O_RDONLY | O_NOFOLLOW);

        text[0] = '\0';
        if (fd >= 0) {
                ssize_t n = fd_read_full(fd, text, sizeof text - 1);
                CHECK(n >= 0);
                text[n] = '\0';
        }
        return text;
}

static inline unsigned staging_entries(const struct fixture *f) {
        unsigned n = 0;
        DIR *d = fdopendir(openat(f->w->user, WORKSPACE_STAGING, O_RDONLY | O_DIRECTORY));

        CHECK(d);
        for (const struct dirent *e; (e = readdir(d));)
                n += e->d_name[0] != '.';
        closedir(d);
        return n;
}

static inline int put(const struct fixture *f, const char *path, const char *text) {
        return workspace_write(f->w, path, text, strlen(text), NULL, NULL);
}
