/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Seals, from outside to inside:
 *
 *   seal.c              the front: which suite, limits, counters
 *   seal-packet.c       packets between o7s hosts               seal-reference.c    packets of the reference suite
 *   seal-agreement.c    new secrets within a flow, control packets
 *   seal-epoch.c        which key a packet is of                seal-replay.c       whether it was seen before
 *   seal-schedule.c     which key comes after which             seal-cipher.c       one key
 */

#include "libo7s/seal-memory.h"
#include "libo7s/seal-packet.h"
#include "libo7s/seal-reference.h"

struct Seal {
        SealSuite suite;
        SealCounters counters;
        SealPacket packet;              /* of suite SEAL_O7S */
        SealReference reference;        /* of suite SEAL_REFERENCE */
};

_Static_assert(sizeof(Seal) <= 4096, "what is locked, and there is one for each flow, is a page");

#define EPOCH_PACKETS (UINT64_C(1) << 20)
#define EPOCH_NSEC ((nsec_t) 120 * NSEC_PER_SEC)
#define GENERATION_PACKETS (UINT64_C(1) << 32)
#define GENERATION_NSEC ((nsec_t) 600 * NSEC_PER_SEC)

const char *seal_protection(const SealKeys *keys) {
        const char *name = seal_cipher_name(keys->cipher);

        switch (keys->suite) {

        case SEAL_REFERENCE:
        case SEAL_O7S:
                if (keys->suite == SEAL_O7S && keys->mac_only)
                        return "mac";
                return name ? name : "unknown";

        case SEAL_NONE:
        case _SEAL_SUITE_MAX:
        case _SEAL_SUITE_INVALID:
                break;
        }

        return "none";
}

static SealLimits complete_limits(const SealLimits *limits) {
        SealLimits l = limits ? *limits : (SealLimits) {};

        if (l.epoch_packets == 0)
                l.epoch_packets = EPOCH_PACKETS;
        if (l.epoch_nsec == 0)
                l.epoch_nsec = EPOCH_NSEC;
        if (l.generation_packets == 0)
                l.generation_packets = GENERATION_PACKETS;
        if (l.generation_nsec == 0)
                l.generation_nsec = GENERATION_NSEC;

        return l;
}

int seal_new(const SealKeys *keys, const SealLimits *limits, const uint8_t seed[SEAL_SEED_BYTES], nsec_t now,
             Seal **ret) {
        _cleanup_(seal_freep) Seal *seal = NULL;
        SealLimits complete = complete_limits(limits);
        void *memory;
        int r;

        if (keys->suite != SEAL_O7S && keys->suite != SEAL_REFERENCE)
                return -EINVAL;
        if (seal_cipher_key_bytes(keys->cipher) == 0)
                return -EOPNOTSUPP;

        r = seal_memory_new(sizeof(*seal), &memory);
        if (r < 0)
                return r;

        seal = memory;
        seal->suite = keys->suite;
        if (keys->suite == SEAL_O7S)
                r = seal_packet_init(&seal->packet, keys, &complete, now, &seal->counters);
        else
                r = seal_reference_init(&seal->reference, keys, &complete, seed, &seal->counters);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(seal);
        return 0;
}

Seal *seal_free(Seal *seal) {
        if (!seal)
                return NULL;

        seal_packet_done(&seal->packet);
        seal_reference_done(&seal->reference);
        return seal_memory_free(seal, sizeof(*seal));
}

size_t seal_overhead(const Seal *seal) {
        return seal->suite == SEAL_O7S ? SEAL_PACKET_OVERHEAD : SEAL_REFERENCE_OVERHEAD;
}

/* In a child of the process that made it a seal is empty: it has no suite, no keys, and nothing to say. */

ssize_t seal_protect(Seal *seal, nsec_t now, const void *content, size_t content_size, void *packet, size_t size) {
        ssize_t n = -EKEYEXPIRED;

        if (seal->suite == SEAL_O7S)
                n = seal_packet_protect(&seal->packet, now, content, content_size, packet, size);
        else if (seal->suite == SEAL_REFERENCE)
                n = seal_reference_protect(&seal->reference, content, content_size, packet, size);

        seal->counters.n_protected += n > 0;
        return n;
}

ssize_t seal_open(Seal *seal, nsec_t now, const void *packet, size_t packet_size, void *content, size_t size) {
        if (seal->suite == SEAL_O7S)
                return seal_packet_open(&seal->packet, now, packet, packet_size, content, size);
        if (seal->suite == SEAL_REFERENCE)
                return seal_reference_open(&seal->reference, now, packet, packet_size, content, size);

        return -EBADMSG;
}

nsec_t seal_next(const Seal *seal) {
        return seal->suite == SEAL_O7S ? seal_packet_next(&seal->packet) : NSEC_INFINITY;
}

ssize_t seal_transmit(Seal *seal, nsec_t now, const uint8_t random[SEAL_SECRET_BYTES], void *packet, size_t size) {
        return seal->suite == SEAL_O7S ? seal_packet_transmit(&seal->packet, now, random, packet, size) : 0;
}

bool seal_is_starving(const Seal *seal, nsec_t now) {
        return seal->suite == SEAL_O7S && seal_packet_is_starving(&seal->packet, now);
}

const SealCounters *seal_counters(const Seal *seal) {
        return &seal->counters;
}
