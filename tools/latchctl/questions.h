/* questions.h - takes out of a terminal's output what a terminal would answer to.
 *
 * What is shown again was asked before: a second answer would reach the program as if it had been typed. What is a
 * question: DA, DSR, DECRQM, XTVERSION and their like (ctlseqs of xterm; ECMA-48), colours and settings by OSC and DCS.
 *
 * Threads: one. Lock: none.
 */
#pragma once

#include <stddef.h>

#define QUESTION_MAX 256u /* a longer sequence is none */

struct questions {
        enum { QUESTIONS_TEXT, QUESTIONS_ESC, QUESTIONS_CSI, QUESTIONS_STRING } state;
        char held[QUESTION_MAX]; /* a sequence that is not whole yet */
        size_t n;
};

/* Writes what of n bytes, and of those held back before, is no question: at most n + QUESTION_MAX. How many. */
size_t questions_drop(struct questions *q, const char *data, size_t n, char *to);
/* The past is over: what is held back, at most QUESTION_MAX. How many. */
size_t questions_end(struct questions *q, char *to);
