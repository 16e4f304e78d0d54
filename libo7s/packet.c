/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A packet in private memory: see packet.h for the picture. */

#include "libo7s/packet.h"

/* Far above any message, far below what would wrap a size. */
#define PACKET_CONTENT_BYTES_MAX (16U * 1024U * 1024U)

int packet_new(size_t content_max, Packet **ret) {
        size_t capacity, total;
        Packet *p;

        assert(ret);

        if (content_max > PACKET_CONTENT_BYTES_MAX)
                return -ENOMEM;

        capacity = PACKET_HEAD_ROOM + content_max + PACKET_TAIL_ROOM;

        /* aligned_alloc() wants whole units of the alignment; what that adds belongs to nobody. */
        total = (sizeof(*p) + capacity + _Alignof(Packet) - 1) / _Alignof(Packet) * _Alignof(Packet);
        p = aligned_alloc(_Alignof(Packet), total);
        if (!p)
                return -ENOMEM;

        p->capacity = capacity;
        packet_reset(p);

        *ret = p;
        return 0;
}

Packet *packet_free(Packet *packet) {
        return mfree(packet);
}
