/* blocking.h - what of the C library may block or reach a disk, told to clang's analysis: tools/lint reads it before
 * each source, so that such a call under a lock is a finding. Plain types only: it brings no header of the library.
 */
#pragma once

#include "latch/lock.h"

struct addrinfo;
struct pollfd;
struct rusage;
struct sockaddr;
struct stat;

/* ---- time, other threads and processes ---- */
int clock_nanosleep(clockid_t, int, const struct timespec *, struct timespec *) LATCH_BLOCKS;
int nanosleep(const struct timespec *, struct timespec *) LATCH_BLOCKS;
unsigned sleep(unsigned) LATCH_BLOCKS;
int usleep(unsigned) LATCH_BLOCKS;
int poll(struct pollfd *, unsigned long, int) LATCH_BLOCKS;
int pthread_join(pthread_t, void **) LATCH_BLOCKS;
pid_t waitpid(pid_t, int *, int) LATCH_BLOCKS;

/* ---- disks ---- */
int open(const char *, int, ...) LATCH_BLOCKS;
int openat(int, const char *, int, ...) LATCH_BLOCKS;
int fsync(int) LATCH_BLOCKS;
int fdatasync(int) LATCH_BLOCKS;
int flock(int, int) LATCH_BLOCKS;
int fstatat(int, const char *, struct stat *, int) LATCH_BLOCKS;
int mkdirat(int, const char *, unsigned) LATCH_BLOCKS;
int rename(const char *, const char *) LATCH_BLOCKS;
int renameat(int, const char *, int, const char *) LATCH_BLOCKS;
int unlink(const char *) LATCH_BLOCKS;
int unlinkat(int, const char *, int) LATCH_BLOCKS;

/* ---- the network ---- */
int connect(int, const struct sockaddr *, unsigned) LATCH_BLOCKS;
int getaddrinfo(const char *, const char *, const struct addrinfo *,
                struct addrinfo **) LATCH_BLOCKS;
