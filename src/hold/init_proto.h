/* init_proto.h - what a holder and the init of its cage say to each other: one struct a SEQPACKET message.
 *
 * Both are of one build and start together. The holder sends INIT_CONFIG before init exists; init answers
 * INIT_STARTED or INIT_FAILED, and INIT_ENDED once the program and everything it left behind are gone.
 * The holder checks what it hears: a program that broke into init could speak here.
 */
#pragma once

#include <stdint.h>

#include "spawn/setup.h"

enum init_type {
        INIT_CONFIG = 1, /* struct init_config, strings; without a terminal: fds for 0, 1 and 2 */
        INIT_SIGNAL,     /* struct init_signal */
        INIT_SEEN, /* struct init_signal: the holder has a pidfd of init, which may end from here on */
        INIT_STARTED =
                64,  /* struct init_word; with a terminal: its master. Credentials: init's pid */
        INIT_FAILED, /* struct init_word: error, stage */
        INIT_CPU,    /* struct init_word: the tree has used its time */
        INIT_ENDED,  /* struct init_word: status, cpu_ms, peak_bytes */
};

struct init_config {
        uint32_t type;
        uint16_t cols, rows;
        uint32_t tty;
        uint64_t cpu_ms, memory_bytes, processes; /* 0 = none */
        uint32_t argc, envc, strings_n;
        char cwd[SPAWN_PATH_MAX + 8];
};

enum init_whom { INIT_FOREGROUND, INIT_ALL };

struct init_signal {
        uint32_t type, signal, whom;
};

struct init_word {
        uint32_t type;
        int32_t error;
        int32_t status; /* of wait(2) */
        uint32_t zero;
        uint64_t cpu_ms, peak_bytes;
        char stage[60];
};
