/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two bytes of sizes, then a packet: what parses builds again to the same bytes, and a relay never lengthens a TTL. */

#include "services/ipcp-unicast/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL, *built = NULL;
        PciFormat format = { .ttl_max = 60 };
        Pci pci, after;

        if (size < 2)
                return 0;

        format.address_bytes = 1 + (data[0] - 1U) % PCI_ADDRESS_BYTES_MAX;
        format.eid_bytes = 1 + (data[1] - 1U) % PCI_EID_BYTES_MAX;
        data += 2;
        size -= 2;
        if (packet_new(size, &packet) < 0 || packet_new(0, &built) < 0)
                return 0;
        if (size > 0)
                memcpy(packet_append(packet, size), data, size);

        if (pci_parse(&format, packet, &pci) < 0)
                return size < pci_bytes(&format) ? 0 : (abort(), 0);

        if (pci_push(&format, built, &pci) < 0 || memcmp(built->head, data, pci_bytes(&format)) != 0)
                abort();

        if (pci_count_down(&format, packet) != (pci.ttl > 1))
                abort();
        pci_mark(&format, packet, 0x81);
        if (pci_parse(&format, packet, &after) < 0 || after.ttl > pci.ttl || after.ecn != (pci.ecn | 0x81) ||
            after.destination != pci.destination || after.eid != pci.eid || after.cube != pci.cube)
                abort();

        return 0;
}
