/* store.h - what must outlive the server: users, tokens, session records. SQLite (WAL, STRICT tables,
 * numbered migrations) in DIR/latch.db behind this interface; nothing of SQLite outside src/store.
 *
 * Threads: any; a call has a connection of its own while it lasts, one of at most STORE_CONNECTIONS
 *          that are kept until the store is closed.
 * Lock:    none may be held (every call is I/O; asserted).
 * Errors:  0 or -errno: -ENOENT no such row, -EEXIST a duplicate, -ENOSPC disk full, -EIO any other
 *          failure of the database, -EBUSY another writer held it for over 5 s, -ENOMEM. A write that
 *          returned 0 survives SIGKILL and power loss (synchronous=FULL).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "base/net.h"
#include "base/random.h"
#include "latch/lock.h"

struct store;

#define STORE_CONNECTIONS 16u /* calls at once; the next wait up to 5 s, then -EBUSY */

enum role { ROLE_STUDENT, ROLE_TEACHER, ROLE_ADMIN };
const char *role_name(enum role role);
_must_use_ int role_parse(const char *s, enum role *ret); /* 0, -EINVAL */

#define USER_NAME_MAX 32
/* A user's name: a-z, 0-9, '.', '_', '-'; begins with a letter or digit; at most 32. */
bool user_name_valid(const char *name);

/* Opens or makes DIR/latch.db (0600) and migrates it. A file of a newer version, of another program or
 * owner, readable by others, or damaged is -EINVAL. Every failure but -ENOMEM is said in words, too:
 * *ret_error, malloc'd. */
_must_use_ int store_open(const char *dir, struct store **ret, char **ret_error) LATCH_BLOCKS;
struct store *store_close(struct store *s) LATCH_BLOCKS; /* no other call may be under way. NULL */

/* A database only to read: one that a server has open (nobody waits for it, nor it for anybody), or a backup.
 * -EINVAL as above, and words; also where it is older than this program. */
_must_use_ int store_open_reader(const char *path, struct store **ret,
                                 char **ret_error) LATCH_BLOCKS;

/* All of the database as it is at one moment, into a new file (0600): checked and on disk before it has its
 * name. -EEXIST: there is such a file, and it is not to be replaced. Every failure has words but -ENOMEM. */
_must_use_ int store_backup(struct store *s, const char *file, bool replace,
                            char **ret_error) LATCH_BLOCKS;

/* Puts a backup in the place of DIR/latch.db, whose lock is held and which no store has open. Before that it is
 * checked, migrated, and freed of what is not true any more: everybody is signed out, and what is not known to
 * have ended is found again by its holder. No id and no uid that was given since is given again, as far as the
 * database that stood there can be read: else *ret_ids_known is false. *ret_kept (malloc'd) is where that one
 * lies now, NULL if there was none. -EINVAL: what is wrong with the file; every failure has words but -ENOMEM,
 * and leaves all as it was. */
_must_use_ int store_restore(const char *dir, const char *file, char **ret_kept,
                             bool *ret_ids_known, char **ret_error) LATCH_BLOCKS;

/* ---- users ---- */
struct store_user {
        int64_t id; /* never reused */
        char name[USER_NAME_MAX + 1];
        char password[128]; /* crypto_pwhash_str(3); "" = cannot sign in with one */
        enum role role;
        uid_t uid; /* never reused */
        bool disabled;
        bool deleted; /* cannot sign in, nor be added again, until it is purged */
};
/* Adds u (name, password, role); id and uid (uid_base + n) are given here. -EEXIST; -ERANGE: no uid
 * left below uid_base + uid_count. */
_must_use_ int store_user_add(struct store *s, struct store_user *u, uid_t uid_base,
                              unsigned uid_count);
_must_use_ int store_user_by_name(struct store *s, const char *name, struct store_user *ret);
_must_use_ int store_user_by_id(struct store *s, int64_t id, struct store_user *ret);
/* What is to be another; the rest stays. */
struct store_user_change {
        const char *password;      /* its hash; NULL: as it is */
        const enum role *role;     /* NULL: as it is */
        int disabled, deleted;     /* below 0: as it is */
        const unsigned char *keep; /* the one token that stays (TOKEN_HASH_BYTES); NULL: none */
};
#define STORE_USER_CHANGE ((struct store_user_change){.disabled = -1, .deleted = -1})
/* Changes a user and ends its tokens and links, both or neither. -ENOENT no such user, or keep is not among
 * its tokens (any more); -EDEADLK it was the last admin who can sign in, and would be none. */
_must_use_ int store_user_change(struct store *s, int64_t id, const struct store_user_change *what);
/* The row of a deleted user goes; its uid stays given. -ENOENT: there is none that is deleted. */
_must_use_ int store_user_remove(struct store *s, int64_t id);
_must_use_ int store_user_list(struct store *s, struct store_user **ret,
                               size_t *ret_n); /* free(*ret) */
_must_use_ int store_user_count(struct store *s, size_t *ret);

/* ---- courses ---- */
#define COURSE_NAME_MAX 64
/* Letters, digits, '.', '_', '-'; begins with a letter or digit; at most 64. */
bool course_name_valid(const char *name);
_must_use_ int store_course_add(struct store *s, const char *name); /* -EEXIST */
_must_use_ int store_course_set_teacher(struct store *s, const char *course, int64_t user_id,
                                        bool teaches); /* -ENOENT no such course; else as asked */
_must_use_ int store_course_teaches(struct store *s, const char *course,
                                    int64_t user_id);                      /* -ENOENT: no */
_must_use_ int store_course_teaches_any(struct store *s, int64_t user_id); /* -ENOENT no course */

struct store_course {
        char name[COURSE_NAME_MAX + 1];
        char teacher[USER_NAME_MAX + 1]; /* "" none */
};
/* A row for each teacher of each course, or one for a course without; sorted. free(*ret). */
_must_use_ int store_course_list(struct store *s, struct store_course **ret, size_t *ret_n);

/* ---- tokens and one-time links, by hash ---- */
#define TOKEN_HASH_BYTES 32
enum token_kind { TOKEN_SESSION, TOKEN_LINK };
struct store_token {
        unsigned char hash[TOKEN_HASH_BYTES];
        int64_t user_id;
        enum token_kind kind;
        uint64_t created_ms, expires_ms; /* real time */
        char address[ADDRESS_TEXT_MAX];  /* where it was used last; "" unknown */
        int64_t number;                  /* never given twice; set by list alone */
};
_must_use_ int store_token_add(struct store *s, const struct store_token *t);
/* Removes it and says what it was: of two who take one link, one gets it. -ENOENT. */
_must_use_ int store_token_take(struct store *s, const unsigned char hash[TOKEN_HASH_BYTES],
                                enum token_kind kind, struct store_token *ret);
_must_use_ int store_token_get(struct store *s, const unsigned char hash[TOKEN_HASH_BYTES],
                               enum token_kind kind, struct store_token *ret);
/* Takes old and adds t for old's user (set in t) in one transaction, so neither is lost without the
 * other. -ENOENT: there is no such old one, or it has expired by now_ms. */
_must_use_ int store_token_exchange(struct store *s, const unsigned char old[TOKEN_HASH_BYTES],
                                    enum token_kind old_kind, uint64_t now_ms,
                                    struct store_token *t);
/* Removes the oldest of a user's tokens of a kind if there are more than keep. 0 and its hash; -ENOENT:
 * there are no more than that. */
_must_use_ int store_token_trim(struct store *s, int64_t user_id, enum token_kind kind,
                                unsigned keep, unsigned char ret_hash[TOKEN_HASH_BYTES]);
/* A user's that have not expired, the oldest first; free(*ret). */
_must_use_ int store_token_list(struct store *s, int64_t user_id, enum token_kind kind,
                                uint64_t now_ms, struct store_token **ret, size_t *ret_n);
_must_use_ int store_token_set_address(struct store *s, const unsigned char hash[TOKEN_HASH_BYTES],
                                       const char *address); /* -ENOENT */
/* Ends one of a user's by its number. 0 and its hash; -ENOENT. */
_must_use_ int store_token_end(struct store *s, int64_t user_id, int64_t number,
                               unsigned char ret_hash[TOKEN_HASH_BYTES]);
/* Ends all of a user's, links, too, but keep (NULL: none). -ENOENT: keep is not among them. */
_must_use_ int store_token_end_all(struct store *s, int64_t user_id, const unsigned char *keep);
_must_use_ int store_token_purge(struct store *s, uint64_t now_ms); /* removes the expired */

/* ---- session records ---- */
enum session_kind { SESSION_RUN, SESSION_SHELL, SESSION_REPL };
enum record_state { RECORD_STARTING, RECORD_RUNNING, RECORD_ENDED };
struct store_session {
        char id[RANDOM_ID_CHARS + 1];
        int64_t user_id;
        enum session_kind kind;
        enum record_state state;
        bool tty, tombstone; /* tombstone: its holder must be ended wherever it is found */
        char path[4097];     /* of the run's file, "" for others; the lease's key */
        char title[257];
        uint64_t started_ms, ended_ms; /* real time */
        /* once ended: */
        int code, signal; /* signal 0: it exited with code */
        char verdict[16];
        uint64_t wall_ms, cpu_ms, peak_bytes, end_offset;
};
_must_use_ int store_session_put(struct store *s,
                                 const struct store_session *r); /* insert or replace */
/* The same, without waiting for the disk: it survives SIGKILL, and power loss once anything that is written
 * after it does. For a session that is being made, which a power loss ends as well. */
_must_use_ int store_session_announce(struct store *s, const struct store_session *r);
_must_use_ int store_session_remove(struct store *s, const char *id); /* 0 also if none */
_must_use_ int store_session_list(struct store *s, struct store_session **ret, size_t *ret_n);

/* ---- audit events: a chain of rows, each with a hash over itself and the one before (audit/audit.h) ---- */
#define AUDIT_HASH_BYTES 32
struct store_audit {
        int64_t seq; /* from 1, without a hole */
        uint64_t time_ms;
        const char *what, *user, *address, *object, *outcome;
        uint64_t count; /* events that this row stands for */
        unsigned char hash[AUDIT_HASH_BYTES];
};
struct store_audit_link {
        int64_t seq;
        unsigned char hash[AUDIT_HASH_BYTES];
};
/* Where the chain begins (behind that row, 0 at first) and its last row (the same if there is none). */
_must_use_ int store_audit_ends(struct store *s, struct store_audit_link *ret_start,
                                struct store_audit_link *ret_last);
/* All or none. -EEXIST: somebody else has added rows. */
_must_use_ int store_audit_add(struct store *s, const struct store_audit *rows, size_t n);
/* Gives at most `limit` rows behind `after` to each, in order, until it returns something else than 0,
 * which is returned. A row's texts are gone when each returns. */
typedef int store_audit_each(void *arg, const struct store_audit *row);
_must_use_ int store_audit_read(struct store *s, int64_t after, unsigned limit,
                                store_audit_each *each, void *arg);
/* Removes the rows up to seq, behind which the chain begins from now on. -ENOENT: there is no such row. */
_must_use_ int store_audit_prune(struct store *s, int64_t seq);
