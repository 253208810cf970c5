/* fuzz_multipart.c - a form as front reads it: the same parts in whatever pieces its bytes come, each of them
 * within what multipart.h promises.
 *
 * The first line is the Content-Type, whose boundary the form has to use; the fuzzer knows it from the seeds.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "front/multipart.h"
#include "fuzz.h"

#define FORM_BYTES (64u << 10)

/* What was heard, as bytes: 'b' and the names, 'd' for where data begins, its bytes, 'e'. */
struct heard {
        struct buf text;
        bool open; /* within a part */
        char last; /* kind of the last event: data is one event however it was cut */
        size_t data;
};

static void add(struct heard *h, const void *p, size_t n) {
        CHECK(buf_add(&h->text, p, n) == 0);
}

static int on_begin(void *arg, const struct multipart_part *part) {
        struct heard *h = arg;

        CHECK(!h->open);
        CHECK(strnlen(part->name, sizeof part->name) < sizeof part->name);
        CHECK(strnlen(part->filename, sizeof part->filename) < sizeof part->filename);
        CHECK(!part->is_file || part->filename[0]);
        h->open = true;
        h->last = 'b';
        add(h, "b", 1);
        add(h, part->name, strlen(part->name) + 1);
        add(h, part->filename, strlen(part->filename) + 1);
        return 0;
}

static int on_data(void *arg, const char *data, size_t n) {
        struct heard *h = arg;

        CHECK(h->open);
        CHECK(n > 0);
        if (h->last != 'd')
                add(h, "d", 1);
        h->last = 'd';
        h->data += n;
        add(h, data, n);
        return 0;
}

static int on_end(void *arg) {
        struct heard *h = arg;

        CHECK(h->open);
        h->open = false;
        h->last = 'e';
        add(h, "e", 1);
        return 0;
}

/* pieces: the length of each, in turns; NULL: all at once. */
static int read_form(const char *boundary, struct input form, const struct input *pieces,
                     struct heard *h) {
        const struct multipart_hooks hooks = {on_begin, on_data, on_end, h};
        struct input left = pieces ? *pieces : (struct input){0};
        struct multipart *m;
        int r = multipart_new(boundary, &hooks, &m);

        CHECK(r == 0);
        while (r == 0 && form.n > 0) {
                size_t n = pieces ? (size_t)take_byte(&left) + 1 : form.n;

                n = MIN(n, form.n);

                r = multipart_feed(m, (const char *)form.p, n);
                form.p += n;
                form.n -= n;
        }
        if (r == 0)
                r = multipart_finish(m);
        CHECK(r != 0 || !h->open); /* a form that is whole leaves no part open */
        CHECK(multipart_free(m) == NULL);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct heard whole = {.text = BUF_INIT(4 * FORM_BYTES)},
                     cut = {.text = BUF_INIT(4 * FORM_BYTES)};
        char boundary[MULTIPART_BOUNDARY_MAX + 1], type[512];
        struct input in = {data, MIN(size, (size_t)FORM_BYTES)};
        struct input line = take_until(&in, '\n'), pieces = take_until(&in, '\n');

        memcpy(type, line.p ? (const char *)line.p : "", MIN(line.n, sizeof type - 1));
        type[MIN(line.n, sizeof type - 1)] = '\0';
        if (multipart_boundary(type, boundary) < 0)
                return 0;
        CHECK(boundary[0] && strlen(boundary) <= MULTIPART_BOUNDARY_MAX);
        int r = read_form(boundary, in, NULL, &whole);
        CHECK(whole.data <= in.n);
        CHECK(read_form(boundary, in, &pieces, &cut) == r);
        if (r == 0) { /* of a broken one a later piece may have been given out already */
                CHECK(whole.text.n == cut.text.n);
                CHECK(whole.text.n == 0 || memcmp(whole.text.data, cut.text.data, cut.text.n) == 0);
        }
        buf_done(&whole.text);
        buf_done(&cut.text);
        return 0;
}
