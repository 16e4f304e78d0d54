/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directory as its members see it: many of them in virtual time, with loss, deaths, partitions and strangers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/directory-internal.h"
#include "tests/support/directory-net.h"

#define SEC USEC_PER_SEC
#define MS USEC_PER_MSEC

/* n members that join one after the other through any that is there, and register the name of their own number. */
static Net *network(unsigned n, unsigned loss_percent) {
        Net *net = net_new(n + 8, n);

        net->loss_percent = loss_percent;
        for (unsigned i = 0; i < n; i++) {
                Node *node = net_add(net, i > 0 ? &net->nodes[net_random(net) % i] : NULL);

                net_register(node, i);
                net_run(net, 20 * MS);
        }

        net_run(net, 60 * SEC);
        return net;
}

static unsigned logarithm(unsigned n) {
        unsigned bits = 0;

        for (; n > 1; n /= 2)
                bits++;
        return bits;
}

static void assert_found(const NetResult *result, uint64_t address) {
        assert_int_equal(result->error, 0);
        assert_int_equal(result->n, 1);
        assert_int_equal(result->addresses[0], address);
        assert_true(result->took <= DIRECTORY_ANSWER_USEC);
}

static void test_alone(void **state) {
        _cleanup_(net_freep) Net *net = net_new(1, 1);
        Node *node = net_add(net, NULL);
        NetResult *result;

        net_register(node, 1);
        for (unsigned name = 0; name < 2; name++) {
                result = net_begin(node, name);
                assert_true(result->done);              /* at once, not some time later */
                assert_int_equal(result->error, -ENOENT);
        }

        net_run(net, 3600 * SEC);
        assert_int_equal(net->n_packets, 0);
        assert_int_equal(directory_next(node->directory), USEC_INFINITY);
}

static void test_everybody_finds_everything(void **state) {
        static const struct {
                const char *name;
                unsigned n, loss_percent;
        } rows[] = {
                { "two",                  2,   0 },
                { "three",                3,   0 },
                { "as many as a bucket",  9,   0 },
                { "more",                 30,  0 },
                { "many",                 150, 0 },
                { "three with loss",      3,   20 },
                { "many with loss",       64,  10 },
        };

        for (size_t row = 0; row < ELEMENTSOF(rows); row++) {
                _cleanup_(net_freep) Net *net = network(rows[row].n, rows[row].loss_percent);
                unsigned n = rows[row].n, step = MAX(n / 16, 1U);
                uint64_t n_lookups = 0, n_rounds = 0;

                print_message("%s\n", rows[row].name);
                for (unsigned name = 0; name < n; name++)
                        for (unsigned i = name % step; i < n; i += step)
                                if (i != name)
                                        assert_found(net_lookup(&net->nodes[i], name), name + 1);

                for (unsigned i = 0; i < n; i++) {
                        const DirectoryStatistics *s = directory_statistics(net->nodes[i].directory);

                        assert_int_equal(s->lookups_failed, 0);
                        assert_int_equal(s->malformed, 0);
                        n_lookups += s->lookups;
                        n_rounds += s->lookup_rounds;
                }
                assert_true(n_rounds <= n_lookups * (logarithm(n) / 2 + 1));
        }
}

/* A name that nobody has: known to be unknown as soon as those close to it have said so. */
static void test_unknown_name(void **state) {
        _cleanup_(net_freep) Net *net = network(40, 0);

        for (unsigned i = 0; i < 40; i++) {
                NetResult *result = net_lookup(&net->nodes[i], 1000 + i);

                assert_int_equal(result->error, -ENOENT);
                assert_true(result->took <= 100 * MS);

                /* Remembered for a moment, and no longer. */
                assert_true(net_begin(&net->nodes[i], 1000 + i)->done);
                net_run(net, DHT_CACHE_MISSING_USEC + MS);
                assert_false(net_begin(&net->nodes[i], 1000 + i)->done);
        }
}

/* Registered while somebody has just been told that it is unknown. */
static void test_registered_later(void **state) {
        _cleanup_(net_freep) Net *net = network(20, 0);

        assert_int_equal(net_lookup(&net->nodes[3], 777)->error, -ENOENT);
        net_register(&net->nodes[5], 777);
        net_run(net, SEC);
        assert_found(net_lookup(&net->nodes[3], 777), 6);
}

static void test_half_of_the_members_die(void **state) {
        _cleanup_(net_freep) Net *net = network(64, 0);
        unsigned n_found = 0, n = 0;

        for (unsigned i = 0; i < 64; i += 2)
                net_kill(&net->nodes[i]);

        /* At once: whoever asks has an answer in time, and mostly the right one. */
        for (unsigned i = 1; i < 64; i += 2)
                for (unsigned name = i % 4; name < 64; name += 4) {
                        NetResult *result;

                        if (name == i)
                                continue;
                        result = net_lookup(&net->nodes[i], name);
                        assert_true(result->took <= DIRECTORY_ANSWER_USEC);
                        n += name % 2;
                        n_found += name % 2 && result->error == 0;
                }
        assert_true(n_found * 100 >= n * 95);

        /* Some time later all is as it should be, but for what the dead had published. */
        net_run(net, 2000 * SEC);
        for (unsigned i = 1; i < 64; i += 2) {
                const DhtContacts *contacts = &net->nodes[i].directory->contacts;

                for (unsigned name = 1; name < 64; name += 2)
                        if (name != i)
                                assert_found(net_lookup(&net->nodes[i], name), name + 1);
                for (size_t c = 0; c < contacts->n; c++)
                        assert_true(net_node(net, contacts->contacts[c].peer.address)->directory);
        }
}

/* What a dead member published ends, though others pass it on. */
static void test_values_end(void **state) {
        _cleanup_(net_freep) Net *net = network(30, 0);

        net_kill(&net->nodes[7]);
        net_run(net, 1800 * SEC);
        assert_found(net_lookup(&net->nodes[20], 7), 8);
        net_run(net, 2 * 3600 * SEC);
        assert_int_equal(net_lookup(&net->nodes[20], 7)->error, -ENOENT);
        for (unsigned i = 0; i < 30; i++)
                if (i != 7)
                        assert_false(dht_store_has(&net->nodes[i].directory->store,
                                                   net_key(7, (uint8_t[NET_ID_SIZE]){}), 8));
}

/* All who keep a value die, one after the other, the owner does nothing: those who are left pass it on. */
static void test_replication(void **state) {
        _cleanup_(net_freep) Net *net = network(60, 0);
        uint8_t key[NET_ID_SIZE];
        unsigned n_killed = 0;

        (void) net_key(3, key);
        net_kill(&net->nodes[3]);
        for (unsigned i = 0; i < 40; i++) {
                if (i != 3 && dht_store_get(&net->nodes[i].directory->store, key) && n_killed < 5) {
                        net_kill(&net->nodes[i]);
                        n_killed++;
                }
        }
        assert_in_range(n_killed, 3, 5);

        net_run(net, 2600 * SEC);
        n_killed = 0;
        for (unsigned i = 0; i < 60; i++)
                n_killed += net->nodes[i].directory && dht_store_get(&net->nodes[i].directory->store, key);
        assert_true(n_killed >= 8);
        assert_found(net_lookup(&net->nodes[59], 3), 4);
}

static void test_unregister(void **state) {
        _cleanup_(net_freep) Net *net = network(30, 0);
        uint8_t key[NET_ID_SIZE];

        assert_found(net_lookup(&net->nodes[20], 7), 8);
        net_unregister(&net->nodes[7], 7);
        net_unregister(&net->nodes[7], 7);
        assert_false(directory_is_registered(net->nodes[7].directory, net_key(7, key), NET_ID_SIZE));
        net_run(net, SEC);
        for (unsigned i = 0; i < 30; i++)
                assert_false(dht_store_has(&net->nodes[i].directory->store, key, 8));
        net_run(net, DHT_CACHE_FOUND_USEC);
        assert_int_equal(net_lookup(&net->nodes[20], 7)->error, -ENOENT);

        net_register(&net->nodes[7], 7);
        net_run(net, SEC);
        assert_found(net_lookup(&net->nodes[20], 7), 8);
}

/* Several members serve a name; those that did not answer are tried last, and do not hide the others. */
static void test_several_addresses(void **state) {
        _cleanup_(net_freep) Net *net = network(40, 0);
        Node *asking = &net->nodes[1];
        uint8_t key[NET_ID_SIZE];
        NetResult *result;
        uint64_t first;

        (void) net_key(500, key);
        for (unsigned i = 10; i < 14; i++)
                net_register(&net->nodes[i], 500);
        net_register(asking, 500);
        net_run(net, 5 * SEC);

        result = net_lookup(asking, 500);
        assert_int_equal(result->error, 0);
        assert_int_equal(result->n, 4);                 /* not ourselves */
        first = result->addresses[0];
        directory_doubt(asking->directory, key, NET_ID_SIZE, first, net->now);
        result = net_lookup(asking, 500);
        assert_int_equal(result->n, 4);
        assert_int_not_equal(result->addresses[0], first);
        assert_int_equal(result->addresses[3], first);

        for (unsigned i = 10; i < 14; i++)
                directory_doubt(asking->directory, key, NET_ID_SIZE, net->nodes[i].peer.address, net->now);
        assert_int_equal(net_lookup(asking, 500)->n, 4);        /* all are doubtful: better than nothing */
}

/* Somebody fills the key of a name with members that do not serve it. */
static void test_poisoned_key(void **state) {
        _cleanup_(net_freep) Net *net = network(40, 0);
        Node *asking = &net->nodes[1];
        uint8_t key[NET_ID_SIZE];
        unsigned n_lookups = 0;
        bool found = false;

        (void) net_key(30, key);
        for (unsigned i = 0; i < 40; i++)
                for (unsigned false_address = 90; false_address < 98; false_address++) {
                        DhtMessage m = { .code = DHT_STORE, .source = net->nodes[5].peer, .value = false_address,
                                         .expires = (uint32_t) (NET_EPOCH + net->now / SEC + 3000) };
                        uint8_t bytes[DHT_MESSAGE_SEND_BYTES_MAX];

                        memcpy(m.key, key, sizeof(key));
                        net_send(&net->nodes[5], i + 1, bytes,
                                 (size_t) dht_message_pack(&m, NET_ID_SIZE, bytes, sizeof(bytes)));
                }
        net_run(net, SEC);

        /* One who asks for it finds the right one with the second lookup at the latest. */
        for (; n_lookups < 2 && !found; n_lookups++) {
                const NetResult *result = net_lookup(asking, 30);

                for (size_t i = 0; i < result->n && !found; i++) {
                        found = result->addresses[i] == 31;
                        if (!found)
                                directory_doubt(asking->directory, key, NET_ID_SIZE, result->addresses[i], net->now);
                }
        }
        assert_true(found);
}

static void test_dead_contacts(void **state) {
        _cleanup_(net_freep) Net *net = network(40, 0);
        NetResult *result;

        for (unsigned i = 1; i < 40; i++)
                net_kill(&net->nodes[i]);
        result = net_lookup(&net->nodes[0], 555);
        assert_int_equal(result->error, -ENETUNREACH);
        assert_true(result->took <= DIRECTORY_ANSWER_USEC);

        /* They come back, with nothing that they knew. */
        net_run(net, 3600 * SEC);
        assert_int_equal(net->nodes[0].directory->contacts.n, 0);
        for (unsigned i = 0; i < 2; i++)
                net_register(net_add(net, &net->nodes[0]), 600 + i);
        net_run(net, 60 * SEC);
        assert_found(net_lookup(&net->nodes[0], 601), 42);
        assert_found(net_lookup(&net->nodes[41], 0), 1);
}

static void test_partition(void **state) {
        _cleanup_(net_freep) Net *net = network(40, 0);

        for (unsigned i = 20; i < 40; i++)
                net->nodes[i].island = 1;
        net_run(net, 2000 * SEC);
        net_register(&net->nodes[2], 900);
        net_register(&net->nodes[22], 901);
        net_run(net, 10 * SEC);
        assert_found(net_lookup(&net->nodes[7], 900), 3);
        assert_int_not_equal(net_lookup(&net->nodes[30], 900)->error, 0);

        for (unsigned i = 20; i < 40; i++)
                net->nodes[i].island = 0;
        net_run(net, 300 * SEC);
        for (unsigned i = 0; i < 40; i++) {
                if (i != 2)
                        assert_found(net_lookup(&net->nodes[i], 900), 3);
                if (i != 22)
                        assert_found(net_lookup(&net->nodes[i], 901), 23);
        }
}

/* The way in does not answer at first. */
static void test_bootstrap_retries(void **state) {
        _cleanup_(net_freep) Net *net = net_new(4, 5);
        Node *first = net_add(net, NULL), *second;

        first->island = 1;
        second = net_add(net, first);
        directory_add_peer(second->directory, 0, net->now);
        directory_add_peer(second->directory, second->peer.address, net->now);
        net_register(first, 1);
        net_run(net, 100 * SEC);
        assert_int_equal(net_lookup(second, 1)->error, -ENETUNREACH);
        assert_in_range(net->n_packets, 4, 60);

        first->island = 0;
        net_run(net, 31 * SEC);
        assert_found(net_lookup(second, 1), 1);
}

/* Restarted at the same address, with another id. */
static void test_restart(void **state) {
        _cleanup_(net_freep) Net *net = network(12, 0);
        Node *node = &net->nodes[4];
        DhtPeer old = node->peer;

        net_kill(node);
        net_revive(node, &net->nodes[0]);
        assert_int_equal(node->peer.address, old.address);
        assert_memory_not_equal(node->peer.id, old.id, NET_ID_SIZE);
        net_register(node, 4);
        net_run(net, 60 * SEC);
        for (unsigned i = 0; i < 12; i++) {
                const DhtContact *contact;

                if (i == 4)
                        continue;
                assert_found(net_lookup(&net->nodes[i], 4), 5);
                contact = dht_contacts_get(&net->nodes[i].directory->contacts, 5);
                assert_non_null(contact);
                assert_memory_equal(contact->peer.id, node->peer.id, NET_ID_SIZE);
        }
}

static void test_many_lookups(void **state) {
        _cleanup_(net_freep) Net *net = network(10, 0);
        Node *node = &net->nodes[0];
        size_t first = net->n_results;
        unsigned n_busy = 0;

        net_run(net, 60 * SEC);
        for (unsigned i = 0; i < DIRECTORY_LOOKUPS_MAX + 100; i++)
                n_busy += net_begin(node, 2000 + i)->error == -EBUSY;
        assert_in_range(n_busy, 100, 100 + DIRECTORY_MAINTENANCE_MAX);

        /* The same name again costs no search; cancelled ones hear nothing. */
        assert_int_equal(net_begin(node, 2000)->error, 0);
        directory_cancel(node->directory, first + 1);
        directory_cancel(node->directory, 123456);
        net_run(net, SEC);
        for (size_t i = first; i < net->n_results; i++)
                assert_int_equal(net->results[i].done, i != first + 1);
        assert_int_equal(node->directory->n_waiters, 0);
        net_run(net, 10 * SEC);
        assert_int_equal(map_size(node->directory->resolving), 0);
}

static void test_names(void **state) {
        _cleanup_(net_freep) Net *net = network(4, 0);
        Node *node = &net->nodes[0];
        uint8_t key[NET_ID_SIZE];
        uint64_t n_packets;

        assert_int_equal(directory_register(node->directory, key, 31, net->now), -EINVAL);
        for (unsigned i = 0; i < DIRECTORY_NAMES_MAX - 1; i++)
                assert_int_equal(directory_register(node->directory, net_key(10000 + i, key), NET_ID_SIZE, net->now),
                                 0);
        assert_int_equal(directory_register(node->directory, net_key(1, key), NET_ID_SIZE, net->now), -ENOSPC);
        assert_int_equal(directory_register(node->directory, net_key(10000, key), NET_ID_SIZE, net->now), 0);

        /* All of them are published, at a pace that is no flood. */
        (void) net_begin(node, 0);
        n_packets = net->n_packets;
        net_run(net, 10 * SEC);
        assert_in_range(net->n_packets - n_packets, 1000, 10 * 250 * 2 * 20);
        net_run(net, 200 * SEC);
        for (unsigned i = 0; i < DIRECTORY_NAMES_MAX - 1; i += 1111)
                assert_found(net_lookup(&net->nodes[1 + i % 3], 10000 + i), 1);
        assert_int_equal(directory_statistics(net->nodes[1].directory)->refused, 0);
}

static void test_to_be_looked_at(void **state) {
        _cleanup_(net_freep) Net *net = network(5, 0);
        Directory *d = net->nodes[0].directory;
        DirectoryContact contact;
        DirectoryEntry entry;
        unsigned n = 0, n_own = 0;
        uint8_t key[NET_ID_SIZE];

        while (directory_contact(d, n, net->now, &contact)) {
                assert_memory_equal(contact.id, net_node(net, contact.address)->peer.id, NET_ID_SIZE);
                n++;
        }
        assert_int_equal(n, 4);

        for (n = 0; directory_entry(d, n, net->now, &entry); n++) {
                assert_int_equal(entry.n_addresses, 1);
                assert_in_range(entry.expires, NET_EPOCH + net->now / SEC, NET_EPOCH + net->now / SEC + 3600);
                assert_memory_equal(entry.hash, net_key((unsigned) entry.addresses[0] - 1, key), NET_ID_SIZE);
                n_own += entry.own;
        }
        assert_int_equal(n, 5);
        assert_int_equal(n_own, 1);
        assert_int_equal(directory_statistics(d)->n_entries, 4);
        assert_int_equal(directory_statistics(d)->n_names, 1);

        directory_refresh(d, net->now);
        net_run(net, 5 * SEC);
        assert_int_equal(directory_statistics(d)->n_contacts, 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_alone),
                cmocka_unit_test(test_everybody_finds_everything),
                cmocka_unit_test(test_unknown_name),
                cmocka_unit_test(test_registered_later),
                cmocka_unit_test(test_half_of_the_members_die),
                cmocka_unit_test(test_values_end),
                cmocka_unit_test(test_replication),
                cmocka_unit_test(test_unregister),
                cmocka_unit_test(test_several_addresses),
                cmocka_unit_test(test_poisoned_key),
                cmocka_unit_test(test_dead_contacts),
                cmocka_unit_test(test_partition),
                cmocka_unit_test(test_bootstrap_retries),
                cmocka_unit_test(test_restart),
                cmocka_unit_test(test_many_lookups),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_to_be_looked_at),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
