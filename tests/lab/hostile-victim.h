/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow in the hands of an application that does not use the library. It has what any application has: its own lane,
 * which it may write, the other side's, which it may read, its end of the doorbell. And it knows the messages of the
 * IRM.
 */

#include "basic/time.h"
#include "libo7s/doorbell.h"
#include "libo7s/lane.h"

typedef struct Victim {
        uint64_t flow_id;
        LaneClass class;
        Lane *own;              /* NULL where the attack is the lane itself */
        Lane *peer;
        int doorbell;
        uint32_t head;
        uint64_t seed;
} Victim;

/* Makes what is handed in for a lane. Returns: a descriptor, the caller's; -errno. */
typedef int (*victim_hand_in_t)(const Victim *v);

/* What is done again and again. */
typedef void (*victim_repeat_t)(Victim *v);

/* Opens a flow to name over a connection to the IRM. hand_in: NULL: a lane as it should be. v is initialised with
 * doorbell = -1. Returns: 0; what the IRM says; -ETIMEDOUT. */
int victim_open(Victim *v, int irm, const char *name, victim_hand_in_t hand_in);
void victim_done(Victim *v);

/* Repeats until the flow is ended. repeat: NULL: only waits. Returns: 1: the other side has ended it, *ret_reason says
 * why; -ETIMEDOUT: it bears everything. */
int victim_attack(Victim *v, victim_repeat_t repeat, CloseReason *ret_reason);
