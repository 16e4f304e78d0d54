/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/early-packets.h"

struct EarlyPacket {
        EarlyPacket *next;
        Packet *packet;                 /* owned */
};

int early_packets_hold(EarlyPackets *early, unsigned *n_held, const Packet *packet) {
        _cleanup_free_ EarlyPacket *held = NULL;
        size_t size = packet_size(packet);
        int r;

        if (early->n >= EARLY_PACKETS_PER_FLOW_MAX || *n_held >= EARLY_PACKETS_MAX)
                return -EBUSY;

        held = calloc(1, sizeof(*held));
        if (!held)
                return -ENOMEM;

        r = packet_new(size, &held->packet);
        if (r < 0)
                return r;

        memcpy(packet_append(held->packet, size), packet->head, size);
        if (early->first)
                early->last->next = held;
        else
                early->first = held;
        early->last = TAKE_PTR(held);
        early->n++;
        ++*n_held;
        return 0;
}

Packet *early_packets_take(EarlyPackets *early, unsigned *n_held) {
        _cleanup_free_ EarlyPacket *held = early->first;

        if (!held)
                return NULL;

        early->first = held->next;
        early->n--;
        --*n_held;
        return held->packet;
}

void early_packets_drop(EarlyPackets *early, unsigned *n_held) {
        Packet *packet;

        while ((packet = early_packets_take(early, n_held)))
                packet_free(packet);
}
