/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The header of every packet between neighbours (docs/WIRE.md). With the usual sizes, 4 and 8:
 *
 *   0        4    5     6     7              15
 *   | dst LE | qc | ttl | ecn | eid LE       | payload
 *
 * Little-endian, unlike everything else. There is no source address, length, checksum or version.
 */

#include "libo7s/packet.h"

#define PCI_ADDRESS_BYTES_MAX 8U
#define PCI_EID_BYTES_MAX 8U
#define PCI_BYTES_MAX (PCI_ADDRESS_BYTES_MAX + 3U + PCI_EID_BYTES_MAX)

/* Endpoint ids below this are components of a member; all of them equal on all members. */
#define EID_FLOWS 64U
#define EID_FLOW_ALLOCATOR 0U
#define EID_DIRECTORY 1U
#define EID_ECHO 32U            /* o7s-trace; only between o7s members */
#define EID_HELLO 33U           /* the same, between neighbours: hello.h */

/* Within these bounds wherever it comes from: layer_config_check() sees to it. */
typedef struct PciFormat {
        uint8_t address_bytes;  /* 1 to 8 */
        uint8_t eid_bytes;      /* 1 to 8 */
        uint8_t ttl_max;        /* > 0 */
} PciFormat;

typedef struct Pci {
        uint64_t destination;
        uint8_t cube;           /* as on the wire: may be no Cube */
        uint8_t ttl;
        uint8_t ecn;
        uint64_t eid;
} Pci;

static inline size_t pci_bytes(const PciFormat *format) {
        return (size_t) format->address_bytes + 3U + format->eid_bytes;
}

/* Puts the header in front. Returns: 0; -ENOBUFS: no head-room. */
int pci_push(const PciFormat *format, Packet *packet, const Pci *pci);

/* Reads the header, which stays where it is: packet_pull() takes pci_bytes() off. Returns: 0; -EBADMSG: too short. */
int pci_parse(const PciFormat *format, const Packet *packet, Pci *ret);

/* For a packet on its way through that pci_parse() accepted: counts the TTL down in place. Returns whether it may go
 * on: a TTL of 0 or 1 has come to its end, and never wraps. */
bool pci_count_down(const PciFormat *format, Packet *packet);

/* Raises the congestion mark of a packet, as a bitwise or. */
void pci_mark(const PciFormat *format, Packet *packet, uint8_t ecn);
