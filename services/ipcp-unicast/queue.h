/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packets that wait for a neighbour's lower flow, of one cube: bounded, first in, first out. Owns copies.
 *
 * How long the way to that neighbour is says the standing queue: the least that waited there, in this queue and in
 * the lower flow, at any moment of a few hundredths of a second. A burst that is gone when the next one comes was no
 * queue.
 */

#include "basic/time.h"
#include "libo7s/packet.h"

#define QUEUE_PACKETS_MAX 256U
#define QUEUE_STANDING_USEC (20 * USEC_PER_MSEC)

typedef struct Queue {
        Packet **packets;               /* ring of QUEUE_PACKETS_MAX, allocated with the first */
        unsigned first;
        unsigned n;

        usec_t window_begin;            /* of QUEUE_STANDING_USEC, in which the least is being looked for */
        unsigned least;
        unsigned least_before;          /* in the window before it */
} Queue;

void queue_done(Queue *q);

/* Copies. Returns: 0; -ENOBUFS: full; -ENOMEM. */
int queue_push(Queue *q, const Packet *packet);

/* Up to n from the front, still owned by the queue; queue_drop_front() takes them out. Returns how many. */
unsigned queue_peek(Queue *q, Packet **ret, unsigned n);
void queue_drop_front(Queue *q, unsigned n);

/* So many wait now. Returns how many did all along. */
unsigned queue_standing(Queue *q, unsigned waiting, usec_t now);
