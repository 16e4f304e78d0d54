/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shows the packets of a layer to those who asked for it (Capture on the bus), as pcapng through a pipe. Whoever has
 * packets in hand, next to the wire, calls capture_packets() where somebody looks, and tests one pointer where nobody
 * does: watch() gives and takes that pointer.
 *
 * A stream has a bounded buffer, written out by the event loop: a reader that is too slow loses packets, which the next
 * packet and the statistics of the interface tell, and holds nobody up. It ends when the reader closes its end.
 */

#include <systemd/sd-event.h>

#include "libo7s/packet.h"
#include "services/common/pcapng.h"

#define CAPTURE_STREAMS_MAX 4U
#define CAPTURE_INTERFACES_MAX 4U
#define CAPTURE_BUFFER_BYTES (2U * 1024U * 1024U)       /* of each stream */
/* bytes of a packet that are kept, unless fewer are asked for */
#define CAPTURE_SNAP_MAX 65536U

typedef struct Capture Capture;

/* Packets are to be shown to this from now on; NULL: nobody looks any more. Not called by capture_free(). */
typedef void (*capture_watch_t)(void *userdata, Capture *capture);

/* name: of the layer. The interfaces are static. */
int capture_new(sd_event *event, const char *name, const PcapngInterface *interfaces, unsigned n_interfaces,
                capture_watch_t watch, void *userdata, Capture **ret);

/* Streams end with the statistics, as far as their readers take them now. */
Capture *capture_free(Capture *capture);
DEFINE_CLEANUP(Capture, capture_free);

/* One more reader. Takes the writing end of a pipe, also on failure. snap 0: all of each packet. Returns: 0; -EBUSY:
 * there are CAPTURE_STREAMS_MAX; -ENOMEM; errors of fcntl() and sd_event_add_io(). */
int capture_add(Capture *capture, int fd, uint32_t snap);

/* The packets stay the caller's. */
void capture_packets(Capture *capture, unsigned interface, bool outgoing, Packet *const *packets, unsigned n);
