/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One end of an ordered flow, put together of its halves. A packet that frct_transmit() returned counts as sent only
 * with the next call, so that the driver can take it back (frct_untransmit()) as if it had never been made.
 */

#include "libo7s/frct-receiver.h"
#include "libo7s/frct-sender.h"
#include "libo7s/frct.h"

#define PACKET_MIN 64U                  /* less leaves no room for anything behind an extended header */
#define PACKET_MAX 65535U               /* sizes of probes are 16 bits on the wire */

struct Frct {
        FrctConfig config;
        FrctSender *sender;
        FrctReceiver *receiver;
        uint64_t malformed;             /* headers */

        /* returned by frct_transmit(), and not known to have left */
        size_t pending_size;            /* 0: none */
        bool pending_bare;
        nsec_t pending_at;
        FrctHeader pending;
};

Frct *frct_free(Frct *f) {
        if (!f)
                return NULL;

        frct_sender_free(f->sender);
        frct_receiver_free(f->receiver);
        return mfree(f);
}

static size_t packet_max_sane(const FrctConfig *config, size_t packet_max) {
        return CLAMP(packet_max, (size_t) PACKET_MIN, config->extended ? (size_t) PACKET_MAX : SIZE_MAX);
}

int frct_new(const FrctConfig *config, nsec_t now, Frct **ret) {
        _cleanup_(frct_freep) Frct *f = NULL;
        int r;

        assert(config);
        assert(ret);

        if (!config->random || config->packet_max < PACKET_MIN)
                return -EINVAL;
        if (config->stream && !(config->extended && config->reliable))
                return -EINVAL;

        f = malloc(sizeof(*f));
        if (!f)
                return -ENOMEM;

        *f = (Frct) { .config = *config };
        f->config.packet_max = packet_max_sane(config, config->packet_max);

        r = frct_sender_new(&f->config, now, &f->sender);
        if (r < 0)
                return r;

        r = frct_receiver_new(&f->config, now, &f->receiver);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(f);
        return 0;
}

/* What was returned last has left. */
static void settle(Frct *f) {
        if (f->pending_size == 0)
                return;

        if (f->pending_bare)
                frct_sender_spoke(f->sender, f->pending_at);
        else
                frct_sender_sent(f->sender, f->pending_size, f->pending_at);

        frct_receiver_spoke(f->receiver, &f->pending, f->pending_at);
        f->pending_size = 0;
}

/* -- the application's side -- */

size_t frct_message_max(const Frct *f) {
        return f->config.extended ? FRCT_MESSAGE_MAX : f->config.packet_max - FRCT_HEADER_BYTES;
}

int frct_ended(const Frct *f) {
        int r;

        r = frct_sender_error(f->sender);
        if (r < 0)
                return r;

        r = frct_receiver_error(f->receiver);
        if (r < 0)
                return r;

        return frct_receiver_finished(f->receiver) ? -ENOTCONN : 0;
}

ssize_t frct_write(Frct *f, const struct iovec *parts, unsigned n_parts, nsec_t now) {
        settle(f);

        if (frct_ended(f) < 0)
                return -EPIPE;

        return frct_sender_write(f->sender, parts, n_parts, now);
}

bool frct_writable(const Frct *f, size_t size) {
        return frct_sender_writable(f->sender, size);
}

ssize_t frct_read(Frct *f, void *data, size_t size, bool *ret_more, nsec_t now) {
        ssize_t n;
        int r;

        settle(f);

        n = frct_receiver_read(f->receiver, data, size, ret_more, now);
        if (n != -EAGAIN)
                return n;

        r = frct_ended(f);
        return r < 0 ? r : -EAGAIN;
}

void frct_skip(Frct *f, nsec_t now) {
        settle(f);
        frct_receiver_skip(f->receiver, now);
}

int frct_peek(Frct *f, const uint8_t **ret, size_t *ret_size, bool *ret_whole) {
        int r, ended;

        r = frct_receiver_peek(f->receiver, ret, ret_size, ret_whole);
        if (r != -EAGAIN)
                return r;

        ended = frct_ended(f);
        return ended < 0 ? ended : -EAGAIN;
}

bool frct_readable(const Frct *f) {
        return frct_receiver_readable(f->receiver);
}

void frct_finish(Frct *f, nsec_t now) {
        settle(f);
        frct_sender_finish(f->sender, now);
        frct_receiver_hurry(f->receiver, now);
}

bool frct_is_flushed(const Frct *f) {
        return frct_sender_is_flushed(f->sender);
}

/* -- the network's side -- */

void frct_receive(Frct *f, const uint8_t *packet, size_t size, bool marked, nsec_t now) {
        Cursor c = cursor_from(packet, size);
        FrctHeader header;

        settle(f);

        if (frct_header_read(&c, f->config.extended, &header) < 0) {
                f->malformed++;
                return;
        }

        frct_sender_heard(f->sender, &header, now);
        frct_receiver_heard(f->receiver, &header, c.p, c.left, marked, now);
}

static bool next_packet(Frct *f, size_t size, FrctHeader *header, const uint8_t **ret_content, size_t *ret_size,
                        nsec_t now) {
        size_t fixed = f->config.extended ? FRCT_HEADER_EXTENDED_BYTES : FRCT_HEADER_BYTES;
        size_t reserve = f->config.extended ? fixed + FRCT_ECHO_BYTES : fixed;
        size_t packet_max = MIN(size, frct_sender_packet_max(f->sender));
        size_t used;

        if (frct_sender_next_packet(f->sender, header, size - reserve, ret_content, ret_size, now) > 0) {
                f->pending_bare = false;
                used = fixed + *ret_size;
                if (!(header->extension & FRCT_X_PROBE))
                        frct_receiver_speak(f->receiver, header, packet_max > used ? packet_max - used : 0, true, now);
                return true;
        }

        if (!frct_receiver_must_speak(f->receiver, now))
                return false;

        *ret_size = 0;
        f->pending_bare = true;
        if (frct_sender_run_to_come(f->sender, &header->sequence, now))
                header->flags |= FRCT_RUN_START;
        frct_receiver_speak(f->receiver, header, packet_max - fixed, false, now);
        return true;
}

size_t frct_transmit(Frct *f, uint8_t *buffer, size_t size, nsec_t now) {
        Writer w = writer_to(buffer, size);
        const uint8_t *content = NULL;
        size_t content_size = 0;
        FrctHeader header = {};

        settle(f);

        if (size < PACKET_MIN || !next_packet(f, size, &header, &content, &content_size, now))
                return 0;

        header.stamp = (uint32_t) (now / NSEC_PER_USEC);
        frct_header_write(&w, f->config.extended, &header);
        if (content)
                writer_bytes(&w, content, content_size);
        else
                writer_zero(&w, content_size);
        if (w.bad)                      /* a segment that no longer fits; the sender asks again */
                return 0;

        f->pending = header;
        f->pending_size = w.written;
        f->pending_at = now;
        return w.written;
}

void frct_untransmit(Frct *f, nsec_t now) {
        (void) now;                     /* it is due at once; when there is room is the driver's to know */

        f->pending_size = 0;
}

nsec_t frct_next(const Frct *f, nsec_t now) {
        if (f->pending_size > 0)        /* the driver stopped for a reason of its own: more may be due */
                return now;

        return MIN(frct_sender_next(f->sender, now), frct_receiver_next(f->receiver, now));
}

void frct_expire(Frct *f, nsec_t now) {
        settle(f);
        frct_sender_expire(f->sender, now);
        frct_receiver_expire(f->receiver, now);
}

void frct_hang_up(Frct *f, nsec_t now) {
        settle(f);
        frct_receiver_release(f->receiver, now);
}

void frct_set_packet_max(Frct *f, size_t packet_max, nsec_t now) {
        settle(f);
        f->config.packet_max = packet_max_sane(&f->config, packet_max);
        frct_sender_set_packet_max(f->sender, f->config.packet_max, now);
        frct_receiver_set_packet_max(f->receiver, &f->config);
}

void frct_path_is_back(Frct *f) {
        frct_sender_path_is_back(f->sender);
}

size_t frct_path_max(const Frct *f) {
        return frct_sender_packet_max(f->sender);
}

void frct_stats(const Frct *f, FrctStats *ret) {
        *ret = (FrctStats) { .malformed = f->malformed };
        frct_sender_stats(f->sender, ret);
        frct_receiver_stats(f->receiver, ret);
}
