/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of incoming.h. */

#include "services/irm/incoming.h"

int incoming_table_init(IncomingTable *table) {
        int r;

        *table = (IncomingTable) {};

        r = map_new(&table->by_key);
        if (r < 0)
                return r;

        return map_new(&table->by_id);
}

void incoming_table_done(IncomingTable *table) {
        assert(!table->by_key || map_size(table->by_key) == 0);

        table->by_key = map_free(table->by_key);
        table->by_id = map_free(table->by_id);
}

Incoming *incoming_free(IncomingTable *table, Incoming *incoming) {
        if (!incoming)
                return NULL;

        /* Half-built ones are in neither map, or only in the first. */
        if (map_get(table->by_key, &incoming->key, sizeof(incoming->key)) == incoming)
                map_remove(table->by_key, &incoming->key, sizeof(incoming->key));
        if (map_get(table->by_id, incoming->id, sizeof(incoming->id)) == incoming)
                map_remove(table->by_id, incoming->id, sizeof(incoming->id));

        (*incoming->n_of_layer)--;
        free(incoming->oap);
        return mfree(incoming);
}

static int insert(IncomingTable *table, Incoming *in) {
        int r;

        r = map_put(table->by_key, &in->key, sizeof(in->key), in);
        if (r < 0)
                return r;

        return map_put(table->by_id, in->id, sizeof(in->id), in);
}

int incoming_new(IncomingTable *table, uint64_t layer, uint32_t *n_of_layer, const IncomingRequest *request,
                 const OapHeader *header, const OapExtension *extension, const uint8_t own_token[OAP_TOKEN_BYTES],
                 usec_t now, Incoming **ret) {
        Incoming *in;
        int r;

        if (map_size(table->by_key) >= INCOMING_MAX || *n_of_layer >= INCOMING_PER_LAYER_MAX)
                return -EDQUOT;

        in = malloc(sizeof(*in));
        if (!in)
                return -ENOMEM;

        *in = (Incoming) {
                .key = { .layer = layer, .reference = request->reference },
                .expires = usec_add(now, INCOMING_KEPT_USEC),
                .peer_closes = extension->present && extension->have_token &&
                               (extension->capabilities & OAP_CAPABILITY_CLOSE),
                .oap_size = request->oap_size,
                .n_of_layer = n_of_layer,
        };
        (*n_of_layer)++;
        memcpy(in->id, header->id, sizeof(in->id));
        memcpy(in->peer_token, extension->token, sizeof(in->peer_token));
        memcpy(in->own_token, own_token, sizeof(in->own_token));
        (void) copy_string(in->peer, sizeof(in->peer), request->peer);

        in->oap = malloc(MAX(request->oap_size, (size_t) 1));
        r = in->oap ? 0 : -ENOMEM;
        if (r == 0) {
                memcpy(in->oap, request->oap, request->oap_size);
                r = insert(table, in);
        }
        if (r < 0) {
                incoming_free(table, in);
                return r;
        }

        *ret = in;
        return 0;
}

Incoming *incoming_by_reference(const IncomingTable *table, uint64_t layer, uint64_t reference) {
        IncomingKey key = { .layer = layer, .reference = reference };

        return map_get(table->by_key, &key, sizeof(key));
}

Incoming *incoming_predecessor(const IncomingTable *table, uint64_t layer, const OapExtension *extension) {
        Incoming *in;

        if (!extension->present || !extension->have_replaced)
                return NULL;

        in = map_get(table->by_id, extension->replaced, sizeof(extension->replaced));
        return in && in->key.layer == layer ? in : NULL;
}
