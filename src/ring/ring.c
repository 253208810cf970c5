/* The contract is in ring/ring.h: making the two files, and mapping them with all checks. */
#include "ring/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "ring/ring_private.h"

static bool size_valid(uint64_t ring_bytes) {
        return ring_bytes >= RING_MIN_BYTES && ring_bytes <= RING_MAX_BYTES &&
               (ring_bytes & (ring_bytes - 1)) == 0;
}

static uint64_t file_bytes(uint64_t ring_bytes) {
        return RING_PAGE + RING_TABLE_BYTES + ring_bytes;
}

static int make_file(const char *name, uint64_t size, int *ret_fd) {
        _cleanup_(fd_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t)size) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int ring_create(const char *id, uint64_t ring_bytes, int *ret_data_fd, int *ret_control_fd) {
        _cleanup_(fd_closep) int data = -1, control = -1;
        struct ring_data first = {
                .magic = RING_MAGIC,
                .version = RING_VERSION,
                .segments = RING_SEGMENTS,
                .ring_bytes = ring_bytes,
                .need_at = RING_NO_NEED,
        };
        struct ring_control gate = {.driver = 0, .wake_at = RING_NO_DRIVER};
        int r;

        if (!size_valid(ring_bytes) || str_copy(first.id, sizeof first.id, id) < 0)
                return -EINVAL;
        r = make_file("latch-ring", file_bytes(ring_bytes), &data);
        if (r < 0)
                return r;
        r = make_file("latch-gate", RING_PAGE, &control);
        if (r < 0)
                return r;
        r = fd_write_all(data, &first, sizeof first);
        if (r < 0)
                return r;
        r = fd_write_all(control, &gate, sizeof gate);
        if (r < 0)
                return r;

        *ret_data_fd = TAKE_FD(data);
        *ret_control_fd = TAKE_FD(control);
        return 0;
}

/* F_GET_SEALS fails on whatever is no memfd: then it could shrink beneath the map, or let whoever reads it
 * wait. So it comes before all else. */
static int check_seals(int fd, int seals) {
        int have = fcntl(fd, F_GET_SEALS);

        return have >= 0 && (have & seals) == seals ? 0 : -EPROTO;
}

static int check_size(int fd, uint64_t size) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
                return -EPROTO;
        return 0;
}

/* The constants, read from the file rather than a map, so that they are read once. */
static int check_constants(int data_fd, uint64_t *ret_bytes) {
        struct ring_data first;
        ssize_t k = pread(data_fd, &first, offsetof(struct ring_data, head), 0);

        if (k < 0)
                return -errno;
        if (k != (ssize_t)offsetof(struct ring_data, head) || first.magic != RING_MAGIC ||
            first.version != RING_VERSION || first.segments != RING_SEGMENTS ||
            !size_valid(first.ring_bytes))
                return -EPROTO;
        *ret_bytes = first.ring_bytes;
        return 0;
}

/* Page, table and bytes; for a writer, the bytes behind them once more. */
static int map_data(int fd, int prot, struct ring_maps *m) {
        uint64_t whole = file_bytes(m->ring_bytes);
        bool twice = prot & PROT_WRITE;
        size_t size = twice ? whole + m->ring_bytes : whole;
        char *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (at == MAP_FAILED)
                return -errno;
        if (mmap(at, whole, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
            (twice && mmap(at + whole, m->ring_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
                           RING_PAGE + RING_TABLE_BYTES) == MAP_FAILED)) {
                int r = -errno;
                (void)munmap(at, size);
                return r;
        }
        m->data = (struct ring_data *)(void *)at;
        m->table = (struct ring_segment *)(void *)(at + RING_PAGE);
        m->bytes = (unsigned char *)at + RING_PAGE + RING_TABLE_BYTES;
        m->mapped = size;
        return 0;
}

int ring_map(int data_fd, int control_fd, int prot, int data_seals, struct ring_maps *ret) {
        struct ring_maps m = {0};
        int r = check_seals(data_fd, data_seals);

        if (r == 0)
                r = check_seals(control_fd, F_SEAL_SHRINK | F_SEAL_GROW);
        if (r == 0)
                r = check_constants(data_fd, &m.ring_bytes);
        if (r == 0)
                r = check_size(data_fd, file_bytes(m.ring_bytes));
        if (r == 0)
                r = check_size(control_fd, RING_PAGE);
        if (r < 0)
                return r;

        r = map_data(data_fd, prot, &m);
        if (r < 0)
                return r;
        void *control = mmap(NULL, RING_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, control_fd, 0);
        if (control == MAP_FAILED) {
                r = -errno;
                (void)munmap(m.data, m.mapped);
                return r;
        }
        m.control = control;
        *ret = m;
        return 0;
}

void ring_unmap(struct ring_maps *m) {
        if (m->data)
                CHECK(munmap(m->data, m->mapped) == 0);
        if (m->control)
                CHECK(munmap(m->control, RING_PAGE) == 0);
        *m = (struct ring_maps){0};
}
