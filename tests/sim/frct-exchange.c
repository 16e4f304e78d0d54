/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/frct-exchange.h"

#define SPAN ((nsec_t) 1200 * NSEC_PER_SEC)

/* low to high, small values as likely as large ones. */
static uint64_t spread(Dice *d, uint64_t low, uint64_t high) {
        uint64_t top = high;

        for (uint64_t n = dice_below(d, 12); n > 0 && top / 2 > low; n--)
                top /= 2;

        return dice_between(d, low, MAX(top, low));
}

/* Nothing, or anything up to most. */
static double some(Dice *d, double probability, double most) {
        return dice_chance(d, probability) ? most * (double) dice_below(d, 1001) / 1000 : 0;
}

static void path_options(Dice *d, bool extended, bool checksum, size_t packet_max, FrctPathOptions *ret) {
        *ret = (FrctPathOptions) {
                .delay = spread(d, 10 * NSEC_PER_USEC, 500 * NSEC_PER_MSEC),
                .loss = some(d, 0.6, 0.3),
                .duplicate = some(d, 0.3, 0.2),
                .reorder = some(d, 0.4, 0.3),
                .corrupt = checksum ? some(d, 0.3, 0.1) : 0,
        };
        ret->jitter = dice_chance(d, 0.5) ? dice_below(d, ret->delay + 1) : 0;

        if (dice_chance(d, 0.4)) {
                ret->rate = spread(d, 20000, 100000000);
                ret->queue = dice_between(d, packet_max * 4, 400000);
                ret->mark = dice_chance(d, 0.5) ? ret->queue / 4 : 0;
        }
        if (dice_chance(d, 0.05)) {
                ret->black_from = NSEC_PER_SEC + dice_below(d, 3 * NSEC_PER_SEC);
                ret->black_to = ret->black_from + dice_below(d, 140 * NSEC_PER_SEC);
        }
        if (extended && packet_max > 600 && dice_chance(d, 0.1)) {
                ret->shrink_at = NSEC_PER_SEC + dice_below(d, 2 * NSEC_PER_SEC);
                ret->shrink_to = dice_between(d, 400, packet_max);
        }
}

static void end_options(Dice *d, const FrctConfig *config, bool checksum, FrctEndOptions *ret) {
        size_t room;

        *ret = (FrctEndOptions) {
                .config = *config,
                .checksum = checksum,
                .timeout_ms = 120000,
                .tick = dice_chance(d, 0.3) ? NSEC_PER_MSEC : 0,
                .busy = some(d, 0.1, 0.05),
                .n_messages = dice_below(d, 16),
                .message_min = 1,
                .start = dice_chance(d, 0.5) ? dice_below(d, NSEC_PER_SEC) : 0,
                .gap = dice_chance(d, 0.5) ? dice_below(d, 200 * NSEC_PER_MSEC) : 0,
                .finish = config->reliable && dice_chance(d, 0.8),
                .impatient = dice_chance(d, 0.2),
                .read_gap = dice_chance(d, 0.2) ? dice_below(d, 50 * NSEC_PER_MSEC) : 0,
                .read_max = dice_chance(d, 0.3) ? spread(d, 16, 20000) : 0,
                .look = dice_chance(d, 0.3),
        };
        ret->config.send_max = dice_chance(d, 0.3) ? dice_between(d, 20000, 300000) : 0;
        ret->config.receive_max = dice_chance(d, 0.3) ? dice_between(d, config->packet_max * 16, 300000) : 0;

        room = config->packet_max - FRCT_HEADER_BYTES;
        if (config->extended)           /* large messages now and then: a run of them takes as long as a hundred
                                         * others */
                room = dice_chance(d, 0.02) ? 200000 : dice_chance(d, 0.3) ? 18000 : 1000;
        if (!config->reliable) {
                ret->message_min = 4;   /* the number */
                room = MIN(room, 5000U);
        }
        ret->message_max = MIN(spread(d, ret->message_min, room), 18000U);
        if (room > 18000 && ret->config.send_max == 0 && ret->config.receive_max == 0)
                ret->message_max = spread(d, 18000, room);
}

void frct_exchange_options(uint64_t seed, FrctRunOptions *ret) {
        FrctConfig config = {};
        bool checksum;
        Dice d;

        dice_init(&d, seed, 7);
        config.reliable = dice_chance(&d, 0.85);
        config.extended = dice_chance(&d, 0.75);
        config.stream = config.reliable && config.extended && dice_chance(&d, 0.3);
        config.packet_max = dice_chance(&d, 0.5) ? 1400 : dice_between(&d, 400, 9000);
        config.mpl = 100 * NSEC_PER_MSEC;
        checksum = dice_chance(&d, 0.6);

        *ret = (FrctRunOptions) {
                .seed = seed,
                .n_pairs = 1,
                .span = SPAN,
                .idle = dice_chance(&d, 0.5),
        };
        for (unsigned i = 0; i < 2; i++) {
                path_options(&d, config.extended && config.reliable, checksum, config.packet_max, &ret->paths[i]);
                end_options(&d, &config, checksum, &ret->ends[i]);
        }
        for (unsigned i = 0; i < 2; i++)        /* a reader that takes crumbs gets through within the span all the
                                                 * same */
                if (ret->ends[i].read_gap > 0 && ret->ends[i].read_max > 0)
                        ret->ends[i].read_max = MAX(ret->ends[i].read_max, ret->ends[1 - i].message_max / 100);
        if (dice_chance(&d, 0.5)) {     /* mostly what is bad is bad for both */
                ret->paths[1].black_from = ret->paths[0].black_from;
                ret->paths[1].black_to = ret->paths[0].black_to;
        }
        for (unsigned i = 0; i < 2 && !config.reliable; i++) {
                ret->ends[i].config.hold_max = dice_chance(&d, 0.7) ? dice_below(&d, 60 * NSEC_PER_MSEC) : 0;
                ret->ends[i].config.spread = dice_chance(&d, 0.7) ? dice_below(&d, 10 * NSEC_PER_MSEC) : 0;
                ret->ends[i].config.rate = dice_chance(&d, 0.3) ? spread(&d, 1000, 10000000) : 0;
        }
}

int frct_exchanges_run(uint64_t seed, uint64_t n, Verdict *verdict, FrctExchanges *ret) {
        Trace all = {};

        *ret = (FrctExchanges) {};
        for (uint64_t i = 0; i < n; i++) {
                FrctRunOptions options;
                FrctRunResult result;
                int r;

                frct_exchange_options(seed + i, &options);
                r = frct_run(&options, verdict, &result);
                if (r < 0)
                        return r;

                ret->n_runs++;
                ret->n_whole += result.n_whole;
                ret->n_given_up += result.n_given_up;
                ret->n_packets += result.n_packets;
                ret->n_events += result.n_events;
                ret->bytes += result.bytes;
                trace_mix(&all, result.digest);
        }

        ret->digest = all.digest;
        return 0;
}
