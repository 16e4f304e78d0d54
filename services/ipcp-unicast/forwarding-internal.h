/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the policies see of a Forwarding: the entry of a destination, with all that routing offered for it, and which
 * neighbours are there. A policy chooses among them; it is asked once for each packet and allocates nothing.
 */

#include "basic/siphash.h"
#include "services/ipcp-unicast/forwarding.h"

typedef struct ForwardingNeighbour {
        uint64_t address;
        uint32_t hop;                   /* its number; FORWARDING_NONE: not there */
} ForwardingNeighbour;

typedef struct ForwardingEntry {
        uint64_t destination;
        uint8_t n_hops;
        uint8_t n_alternates;
        uint32_t ways[2 * FORWARDING_HOPS_MAX];         /* places in neighbours: the hops, then the alternates */
} ForwardingEntry;

/* address → place in an array. Filled once or grown, never emptied: sets of routes are replaced as a whole. */
typedef struct AddressSlot {
        uint64_t address;               /* 0: free */
        uint32_t place;
} AddressSlot;

typedef struct AddressTable {
        AddressSlot *slots;             /* a power of two of them, at most half in use */
        size_t n_slots;
        size_t n;
} AddressTable;

/* All that forwarding_replace() replaces. */
typedef struct ForwardingTable {
        AddressTable destinations;      /* → entries */
        ForwardingEntry *entries;
        size_t n_entries;
        AddressTable known;             /* → neighbours */
        ForwardingNeighbour *neighbours;
        size_t n_neighbours;
        size_t n_neighbours_allocated;
} ForwardingTable;

typedef struct ForwardingOps {
        uint32_t (*choose)(const ForwardingTable *table, const ForwardingEntry *entry, uint64_t flow);
} ForwardingOps;

extern const ForwardingOps forwarding_simple;
extern const ForwardingOps forwarding_alternates;
extern const ForwardingOps forwarding_multipath;

/* The first way from "begin" on, up to and without "end", whose neighbour is there. */
static inline uint32_t forwarding_first_way(const ForwardingTable *table, const ForwardingEntry *entry, unsigned begin,
                                            unsigned end) {
        for (unsigned i = begin; i < end; i++) {
                uint32_t hop = table->neighbours[entry->ways[i]].hop;

                if (hop != FORWARDING_NONE)
                        return hop;
        }

        return FORWARDING_NONE;
}
