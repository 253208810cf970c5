/* The contract is in session/kept.h. */
#include "session/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/str.h"
#include "latch/lock.h"
#include "session/folder.h"

#define MAGIC  UINT64_C(0x316c696174686c00) /* "\0lhtail1" */
#define SUFFIX ".last"
#define UNDONE ".last.new"

struct head { /* then the bytes, zeros up to a multiple of 8, the segments, the picture */
        uint64_t magic;
        char id[32];
        uint64_t tail, head, segments, picture;
        unsigned char hash[32]; /* of all, with zeros here */
};
_Static_assert(sizeof(struct head) == 104, "no holes");
_Static_assert(RANDOM_ID_CHARS < sizeof((struct head *)0)->id, "an id fits");

#define FILE_MAX                                                                                   \
        (sizeof(struct head) + KEPT_BYTES_MAX + RING_SEGMENTS * sizeof(struct kept_segment) +      \
         KEPT_PICTURE_MAX)

static size_t padded(uint64_t n) {
        return (size_t)((n + 7) & ~UINT64_C(7));
}

static void hash_of(const struct head *h, const char *rest, size_t n, unsigned char ret[32]) {
        struct head zero = *h;
        crypto_generichash_state state;

        memset(zero.hash, 0, sizeof zero.hash);
        CHECK(crypto_generichash_init(&state, NULL, 0, sizeof zero.hash) == 0);
        crypto_generichash_update(&state, (const unsigned char *)&zero, sizeof zero);
        crypto_generichash_update(&state, (const unsigned char *)rest, n);
        CHECK(crypto_generichash_final(&state, ret, sizeof zero.hash) == 0);
}

struct kept *kept_free(struct kept *k) {
        if (k)
                buf_done(&k->file);
        free(k);
        return NULL;
}

/* ---- made of a ring ---- */

/* Into the file, which has room. Nobody writes to that ring any more: what is missing was never there. */
static int read_runs(struct ring_reader *ring, uint64_t from, uint64_t end, struct buf *file,
                     struct kept_segment *segments, size_t *ret_n) {
        size_t n = 0;

        while (from < end) {
                enum ring_kind kind;
                uint64_t tail;
                ssize_t k = ring_read(ring, from, file->data + file->n, (size_t)(end - from), &kind,
                                      &tail);
                if (k <= 0)
                        return -EPROTO;
                if (n == 0 || segments[n - 1].kind != (uint64_t)kind) {
                        if (n == RING_SEGMENTS)
                                return -EPROTO;
                        segments[n++] = (struct kept_segment){from, (uint64_t)kind};
                }
                from += (uint64_t)k;
                file->n += (size_t)k;
        }
        *ret_n = n;
        return 0;
}

/* Where the pieces of a file lie whose head is believed. */
static void find_pieces(struct kept *k) {
        const struct head *h = (const struct head *)(const void *)k->file.data;

        k->tail = h->tail;
        k->head = h->head;
        k->bytes = k->file.data + sizeof *h;
        k->segments =
                (const struct kept_segment *)(const void *)(k->bytes + padded(h->head - h->tail));
        k->segments_n = (size_t)h->segments;
        k->picture = (const char *)(k->segments + k->segments_n);
        k->picture_n = (size_t)h->picture;
}

static int fill(struct buf *file, const char *id, struct ring_reader *ring, uint64_t end,
                size_t limit, const struct buf *picture) {
        _cleanup_(freep) struct kept_segment *segments = calloc(RING_SEGMENTS, sizeof *segments);
        struct head h = {.magic = MAGIC, .tail = end, .head = end, .picture = picture->n};
        uint64_t head = end;
        bool eof;
        size_t n = 0;
        int r = segments ? buf_reserve(file, sizeof h + limit + 8 + picture->n +
                                                     RING_SEGMENTS * sizeof *segments)
                         : -ENOMEM;

        if (r == 0 && ring)
                r = ring_reader_bounds(ring, &h.tail, &head, &eof);
        if (r < 0)
                return r;
        h.tail = MIN(MAX(h.tail, end - MIN(end, limit)), end);
        file->n = sizeof h;
        r = read_runs(ring, h.tail, end, file, segments, &n);
        if (r < 0)
                return r;
        memset(file->data + file->n, 0, padded(file->n) - file->n);
        file->n = padded(file->n);
        h.segments = n;
        snprintf(h.id, sizeof h.id, "%s", id);
        r = buf_add(file, segments, n * sizeof *segments);
        if (r == 0 && picture->n > 0)
                r = buf_add(file, picture->data, picture->n);
        hash_of(&h, file->data + sizeof h, file->n - sizeof h, h.hash);
        memcpy(file->data, &h, sizeof h);
        return r;
}

int kept_make(const char *id, struct ring_reader *ring, uint64_t end, size_t limit,
              const struct buf *picture, struct kept **ret) {
        _cleanup_(kept_freep) struct kept *k = calloc(1, sizeof *k);

        CHECK(limit <= KEPT_BYTES_MAX && picture->n <= KEPT_PICTURE_MAX);
        if (!k)
                return -ENOMEM;
        k->file = BUF_INIT(FILE_MAX + 8);
        int r = fill(&k->file, id, ring, end, limit, picture);
        if (r < 0)
                return r;
        find_pieces(k);
        *ret = TAKE_PTR(k);
        return 0;
}

/* ---- read ---- */

ssize_t kept_read(const struct kept *k, uint64_t offset, void *to, size_t cap,
                  enum ring_kind *ret_kind, uint64_t *ret_tail) {
        size_t low = 0, high = k->segments_n;

        if (offset < k->tail) {
                *ret_tail = k->tail;
                return -ESTALE;
        }
        if (offset >= k->head)
                return 0;
        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;
                if (k->segments[middle].offset <= offset)
                        low = middle;
                else
                        high = middle;
        }
        uint64_t end = high < k->segments_n ? k->segments[high].offset : k->head;
        size_t n = (size_t)MIN((uint64_t)cap, end - offset);
        memcpy(to, k->bytes + (offset - k->tail), n);
        *ret_kind = (enum ring_kind)k->segments[low].kind;
        return (ssize_t)n;
}

/* ---- the file ---- */

static int folder_of(const char *data) {
        _cleanup_(freep) char *path = folder_path(data, NULL, NULL);

        if (!path)
                return -ENOMEM;
        int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

struct name {
        char text[RANDOM_ID_CHARS + sizeof UNDONE];
};

static struct name name_of(const char *id, const char *suffix) {
        struct name n;

        snprintf(n.text, sizeof n.text, "%.*s%s", RANDOM_ID_CHARS, id, suffix);
        return n;
}

static int write_new(int folder, const char *name, const struct buf *file) {
        if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
                return -errno;
        _cleanup_(fd_closep) int fd =
                openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return fd_write_all(fd, file->data, file->n);
}

int kept_write(const char *data, const char *id, const struct kept *k) {
        struct name undone = name_of(id, UNDONE), done = name_of(id, SUFFIX);

        latch_blocking("kept_write");
        _cleanup_(fd_closep) int folder = folder_of(data);
        if (folder < 0)
                return folder;
        int r = write_new(folder, undone.text, &k->file);
        if (r == 0 && renameat(folder, undone.text, folder, done.text) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder, undone.text, 0);
        return r;
}

static bool segments_fit(const struct kept *k) {
        uint64_t at = k->tail;

        for (size_t i = 0; i < k->segments_n; i++) {
                const struct kept_segment *s = &k->segments[i];
                if (s->offset < at || s->offset >= k->head || (i == 0 && s->offset != k->tail) ||
                    (s->kind != RING_OUTPUT && s->kind != RING_STDERR && s->kind != RING_DISPLAY))
                        return false;
                at = s->offset + 1;
        }
        return k->segments_n > 0 || k->tail == k->head;
}

static bool fits(struct kept *k, const char *id, uint64_t end) {
        struct head h;
        unsigned char hash[sizeof h.hash];

        if (k->file.n < sizeof h)
                return false;
        memcpy(&h, k->file.data, sizeof h);
        if (h.magic != MAGIC || memchr(h.id, '\0', sizeof h.id) == NULL || !str_eq(h.id, id) ||
            h.head != end || h.tail > h.head || h.head - h.tail > KEPT_BYTES_MAX ||
            h.segments > RING_SEGMENTS || h.picture > KEPT_PICTURE_MAX ||
            k->file.n != sizeof h + padded(h.head - h.tail) +
                                 h.segments * sizeof(struct kept_segment) + h.picture)
                return false;
        hash_of(&h, k->file.data + sizeof h, k->file.n - sizeof h, hash);
        if (memcmp(hash, h.hash, sizeof hash) != 0)
                return false;
        find_pieces(k);
        return segments_fit(k);
}

static int open_kept(const char *data, const char *id) {
        _cleanup_(fd_closep) int folder = folder_of(data);
        struct name name = name_of(id, SUFFIX);
        struct stat st;

        if (folder < 0)
                return folder;
        _cleanup_(fd_closep) int fd =
                openat(folder, name.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -EPROTO : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EPROTO;
}

int kept_load(const char *data, const char *id, uint64_t end, struct kept **ret) {
        _cleanup_(kept_freep) struct kept *k = calloc(1, sizeof *k);

        latch_blocking("kept_load");
        if (!k)
                return -ENOMEM;
        _cleanup_(fd_closep) int fd = open_kept(data, id);
        if (fd < 0)
                return fd;
        int r = fd_read_file(fd, FILE_MAX, &k->file.data, &k->file.n);
        if (r < 0)
                return r == -EFBIG ? -EPROTO : r;
        if (!fits(k, id, end))
                return -EPROTO;
        *ret = TAKE_PTR(k);
        return 0;
}

uint64_t kept_size(const char *data, const char *id) {
        _cleanup_(freep) char *path = folder_path(data, id, SUFFIX);
        struct stat st;

        latch_blocking("kept_size");
        if (!path || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        return (uint64_t)st.st_size;
}

void kept_unlink(const char *data, const char *id) {
        folder_unlink(data, id, SUFFIX);
}

void kept_sweep(const char *data, bool (*known)(void *arg, const char *id), void *arg) {
        _cleanup_(freep) char *path = folder_path(data, NULL, NULL);
        struct dirent *e;

        latch_blocking("kept_sweep");
        DIR *d = path ? opendir(path) : NULL;
        while (d && (e = readdir(d)) != NULL) {
                char id[RANDOM_ID_CHARS + 1];
                size_t n = strlen(e->d_name);
                bool done = n > RANDOM_ID_CHARS && str_eq(e->d_name + RANDOM_ID_CHARS, SUFFIX);
                if (!done && !(n > RANDOM_ID_CHARS && str_eq(e->d_name + RANDOM_ID_CHARS, UNDONE)))
                        continue;
                snprintf(id, sizeof id, "%.*s", RANDOM_ID_CHARS, e->d_name);
                if (!done || !known(arg, id))
                        (void)unlinkat(dirfd(d), e->d_name, 0);
        }
        if (d)
                closedir(d);
}
