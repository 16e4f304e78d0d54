/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "services/ipcp-eth/socket-ring.h"

/* The kernel puts the frame behind its own header and the sender's address, such that what follows the Ethernet header
 * is aligned. */
#define SLOT_HEADER_BYTES (TPACKET2_HDRLEN + 2 * TPACKET_ALIGNMENT)

struct FrameRing {
        uint8_t *slots;                 /* FRAME_RING_BLOCKS blocks, mapped */
        size_t slot_bytes;
        unsigned slots_per_block;
        unsigned block, slot;           /* the next to be read */
};

static struct tpacket2_hdr *next_slot(const FrameRing *ring) {
        return (struct tpacket2_hdr *) (void *) (ring->slots + (size_t) ring->block * FRAME_RING_BLOCK_BYTES +
                                                 ring->slot * ring->slot_bytes);
}

static void step(FrameRing *ring) {
        if (++ring->slot < ring->slots_per_block)
                return;

        ring->slot = 0;
        ring->block = (ring->block + 1) % FRAME_RING_BLOCKS;
}

/* Returns whether the whole frame fitted. */
static bool copy_frame(const FrameRing *ring, const struct tpacket2_hdr *slot, Packet *packet) {
        size_t size = slot->tp_snaplen, offset = slot->tp_mac;
        uint8_t *to;

        if (slot->tp_len > size || offset > ring->slot_bytes || size > ring->slot_bytes - offset)
                return false;

        packet_reset(packet);
        to = packet_append(packet, size);
        if (!to)
                return false;

        memcpy(to, (const uint8_t *) slot + offset, size);
        return true;
}

unsigned frame_ring_read(FrameRing *ring, Packet *const *packets, unsigned n, unsigned *ret_cut) {
        unsigned n_read = 0;

        *ret_cut = 0;
        while (n_read + *ret_cut < n) {
                struct tpacket2_hdr *slot = next_slot(ring);

                if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
                        break;

                if (copy_frame(ring, slot, packets[n_read]))
                        n_read++;
                else
                        (*ret_cut)++;

                __atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
                step(ring);
        }

        return n_read;
}

FrameRing *frame_ring_free(FrameRing *ring) {
        if (!ring)
                return NULL;

        if (ring->slots)
                (void) munmap(ring->slots, (size_t) FRAME_RING_BLOCKS * FRAME_RING_BLOCK_BYTES);
        return mfree(ring);
}

int frame_ring_new(int fd, size_t frame_max, FrameRing **ret) {
        _cleanup_(frame_ring_freep) FrameRing *ring = NULL;
        struct tpacket_req request;
        void *slots;

        if (frame_max > FRAME_RING_BLOCK_BYTES - SLOT_HEADER_BYTES)
                return -EMSGSIZE;

        ring = calloc(1, sizeof(*ring));
        if (!ring)
                return -ENOMEM;

        ring->slot_bytes = TPACKET_ALIGN(SLOT_HEADER_BYTES + frame_max);
        ring->slots_per_block = (unsigned) (FRAME_RING_BLOCK_BYTES / ring->slot_bytes);

        request = (struct tpacket_req) {
                .tp_block_size = FRAME_RING_BLOCK_BYTES,
                .tp_block_nr = FRAME_RING_BLOCKS,
                .tp_frame_size = (unsigned) ring->slot_bytes,
                .tp_frame_nr = FRAME_RING_BLOCKS * ring->slots_per_block,
        };
        if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &(int) { TPACKET_V2 }, sizeof(int)) < 0 ||
            setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
                return -errno;

        slots = mmap(NULL, (size_t) FRAME_RING_BLOCKS * FRAME_RING_BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                     0);
        if (slots == MAP_FAILED)
                return -errno;

        ring->slots = slots;
        *ret = TAKE_PTR(ring);
        return 0;
}
