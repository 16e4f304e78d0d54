/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Flows as o7s-irm lists them: rows, not objects, fetched in pages. */

#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"

typedef struct FlowRow {
        uint64_t id;
        const char *name, *layer, *peer, *state;        /* borrowed, as all here */
        uint32_t uid, pid;
        uint64_t since_usec;
        uint64_t memory_bytes;
        json_object *details;   /* of ListFlows */
        /* Of these: */
        const char *direction;  /* "incoming", "outgoing", "local" */
        bool verified;          /* the peer has proven who it is */
        const char *protection; /* "none", "mac", or a cipher; "": an o7s-irm that does not say */
        const char *key_exchange;
} FlowRow;

/* Calls back with each flow; with the filter of the command line, where there is one. Complains. Returns: 0; the exit
 * status. */
int flows_list(Ctl *ctl, void (*row)(void *userdata, const FlowRow *row), void *userdata);

/* How flows are protected, counted for people. */
typedef struct FlowCounts {
        uint64_t n_proven;      /* encrypted, and the peer is proven */
        uint64_t n_encrypted;
        uint64_t n_sealed;      /* not secret, but cannot be altered */
        uint64_t n_plain;
        uint64_t n_local;       /* within this host */
} FlowCounts;

void flow_counts_add(void *counts, const FlowRow *row);
