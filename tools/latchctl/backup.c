/* latchctl backup, latchctl restore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* ---- backup ---- */

/* The database is read beside the server: it neither waits for us nor we for it. */
static int backup(const struct command *c, const struct config *config, char **ret_error) {
        _cleanup_(freep) char *path = str_printf("%s/latch.db", config->data);
        struct store *store = NULL;

        if (!path)
                return -ENOMEM;
        int r = store_open_reader(path, &store, ret_error);
        if (r == 0)
                r = store_backup(store, c->arg[0], c->option[OPTION_FORCE] != NULL, ret_error);
        store_close(store);
        return r == -ENOENT || r == -EEXIST ? -ECANCELED
                                            : r; /* that no server runs is another matter */
}

int backup_ask(const struct command *c, const struct config *config, char **ret_error) {
        int r = audit_flush_ask(config, ret_error);

        return r < 0 ? r : backup(c, config, ret_error);
}

int backup_direct(const struct command *c, const struct config *config, char **ret_error) {
        return backup(c, config, ret_error);
}

/* ---- restore ---- */

/* In the restored database: whoever reads it later must see that something is missing before. */
static int note(const struct config *config, const char *file, char **ret_error) {
        struct store *store = NULL;
        int r = store_open(config->data, &store, ret_error);

        if (r < 0)
                return r;
        r = audit_direct(store, "admin.restore", file, ret_error);
        store_close(store);
        return r;
}

int restore_direct(const struct command *c, const struct config *config, char **ret_error) {
        _cleanup_(freep) char *kept = NULL;
        bool ids_known = true;
        int r = store_restore(config->data, c->arg[0], &kept, &ids_known, ret_error);

        if (r == 0)
                r = note(config, c->arg[0], ret_error);
        if (r < 0)
                return r;
        if (kept && printf("The database that was there is kept: %s\n", kept) < 0)
                return -EIO;
        if (!ids_known)
                fprintf(stderr,
                        "latchctl: the database that was there cannot be read, so the uids of users who were "
                        "made after the backup may be given again: look whom the folders in %s/users "
                        "belong to\n",
                        config->data);
        return puts("Restored. Everybody signs in again.") < 0 ? -EIO : 0;
}
