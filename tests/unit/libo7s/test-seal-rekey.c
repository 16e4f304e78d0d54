/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Epochs and generations: keys change when they have to, whatever is lost, and what is old or never was does not
 * open. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libo7s/seal-epoch.h"
#include "tests/support/seal-pair.h"

#define SEC NSEC_PER_SEC

/* Whether there is no memory for another key. */
static bool no_memory;

int __real_seal_aead_init(SealAead *aead, SealCipher cipher, const uint8_t *key);
int __wrap_seal_aead_init(SealAead *aead, SealCipher cipher, const uint8_t *key);

int __wrap_seal_aead_init(SealAead *aead, SealCipher cipher, const uint8_t *key) {
        return no_memory ? -ENOMEM : __real_seal_aead_init(aead, cipher, key);
}

static void pair(SealPair *p, const SealLimits *limits) {
        SealKeys keys[2];

        seal_pair_keys(SEAL_O7S, SEAL_AES_128_GCM, false, keys);
        seal_pair_init(p, keys, limits);
}

/* A packet that is not delivered yet. */
static size_t hold(SealPair *p, unsigned from, uint8_t packet[64]) {
        ssize_t n = seal_protect(p->ends[from], p->now, "held", 4, packet, 64);

        assert_int_equal(n, 25);
        return (size_t) n;
}

static void deliver(SealPair *p, unsigned at, const uint8_t packet[64], ssize_t r) {
        char content[8];

        assert_int_equal(seal_open(p->ends[at], p->now, packet, 25, content, sizeof(content)), r);
        if (r == 4)
                assert_memory_equal(content, "held", 4);
}

/* -- epochs -- */

static const struct {
        const char *name;
        SealLimits limits;
        unsigned n_packets;
        nsec_t gap;
        unsigned n_epochs;              /* begun after the first */
} epochs[] = {
        { "none is over", { .epoch_packets = 16 }, 16, 0, 0 },
        { "the first is over", { .epoch_packets = 16 }, 17, 0, 1 },
        { "many", { .epoch_packets = 16 }, 16 * 600, 0, 599 },
        { "each packet its own", { .epoch_packets = 1 }, 300, 0, 299 },
        { "by time", {}, 10, 60 * SEC, 4 },
        { "a moment before", {}, 10, 13 * SEC, 0 },
        { "idle for long", {}, 3, 590 * SEC, 2 },
};

static void test_epochs(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(epochs); i++) {
                SealPair p;

                print_message("%s\n", epochs[i].name);
                pair(&p, &epochs[i].limits);
                for (unsigned n = 0; n < epochs[i].n_packets; n++) {
                        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                        p.now += epochs[i].gap;
                }
                assert_int_equal(seal_counters(p.ends[0])->n_epochs, epochs[i].n_epochs);
                assert_int_equal(seal_counters(p.ends[1])->n_epochs, 0);        /* the other direction has its own */
                assert_int_equal(seal_counters(p.ends[1])->n_opened, epochs[i].n_packets);
                seal_pair_done(&p);
        }
}

static void test_default_limit(void **state) {
        SealPair p;

        pair(&p, NULL);
        for (unsigned n = 0; n < 1U << 20; n++) {
                uint8_t packet[64];

                (void) hold(&p, 0, packet);
                assert_int_equal(packet[1], 0);
                if (n % 65536 == 0)
                        deliver(&p, 1, packet, 4);
        }
        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
        assert_int_equal(seal_counters(p.ends[0])->n_epochs, 1);
        seal_pair_done(&p);
}

/* Packets that were held back while the sender went on. */
static const struct {
        const char *name;
        unsigned n_since;               /* packets of the sender since; an epoch has 16 */
        nsec_t later;
        ssize_t r;
} held[] = {
        { "the same epoch", 3, 0, 4 },
        { "one epoch ago", 16, 0, 4 },
        { "one epoch ago, just in time", 16, 3 * SEC - 1, 4 },
        { "one epoch ago, too late", 16, 3 * SEC, -EALREADY },
        { "two epochs ago", 32, 0, 4 },
        { "three epochs ago", 48, 0, 4 },
        { "four epochs ago: nobody reorders by so much", 64, 0, -EALREADY },
};

static void test_held(void **state) {
        const SealLimits limits = { .epoch_packets = 16 };

        for (size_t i = 0; i < ELEMENTSOF(held); i++) {
                uint8_t packet[64];
                SealPair p;

                print_message("%s\n", held[i].name);
                pair(&p, &limits);
                (void) hold(&p, 0, packet);
                for (unsigned n = 0; n < held[i].n_since; n++)
                        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                p.now += held[i].later;
                deliver(&p, 1, packet, held[i].r);
                if (held[i].r == 4)
                        deliver(&p, 1, packet, -EALREADY);
                seal_pair_done(&p);
        }
}

/* Whole epochs are lost. */
static const struct {
        const char *name;
        unsigned n_lost;                /* epochs of 16 packets */
        unsigned n_more;                /* that follow them, until one is taken */
} lost[] = {
        { "one", 1, 0 },
        { "two", 2, 0 },
        { "as many as the header can tell apart from old ones", 247, 0 },
        { "as many as look like old ones: it waits until they do not", 250, 8 },
        { "a round of the header's epoch", 256 + 40, 0 },
        { "a quarter of a generation", 1024 + 40, 0 },
        { "nearly a generation", 4000, 0 },
};

static void test_lost_epochs(void **state) {
        const SealLimits limits = { .epoch_packets = 16 };

        for (size_t i = 0; i < ELEMENTSOF(lost); i++) {
                uint8_t packet[64];
                unsigned n_refused = 0;
                SealPair p;

                print_message("%s\n", lost[i].name);
                pair(&p, &limits);
                for (unsigned n = 0; n < lost[i].n_lost * 16; n++)
                        (void) hold(&p, 0, packet);
                while (n_refused < 1000 && seal_pair_pass(&p, 0, 30) < 0)
                        n_refused++;
                assert_true(n_refused <= lost[i].n_more * 16);
                assert_true((n_refused > 0) == (lost[i].n_more > 0));
                for (unsigned n = 0; n < 100; n++)
                        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                seal_pair_done(&p);
        }
}

/* Who forges epochs far ahead makes us work now and then, not with each packet, and keeps nobody out for long. */
static void test_forged_epochs(void **state) {
        const SealLimits limits = { .epoch_packets = 16 };
        uint8_t packet[64], content[64];
        unsigned n_tries = 0;
        SealReceiver receiver = {};
        SealEpochKind kind = { .cipher = SEAL_AES_128_GCM };
        const uint8_t secret[SEAL_SECRET_BYTES] = { 1 };
        SealPair p;

        assert_int_equal(seal_chain_init(&receiver.chain, &kind, 0, 0, secret), 0);
        for (unsigned n = 0; n < 100000; n++) { /* within one second */
                SealAhead ahead;
                nsec_t now = SEC + n * SEC / 100000;

                if (seal_ahead_begin(&ahead, &receiver, 0, (uint8_t) (2 + n % 200), now) < 0)
                        continue;
                while (seal_ahead_next(&ahead, &kind) > 0)
                        ;
                n_tries += ahead.epoch;
                seal_ahead_end(&ahead, &receiver, now);
        }
        assert_in_range(n_tries, 4096, 6 * 4096);
        seal_receiver_done(&receiver);

        pair(&p, &limits);
        for (unsigned n = 0; n < 1000; n++) {
                memset(packet, (int) n, sizeof(packet));
                packet[0] = 0;
                packet[1] = (uint8_t) (n / 16 + 2 + n % 200);
                assert_int_equal(seal_open(p.ends[1], p.now, packet, 50, content, sizeof(content)), -EBADMSG);
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);        /* which need no looking ahead */
        }
        for (unsigned n = 0; n < 20 * 16; n++)
                (void) hold(&p, 0, packet);
        assert_int_equal(seal_open(p.ends[1], p.now, packet, 25, content, sizeof(content)), -EBADMSG);
        p.now += SEC;
        assert_int_equal(seal_open(p.ends[1], p.now, packet, 25, content, sizeof(content)), 4);
        assert_int_equal(seal_counters(p.ends[1])->n_forged, 1001);
        seal_pair_done(&p);
}

/* -- generations -- */

static const struct {
        const char *name;
        SealLimits limits;
        nsec_t pause;
        unsigned n_packets;
        unsigned from;
        bool due;                       /* then the client has something to say */
} triggers[] = {
        { "young", {}, 599 * SEC, 1, 0, false },
        { "old, and the client says something", {}, 600 * SEC, 1, 0, true },
        { "old, and the server says something", {}, 600 * SEC, 1, 1, true },
        { "old, and nobody says anything", {}, 6000 * SEC, 0, 0, false },
        { "the client has said less than it may", { .generation_packets = 50 }, 0, 50, 0, false },
        { "the client has said much", { .generation_packets = 50 }, 0, 51, 0, true },
        { "the server has said much", { .generation_packets = 50 }, 0, 50, 1, true },
};

static void test_triggers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(triggers); i++) {
                SealPair p;

                print_message("%s\n", triggers[i].name);
                pair(&p, &triggers[i].limits);
                p.now += triggers[i].pause;
                for (unsigned n = 0; n < triggers[i].n_packets; n++)
                        assert_int_equal(seal_pair_pass(&p, triggers[i].from, 30), 30);
                assert_int_equal(seal_next(p.ends[0]) <= p.now, triggers[i].due);
                assert_true(seal_next(p.ends[1]) == NSEC_INFINITY);
                (void) seal_pair_talk(&p, 0, 10 * SEC);
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(seal_counters(p.ends[k])->n_generations, triggers[i].due);
                assert_true(seal_next(p.ends[0]) == NSEC_INFINITY);     /* and then it is quiet */
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                assert_int_equal(seal_pair_pass(&p, 1, 30), 30);
                seal_pair_done(&p);
        }
}

/* Whichever of the first control packets are lost. Data goes through all the time, in both directions. */
static void test_lost_control(void **state) {
        unsigned most = 0;

        for (uint32_t pattern = 0; pattern < 1U << 10; pattern++) {
                SealPair p;
                unsigned n;

                pair(&p, NULL);
                p.now += 600 * SEC;
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(seal_pair_pass(&p, k, 30), 30);
                n = seal_pair_talk(&p, pattern, 200 * SEC);
                /* a flow that is used repeats itself for ever */
                for (unsigned round = 0; round < 6; round++) {
                        for (unsigned k = 0; k < 2; k++)
                                assert_int_equal(seal_pair_pass(&p, k, 30), 30);
                        n += seal_pair_talk(&p, 0, 40 * SEC);
                }
                most = MAX(most, n);
                for (unsigned k = 0; k < 2; k++) {
                        assert_int_equal(seal_counters(p.ends[k])->n_generations, 1);
                        assert_int_equal(seal_counters(p.ends[k])->n_forged, 0);
                        assert_true(seal_next(p.ends[k]) == NSEC_INFINITY);
                }
                seal_pair_done(&p);
        }
        assert_in_range(most, 4, 24);
}

/* What an end has to say, to the other one. */
static void control(SealPair *p, unsigned from) {
        uint8_t packet[SEAL_CONTROL_MAX], content[64];
        ssize_t n = seal_pair_control(p, from, packet);

        assert_true(n > 0);
        assert_int_equal(seal_open(p->ends[!from], p->now, packet, (size_t) n, content, sizeof(content)), 0);
}

/* A client that asks with two shares, and then uses the first one's generation, which the server gave up for the
 * second one's, for which it had no memory. */
static void test_two_shares(void **state) {
        uint8_t packet[64];
        SealKeys keys[2];
        SealPair p, q;
        Seal *first;

        pair(&p, NULL);
        seal_pair_keys(SEAL_O7S, SEAL_AES_128_GCM, false, keys);
        seal_pair_init(&q, keys, NULL);

        p.now += 600 * SEC;
        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
        control(&p, 0);
        control(&p, 1);                         /* and so the client is in the next generation */
        (void) hold(&p, 0, packet);

        /* The same client, in its next packets but with another share. */
        first = p.ends[0];
        p.ends[0] = q.ends[0];
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(seal_protect(p.ends[0], p.now, "skip", 4, (uint8_t[64]) {}, 64), 25);
        control(&p, 0);
        no_memory = true;
        assert_int_equal(seal_pair_control(&p, 1, (uint8_t[SEAL_CONTROL_MAX]) {}), 0);
        no_memory = false;

        deliver(&p, 1, packet, -EBADMSG);
        assert_int_equal(seal_pair_pass(&p, 1, 30), 30);
        (void) seal_pair_talk(&p, 0, 10 * SEC);         /* it asks again */
        assert_int_equal(seal_counters(p.ends[1])->n_generations, 1);
        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
        assert_int_equal(seal_pair_pass(&p, 1, 30), 30);

        q.ends[0] = first;
        seal_pair_done(&q);
        seal_pair_done(&p);
}

/* Late copies of each message, during and after: they open, once, and do no harm. */
static void test_late_control(void **state) {
        uint8_t packets[64][SEAL_CONTROL_MAX], content[64];
        unsigned owners[64], n = 0;
        SealPair p;

        pair(&p, NULL);
        for (unsigned generation = 1; generation < 10; generation++) {
                p.now += 600 * SEC;
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                n = 0;
                for (unsigned step = 0; step < 40 && n + 2 < ELEMENTSOF(packets); step++, p.now += SEC / 10)
                        for (unsigned k = 0; k < 2; k++) {
                                ssize_t size = seal_pair_control(&p, k, packets[n]);

                                if (size <= 0)
                                        continue;
                                memset(packets[n] + size, 0, SEAL_CONTROL_MAX - (size_t) size);
                                packets[n][SEAL_CONTROL_MAX - 1] = (uint8_t) size;
                                owners[n] = k;
                                assert_int_equal(seal_open(p.ends[!k], p.now, packets[n], (size_t) size, content,
                                                           sizeof(content)), 0);
                                n++;
                                for (unsigned again = 0; again < n; again++)
                                        assert_int_equal(seal_open(p.ends[!owners[again]], p.now, packets[again],
                                                                   packets[again][SEAL_CONTROL_MAX - 1], content,
                                                                   sizeof(content)),
                                                         -EALREADY);
                        }
                assert_int_equal(n, 4);
                for (unsigned k = 0; k < 2; k++)
                        assert_int_equal(seal_counters(p.ends[k])->n_generations, generation);
        }
        seal_pair_done(&p);
}

/* A generation ago: for three seconds. Its last epoch may even begin late. */
static void test_held_generation(void **state) {
        static const struct {
                nsec_t later;
                ssize_t r;
        } cases[] = { { 0, 4 }, { 2 * SEC, 4 }, { 3 * SEC, -EALREADY }, { 700 * SEC, -EALREADY } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t packets[2][64];
                SealPair p;
                nsec_t since;

                pair(&p, NULL);
                p.now += 600 * SEC;
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                for (unsigned k = 0; k < 2; k++)
                        (void) hold(&p, k, packets[k]);
                (void) seal_pair_talk(&p, 0, SEC / 2);
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                assert_int_equal(seal_pair_pass(&p, 1, 30), 30);
                since = p.now;
                p.now = since + cases[i].later - (cases[i].later > 0 && cases[i].later < 3 * SEC ? SEC / 2 : 0);
                for (unsigned k = 0; k < 2; k++)
                        deliver(&p, !k, packets[k], cases[i].r);
                seal_pair_done(&p);
        }
}

/* The old keys go when their time is over, without a packet. */
static void test_forgets(void **state) {
        const SealLimits limits = { .epoch_packets = 16 };
        uint8_t packet[64];
        SealPair p;

        pair(&p, &limits);
        for (unsigned n = 0; n < 17; n++)
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
        assert_true(seal_next(p.ends[1]) == p.now + 3 * SEC);
        p.now += 3 * SEC;
        assert_int_equal(seal_transmit(p.ends[1], p.now, (uint8_t[SEAL_SECRET_BYTES]) {}, packet, sizeof(packet)), 0);
        assert_true(seal_next(p.ends[1]) == NSEC_INFINITY);
        seal_pair_done(&p);
}

/* -- the peer does not take part -- */

static void test_expired(void **state) {
        uint8_t packet[64];

        for (unsigned k = 0; k < 2; k++) {
                SealPair p;
                nsec_t first;
                ssize_t n = 25;

                pair(&p, NULL);
                p.now += 600 * SEC;
                first = p.now;
                for (; n > 0 && p.now < first + 3600 * SEC; p.now += SEC) {
                        n = seal_protect(p.ends[k], p.now, "held", 4, packet, sizeof(packet));
                        (void) seal_pair_control(&p, 0, packet);        /* all of it is lost */
                }
                assert_int_equal(n, -EKEYEXPIRED);
                assert_true(p.now >= first + 600 * SEC && p.now <= first + 602 * SEC);

                /* The path is whole again, and so is the flow. */
                p.now += 60 * SEC;
                (void) seal_pair_pass(&p, 0, 30);
                (void) seal_pair_pass(&p, 1, 30);
                (void) seal_pair_talk(&p, 0, 60 * SEC);
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);
                assert_int_equal(seal_pair_pass(&p, 1, 30), 30);
                seal_pair_done(&p);
        }
}

/* By number: a few times as many as a generation has. */
static void test_expired_by_number(void **state) {
        const SealLimits limits = { .generation_packets = 100 };
        uint8_t packet[64];
        unsigned n = 0;
        SealPair p;

        pair(&p, &limits);
        while (n < 1000 && seal_protect(p.ends[1], p.now, "held", 4, packet, sizeof(packet)) > 0)
                n++;
        assert_int_equal(n, 400);
        assert_int_equal(seal_protect(p.ends[1], p.now, "held", 4, packet, sizeof(packet)), -EKEYEXPIRED);
        assert_int_equal(seal_pair_pass(&p, 0, 30), 30);        /* the other direction has its own */
        seal_pair_done(&p);
}

/* A packet an hour, for days: never refused, and never an old generation for long. */
static void test_slow(void **state) {
        for (unsigned k = 0; k < 2; k++) {
                SealPair p;

                pair(&p, NULL);
                for (unsigned hour = 0; hour < 200; hour++) {
                        p.now += 3600 * SEC;
                        assert_int_equal(seal_pair_pass(&p, k, 30), 30);
                        (void) seal_pair_talk(&p, hour % 3 == 0 ? 0xffff : 0, 10 * SEC);
                }
                assert_true(seal_counters(p.ends[!k])->n_generations > 100);
                seal_pair_done(&p);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_epochs),
                cmocka_unit_test(test_default_limit),
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_lost_epochs),
                cmocka_unit_test(test_forged_epochs),
                cmocka_unit_test(test_triggers),
                cmocka_unit_test(test_lost_control),
                cmocka_unit_test(test_two_shares),
                cmocka_unit_test(test_late_control),
                cmocka_unit_test(test_held_generation),
                cmocka_unit_test(test_forgets),
                cmocka_unit_test(test_expired),
                cmocka_unit_test(test_expired_by_number),
                cmocka_unit_test(test_slow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
