/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/directory-net.h"

#define RESULTS_MAX 65536U

typedef struct NetPacket {
        Expiry expiry;
        uint64_t from, to;
        size_t size;
        uint8_t bytes[];
} NetPacket;

uint64_t net_random(Net *net) {
        uint64_t z = net->random += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        return z ^ z >> 31;
}

Net *net_new(size_t n_nodes_max, uint64_t seed) {
        Net *net = calloc(1, sizeof(*net));

        *net = (Net) {
                .now = NET_BEGIN,
                .random = seed,
                .nodes = calloc(n_nodes_max, sizeof(*net->nodes)),
                .n_allocated = n_nodes_max,
                .delay_min_usec = USEC_PER_MSEC,
                .delay_max_usec = 5 * USEC_PER_MSEC,
                .results = calloc(RESULTS_MAX, sizeof(*net->results)),
                .config = {
                        .address_bytes = 4,
                        .hash = HASH_SHA3_256,
                        .alpha = 3,
                        .k = 8,
                        .expire_usec = 3600 * USEC_PER_SEC,
                        .refresh_usec = 900 * USEC_PER_SEC,
                        .replicate_usec = 900 * USEC_PER_SEC,
                },
        };
        return net;
}

Net *net_free(Net *net) {
        Expiry *expiry;

        if (!net)
                return NULL;

        while ((expiry = expiry_pop(&net->packets, USEC_INFINITY)))
                free(container_of(expiry, NetPacket, expiry));
        for (size_t i = 0; i < net->n_nodes; i++)
                net->nodes[i].directory = directory_free(net->nodes[i].directory);

        expiry_done(&net->packets);
        expiry_done(&net->node_expiry);
        free(net->nodes);
        free(net->results);
        return mfree(net);
}

/* -- packets -- */

Node *net_node(Net *net, uint64_t address) {
        return address >= 1 && address <= net->n_nodes ? &net->nodes[address - 1] : NULL;
}

void net_send(Node *from, uint64_t to, const uint8_t *message, size_t size) {
        Net *net = from->net;
        NetPacket *packet;

        net->n_packets++;
        net->n_bytes += size;
        if (from->dead || net_random(net) % 100 < net->loss_percent)
                return;

        packet = malloc(sizeof(*packet) + size);
        *packet = (NetPacket) { .from = from->peer.address, .to = to, .size = size };
        memcpy(packet->bytes, message, size);
        (void) expiry_set(&net->packets, &packet->expiry,
                          net->now + net->delay_min_usec +
                          net_random(net) % (net->delay_max_usec - net->delay_min_usec + 1));
}

static void rearm(Node *node) {
        if (node->directory && !node->dead)
                (void) expiry_set(&node->net->node_expiry, &node->expiry, directory_next(node->directory));
        else
                expiry_remove(&node->net->node_expiry, &node->expiry);
}

static void arrive(Net *net, NetPacket *packet) {
        Node *from = net_node(net, packet->from), *to = net_node(net, packet->to);

        if (to && !to->dead && from->island == to->island) {
                if (to->directory)
                        directory_receive(to->directory, packet->bytes, packet->size, net->now);
                else if (to->foreign)
                        to->foreign(to, packet->bytes, packet->size);
                rearm(to);
        }

        free(packet);
}

void net_run(Net *net, usec_t usec) {
        usec_t end = net->now + usec;

        for (;;) {
                usec_t packet = expiry_next(&net->packets), timer = expiry_next(&net->node_expiry);
                Expiry *expiry;

                if (MIN(packet, timer) > end)
                        break;

                net->now = MAX(net->now, MIN(packet, timer));
                if (packet <= timer) {
                        expiry = expiry_pop(&net->packets, net->now);
                        arrive(net, container_of(expiry, NetPacket, expiry));
                } else {
                        Node *node = container_of(expiry_pop(&net->node_expiry, net->now), Node, expiry);

                        directory_expire(node->directory, net->now);
                        rearm(node);
                }
        }

        net->now = end;
}

/* -- events -- */

static void event_send(void *userdata, uint64_t address, const uint8_t *message, size_t size) {
        net_send(userdata, address, message, size);
}

static void event_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n) {
        Node *node = userdata;
        NetResult *result = &node->net->results[lookup];

        assert(!result->done && n <= DIRECTORY_ADDRESSES_MAX);
        *result = (NetResult) { .done = true, .error = error, .began = result->began, .n = n };
        result->took = node->net->now - result->began;
        if (n > 0)
                memcpy(result->addresses, addresses, n * sizeof(*addresses));
}

static int event_random(void *userdata, uint64_t *ret) {
        Node *node = userdata;

        *ret = net_random(node->net);
        return 0;
}

static uint64_t event_unix_time(void *userdata, usec_t now) {
        return NET_EPOCH + now / USEC_PER_SEC;
}

static const DirectoryEvents events = {
        .send = event_send,
        .found = event_found,
        .random = event_random,
        .unix_time = event_unix_time,
};

/* -- nodes -- */

static void draw_id(Node *node) {
        for (size_t i = 0; i < NET_ID_SIZE; i += sizeof(uint64_t)) {
                uint64_t random = net_random(node->net);

                memcpy(node->peer.id + i, &random, sizeof(random));
        }
}

Node *net_add_foreign(Net *net, void (*foreign)(Node *node, const uint8_t *message, size_t size)) {
        Node *node = &net->nodes[net->n_nodes++];

        assert(net->n_nodes <= net->n_allocated);
        *node = (Node) { .net = net, .peer.address = net->n_nodes, .foreign = foreign };
        draw_id(node);
        return node;
}

static void start(Node *node, const Node *via) {
        Net *net = node->net;
        DirectoryConfig config = net->config;
        int r;

        config.address = node->peer.address;
        memcpy(config.id, node->peer.id, sizeof(config.id));
        r = directory_new(&config, &events, node, net->now, &node->directory);
        assert(r == 0);
        if (via)
                directory_add_peer(node->directory, via->peer.address, net->now);
        rearm(node);
}

Node *net_add(Net *net, const Node *via) {
        Node *node = net_add_foreign(net, NULL);

        start(node, via);
        return node;
}

void net_kill(Node *node) {
        node->dead = true;
        node->directory = directory_free(node->directory);
        rearm(node);
}

void net_revive(Node *node, const Node *via) {
        node->dead = false;
        draw_id(node);
        start(node, via);
}

/* -- orders -- */

const uint8_t *net_key(unsigned name, uint8_t ret[NET_ID_SIZE]) {
        uint64_t z = name + UINT64_C(1);

        for (unsigned i = 0; i < NET_ID_SIZE; i++) {
                z = z * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                ret[i] = (uint8_t) (z >> 56);
        }

        return ret;
}

void net_register(Node *node, unsigned name) {
        uint8_t key[NET_ID_SIZE];
        int r;

        r = directory_register(node->directory, net_key(name, key), NET_ID_SIZE, node->net->now);
        assert(r == 0);
        rearm(node);
}

void net_unregister(Node *node, unsigned name) {
        uint8_t key[NET_ID_SIZE];

        directory_unregister(node->directory, net_key(name, key), NET_ID_SIZE, node->net->now);
        rearm(node);
}

NetResult *net_begin(Node *node, unsigned name) {
        Net *net = node->net;
        uint64_t lookup = net->n_results++ % RESULTS_MAX;
        uint8_t key[NET_ID_SIZE];

        net->results[lookup] = (NetResult) { .began = net->now };
        directory_lookup(node->directory, lookup, net_key(name, key), NET_ID_SIZE, net->now);
        rearm(node);
        return &net->results[lookup];
}

NetResult *net_lookup(Node *node, unsigned name) {
        NetResult *result = net_begin(node, name);

        for (unsigned i = 0; i < 2000 && !result->done; i++)
                net_run(node->net, USEC_PER_MSEC);

        assert(result->done);
        return result;
}
