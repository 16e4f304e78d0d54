/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requests of other hosts that a layer has handed up and that are not answered yet: found by the layer's
 * reference, or by the id of their OAP request when a successor (TLV 09) takes their place. Pure; accept.c
 * speaks to the layers and listeners.
 */

#include "basic/list.h"
#include "basic/map.h"
#include "basic/time.h"
#include "services/common/layer-message.h"
#include "services/common/oap.h"

#define INCOMING_KEPT_USEC (20 * USEC_PER_SEC)  /* how long a request is kept that nobody accepts */
/* Anybody on a link can fill what is kept, with requests for names that nobody serves just now: so a name has a part of
 * its layer's share, and a layer never all of the host's. */
#define INCOMING_MAX 8192U                      /* of the whole host */
#define INCOMING_PER_LAYER_MAX 4096U
#define INCOMING_PER_NAME_MAX 1024U

typedef struct Incoming Incoming;

/* One request, as its layer tells it (not owned). */
typedef struct IncomingRequest {
        uint64_t reference;
        o7s_qos qos;
        const char *peer;
        const uint8_t *oap;
        size_t oap_size;
} IncomingRequest;

typedef struct IncomingKey {
        uint64_t layer;         /* key of the layer's connection */
        uint64_t reference;     /* the layer's own number */
} IncomingKey;

struct Incoming {
        IncomingKey key;
        uint8_t id[OAP_ID_BYTES];
        usec_t expires;
        bool peer_closes;                       /* the peer showed the capability, and its token */
        uint8_t peer_token[OAP_TOKEN_BYTES];
        uint8_t own_token[OAP_TOKEN_BYTES];     /* goes out with the response */
        uint64_t policy;                        /* digest of the one that it was checked by */
        uint32_t grants;                        /* of its wishes, OAP_CAPABILITY_; go out with the response */
        uint8_t *oap;                           /* the request's bytes, for the hash of the response */
        size_t oap_size;
        uint32_t *n_of_layer;                   /* not owned; counts this one */
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];
        void *flow;                             /* not owned; the flow that this request is for */
};

typedef struct IncomingTable {
        Map *by_key;
        Map *by_id;
} IncomingTable;

int incoming_table_init(IncomingTable *table);
void incoming_table_done(IncomingTable *table);         /* asserts that it is empty */

/* Keeps a request. Of the header, id and time stamp count; n_of_layer, where the layer's are
 * counted, lives at least as long.
 * Returns: 0; -EEXIST: this reference or id is there already; -EDQUOT: too many; -ENOMEM. */
int incoming_new(IncomingTable *table, uint64_t layer, uint32_t *n_of_layer, const IncomingRequest *request,
                 const OapHeader *header, const OapExtension *extension, const uint8_t own_token[OAP_TOKEN_BYTES],
                 usec_t now, Incoming **ret);
Incoming *incoming_free(IncomingTable *table, Incoming *incoming);

Incoming *incoming_by_reference(const IncomingTable *table, uint64_t layer, uint64_t reference);

/* The request that this one replaces, or NULL. Only one that came through the same layer can be replaced. */
Incoming *incoming_predecessor(const IncomingTable *table, uint64_t layer, const OapExtension *extension);
