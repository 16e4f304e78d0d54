/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Directories in one process, joined by packets that take their time or get lost, in virtual time and from one seed.
 * A node is a Directory, or (foreign) whatever a test makes of the messages that it gets.
 */

#include "services/common/expiry.h"
#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/directory.h"

#define NET_ID_SIZE 32U
#define NET_EPOCH 1700000000U           /* UNIX time at the beginning */
#define NET_BEGIN (1000 * USEC_PER_SEC)

typedef struct Net Net;
typedef struct Node Node;

struct Node {
        Net *net;
        Expiry expiry;
        DhtPeer peer;
        Directory *directory;           /* NULL: foreign, or it ended */
        void (*foreign)(Node *node, const uint8_t *message, size_t size);
        bool dead;                      /* hears and says nothing */
        unsigned island;                /* packets between different ones are lost */
};

typedef struct NetResult {
        bool done;
        int error;
        usec_t began, took;
        size_t n;
        uint64_t addresses[DIRECTORY_ADDRESSES_MAX];
} NetResult;

struct Net {
        usec_t now;
        uint64_t random;
        Node *nodes;
        size_t n_nodes, n_allocated;
        ExpiryHeap node_expiry, packets;
        unsigned loss_percent;
        usec_t delay_min_usec, delay_max_usec;
        DirectoryConfig config;         /* of new nodes */
        uint64_t n_packets, n_bytes;    /* sent */
        NetResult *results;
        size_t n_results;
};

/* Room for so many nodes. alpha 3, k 8, an hour, 15 minutes, 15 minutes; packets take 1 to 5 ms. */
Net *net_new(size_t n_nodes_max, uint64_t seed);
Net *net_free(Net *net);
DEFINE_CLEANUP(Net, net_free);

uint64_t net_random(Net *net);

/* A node with a directory, or without one. It knows via, if that is one. */
Node *net_add(Net *net, const Node *via);
Node *net_add_foreign(Net *net, void (*foreign)(Node *node, const uint8_t *message, size_t size));
Node *net_node(Net *net, uint64_t address);

/* Its process is gone. */
void net_kill(Node *node);

/* It is there again, at the same address, with another id and nothing that it knew. */
void net_revive(Node *node, const Node *via);

/* A message from a node to an address. */
void net_send(Node *from, uint64_t to, const uint8_t *message, size_t size);

/* Lets time pass. */
void net_run(Net *net, usec_t usec);

/* The key of a name by number. */
const uint8_t *net_key(unsigned name, uint8_t ret[NET_ID_SIZE]);
void net_register(Node *node, unsigned name);
void net_unregister(Node *node, unsigned name);

/* Begins a lookup; the result is there later. */
NetResult *net_begin(Node *node, unsigned name);

/* The whole of it: begins, and runs until it is done. */
NetResult *net_lookup(Node *node, unsigned name);
