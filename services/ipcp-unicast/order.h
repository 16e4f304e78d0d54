/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Orders of an operator that are being carried out: be the first member, enroll through somebody, have a neighbour,
 * have it no longer. An order is over when it is so, when it cannot be, or after a while, with a sentence; what it
 * set going goes on, for a neighbour that was asked for is held for ever. Pure.
 */

#include "services/ipcp-unicast/unicast.h"

#define ORDERS_MAX 64U
#define ORDER_TIMEOUT_USEC (30 * USEC_PER_SEC)

typedef struct Orders {
        Unicast *unicast;               /* not owned */
        List pending;
        unsigned n_pending;
        char via[FLOW_NAME_WIRE_BYTES_MAX + 1];         /* of the last order to enroll */
        const char **via_names;         /* it, then those of the file; owned */
        const char *const *file_via;    /* not owned */
        unsigned n_file_via;
        void (*done)(void *userdata, uint64_t id, int32_t result, const char *text);
        void *userdata;
} Orders;

void orders_init(Orders *orders, Unicast *u,
                 void (*done)(void *userdata, uint64_t id, int32_t result, const char *text), void *userdata);

/* The core must not run any more: it may still use a name of ours. */
void orders_done(Orders *orders);

/* Nobody waits for their end any more. */
void orders_forget(Orders *orders);

/* Begins to carry one out; its end may be told from within. */
void orders_take(Orders *orders, const LayerMessage *order, usec_t now);

/* Something about the layer changed, or time passed: looks which are over. */
void orders_check(Orders *orders, usec_t now);
usec_t orders_next(const Orders *orders);
