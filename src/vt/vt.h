/* vt.h - a terminal's screen, kept by reading what is written to it: for those who come later.
 *
 * A scanner (scan.c) cuts the bytes into text, controls and sequences, so that a cut anywhere does no harm. libvterm
 * knows where the cursor goes and what moves (wrapping, margins, tabs, character sets); cells, pen, both screens,
 * modes and what has scrolled off are kept here, since libvterm shows neither its second screen nor its modes.
 * What is no part of the picture (queries, palettes, images, links) is passed over. Nothing is ever answered.
 *
 * Where emulators differ xterm.js is followed. Not kept: palettes, links, images; a line that was wrapped is
 * not wrapped anew when the width changes.
 *
 * Threads: one at a time. Lock: none may be held (it allocates).
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

#define VT_SIZE_MAX      1000u        /* columns, rows */
#define VT_HISTORY_LINES 1000u        /* that have scrolled off the main screen */
#define VT_HISTORY_BYTES (256u << 10) /* of them as they are drawn */

struct vt;

/* An empty screen, 1..VT_SIZE_MAX each way; what is beyond is cut to it. 0, -ENOMEM. */
_must_use_ int vt_new(unsigned cols, unsigned rows, struct vt **ret);
struct vt *vt_free(struct vt *vt); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct vt, vt_free)

/* The program wrote this. */
void vt_feed(struct vt *vt, const void *bytes, size_t n);
/* The same for its beginning: either what would have scrolled off is passed over, however much it is, which costs
 * nothing; or at most `most` of it is read. How much of it is done; not 0 if neither n nor most is. */
size_t vt_feed_some(struct vt *vt, const void *bytes, size_t n, size_t most);
/* 0; -ENOMEM and it is as before. */
_must_use_ int vt_resize(struct vt *vt, unsigned cols, unsigned rows);

/* Adds the bytes that, after a terminal reset, draw it: what has scrolled off, both screens, cursor, modes, title, and
 * last what was begun and not finished, so that the bytes after those that were fed go on from there. They hold no
 * query. 0, -ENOMEM, -ENOBUFS (buf_add). */
_must_use_ int vt_snapshot(const struct vt *vt, struct buf *out);
