/* direct.h - a frame that leaves at once, by the thread that has it, while nothing else is on its way.
 *
 * The hop to the pump costs more than the sending. It stays the pump's to wait: what a socket does not take
 * now is left to it, and so is every frame that would overtake another.
 *
 * Threads: any. Lock: none may be held (it may allocate).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sock;

/* True: it is out, or as much of it as the socket took and the pump has the rest. False: queue it. */
bool direct_send(struct sock *c, unsigned opcode, const void *data, size_t n);
