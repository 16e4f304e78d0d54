/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of next hops. A look-up is one probe into an open-addressing table, then the policy's choice among the
 * ways of that entry. Ways name neighbours by their place in an array that says for each whether it is there, so a
 * neighbour that goes down is one store, and every entry that mentions it sees it at once.
 *
 * A set of routes is built beside the old one and takes its place in one assignment. Neighbours that are there
 * survive it, those that are neither there nor mentioned are forgotten, so nothing grows with time.
 *
 * Addresses come from other members and may be chosen to collide: the hash is keyed, with a key of each object's own.
 */

#include "services/ipcp-unicast/forwarding-internal.h"

#define SLOTS_MIN 16U

struct Forwarding {
        const ForwardingOps *ops;
        uint8_t key[SIPHASH_KEY_BYTES];
        ForwardingTable table;
};

static const char *const forwarding_policy_table[_FORWARDING_POLICY_MAX] = {
        [FORWARDING_SIMPLE] = "link-state",
        [FORWARDING_ALTERNATES] = "lfa",
        [FORWARDING_MULTIPATH] = "ecmp",
};

DEFINE_ENUM_NAMES(forwarding_policy, ForwardingPolicy);

static const ForwardingOps *const policies[_FORWARDING_POLICY_MAX] = {
        [FORWARDING_SIMPLE] = &forwarding_simple,
        [FORWARDING_ALTERNATES] = &forwarding_alternates,
        [FORWARDING_MULTIPATH] = &forwarding_multipath,
};

/* -- address → place -- */

/* The slot of the address, or the free one where it would go. The table is never full. */
static AddressSlot *address_slot(const Forwarding *f, const AddressTable *t, uint64_t address) {
        size_t mask = t->n_slots - 1;
        size_t i = siphash24(f->key, &address, sizeof(address)) & mask;

        while (t->slots[i].address != 0 && t->slots[i].address != address)
                i = (i + 1) & mask;

        return t->slots + i;
}

static bool address_find(const Forwarding *f, const AddressTable *t, uint64_t address, uint32_t *ret_place) {
        const AddressSlot *slot;

        if (t->n == 0 || address == 0)
                return false;

        slot = address_slot(f, t, address);
        if (slot->address == 0)
                return false;

        *ret_place = slot->place;
        return true;
}

/* Makes room for n addresses in all. */
static int address_reserve(const Forwarding *f, AddressTable *t, size_t n) {
        AddressTable grown = { .n = t->n, .n_slots = SLOTS_MIN };

        while (grown.n_slots < 2 * n)
                grown.n_slots *= 2;
        if (grown.n_slots <= t->n_slots)
                return 0;

        grown.slots = calloc(grown.n_slots, sizeof(*grown.slots));
        if (!grown.slots)
                return -ENOMEM;

        for (size_t i = 0; i < t->n_slots; i++)
                if (t->slots[i].address != 0)
                        *address_slot(f, &grown, t->slots[i].address) = t->slots[i];

        free(t->slots);
        *t = grown;
        return 0;
}

/* Room was reserved, the address is not there. */
static void address_add(const Forwarding *f, AddressTable *t, uint64_t address, uint32_t place) {
        *address_slot(f, t, address) = (AddressSlot) { .address = address, .place = place };
        t->n++;
}

/* -- a set of routes -- */

static void table_done(ForwardingTable *t) {
        free(t->destinations.slots);
        free(t->entries);
        free(t->known.slots);
        free(t->neighbours);
        *t = (ForwardingTable) {};
}

/* The place of a neighbour, which is added, as gone, where it is not known. */
static int table_neighbour(const Forwarding *f, ForwardingTable *t, uint64_t address, uint32_t *ret_place) {
        int r;

        if (address_find(f, &t->known, address, ret_place))
                return 0;

        if (t->n_neighbours == t->n_neighbours_allocated) {
                size_t n = MAX(2 * t->n_neighbours, SLOTS_MIN);
                ForwardingNeighbour *neighbours = realloc(t->neighbours, n * sizeof(*neighbours));

                if (!neighbours)
                        return -ENOMEM;
                t->neighbours = neighbours;
                t->n_neighbours_allocated = n;
        }

        r = address_reserve(f, &t->known, t->n_neighbours + 1);
        if (r < 0)
                return r;

        t->neighbours[t->n_neighbours] = (ForwardingNeighbour) { .address = address, .hop = FORWARDING_NONE };
        address_add(f, &t->known, address, (uint32_t) t->n_neighbours);
        *ret_place = (uint32_t) t->n_neighbours++;
        return 0;
}

/* Those who are there now are there afterwards. */
static int table_keep_neighbours(const Forwarding *f, ForwardingTable *t) {
        for (size_t i = 0; i < f->table.n_neighbours; i++) {
                const ForwardingNeighbour *n = f->table.neighbours + i;
                uint32_t place;
                int r;

                if (n->hop == FORWARDING_NONE)
                        continue;

                r = table_neighbour(f, t, n->address, &place);
                if (r < 0)
                        return r;
                t->neighbours[place].hop = n->hop;
        }

        return 0;
}

static int table_add(const Forwarding *f, ForwardingTable *t, const Route *route) {
        ForwardingEntry *e = t->entries + t->n_entries;
        uint32_t place;
        int r;

        assert(route->n_hops >= 1 && route->n_hops <= FORWARDING_HOPS_MAX);
        assert(route->n_alternates <= FORWARDING_HOPS_MAX);
        assert(route->destination != 0);

        if (address_find(f, &t->destinations, route->destination, &place))
                return 0;               /* named twice: the first counts */

        *e = (ForwardingEntry) {
                .destination = route->destination,
                .n_hops = route->n_hops,
                .n_alternates = route->n_alternates,
        };
        for (unsigned i = 0; i < route->n_hops; i++) {
                r = table_neighbour(f, t, route->hops[i], e->ways + i);
                if (r < 0)
                        return r;
        }
        for (unsigned i = 0; i < route->n_alternates; i++) {
                r = table_neighbour(f, t, route->alternates[i], e->ways + route->n_hops + i);
                if (r < 0)
                        return r;
        }

        address_add(f, &t->destinations, route->destination, (uint32_t) t->n_entries++);
        return 0;
}

int forwarding_replace(Forwarding *f, const Route *routes, size_t n_routes) {
        _cleanup_(table_done) ForwardingTable t = {};
        int r;

        assert(f);
        assert(routes || n_routes == 0);

        r = address_reserve(f, &t.destinations, n_routes);
        if (r < 0)
                return r;

        t.entries = calloc(MAX(n_routes, 1U), sizeof(*t.entries));
        if (!t.entries)
                return -ENOMEM;

        r = table_keep_neighbours(f, &t);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n_routes; i++) {
                r = table_add(f, &t, routes + i);
                if (r < 0)
                        return r;
        }

        table_done(&f->table);
        f->table = t;
        t = (ForwardingTable) {};
        return 0;
}

/* -- life, and the packet's walk -- */

int forwarding_new(ForwardingPolicy policy, const uint8_t key[SIPHASH_KEY_BYTES], Forwarding **ret) {
        Forwarding *f;

        assert(policy >= 0 && policy < _FORWARDING_POLICY_MAX);
        assert(ret);

        f = malloc(sizeof(*f));
        if (!f)
                return -ENOMEM;

        *f = (Forwarding) { .ops = policies[policy] };
        memcpy(f->key, key, sizeof(f->key));

        *ret = f;
        return 0;
}

Forwarding *forwarding_free(Forwarding *f) {
        if (!f)
                return NULL;

        table_done(&f->table);
        return mfree(f);
}

int forwarding_set_neighbour(Forwarding *f, uint64_t address, uint32_t hop) {
        uint32_t place;
        int r;

        assert(f);
        assert(address != 0);
        assert(hop < FORWARDING_NEIGHBOURS_MAX || hop == FORWARDING_NONE);

        if (!address_find(f, &f->table.known, address, &place)) {
                if (hop == FORWARDING_NONE)
                        return 0;

                r = table_neighbour(f, &f->table, address, &place);
                if (r < 0)
                        return r;
        }

        f->table.neighbours[place].hop = hop;
        return 0;
}

uint32_t forwarding_lookup(const Forwarding *f, uint64_t destination, uint64_t flow) {
        uint32_t place;

        if (!address_find(f, &f->table.destinations, destination, &place))
                return FORWARDING_NONE;

        return f->ops->choose(&f->table, f->table.entries + place, flow);
}
