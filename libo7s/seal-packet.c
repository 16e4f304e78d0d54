/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/cursor.h"
#include "libo7s/seal-packet.h"

#define KIND_CONTROL 0x80U
#define KIND_UNUSED 0x0fU

/* A generation that has served its time serves on while the next one is agreed on: for as long again, and for a few
 * times as many packets. Who comes back after a long silence has sent next to nothing, and is not refused. */
#define OVERDUE_PACKETS_MIN 64U
#define OVERDUE_TIMES 4U

static void wipe_generation(SealGeneration *g) {
        explicit_bzero(g, sizeof(*g));
}

int seal_packet_init(SealPacket *s, const SealKeys *keys, const SealLimits *limits, nsec_t now,
                     SealCounters *counters) {
        int r;

        if (limits->epoch_packets > SEAL_EPOCH_PACKETS_MAX)
                return -EINVAL;
        if (keys->cipher == SEAL_AES_192_GCM)
                return -EOPNOTSUPP;

        *s = (SealPacket) {
                .kind.cipher = keys->cipher,
                .limits = *limits,
                .counters = counters,
                .mac_only = keys->mac_only,
                .client = keys->client,
                .since = now,
                .overdue_since = NSEC_INFINITY,
        };
        memcpy(s->kind.label, keys->label, sizeof(s->kind.label));
        seal_agreement_init(&s->agreement, keys->client, keys->agreement);

        r = seal_sender_init(&s->sender, &s->kind, 0, keys->send);
        if (r >= 0)
                r = seal_chain_init(&s->receiver.chain, &s->kind, 0, 0, keys->receive);

        return r;
}

void seal_packet_done(SealPacket *s) {
        seal_sender_done(&s->sender);
        seal_sender_done(&s->upcoming);
        seal_receiver_done(&s->receiver);
        seal_agreement_done(&s->agreement);
}

/* -- generations -- */

static bool is_overdue(const SealPacket *s, nsec_t now) {
        return nsec_sub(now, s->since) >= s->limits.generation_nsec || s->n_sent >= s->limits.generation_packets ||
               s->n_received >= s->limits.generation_packets;
}

/* Of each packet that is sent or received. */
static void look_at_age(SealPacket *s, nsec_t now) {
        s->agreement.demand = true;
        if (!is_overdue(s, now))
                return;

        if (s->overdue_since == NSEC_INFINITY)
                s->overdue_since = now;
        seal_agreement_begin(&s->agreement, now);
}

static bool is_expired(const SealPacket *s, nsec_t now) {
        if (s->overdue_since == NSEC_INFINITY)
                return false;
        if (s->n_sent / OVERDUE_TIMES >= s->limits.generation_packets)
                return true;

        return s->n_overdue >= OVERDUE_PACKETS_MIN && nsec_sub(now, s->overdue_since) >= s->limits.generation_nsec;
}

bool seal_packet_is_starving(const SealPacket *s, nsec_t now) {
        if (s->overdue_since == NSEC_INFINITY)
                return false;

        return s->n_sent / (OVERDUE_TIMES / 2) >= s->limits.generation_packets ||
               nsec_sub(now, s->overdue_since) >= s->limits.generation_nsec / 2;
}

/* Both directions of a new generation, ready for use. */
static int prepare_generation(SealPacket *s, const SealGeneration *fresh, SealSender *ret_sender) {
        uint32_t generation = s->agreement.generation + 1;
        SealChain chain;
        int r;

        r = seal_sender_init(ret_sender, &s->kind, generation, s->client ? fresh->client : fresh->server);
        if (r < 0)
                return r;

        r = seal_chain_init(&chain, &s->kind, generation, 0, s->client ? fresh->server : fresh->client);
        if (r < 0) {
                seal_sender_done(ret_sender);
                return r;
        }

        seal_chain_done(&s->receiver.pending);
        s->receiver.pending = chain;
        explicit_bzero(&chain, sizeof(chain));
        return 0;
}

/* From now on we send in it. */
static void enter_generation(SealPacket *s, SealSender *sender, nsec_t now) {
        seal_sender_done(&s->sender);
        s->sender = *sender;
        explicit_bzero(sender, sizeof(*sender));
        s->since = now;
        s->n_sent = 0;
        s->n_received = 0;
        s->overdue_since = NSEC_INFINITY;
        s->n_overdue = 0;
        s->counters->n_generations++;
}

/* -- out -- */

static void make_nonce(const SealEpoch *e, uint32_t counter, uint8_t ret[SEAL_NONCE_BYTES]) {
        memcpy(ret, e->iv, SEAL_NONCE_BYTES);
        ret[8] ^= (uint8_t) (counter >> 24);
        ret[9] ^= (uint8_t) (counter >> 16);
        ret[10] ^= (uint8_t) (counter >> 8);
        ret[11] ^= (uint8_t) counter;
}

static int advance_epoch(SealPacket *s, nsec_t now) {
        SealSender *sender = &s->sender;

        if (sender->counter == 0) {
                sender->since = now;
                return 0;
        }
        if (sender->counter < s->limits.epoch_packets && nsec_sub(now, sender->since) < s->limits.epoch_nsec)
                return 0;
        if (seal_sender_advance(sender, &s->kind) < 0)
                return sender->counter < SEAL_EPOCH_PACKETS_MAX ? 0 : -ENOMEM;

        sender->since = now;
        s->counters->n_epochs++;
        return 0;
}

/* packet has room for it. */
static ssize_t write_packet(SealPacket *s, nsec_t now, uint8_t kind, const void *content, size_t content_size,
                            uint8_t *packet) {
        SealEpoch *e = &s->sender.epoch;
        uint8_t *header = e->associated + SEAL_ASSOCIATED_HEADER;
        uint8_t nonce[SEAL_NONCE_BYTES];
        uint32_t counter;
        int r;

        r = advance_epoch(s, now);
        if (r < 0)
                return r;

        counter = (uint32_t) s->sender.counter;
        header[0] = (uint8_t) (kind | (e->generation & 7) << 4);
        header[1] = (uint8_t) e->epoch;
        header[2] = (uint8_t) (counter >> 16);
        header[3] = (uint8_t) (counter >> 8);
        header[4] = (uint8_t) counter;
        make_nonce(e, counter, nonce);
        memcpy(packet, header, SEAL_HEADER_BYTES);

        if (s->mac_only) {
                if (content_size > 0)
                        memcpy(packet + SEAL_HEADER_BYTES, content, content_size);
                r = seal_aead_sign(&e->aead, nonce, e->associated, sizeof(e->associated), packet + SEAL_HEADER_BYTES,
                                   content_size, packet + SEAL_HEADER_BYTES + content_size);
        } else
                r = seal_aead_encrypt(&e->aead, nonce, e->associated, sizeof(e->associated), content, content_size,
                                      packet + SEAL_HEADER_BYTES);
        if (r < 0)
                return r;

        s->sender.counter++;
        s->n_sent++;
        return (ssize_t) (content_size + SEAL_PACKET_OVERHEAD);
}

ssize_t seal_packet_protect(SealPacket *s, nsec_t now, const void *content, size_t content_size, void *packet,
                            size_t size) {
        if (size < SEAL_PACKET_OVERHEAD || size - SEAL_PACKET_OVERHEAD < content_size)
                return -ENOBUFS;

        look_at_age(s, now);
        if (is_expired(s, now))
                return -EKEYEXPIRED;

        s->n_overdue += s->overdue_since != NSEC_INFINITY;
        return write_packet(s, now, 0, content, content_size, packet);
}

/* -- in -- */

static bool is_packet(const uint8_t *packet, size_t size) {
        if (size < SEAL_PACKET_OVERHEAD || (packet[0] & KIND_UNUSED) != 0)
                return false;

        return !(packet[0] & KIND_CONTROL) || size <= SEAL_PACKET_OVERHEAD + SEAL_AGREEMENT_BYTES;
}

static uint32_t counter_of(const uint8_t *packet) {
        return (uint32_t) packet[2] << 16 | (uint32_t) packet[3] << 8 | packet[4];
}

/* Returns: bytes of the content; -EBADMSG. */
static ssize_t verify(const SealPacket *s, const SealEpoch *e, const uint8_t *packet, size_t size, void *content) {
        uint8_t associated[SEAL_ASSOCIATED_BYTES], nonce[SEAL_NONCE_BYTES];
        size_t content_size = size - SEAL_PACKET_OVERHEAD;
        int r;

        memcpy(associated, e->associated, sizeof(associated));
        memcpy(associated + SEAL_ASSOCIATED_HEADER, packet, SEAL_HEADER_BYTES);
        make_nonce(e, counter_of(packet), nonce);
        if (!s->mac_only)
                r = seal_aead_decrypt(&e->aead, nonce, associated, sizeof(associated), packet + SEAL_HEADER_BYTES,
                                      size - SEAL_HEADER_BYTES, content);
        else {
                r = seal_aead_verify(&e->aead, nonce, associated, sizeof(associated), packet + SEAL_HEADER_BYTES,
                                     content_size, packet + size - SEAL_TAG_BYTES);
                if (r >= 0 && content_size > 0)
                        memcpy(content, packet + SEAL_HEADER_BYTES, content_size);
        }

        return r < 0 ? -EBADMSG : (ssize_t) content_size;
}

static ssize_t verify_ahead(SealPacket *s, nsec_t now, const uint8_t *packet, size_t size, void *content,
                            SealIncoming **ret) {
        SealAhead ahead;
        ssize_t n = -EBADMSG;

        if (seal_ahead_begin(&ahead, &s->receiver, packet[0] >> 4 & 7, packet[1], now) < 0)
                return -EBADMSG;

        while (n < 0 && seal_ahead_next(&ahead, &s->kind) > 0)
                n = verify(s, &ahead.incoming.epoch, packet, size, content);
        if (n >= 0) {
                *ret = seal_ahead_take(&ahead, &s->receiver, &s->kind, now);
                if (!*ret) {
                        explicit_bzero(content, (size_t) n);
                        n = -EBADMSG;
                }
        }

        seal_ahead_end(&ahead, &s->receiver, now);
        return n;
}

/* The epoch of a packet that is authentic, and new. Returns: bytes of its content; -EBADMSG; -EALREADY. */
static ssize_t verify_any(SealPacket *s, nsec_t now, const uint8_t *packet, size_t size, void *content,
                          SealIncoming **ret) {
        int r;

        r = seal_receiver_find(&s->receiver, &s->kind, packet[0] >> 4 & 7, packet[1], ret);
        if (r == -ENOENT)
                return verify_ahead(s, now, packet, size, content, ret);
        if (r < 0)
                return r;
        if (seal_replay_seen(&(*ret)->replay, counter_of(packet)))
                return -EALREADY;

        return verify(s, &(*ret)->epoch, packet, size, content);
}

/* The same, and it is remembered. Returns also: -ENOMEM: it could not be, and is lost. */
static ssize_t verify_once(SealPacket *s, nsec_t now, const uint8_t *packet, size_t size, void *content,
                           SealIncoming **ret) {
        ssize_t n;

        n = verify_any(s, now, packet, size, content, ret);
        if (n < 0 || seal_replay_add(&(*ret)->replay, counter_of(packet)) >= 0)
                return n;

        explicit_bzero(content, (size_t) n);
        return -ENOMEM;
}

/* A packet was authentic. */
static void follow(SealPacket *s, nsec_t now, SealIncoming *incoming) {
        if (seal_receiver_commit(&s->receiver, &s->kind, incoming, now) > 0) {
                seal_agreement_follow(&s->agreement);
                if (!s->client)
                        enter_generation(s, &s->upcoming, now);
        }

        s->n_received++;
        s->counters->n_opened++;
        look_at_age(s, now);
}

static void hear(SealPacket *s, nsec_t now, const uint8_t *content, size_t size) {
        _cleanup_(wipe_generation) SealGeneration fresh = {};
        SealSender sender;

        if (seal_agreement_hear(&s->agreement, content, size, &fresh) <= 0)
                return;
        if (prepare_generation(s, &fresh, &sender) < 0)         /* no memory: there will be another reply */
                return;

        seal_agreement_adopt(&s->agreement, &fresh, now);
        enter_generation(s, &sender, now);
}

ssize_t seal_packet_open(SealPacket *s, nsec_t now, const void *packet, size_t packet_size, void *content,
                         size_t size) {
        uint8_t control[SEAL_AGREEMENT_BYTES];
        const uint8_t *bytes = packet;
        bool is_control = packet_size > 0 && (bytes[0] & KIND_CONTROL);
        SealIncoming *incoming = NULL;
        ssize_t n = -EBADMSG;

        if (is_packet(bytes, packet_size)) {
                if (!is_control && packet_size - SEAL_PACKET_OVERHEAD > size)
                        return -ENOBUFS;

                (void) seal_receiver_expire(&s->receiver, now);
                n = verify_once(s, now, bytes, packet_size, is_control ? control : content, &incoming);
        }
        if (n < 0) {
                s->counters->n_replayed += n == -EALREADY;
                s->counters->n_forged += n == -EBADMSG;
                return n;
        }

        follow(s, now, incoming);
        if (!is_control)
                return n;

        hear(s, now, control, (size_t) n);
        return 0;
}

/* -- control packets -- */

nsec_t seal_packet_next(const SealPacket *s) {
        return MIN(seal_agreement_next(&s->agreement), seal_receiver_next(&s->receiver));
}

ssize_t seal_packet_transmit(SealPacket *s, nsec_t now, const uint8_t random[SEAL_SECRET_BYTES], void *packet,
                             size_t size) {
        _cleanup_(wipe_generation) SealGeneration fresh = {};
        uint8_t content[SEAL_AGREEMENT_BYTES];
        bool is_fresh;
        size_t n;

        (void) seal_receiver_expire(&s->receiver, now);
        if (now < seal_agreement_next(&s->agreement))
                return 0;
        if (size < SEAL_AGREEMENT_BYTES + SEAL_PACKET_OVERHEAD)
                return -ENOBUFS;

        n = seal_agreement_speak(&s->agreement, now, random, content, &fresh, &is_fresh);
        if (n == 0)
                return 0;
        if (is_fresh) {
                seal_sender_done(&s->upcoming);
                if (prepare_generation(s, &fresh, &s->upcoming) < 0) {
                        s->agreement.is_ready = false;  /* the client will ask again */
                        seal_chain_done(&s->receiver.pending);  /* of another share: it has no sender any more */
                        return 0;
                }
        }

        return write_packet(s, now, KIND_CONTROL, content, n, packet);
}
