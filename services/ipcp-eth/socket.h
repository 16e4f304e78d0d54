/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The layer's packet socket: bound to one interface and one protocol, an EtherType or 802.2, so that the kernel hands
 * us no other traffic. A filter in the kernel drops what is addressed to other stations or groups, and of 802.2
 * everything but unnumbered information for individual SAPs. A burst goes out with one system call, and comes in by a
 * ring that the kernel fills (socket-ring.h).
 *
 * Each cube has a socket to send by, since a frame takes its socket's priority: it chooses the band of a queue
 * discipline (pfifo_fast, prio, mqprio) and the priority code point of a VLAN, so that voice waits behind bulk neither in
 * the kernel nor in switches. What is in the queue of one cube is no reason for another one to wait.
 */

#include <systemd/sd-event.h>

#include "libo7s/packet.h"
#include "services/common/cube.h"
#include "services/common/layer-file.h"

#define FRAME_SOCKET_BURST_MAX 32U
#define FRAME_SOCKET_BURSTS_PER_TURN 4U

typedef struct FrameSocket FrameSocket;

typedef struct FrameSocketEvents {
        /* Step 1 of the way up. The packets stay the socket's. */
        void (*received)(void *userdata, Packet *const *frames, unsigned n);

        /* So many frames were larger than frame_max, and are gone. */
        void (*cut)(void *userdata, unsigned n);

        /* There is room again after frame_socket_send() had none. */
        void (*writable)(void *userdata);
} FrameSocketEvents;

/* frame_max: largest frame with its header. Returns: 0; what socket(), bind() and setsockopt() say; -ENOMEM. */
int frame_socket_new(sd_event *event, int ifindex, Framing framing, uint16_t ether_type, size_t frame_max,
                     const FrameSocketEvents *events, void *userdata, FrameSocket **ret);
FrameSocket *frame_socket_free(FrameSocket *socket);
DEFINE_CLEANUP(FrameSocket, frame_socket_free);

/* Sends from the first on. *ret_failed counts those that the kernel refused for good. Returns: how many were dealt
 * with; fewer than n: there is no room for this cube, writable() will follow. */
unsigned frame_socket_send(FrameSocket *socket, Cube cube, Packet *const *frames, unsigned n, unsigned *ret_failed);

/* Takes frames that wait, without a system call. Returns whether there were any. */
bool frame_socket_look(FrameSocket *socket);

/* Frames that the kernel dropped because we did not read fast enough. Since the last call. */
uint32_t frame_socket_lost(FrameSocket *socket);
