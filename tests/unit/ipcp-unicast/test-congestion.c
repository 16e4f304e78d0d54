/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Congestion avoidance: levels as the reference has them, pacing in virtual time, and flows that share a bottleneck. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/congestion.h"

#define START (100 * USEC_PER_SEC)
#define SLOT ((usec_t) 16777)

/* -- receiving -- */

static void test_levels(void **state) {
        static const struct {
                uint8_t ecn;
                bool tell;
                uint16_t level;
        } steps[] = {
                { 0, false, 0 },        { 0, false, 0 },
                { 3, true, 3 },         /* the first mark */
                { 3, false, 6 },        { 3, true, 9 },         /* counter 0, 1 */
                { 0, false, 2 },        /* a quarter, without a word */
                { 0, true, 0 },         { 0, false, 0 },        /* down to nothing: told once */
                { 255, true, 255 },
                { 255, false, 503 },    /* 255 - 7 + 255 */
                { 255, true, 743 },     /* 503 - 15 + 255 */
                { 255, false, 975 },    { 255, false, 1200 },   { 255, false, 1418 },  { 255, false, 1629 },
                { 255, false, 1834 },   { 255, false, 2032 },   { 255, false, 2224 },  { 255, true, 2410 },
        };
        Congestion c;

        congestion_init(&c, CONGESTION_MB_ECN, START);
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                uint16_t level = 0xdead;

                assert_int_equal(congestion_received(&c, steps[i].ecn, &level), steps[i].tell);
                assert_int_equal(level, steps[i].tell ? steps[i].level : 0xdead);
                assert_int_equal(c.measured, steps[i].level);
        }
}

/* The hardest marking for ever: the level settles, and never wraps. */
static void test_level_settles(void **state) {
        Congestion c;
        uint16_t level = 0;

        congestion_init(&c, CONGESTION_MB_ECN, START);
        for (unsigned i = 0; i < 100000; i++) {
                uint16_t before = c.measured;

                (void) congestion_received(&c, 255, &level);
                assert_true(c.measured >= before);
        }
        assert_in_range(c.measured, 32 * 254, 32 * 256);
}

static void test_marks(void **state) {
        assert_int_equal(congestion_mark(CONGESTION_MB_ECN, 0), 0);
        assert_int_equal(congestion_mark(CONGESTION_MB_ECN, 15), 0);
        assert_int_equal(congestion_mark(CONGESTION_MB_ECN, 16), 1);
        assert_int_equal(congestion_mark(CONGESTION_MB_ECN, 256), 16);
        assert_int_equal(congestion_mark(CONGESTION_MB_ECN, 4096), 255);        /* not 0 again */
        assert_int_equal(congestion_mark(CONGESTION_MB_ECN, UINT32_MAX), 255);
        assert_int_equal(congestion_mark(CONGESTION_NONE, 4096), 0);
}

/* -- sending -- */

/* Sends all that is allowed at this moment, in packets of this size. Returns bytes. */
static uint64_t send_all(Congestion *c, size_t size, usec_t now, usec_t *ret_again) {
        uint64_t sum = 0;
        unsigned n;

        while ((n = congestion_budget(c, 32, now, ret_again)) > 0) {
                assert_true(n <= 32);
                congestion_sent(c, n, n * size, now);
                sum += n * size;
        }

        return sum;
}

/* Sends for so long, and hears this level after every eighth packet. Returns bytes per second. */
static uint64_t send_for(Congestion *c, size_t size, uint16_t level, usec_t duration, usec_t *now) {
        usec_t begin = *now, again;
        uint64_t sum = 0;

        while (*now < begin + duration) {
                unsigned n = congestion_budget(c, 8, *now, &again);

                if (n == 0) {
                        assert_true(again > *now && again <= *now + USEC_PER_SEC);
                        *now = again;
                        continue;
                }

                congestion_sent(c, n, n * size, *now);
                congestion_update(c, level, *now);
                sum += n * size;
        }

        return sum * USEC_PER_SEC / duration;
}

static void test_slow_start(void **state) {
        Congestion c;
        usec_t now = START, again = 0;
        uint64_t before = 0;

        congestion_init(&c, CONGESTION_MB_ECN, now);
        for (unsigned i = 0; i < 8; i++) {
                uint64_t sent = send_all(&c, 1000, now, &again), per_second = sent * USEC_PER_SEC / c.slot_usec;

                if (i == 0)
                        assert_in_range(sent, 65536, 65536 + 1000);
                else
                        assert_in_range(per_second, 18 * before / 10, 22 * before / 10);

                before = per_second;
                assert_int_equal(again, now + c.slot_usec);
                assert_int_equal(congestion_budget(&c, 32, again - 1, &again), 0);
                now = again;
        }
}

/* Silence is not use: the limit of a flow that sends little does not grow beyond all bounds. */
static void test_slow_start_unused(void **state) {
        Congestion c;
        usec_t now = START, again;

        congestion_init(&c, CONGESTION_MB_ECN, now);
        for (unsigned i = 0; i < 1000; i++, now += SLOT) {
                assert_int_equal(congestion_budget(&c, 1, now, &again), 1);
                congestion_sent(&c, 1, 100, now);
        }

        now += 3600 * USEC_PER_SEC;
        assert_true(send_all(&c, 1000, now, &again) <= 65536 + 32 * 1000);      /* packets were small so far */
}

/* Under a standing report the rate falls slot by slot; 33 packets without one, and it rises again, slowly. */
static void test_report(void **state) {
        Congestion c;
        usec_t now = START;
        uint64_t rate, before;

        congestion_init(&c, CONGESTION_MB_ECN, now);
        before = send_for(&c, 1500, 1024, 5 * SLOT, &now);      /* an eighth less per slot */
        for (unsigned i = 0; i < 3; i++, before = rate) {
                rate = send_for(&c, 1500, 1024, 20 * SLOT, &now);
                assert_true(rate < before * 2 / 3);
        }
        assert_true(c.avoiding);

        congestion_update(&c, 1024, now);
        congestion_sent(&c, 32, 32 * 100, now);
        assert_int_equal(c.level, 1024);
        congestion_sent(&c, 1, 100, now);
        assert_int_equal(c.level, 0);
        assert_true(c.avoiding);

        for (unsigned i = 0; i < 3; i++, before = rate) {
                rate = send_for(&c, 1500, 0, 3 * USEC_PER_SEC, &now);
                assert_true(rate > before);
        }
        assert_in_range(rate, 12 * 29000000 / 8 / 2, 12 * 29000000 / 8);        /* 29 Mbit/s more in each second */
}

/* Whatever is reported, and however large packets are: one may go within a second. */
static void test_never_stuck(void **state) {
        static const size_t sizes[] = { 1, 1500, 9000, 65000 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                Congestion c;
                usec_t now = START, again;

                congestion_init(&c, CONGESTION_MB_ECN, now);
                for (unsigned n = 0; n < 2000; n++) {
                        while (congestion_budget(&c, 1, now, &again) == 0) {
                                assert_true(again > now && again <= now + USEC_PER_SEC);
                                now = again;
                        }
                        congestion_sent(&c, 1, sizes[i], now);
                        congestion_update(&c, UINT16_MAX, now);
                }
        }
}

static void test_slot_length(void **state) {
        static const struct {
                const char *name;
                size_t size;
                bool longer;            /* than at first */
        } cases[] = {
                { "small packets: 218 fit at first", 300, false },
                { "large packets: seven do", 9000, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Congestion c;
                usec_t now = START;

                print_message("%s\n", cases[i].name);
                congestion_init(&c, CONGESTION_MB_ECN, now);
                (void) send_for(&c, cases[i].size, 0, 20 * SLOT, &now);

                /* One change of its length may still be due. */
                assert_in_range(c.limit_bytes / cases[i].size, 4, 128);
                assert_int_equal(c.slot_usec > SLOT, cases[i].longer);
        }
}

/* Woken a millisecond too late each time, at a gigabit and more: hardly anything is lost, and nothing gained. */
static void test_late_timers(void **state) {
        Congestion c;
        usec_t now = START, begin, again;
        uint64_t rate, sent = 0;

        congestion_init(&c, CONGESTION_MB_ECN, now);
        while (c.limit_bytes * USEC_PER_SEC / c.slot_usec < 125000000) {
                (void) send_all(&c, 1400, now, &again);
                now = again;
        }
        congestion_update(&c, 0, now);
        rate = c.limit_bytes * USEC_PER_SEC / c.slot_usec;

        for (begin = now; now < begin + USEC_PER_SEC; now = again + USEC_PER_MSEC)
                sent += send_all(&c, 1400, now, &again);
        assert_in_range(sent, 8 * rate / 10, 11 * rate / 10);
}

static void test_none(void **state) {
        Congestion c;
        usec_t again = 0;
        uint16_t level = 0;

        congestion_init(&c, CONGESTION_NONE, START);
        for (unsigned i = 0; i < 1000; i++) {
                assert_int_equal(congestion_budget(&c, 32, START, &again), 32);
                congestion_sent(&c, 32, 32 * 9000, START);
                assert_false(congestion_received(&c, 255, &level));
                congestion_update(&c, UINT16_MAX, START);
        }
}

/* -- several flows through one bottleneck -- */

#define TICK 100U                       /* usec */
#define PATH_TICKS 50U                  /* from the receiver back to the sender */
#define SIM_QUEUE 256U
#define SIM_FLOWS 3U

typedef struct SimFlow {
        Congestion sender, receiver;
        usec_t begin, again;
        size_t packet_bytes;
        uint16_t reports[PATH_TICKS];   /* on their way */
        bool reported[PATH_TICKS];
        uint64_t delivered;             /* bytes, since counting began */
} SimFlow;

typedef struct SimPacket {
        SimFlow *flow;
        uint8_t ecn;
} SimPacket;

typedef struct Sim {
        usec_t now;
        unsigned tick;
        SimFlow flows[SIM_FLOWS];
        unsigned n_flows;
        SimPacket queue[SIM_QUEUE];
        unsigned first, n;
        uint64_t rate;                  /* bytes per second */
        uint64_t credit;                /* of the bottleneck: bytes × 10^6 */
        uint64_t n_sent, n_lost;
} Sim;

static void sim_send(Sim *s, SimFlow *f) {
        unsigned n;

        if (s->now < f->begin || s->now < f->again)
                return;

        n = congestion_budget(&f->sender, 8, s->now, &f->again);
        for (unsigned i = 0; i < n; i++, s->n_sent++) {
                if (s->n == SIM_QUEUE) {
                        s->n_lost++;
                        continue;
                }

                s->queue[(s->first + s->n++) % SIM_QUEUE] = (SimPacket) {
                        .flow = f,
                        .ecn = congestion_mark(CONGESTION_MB_ECN, s->n),
                };
        }
        congestion_sent(&f->sender, n, n * f->packet_bytes, s->now);
}

static void sim_serve(Sim *s) {
        s->credit = MIN(s->credit + s->rate * TICK, 2 * s->rate * TICK + 2000 * USEC_PER_SEC);

        while (s->n > 0) {
                SimPacket packet = s->queue[s->first];
                uint64_t cost = packet.flow->packet_bytes * USEC_PER_SEC;
                unsigned slot = s->tick % PATH_TICKS;

                if (s->credit < cost)
                        return;

                s->credit -= cost;
                s->first = (s->first + 1) % SIM_QUEUE;
                s->n--;
                packet.flow->delivered += packet.flow->packet_bytes;
                if (congestion_received(&packet.flow->receiver, packet.ecn, &packet.flow->reports[slot]))
                        packet.flow->reported[slot] = true;
        }
}

static void sim_run(Sim *s, usec_t duration) {
        for (usec_t end = s->now + duration; s->now < end; s->now += TICK, s->tick++) {
                unsigned slot = s->tick % PATH_TICKS;

                for (unsigned i = 0; i < s->n_flows; i++) {
                        SimFlow *f = &s->flows[(i + s->tick) % s->n_flows];

                        if (f->reported[slot])
                                congestion_update(&f->sender, f->reports[slot], s->now);
                        f->reported[slot] = false;
                        sim_send(s, f);
                }
                sim_serve(s);
        }
}

static const struct {
        const char *name;
        uint64_t rate;
        size_t packet_bytes[SIM_FLOWS];
        unsigned n_flows;
} sim_cases[] = {
        { "two flows, 10 Mbit/s",       1250000,   { 1000, 1000 },      2 },
        { "two flows, 100 Mbit/s",      12500000,  { 1400, 1400 },      2 },
        { "two flows, 1 Gbit/s",        125000000, { 1400, 1400 },      2 },
        { "two sizes, 100 Mbit/s",      12500000,  { 1400, 300 },       2 },
        { "three flows, 100 Mbit/s",    12500000,  { 1400, 1400, 1400 }, 3 },
};

/* Each flow begins when those before it have all there is. In the end no share is more than twice another (that is what
 * slots of different length do), the link is full, and hardly anything is lost. */
static void test_fairness(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(sim_cases); i++) {
                _cleanup_free_ Sim *s = calloc(1, sizeof(*s));
                double sum = 0, squares = 0, index, used;
                uint64_t n_sent, n_lost;

                assert_non_null(s);
                s->now = START;
                s->rate = sim_cases[i].rate;
                s->n_flows = sim_cases[i].n_flows;
                for (unsigned f = 0; f < s->n_flows; f++) {
                        s->flows[f].begin = START + f * 5 * USEC_PER_SEC;
                        s->flows[f].packet_bytes = sim_cases[i].packet_bytes[f];
                        congestion_init(&s->flows[f].sender, CONGESTION_MB_ECN, s->flows[f].begin);
                        congestion_init(&s->flows[f].receiver, CONGESTION_MB_ECN, s->flows[f].begin);
                }

                sim_run(s, 40 * USEC_PER_SEC);
                n_sent = s->n_sent;
                n_lost = s->n_lost;
                for (unsigned f = 0; f < s->n_flows; f++)
                        s->flows[f].delivered = 0;
                sim_run(s, 20 * USEC_PER_SEC);

                for (unsigned f = 0; f < s->n_flows; f++) {
                        double share = (double) s->flows[f].delivered / 20;

                        sum += share;
                        squares += share * share;
                }
                index = sum * sum / (s->n_flows * squares);
                used = sum / (double) s->rate;
                print_message("%-26s fairness %.3f, used %.3f, lost %.4f\n", sim_cases[i].name, index, used,
                              (double) (s->n_lost - n_lost) / (double) (s->n_sent - n_sent));

                assert_true(index > 0.85);
                assert_true(used > 0.9);
                assert_true((s->n_lost - n_lost) * 100 <= s->n_sent - n_sent);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_levels),
                cmocka_unit_test(test_level_settles),
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_slow_start),
                cmocka_unit_test(test_slow_start_unused),
                cmocka_unit_test(test_report),
                cmocka_unit_test(test_never_stuck),
                cmocka_unit_test(test_slot_length),
                cmocka_unit_test(test_late_timers),
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_fairness),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
