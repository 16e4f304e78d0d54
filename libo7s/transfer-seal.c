/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Protection of a flow's packets, between what the flow makes of them (FRCT, or a message) and its lanes.
 *
 *   out   .packet, or the message itself ─► seal_protect() ─► .sealed ─► our lane
 *   in    the peer's lane ─► .sealed ─► seal_open() ─► .packet, or .content without FRCT
 *
 * Everything between the lanes and the application lies in private memory: what is opened was copied out of the peer's
 * lane first, or the peer could change it between the check and the use; and nothing is read of what seal_open() did
 * not find good. What is protected need not be copied first: the tag is made of the packet, and nobody else writes
 * that.
 *
 * Packets are not protected in the lane itself either. Only we can write there, but the other side can read all the
 * time, and that is a layer from which the flow is protected: counter mode, as the library below has it where the
 * processor does not help, leaves the key stream in its output before it adds the message. The copy costs a tenth of
 * the cipher.
 */

#include "basic/random.h"
#include "libo7s/checksum.h"
#include "libo7s/transfer.h"

#define CONTROL_BURST 8U                /* packets of the seal's own per turn; it has one or two to send */

static int seal_make(Transfer *t, const SealKeys *keys) {
        uint8_t seed[SEAL_SEED_BYTES];
        int r;

        r = random_bytes(seed, sizeof(seed));
        if (r >= 0)
                r = seal_new(keys, NULL, seed, time_now_nsec(), &t->seal);

        explicit_bzero(seed, sizeof(seed));
        return r;
}

int transfer_seal_begin(Transfer *t, const SealKeys *keys) {
        if (keys->suite == SEAL_NONE)
                return 0;

        t->protected = true;
        return seal_make(t, keys);
}

void transfer_seal_end(Transfer *t) {
        if (t->seal)
                t->seal_counters = *seal_counters(t->seal);
        t->seal = seal_free(t->seal);
}

size_t transfer_seal_overhead(const Transfer *t) {
        return t->seal ? seal_overhead(t->seal) : 0;
}

ssize_t transfer_protect(Transfer *t, const void *packet, size_t size, nsec_t now) {
        Channel *channel = t->flow->writer.channel;
        size_t overhead = transfer_seal_overhead(t);

        if (!t->seal)
                return -EPIPE;

        /* Not in vain: each one that is made has a number of its own. */
        if (channel_room(channel) < MIN(size + overhead + CHECKSUM_BYTES, channel_message_max(channel)))
                return -EAGAIN;

        return seal_protect(t->seal, now, packet, size, t->sealed, t->packet_size);
}

ssize_t transfer_open(Transfer *t, size_t size, uint8_t *content, nsec_t now) {
        ssize_t n = 0;

        if (t->seal && size > 0)
                n = seal_open(t->seal, now, t->sealed, size, content, t->packet_size);

        /* The seal counts what is forged, and what was seen before. Anybody on the path can make those: they mean
         * nothing. */
        return MAX(n, (ssize_t) 0);
}

/* One packet of the seal's own. Returns whether there may be more. */
static bool control_transmit(Transfer *t, nsec_t now) {
        uint8_t random[SEAL_SECRET_BYTES];
        struct iovec part;
        ssize_t size;

        if (channel_room(t->flow->writer.channel) < SEAL_CONTROL_MAX || transfer_make_room(t) < 0 ||
            random_bytes(random, sizeof(random)) < 0)
                return false;

        size = seal_transmit(t->seal, now, random, t->sealed, t->packet_size);
        explicit_bzero(random, sizeof(random));
        if (size <= 0)
                return false;

        part = (struct iovec) { .iov_base = t->sealed, .iov_len = (size_t) size };
        if (channel_push(t->flow->writer.channel, &part, 1) == -EBADMSG)
                flow_end(t->flow, CLOSE_VIOLATION);
        return true;
}

bool transfer_seal_transmit(Transfer *t, nsec_t now) {
        unsigned n = 0;

        if (!t->seal || seal_next(t->seal) > now)
                return false;

        while (n < CONTROL_BURST && control_transmit(t, now))
                n++;

        /* What found no room, or no random bytes, has time. */
        if (seal_next(t->seal) <= now)
                t->seal_not_before = now + TRANSFER_TAKE_OVER;
        return n > 0;
}

nsec_t transfer_seal_next(const Transfer *t) {
        nsec_t next = t->seal ? seal_next(t->seal) : NSEC_INFINITY;

        return next == NSEC_INFINITY ? next : MAX(next, t->seal_not_before);
}

void transfer_seal_stats(const Transfer *t, struct o7s_flow_stats *ret) {
        const SealCounters *counters = t->seal ? seal_counters(t->seal) : &t->seal_counters;

        ret->drops[O7S_DROP_FORGED] += counters->n_forged;
        ret->drops[O7S_DROP_REPLAYED] += counters->n_replayed;
        ret->key_epochs = counters->n_epochs;
        ret->key_agreements = counters->n_generations;
}
