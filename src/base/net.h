/* net.h - addresses as text, and lists of IPv4 networks.
 *
 * Threads: any. Lock: any may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define ADDRESS_TEXT_MAX 46 /* of IPv6, NUL included (INET6_ADDRSTRLEN) */
#define IPV4_NETS_MAX    16

struct ipv4_nets {
        struct {
                uint32_t address, mask; /* host order */
        } net[IPV4_NETS_MAX];
        size_t n;
};

/* "10.0.0.1, 10.1.0.0/16" (RFC 4632), blanks around commas; "" is none of them. 0; -EINVAL: an entry is no
 * address or network, a network has bits behind its prefix, there are more than IPV4_NETS_MAX. */
_must_use_ int ipv4_nets_parse(const char *text, struct ipv4_nets *ret);

/* Whether this IPv4 address, as text, is in one of them. Other text is in none. */
bool ipv4_nets_have(const struct ipv4_nets *nets, const char *address);

/* An IPv4 or IPv6 address of n bytes in its one canonical form (RFC 5952); ::ffff:1.2.3.4 is 1.2.3.4.
 * -EINVAL: it is none. */
_must_use_ int address_parse(const char *text, size_t n, char ret[ADDRESS_TEXT_MAX]);

/* Who is counted as one: the address, or of IPv6 the /64 that it lies in, for whoever has one has them all.
 * Text that is no address stays what it is; "" if it has no room. */
void address_network(const char *address, char ret[ADDRESS_TEXT_MAX]);
