/* workspace.h - the files of one user, beneath root descriptors: nobody else opens a user's path.
 * DIR/users lies on one local filesystem (rename, flock, RENAME_NOREPLACE).
 *
 * Every path is relative to the user's root, as on the wire: '/'-separated UTF-8, no empty, "." or ".."
 * part, no NUL, at most 4,096 bytes; "" is the root. Names that are not UTF-8 are escaped there
 * (name.c). At the root stand home/ (DIR/users/NAME/home, the user's own) and courses/ (DIR/courses;
 * read-only but for who may write). Resolution is openat2(2) with RESOLVE_BENEATH |
 * RESOLVE_NO_MAGICLINKS; what is opened is a regular file or a directory (O_NONBLOCK, checked).
 *
 * Threads: any. Lock: none may be held (every call is I/O; asserted).
 * Errors:  0 or -errno: -EINVAL a path that is none; -ENOENT; -EEXIST; -EXDEV leads out of the root;
 *          -EISDIR, -ENOTDIR, -ENOTEMPTY; -EROFS not writable for this user; -EFBIG above a limit;
 *          -ESTALE an etag does not match; -ENOSPC, -EDQUOT; -EIO; -ENOMEM; -ENODEV not a file or folder;
 *          -EPERM a root itself, or a course's own folder; -EACCES the system refuses; -EBUSY a
 *          program's lease is on the file, or folders on the way are renamed all the time. A change that
 *          failed has not happened, or, if the disk failed after it, has happened whole.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "latch/lock.h"

#define WORKSPACE_PATH_MAX 4096
#define WORKSPACE_ETAG_MAX 64
#define WORKSPACE_NAME_MAX 1021 /* a name of 255 bytes on the wire, with its NUL */
#define WORKSPACE_ANY      "*"  /* an if_match that any file fulfils, and none does not */

struct account;
struct store;
struct workspace;

/* Makes DIR/users (0711), DIR/courses (0755). As root, before privileges go, or as the only user. */
_must_use_ int workspace_prepare(const char *dir) LATCH_BLOCKS;

/* Makes DIR/users/NAME (0700) and its home, owned by uid (no change of owner where we are that uid). */
_must_use_ int workspace_make_user(const char *dir, const char *name, uid_t uid) LATCH_BLOCKS;

/* Removes DIR/users/NAME and all that is in it, never through a link. Also 0 if it is not there. -EDQUOT: there
 * is more than one call removes: again. */
_must_use_ int workspace_remove_user(const char *dir, const char *name) LATCH_BLOCKS;

/* Opens the root descriptors. New files are given to uid. */
_must_use_ int workspace_open(const char *dir, const char *name, uid_t uid,
                              struct workspace **ret) LATCH_BLOCKS;
/* The same for an account, who writes to the courses that it teaches (courses.h); admins write to all. store
 * outlives it. What is in a course belongs to the server, not to whom wrote it. */
_must_use_ int workspace_open_account(const char *dir, struct store *store, const struct account *a,
                                      struct workspace **ret);
/* From now on what w changes is held to the quota of its user. -ENOMEM. */
struct quota;
_must_use_ int workspace_limit(struct workspace *w, struct quota *quota, const char *name);
/* What the home takes: bytes of files, and how many files, folders and links. */
_must_use_ int workspace_used(struct workspace *w, uint64_t *ret_bytes,
                              uint64_t *ret_files) LATCH_BLOCKS;
struct workspace *workspace_close(struct workspace *w); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct workspace, workspace_close)

/* 0 or -EINVAL: the wire's rule for paths alone, nothing is looked at. */
_must_use_ int workspace_path_check(const char *path, size_t n);

/* Names. UTF-8 is itself. A byte that is no part of UTF-8 is written \xHH, and so is a backslash that would
 * read as the beginning of that (\x5C). Each name has one form on the wire, each form at most one name:
 * what is escaped without need is no path. No escape stands for '/', '.' or NUL. */
void workspace_name_wire(const char *name, char to[WORKSPACE_NAME_MAX]);
/* The same for a path. 0; -ENAMETOOLONG: its form and the NUL are more than size; -EINVAL: it is none. */
_must_use_ int workspace_path_wire(const char *path, char *to, size_t size);
/* A path of the wire as it is on the disk. 0, -EINVAL. */
_must_use_ int workspace_path_raw(const char *path, size_t n, char to[WORKSPACE_PATH_MAX + 1]);

enum workspace_type { WORKSPACE_FILE, WORKSPACE_DIR, WORKSPACE_LINK, WORKSPACE_OTHER };
struct workspace_stat {
        char name[256];                /* last part, as it is on the disk; "" for the root */
        enum workspace_type type;      /* list follows no link; stat does, if it stays inside */
        uint64_t size;                 /* bytes */
        double mtime_s;                /* seconds since 1970 */
        unsigned mode;                 /* permission bits */
        bool writable;                 /* by this user, through the wire */
        char etag[WORKSPACE_ETAG_MAX]; /* opaque; changes whenever the content may have */
};

_must_use_ int workspace_stat(struct workspace *w, const char *path,
                              struct workspace_stat *ret) LATCH_BLOCKS;
/* Sorted by name (bytes on the disk). -EFBIG above limit entries. */
_must_use_ int workspace_list(struct workspace *w, const char *path, size_t limit,
                              struct workspace_stat **ret, size_t *ret_n) LATCH_BLOCKS;
/* The first limit entries behind the name `after` (wire form; "" from the beginning), which need not be
 * there: fewer than limit, and there are no more. Takes memory for limit names however large the folder. */
_must_use_ int workspace_list_page(struct workspace *w, const char *path, const char *after,
                                   size_t limit, struct workspace_stat **ret,
                                   size_t *ret_n) LATCH_BLOCKS;
/* At most length bytes from offset; *ret malloc'd. ret_stat: of the same open file. */
_must_use_ int workspace_read(struct workspace *w, const char *path, uint64_t offset, size_t length,
                              char **ret, size_t *ret_n, struct workspace_stat *ret_stat);
/* A regular file, open for reading, for a snapshot or a download. */
_must_use_ int workspace_open_file(struct workspace *w, const char *path, int *ret_fd,
                                   struct workspace_stat *ret_stat) LATCH_BLOCKS;
/* The folder at path, and ret_name ""; or the folder that the file at path stands in, links followed,
 * and its name there. *ret_fd -1: the root, which is no folder of the disk. */
_must_use_ int workspace_open_folder(struct workspace *w, const char *path, int *ret_fd,
                                     char ret_name[NAME_MAX + 1]) LATCH_BLOCKS;
/* A save: a new file out of sight, in pieces; fsync, owner, rename, fsync of the folder. So it is whole
 * or not at all. if_match: NULL any, "" must not exist (else -EEXIST), WORKSPACE_ANY, else the etag that must
 * stand there; judged at the beginning and again at the rename. Keeps the permissions of what it replaces;
 * -EROFS where its owner may not write it. A link is followed inside and kept. Two writers with one
 * if_match: one wins, the other gets -ESTALE (-EEXIST for ""). size: how much will come, if that is known
 * (0: it is not): a disk without that much room is -ENOSPC at once. w outlives the save. */
struct workspace_save;
_must_use_ int workspace_save_begin(struct workspace *w, const char *path, const char *if_match,
                                    uint64_t size, struct workspace_save **ret) LATCH_BLOCKS;
_must_use_ int workspace_save_add(struct workspace_save *s, const void *data, size_t n);
/* Once, whatever comes of it. */
_must_use_ int workspace_save_commit(struct workspace_save *s, struct workspace_stat *ret_stat,
                                     bool *ret_created) LATCH_BLOCKS;
/* After commit, too: frees. NULL is fine; returns NULL. */
struct workspace_save *workspace_save_abort(struct workspace_save *s);
DEFINE_CLEANUP(struct workspace_save, workspace_save_abort)
/* All of that at once. */
_must_use_ int workspace_write(struct workspace *w, const char *path, const void *data, size_t n,
                               const char *if_match, struct workspace_stat *ret_stat);

/* A walk over all that lies beneath a folder: no link is followed, each folder comes before what is in it,
 * what goes away meanwhile is left out. visit ends it with what it returns below 0; path is as on the disk,
 * relative to the folder; fd is a regular file's, the walk's to close, if `open` asks for it, else -1 (then
 * folders that may not be read are left out, too). -EFBIG above entries_max, or where the names of folders
 * alone take 16 MiB; -EPERM for the root. */
struct stat;
struct workspace_walk {
        int (*visit)(void *arg, const char *path, const struct stat *st, int fd);
        void *arg;
        uint64_t entries_max;
        bool open;
};
_must_use_ int workspace_walk(struct workspace *w, const char *path,
                              const struct workspace_walk *how) LATCH_BLOCKS;

_must_use_ int workspace_mkdir(struct workspace *w, const char *path) LATCH_BLOCKS;
/* recursive: the whole tree, never through a link, out of sight at once. -ENOTEMPTY without it. if_match: NULL
 * or WORKSPACE_ANY any, else the etag that workspace_stat must give at that moment: -ESTALE. */
_must_use_ int workspace_remove(struct workspace *w, const char *path, bool recursive,
                                const char *if_match) LATCH_BLOCKS;
/* Links themselves, not what they point at. -EEXIST if to is there, without replace. */
_must_use_ int workspace_rename(struct workspace *w, const char *from, const char *to,
                                bool replace) LATCH_BLOCKS;
