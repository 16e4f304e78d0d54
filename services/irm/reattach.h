/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A flow whose layer's process was killed: it is suspended until the next process has it again (LAYER_REATTACH, with a
 * new lane), and then until its application has brought a new lane too; both are handed out as at the beginning. The
 * application asks for it (IRM_REATTACH) when it sees the hang-up, which may be before or after we do, and gets a new
 * doorbell at once; what becomes of it is told there. Only the layer is waited for with a limit: an application
 * that sleeps loses nothing.
 *
 *   the layer's process is gone ──▶ suspended ── LAYER_REATTACH ──▶ returned ── the application's lane ──▶ established
 *   the application saw it first ──▶ reply, doorbell ; its lane is kept until then ┘
 *
 * A layer that is stopped in an orderly way ends its flows before, and nothing of this happens.
 */

#include "services/irm/client.h"
#include "services/irm/flow.h"

/* How long a layer's flows wait for its next process. */
#define REATTACH_LAYER_USEC (5 * USEC_PER_SEC)

/* All established flows of a layer whose process is gone; the others end. */
void reattach_layer_lost(Layer *l);

/* LAYER_REATTACH: the layer's new process has this flow. Takes lane_fd. */
void reattach_layer_returned(Layer *l, const LayerMessage *message, int lane_fd);

/* IRM_REATTACH. */
void reattach_asked(Client *c, const IrmMessage *message);

/* Whether this connection's process may bring the application's new lane now. */
bool reattach_wants_lane(const Flow *f, const Client *c);

/* Actions of the table of states. */
void reattach_suspend(Flow *f);
void reattach_return(Flow *f);
void reattach_complete(Flow *f);

/* A suspended flow is over: its application, should it have asked, hears why. */
void reattach_fail(Flow *f);
