/* restore.c - a backup takes the place of the database. The contract is in store/store.h.
 *
 * At every moment there is a DIR/latch.db, and never a new one beside the write-ahead log of the old: a start
 * that finds none would make an empty one, and one that finds a stranger's log would be damaged by it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "latch/lock.h"
#include "store/copy.h"

struct paths {
        char *now, *now_wal, *now_shm; /* the database */
        char *fresh;                   /* the one that comes */
        char *kept, *kept_wal;         /* where the old one goes */
};

static void paths_done(struct paths *p) {
        free(p->now);
        free(p->now_wal);
        free(p->now_shm);
        free(p->fresh);
        free(p->kept);
        free(p->kept_wal);
}

static int paths_of(const char *dir, struct paths *ret) {
        time_t now = time(NULL);
        char when[32] = "";
        struct tm tm;

        if (gmtime_r(&now, &tm))
                (void)strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm);
        *ret = (struct paths){
                .now = str_printf("%s/latch.db", dir),
                .now_wal = str_printf("%s/latch.db-wal", dir),
                .now_shm = str_printf("%s/latch.db-shm", dir),
                .fresh = str_printf("%s/latch.db.restored", dir),
                .kept = str_printf("%s/latch.db.before-restore-%s", dir, when),
                .kept_wal = str_printf("%s/latch.db.before-restore-%s-wal", dir, when)};
        return ret->now && ret->now_wal && ret->now_shm && ret->fresh && ret->kept && ret->kept_wal
                       ? 0
                       : -ENOMEM;
}

/* ---- what is in it ---- */

static int carry_ids(struct conn *c, const char *old) {
        static const char ids[] =
                "BEGIN IMMEDIATE; "
                "INSERT OR IGNORE INTO main.uids (uid) SELECT uid FROM old.uids; "
                "UPDATE main.sqlite_sequence SET seq = max(seq, (SELECT o.seq FROM "
                "old.sqlite_sequence o WHERE o.name = 'users')) WHERE name = 'users' AND EXISTS "
                "(SELECT 1 FROM old.sqlite_sequence o WHERE o.name = 'users'); "
                "COMMIT";
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(c->db, "ATTACH ?1 AS old", -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_bind_text(st, 1, old, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        sqlite3_finalize(st);
        if (rc != SQLITE_DONE)
                return rc;
        rc = sqlite3_exec(c->db, ids, NULL, NULL, NULL);
        if (!sqlite3_get_autocommit(c->db))
                (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        int detached = sqlite3_exec(c->db, "DETACH old", NULL, NULL, NULL);
        return rc == SQLITE_OK ? detached : rc;
}

/* Whoever signed out or was signed out since the backup must not be in again; a session that lives says so
 * itself. The log is written back: the file must be whole without it. */
static int mend(struct conn *c, const char *old, bool *ret_ids_known, char **ret_error) {
        int r = store_migrate(c, ret_error);
        int rc = r < 0 ? SQLITE_ERROR
                       : sqlite3_exec(
                                 c->db,
                                 "DELETE FROM tokens; DELETE FROM sessions WHERE state != 'ended'",
                                 NULL, NULL, NULL);

        if (r == 0 && rc == SQLITE_OK)
                *ret_ids_known = access(old, F_OK) < 0 || carry_ids(c, old) == SQLITE_OK;
        if (r == 0 && rc == SQLITE_OK)
                rc = sqlite3_exec(c->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        if (r == 0 && rc != SQLITE_OK)
                r = store_complain(c, rc, ret_error);
        return r == -EUCLEAN ? -EINVAL : r;
}

static int mend_file(const struct paths *p, bool *ret_ids_known, char **ret_error) {
        struct store s = {0};
        _cleanup_(conn_closep) struct conn *c = NULL;

        if (str_copy(s.path, sizeof s.path, p->fresh) < 0)
                return COMPLAIN(ret_error, -ENAMETOOLONG, "%s: the path is too long", p->fresh);
        int r = conn_open(&s, &c, ret_error);
        return r < 0 ? r : mend(c, p->now, ret_ids_known, ret_error);
}

static int make_fresh(const char *dir, const struct paths *p, const char *file, bool *ret_ids_known,
                      char **ret_error) {
        struct store *from = NULL;
        int64_t version;
        int r = check_copy(file, ret_error);

        if (r == 0 && unlink(p->fresh) < 0 && errno != ENOENT)
                r = COMPLAIN(ret_error, -errno, "%s: %s", p->fresh, strerror(errno));
        if (r == 0)
                r = store_make_file(dir, p->fresh, ret_error);
        if (r == 0)
                r = reader_open(file, &from, &version, ret_error);
        if (r == 0)
                r = copy_into(from, p->fresh, ret_error);
        store_close(from);
        return r < 0 ? r : mend_file(p, ret_ids_known, ret_error);
}

/* ---- where it lies ---- */

static int keep(const char *from, const char *to) {
        return link(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

static int drop(const char *path) {
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int put_in_place(const struct paths *p) {
        int r = keep(p->now, p->kept);

        if (r == 0)
                r = keep(p->now_wal, p->kept_wal);
        if (r == 0)
                r = folder_sync(p->now);
        if (r == 0)
                r = drop(p->now_wal);
        if (r == 0)
                r = drop(p->now_shm);
        if (r == 0 && rename(p->fresh, p->now) < 0)
                r = -errno;
        return r < 0 ? r : folder_sync(p->now);
}

int store_restore(const char *dir, const char *file, char **ret_kept, bool *ret_ids_known,
                  char **ret_error) {
        latch_blocking("store");
        _cleanup_(paths_done) struct paths p = {0};
        bool known = false;
        int r = paths_of(dir, &p);

        if (r == 0)
                r = make_fresh(dir, &p, file, &known, ret_error);
        bool was = r == 0 && access(p.now, F_OK) == 0;
        if (r == 0) {
                r = put_in_place(&p);
                if (r < 0)
                        r = COMPLAIN(ret_error, r, "%s: %s", p.now, strerror(-r));
        }
        if (r < 0) {
                if (p.fresh)
                        (void)unlink(p.fresh);
                return r;
        }
        *ret_ids_known = known;
        *ret_kept = was ? TAKE_PTR(p.kept) : NULL;
        return 0;
}
