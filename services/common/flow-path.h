/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a peer says that it is now (a move, flow-upkeep.h), before it is believed. The proof of the message says that
 * it comes from the peer; it does not say that the peer is there: it may name what is somebody else's, and somebody
 * on the way may hold a message back until another host is there. So the peer is asked, at the new address, for a
 * challenge that only who hears us there can know, and has to show it in a message with a proof.
 *
 * Until then data goes where it went. To the new address go notices alone, and of these at most
 * FLOW_PATH_AMPLIFICATION times as many bytes as genuine messages have named it with: whoever it belongs to gets no
 * more from us than from who named it. An address that is not proven in FLOW_PATH_KEEP_USEC after it was named last
 * is forgotten, and the flow has stayed where it was. There is one at a time, the newest. Nothing here needs a timer
 * for repetitions: the peer repeats its move until it is acknowledged without a challenge. Pure.
 */

#include "basic/time.h"

#define FLOW_PATH_AMPLIFICATION 3U
#define FLOW_PATH_KEEP_USEC (3 * USEC_PER_SEC)  /* longer than the longest pause between repetitions of a move */

typedef struct FlowPath {
        bool active;
        uint64_t address;
        uint64_t challenge;             /* never 0 */
        uint64_t heard_bytes;           /* of genuine messages that named the address */
        uint64_t sent_bytes;            /* there */
        usec_t until;
} FlowPath;

/* A genuine message of so many bytes, newer than all before it, names an address where the peer was not so far, and
 * shows this (0: nothing). random: unpredictable bits, should a challenge be needed. Returns whether it was shown
 * what had been asked for there: then the address is the peer's, and this is over. */
bool flow_path_named(FlowPath *path, uint64_t address, uint64_t shown, size_t bytes, uint64_t random, usec_t now);

/* The peer is where it was: what it said before that is over. */
void flow_path_forget(FlowPath *path);

/* Where a notice of so many bytes goes, to a peer whose address is known as this one: to the newest address that it
 * named, as far as that may get it. */
uint64_t flow_path_towards(FlowPath *path, uint64_t known, size_t bytes);

/* Returns whether the peer has not shown in time that it is there. */
bool flow_path_expire(FlowPath *path, usec_t now);

static inline usec_t flow_path_next(const FlowPath *path) {
        return path->active ? path->until : USEC_INFINITY;
}
