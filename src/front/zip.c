/* zip.c - see zip.h. */
#include "front/zip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"

#define PIECE_BYTES 65536u
#define VERSION     20u                 /* 2.0: folders, deflate */
#define MADE_BY     (3u << 8 | VERSION) /* Unix: the mode is in the upper half of the attributes */
#define FLAGS       (1u << 3 | 1u << 11)
#define DEFLATE     8u
#define STORE       0u

struct zip {
        zip_sink *sink;
        void *arg;
        z_stream deflate;
        struct buf table;
        uint64_t offset; /* bytes that went out */
        uint64_t begin;  /* where the entry's data began */
        uint64_t size;   /* of the entry, as it is */
        uint32_t crc;
        size_t row; /* where the entry's row in the table is */
        unsigned entries;
        unsigned char out[PIECE_BYTES];
};

int zip_new(zip_sink *sink, void *arg, struct zip **ret) {
        struct zip *z = calloc(1, sizeof *z);

        if (!z)
                return -ENOMEM;
        z->sink = sink;
        z->arg = arg;
        z->table = BUF_INIT(ZIP_TABLE_MAX);
        /* Raw, for zip has a head of its own; the quickest level: it is the network that is slow. */
        if (deflateInit2(&z->deflate, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL,
                         Z_DEFAULT_STRATEGY) != Z_OK) {
                free(z);
                return -ENOMEM;
        }
        *ret = z;
        return 0;
}

struct zip *zip_free(struct zip *z) {
        if (!z)
                return NULL;
        (void)deflateEnd(&z->deflate); /* says whether something was left: it may be */
        buf_done(&z->table);
        free(z);
        return NULL;
}

static int out(struct zip *z, const void *data, size_t n) {
        z->offset += n;
        if (z->offset > ZIP_BYTES_MAX)
                return -EFBIG;
        return n > 0 ? z->sink(z->arg, data, n) : 0;
}

static unsigned char *put16(unsigned char *p, unsigned v) {
        *p++ = (unsigned char)v;
        *p++ = (unsigned char)(v >> 8);
        return p;
}

static unsigned char *put32(unsigned char *p, uint32_t v) {
        return put16(put16(p, v & 0xffff), v >> 16);
}

/* MS-DOS counts two seconds, from 1980 on. */
static uint32_t dos_time(int64_t s) {
        struct clock_date d;

        clock_date(s, &d);
        if (d.year < 1980 || d.year > 2107)
                return 1u << 21 | 1u << 16;
        return (d.year - 1980) << 25 | d.month << 21 | d.day << 16 | d.hour << 11 | d.minute << 5 |
               d.second / 2;
}

static bool is_folder(const char *name) {
        return name[0] && name[strlen(name) - 1] == '/';
}

/* The part that an entry's head and its row in the table have in common; sizes come later. */
static unsigned char *put_common(unsigned char *p, const struct zip_entry *e) {
        bool folder = is_folder(e->name);

        p = put16(p, VERSION);
        p = put16(p, folder ? 1u << 11 : FLAGS);
        p = put16(p, folder ? STORE : DEFLATE);
        p = put32(p, dos_time(e->mtime_s));
        p = put32(put32(put32(p, 0), 0), 0);
        p = put16(p, (unsigned)strlen(e->name));
        return put16(p, 0);
}

static int add_row(struct zip *z, const struct zip_entry *e) {
        unsigned char row[46], *p = put16(put32(row, 0x02014b50), MADE_BY);
        bool folder = is_folder(e->name);

        p = put_common(p, e);
        p = put16(put16(put16(p, 0), 0), 0);
        p = put32(p, e->mode << 16 | (folder ? 0x10u : 0u));
        p = put32(p, (uint32_t)z->offset);
        CHECK(p == row + sizeof row);
        z->row = z->table.n;
        int r = buf_add(&z->table, row, sizeof row);
        if (r == 0)
                r = buf_adds(&z->table, e->name);
        return r == -ENOBUFS ? -EFBIG : r;
}

int zip_begin(struct zip *z, const struct zip_entry *e) {
        unsigned char head[30], *p = put_common(put32(head, 0x04034b50), e);

        CHECK(p == head + sizeof head);
        if (z->entries >= ZIP_ENTRIES_MAX || strlen(e->name) > UINT16_MAX)
                return -EFBIG;
        int r = add_row(z, e);
        if (r == 0)
                r = out(z, head, sizeof head);
        if (r == 0)
                r = out(z, e->name, strlen(e->name));
        z->entries++;
        z->begin = z->offset;
        z->size = 0;
        z->crc = 0;
        CHECK(deflateReset(&z->deflate) == Z_OK);
        return r;
}

static int pump(struct zip *z, const void *data, size_t n, int flush) {
        int r = 0, state;

        z->deflate.next_in = (unsigned char *)(uintptr_t)data; /* only read from */
        z->deflate.avail_in = (unsigned)n;
        do {
                z->deflate.next_out = z->out;
                z->deflate.avail_out = sizeof z->out;
                state = deflate(&z->deflate, flush);
                CHECK(state != Z_STREAM_ERROR);
                r = out(z, z->out, sizeof z->out - z->deflate.avail_out);
        } while (r == 0 &&
                 (z->deflate.avail_in > 0 || (flush == Z_FINISH && state != Z_STREAM_END)));
        return r;
}

int zip_add(struct zip *z, const void *data, size_t n) {
        CHECK(n <= UINT32_MAX);
        z->crc = (uint32_t)crc32(z->crc, data, (unsigned)n);
        z->size += n;
        if (z->size > ZIP_BYTES_MAX)
                return -EFBIG;
        return n > 0 ? pump(z, data, n, Z_NO_FLUSH) : 0;
}

int zip_end(struct zip *z) {
        unsigned char descriptor[16], *p = put32(descriptor, 0x08074b50);
        unsigned char *row = (unsigned char *)z->table.data + z->row;

        if (row[10] == STORE) /* a folder has nothing to describe */
                return 0;
        int r = pump(z, "", 0, Z_FINISH);
        uint64_t packed = z->offset - z->begin;
        p = put32(put32(put32(p, z->crc), (uint32_t)packed), (uint32_t)z->size);
        CHECK(p == descriptor + sizeof descriptor);
        memcpy(row + 16, descriptor + 4, 12);
        return r == 0 ? out(z, descriptor, sizeof descriptor) : r;
}

int zip_finish(struct zip *z) {
        unsigned char end[22], *p = put32(end, 0x06054b50);
        uint64_t at = z->offset;
        int r = out(z, z->table.data, z->table.n);

        p = put16(put16(p, 0), 0);
        p = put16(put16(p, z->entries), z->entries);
        p = put32(put32(p, (uint32_t)z->table.n), (uint32_t)at);
        p = put16(p, 0);
        CHECK(p == end + sizeof end);
        return r == 0 ? out(z, end, sizeof end) : r;
}
