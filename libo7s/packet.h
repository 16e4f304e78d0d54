/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A packet in private memory, with room in front for the headers of the layers below and a little behind
 * for trailers. Headers are pushed at the head on the way down and pulled on the way up; nothing is copied.
 *
 *   buffer            head                 tail                    buffer + capacity
 *   |--- head-room ---|------ content -----|------ tail-room ------|
 */

#include "basic/macro.h"

#define PACKET_HEAD_ROOM 256U   /* the sum of all headers of layers stacked on each other, with some to spare */
#define PACKET_TAIL_ROOM 64U

typedef struct Packet {
        uint8_t *head;
        uint8_t *tail;
        size_t capacity;        /* of buffer[] */
        uint8_t buffer[] __attribute__((aligned(64)));
} Packet;

/* An empty packet that takes content_max bytes between the usual rooms. Returns: 0; -ENOMEM. */
int packet_new(size_t content_max, Packet **ret);
Packet *packet_free(Packet *packet);
DEFINE_CLEANUP(Packet, packet_free);

/* Empties it and puts the head back behind the head-room. */
static inline void packet_reset(Packet *p) {
        p->head = p->tail = p->buffer + PACKET_HEAD_ROOM;
}

static inline size_t packet_size(const Packet *p) {
        return (size_t) (p->tail - p->head);
}

/* Bytes that can be appended. */
static inline size_t packet_room(const Packet *p) {
        return (size_t) (p->buffer + p->capacity - p->tail);
}

/* Makes room for a header in front and returns it; NULL where there is none left. */
static inline uint8_t *packet_push(Packet *p, size_t size) {
        if ((size_t) (p->head - p->buffer) < size)
                return NULL;

        p->head -= size;
        return p->head;
}

/* Takes a header off the front and returns it; NULL where the packet is shorter. */
static inline uint8_t *packet_pull(Packet *p, size_t size) {
        uint8_t *header = p->head;

        if (packet_size(p) < size)
                return NULL;

        p->head += size;
        return header;
}

/* Makes room at the end and returns it; NULL where there is none left. */
static inline uint8_t *packet_append(Packet *p, size_t size) {
        uint8_t *end = p->tail;

        if (packet_room(p) < size)
                return NULL;

        p->tail += size;
        return end;
}
