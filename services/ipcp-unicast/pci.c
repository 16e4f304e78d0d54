/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The header in front of every packet. Fields that change on the way (TTL, ECN) are changed where they stand. */

#include "basic/cursor.h"
#include "services/ipcp-unicast/pci.h"

static void write_le(uint8_t *p, uint64_t value, size_t n) {
        for (size_t i = 0; i < n; i++) {
                p[i] = (uint8_t) value;
                value >>= 8;
        }
}

int pci_push(const PciFormat *format, Packet *packet, const Pci *pci) {
        uint8_t *p = packet_push(packet, pci_bytes(format));

        if (!p)
                return -ENOBUFS;

        write_le(p, pci->destination, format->address_bytes);
        p += format->address_bytes;
        *p++ = pci->cube;
        *p++ = pci->ttl;
        *p++ = pci->ecn;
        write_le(p, pci->eid, format->eid_bytes);
        return 0;
}

int pci_parse(const PciFormat *format, const Packet *packet, Pci *ret) {
        Cursor c = cursor_from(packet->head, packet_size(packet));
        Pci pci = {};

        pci.destination = cursor_le(&c, format->address_bytes);
        pci.cube = cursor_u8(&c);
        pci.ttl = cursor_u8(&c);
        pci.ecn = cursor_u8(&c);
        pci.eid = cursor_le(&c, format->eid_bytes);
        if (c.bad)
                return -EBADMSG;

        *ret = pci;
        return 0;
}

bool pci_count_down(const PciFormat *format, Packet *packet) {
        uint8_t *ttl = packet->head + format->address_bytes + 1;

        if (*ttl <= 1)
                return false;

        (*ttl)--;
        return true;
}

void pci_mark(const PciFormat *format, Packet *packet, uint8_t ecn) {
        packet->head[format->address_bytes + 2] |= ecn;
}
