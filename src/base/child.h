/* child.h - a child that borrows our memory until it executes something: fork(2) copies what the exec throws away,
 * and both sides pay for each page that they touch in between.
 *
 * Threads: a process of one thread. Lock: none may be held (it waits for the child).
 */
#pragma once

#include <sys/types.h>

#include "base/macros.h"

/* Runs run(arg) in a child, on a stack of 64 KiB of its own, while we stand still until it executes a program or ends. What it
 * writes is written in our memory; descriptors, signals, limits and folders are its own. It may not return (it
 * would end with what it returns). The sanitizers' builds fork. The child's pid, or -errno (clone(2)). */
_must_use_ pid_t child_start(int (*run)(void *arg), void *arg);
