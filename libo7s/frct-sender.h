/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The sending half: segments from frct_write() until they are acknowledged, the window that the peer gives, which of
 * them are lost, and what is to be sent next. A segment is one packet's content with its flags and number; it is made
 * when it is first sent (so that its size fits the path's MTU of that moment) and freed when acknowledged.
 *
 *   written, not yet cut ──► segments: left edge .. next number ──► right edge (the peer's window)
 *
 * Lossy flows keep nothing once it is sent.
 */

#include "basic/list.h"
#include "libo7s/frct-congestion.h"
#include "libo7s/frct-header.h"
#include "libo7s/frct-mtu.h"
#include "libo7s/frct-rtt.h"
#include "libo7s/frct.h"

#define FRCT_ECHO_BYTES 12U             /* room that segments leave in extended headers */

typedef struct FrctSender FrctSender;

int frct_sender_new(const FrctConfig *config, nsec_t now, FrctSender **ret);
FrctSender *frct_sender_free(FrctSender *s);
DEFINE_CLEANUP(FrctSender, frct_sender_free);

ssize_t frct_sender_write(FrctSender *s, const struct iovec *parts, unsigned n_parts, nsec_t now);
bool frct_sender_writable(const FrctSender *s, size_t size);
void frct_sender_finish(FrctSender *s, nsec_t now);
bool frct_sender_is_flushed(const FrctSender *s);

/* Acknowledgement, window, ranges, echo of a header that arrived; numbers that were never sent and edges that jump back
 * are ignored. */
void frct_sender_heard(FrctSender *s, const FrctHeader *header, nsec_t now);

/* Fills header (flags of DATA, RUN_START, FIRST, MORE, FINISH, RENDEZVOUS; sequence; pieces; probes) and content of the
 * next packet. room: for the content; a probe, which is as large as it may be, is sent without echo and ranges.
 * *ret_content NULL: zeros. Returns: 1: one is due (content may be empty); 0: none now. */
int frct_sender_next_packet(FrctSender *s, FrctHeader *header, size_t room, const uint8_t **ret_content,
                            size_t *ret_size, nsec_t now);
/* Whether that left, with what size on the wire. */
void frct_sender_sent(FrctSender *s, size_t wire_size, nsec_t now);

/* For bare packets before our first DATA (docs/WIRE.md, the trap): RUN_START and the number that it will carry. Returns
 * whether no run is open. Opens none. */
bool frct_sender_run_to_come(FrctSender *s, uint32_t *ret_sequence, nsec_t now);

/* A bare packet left: the peer remembers our run for longer. */
void frct_sender_spoke(FrctSender *s, nsec_t now);

void frct_sender_expire(FrctSender *s, nsec_t now);
nsec_t frct_sender_next(const FrctSender *s, nsec_t now);
int frct_sender_error(const FrctSender *s);             /* -ETIMEDOUT: R is over */

void frct_sender_set_packet_max(FrctSender *s, size_t packet_max, nsec_t now);
void frct_sender_path_is_back(FrctSender *s);
size_t frct_sender_packet_max(const FrctSender *s);     /* as now known of the path */
void frct_sender_stats(const FrctSender *s, FrctStats *ret);    /* its part */
