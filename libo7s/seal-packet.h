/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The o7s suite: packets between two o7s hosts.
 *
 *     0      1        2              5                     n-16       n
 *     | kind | epoch  |  counter     |  content ...        |   tag    |
 *
 *     kind        bit 7 control, bits 6-4 generation modulo 8, bits 3-0 zero
 *     epoch       its low 8 bits          counter     of the packet in its epoch, from 0
 *     content     encrypted; as it is with mac_only
 *     tag         over label, generation u32, epoch u32, the five bytes before the content, three zeros, the content
 */

#include "libo7s/seal.h"
#include "libo7s/seal-agreement.h"
#include "libo7s/seal-epoch.h"

#define SEAL_HEADER_BYTES 5U
#define SEAL_PACKET_OVERHEAD (SEAL_HEADER_BYTES + SEAL_TAG_BYTES)
#define SEAL_EPOCH_PACKETS_MAX (UINT64_C(1) << 24)      /* counters have three bytes */

typedef struct SealPacket {
        SealEpochKind kind;
        SealLimits limits;
        SealCounters *counters;         /* not owned */
        bool mac_only;
        bool client;
        SealSender sender;
        SealSender upcoming;            /* server: of the next generation; without a key: none */
        SealReceiver receiver;
        SealAgreement agreement;

        /* Of the generation that we send in. */
        nsec_t since;
        uint64_t n_sent, n_received;
        nsec_t overdue_since;           /* NSEC_INFINITY: it may be used */
        uint64_t n_overdue;             /* sent since then */
} SealPacket;

/* limits: complete. Returns: 0; -ENOMEM; -EINVAL; -EOPNOTSUPP. */
int seal_packet_init(SealPacket *s, const SealKeys *keys, const SealLimits *limits, nsec_t now, SealCounters *counters);
void seal_packet_done(SealPacket *s);

/* As those of seal.h. */
ssize_t seal_packet_protect(SealPacket *s, nsec_t now, const void *content, size_t content_size, void *packet,
                            size_t size);
ssize_t seal_packet_open(SealPacket *s, nsec_t now, const void *packet, size_t packet_size, void *content, size_t size);
bool seal_packet_is_starving(const SealPacket *s, nsec_t now);
nsec_t seal_packet_next(const SealPacket *s);
ssize_t seal_packet_transmit(SealPacket *s, nsec_t now, const uint8_t random[SEAL_SECRET_BYTES], void *packet,
                             size_t size);
