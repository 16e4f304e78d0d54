/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * QoS cubes: the classes of traffic that a layer keeps apart. In every layer each has a queue of flows that want to
 * send (upper.h); in an Ethernet layer a socket with its priority; in a unicast layer a forwarding table and, towards
 * neighbours that know how, a lower flow of its own. The numbers are on the wire of the latter (qc of the PCI).
 *
 * A cube follows from what was asked for, and a flow keeps it for as long as it sends no more than that: beyond its
 * rate (cube_rate_bps(), policer.h) it goes with best effort. Only the flows of layers are not held to theirs: they
 * carry what the members of these have held to its own already.
 */

#include "basic/enum.h"
#include "libo7s/o7s.h"

typedef enum Cube {
        CUBE_BEST_EFFORT,
        CUBE_VIDEO,
        CUBE_VOICE,
        _CUBE_MAX,
        _CUBE_INVALID = -EINVAL,
} Cube;

DECLARE_ENUM_NAMES(cube, Cube);         /* "best-effort", "video", "voice" */

/* The thresholds of docs/WIRE.md: voice if delay <= 50 ms, bandwidth <= 100 kbit/s, availability >= 5 and gap <= 50
 * ms; else video if delay <= 100 ms, availability >= 3 and gap <= 100 ms; else best effort. */
Cube cube_from_qos(const o7s_qos *qos);

/* What a lower flow for packets of this cube is asked for: raw (in_order 0, loss 1, ber 1) with the cube's delay and
 * so on. */
o7s_qos cube_lower_qos(Cube cube);

/* What a flow that was asked for with this QoS is granted: what the layer does for its cube, never more than asked
 * for. */
o7s_qos cube_granted_qos(const o7s_qos *asked);

/* What a flow that was asked for with this QoS may send in its cube: the bandwidth that it asked for; where that is
 * none, or more than this, 100 kbit/s of voice or 25 Mbit/s of video. Best effort: 0, nobody counts. */
uint64_t cube_rate_bps(const o7s_qos *qos);
