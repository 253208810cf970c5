/* title.h - what a program calls its terminal (OSC 0, OSC 2), without drawing anything: cheap enough for all output.
 *
 * Threads: one at a time. Lock: any may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TITLE_BYTES 256u /* the rest of a longer one is cut off */

struct title {                      /* zeros at first */
        char text[TITLE_BYTES + 1]; /* UTF-8 without control characters; "": it has none */
        enum { TITLE_OUTSIDE, TITLE_ESCAPE, TITLE_COMMAND, TITLE_SEMICOLON, TITLE_TEXT } at;
        unsigned n; /* of what is being told */
        unsigned char told[TITLE_BYTES + 1];
};

/* The program wrote this. True: text is another now. */
bool title_feed(struct title *t, const void *bytes, size_t n);
/* As title.text is: for who hears of it. */
bool title_valid(const char *text, size_t n);
