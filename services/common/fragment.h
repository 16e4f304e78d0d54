/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pieces of an allocation message that no frame carries as a whole (docs/WIRE.md). The message is cut as it is, with
 * its fixed part; every piece but the last has the same size, and all say how long the whole is:
 *
 *    0  8  id of the message: the first bytes of its SHA-256 digest
 *    8  2  bytes of the whole
 *   10  2  bytes of a piece
 *   12  1  number of this one, from 0
 *   13     its bytes
 *
 * reassembly.h puts them together again. Nothing acknowledges a piece: whoever sends them repeats all of them some
 * times, as long as no answer came (FragmentRepeats). The id is the same then, so that what was lost of one repetition
 * comes with another; and as it is a digest, pieces that somebody has put among them are found out before anybody looks
 * at the message, and the next repetition begins anew. Only o7s hosts understand them, and only what does not fit is
 * cut: a host that understands none could not have taken it either. Pure.
 */

#include "basic/cursor.h"
#include "basic/time.h"
#include "services/common/hash.h"

#define FRAGMENT_HEADER_BYTES 13U
#define FRAGMENT_PIECE_BYTES_MIN 128U   /* but for the last one */
#define FRAGMENT_MESSAGE_BYTES_MAX 33024U       /* the largest OAP message, its hash and the fixed part of any layer */
#define FRAGMENT_PIECES_MAX 256U

#define FRAGMENT_REPEATS 3U
#define FRAGMENT_REPEAT_USEC (150 * USEC_PER_MSEC)      /* the first time; then twice as long, each */

typedef struct Fragment {
        uint64_t id;
        uint16_t size;
        uint16_t piece;
        uint8_t number;
        const uint8_t *content;         /* in the parsed buffer */
        size_t content_size;
} Fragment;

/* What follows the fixed part of a message with the code of a fragment. Returns: 0; -EBADMSG: cut short, or not
 * exactly the bytes of that piece; -EPROTO: no message is cut like that. */
int fragment_parse(const uint8_t *data, size_t size, Fragment *ret);

/* The id of a message. Returns: 0; -EOPNOTSUPP. */
int fragment_id(const uint8_t *message, size_t size, uint64_t *ret);

/* How many pieces a message has, where room bytes are free behind the fixed part. Returns: pieces; -EMSGSIZE: too
 * many, or too large for any. */
int fragment_count(size_t size, size_t room);

/* Writes one piece of a message, as large as there is room. number is below the count. */
void fragment_write(Writer *w, uint64_t id, const uint8_t *message, size_t size, size_t room, unsigned number);

/* How many pieces there are of the message that this one belongs to. */
unsigned fragment_pieces(const Fragment *fragment);

/* When a message in pieces goes out again. */
typedef struct FragmentRepeats {
        unsigned n_left;
        usec_t interval;
        usec_t next;                    /* USEC_INFINITY: never */
} FragmentRepeats;

void fragment_repeats_init(FragmentRepeats *repeats, usec_t now);

/* Whether it is due; the next time follows. */
bool fragment_repeats_due(FragmentRepeats *repeats, usec_t now);

/* A message that is being sent in pieces, and kept for their repetitions. All zero: there is none. */
typedef struct FragmentedMessage {
        uint8_t *bytes;                 /* owned */
        size_t size;
        uint64_t id;
        FragmentRepeats repeats;
} FragmentedMessage;

void fragmented_message_done(FragmentedMessage *message);

static inline usec_t fragmented_message_next(const FragmentedMessage *message) {
        return message->bytes ? message->repeats.next : USEC_INFINITY;
}
