/* uri.h - the path of a request, of which each byte may be written as %XX (RFC 3986 2.1).
 *
 * Threads: any. Lock: none may be held (it allocates).
 */
#pragma once

/* malloc'd; '+' is a plus. NULL: a broken %XX, a NUL, or no memory. */
char *uri_decode(const char *s);
