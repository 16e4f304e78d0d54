/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The directory among members that are not like ours: a peer that does what the reference implementation does and no
 * more, and some that do what nobody should.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/directory-internal.h"
#include "tests/support/directory-net.h"

#define SEC USEC_PER_SEC
#define MS USEC_PER_MSEC

static void say(Node *from, uint64_t to, const DhtMessage *m) {
        uint8_t bytes[DIRECTORY_MESSAGE_BYTES_MAX];
        ssize_t size;

        size = dht_message_pack(m, NET_ID_SIZE, bytes, sizeof(bytes));
        assert_true(size > 0);
        net_send(from, to, bytes, (size_t) size);
}

static DhtMessage message(const DhtPeer *source, DhtCode code, const uint8_t *key, uint64_t cookie) {
        DhtMessage m = { .code = code, .source = *source, .cookie = cookie };

        memcpy(m.key, key, NET_ID_SIZE);
        return m;
}

/* -- a peer as the reference implementation: one batch of questions to its own contacts, no iteration, nobody evicted
 * -- */

#define PEER_ALPHA 3U
#define PEER_MAX 32U

typedef struct Peer {
        DhtPeer contacts[PEER_MAX];
        unsigned n_contacts;
        struct {
                uint8_t key[NET_ID_SIZE];
                uint64_t value;
        } store[PEER_MAX];
        unsigned n_store;
        uint64_t cookie;                        /* of the question under way */
        uint64_t found;
        unsigned n_refused;
} Peer;

static Peer peer;                               /* the foreign node's memory: its callback has no other */

static void peer_meet(const DhtPeer *who) {
        for (unsigned i = 0; i < peer.n_contacts; i++)
                if (peer.contacts[i].address == who->address)
                        return;

        if (peer.n_contacts < PEER_MAX)
                peer.contacts[peer.n_contacts++] = *who;
}

static void peer_answer(Node *node, const DhtMessage *question) {
        DhtMessage m = message(&node->peer, question->code + 1, question->key, question->cookie);

        for (unsigned i = 0; i < MIN(peer.n_contacts, 8U); i++)
                m.contacts[m.n_contacts++] = peer.contacts[i];  /* the one who asks among them */
        for (unsigned i = 0; i < peer.n_store && question->code == DHT_FIND_VALUE_REQUEST; i++)
                if (memcmp(peer.store[i].key, question->key, NET_ID_SIZE) == 0 && m.n_values < 8)
                        m.values[m.n_values++] = peer.store[i].value;

        say(node, question->source.address, &m);
}

static void peer_keep(const uint8_t *key, uint64_t value) {
        for (unsigned i = 0; i < peer.n_store; i++)
                if (memcmp(peer.store[i].key, key, NET_ID_SIZE) == 0 && peer.store[i].value == value)
                        return;

        assert_true(peer.n_store < PEER_MAX);
        memcpy(peer.store[peer.n_store].key, key, NET_ID_SIZE);
        peer.store[peer.n_store++].value = value;
}

static void peer_receive(Node *node, const uint8_t *bytes, size_t size) {
        DhtMessage m;

        assert_int_equal(dht_message_parse(bytes, size, NET_ID_SIZE, &m), 0);
        peer_meet(&m.source);

        switch (m.code) {
        case DHT_STORE:
                if (m.expires < NET_EPOCH + node->net->now / SEC)
                        peer.n_refused++;
                else
                        peer_keep(m.key, m.value);
                break;
        case DHT_FIND_NODE_REQUEST:
        case DHT_FIND_VALUE_REQUEST:
                peer_answer(node, &m);
                break;
        case DHT_FIND_NODE_RESPONSE:
        case DHT_FIND_VALUE_RESPONSE:
                if (m.cookie == peer.cookie)
                        for (size_t i = 0; i < m.n_contacts; i++)
                                if (m.contacts[i].address != node->peer.address)
                                        peer_meet(&m.contacts[i]);
                if (m.cookie == peer.cookie && m.n_values > 0)
                        peer.found = m.values[0];
                break;
        case _DHT_CODE_MAX:
        case _DHT_CODE_INVALID:
                fail();
        }
}

/* Its queries: to alpha contacts, whatever they are; two seconds; the first value wins. */
static uint64_t peer_resolve(Node *node, unsigned name) {
        uint8_t key[NET_ID_SIZE];

        peer.found = 0;
        peer.cookie++;
        for (unsigned i = 0; i < MIN(peer.n_contacts, PEER_ALPHA); i++) {
                DhtMessage m = message(&node->peer, DHT_FIND_VALUE_REQUEST, net_key(name, key), peer.cookie);

                say(node, peer.contacts[i].address, &m);
        }

        net_run(node->net, 2 * SEC);
        return peer.found;
}

static void peer_publish(Node *node, unsigned name) {
        uint8_t key[NET_ID_SIZE];

        peer_keep(net_key(name, key), node->peer.address);
        for (unsigned i = 0; i < MIN(peer.n_contacts, PEER_ALPHA); i++) {
                DhtMessage m = message(&node->peer, DHT_STORE, key, 0);

                m.value = node->peer.address;
                m.expires = (uint32_t) (NET_EPOCH + node->net->now / SEC + 86400);
                say(node, peer.contacts[i].address, &m);
        }
}

static void peer_bootstrap(Node *node, uint64_t via) {
        DhtMessage m = message(&node->peer, DHT_FIND_NODE_REQUEST, node->peer.id, 0x3A61C);

        peer.cookie = m.cookie;
        say(node, via, &m);
        net_run(node->net, SEC);
}

/* It joins through one of us. */
static void test_reference_joins(void **state) {
        _cleanup_(net_freep) Net *net = net_new(16, 3);
        Node *node;
        uint8_t key[NET_ID_SIZE];

        for (unsigned i = 0; i < 8; i++)
                net_register(net_add(net, i > 0 ? &net->nodes[0] : NULL), i);
        net_run(net, 30 * SEC);

        peer = (Peer) {};
        node = net_add_foreign(net, peer_receive);
        peer_bootstrap(node, 1);
        assert_in_range(peer.n_contacts, PEER_ALPHA, 8);
        net_run(net, 30 * SEC);

        peer_publish(node, 50);
        net_run(net, SEC);
        for (unsigned i = 0; i < 8; i++) {
                NetResult *result = net_lookup(&net->nodes[i], 50);

                assert_int_equal(result->error, 0);
                assert_int_equal(result->addresses[0], 9);
                assert_int_equal(peer_resolve(node, i), i + 1);
        }

        /* Some time later everybody has met it, and given it what is its to keep. What we withdraw it refuses. */
        net_run(net, 1800 * SEC);
        assert_int_equal(peer.n_contacts, 8);
        net_unregister(&net->nodes[2], 2);
        net_run(net, SEC);
        assert_true(peer.n_refused >= 1);
        assert_int_equal(peer_resolve(node, 1000), 0);
        assert_true(dht_contacts_get(&net->nodes[0].directory->contacts, 9)->verified);
        assert_false(dht_store_has(&net->nodes[0].directory->store, net_key(2, key), 3));
}

/* One of us joins through it, and another one through that. */
static void test_reference_is_first(void **state) {
        _cleanup_(net_freep) Net *net = net_new(16, 4);
        Node *node = net_add_foreign(net, peer_receive), *ours, *second;

        peer = (Peer) {};
        peer_publish(node, 50);
        ours = net_add(net, node);
        net_register(ours, 1);
        net_run(net, SEC);
        assert_int_equal(net_lookup(ours, 50)->addresses[0], 1);
        assert_int_equal(peer_resolve(node, 1), 2);

        second = net_add(net, ours);
        net_register(second, 2);
        net_run(net, 5 * SEC);
        assert_int_equal(net_lookup(second, 50)->addresses[0], 1);
        assert_int_equal(net_lookup(second, 1)->addresses[0], 2);
        assert_int_equal(peer_resolve(node, 2), 3);
}

/* -- what nobody should do -- */

static unsigned heard_packets;
static size_t heard_bytes;

static void count(Node *node, const uint8_t *bytes, size_t size) {
        heard_packets++;
        heard_bytes += size;
}

static Net *a_few(unsigned n) {
        Net *net = net_new(n + 8, 9);

        heard_packets = 0;
        heard_bytes = 0;
        for (unsigned i = 0; i < n; i++)
                net_register(net_add(net, i > 0 ? &net->nodes[0] : NULL), i);
        net_run(net, 30 * SEC);
        return net;
}

/* Questions in the name of somebody else: he is not sent much more than was said in his name, and not more than a
 * rate. */
static void test_not_an_amplifier(void **state) {
        _cleanup_(net_freep) Net *net = a_few(20);
        Node *attacker = net_add_foreign(net, NULL), *victim = net_add_foreign(net, count);
        uint8_t key[NET_ID_SIZE];
        uint64_t n_bytes = net->n_bytes;
        size_t said = 0;

        for (unsigned i = 0; i < 20000; i++) {
                DhtMessage m = message(&victim->peer, i % 2 ? DHT_FIND_NODE_REQUEST : DHT_FIND_VALUE_REQUEST,
                                       net_key(i, key), i + 1);

                n_bytes = net->n_bytes;
                say(attacker, 1, &m);
                said += net->n_bytes - n_bytes;
                net_run(net, 100);
        }

        /* 10 000 questions a second for two seconds. */
        assert_in_range(heard_packets, 1, DIRECTORY_SENDER_BURST + 3 * DIRECTORY_SENDER_RATE);
        assert_true(heard_bytes <= DIRECTORY_STRANGER_FACTOR * said);
        assert_true(directory_statistics(net->nodes[0].directory)->refused > 0);
        net_run(net, 60 * SEC);
        assert_null(dht_contacts_get(&net->nodes[0].directory->contacts, victim->peer.address));
        for (unsigned i = 1; i < 20; i++)
                assert_int_equal(net_lookup(&net->nodes[0], i)->addresses[0], i + 1);
}

/* A thousand invented members a second say hello. */
static void test_invented_members(void **state) {
        _cleanup_(net_freep) Net *net = a_few(20);
        Node *attacker = net_add_foreign(net, NULL);
        Directory *d = net->nodes[0].directory;

        for (unsigned i = 0; i < 20000; i++) {
                DhtPeer invented = { .address = 1000 + i };
                DhtMessage m;

                for (unsigned j = 0; j < NET_ID_SIZE; j++)
                        invented.id[j] = (uint8_t) net_random(net);
                m = message(&invented, DHT_FIND_NODE_REQUEST, invented.id, 1);
                say(attacker, 1, &m);
                net_run(net, MS);
        }

        assert_in_range(d->contacts.n, 19, DHT_CONTACTS_MAX);
        assert_in_range(map_size(d->requests.by_cookie), 0, 4 * DIRECTORY_PINGS_PER_SEC + 100);
        for (unsigned i = 1; i < 20; i++) {
                NetResult *result = net_lookup(&net->nodes[0], i);

                assert_int_equal(result->error, 0);
                assert_int_equal(result->addresses[0], i + 1);
        }

        /* None of them is passed on, and in the end only members are left. */
        net_run(net, 3600 * SEC);
        for (unsigned i = 0; i < 20; i++) {
                const DhtContacts *contacts = &net->nodes[i].directory->contacts;

                for (size_t j = 0; j < contacts->n; j++)
                        assert_in_range(contacts->contacts[j].peer.address, 1, 20);
        }
}

/* Somebody at another address says that he is a member, or that a member has another id. */
static void test_impostor(void **state) {
        _cleanup_(net_freep) Net *net = a_few(10);
        Node *attacker = net_add_foreign(net, NULL);
        const DhtContact *contact;
        DhtPeer impostor = net->nodes[4].peer;
        DhtMessage m;

        impostor.id[0] ^= 0xff;                         /* his address, another id */
        m = message(&impostor, DHT_FIND_NODE_REQUEST, impostor.id, 1);
        say(attacker, 1, &m);
        impostor = attacker->peer;
        memcpy(impostor.id, net->nodes[5].peer.id, NET_ID_SIZE);        /* another address, his id */
        m = message(&impostor, DHT_FIND_NODE_REQUEST, impostor.id, 1);
        say(attacker, 1, &m);
        net_run(net, 60 * SEC);

        for (unsigned i = 4; i < 6; i++) {
                contact = dht_contacts_get(&net->nodes[0].directory->contacts, i + 1);
                assert_non_null(contact);
                assert_true(contact->verified);
                assert_memory_equal(contact->peer.id, net->nodes[i].peer.id, NET_ID_SIZE);
        }
        assert_null(dht_contacts_get(&net->nodes[0].directory->contacts, attacker->peer.address));
}

/* Withdrawn in the name of the owner, who knows nothing of it. */
static void test_forged_withdrawal(void **state) {
        _cleanup_(net_freep) Net *net = a_few(10);
        Node *attacker = net_add_foreign(net, NULL);
        uint8_t key[NET_ID_SIZE];

        for (unsigned i = 0; i < 10; i++) {
                DhtMessage m = message(&net->nodes[6].peer, DHT_STORE, net_key(6, key), 0);

                m.value = net->nodes[6].peer.address;
                m.expires = 1;
                say(attacker, i + 1, &m);
        }
        net_run(net, SEC);
        for (unsigned i = 0; i < 10; i++)
                if (i != 6)
                        assert_int_equal(net_lookup(&net->nodes[i], 6)->addresses[0], 7);
        assert_true(dht_store_has(&net->nodes[0].directory->store, key, 7));
}

/* The same few bytes, odd each in its way. */
static void test_odd_messages(void **state) {
        _cleanup_(net_freep) Net *net = a_few(3);
        Node *attacker = net_add_foreign(net, NULL);
        Directory *d = net->nodes[0].directory;
        const DirectoryStatistics *s = directory_statistics(d);
        uint8_t key[NET_ID_SIZE], bytes[DHT_MESSAGE_SEND_BYTES_MAX];
        uint64_t malformed = s->malformed, unsolicited = s->unsolicited, refused = s->refused, sent = s->sent;
        DhtMessage m = message(&attacker->peer, DHT_FIND_NODE_REQUEST, net_key(1, key), 7);
        ssize_t size;

        size = dht_message_pack(&m, NET_ID_SIZE, bytes, sizeof(bytes));
        bytes[1] = 9;                                           /* no such code */
        directory_receive(d, bytes, (size_t) size, net->now);
        bytes[1] = 4;                                           /* the parts of another */
        directory_receive(d, bytes, (size_t) size, net->now);
        directory_receive(d, bytes, 0, net->now);
        m.source = net->nodes[0].peer;                          /* ourselves */
        say(attacker, 1, &m);
        m.source = attacker->peer;
        m.source.address = UINT64_C(1) << 40;                   /* no address in this layer */
        say(attacker, 1, &m);
        net_run(net, SEC);
        assert_int_equal(directory_statistics(d)->malformed, malformed + 5);

        m = message(&attacker->peer, DHT_FIND_VALUE_RESPONSE, key, 77);         /* nobody asked */
        m.values[m.n_values++] = attacker->peer.address;
        say(attacker, 1, &m);
        net_run(net, SEC);
        assert_int_equal(directory_statistics(d)->unsolicited, unsolicited + 1);
        assert_int_equal(directory_statistics(d)->sent, sent);

        m = message(&attacker->peer, DHT_STORE, key, 0);
        m.value = 3;
        m.expires = NET_EPOCH;                                  /* over */
        say(attacker, 1, &m);
        m.value = 1;                                            /* our own address */
        m.expires = UINT32_MAX;
        say(attacker, 1, &m);
        net_run(net, SEC);
        assert_int_equal(directory_statistics(d)->refused, refused + 1);
        assert_false(dht_store_has(&d->store, key, 1));

        m.value = 3;                                            /* for ever: not longer than anything else */
        memcpy(m.key, net_key(99, key), NET_ID_SIZE);
        say(attacker, 1, &m);
        net_run(net, SEC);
        assert_true(dht_store_has(&d->store, key, 3));
        net_run(net, 3601 * SEC);
        assert_false(dht_store_has(&d->store, key, 3));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reference_joins),
                cmocka_unit_test(test_reference_is_first),
                cmocka_unit_test(test_not_an_amplifier),
                cmocka_unit_test(test_invented_members),
                cmocka_unit_test(test_impostor),
                cmocka_unit_test(test_forged_withdrawal),
                cmocka_unit_test(test_odd_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
