/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the IRM is told of neighbours: a row for each that is there, and for each that we try to reach. Rows are
 * compared with what was told last, so that whoever listens hears of changes, and of a neighbour that was tried and
 * came up as of one and the same. Pure.
 */

#include "services/ipcp-unicast/unicast.h"

typedef struct NeighbourReport {
        List rows;                      /* as told */
        uint64_t last_key;
        void (*tell)(void *userdata, const LayerNeighbour *neighbour, const char *name, const char *lower,
                     const char *text);
        void *userdata;
} NeighbourReport;

void neighbour_report_init(NeighbourReport *report, void (*tell)(void *userdata, const LayerNeighbour *neighbour,
                           const char *name, const char *lower, const char *text), void *userdata);
void neighbour_report_done(NeighbourReport *report);

/* The listener knows nothing (any more). */
void neighbour_report_forget(NeighbourReport *report);

/* Tells what is new; counters: also where only counters and round trips are. */
void neighbour_report_update(NeighbourReport *report, const Unicast *u, bool counters, usec_t now);
