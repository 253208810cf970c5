/* The contract is in audit/chain.h. */
#include "audit/chain.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#define PAGE_ROWS 1000u

_Static_assert(AUDIT_HASH_BYTES == crypto_generichash_BYTES, "BLAKE2b-256");

static void add_bytes(crypto_generichash_state *h, const void *data, size_t n) {
        const unsigned char length[4] = {(unsigned char)n, (unsigned char)(n >> 8),
                                         (unsigned char)(n >> 16), (unsigned char)(n >> 24)};

        (void)crypto_generichash_update(h, length, sizeof length); /* of BLAKE2b: never fails */
        (void)crypto_generichash_update(h, data, n);
}

static void add_number(crypto_generichash_state *h, uint64_t v) {
        unsigned char bytes[8];

        for (unsigned i = 0; i < sizeof bytes; i++)
                bytes[i] = (unsigned char)(v >> (8 * i));
        add_bytes(h, bytes, sizeof bytes);
}

void chain_hash(const unsigned char before[AUDIT_HASH_BYTES], const struct store_audit *row,
                unsigned char ret[AUDIT_HASH_BYTES]) {
        const char *const texts[] = {row->what, row->user, row->address, row->object, row->outcome};
        crypto_generichash_state h;

        CHECK(crypto_generichash_init(&h, NULL, 0, AUDIT_HASH_BYTES) == 0);
        add_bytes(&h, before, AUDIT_HASH_BYTES);
        add_number(&h, (uint64_t)row->seq);
        add_number(&h, row->time_ms);
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                add_bytes(&h, texts[i], strlen(texts[i]));
        add_number(&h, row->count);
        CHECK(crypto_generichash_final(&h, ret, AUDIT_HASH_BYTES) == 0);
}

static int judge(void *arg, const struct store_audit *row) {
        struct chain_verdict *v = arg;
        unsigned char hash[AUDIT_HASH_BYTES];

        chain_hash(v->last.hash, row, hash);
        if (row->seq != v->last.seq + 1 || memcmp(hash, row->hash, sizeof hash) != 0)
                return -ECANCELED;
        v->last.seq = row->seq;
        memcpy(v->last.hash, hash, sizeof hash);
        v->rows++;
        return 0;
}

/* The next row does not fit. Has it been pruned meanwhile? Then the chain begins later. */
static int doubt(struct store *store, struct chain_verdict *v, bool *ret_broken) {
        struct store_audit_link start, last;
        int r = store_audit_ends(store, &start, &last);

        if (r < 0)
                return r;
        *ret_broken = start.seq <= v->last.seq;
        if (*ret_broken)
                v->broken = v->last.seq + 1;
        else
                *v = (struct chain_verdict){.start = start, .last = start};
        return 0;
}

int chain_verify(struct store *store, const atomic_bool *stop, struct chain_verdict *ret) {
        struct chain_verdict v = {0};
        struct store_audit_link end;
        bool broken = false;
        int r = store_audit_ends(store, &v.start, &end);

        v.last = v.start;
        while (r == 0 && !broken && v.last.seq < end.seq) {
                int64_t from = v.last.seq;
                if (stop && atomic_load(stop))
                        return -EINTR;
                r = store_audit_read(store, from, PAGE_ROWS, judge, &v);
                if (r == -ECANCELED || (r == 0 && v.last.seq == from))
                        r = doubt(store, &v, &broken);
        }
        if (r < 0)
                return r;
        v.whole = !broken;
        *ret = v;
        return 0;
}
