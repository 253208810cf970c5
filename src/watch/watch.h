/* watch.h - changes in folders, told to those who asked: fs.watch and fs.changed.
 *
 * One thread has one inotify(7) instance for the whole server, and all that is known of watches is that
 * thread's own: the others ask it, and wait for its answer, which waits for nobody. A folder that several
 * clients watch is watched once. A watch is of a folder's own entries, not of what is beneath them, or
 * of one file.
 *
 * Changes are collected for 50 ms, in a folder that does not come to rest for up to a second, and told
 * once for each name. Too many names at once, a queue of the kernel that ran over, or a client that does
 * not take what waits for it already: then the watch hears `rescan`, once, when there is room. So memory is
 * bounded whatever programs do.
 *
 * Threads: new, free: main; the rest: any registered one but the watch thread.
 * Lock:    watch, inside; none may be held by the caller (it waits).
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "base/macros.h"
#include "config/config.h"
#include "session/port.h"

struct watches;

/* How many folders one server should watch at most: half of what the system lets one user watch, within
 * reason. */
unsigned watch_room(void);
/* config outlives it. in_all: watched folders at once. 0, -ENOMEM, -EAGAIN, -errno (inotify_init1(2)). */
_must_use_ int watches_new(const struct config *config, unsigned in_all, struct watches **ret);
/* Every port is closed. NULL is fine; returns NULL. */
struct watches *watches_free(struct watches *w);

struct watch_request {
        const char *path; /* on the wire's terms */
        int folder;       /* open, the caller's; -1: the root, where nothing ever changes */
        const char *name; /* in the folder: of this entry alone; "" of all */
};
/* Not heard until it is activated. 0 and its number, of this port; -EUSERS too many of this user; -ENOSPC
 * too many of the server, or of the system (fs.inotify.max_user_watches); -ENOTDIR; -EPIPE the socket is
 * gone; -ESHUTDOWN; -ENOMEM; -errno (inotify_add_watch(2)). */
_must_use_ int watch_add(struct watches *w, struct port *p, const struct watch_request *rq,
                         uint32_t *ret);
/* The reply that gives its number is queued: from now on it is heard. What came meanwhile is a rescan. */
void watch_activate(struct watches *w, struct port *p, uint32_t number);
/* 0, also for one that has ended by itself; -ENOENT: there never was one of this number. */
_must_use_ int watch_remove(struct watches *w, struct port *p, uint32_t number);
