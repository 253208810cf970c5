/* The contract is in wire.h. */
#include "ring/wire.h"

#include <endian.h>
#include <string.h>

void wire_put(unsigned char to[WIRE_HEAD], struct wire_head h) {
        uint32_t channel = htole32(h.channel);
        uint64_t offset = htole64(h.offset);

        memset(to, 0, 4);
        to[0] = h.kind;
        memcpy(to + 4, &channel, sizeof channel);
        memcpy(to + 8, &offset, sizeof offset);
}

bool wire_take(const unsigned char *data, size_t n, struct wire_head *ret) {
        uint32_t channel;
        uint64_t offset;

        if (n < WIRE_HEAD || data[1] || data[2] || data[3])
                return false;
        memcpy(&channel, data + 4, sizeof channel);
        memcpy(&offset, data + 8, sizeof offset);
        *ret = (struct wire_head){data[0], le32toh(channel), le64toh(offset)};
        return true;
}
