/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/shim-endpoint.h"

#define SLOT_BITS 16U
#define SLOT_MASK 0xFFFFU

typedef struct Slot {
        void *owner;                    /* not owned; NULL: free */
        uint32_t id;
} Slot;

struct ShimEndpoints {
        uint32_t first;
        uint32_t n_slots;
        uint32_t n_free;
        uint32_t tag_mask;              /* of the bits above the slot */
        Slot slots[];
};

int shim_endpoints_new(uint32_t first, uint32_t last, unsigned tag_bits, ShimEndpoints **ret) {
        ShimEndpoints *endpoints;
        uint32_t n_slots;

        assert(first <= last && last <= SLOT_MASK && tag_bits <= 16);

        n_slots = last - first + 1;
        endpoints = calloc(1, sizeof(*endpoints) + n_slots * sizeof(Slot));
        if (!endpoints)
                return -ENOMEM;

        endpoints->first = first;
        endpoints->n_slots = n_slots;
        endpoints->n_free = n_slots;
        endpoints->tag_mask = (UINT32_C(1) << tag_bits) - 1;

        *ret = endpoints;
        return 0;
}

ShimEndpoints *shim_endpoints_free(ShimEndpoints *endpoints) {
        return mfree(endpoints);
}

static Slot *slot_of(const ShimEndpoints *endpoints, uint32_t id) {
        uint32_t slot = id & SLOT_MASK;

        if (slot < endpoints->first || slot - endpoints->first >= endpoints->n_slots)
                return NULL;

        return (Slot *) &endpoints->slots[slot - endpoints->first];
}

int shim_endpoints_take(ShimEndpoints *endpoints, uint64_t random, void *owner, uint32_t *ret_id) {
        uint32_t tag = (uint32_t) (random >> 32) & endpoints->tag_mask;
        uint32_t start = (uint32_t) random % endpoints->n_slots;

        assert(owner);

        if (endpoints->n_free == 0)
                return -ENOSPC;

        for (uint32_t i = 0; i < endpoints->n_slots; i++) {
                uint32_t slot = (start + i) % endpoints->n_slots;

                if (endpoints->slots[slot].owner)
                        continue;

                endpoints->slots[slot] = (Slot) {
                        .owner = owner,
                        .id = tag << SLOT_BITS | (endpoints->first + slot),
                };
                endpoints->n_free--;
                *ret_id = endpoints->slots[slot].id;
                return 0;
        }

        return -ENOSPC;
}

int shim_endpoints_take_again(ShimEndpoints *endpoints, uint32_t id, void *owner) {
        Slot *slot = slot_of(endpoints, id);

        assert(owner);

        if (!slot || id >> SLOT_BITS & ~endpoints->tag_mask)
                return -EINVAL;
        if (slot->owner)
                return -EEXIST;

        *slot = (Slot) { .owner = owner, .id = id };
        endpoints->n_free--;
        return 0;
}

void *shim_endpoints_get(const ShimEndpoints *endpoints, uint32_t id) {
        const Slot *slot = slot_of(endpoints, id);

        return slot && slot->owner && slot->id == id ? slot->owner : NULL;
}

void shim_endpoints_release(ShimEndpoints *endpoints, uint32_t id) {
        Slot *slot = slot_of(endpoints, id);

        assert(slot && slot->owner && slot->id == id);

        *slot = (Slot) {};
        endpoints->n_free++;
}

uint32_t shim_endpoints_n_free(const ShimEndpoints *endpoints) {
        return endpoints->n_free;
}
