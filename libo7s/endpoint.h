/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The provider's end of a flow: what a layer (an IPCP) holds for each flow of an application above it.
 * Packets that came up from the network are delivered into our lane, packets that the application wrote are
 * taken from its lane. The application is not trusted, and never waited for: where it does not read fast
 * enough, packets are dropped and counted.
 *
 * No event loop in here. The owner watches endpoint_fd() for readable and hang-up and does:
 *
 *   readable:  endpoint_drain(); then endpoint_take() until it returns 0 or its budget is used up;
 *              at 0, endpoint_arm(): 1 means sleep, 0 means go on taking.
 *   budget used up: come back by itself (a deferred event), nothing is armed and nobody will ring.
 *
 * A negative return means that the flow has ended: endpoint_close() with the reason, then endpoint_free().
 *
 * In the counters, rx is what came from the network (delivered upwards), tx what came from the application.
 */

#include "basic/time.h"
#include "libo7s/channel.h"
#include "libo7s/drop.h"
#include "libo7s/packet.h"

/* Rings without anything to read that an application may send in a second: beyond, it wants our time, not its
 * packets. */
#define ENDPOINT_SPURIOUS_RINGS_MAX 10000U

typedef struct Endpoint Endpoint;

/* Takes both lanes and the doorbell, also on failure. Returns: 0; -ENOMEM. */
int endpoint_new(LaneClass class, Lane *own, Lane *peer, int doorbell_fd, Endpoint **ret);

/* Without a closed record: endpoint_close() sends that. NULL is fine; returns NULL. */
Endpoint *endpoint_free(Endpoint *endpoint);
DEFINE_CLEANUP(Endpoint, endpoint_free);

/* Poll for readable and hang-up. Stays the endpoint's. */
int endpoint_fd(const Endpoint *endpoint);

/* Copies each packet's content into our lane as one message and publishes once. The packets stay the caller's.
 * marked: they met congestion in the layer, which the application's end is told.
 * Returns: how many were dropped (each counted with its reason), 0 if none; -EBADMSG: the application broke
 * the rules; -EPIPE: nobody holds the other end. In both of these nothing more will ever be delivered. */
int endpoint_deliver(Endpoint *endpoint, Packet *const *packets, unsigned n, bool marked);

/* Resets and fills packets[0] and following with one message each, behind their head-room and in front of their
 * tail-room (PACKET_TAIL_ROOM stays free): a message that is larger than that is dropped and counted.
 * Returns: how many were filled; 0: none, endpoint_arm() tells whether that is all; -EBADMSG: the application broke
 * the rules. */
int endpoint_take(Endpoint *endpoint, Packet *const *packets, unsigned n);

/* Whether endpoint_take() would find something; cheap, no system call. */
bool endpoint_readable(Endpoint *endpoint);

/* Asks to be rung at the next message. Returns: 1: armed, nothing to take; 0: there is something; -EBADMSG. */
int endpoint_arm(Endpoint *endpoint);

/* Takes the records off the doorbell; always before endpoint_take(). Returns: 0; 1: closed by the application,
 * *ret_reason says why (what it wrote before can still be taken); -EPIPE: it died; -EBADMSG: a violation, which
 * includes rings for nothing at a rate that only serves to keep us busy. */
int endpoint_drain(Endpoint *endpoint, usec_t now, CloseReason *ret_reason);

/* Tells the application of the path below, where it does not know that already and understands it. Returns: 0; -EAGAIN:
 * its doorbell is full: again once endpoint_fd() is writable. */
int endpoint_tell_path(Endpoint *endpoint, const PathState *path);

/* Tells the application that this is the end. */
void endpoint_close(Endpoint *endpoint, CloseReason reason);

/* The owner may count its own drops here too. Stays the endpoint's. */
Counters *endpoint_counters(Endpoint *endpoint);
