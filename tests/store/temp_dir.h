/* temp_dir.h - a folder for one test, and its end. For the tests of store and auth. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct temp_dir {
        char path[64];
};

static inline int temp_dir_make(struct temp_dir *d) {
        (void)snprintf(d->path, sizeof d->path, "/tmp/latch-test-XXXXXX");
        return mkdtemp(d->path) ? 0 : -1;
}

/* Removes the files in it, and the folders in it that are empty. */
static inline void temp_dir_remove(struct temp_dir *d) {
        DIR *dir = opendir(d->path);
        struct dirent *e;

        while (dir && (e = readdir(dir)))
                if (e->d_name[0] != '.' && unlinkat(dirfd(dir), e->d_name, 0) < 0)
                        (void)unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
        if (dir)
                closedir(dir);
        (void)rmdir(d->path);
}
