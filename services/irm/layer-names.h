/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a layer over others needs of this host: two names in the layers of Over=, by which members find each other
 * (that of the layer, which any member answers to, and the member's own), and word of how those layers are. The names
 * come and go with the layer's file. They are served by the layer's IPCP and by nobody else, and are never reached on
 * this host itself: a member looks for others. The layer's name is registered below only while the IPCP is a member,
 * which its address tells: else whoever wants to join could be led to somebody who wants the same.
 */

#include "services/irm/layer.h"

/* After the layer's file was read, or is gone. A name that somebody else has on this host stays his: then the layer's
 * reason says so. */
void layer_names_update(Layer *l);

/* Its IPCP became a member, or is none any more. */
void layer_names_member_changed(Layer *l);

/* The names of a layer that is going away. */
void layer_names_remove(Layer *l);

/* Its IPCP is connected: tells it of the layers below, and lets it serve its names. */
void layer_names_attach(Layer *l);

/* The state of this layer is new: those above it hear of it. */
void layer_names_tell_above(Layer *l);

/* Whether the layer runs over the other. */
bool layer_is_over(const Layer *l, const char *lower);

/* The layer over others whose IPCP this process is; NULL: it is none. */
Layer *layer_of_process(const Process *p);

/* Whether this process may ask this layer for flows, also where it named one (wanted; "": any): an IPCP only those
 * below its own. */
bool layer_may_be_asked(const Layer *l, const Process *p, const char *wanted);
