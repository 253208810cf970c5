/* typing.h - input from a socket that carries bytes alone: kept until the holder has it.
 *
 * A client of latch.v1 counts what it types and sends again what was refused. One that is attached raw does
 * neither, so the thread of its socket does it in its place: it keeps at most input_bytes that are not
 * acknowledged, and reads no more while there is no room. Then TCP holds the client back.
 *
 * Threads: one at a time, the connection's. Lock: session, inside; none may be held (it allocates, waits).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct typing;
struct viewer;

/* For the channel of session_attach with `raw`, which it takes a reference of. 0, -ENOMEM. */
_must_use_ int typing_new(struct viewer *v, struct typing **ret);
struct typing *typing_free(struct typing *t); /* NULL is fine; returns NULL */

/* Takes what there is room for, and sends it on. How much: less than n while the program does not read.
 * What somebody types who does not drive, or behind the end, is taken and thrown away. */
size_t typing_add(struct typing *t, const void *data, size_t n);
/* Sends again what was refused. */
void typing_again(struct typing *t);
/* Waits until some of it was taken, or never will be, at most until then. True: there is more room. */
bool typing_wait(struct typing *t, uint64_t until_ns);
