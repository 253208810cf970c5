/* forwarded.h - whose request it is, where proxies stand between.
 *
 * Each proxy adds the address of its own peer at the right end of X-Forwarded-For; what stands left of that
 * was said by the peer. So it is read from the right, and only as far as trusted proxies have written.
 *
 * Threads: any. Lock: any may be held.
 */
#pragma once

#include <civetweb.h>

#include "base/net.h"

#define FORWARDED_MAX 32 /* proxies in a row */

/* The peer's own address unless it is a trusted proxy. Then the right-most address of X-Forwarded-For that is
 * none of them; if all are, the left-most. Where an entry on the way is no address, the peer's own. */
void forwarded_address(const struct mg_request_info *ri, const struct ipv4_nets *trusted,
                       char ret[ADDRESS_TEXT_MAX]);
