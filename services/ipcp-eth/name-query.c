/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who serves a name. Registering is local: it makes us answer. Looking up goes through the cache of shim-name.c; the
 * IRM's questions and our own requests wait for the same answer.
 */

#include "services/ipcp-eth/flow.h"

struct RegisteredName {
        uint8_t hash[HASH_BYTES_MAX];
};

struct NameQuery {
        ListNode by_layer;              /* Ethernet.queries */
        uint64_t query_id;
        uint8_t hash[HASH_BYTES_MAX];
};

int ethernet_register(Ethernet *e, const uint8_t *hash, size_t hash_size) {
        _cleanup_free_ RegisteredName *name = NULL;
        int r;

        if (hash_size != e->hash_size)
                return -EINVAL;

        name = calloc(1, sizeof(*name));
        if (!name)
                return -ENOMEM;

        memcpy(name->hash, hash, hash_size);
        r = map_put(e->registered, name->hash, hash_size, name);
        if (r == -EEXIST)
                return 0;
        if (r < 0)
                return r;

        (void) TAKE_PTR(name);
        return 0;
}

void ethernet_unregister(Ethernet *e, const uint8_t *hash, size_t hash_size) {
        if (hash_size == e->hash_size)
                free(map_remove(e->registered, hash, hash_size));
}

void ethernet_unregister_all(Ethernet *e) {
        RegisteredName *name;
        size_t position;

        map_for_each(name, e->registered, position) {
                (void) map_remove(e->registered, name->hash, e->hash_size);
                free(name);
        }
}

bool ethernet_is_registered(const Ethernet *e, const uint8_t *hash) {
        return map_get(e->registered, hash, e->hash_size);
}

size_t ethernet_n_registered(const Ethernet *e) {
        return map_size(e->registered);
}

static void query_free(Ethernet *e, NameQuery *query) {
        list_unlink(&query->by_layer);
        e->n_queries--;
        free(query);
}

void ethernet_forget_queries(Ethernet *e) {
        NameQuery *query, *following;

        list_for_each_safe(query, following, &e->queries, by_layer)
                query_free(e, query);
}

static int query_new(Ethernet *e, uint64_t query_id, const uint8_t *hash) {
        NameQuery *query;

        if (e->n_queries >= ETHERNET_QUERIES_MAX)
                return -EBUSY;

        query = calloc(1, sizeof(*query));
        if (!query)
                return -ENOMEM;

        query->query_id = query_id;
        memcpy(query->hash, hash, e->hash_size);
        list_append(&e->queries, &query->by_layer);
        e->n_queries++;
        return 0;
}

/* Everybody who waits for this name gets to know; NULL: nobody serves it. */
static void name_settled(Ethernet *e, const uint8_t *hash, const FrameAddress *address, usec_t now) {
        EthernetFlow *flow, *next_flow;
        NameQuery *query, *next_query;

        list_for_each_safe(query, next_query, &e->queries, by_layer) {
                uint64_t query_id = query->query_id;

                if (memcmp(query->hash, hash, e->hash_size) != 0)
                        continue;

                query_free(e, query);
                e->events->query_done(e->userdata, query_id, address ? 0 : -ENOENT);
        }

        list_for_each_safe(flow, next_flow, &e->searching, by_searching)
                if (memcmp(flow->hash, hash, e->hash_size) == 0)
                        ethernet_flow_found(flow, address, now);
}

void ethernet_query(Ethernet *e, uint64_t query_id, const uint8_t *hash, size_t hash_size, usec_t now) {
        const ShimName *name;
        int r;

        if (hash_size != e->hash_size)
                return e->events->query_done(e->userdata, query_id, -EINVAL);
        if (!e->link.up)
                return e->events->query_done(e->userdata, query_id, -ENETDOWN);

        r = shim_name_look_up(&e->names, hash, hash_size, now, &name);
        if (r != 0)
                return e->events->query_done(e->userdata, query_id, r < 0 ? r : 0);

        r = query_new(e, query_id, hash);
        if (r < 0)
                return e->events->query_done(e->userdata, query_id, r);

        name_query_expire(e, now);      /* sends the first query */
}

void name_query_expire(Ethernet *e, usec_t now) {
        const ShimName *name;

        for (;;)
                switch (shim_names_expire(&e->names, now, &name)) {

                case SHIM_NAME_NOTHING:
                        return;

                case SHIM_NAME_SEND: {
                        const ManagementMessage message = { .code = MANAGEMENT_NAME_QUERY, .hash = name->hash };

                        (void) eth_send_message(e, &FRAME_BROADCAST, &e->link.address, &message);
                        break;
                }

                case SHIM_NAME_GAVE_UP: {
                        uint8_t hash[HASH_BYTES_MAX];

                        /* The entry does not outlive what others do when they hear of it. */
                        memcpy(hash, name->hash, name->hash_size);
                        name_settled(e, hash, NULL, now);
                        break;
                }
                }
}

void name_query_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        const ManagementMessage reply = { .code = MANAGEMENT_NAME_REPLY, .hash = message->hash };

        if (!ethernet_is_registered(e, message->hash))
                return;                 /* silence, and no charge: everybody hears every query */

        if (!limit_take(&e->limit, frame->source.bytes, FRAME_ADDRESS_BYTES, now))
                return counters_drop(&e->counters, DROP_LIMIT);

        (void) eth_send_message(e, &frame->source, &e->link.address, &reply);
}

void name_reply_received(Ethernet *e, const Frame *frame, const ManagementMessage *message, usec_t now) {
        const ShimName *name;
        uint8_t hash[HASH_BYTES_MAX];
        int r;

        r = shim_name_answer(&e->names, message->hash, e->hash_size, frame->source.bytes, FRAME_ADDRESS_BYTES, now,
                             &name);
        if (r < 0)
                return counters_drop(&e->counters, DROP_UNKNOWN_MESSAGE);
        if (r == 0)
                return;

        durations_add(&e->query_usec, usec_sub(now, name->asked));
        memcpy(hash, name->hash, e->hash_size);
        name_settled(e, hash, &frame->source, now);
}
