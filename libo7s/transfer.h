/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Between a flow and its lanes, where the QoS asks for more than the layer gives: FRCT (in_order), a checksum (ber == 0), or both.
 * Packets that FRCT makes get their trailer and go into our lane; those of the peer's lane lose it and go into FRCT. Everything
 * here holds transfer.mutex: the application's threads and the process's engine (engine.h) drive it alike, whoever comes by.
 *
 *   o7s_flow_write ─► frct ─► checksum ─► our lane
 *   o7s_flow_read  ◄─ frct ◄─ checksum ◄─ the peer's lane       transfer_pump(): both ways, as far as it goes
 *
 * A local flow (two programs of one host) loses nothing and has neither; see flow-send.c.
 */

#include "libo7s/engine.h"
#include "libo7s/flow.h"
#include "libo7s/frct.h"

typedef struct Transfer Transfer;
