/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packets that come for a flow before the application's end is there: the peer may write as soon as it has our reply. A
 * few are held, for all flows of a layer together not many; n_held is theirs, and kept by the layer.
 */

#include "libo7s/packet.h"

#define EARLY_PACKETS_PER_FLOW_MAX 16U
#define EARLY_PACKETS_MAX 4096U

typedef struct EarlyPacket EarlyPacket;

typedef struct EarlyPackets {
        EarlyPacket *first;             /* owned; NULL: none */
        EarlyPacket *last;
        unsigned n;
} EarlyPackets;

/* Holds a copy. Returns: 0; -EBUSY: enough are held; -ENOMEM. */
int early_packets_hold(EarlyPackets *early, unsigned *n_held, const Packet *packet);

/* The one that came first, now the caller's; NULL: none is left. */
Packet *early_packets_take(EarlyPackets *early, unsigned *n_held);

void early_packets_drop(EarlyPackets *early, unsigned *n_held);
