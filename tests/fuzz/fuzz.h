/* fuzz.h - what the fuzz targets share: bytes taken one after the other from what the fuzzer invents.
 *
 * A target is one file; what it asserts it asserts with CHECK, which ends the process, so the fuzzer keeps
 * the input. Seeds lie in corpus/TARGET, words in TARGET.dict; tools/run-fuzz runs them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
        const uint8_t *p;
        size_t n;
};

static inline uint8_t take_byte(struct input *in) {
        if (in->n == 0)
                return 0;
        in->n--;
        return *in->p++;
}

/* Up to and without the separator, which is used up, too. */
static inline struct input take_until(struct input *in, char separator) {
        const uint8_t *end = in->n ? memchr(in->p, separator, in->n) : NULL;
        struct input part = {in->p, end ? (size_t)(end - in->p) : in->n};
        size_t used = part.n + (end ? 1 : 0);

        in->p += used;
        in->n -= used;
        return part;
}
