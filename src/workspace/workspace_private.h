/* workspace_private.h - what the files of this room share.
 *
 * DIR/users/NAME has two folders: home, which programs see at /work/home, and staging, which nobody but
 * latchd sees. What is new (a save, a folder) is made whole in staging and renamed into place; what is
 * removed as a tree is renamed into staging and emptied there. So a save that is killed leaves nothing
 * in the user's folders, and what it left in staging goes with a later change. Home and staging lie on
 * one filesystem, a local one: rename(2), flock(2), RENAME_NOREPLACE.
 *
 * Threads: any. Lock: none may be held. Two flock(2)s, both out of reach of users' programs (who could
 * else hold us up with one on a folder of theirs): staging, shared while something of ours lies in it,
 * exclusive for the one who sweeps it; and DIR/users/NAME, exclusive for the moment in which a change
 * is judged (if_match) and made; of a course it is DIR/users, for several may teach it. Each is taken on
 * an open file description of its own, so it also holds between two threads with one struct workspace,
 * and ends with its owner.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/macros.h"
#include "store/store.h"
#include "workspace/quota.h"
#include "workspace/workspace.h"

#define WORKSPACE_HOME    "home"
#define WORKSPACE_COURSES "courses"
#define WORKSPACE_STAGING "staging"

struct workspace {                /* all fixed */
        int user;                 /* DIR/users/NAME */
        int home;                 /* DIR/users/NAME/home */
        int courses;              /* DIR/courses */
        int users;                /* DIR/users */
        uid_t uid;                /* whose the files are */
        struct quota_user *quota; /* borrowed, or NULL */

        /* Of one that was opened for an account; else store is NULL, and no course is written. */
        struct store *store;
        int64_t user_id;
        enum role role;
};

/* ---- paths (path.c) ---- */

enum place_where { PLACE_TOP, PLACE_HOME, PLACE_COURSES };

/* Where a path of the wire begins, and what is left of it. */
struct place {
        enum place_where where;
        int root;         /* borrowed; -1 at the top */
        uid_t owner;      /* of what is made there */
        const char *rest; /* in raw; "." for the root itself */
        bool writable;
        char raw[WORKSPACE_PATH_MAX + 1]; /* the path as it is on the disk */
};

/* 0; -EINVAL a path that is none; -ENOENT there is no such folder at the top. *ret is not to be copied. */
_must_use_ int place_of(const struct workspace *w, const char *path, struct place *ret);

/* Whether this user writes to the course that rest, a path beneath DIR/courses, begins with. */
bool place_teaches(const struct workspace *w, const char *rest);

/* A path or name of the wire as it is on the disk, with a NUL behind it; to has room for n + 1. False:
 * escaped without need. */
bool name_decode(const char *wire, size_t n, char *to, size_t *ret_n);

/* The last part of a path, "" of the root. */
const char *path_last(const char *path);

/* ---- resolution (resolve.c) ---- */

/* openat2(2) beneath root, O_NONBLOCK | O_NOCTTY | O_CLOEXEC added. An fd, or -errno in this room's words. */
_must_use_ int resolve_open(int root, const char *rest, int flags);

/* A name in an open folder. */
struct target {
        int dir;     /* owned; -1 at first */
        uid_t owner; /* of what is made there */
        bool course;
        char name[NAME_MAX + 1];
};
#define TARGET_NONE ((struct target){.dir = -1})
void target_done(struct target *t);

/* The folder that a path's last part stands in. -EPERM: the path is a root itself; -EROFS: not for this
 * user. */
_must_use_ int resolve_parent(const struct workspace *w, const char *path, struct target *ret);
/* The same, links followed to where their content is, so that a save through a link keeps the link. */
_must_use_ int resolve_target(const struct workspace *w, const char *path, struct target *ret,
                              char ret_last[NAME_MAX + 1]);

/* ---- what is told of a file (look.c) ---- */

void stat_fill(const struct stat *st, const char *name, bool writable, struct workspace_stat *ret);
_must_use_ int stat_fd(int fd, const char *name, bool writable, struct workspace_stat *ret);
void stat_etag(const struct stat *st, char to[WORKSPACE_ETAG_MAX]);
/* errno of a system call on a user's files, in the header's words. */
int workspace_errno(int error);

/* ---- staging (stage.c) ---- */

/* Makes a folder and gives it to uid; fine if it is there and theirs. *ret_fd may be NULL. */
_must_use_ int make_folder(int at, const char *name, mode_t mode, uid_t uid, int *ret_fd);
/* Gives an open file to uid, where we are not that uid. */
_must_use_ int give_to(int fd, uid_t uid);

/* Staging, swept if nobody else is in it, and held (shared) until the fd is closed. */
_must_use_ int stage_enter(const struct workspace *w, int *ret_fd);
/* The moment of change: nobody else of us changes this user's folders, or any course, until the fd is
 * closed. */
_must_use_ int change_lock(const struct workspace *w, bool course, int *ret_fd);

/* ---- walks (walk.c) ---- */

/* The same, from an open folder. */
_must_use_ int walk_tree(int root, const struct workspace_walk *how);

/* ---- trees (tree.c) ---- */

/* Entries that one removal takes away itself; what is left of a larger tree is out of the user's sight
 * and goes with later changes. */
#define REMOVE_ENTRIES (1u << 20)
/* Entries that one save sweeps away of what others left; the rest is for the next. */
#define SWEEP_ENTRIES 4096u
/* Removes all that is in the folder top, never through a link, with three descriptors and no recursion
 * however deep it is: folders in folders are moved up into top first. *budget counts removed entries
 * down; -EDQUOT when it is used up and something is left. */
_must_use_ int tree_empty(int top, unsigned *budget);
/* Moves a file or folder, also a folder without write permission. */
_must_use_ int tree_move(int from, const char *name, int to, const char *new_name);
