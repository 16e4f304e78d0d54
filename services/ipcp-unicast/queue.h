/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Packets that wait for a neighbour's lower flow, of one cube: bounded, first in, first out. Owns copies. */

#include "libo7s/packet.h"

#define QUEUE_PACKETS_MAX 256U

typedef struct Queue {
        Packet **packets;               /* ring of QUEUE_PACKETS_MAX, allocated with the first */
        unsigned first;
        unsigned n;
} Queue;

void queue_done(Queue *q);

/* Copies. Returns: 0; -ENOBUFS: full; -ENOMEM. */
int queue_push(Queue *q, const Packet *packet);

/* Up to n from the front, still owned by the queue; queue_drop_front() takes them out. Returns how many. */
unsigned queue_peek(Queue *q, Packet **ret, unsigned n);
void queue_drop_front(Queue *q, unsigned n);
