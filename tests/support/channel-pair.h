/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Flows without an IRM, for tests and benches: two ends in one process, or one in each of two. */

#include "libo7s/channel.h"

/* Two channels that are each other's peer. */
int channel_pair_new(LaneClass class, Channel **ret_left, Channel **ret_right);

/* A channel or an endpoint whose peer the test plays by hand. It has what an application has: its own lane, to
 * write what it likes, the other side's lane to read, its end of the doorbell. */
typedef struct RawPeer {
        Lane *own;
        Lane *other;
        int doorbell;
} RawPeer;

/* The raw end, and what the other end is made of: lanes and doorbell, for channel_new() or endpoint_new(). */
int raw_peer_new(LaneClass class, RawPeer *ret, Lane **ret_own, Lane **ret_peer, int *ret_doorbell);
void raw_peer_done(RawPeer *peer);

/* For one end in each of two processes: makes our lane, sends its descriptor over the socket and opens the lane that
 * the other process sends likewise. Blocks. */
int lane_exchange(int socket_fd, LaneClass class, Lane **ret_own, Lane **ret_peer);

/* Sends bytes with descriptors, as no honest peer does after the outcome of an allocation. */
int send_with_fds(int socket_fd, const void *data, size_t size, const int *fds, unsigned n_fds);
