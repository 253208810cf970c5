/* http.h - one JSON object posted, one read: what signing in needs.
 *
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/macros.h"
#include "student.h"

/* *ret is a new reference, NULL if the answer's body is not JSON. 0 for any status; -ETIMEDOUT, -EPROTO,
 * -errno. */
_must_use_ int http_post(const struct site *site, const char *path, const json_t *body,
                         uint64_t deadline_ns, int *ret_status, json_t **ret);
