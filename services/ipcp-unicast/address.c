/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/ipcp-unicast/address.h"

uint64_t address_from_random(uint64_t random, unsigned bytes) {
        uint64_t mask = bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << (bytes * 8)) - 1;
        uint64_t address = random & mask;

        /* The upper half has bits of its own to give before a constant is all that is left. */
        if (address == ADDRESS_NONE)
                address = (random >> 32) & mask;

        return address == ADDRESS_NONE ? 1 : address;
}
