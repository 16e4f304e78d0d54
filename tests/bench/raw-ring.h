/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The baseline of the ring figures: as many slots of the same size, one writer, one reader, but in memory that both
 * trust: indices are shared, nothing is checked, nobody ever sleeps.
 */

#include "libo7s/lane.h"

typedef struct RawRing {
        uint32_t head __attribute__((aligned(128)));
        uint32_t tail __attribute__((aligned(128)));
        uint32_t sizes[LANE_SLOTS_MAX] __attribute__((aligned(128)));
        uint8_t slots[LANE_SLOTS_MAX][LANE_SLOT_BYTES] __attribute__((aligned(4096)));
} RawRing;

#define RAW_MASK (LANE_SLOTS_MAX - 1)

static inline uint32_t raw_slots(size_t size) {
        return (uint32_t) ((size + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES);
}

/* The caller keeps head and how much of the ring is free, and stores head itself when a burst is complete. */
static inline void raw_put(RawRing *ring, uint32_t *head, const uint8_t *data, size_t size) {
        ring->sizes[*head & RAW_MASK] = (uint32_t) size;
        for (size_t done = 0; done < size; done += LANE_SLOT_BYTES)
                memcpy(ring->slots[(*head)++ & RAW_MASK], data + done, MIN(size - done, (size_t) LANE_SLOT_BYTES));
}

static inline size_t raw_get(RawRing *ring, uint32_t *tail, uint8_t *data) {
        size_t size = ring->sizes[*tail & RAW_MASK];

        for (size_t done = 0; done < size; done += LANE_SLOT_BYTES)
                memcpy(data + done, ring->slots[(*tail)++ & RAW_MASK], MIN(size - done, (size_t) LANE_SLOT_BYTES));
        return size;
}
