/* terminal.h - the terminal that latchctl runs in: raw, its size, and as it was before, whatever ends us.
 *
 * A signal that ends a process puts it back first, and SIGTSTP too, before it stops us; only SIGKILL cannot be met.
 *
 * Threads: main, once a process: signals have no argument. Lock: none.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* Standard input becomes raw. 0; -ENOTTY standard input or output is no terminal; -errno. */
_must_use_ int terminal_begin(void);
/* As it was; what a program left behind (modes, colours, the other screen) is undone. Again: nothing happens. */
void terminal_end(void);

/* Columns and rows; 80, 24 where it says none. */
void terminal_size(unsigned *ret_cols, unsigned *ret_rows);
/* The size may have changed since this was asked. */
bool terminal_changed(void);
/* SIGWINCH comes while ppoll(2) waits with this mask, and at no other time. */
const sigset_t *terminal_mask(void);

_must_use_ int terminal_write(const void *data, size_t n); /* 0 or -errno */
/* What is to be there before a screen is drawn: no mode of before, nothing on it. */
_must_use_ int terminal_clear(void);
