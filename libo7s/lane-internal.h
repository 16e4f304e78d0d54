/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is inside a lane: for lane.c, channel*.c and the tests that play the hostile side, nobody else.
 *
 * The words are plain integers that are only ever touched through lane_load*() and lane_store*(): a peer's lane
 * is mapped read-only and its words change under us, so each load happens exactly once and its result is
 * checked before it is used.
 */

#include "libo7s/lane.h"

/* Two cache lines: processors fetch them in pairs. */
#define LANE_WORD_ALIGN 128U

#define LANE_MAGIC 0x656e616cU          /* "lane" */
#define LANE_VERSION 1U

/* Of .known, which was 0 once. */
#define LANE_KNOWS_PATH 0x00000001U     /* as an application: DOORBELL_PATH */

#define LANE_DESCRIPTOR_LENGTH_MASK UINT64_C(0x0000000000ffffff)
#define LANE_DESCRIPTOR_MORE UINT64_C(0x0000000001000000)       /* the message goes on in the next slot */

/* Of a whole message, in its last slot. */
#define LANE_DESCRIPTOR_MARKED UINT64_C(0x0000000002000000)     /* it met congestion on its way through the layer */
/* it is part of a larger one, which goes on in the next message */
#define LANE_DESCRIPTOR_PART UINT64_C(0x0000000004000000)
#define LANE_DESCRIPTOR_REST UINT64_C(0x0000000008000000)       /* it goes on with what the message before it began */
#define LANE_DESCRIPTOR_FLAGS (LANE_DESCRIPTOR_MARKED | LANE_DESCRIPTOR_PART | LANE_DESCRIPTOR_REST)

typedef struct LaneMemory {
        uint32_t magic;
        uint32_t version;
        uint32_t n_slots;
        uint32_t slot_size;
        uint32_t known;

        uint32_t head __attribute__((aligned(LANE_WORD_ALIGN)));
        uint32_t tail __attribute__((aligned(LANE_WORD_ALIGN)));
        uint32_t armed_read __attribute__((aligned(LANE_WORD_ALIGN)));
        uint32_t armed_write __attribute__((aligned(LANE_WORD_ALIGN)));

        uint64_t descriptors[LANE_SLOTS_MAX] __attribute__((aligned(2048)));
        uint8_t slots[][LANE_SLOT_BYTES] __attribute__((aligned(4096)));
} LaneMemory;

_Static_assert(offsetof(LaneMemory, known) == 16, "known");
_Static_assert(offsetof(LaneMemory, head) == 128, "head");
_Static_assert(offsetof(LaneMemory, tail) == 256, "tail");
_Static_assert(offsetof(LaneMemory, armed_read) == 384, "armed_read");
_Static_assert(offsetof(LaneMemory, armed_write) == 512, "armed_write");
_Static_assert(offsetof(LaneMemory, descriptors) == 2048, "descriptors");
_Static_assert(offsetof(LaneMemory, slots) == 4096, "slots");

struct Lane {
        LaneMemory *memory;     /* read-only where it is a peer's */
        size_t size;
        LaneClass class;
        bool own;
};

static inline uint32_t lane_load(const uint32_t *word) {
        return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint32_t lane_load_acquire(const uint32_t *word) {
        return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint64_t lane_load_descriptor(const uint64_t *descriptor) {
        return __atomic_load_n(descriptor, __ATOMIC_RELAXED);
}

static inline void lane_store(uint32_t *word, uint32_t value) {
        __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void lane_store_release(uint32_t *word, uint32_t value) {
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void lane_store_descriptor(uint64_t *descriptor, uint64_t value) {
        __atomic_store_n(descriptor, value, __ATOMIC_RELAXED);
}

/* Between a store of ours and a load of what the other side stored: without it a wake-up can be lost. */
static inline void lane_fence(void) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
