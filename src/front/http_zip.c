/* http_zip.c - a folder as a zip archive, made as it is sent.
 *
 * It is walked twice: first to count, so that what cannot be an archive is refused in words; then to send.
 * What fails in between ends the connection before the last chunk: no client takes that for an archive.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "front/arrive.h"
#include "front/http_place.h"
#include "front/routes.h"
#include "front/sending.h"
#include "front/zip.h"
#include "workspace/workspace.h"

#define NAME_BYTES_MAX 32768u /* of one path in the archive */

struct counted {
        uint64_t bytes, table;
};

/* Each name at its longest: four characters a byte. */
static int count(void *arg, const char *path, const struct stat *st, int fd) {
        struct counted *c = arg;
        size_t name = strlen(path) * 4 + 1;

        (void)fd;
        if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
                return 0;
        if (name + WORKSPACE_NAME_MAX + 2 > NAME_BYTES_MAX) /* name_of would have no room for it */
                return -EFBIG;
        c->table += 46 + strlen(path) + 1;
        c->bytes += ZIP_ENTRY_BYTES + 2 * name;
        if (S_ISREG(st->st_mode)) /* what does not pack grows by 5 bytes in 16 KiB */
                c->bytes += (uint64_t)st->st_size + (uint64_t)st->st_size / 2048 + 64;
        return c->bytes > ZIP_BYTES_MAX || c->table > ZIP_TABLE_MAX ? -EFBIG : 0;
}

struct packing {
        struct zip *zip;
        struct chunks *to;
        char piece[65536];
        char name[NAME_BYTES_MAX];
};

/* A path of the disk in the words of the wire, which are UTF-8. */
static int name_of(struct packing *k, const char *path, bool folder) {
        size_t out = 0;

        while (*path) {
                char raw[256], wire[WORKSPACE_NAME_MAX];
                size_t n = strcspn(path, "/");

                if (n >= sizeof raw || out + WORKSPACE_NAME_MAX + 2 > sizeof k->name)
                        return -EFBIG;
                memcpy(raw, path, n);
                raw[n] = '\0';
                workspace_name_wire(raw, wire);
                memcpy(k->name + out, wire, strlen(wire));
                out += strlen(wire);
                path += n;
                if (*path == '/' || folder)
                        k->name[out++] = '/';
                path += *path == '/';
        }
        k->name[out] = '\0';
        return 0;
}

/* Exactly as much as the file had when it was opened: one that shrinks ends it. */
static int pack_content(struct packing *k, int fd, uint64_t size) {
        int r = 0;

        for (uint64_t at = 0; r == 0 && at < size;) {
                ssize_t n =
                        pread(fd, k->piece, MIN(size - at, (uint64_t)sizeof k->piece), (off_t)at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ESTALE;
                r = zip_add(k->zip, k->piece, (size_t)n);
                at += (uint64_t)n;
        }
        return r;
}

static int pack(void *arg, const char *path, const struct stat *st, int fd) {
        struct packing *k = arg;
        bool folder = S_ISDIR(st->st_mode);
        struct zip_entry e = {
                .name = k->name, .mtime_s = st->st_mtim.tv_sec, .mode = st->st_mode & 0170777};

        if (!folder && fd < 0) /* a link, a pipe */
                return 0;
        int r = name_of(k, path, folder);
        if (r == 0)
                r = zip_begin(k->zip, &e);
        if (r == 0 && !folder)
                r = pack_content(k, fd, (uint64_t)st->st_size);
        return r == 0 ? zip_end(k->zip) : r;
}

static int sink(void *arg, const void *data, size_t n) {
        return chunks_add(arg, data, n);
}

static int send_tree(struct http_place *p, struct packing *k) {
        struct workspace_walk how = {
                .visit = pack, .arg = k, .entries_max = ZIP_ENTRIES_MAX, .open = true};
        int e = workspace_walk(p->ws, p->path, &how);

        if (e == 0)
                e = zip_finish(k->zip);
        return e == 0 ? chunks_end(k->to) : e;
}

/* home/lab -> lab.zip, in any characters (RFC 8187). */
static char *headers_of(const char *path) {
        const char *slash = strrchr(path, '/');
        struct buf b = BUF_INIT(8192);
        int e = buf_adds(
                &b,
                "Content-Security-Policy: sandbox; default-src 'none'; frame-ancestors 'none'\r\n"
                "Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-cache\r\n"
                "Content-Disposition: attachment; filename*=UTF-8''");

        for (const char *c = slash ? slash + 1 : path; e == 0 && *c; c++)
                e = isalnum((unsigned char)*c) || strchr("-._~", *c)
                            ? buf_add(&b, c, 1)
                            : buf_addf(&b, "%%%02X", (unsigned char)*c);
        if (e == 0)
                e = buf_adds(&b, ".zip\r\n");
        if (e == 0)
                return b.data;
        buf_done(&b);
        return NULL;
}

static void answer(struct request *r, struct http_place *p) {
        _cleanup_(freep) char *headers = headers_of(p->path);
        _cleanup_(freep) struct packing *k = calloc(1, sizeof *k);
        _cleanup_(freep) struct chunks *to = calloc(1, sizeof *to);
        _cleanup_(zip_freep) struct zip *zip = NULL;
        _cleanup_(fd_closep) int sock = guest_dup(guest_of(r->conn));
        struct answer a = {
                .status = 200, .type = "application/zip", .headers = headers, .chunked = true};
        int e = headers && k && to ? MIN(sock, 0) : -ENOMEM;

        if (e == 0)
                e = zip_new(sink, to, &zip);
        if (e < 0) {
                http_errno(r, e);
                return;
        }
        to->r = r;
        to->sock = sock;
        k->zip = zip;
        k->to = to;
        e = http_begin(r, &a);
        if (e == 0 && !r->head)
                e = send_tree(p, k);
        if (e < 0) { /* the head is out: the log alone can say it */
                r->error = e;
                r->cut = e != -EPIPE && e != -ECONNRESET;
        }
        place_note(r, "fs.archive", p->path, e);
}

void http_zip(struct request *r) {
        _cleanup_(place_done) struct http_place p = {0};
        struct counted c = {0};
        struct workspace_walk how = {.visit = count, .arg = &c, .entries_max = ZIP_ENTRIES_MAX};
        int e;

        if (!place_open(r, &p))
                return;
        e = workspace_walk(p.ws, p.path, &how);
        if (e == -EFBIG)
                http_error(
                        r, 413, "too_large",
                        "an archive holds 65,534 files, 4 GiB and paths of 7 KiB: ask for the folders in it");
        else if (e < 0)
                http_errno(r, e);
        else
                answer(r, &p);
}
