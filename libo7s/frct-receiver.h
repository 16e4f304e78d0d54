/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The receiving half: the peer's run, the order of its packets, what of it is whole messages, and what the peer is to
 * be told. Packets out of order are kept within the window, and in bytes within receive_max; contents pass to the
 * assembly in order.
 */

#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

typedef struct FrctReceiver FrctReceiver;

/* Returns: 0; -ENOMEM. */
int frct_receiver_new(const FrctConfig *config, nsec_t now, FrctReceiver **ret);
FrctReceiver *frct_receiver_free(FrctReceiver *r);
DEFINE_CLEANUP(FrctReceiver, frct_receiver_free);

/* A packet with this header and content. */
void frct_receiver_heard(FrctReceiver *r, const FrctHeader *header, const uint8_t *content, size_t size, bool marked,
                         nsec_t now);

ssize_t frct_receiver_read(FrctReceiver *r, void *data, size_t size, bool *ret_more, nsec_t now);
void frct_receiver_skip(FrctReceiver *r, nsec_t now);
int frct_receiver_peek(FrctReceiver *r, const uint8_t **ret, size_t *ret_size, bool *ret_whole);
bool frct_receiver_readable(const FrctReceiver *r);
bool frct_receiver_finished(const FrctReceiver *r);     /* FINISH has arrived, and everything before it */
int frct_receiver_error(const FrctReceiver *r);         /* -EPROTO */

/* Lossy: what waits for others that are late does so until then; and no longer where nothing else will arrive. */
void frct_receiver_expire(FrctReceiver *r, nsec_t now);
void frct_receiver_release(FrctReceiver *r, nsec_t now);

/* Something must be said now, even without data: an acknowledgement that is due, a window that opened, an answer. */
bool frct_receiver_must_speak(const FrctReceiver *r, nsec_t now);
/* When it must be, or frct_receiver_expire() be called. */
nsec_t frct_receiver_next(const FrctReceiver *r, nsec_t now);

/* What goes with any packet that leaves now: ACKNOWLEDGE, WINDOW, the echo, ranges, the probe's answer. Call it
 * behind the sender, whose flags in the header are kept. room: bytes for echo and ranges, beyond the fixed header.
 * with_data: it is no bare packet. */
void frct_receiver_speak(FrctReceiver *r, FrctHeader *header, size_t room, bool with_data, nsec_t now);
/* That packet left. */
void frct_receiver_spoke(FrctReceiver *r, const FrctHeader *header, nsec_t now);
/* The flow is about to be closed: what has arrived and was not acknowledged is due now, not in some milliseconds. */
void frct_receiver_hurry(FrctReceiver *r, nsec_t now);

/* The layer's largest packet is now that of the config: how many the memory holds follows from it. */
void frct_receiver_set_packet_max(FrctReceiver *r, const FrctConfig *config);

void frct_receiver_stats(const FrctReceiver *r, FrctStats *ret);
