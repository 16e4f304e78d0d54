/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages that arrive in pieces (fragment.h). What senders can make us keep is bounded in all, and for each of them;
 * who a sender is says the layer, by what he cannot choose freely. Only what has come is charged, not what a first
 * piece announces; where there is no more room, the oldest message gives way, of the sender who has much: one that
 * floods displaces his own, and a message whose pieces come at once gets through. Senders who share a bucket share its
 * bound; which one that is, is decided under a key of ours.
 *
 * A message whose pieces do not all come within REASSEMBLY_KEEP_USEC is forgotten without a word, and one that is
 * complete is remembered as long, so that copies of it are known. Pieces that agree in all but their bytes may be of
 * several messages, should somebody invent some: then what they make is not what the id says, all of it is forgotten,
 * and the next repetition of the genuine one is as the first. Pure.
 */

#include "basic/list.h"
#include "basic/siphash.h"
#include "libo7s/drop.h"
#include "services/common/fragment.h"

#define REASSEMBLY_KEEP_USEC (3 * USEC_PER_SEC)
#define REASSEMBLY_BYTES_MAX (2U * 1024U * 1024U)       /* of pieces of messages that are not complete */
#define REASSEMBLY_SENDER_BYTES_MAX (REASSEMBLY_BYTES_MAX / 4U)
#define REASSEMBLY_MESSAGES_MAX 1024U   /* complete ones included */
#define REASSEMBLY_SENDER_MESSAGES_MAX (REASSEMBLY_MESSAGES_MAX / 4U)
#define REASSEMBLY_BUCKETS 64U
#define REASSEMBLY_MUCH 16U             /* who has more than this part of all is the first to give way */
#define REASSEMBLY_SENDER_BYTES 24U     /* of what names a sender */

/* Who says it, and to which bucket that is charged. */
typedef struct ReassemblySender {
        uint8_t name[REASSEMBLY_SENDER_BYTES]; /* tells messages with equal ids apart; zero behind what the
                                                  layer fills in */
        const void *charged;
        size_t charged_size;
} ReassemblySender;

typedef struct ReassemblyBucket {
        size_t bytes;
        unsigned n_messages;
} ReassemblyBucket;

typedef struct Reassembly {
        uint8_t key[SIPHASH_KEY_BYTES];
        List messages;                  /* by age, oldest first */
        size_t bytes;
        unsigned n_messages;
        ReassemblyBucket buckets[REASSEMBLY_BUCKETS];
        uint64_t n_completed;           /* ever */
        uint64_t n_timed_out;           /* or displaced */
} Reassembly;

void reassembly_init(Reassembly *reassembly, const uint8_t key[SIPHASH_KEY_BYTES]);
void reassembly_done(Reassembly *reassembly);

/* Returns: 1: the message is complete, *ret is the caller's to free; 0: more is missing; -EALREADY: a piece that was
 * there, or of a message that is complete; -EILSEQ: its pieces are not of one message; -EBUSY: no room; -ENOMEM. */
int reassembly_add(Reassembly *reassembly, const ReassemblySender *sender, const Fragment *fragment,
                   usec_t now, uint8_t **ret, size_t *ret_size);

/* What a piece counts as that was refused by one of these, or by fragment_parse(). */
DropReason reassembly_drop_reason(int r);

void reassembly_expire(Reassembly *reassembly, usec_t now);
usec_t reassembly_next(const Reassembly *reassembly);
