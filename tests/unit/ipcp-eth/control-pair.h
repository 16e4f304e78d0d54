/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two Ethernet stations with a flow between them and control keys for it, and a third one that is nobody of theirs: a
 * fixture for cmocka around tests/support/eth-wire.h. The wire loses what it is told to, and keeps control messages.
 */

#include "tests/support/eth-wire.h"

#define CONTROL_PAIR_TIMEOUT_MS 120000U
#define CONTROL_PAIR_OAP_BYTES 36U
#define CONTROL_PAIR_A_FLOW 1U
#define CONTROL_PAIR_B_FLOW 1001U

typedef struct ControlPair {
        Wire wire;
        Station *a, *b, *c;             /* a asked b for the flow; c is nobody of theirs */
        unsigned loss_percent;
        uint32_t seed;
        unsigned n_lost[2];             /* data, by sender */
        WireFrame kept[64];             /* control messages as they went by */
        unsigned n_kept;
        bool swallow;                   /* control messages get no further */
} ControlPair;

/* The state that it begins with is the framing. */
int control_pair_set_up(void **state);
int control_pair_tear_down(void **state);

void control_pair_connect(ControlPair *pair);

/* Data goes both ways, as from the first moment on. */
void control_pair_is_unharmed(ControlPair *pair);

/* The third station says this in the place of another one. */
void control_pair_send_as(ControlPair *pair, const Station *from, const Station *to, const ManagementMessage *message);

uint64_t control_pair_drops(const Station *station, DropReason reason);

/* One test with each framing, or with one of them. */
#define CONTROL_PAIR_DIX(test) { #test, test, control_pair_set_up, control_pair_tear_down, (void *) &dix }
#define CONTROL_PAIR_BOTH(test)                                                                                   \
        { #test " (DIX)", test, control_pair_set_up, control_pair_tear_down, (void *) &dix },                     \
        { #test " (LLC)", test, control_pair_set_up, control_pair_tear_down, (void *) &llc }
