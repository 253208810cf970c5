/* metrics_locks.h - what liblatch counts (latch/figures.h), as GET /metrics says it.
 *
 * Threads: any. Lock: none may be held.
 */
#pragma once

#include "base/buf.h"

/* 0, or the first failure of buf_addf. */
_must_use_ int metrics_locks(struct buf *to);
