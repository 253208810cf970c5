/* refused.h - a minute's refusals, folded: one entry for each what and address, in a table of fixed size.
 *
 * Threads: one at a time. Lock: the caller's (audit), or none while only one thread knows the table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"
#include "base/macros.h"
#include "store/store.h"

#define REFUSED_OBJECT_MAX 128u /* bytes of an object; more is cut off */

struct refused_entry {
        unsigned what;
        int error;        /* of the first */
        uint64_t time_ms; /* of the first */
        uint64_t count;
        char user[USER_NAME_MAX + 1]; /* "*": several */
        char address[AUDIT_ADDRESS_MAX];
        char object[REFUSED_OBJECT_MAX + 1]; /* "*": several */
};

struct refused;

_must_use_ int refused_new(size_t whats, struct refused **ret); /* 0, -ENOMEM */
struct refused *refused_free(struct refused *t);                /* NULL is fine; returns NULL */

/* One more like e, whose count is 1. Allocates nothing. */
void refused_add(struct refused *t, const struct refused_entry *e);

/* The i-th entry, or NULL behind the last. */
const struct refused_entry *refused_at(const struct refused *t, size_t i);
uint64_t refused_events(const struct refused *t); /* that its entries stand for */
void refused_clear(struct refused *t);
