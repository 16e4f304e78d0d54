/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The model of a path upon paths: senders that always have something to send share a bottleneck with a queue, in virtual time. Each
 * packet is acknowledged, or known to be lost as soon as a later one is. tests/sim/ has the same with whole flows.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/frct-congestion.h"

#define PACKET 1200U
#define FLOWS_MAX 8U
#define PACKETS_MAX 65536U              /* of one flow, in flight */

typedef struct Line {
        const char *name;
        uint64_t rate;                  /* bytes per second */
        nsec_t delay;                   /* round trip */
        size_t queue;                   /* bytes; more are dropped */
        size_t mark;                    /* bytes; more are marked; 0: never */
        unsigned loss;                  /* per mille, by chance */
        nsec_t tick;                    /* of the senders' timers */
        nsec_t span;
        unsigned n_flows;
        double least_used;              /* of the rate, in the second half */
        double least_fair;
        double most_lost;               /* of the packets, in the second half */
} Line;

typedef struct Sent {
        FrctFlight flight;
        nsec_t back;                    /* when its acknowledgement arrives */
        bool lost, marked;
} Sent;

typedef struct Flow {
        FrctCongestion *congestion;
        Sent *sent;                     /* ring */
        uint64_t head, tail;            /* next to be sent, oldest out */
        size_t in_flight;
        nsec_t wake;
        uint64_t n_delivered, n_lost;   /* packets, in the second half */
} Flow;

typedef struct World {
        const Line *line;
        Flow flows[FLOWS_MAX];
        nsec_t now, busy_until;
        uint64_t dice;
} World;

static unsigned throw(World *w) {
        w->dice = w->dice * UINT64_C(6364136223846793005) + 1442695040888963407U;
        return (unsigned) (w->dice >> 33) % 1000;
}

/* Through the bottleneck. */
static void pass(World *w, Sent *sent) {
        nsec_t begin = MAX(w->now, w->busy_until);
        size_t queued = (size_t) ((begin - w->now) * w->line->rate / NSEC_PER_SEC);

        sent->lost = queued + PACKET > w->line->queue || throw(w) < w->line->loss;
        sent->marked = w->line->mark > 0 && queued > w->line->mark;
        if (queued + PACKET <= w->line->queue)
                w->busy_until = begin + PACKET * NSEC_PER_SEC / w->line->rate;
        sent->back = w->busy_until + w->line->delay;
}

static void flow_send(World *w, Flow *f) {
        f->wake = NSEC_INFINITY;
        for (;;) {
                nsec_t at;

                if (!frct_congestion_may_send(f->congestion, f->in_flight, w->now, &at))
                        return;
                if (at > w->now) {
                        f->wake = w->line->tick > 0 ? (at / w->line->tick + 1) * w->line->tick : at;
                        return;
                }

                assert_true(f->head - f->tail < PACKETS_MAX);
                frct_congestion_sent(f->congestion, PACKET, f->in_flight, w->now, &f->sent[f->head % PACKETS_MAX].flight);
                pass(w, &f->sent[f->head++ % PACKETS_MAX]);
                f->in_flight += PACKET;
        }
}

static nsec_t flow_next(const Flow *f) {
        nsec_t next = f->wake;

        for (uint64_t i = f->tail; i < f->head; i++)
                if (!f->sent[i % PACKETS_MAX].lost)
                        return MIN(next, f->sent[i % PACKETS_MAX].back);

        return f->head > f->tail ? MIN(next, f->sent[(f->head - 1) % PACKETS_MAX].back + NSEC_PER_SEC) : next;
}

static void flow_hear(World *w, Flow *f) {
        bool late = w->now > w->line->span / 2;
        unsigned n_marked = 0;
        nsec_t rtt = NSEC_INFINITY;
        uint64_t last = f->tail;

        for (uint64_t i = f->tail; i < f->head; i++) {
                const Sent *sent = &f->sent[i % PACKETS_MAX];

                if (sent->back > w->now)
                        break;
                if (!sent->lost || sent->back + NSEC_PER_SEC <= w->now)
                        last = i + 1;
        }

        for (; f->tail < last; f->tail++) {
                const Sent *sent = &f->sent[f->tail % PACKETS_MAX];

                f->in_flight -= PACKET;
                if (sent->lost)
                        frct_congestion_lost(f->congestion, PACKET, &sent->flight, w->now);
                else
                        frct_congestion_acknowledged(f->congestion, PACKET, &sent->flight, w->now);
                f->n_lost += late && sent->lost;
                f->n_delivered += late && !sent->lost;
                n_marked += sent->marked && !sent->lost;
                if (!sent->lost)
                        rtt = w->now - sent->flight.sent_at;
        }
        frct_congestion_update(f->congestion, f->in_flight, rtt, n_marked, w->now);
}

static void world_run(World *w) {
        for (unsigned i = 0; i < w->line->n_flows; i++) {
                Flow *f = &w->flows[i];

                assert_int_equal(frct_congestion_new(PACKET, w->now, &f->congestion), 0);
                f->sent = calloc(PACKETS_MAX, sizeof(*f->sent));
                assert_non_null(f->sent);
                f->wake = i * 100 * NSEC_PER_MSEC;
        }

        for (;;) {
                Flow *first = &w->flows[0];
                nsec_t next;

                for (unsigned i = 1; i < w->line->n_flows; i++)
                        if (flow_next(&w->flows[i]) < flow_next(first))
                                first = &w->flows[i];
                next = flow_next(first);
                assert_true(next != NSEC_INFINITY);     /* whoever always has something to send is never stuck */
                if (next > w->line->span)
                        break;

                w->now = MAX(w->now, next);
                flow_hear(w, first);
                flow_send(w, first);
        }
}

static void world_judge(const World *w) {
        double all = 0, squares = 0, lost = 0;

        for (unsigned i = 0; i < w->line->n_flows; i++) {
                double n = (double) w->flows[i].n_delivered;

                all += n;
                squares += n * n;
                lost += (double) w->flows[i].n_lost;
        }

        double used = all * PACKET / ((double) w->line->rate * (double) w->line->span / 2e9);
        double fair = squares > 0 ? all * all / (squares * w->line->n_flows) : 0;

        lost /= MAX(all + lost, 1.0);
        print_message("%-40s used %.3f  fair %.3f  lost %.4f\n", w->line->name, used, fair, lost);
        assert_true(used >= w->line->least_used);
        assert_true(fair >= w->line->least_fair);
        assert_true(lost <= w->line->most_lost);
}

#define MBIT(n) ((uint64_t) (n) * 125000)
#define MS(n) ((nsec_t) (n) * NSEC_PER_MSEC)
#define S(n) ((nsec_t) (n) * NSEC_PER_SEC)

/* Before anything is known there is a first window, paced; a time-out leaves little of it, and sending always goes on. */
static void test_alone(void **state) {
        FrctCongestion *c = NULL;
        FrctFlight flight;
        nsec_t at = 0;
        size_t in_flight = 0;

        assert_int_equal(frct_congestion_new(0, 0, &c), -EINVAL);
        assert_int_equal(frct_congestion_new(PACKET, 0, &c), 0);
        assert_int_equal(frct_congestion_rate(c), 0);
        while (frct_congestion_may_send(c, in_flight, at, &at)) {
                frct_congestion_sent(c, PACKET, in_flight, at, &flight);
                in_flight += PACKET;
                assert_in_range(in_flight, PACKET, frct_congestion_window(c));
        }
        assert_in_range(in_flight, 10 * PACKET, 32 * PACKET);
        assert_in_range(at, 1, MS(10));

        frct_congestion_timeout(c, false, S(1));
        assert_false(frct_congestion_may_send(c, in_flight, S(1), &at));
        assert_true(frct_congestion_may_send(c, 0, S(1), &at));
        assert_in_range(frct_congestion_window(c), PACKET, 4 * PACKET);

        frct_congestion_set_packet_max(c, 9000);
        assert_true(frct_congestion_may_send(c, 0, S(2), &at));
        assert_true(frct_congestion_window(c) >= 2 * 9000);
        c = frct_congestion_free(c);
        assert_null(c);
}

/* What did not leave costs nothing. */
static void test_unsent(void **state) {
        FrctCongestion *c = NULL;
        FrctFlight flight;
        nsec_t before = 0, after = 0;

        assert_int_equal(frct_congestion_new(PACKET, 0, &c), 0);
        for (unsigned i = 0; i < 8; i++)
                frct_congestion_sent(c, PACKET, i * PACKET, 0, &flight);
        assert_true(frct_congestion_may_send(c, 8 * PACKET, 0, &before));
        frct_congestion_sent(c, PACKET, 8 * PACKET, 0, &flight);
        frct_congestion_unsent(c, PACKET, &flight);
        assert_true(frct_congestion_may_send(c, 8 * PACKET, 0, &after));
        assert_int_equal(before, after);
        frct_congestion_free(c);
}

static void test_lines(void **state) {
        static const Line lines[] = {
                { "100 Mbit/s, 100 ms",              MBIT(100),  MS(100), 1250000, 0, 0, 0,     S(20), 1, 0.92, 1, 0.01 },
                { "the same, timers of 1 ms",        MBIT(100),  MS(100), 1250000, 0, 0, MS(1), S(20), 1, 0.92, 1, 0.01 },
                { "a small queue",                   MBIT(100),  MS(100), 125000,  0, 0, 0,     S(20), 1, 0.85, 1, 0.02 },
                { "a small queue, timers of 1 ms",   MBIT(100),  MS(100), 125000,  0, 0, MS(1), S(20), 1, 0.85, 1, 0.02 },
                { "a very long queue",               MBIT(10),   MS(20),  1250000, 0, 0, 0,     S(20), 1, 0.92, 1, 0.01 },
                { "1 Gbit/s, 1 ms",                  MBIT(1000), MS(1),   250000,  0, 0, 0,     S(6),  1, 0.92, 1, 0.01 },
                { "1 Gbit/s, 1 ms, timers of 1 ms",  MBIT(1000), MS(1),   250000,  0, 0, MS(1), S(6),  1, 0.92, 1, 0.01 },
                { "1 Mbit/s, 500 ms",                MBIT(1),    MS(500), 62500,   0, 0, 0,     S(60), 1, 0.85, 1, 0.02 },
                { "64 kbit/s",                       8000,       MS(50),  20000,   0, 0, 0,     S(60), 1, 0.85, 1, 0.10 },
                { "1 % of loss, 10 ms",              MBIT(100),  MS(10),  125000,  0, 10, 0,    S(20), 1, 0.85, 1, 0.02 },
                { "1 % of loss, 50 ms",              MBIT(100),  MS(50),  625000,  0, 10, 0,    S(20), 1, 0.85, 1, 0.02 },
                { "5 % of loss, 10 ms",              MBIT(100),  MS(10),  125000,  0, 50, 0,    S(20), 1, 0.70, 1, 0.07 },
                { "5 % of loss, 50 ms",              MBIT(100),  MS(50),  625000,  0, 50, 0,    S(20), 1, 0.70, 1, 0.07 },
                { "5 % of loss, 50 ms, 10 Mbit/s",   MBIT(10),   MS(50),  62500,   0, 50, 0,    S(20), 1, 0.70, 1, 0.08 },
                { "marks",                           MBIT(100),  MS(50),  625000, 60000, 0, 0,  S(20), 1, 0.90, 1, 0.001 },
                { "eight flows",                     MBIT(100),  MS(40),  500000,  0, 0, 0,     S(60), 8, 0.90, 0.9, 0.02 },
                { "eight flows, timers of 1 ms",     MBIT(100),  MS(40),  500000,  0, 0, MS(1), S(60), 8, 0.90, 0.9, 0.02 },
                { "eight flows, a small queue",      MBIT(100),  MS(40),  100000,  0, 0, 0,     S(60), 8, 0.85, 0.9, 0.05 },
                { "eight flows, a long queue",       MBIT(100),  MS(40),  5000000, 0, 0, 0,     S(60), 8, 0.90, 0.9, 0.02 },
                { "eight flows, marks",              MBIT(100),  MS(40),  500000, 60000, 0, 0,  S(60), 8, 0.90, 0.9, 0.01 },
                { "eight flows, marks, 10 ms",       MBIT(100),  MS(10),  500000, 60000, 0, 0,  S(60), 8, 0.90, 0.9, 0.01 },
                { "eight flows, 1 % of loss",        MBIT(100),  MS(40),  500000,  0, 10, 0,    S(60), 8, 0.85, 0.9, 0.03 },
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                World world = { .line = &lines[i], .dice = 1 };

                world_run(&world);
                world_judge(&world);
                for (unsigned k = 0; k < FLOWS_MAX; k++) {
                        frct_congestion_free(world.flows[k].congestion);
                        free(world.flows[k].sent);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_alone),
                cmocka_unit_test(test_unsent),
                cmocka_unit_test(test_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
