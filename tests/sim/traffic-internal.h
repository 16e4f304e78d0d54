/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between traffic.c, which is the applications, and traffic-order.c, which is what the IRM tells the cores for them. */

#include "tests/sim/traffic.h"

#define ATTEMPTS_MAX 3U
#define OAP_REQUEST_BYTES 36U
#define OAP_RESPONSE_BYTES 84U

/* Flow ids say whose they are: the exchange, the end, and (at the server, which accepts each) the attempt. */
#define SERVER_END 8U

typedef enum ExchangeState {
        EXCHANGE_ASKING,                /* whether the layer knows the name */
        EXCHANGE_ALLOCATING,
        EXCHANGE_TALKING,
        EXCHANGE_CLOSED,
        EXCHANGE_FAILED,
} ExchangeState;

typedef struct Exchange {
        Traffic *traffic;               /* not owned */
        TimelineEvent event;            /* the client's next step */
        uint64_t id;
        Member *client;                 /* not owned; NULL: dead */
        Member *server;
        ExchangeState state;
        unsigned n_queries;
        unsigned n_attempts;
        unsigned attempt;               /* the one that was established */
        bool found;
        bool allocated;
        bool closed;                    /* the server heard of it */
        int32_t error;
        usec_t begin;
        usec_t allocation_usec;
        unsigned n_messages;
        unsigned n_sent;
        uint64_t arrived;               /* a bit each */
        uint64_t returned;
        unsigned n_duplicates;
        unsigned n_overtaken;
} Exchange;

struct Traffic {
        World *world;                   /* not owned */
        Packet *packet;
        LayerMessage order;             /* being given */
        uint64_t first_id;              /* of exchanges[0]; what is below is over */
        Exchange **exchanges;
        size_t n_exchanges;
        size_t n_allocated;
};

/* What a message says. */
typedef struct Content {
        uint64_t id;
        uint32_t number;
        uint32_t end;                   /* of its sender */
} Content;

typedef enum OrderType {
        ORDER_ACCEPT,
        ORDER_ESTABLISH,
        ORDER_ABORT,
        ORDER_RETURN,                   /* a message back to the client */
} OrderType;

/* Something that a member is told. */
typedef struct Order {
        TimelineEvent event;
        Traffic *traffic;               /* not owned */
        Member *member;                 /* not owned */
        uint32_t life;                  /* of the member, that it is for */
        OrderType type;
        uint64_t flow_id;
        uint32_t attempt;
        uint64_t reference;
        Content content;
} Order;

Exchange *exchange_get(const Traffic *t, uint64_t id);

/* The flow of that name in that state; NULL. */
LayerFlow *traffic_flow_of(const Member *m, uint64_t flow_id, uint32_t attempt, LayerFlowState state);

/* Returns whether the flow took it. */
bool traffic_send(Traffic *t, Member *m, LayerFlow *flow, const Content *content);

/* The core is never called from within: what it causes happens a little later. Copies the order. */
void order_plan(Traffic *t, const Order *order);
