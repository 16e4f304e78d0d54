/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libo7s/checksum.h"
#include "tests/sim/frct-end.h"
#include "tests/sim/frct-program.h"

#define SPINS_MAX 100U                  /* wake-ups that change nothing, one after the other */
#define PATIENCE (FRCT_RETRANSMIT_MAX + (nsec_t) 5 * NSEC_PER_SEC)

static uint32_t end_random(void *userdata) {
        FrctEnd *e = userdata;

        return (uint32_t) dice_next(&e->dice);
}

int frct_end_init(FrctEnd *e, const FrctEndOptions *options, unsigned index, uint64_t seed, nsec_t now) {
        FrctConfig config = options->config;

        *e = (FrctEnd) {
                .options = *options,
                .index = index,
                .seed = seed * 2654435761U + index,
                .wake = now,
                .write_at = now + options->start,
                .heard_at = now,
                .progress_at = now,
        };
        dice_init(&e->dice, seed, 1000 + index);
        dice_init(&e->late_dice, seed, 2000 + index);
        liveness_init(&e->liveness, options->timeout_ms, now / NSEC_PER_USEC);
        config.random = end_random;
        config.userdata = e;
        return frct_new(&config, now, &e->frct);
}

void frct_end_done(FrctEnd *e) {
        e->frct = frct_free(e->frct);
        free(e->message);
        e->message = NULL;
}

bool frct_end_is_done_writing(const FrctEnd *e) {
        return frct_program_wrote_all(e) && frct_is_flushed(e->frct);
}

/* -- the shell -- */

static int end_fail(FrctEnd *e, int error, nsec_t now) {
        if (e->error < 0)
                return 0;

        e->error = error;
        e->error_at = now;
        return frct_air_close(e->air, e->path, e->peer->index, now);
}

/* What a peer that is broken, or not our friend, makes of its headers. */
static void tamper(FrctEnd *e, uint8_t *packet, size_t size) {
        bool sometimes = dice_below(&e->dice, 4) == 0;

        if (size < FRCT_HEADER_BYTES)
                return;

        switch (e->options.tamper) {

        case FRCT_TAMPER_NOTHING:
                break;

        case FRCT_TAMPER_ACKNOWLEDGEMENT:
                if (!sometimes)
                        break;
                _fallthrough_;

        case FRCT_TAMPER_ACKNOWLEDGEMENTS:
                packet[0] |= 0x04;
                packet[8] ^= (uint8_t) (1U + dice_below(&e->dice, 127));
                break;

        case FRCT_TAMPER_WINDOW:
                if (!sometimes)
                        break;
                packet[0] |= 0x08;
                packet[1 + dice_below(&e->dice, 3)] -= (uint8_t) dice_below(&e->dice, 256);
                break;
        }
}

static int end_transmit(FrctEnd *e, nsec_t now) {
        uint8_t packet[65536 + CHECKSUM_BYTES];
        size_t size, room = e->options.config.packet_max;

        while (e->error == 0 && now >= e->blocked_until && (size = frct_transmit(e->frct, packet, room, now)) > 0) {
                int r;

                verdict_checked(e->verdict);
                if (size > room)
                        verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u: a packet of %zu bytes, of %zu",
                                     e->index, size, room);
                if (e->options.busy > 0 && dice_chance(&e->dice, e->options.busy)) {
                        frct_untransmit(e->frct, now);
                        e->blocked_until = now + NSEC_PER_MSEC;
                        break;
                }

                tamper(e, packet, size);
                if (e->options.checksum) {
                        checksum_write(packet + size, checksum_add(0, packet, size));
                        size += CHECKSUM_BYTES;
                }
                e->n_packets++;
                liveness_sent(&e->liveness, now / NSEC_PER_USEC);
                r = frct_air_send(e->air, e->path, e->peer->index, packet, size, now);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int end_keep_alive(FrctEnd *e, nsec_t now) {
        switch (liveness_expire(&e->liveness, now / NSEC_PER_USEC)) {

        case LIVENESS_NOTHING:
        case LIVENESS_ASK:      /* only of who has control keys */
                break;

        case LIVENESS_SEND:
                liveness_sent(&e->liveness, now / NSEC_PER_USEC);
                return frct_air_send(e->air, e->path, e->peer->index, NULL, 0, now);

        case LIVENESS_DEAD:
                return end_fail(e, -EHOSTDOWN, now);
        }

        return 0;
}

nsec_t frct_end_slot(FrctEnd *e, nsec_t now) {
        if (e->options.late == 0)
                return now;
        if (now > e->slot)
                e->slot = now + dice_below(&e->late_dice, e->options.late);

        return e->slot;
}

int frct_end_receive(FrctEnd *e, const FrctPacket *packet, nsec_t now) {
        size_t size = packet->size;

        if (e->error < 0)
                return 0;

        liveness_heard(&e->liveness, now / NSEC_PER_USEC);
        e->heard_at = now;
        if (packet->closes) {
                if (!e->ended)
                        return end_fail(e, -ECONNRESET, now);
                return 0;
        }
        if (size == 0)
                return 0;

        if (e->options.checksum) {
                if (!checksum_is_good(packet->bytes, size)) {
                        e->n_garbled++;
                        return 0;
                }
                size -= CHECKSUM_BYTES;
        }
        frct_receive(e->frct, packet->bytes, size, packet->marked, now);
        return 0;
}

/* -- what must hold -- */

/* With what is accepted in vain, R is all the time that there is; a peer that is there and takes nothing is none of
 * that. */
static void check_progress(FrctEnd *e, const FrctStats *stats, nsec_t now) {
        if (stats->bytes_acknowledged != e->acknowledged || stats->bytes_unacknowledged == 0 || e->error < 0 ||
            e->peer->options.never_reads || e->peer->options.read_gap > NSEC_PER_SEC) {
                e->acknowledged = stats->bytes_acknowledged;
                e->progress_at = now;
                return;
        }

        verdict_checked(e->verdict);
        if (now > e->progress_at + PATIENCE)
                verdict_fail(e->verdict, now / NSEC_PER_USEC,
                             "end %u: %zu bytes are neither acknowledged nor given up", e->index,
                             stats->bytes_unacknowledged);
}

static void check_bounds(FrctEnd *e, const FrctStats *stats, nsec_t now) {
        const FrctConfig *config = &e->options.config;
        size_t send_max = config->send_max ?: FRCT_BUFFER_MAX, receive_max = config->receive_max ?: FRCT_BUFFER_MAX;

        receive_max += e->peer->options.message_max;    /* one that was begun may be finished */

        verdict_checked(e->verdict);
        if (e->exceeded)
                return;
        if (stats->bytes_unacknowledged > send_max)
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u keeps %zu bytes to send, of %zu", e->index,
                             stats->bytes_unacknowledged, send_max);
        if (stats->bytes_readable > receive_max)
                verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u keeps %zu bytes to read, of %zu", e->index,
                             stats->bytes_readable, receive_max);
        e->exceeded = stats->bytes_unacknowledged > send_max || stats->bytes_readable > receive_max;
}

/* It wants to go on at once, although nothing came of it. */
static void check_spins(FrctEnd *e, uint64_t n_packets, nsec_t now) {
        if (e->wake > now || n_packets != e->n_packets) {
                e->n_spins = 0;
                return;
        }

        verdict_checked(e->verdict);
        if (++e->n_spins != SPINS_MAX)
                return;
        verdict_fail(e->verdict, now / NSEC_PER_USEC, "end %u wakes up again and again for nothing", e->index);
        e->error = -EDEADLK;
        e->error_at = now;
}

static nsec_t end_next(const FrctEnd *e, nsec_t now) {
        nsec_t next = frct_next(e->frct, now), alive = liveness_next(&e->liveness);

        if (now < e->blocked_until && next <= e->blocked_until)
                next = e->blocked_until;
        if (e->options.tick > 0 && next != NSEC_INFINITY && next > now)
                next = (next + e->options.tick - 1) / e->options.tick * e->options.tick;
        if (alive != USEC_INFINITY)
                next = MIN(next, alive * NSEC_PER_USEC);

        return MIN(next, frct_program_next(e, now));
}

int frct_end_run(FrctEnd *e, nsec_t now) {
        uint64_t n_packets = e->n_packets;
        FrctStats stats;
        int r;

        if (e->error < 0) {
                e->wake = NSEC_INFINITY;
                return 0;
        }

        if (frct_next(e->frct, now) <= now)
                frct_expire(e->frct, now);
        r = frct_program_run(e, now);
        if (r < 0)
                return r;
        r = end_transmit(e, now);
        if (r < 0)
                return r;
        r = end_keep_alive(e, now);
        if (r < 0)
                return r;

        r = frct_ended(e->frct);
        if (r < 0 && r != -ENOTCONN) {
                r = end_fail(e, r, now);
                if (r < 0)
                        return r;
        }

        frct_stats(e->frct, &stats);
        check_progress(e, &stats, now);
        check_bounds(e, &stats, now);
        e->wake = e->error < 0 ? NSEC_INFINITY : end_next(e, now);
        check_spins(e, n_packets, now);
        return 0;
}
