/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Writes pcapng, the format of captures that Wireshark, tcpdump and others read: the blocks that a stream of packets
 * needs, big-endian, with times in nanoseconds. Pure: bytes go to a Writer, which is bad afterwards where they did
 * not fit.
 *
 *   section header, one interface block for each interface, then packets, with a block of statistics now and then
 *
 *   +----------+----------+-------- … --------+---------- … ----------+----------+
 *   | type  4  | length 4 | fixed fields      | options: code 2, size |  length  |
 *   |          |          |                   | 2, value, 0 to 3 zero |          |
 *   +----------+----------+-------- … --------+---------- … ----------+----------+
 */

#include "basic/cursor.h"

/* Link types, as numbered by tcpdump.org. */
#define PCAPNG_LINK_ETHERNET 1U
#define PCAPNG_LINK_USER0 147U          /* for private use: the interface's description says what it is */

#define PCAPNG_TEXT_BYTES_MAX 512U      /* of an option; what is longer is cut */

/* What a packet takes beside its bytes. */
#define PCAPNG_PACKET_BYTES 64U
#define PCAPNG_STATISTICS_BYTES 64U

typedef struct PcapngInterface {
        uint16_t link_type;
        const char *name;
        const char *description;
} PcapngInterface;

typedef struct PcapngPacket {
        unsigned interface;             /* from 0, in the order in which they were written */
        bool outgoing;
        uint64_t time_nsec;             /* CLOCK_REALTIME */
        const uint8_t *data;
        size_t size;                    /* as it was on the wire */
        size_t snap;                    /* of which at most so many bytes are kept */
        uint64_t n_lost;                /* packets that were not kept since the one before */
} PcapngPacket;

void pcapng_write_section(Writer *w, const char *application);
void pcapng_write_interface(Writer *w, const PcapngInterface *interface, uint32_t snap);
void pcapng_write_packet(Writer *w, const PcapngPacket *packet);

/* How many packets there were since the beginning, and how many of them were not kept. */
void pcapng_write_statistics(Writer *w, unsigned interface, uint64_t time_nsec, uint64_t n_packets, uint64_t n_lost);
