/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus is told when something changes. Without a bus: nothing happens. */

#include "services/irm/flow.h"

void announce_layer_new(Layer *l);
void announce_layer_removed(Layer *l);
void announce_layer_state(Layer *l, LayerState before);
void announce_layer_changed(Layer *l, const char *property);
void announce_neighbour(Layer *l, const char *name, LayerNeighbourState before, LayerNeighbourState now,
                        const char *reason);

void announce_name_new(Name *n);
void announce_name_removed(Name *n);
void announce_name_changed(Name *n, const char *property);

void announce_operation_new(Operation *o);
void announce_operation_changed(Operation *o);
void announce_operation_removed(Operation *o);

/* Flows are not objects, and only told to those who subscribed. */
void announce_flow_new(const Flow *f);
void announce_flow_removed(const Flow *f);

/* In advance. */
void announce_certificate_expiring(Manager *m, const char *name, const char *text, uint64_t expiry_usec);

/* Object paths of the three kinds. */
int layer_path(const Layer *l, char **ret);
int name_path(const Name *n, char **ret);
int operation_path(const Operation *o, char **ret);
