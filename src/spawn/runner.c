/* The contract is in spawn/runner.h: runner.py, carried in the program: the assembler reads it (Makefile names the dependency). */
#include "spawn/runner.h"

__asm__(".section .rodata\n"
        ".global runner_text, runner_end\n"
        "runner_text:\n"
        ".incbin \"src/spawn/runner.py\"\n"
        "runner_end:\n"
        ".byte 0\n"
        ".previous\n");
