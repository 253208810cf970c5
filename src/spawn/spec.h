/* spec.h - what is to be started: sent by latchd to the spawner, checked there, handed on to the holder.
 *
 * One SEQPACKET message: this struct, then `strings_n` bytes of NUL-terminated strings: argc arguments
 * of the user, then envc "NAME=value". What is executed is made of kind, language and path by the
 * spawner (spawn/language.h), never given by the wire.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/random.h"

#define SPAWN_STRINGS_MAX (96u << 10)
#define SPAWN_PATH_MAX    4097u

/* A tool is a program of the system that latchd itself uses in the user's cage: its argv is the arguments, the
 * first being its path. It has no terminal, and is no session. */
enum spawn_kind { SPAWN_RUN, SPAWN_SHELL, SPAWN_REPL, SPAWN_TOOL };

struct spawn_limits { /* 0 = none */
        uint64_t wall_ms, idle_ms, cpu_ms, memory_bytes, processes, output_bytes, tmp_bytes;
};

struct spawn_spec {
        uint32_t size; /* of this struct: version check */
        uint32_t kind; /* enum spawn_kind */
        char id[RANDOM_ID_CHARS + 1];
        char user[33];
        uint32_t uid; /* ignored where the spawner is not root */
        uint8_t tty, then_repl;
        uint16_t cols, rows;
        char language[16];         /* of run and repl; see spawn/language.h */
        char path[SPAWN_PATH_MAX]; /* of run: relative to the user's root, as on the wire */
        char cwd[SPAWN_PATH_MAX];  /* relative to the user's root */
        struct spawn_limits limits;
        uint64_t ring_bytes, input_bytes;
        uint32_t driver_grace_ms, stop_grace_ms;
        uint32_t argc, envc, strings_n;
};
