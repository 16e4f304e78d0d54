/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Blocks of pcapng, see pcapng.h. A block's length stands at both its ends, so the first is filled in last. */

#include "services/common/pcapng.h"

#define BYTE_ORDER_MAGIC 0x1A2B3C4DU
#define SECTION_LENGTH_UNKNOWN UINT64_MAX
#define TIME_RESOLUTION_NANO 9U         /* 10^-9 s */

typedef enum BlockType {
        BLOCK_INTERFACE = 1,
        BLOCK_STATISTICS = 5,
        BLOCK_PACKET = 6,
        BLOCK_SECTION = 0x0A0D0D0A,
} BlockType;

enum {
        OPTION_END = 0,
        SECTION_APPLICATION = 4,
        INTERFACE_NAME = 2,
        INTERFACE_DESCRIPTION = 3,
        INTERFACE_TIME_RESOLUTION = 9,
        PACKET_FLAGS = 2,
        PACKET_DROPS = 4,
        STATISTICS_RECEIVED = 4,
        STATISTICS_DROPPED = 5,
};

#define FLAG_INBOUND 1U
#define FLAG_OUTBOUND 2U

/* Returns: where it begins. */
static uint8_t *block_begin(Writer *w, BlockType type) {
        uint8_t *start = w->p;

        writer_be32(w, (uint32_t) type);
        writer_be32(w, 0);
        return start;
}

static void block_end(Writer *w, uint8_t *start) {
        uint32_t length;
        Writer first;

        if (w->bad)
                return;

        length = (uint32_t) (w->p - start) + 4;
        writer_be32(w, length);
        first = writer_to(start + 4, 4);
        writer_be32(&first, length);
}

static void write_padded(Writer *w, const void *data, size_t size) {
        writer_bytes(w, data, size);
        writer_zero(w, -size & 3);
}

static void write_option(Writer *w, uint16_t code, const void *value, size_t size) {
        writer_be16(w, code);
        writer_be16(w, (uint16_t) size);
        write_padded(w, value, size);
}

static void write_text(Writer *w, uint16_t code, const char *text) {
        write_option(w, code, text, strnlen(text, PCAPNG_TEXT_BYTES_MAX));
}

static void write_number(Writer *w, uint16_t code, uint64_t value, size_t n_bytes) {
        writer_be16(w, code);
        writer_be16(w, (uint16_t) n_bytes);
        writer_be(w, value, n_bytes);
}

static void write_time(Writer *w, uint64_t nsec) {
        writer_be32(w, (uint32_t) (nsec >> 32));
        writer_be32(w, (uint32_t) nsec);
}

void pcapng_write_section(Writer *w, const char *application) {
        uint8_t *start = block_begin(w, BLOCK_SECTION);

        writer_be32(w, BYTE_ORDER_MAGIC);
        writer_be16(w, 1);              /* version 1.0 */
        writer_be16(w, 0);
        writer_be64(w, SECTION_LENGTH_UNKNOWN);
        write_text(w, SECTION_APPLICATION, application);
        write_option(w, OPTION_END, NULL, 0);
        block_end(w, start);
}

void pcapng_write_interface(Writer *w, const PcapngInterface *interface, uint32_t snap) {
        const uint8_t resolution = TIME_RESOLUTION_NANO;
        uint8_t *start = block_begin(w, BLOCK_INTERFACE);

        writer_be16(w, interface->link_type);
        writer_be16(w, 0);
        writer_be32(w, snap);
        write_text(w, INTERFACE_NAME, interface->name);
        write_text(w, INTERFACE_DESCRIPTION, interface->description);
        write_option(w, INTERFACE_TIME_RESOLUTION, &resolution, sizeof(resolution));
        write_option(w, OPTION_END, NULL, 0);
        block_end(w, start);
}

void pcapng_write_packet(Writer *w, const PcapngPacket *packet) {
        size_t kept = MIN(packet->size, packet->snap);
        uint8_t *start = block_begin(w, BLOCK_PACKET);

        writer_be32(w, packet->interface);
        write_time(w, packet->time_nsec);
        writer_be32(w, (uint32_t) kept);
        writer_be32(w, (uint32_t) packet->size);
        write_padded(w, packet->data, kept);
        write_number(w, PACKET_FLAGS, packet->outgoing ? FLAG_OUTBOUND : FLAG_INBOUND, 4);
        if (packet->n_lost > 0)
                write_number(w, PACKET_DROPS, packet->n_lost, 8);
        write_option(w, OPTION_END, NULL, 0);
        block_end(w, start);
}

void pcapng_write_statistics(Writer *w, unsigned interface, uint64_t time_nsec, uint64_t n_packets, uint64_t n_lost) {
        uint8_t *start = block_begin(w, BLOCK_STATISTICS);

        writer_be32(w, interface);
        write_time(w, time_nsec);
        write_number(w, STATISTICS_RECEIVED, n_packets, 8);
        write_number(w, STATISTICS_DROPPED, n_lost, 8);
        write_option(w, OPTION_END, NULL, 0);
        block_end(w, start);
}
