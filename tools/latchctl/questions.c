/* The contract is in questions.h. */
#include "questions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ESC 0x1b
#define BEL 0x07
#define ENQ 0x05

/* Window operations that report: 11, 13 to 16, 18 to 21. */
static bool reports_window(const char *params) {
        long op = strtol(params, NULL, 10);

        return op == 11 || (op >= 13 && op <= 21 && op != 17);
}

/* held: ESC [ ... final, with a NUL behind it. */
static bool asks_csi(const char *held, size_t n) {
        char prefix = '\0', middle = '\0';

        if (strchr("<=>?", held[2]))
                prefix = held[2];
        if (n > 3 && strchr(" !\"#$%&'()*+,-./", held[n - 2]))
                middle = held[n - 2];
        switch (held[n - 1]) {
        case 'c': return prefix != '?' && !middle;
        case 'n': return prefix != '>' && !middle;
        case 'x': return !prefix && !middle;
        case 'p':
        case 'w': return middle == '$';
        case 'y': return middle == '*';
        case 'q': return prefix == '>';
        case 'u':
        case 'm':
        case 'S': return prefix == '?';
        case 't': return !prefix && !middle && reports_window(held + 2);
        default: return false;
        }
}

/* held: ESC ] or ESC P, and what follows, with a NUL behind it. */
static bool asks_string(const char *held) {
        if (held[1] == ']')
                return strstr(held, ";?") != NULL;
        return strncmp(held + 2 + strspn(held + 2, "0123456789;"), "$q", 2) == 0 ||
               strncmp(held + 2, "+q", 2) == 0;
}

static bool string_ends(const struct questions *q) {
        return q->held[q->n - 1] == BEL ||
               (q->n > 3 && q->held[q->n - 2] == ESC && q->held[q->n - 1] == '\\');
}

static size_t give(struct questions *q, char *to) {
        size_t n = q->n;

        memcpy(to, q->held, n);
        q->n = 0;
        q->state = QUESTIONS_TEXT;
        return n;
}

/* A sequence is whole. */
static size_t judge(struct questions *q, char *to) {
        q->held[q->n] = '\0';
        bool asks = q->state == QUESTIONS_CSI ? asks_csi(q->held, q->n) : asks_string(q->held);

        if (asks)
                q->n = 0;
        return give(q, to);
}

/* The byte behind ESC is held. */
static size_t second(struct questions *q, char *to) {
        switch (q->held[1]) {
        case '[': q->state = QUESTIONS_CSI; return 0;
        case ']':
        case 'P': q->state = QUESTIONS_STRING; return 0;
        case 'Z': q->n = 0; return give(q, to); /* DECID */
        default: return give(q, to);
        }
}

static size_t take(struct questions *q, char c, char *to) {
        size_t n = 0;

        if (q->state == QUESTIONS_TEXT && c == ENQ)
                return 0;
        if (q->state == QUESTIONS_TEXT && c != ESC) {
                *to = c;
                return 1;
        }
        if (c == ESC && q->state != QUESTIONS_STRING)
                n = give(q, to); /* one that was cut short */
        if (q->state == QUESTIONS_STRING && q->held[q->n - 1] == ESC && c != '\\') {
                q->n--; /* no end of a string, so the beginning of something else */
                n = give(q, to);
                q->held[q->n++] = ESC;
                q->state = QUESTIONS_ESC;
        }
        if (q->n == QUESTION_MAX - 1) {
                n = give(q, to);
                to[n] = c;
                return n + 1;
        }
        q->held[q->n++] = c;
        if (q->n == 1)
                q->state = QUESTIONS_ESC;
        else if (q->state == QUESTIONS_ESC)
                n += second(q, to + n);
        else if (q->state == QUESTIONS_CSI ? c >= 0x40 && c <= 0x7e : string_ends(q))
                n += judge(q, to + n);
        return n;
}

size_t questions_drop(struct questions *q, const char *data, size_t n, char *to) {
        size_t out = 0;

        for (size_t i = 0; i < n; i++)
                out += take(q, data[i], to + out);
        return out;
}

size_t questions_end(struct questions *q, char *to) {
        return give(q, to);
}
