/* The contract is in spawn/runner.h. The assembler reads runner.py (Makefile: the dependency). */
#include "spawn/runner.h"

__asm__(".section .rodata\n"
        ".global runner_text, runner_end\n"
        "runner_text:\n"
        ".incbin \"src/spawn/runner.py\"\n"
        "runner_end:\n"
        ".byte 0\n"
        ".previous\n");
