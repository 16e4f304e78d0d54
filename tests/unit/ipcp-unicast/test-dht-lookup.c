/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The search alone, against members that are rows of a table: whom it asks, when it goes on, when it is complete. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/dht-lookup.h"

#define ID_SIZE 32U
#define ALPHA 3U
#define K 4U
#define OWN 1U

static const uint8_t key[HASH_BYTES_MAX];       /* all zeroes: the distance is the id */

static DhtPeer peer_of(uint64_t address, uint8_t distance) {
        return (DhtPeer) { .address = address, .id = { distance } };
}

static void add(DhtLookup *l, uint64_t address, uint8_t distance) {
        const DhtPeer peer = peer_of(address, distance);

        dht_lookup_add(l, &peer, 0);
}

static uint64_t next(DhtLookup *l) {
        const DhtPeer *peer = dht_lookup_next(l);

        return peer ? peer->address : 0;
}

static void answer(DhtLookup *l, uint64_t address, uint8_t distance, uint64_t contact, uint8_t contact_distance) {
        DhtMessage m = { .code = DHT_FIND_NODE_RESPONSE, .source = peer_of(address, distance) };

        if (contact != 0)
                m.contacts[m.n_contacts++] = peer_of(contact, contact_distance);
        dht_lookup_answered(l, &m);
}

static void test_order(void **state) {
        DhtLookup l;
        DhtPeer closest[DHT_K_MAX];

        dht_lookup_init(&l, DHT_PURPOSE_REFRESH, key, ID_SIZE, ALPHA, K, OWN);
        assert_true(dht_lookup_is_complete(&l));        /* nobody to ask */
        assert_int_equal(next(&l), 0);

        add(&l, 50, 50);
        add(&l, 20, 20);
        add(&l, 40, 40);
        add(&l, 30, 30);
        add(&l, 60, 60);
        add(&l, 20, 20);
        add(&l, OWN, 1);
        assert_int_equal(l.n_candidates, 5);
        assert_int_equal(next(&l), 20);
        assert_int_equal(next(&l), 30);
        assert_int_equal(next(&l), 40);
        assert_int_equal(next(&l), 0);                  /* alpha */
        assert_false(dht_lookup_is_complete(&l));

        /* A closer one goes first, and pushes 50 out of the k closest. */
        answer(&l, 30, 30, 10, 10);
        assert_int_equal(next(&l), 10);
        answer(&l, 20, 20, 0, 0);
        answer(&l, 40, 40, 0, 0);
        assert_int_equal(next(&l), 0);
        assert_false(dht_lookup_is_complete(&l));
        answer(&l, 10, 10, 0, 0);
        assert_true(dht_lookup_is_complete(&l));
        assert_int_equal(dht_lookup_closest(&l, closest), 4);
        assert_int_equal(closest[0].address, 10);
        assert_int_equal(closest[3].address, 40);
        assert_int_equal(l.n_rounds, 2);
}

/* A slow one does not count as one of alpha, a failed one gives way to the next farther. */
static void test_slow_and_failed(void **state) {
        DhtLookup l;

        dht_lookup_init(&l, DHT_PURPOSE_RESOLVE, key, ID_SIZE, ALPHA, K, OWN);
        for (unsigned i = 1; i <= 6; i++)
                add(&l, 10 * i, (uint8_t) (10 * i));
        for (unsigned i = 1; i <= ALPHA; i++)
                assert_int_equal(next(&l), 10 * i);
        assert_int_equal(next(&l), 0);

        dht_lookup_slow(&l, 10);
        assert_int_equal(next(&l), 40);
        assert_int_equal(next(&l), 0);
        answer(&l, 20, 20, 0, 0);
        answer(&l, 30, 30, 0, 0);
        answer(&l, 40, 40, 0, 0);
        assert_int_equal(next(&l), 50);                 /* instead of 10, should it fail */
        answer(&l, 50, 50, 0, 0);
        assert_int_equal(next(&l), 0);
        assert_false(dht_lookup_is_complete(&l));       /* it may be the one that knows */
        dht_lookup_failed(&l, 10);
        assert_true(dht_lookup_is_complete(&l));

        /* Late is better than never. */
        answer(&l, 10, 10, 5, 5);
        assert_int_equal(next(&l), 5);
        dht_lookup_failed(&l, 5);
        dht_lookup_failed(&l, 10);                      /* it has answered */
        assert_true(dht_lookup_is_complete(&l));
        assert_int_equal(l.n_answered, 5);
}

/* Nobody answers: everybody is tried, in order, and then it is over. */
static void test_nobody_answers(void **state) {
        DhtLookup l;

        dht_lookup_init(&l, DHT_PURPOSE_RESOLVE, key, ID_SIZE, ALPHA, K, OWN);
        for (unsigned i = 1; i <= 20; i++)
                add(&l, 10 * i, (uint8_t) (10 * i));
        for (unsigned i = 1; i <= 20; i++) {
                assert_false(dht_lookup_is_complete(&l));
                assert_int_equal(next(&l), 10 * i);
                dht_lookup_failed(&l, 10 * i);
        }
        assert_true(dht_lookup_is_complete(&l));
        assert_int_equal(l.n_answered, 0);
}

static void test_values(void **state) {
        DhtLookup l;

        dht_lookup_init(&l, DHT_PURPOSE_RESOLVE, key, ID_SIZE, ALPHA, K, OWN);
        dht_lookup_add_value(&l, OWN);
        for (unsigned i = 0; i < 2 * DHT_LOOKUP_VALUES_MAX; i++) {
                dht_lookup_add_value(&l, 100 + i);
                dht_lookup_add_value(&l, 100 + i);
        }
        assert_int_equal(l.n_values, DHT_LOOKUP_VALUES_MAX);
        assert_int_equal(l.values[0], 100);
        assert_int_equal(l.values[7], 107);
}

/* Each answer names somebody closer who does not exist: it comes to an end. */
static void test_invented_contacts(void **state) {
        DhtLookup l;
        uint64_t address;
        unsigned n = 0;

        dht_lookup_init(&l, DHT_PURPOSE_RESOLVE, key, ID_SIZE, ALPHA, K, OWN);
        add(&l, 2, 255);
        while ((address = next(&l)) != 0) {
                DhtMessage m = { .code = DHT_FIND_NODE_RESPONSE, .source = { .address = address } };

                m.n_contacts = DHT_MESSAGE_CONTACTS_MAX;
                for (unsigned i = 0; i < DHT_MESSAGE_CONTACTS_MAX; i++) {
                        m.contacts[i].address = 1000 * (n + 1) + i;
                        m.contacts[i].id[1] = (uint8_t) (200 - n);
                        m.contacts[i].id[2] = (uint8_t) i;
                }
                m.source.id[1] = (uint8_t) (220 - n);
                dht_lookup_answered(&l, &m);
                assert_in_range(++n, 1, DHT_LOOKUP_ASKED_MAX);
                assert_in_range(l.n_candidates, 1, DHT_LOOKUP_CANDIDATES_MAX);
        }
        assert_true(dht_lookup_is_complete(&l));
}

/* An id that somebody else made up: corrected by who says otherwise, and by the answer. */
static void test_wrong_ids(void **state) {
        DhtLookup l;

        dht_lookup_init(&l, DHT_PURPOSE_RESOLVE, key, ID_SIZE, 1, K, OWN);
        for (unsigned i = 1; i <= K; i++)
                add(&l, 10 * i, (uint8_t) (10 * i));
        add(&l, 7, 200);
        add(&l, 7, 7);
        add(&l, 7, 250);
        assert_int_equal(l.n_candidates, K + 1);
        assert_int_equal(next(&l), 7);
        answer(&l, 7, 99, 0, 0);
        assert_int_equal(l.candidates[K].peer.address, 7);
        assert_int_equal(l.candidates[K].state, DHT_CANDIDATE_ANSWERED);
        assert_int_equal(next(&l), 10);
}

/* Members know a part of the others each; what is found is what sorting all of them gives. */
#define MEMBERS 500U

static void test_finds_the_closest(void **state) {
        static DhtPeer members[MEMBERS];
        static DhtContacts tables[MEMBERS];
        uint32_t random = 7;
        unsigned n_rounds = 0;

        for (unsigned i = 0; i < MEMBERS; i++) {
                members[i] = (DhtPeer) { .address = 2 + i };
                for (unsigned j = 0; j < ID_SIZE; j++) {
                        random = random * 1664525 + 1013904223;
                        members[i].id[j] = (uint8_t) (random >> 24);
                }
        }
        for (unsigned i = 0; i < MEMBERS; i++) {
                dht_contacts_init(&tables[i], &members[i], ID_SIZE, K);
                for (unsigned j = 0; j < MEMBERS; j++)
                        (void) dht_contacts_seen(&tables[i], &members[(i + j) % MEMBERS], true, 1);
        }

        for (unsigned i = 0; i < MEMBERS; i += 7) {
                const uint8_t *target = members[(i * 31 + 5) % MEMBERS].id;
                DhtPeer found[DHT_K_MAX], first[DHT_K_MAX];
                const DhtPeer *peer;
                DhtLookup l;
                size_t n;

                dht_lookup_init(&l, DHT_PURPOSE_REFRESH, target, ID_SIZE, ALPHA, K, members[i].address);
                n = dht_contacts_closest(&tables[i], target, true, K, first);
                for (size_t j = 0; j < n; j++)
                        dht_lookup_add(&l, &first[j], 0);

                while ((peer = dht_lookup_next(&l))) {
                        DhtMessage m = { .code = DHT_FIND_NODE_RESPONSE, .source = *peer };

                        m.n_contacts = dht_contacts_closest(&tables[peer->address - 2], target, true, K, m.contacts);
                        dht_lookup_answered(&l, &m);
                }

                assert_true(dht_lookup_is_complete(&l));
                n = dht_lookup_closest(&l, found);
                assert_int_equal(n, K);
                for (unsigned j = 0; j < MEMBERS; j++)
                        if (j != i && dht_distance_compare(target, members[j].id, found[n - 1].id, ID_SIZE) < 0) {
                                bool listed = false;

                                for (size_t m = 0; m < n; m++)
                                        listed |= found[m].address == members[j].address;
                                assert_true(listed);
                        }
                n_rounds = MAX(n_rounds, l.n_rounds);
        }

        assert_in_range(n_rounds, 2, 10);               /* about the logarithm */
        for (unsigned i = 0; i < MEMBERS; i++)
                dht_contacts_done(&tables[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_slow_and_failed),
                cmocka_unit_test(test_nobody_answers),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_invented_contacts),
                cmocka_unit_test(test_wrong_ids),
                cmocka_unit_test(test_finds_the_closest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
