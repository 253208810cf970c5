/* assets.h - the browser IDE as it lies in the binary: one table, made by src/web/build.mjs.
 *
 * Every name but "/" carries a hash of its content, so it may be kept for ever; "/" is asked for anew by
 * its etag. Data is gzip where it says so, which every browser takes: there is no other form.
 *
 * Threads: any; all of it is const.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct web_asset {
        const char *path, *mime;
        const char *etag; /* with its quotes, as in the header */
        const unsigned char *data;
        size_t n;       /* bytes of data, as stored */
        bool gzip;      /* Content-Encoding: gzip */
        bool immutable; /* Cache-Control: public, max-age=31536000, immutable; else no-cache */
};

extern const struct web_asset web_assets[];
extern const size_t web_assets_n;
