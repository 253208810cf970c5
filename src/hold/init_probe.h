/* init_probe.h - tries, inside a cage, each thing that a cage must forbid.
 *
 * Threads: one. Lock: none.
 */
#pragma once

/* data: DIR, which must not be seen. Prints what succeeded, by name, and returns 1; else 0. */
int init_probe(const char *data);
