/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A table of slots, as large as a power of two, at most half full, that grows with the number of flows.
 *
 *   63                                   20 19                0
 *   |  44 random bits, fresh per flow     |  slot             |
 *
 * Looking up is one masked index and one comparison of all 64 bits, without a branch: a slot beyond the table falls on
 * another one, whose id differs in the slot then; a free one has the id 0 and no owner. So an id with the right slot,
 * one with a wrong slot and one with almost all bits right are the same few instructions.
 */

#include "services/ipcp-unicast/eid.h"
#include "services/ipcp-unicast/pci.h"

#define SLOTS_MIN 128U
#define SLOT_MASK ((uint64_t) EID_SLOTS_MAX - 1)

typedef struct Slot {
        uint64_t eid;                   /* 0: free */
        void *owner;                    /* not owned */
} Slot;

struct Eids {
        Slot *slots;
        uint32_t n_slots;               /* a power of two; the first EID_FLOWS are never used */
        size_t n;
};

static int resize(Eids *eids, uint32_t n_slots) {
        Slot *slots;

        assert(n_slots >= eids->n_slots);

        slots = reallocarray(eids->slots, n_slots, sizeof(*slots));
        if (!slots)
                return -ENOMEM;

        memset(slots + eids->n_slots, 0, (n_slots - eids->n_slots) * sizeof(*slots));
        eids->slots = slots;
        eids->n_slots = n_slots;
        return 0;
}

int eids_new(Eids **ret) {
        _cleanup_(eids_freep) Eids *eids = NULL;
        int r;

        eids = calloc(1, sizeof(*eids));
        if (!eids)
                return -ENOMEM;

        r = resize(eids, SLOTS_MIN);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(eids);
        return 0;
}

Eids *eids_free(Eids *eids) {
        if (!eids)
                return NULL;

        free(eids->slots);
        return mfree(eids);
}

/* The slot that this id would have, or another one where the table is smaller. */
static Slot *slot_of(const Eids *eids, uint64_t eid) {
        return &eids->slots[eid & SLOT_MASK & (eids->n_slots - 1)];
}

static void occupy(Eids *eids, Slot *slot, uint64_t eid, void *owner) {
        *slot = (Slot) { .eid = eid, .owner = owner };
        eids->n++;
}

int eids_take(Eids *eids, uint64_t random, void *owner, uint64_t *ret_eid) {
        uint32_t start, n_usable;
        int r;

        assert(owner);

        if (eids->n >= EIDS_MAX)
                return -ENOSPC;

        /* Half of the slots stay free, so that the next free one is near. */
        if (2 * (eids->n + 1) > eids->n_slots - EID_FLOWS) {
                r = resize(eids, 2 * eids->n_slots);
                if (r < 0)
                        return r;
        }

        n_usable = eids->n_slots - EID_FLOWS;
        start = (uint32_t) (random & SLOT_MASK) % n_usable;

        for (uint32_t i = 0; i < n_usable; i++) {
                uint32_t slot = EID_FLOWS + (start + i) % n_usable;
                uint64_t eid = (random & ~SLOT_MASK) | slot;

                if (eids->slots[slot].owner)
                        continue;

                occupy(eids, &eids->slots[slot], eid, owner);
                *ret_eid = eid;
                return 0;
        }

        return -ENOSPC;
}

int eids_take_again(Eids *eids, uint64_t eid, void *owner) {
        uint64_t number = eid & SLOT_MASK;
        uint32_t n_slots = eids->n_slots;
        Slot *slot;
        int r;

        assert(owner);

        if (number < EID_FLOWS || eid == UINT64_MAX || eids->n >= EIDS_MAX)
                return -EINVAL;

        while (number >= n_slots)
                n_slots *= 2;
        if (n_slots > eids->n_slots) {
                r = resize(eids, n_slots);
                if (r < 0)
                        return r;
        }

        slot = slot_of(eids, eid);
        if (slot->owner)
                return -EEXIST;

        occupy(eids, slot, eid, owner);
        return 0;
}

void *eids_get(const Eids *eids, uint64_t eid) {
        const Slot *slot = slot_of(eids, eid);
        uint64_t difference = slot->eid ^ eid;
        uintptr_t differs = (uintptr_t) ((difference | -difference) >> 63);     /* 1: yes; 0: no */

        return (void *) ((uintptr_t) slot->owner & (differs - 1));
}

void eids_release(Eids *eids, uint64_t eid) {
        Slot *slot = slot_of(eids, eid);

        assert(slot->owner && slot->eid == eid);

        *slot = (Slot) {};
        eids->n--;
}

size_t eids_n(const Eids *eids) {
        return eids->n;
}
