/* multipart.h - multipart/form-data (RFC 7578, 2046) as it comes, piece by piece, however it was cut.
 *
 * What is not exactly a form is refused: a boundary that is none, folded lines, a second Content-Disposition,
 * a transfer encoding that would have to be undone, an end before the end. Memory is fixed: one buffer.
 *
 * Threads: one at a time. Lock: none may be held.
 * Errors:  -EBADMSG: it is no form; -E2BIG: a part's head is over MULTIPART_HEAD_MAX, or there are more than
 *          MULTIPART_PARTS_MAX parts; what a hook returned. After one only multipart_free is left to do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define MULTIPART_BOUNDARY_MAX 70u
#define MULTIPART_HEAD_MAX     8192u
#define MULTIPART_NAME_MAX     4096u
#define MULTIPART_PARTS_MAX    10000u

struct multipart_part {
        char name[256];                        /* of the form's field */
        char filename[MULTIPART_NAME_MAX + 1]; /* as the client gave it: judge it */
        bool is_file;                          /* filename is there, and not "" */
};

struct multipart_hooks {
        int (*begin)(void *arg, const struct multipart_part *part);
        int (*data)(void *arg, const char *data, size_t n);
        int (*end)(void *arg); /* of a part that came whole */
        void *arg;
};

/* From a Content-Type. 0; -EBADMSG: another type, no boundary, or one that may not be (RFC 2046, 5.1.1). */
_must_use_ int multipart_boundary(const char *content_type, char to[MULTIPART_BOUNDARY_MAX + 1]);

/* A part's head, without the empty line. 0, -EBADMSG. */
_must_use_ int multipart_head(const char *text, size_t n, struct multipart_part *ret);

struct multipart;
_must_use_ int multipart_new(const char *boundary, const struct multipart_hooks *hooks,
                             struct multipart **ret);
struct multipart *multipart_free(struct multipart *m); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct multipart, multipart_free)

_must_use_ int multipart_feed(struct multipart *m, const char *data, size_t n);
_must_use_ int multipart_finish(const struct multipart *m); /* the last boundary has come */
