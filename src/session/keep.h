/* keep.h - what an ended session leaves: after a while its last output goes into a file (kept.h), and its holder goes.
 *
 * Threads: each says so. Lock: none may be held.
 */
#pragma once

#include "latch/lock.h"
#include "session/session_private.h"

/* It has ended, and is put away by sessions_tick in so long. */
void session_keep_later(struct session *s, unsigned ms);
/* Its last output and its screen into a file, and the holder goes: if it is time, or `now`. Once; on its strand, or where
 * none runs any more. What fails is logged, and tried again in a minute: until then the holder stays. */
void session_put_away(struct session *s, bool now) LATCH_BLOCKS;
void session_forget_kept(struct session *s); /* its file goes */
/* Those beyond ended_total_bytes go, the oldest first. */
void sessions_trim_kept(struct sessions *ss);
void session_see_to_keep(struct session *s); /* asks for a job, if it is time */
/* The pump: nobody reads there any more. False: somebody does. */
bool session_release_ring(struct session *s);
