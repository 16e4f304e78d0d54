/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of contacts: distance, places and spares, who may replace whom, who is evicted, and that it is bounded. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/dht-contact.h"

#define ID_SIZE 32U
#define K 4U
#define NOW (100 * USEC_PER_SEC)

static const DhtPeer own = { .address = 1 };    /* its id is all zeroes: the distance to it is the other id */

static DhtPeer peer_of(uint64_t address, uint8_t first, uint8_t last) {
        DhtPeer peer = { .address = address };

        peer.id[0] = first;
        peer.id[ID_SIZE - 1] = last;
        return peer;
}

static int setup(void **state) {
        DhtContacts *contacts = malloc(sizeof(*contacts));

        if (!contacts)
                return -1;
        dht_contacts_init(contacts, &own, ID_SIZE, K);
        *state = contacts;
        return 0;
}

static int teardown(void **state) {
        dht_contacts_done(*state);
        free(*state);
        return 0;
}

static int seen(DhtContacts *contacts, DhtPeer peer, bool verified, usec_t now) {
        return dht_contacts_seen(contacts, &peer, verified, now);
}

static void test_distance(void **state) {
        static const struct {
                const char *name;
                uint8_t key[4], a[4], b[4];
                int sign;
                size_t common;          /* bits of a and b */
        } rows[] = {
                { "equal",           { 1, 2, 3, 4 }, { 5, 6, 7, 8 }, { 5, 6, 7, 8 }, 0,  32 },
                { "first byte",      { 0, 0, 0, 0 }, { 1, 0, 0, 0 }, { 2, 0, 0, 0 }, -1, 6 },
                { "to the key",      { 3, 0, 0, 0 }, { 1, 0, 0, 0 }, { 2, 0, 0, 0 }, 1,  6 },
                { "last bit counts", { 9, 9, 9, 9 }, { 9, 9, 9, 9 }, { 9, 9, 9, 8 }, -1, 31 },
                { "first bit",       { 255, 0, 0, 0 }, { 128, 0, 0, 0 }, { 127, 0, 0, 0 }, -1, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                print_message("%s\n", rows[i].name);
                assert_int_equal(dht_distance_compare(rows[i].key, rows[i].a, rows[i].b, 4), rows[i].sign);
                assert_int_equal(dht_distance_compare(rows[i].key, rows[i].b, rows[i].a, 4), -rows[i].sign);
                assert_int_equal(dht_common_bits(rows[i].a, rows[i].b, 4), rows[i].common);
        }
}

static void test_seen(void **state) {
        DhtContacts *c = *state;

        assert_int_equal(seen(c, peer_of(1, 5, 0), true, NOW), -EINVAL);        /* our address */
        assert_int_equal(seen(c, peer_of(2, 0, 0), true, NOW), -EINVAL);        /* our id */

        assert_int_equal(seen(c, peer_of(2, 5, 0), false, NOW), 1);
        assert_int_equal(seen(c, peer_of(2, 5, 0), false, NOW + 1), 0);
        assert_int_equal(dht_contacts_get(c, 2)->seen_usec, NOW);               /* anybody could have sent that */
        assert_int_equal(seen(c, peer_of(2, 5, 0), true, NOW + 2), 1);
        assert_int_equal(seen(c, peer_of(2, 5, 0), true, NOW + 3), 0);
        assert_int_equal(dht_contacts_get(c, 2)->seen_usec, NOW + 3);

        /* Another id at that address, or that id at another address: only who answers is believed. */
        assert_int_equal(seen(c, peer_of(2, 6, 0), false, NOW), -EEXIST);
        assert_int_equal(seen(c, peer_of(3, 5, 0), false, NOW), -EEXIST);
        assert_int_equal(dht_contacts_get(c, 2)->peer.id[0], 5);
        assert_int_equal(seen(c, peer_of(2, 6, 0), true, NOW), 1);
        assert_int_equal(dht_contacts_get(c, 2)->peer.id[0], 6);
        assert_int_equal(seen(c, peer_of(3, 6, 0), true, NOW), 1);
        assert_null(dht_contacts_get(c, 2));
        assert_int_equal(c->n, 1);
}

/* A full bucket: newcomers wait as spares, and the best of them gets a place as soon as one fails. */
static void test_spares(void **state) {
        DhtContacts *c = *state;

        for (unsigned i = 0; i < K; i++) {
                assert_null(dht_contacts_oldest(c, peer_of(0, 0x80, 99).id));
                assert_int_equal(seen(c, peer_of(10 + i, 0x80, (uint8_t) i), true, NOW - i), 1);
        }
        assert_int_equal(dht_contacts_oldest(c, peer_of(0, 0x80, 99).id)->peer.address, 10 + K - 1);
        assert_null(dht_contacts_oldest(c, peer_of(0, 0x40, 99).id));

        for (unsigned i = 0; i < K; i++)
                assert_int_equal(seen(c, peer_of(20 + i, 0x80, (uint8_t) (100 + i)), i == 2, NOW), 1);
        assert_int_equal(seen(c, peer_of(30, 0x80, 200), true, NOW), -ENOSPC);
        assert_true(dht_contacts_get(c, 20)->spare);
        assert_false(dht_contacts_get(c, 10)->spare);

        /* A neighbouring bucket has its own places. */
        assert_int_equal(seen(c, peer_of(31, 0x40, 0), true, NOW), 1);
        assert_false(dht_contacts_get(c, 31)->spare);

        for (unsigned i = 1; i < DHT_CONTACT_FAILURES_MAX; i++)
                assert_false(dht_contacts_failed(c, 10));
        assert_true(dht_contacts_failed(c, 10));
        assert_null(dht_contacts_get(c, 10));
        assert_false(dht_contacts_get(c, 22)->spare);   /* the one that had answered */
        assert_int_equal(c->n_evicted, 1);
        assert_int_equal(seen(c, peer_of(30, 0x80, 200), true, NOW), 1);
}

static void test_failures(void **state) {
        DhtContacts *c = *state;

        assert_int_equal(seen(c, peer_of(2, 5, 0), true, NOW), 1);
        for (unsigned i = 1; i < DHT_CONTACT_FAILURES_MAX; i++)
                assert_false(dht_contacts_failed(c, 2));
        assert_int_equal(seen(c, peer_of(2, 5, 0), true, NOW), 0);      /* an answer: it starts anew */
        assert_false(dht_contacts_failed(c, 2));
        assert_false(dht_contacts_failed(c, 99));

        for (unsigned i = 2; i < DHT_CONTACT_FAILURES_MAX; i++)
                assert_false(dht_contacts_failed(c, 2));
        assert_true(dht_contacts_failed(c, 2));
        assert_int_equal(c->n, 0);
}

/* Against sorting everything. */
static void test_closest(void **state) {
        DhtContacts *c = *state;
        DhtPeer all[64], ret[10];
        uint32_t random = 1;

        for (unsigned i = 0; i < ELEMENTSOF(all); i++) {
                all[i] = (DhtPeer) { .address = 100 + i };
                for (unsigned j = 0; j < ID_SIZE; j++) {
                        random = random * 1664525 + 1013904223;
                        all[i].id[j] = (uint8_t) (random >> 24);
                }
                (void) dht_contacts_seen(c, &all[i], i % 5 != 0, NOW);
        }

        for (unsigned round = 0; round < ELEMENTSOF(all); round++) {
                const uint8_t *key = all[round].id;
                size_t n, n_all = 0;

                n = dht_contacts_closest(c, key, round % 2 == 0, ELEMENTSOF(ret), ret);
                assert_int_equal(n, ELEMENTSOF(ret));
                for (size_t i = 1; i < n; i++)
                        assert_true(dht_distance_compare(key, ret[i - 1].id, ret[i].id, ID_SIZE) < 0);

                for (size_t i = 0; i < c->n; i++) {
                        const DhtContact *contact = &c->contacts[i];

                        if (!contact->spare && (contact->verified || round % 2 != 0) &&
                            dht_distance_compare(key, contact->peer.id, ret[n - 1].id, ID_SIZE) <= 0)
                                n_all++;
                }
                assert_int_equal(n_all, n);             /* nobody closer was left out */
                if (round % 2 == 0) {
                        assert_int_equal(dht_contacts_closer(c, key, ret[n - 1].id, 99), n - 1);
                        assert_int_equal(dht_contacts_closer(c, key, ret[n - 1].id, 3), 3);
                }
        }
}

static void test_doubtful(void **state) {
        const usec_t retry = 5 * USEC_PER_SEC, silent = 900 * USEC_PER_SEC;
        DhtContacts *c = *state;

        assert_int_equal(seen(c, peer_of(2, 5, 0), true, NOW), 1);
        assert_null(dht_contacts_doubtful(c, retry, silent, NOW + silent - 1));
        assert_int_equal(dht_contacts_doubtful(c, retry, silent, NOW + silent)->peer.address, 2);
        assert_null(dht_contacts_doubtful(c, retry, silent, NOW + silent + retry - 1));
        assert_int_equal(seen(c, peer_of(2, 5, 0), true, NOW + silent), 0);

        assert_int_equal(seen(c, peer_of(3, 6, 0), false, NOW), 1);     /* never answered */
        assert_int_equal(dht_contacts_doubtful(c, retry, silent, NOW + 1)->peer.address, 3);
        assert_null(dht_contacts_doubtful(c, retry, silent, NOW + 2));
        assert_int_equal(dht_contacts_doubtful(c, retry, silent, NOW + 1 + retry)->peer.address, 3);
}

/* Somebody who invents members, as close to us as ids go, fills a table of limited size. */
static void test_bounded(void **state) {
        DhtContacts *c = *state;
        unsigned n_added = 0;

        for (unsigned i = 0; i < 20000; i++) {
                DhtPeer peer = { .address = 2 + i };
                unsigned bit = i % (ID_SIZE * 8);

                peer.id[bit / 8] = (uint8_t) (0x80 >> bit % 8);
                memcpy(peer.id + ID_SIZE - 4, &i, 4);
                n_added += dht_contacts_seen(c, &peer, true, NOW) > 0;
        }

        assert_in_range(n_added, 1, DHT_CONTACTS_MAX);
        assert_in_range(c->n, 1, DHT_CONTACTS_MAX);
        assert_in_range(c->n_buckets, 1, ID_SIZE * 8 + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_distance),
                cmocka_unit_test_setup_teardown(test_seen, setup, teardown),
                cmocka_unit_test_setup_teardown(test_spares, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
                cmocka_unit_test_setup_teardown(test_closest, setup, teardown),
                cmocka_unit_test_setup_teardown(test_doubtful, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
