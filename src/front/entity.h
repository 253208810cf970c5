/* entity.h - conditions and ranges of HTTP (RFC 9110 12.5.3, 13, 14): what the headers say of an entity.
 *
 * Threads: any. Lock: any may be held. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether If-Match or If-None-Match names this etag (with its quotes), or is "*". strong: one with W/ in
 * front names none (RFC 9110, 8.8.3.2). */
bool entity_listed(const char *list, const char *etag, bool strong);

/* Whether an Accept-Encoding takes this coding; NULL takes any. */
bool entity_accepts(const char *list, const char *coding);

enum entity_range {
        ENTITY_WHOLE, /* no range, one that is none, or several: the whole is the answer */
        ENTITY_PART,  /* *ret_from, *ret_n: within size */
        ENTITY_NONE,  /* nothing of it lies within size: 416 */
};
enum entity_range entity_range(const char *range, uint64_t size, uint64_t *ret_from,
                               uint64_t *ret_n);
