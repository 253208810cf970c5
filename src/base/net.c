/* The contract is in base/net.h. */
#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

#define NET_TEXT_MAX  19 /* "255.255.255.255/32" and its NUL */
#define NETWORK_BYTES 8  /* RFC 4291, 2.5.4: the other half is the interface's */

static int parse_net(const char *text, size_t n, uint32_t *ret_address, uint32_t *ret_mask) {
        char copy[NET_TEXT_MAX];
        struct in_addr address;
        uint64_t bits = 32;

        if (n == 0 || n >= sizeof copy)
                return -EINVAL;
        memcpy(copy, text, n);
        copy[n] = '\0';
        char *slash = strchr(copy, '/');
        if (slash) {
                *slash = '\0';
                if (strlen(slash + 1) > 2 || str_to_u64(slash + 1, 0, 32, &bits) < 0)
                        return -EINVAL;
        }
        if (inet_pton(AF_INET, copy, &address) != 1)
                return -EINVAL;
        *ret_mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
        *ret_address = ntohl(address.s_addr);
        return (*ret_address & ~*ret_mask) == 0 ? 0 : -EINVAL;
}

int ipv4_nets_parse(const char *text, struct ipv4_nets *ret) {
        struct ipv4_nets nets = {.n = 0};
        const char *at = text;

        while (*text) {
                at += strspn(at, " ");
                size_t n = strcspn(at, " ,");
                if (nets.n == IPV4_NETS_MAX ||
                    parse_net(at, n, &nets.net[nets.n].address, &nets.net[nets.n].mask) < 0)
                        return -EINVAL;
                nets.n++;
                at += n;
                at += strspn(at, " ");
                if (*at == '\0')
                        break;
                if (*at++ != ',')
                        return -EINVAL;
        }
        *ret = nets;
        return 0;
}

bool ipv4_nets_have(const struct ipv4_nets *nets, const char *address) {
        struct in_addr a;

        if (nets->n == 0 || inet_pton(AF_INET, address, &a) != 1)
                return false;
        for (size_t i = 0; i < nets->n; i++)
                if ((ntohl(a.s_addr) & nets->net[i].mask) == nets->net[i].address)
                        return true;
        return false;
}

int address_parse(const char *text, size_t n, char ret[ADDRESS_TEXT_MAX]) {
        unsigned char address[sizeof(struct in6_addr)];
        char copy[ADDRESS_TEXT_MAX];

        if (n == 0 || n >= sizeof copy || memchr(text, '\0', n))
                return -EINVAL;
        memcpy(copy, text, n);
        copy[n] = '\0';
        int family = strchr(copy, ':') ? AF_INET6 : AF_INET;
        if (inet_pton(family, copy, address) != 1)
                return -EINVAL;
        const unsigned char *at = address;
        if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address)) {
                family = AF_INET;
                at += sizeof(struct in6_addr) - sizeof(struct in_addr);
        }
        return inet_ntop(family, at, ret, ADDRESS_TEXT_MAX) ? 0 : -EINVAL;
}

void address_network(const char *address, char ret[ADDRESS_TEXT_MAX]) {
        struct in6_addr a;

        if (inet_pton(AF_INET6, address, &a) == 1) {
                memset(a.s6_addr + NETWORK_BYTES, 0, sizeof a.s6_addr - NETWORK_BYTES);
                if (inet_ntop(AF_INET6, &a, ret, ADDRESS_TEXT_MAX))
                        return;
        }
        (void)!str_copy(ret, ADDRESS_TEXT_MAX, address);
}
