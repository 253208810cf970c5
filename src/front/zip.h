/* zip.h - a zip archive that is written as it goes: what is in it is never held, what was put in last is not
 * gone back to (APPNOTE.TXT 6.3.10: bit 3, data descriptors; bit 11, names in UTF-8; no zip64).
 *
 * Memory: two buffers, zlib's 256 KiB, and the table of contents, at most ZIP_TABLE_MAX.
 * Threads: one at a time. Lock: none may be held.
 * Errors:  what the sink returned; -ENOMEM; -EFBIG beyond what a zip can say: 65,534 entries (one more is the
 *          mark of zip64), 4 GiB, or ZIP_TABLE_MAX. After one nothing but zip_free is left to do: what went out is no archive.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define ZIP_ENTRIES_MAX 65534u
#define ZIP_TABLE_MAX   ((size_t)8 << 20)
#define ZIP_BYTES_MAX   UINT32_MAX
/* What an entry takes at most beside its data and twice its name. */
#define ZIP_ENTRY_BYTES (30u + 16u + 46u)

struct zip;
/* Takes all of it, or says why not. */
typedef int zip_sink(void *arg, const void *data, size_t n);

_must_use_ int zip_new(zip_sink *sink, void *arg, struct zip **ret);
struct zip *zip_free(struct zip *z); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct zip, zip_free)

/* name: UTF-8, '/' between its parts; a folder's ends with one. mode as st_mode. */
struct zip_entry {
        const char *name;
        int64_t mtime_s;
        uint32_t mode;
};
_must_use_ int zip_begin(struct zip *z, const struct zip_entry *e);
_must_use_ int zip_add(struct zip *z, const void *data, size_t n);
_must_use_ int zip_end(struct zip *z);
_must_use_ int zip_finish(struct zip *z); /* the table of contents: now it is an archive */
