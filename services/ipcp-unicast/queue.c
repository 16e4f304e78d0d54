/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A ring of packets. The packets of a ring are made one by one as they are first needed and stay with it: a neighbour
 * whose flow was full once will be full again.
 */

#include "services/ipcp-unicast/queue.h"

void queue_done(Queue *q) {
        for (unsigned i = 0; q->packets && i < QUEUE_PACKETS_MAX; i++)
                (void) packet_free(q->packets[i]);

        free(q->packets);
        *q = (Queue) {};
}

/* A packet with room for so much content, at this place. */
static int provide(Packet **place, size_t size) {
        Packet *packet;
        int r;

        if (*place && (*place)->capacity >= PACKET_HEAD_ROOM + size + PACKET_TAIL_ROOM)
                return 0;

        r = packet_new(size, &packet);
        if (r < 0)
                return r;

        (void) packet_free(*place);
        *place = packet;
        return 0;
}

int queue_push(Queue *q, const Packet *packet) {
        size_t size = packet_size(packet);
        Packet **place;
        uint8_t *data;
        int r;

        if (q->n >= QUEUE_PACKETS_MAX)
                return -ENOBUFS;

        if (!q->packets) {
                q->packets = calloc(QUEUE_PACKETS_MAX, sizeof(*q->packets));
                if (!q->packets)
                        return -ENOMEM;
        }

        place = &q->packets[(q->first + q->n) % QUEUE_PACKETS_MAX];
        r = provide(place, size);
        if (r < 0)
                return r;

        packet_reset(*place);
        data = packet_append(*place, size);
        if (!data)
                return -ENOMEM;

        memcpy(data, packet->head, size);
        q->n++;
        return 0;
}

unsigned queue_peek(Queue *q, Packet **ret, unsigned n) {
        n = MIN(n, q->n);
        for (unsigned i = 0; i < n; i++)
                ret[i] = q->packets[(q->first + i) % QUEUE_PACKETS_MAX];

        return n;
}

void queue_drop_front(Queue *q, unsigned n) {
        n = MIN(n, q->n);
        q->first = (q->first + n) % QUEUE_PACKETS_MAX;
        q->n -= n;
}

unsigned queue_standing(Queue *q, unsigned waiting, usec_t now) {
        usec_t passed = usec_sub(now, q->window_begin);

        if (passed < QUEUE_STANDING_USEC)
                q->least = MIN(q->least, waiting);
        else {
                /* Where nobody came for a whole window, the queue had time to become empty. */
                q->least_before = passed < 2 * QUEUE_STANDING_USEC ? q->least : 0;
                q->least = waiting;
                q->window_begin = now;
        }

        return MIN(q->least, q->least_before);
}
