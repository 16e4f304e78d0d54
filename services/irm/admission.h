/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requests of other hosts, from the moment a layer hands one up until it is a flow that a listener may have: nobody
 * is woken, and nothing else of this host knows of it, before it is authenticated.
 *
 *   INCOMING of the layer ─▶ CHECK_REQUEST to the service ─▶ seen before? ─▶ what it asks for ─▶ a flow, QUEUED
 *
 * Where the policy of the name is plain and the request as well, it goes the same way without the service.
 *
 * To the other host no such name, not allowed, nobody there and a request that is no good are the same silence:
 * until it has proven who it is, it does not learn which names there are by asking in the wrong way. What was wrong
 * is in our journal and counters. Only who has proven himself and may not hears so.
 *
 * All of it is bounded, as in incoming.h, and beyond that by what may be at the service at one time, so that
 * requests of strangers do not take the place of questions of our own.
 */

#include "services/irm/layer.h"

#define ADMISSIONS_MAX 512U             /* of the whole host; half of what the service is asked at all */
#define ADMISSIONS_PER_LAYER_MAX 256U
#define ADMISSIONS_PER_NAME_MAX 128U

/* LAYER_INCOMING, LAYER_INCOMING_GONE. */
void admission_incoming(Layer *l, const LayerMessage *message);
void admission_gone(Layer *l, uint64_t reference);

/* The layer's connection is lost; the name goes away. */
void admissions_drop_layer(Layer *l);
void admissions_drop_name(Name *n);
