/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who serves a name. Registering makes us answer, and as a member publishes the name in the directory. The IRM's
 * questions and our own requests for one name wait for the same lookup: a program that opens a thousand flows at once
 * asks the directory once.
 */

#include "services/ipcp-unicast/flow.h"

struct RegisteredName {
        size_t hash_size;
        uint8_t hash[HASH_BYTES_MAX];
};

struct NameLookup {
        ListNode by_unicast;            /* Unicast.lookups; as many as the directory runs at once */
        uint64_t number;                /* the directory's */
        List flows;                     /* UnicastFlow.by_lookup */
        List queries;                   /* NameQuery.by_lookup */
        size_t hash_size;
        uint8_t hash[HASH_BYTES_MAX];
};

typedef struct NameQuery {
        ListNode by_lookup;
        uint64_t query_id;
} NameQuery;

/* -- our own names -- */

int unicast_register(Unicast *u, const uint8_t *hash, size_t hash_size, usec_t now) {
        _cleanup_free_ RegisteredName *name = NULL;
        int r;

        if (hash_size != u->hash_size)
                return -EINVAL;

        name = calloc(1, sizeof(*name));
        if (!name)
                return -ENOMEM;

        name->hash_size = hash_size;
        memcpy(name->hash, hash, hash_size);
        r = map_put(u->registered, name->hash, hash_size, name);
        if (r == -EEXIST)
                return 0;
        if (r < 0)
                return r;

        if (u->directory)
                r = directory_register(u->directory, hash, hash_size, now);
        if (r < 0) {
                (void) map_remove(u->registered, hash, hash_size);
                return r;
        }

        (void) TAKE_PTR(name);
        return 0;
}

void unicast_unregister(Unicast *u, const uint8_t *hash, size_t hash_size, usec_t now) {
        RegisteredName *name;

        name = hash_size <= HASH_BYTES_MAX ? map_remove(u->registered, hash, hash_size) : NULL;
        if (!name)
                return;

        free(name);
        if (u->directory)
                directory_unregister(u->directory, hash, hash_size, now);
}

void unicast_unregister_all(Unicast *u, usec_t now) {
        RegisteredName *name;
        size_t position;

        map_for_each(name, u->registered, position) {
                (void) map_remove(u->registered, name->hash, name->hash_size);
                if (u->directory)
                        directory_unregister(u->directory, name->hash, name->hash_size, now);
                free(name);
        }
}

bool unicast_is_registered(const Unicast *u, const uint8_t *hash) {
        return map_get(u->registered, hash, u->hash_size);
}

int flow_names_publish(Unicast *u, usec_t now) {
        RegisteredName *name;
        size_t position;
        int result = 0;

        map_for_each(name, u->registered, position) {
                int r = directory_register(u->directory, name->hash, name->hash_size, now);

                if (r < 0)
                        result = r;     /* the others all the same */
        }

        return result;
}

/* -- those of others -- */

static NameLookup *lookup_find(const Unicast *u, const uint8_t *hash, size_t hash_size) {
        NameLookup *lookup;

        list_for_each(lookup, &u->lookups, by_unicast)
                if (lookup->hash_size == hash_size && memcmp(lookup->hash, hash, hash_size) == 0)
                        return lookup;

        return NULL;
}

/* Not started yet: who waits for it is to be there first, as the directory may answer at once. */
static NameLookup *lookup_new(Unicast *u, const uint8_t *hash, size_t hash_size) {
        NameLookup *lookup = calloc(1, sizeof(*lookup));

        if (!lookup)
                return NULL;

        lookup->number = ++u->last_lookup;
        lookup->hash_size = hash_size;
        memcpy(lookup->hash, hash, hash_size);
        list_init(&lookup->flows);
        list_init(&lookup->queries);
        list_append(&u->lookups, &lookup->by_unicast);
        return lookup;
}

static void lookup_free(NameLookup *lookup) {
        list_unlink(&lookup->by_unicast);
        free(lookup);
}

static void query_free(Unicast *u, NameQuery *query) {
        list_unlink(&query->by_lookup);
        u->n_queries--;
        free(query);
}

static bool is_awaited(const NameLookup *lookup) {
        return !list_is_empty(&lookup->flows) || !list_is_empty(&lookup->queries);
}

/* Everybody who waits for it gets to know. It is out of the list by then: who asks again begins a new one. */
static void lookup_finish(Unicast *u, NameLookup *lookup, int error, const uint64_t *addresses, size_t n_addresses,
                          usec_t now) {
        int result = n_addresses > 0 ? 0 : error < 0 ? error : -ENOENT;

        list_unlink(&lookup->by_unicast);

        while (!list_is_empty(&lookup->queries)) {
                NameQuery *query = list_first(&lookup->queries, NameQuery, by_lookup);
                uint64_t query_id = query->query_id;

                query_free(u, query);
                u->events->query_done(u->userdata, query_id, result);
        }

        while (!list_is_empty(&lookup->flows)) {
                UnicastFlow *flow = list_first(&lookup->flows, UnicastFlow, by_lookup);

                list_unlink(&flow->by_lookup);
                flow->lookup = NULL;
                flow_addresses_found(flow, result, addresses, n_addresses, now);
        }

        lookup_free(lookup);
}

void flow_found(Unicast *u, uint64_t number, int error, const uint64_t *addresses, size_t n_addresses, usec_t now) {
        NameLookup *lookup;

        list_for_each(lookup, &u->lookups, by_unicast)
                if (lookup->number == number)
                        return lookup_finish(u, lookup, error, addresses, n_addresses, now);
}

void flow_lookups_fail(Unicast *u, usec_t now) {
        while (!list_is_empty(&u->lookups))
                lookup_finish(u, list_first(&u->lookups, NameLookup, by_unicast), -ENETDOWN, NULL, 0, now);
}

static void lookup_start(Unicast *u, const NameLookup *lookup, usec_t now) {
        uint8_t hash[HASH_BYTES_MAX];

        memcpy(hash, lookup->hash, lookup->hash_size);          /* the lookup may be over before the call is */
        directory_lookup(u->directory, lookup->number, hash, lookup->hash_size, now);
}

int flow_look_up(UnicastFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;
        NameLookup *lookup = lookup_find(u, flow->hash, flow->hash_size);
        bool is_new = !lookup;

        if (!lookup)
                lookup = lookup_new(u, flow->hash, flow->hash_size);
        if (!lookup)
                return -ENOMEM;

        flow->lookup = lookup;
        list_append(&lookup->flows, &flow->by_lookup);
        if (is_new)
                lookup_start(u, lookup, now);
        return 0;
}

static void lookup_left(Unicast *u, NameLookup *lookup) {
        if (is_awaited(lookup))
                return;

        if (u->directory)
                directory_cancel(u->directory, lookup->number);
        lookup_free(lookup);
}

void flow_stop_looking_up(UnicastFlow *flow) {
        NameLookup *lookup = TAKE_PTR(flow->lookup);

        if (!lookup)
                return;

        list_unlink(&flow->by_lookup);
        lookup_left(flow->unicast, lookup);
}

/* -- the IRM's questions -- */

static int query_add(Unicast *u, uint64_t query_id, const uint8_t *hash, size_t hash_size, usec_t now) {
        _cleanup_free_ NameQuery *query = NULL;
        NameLookup *lookup;
        bool is_new;

        if (u->n_queries >= UNICAST_QUERIES_MAX)
                return -EBUSY;

        query = calloc(1, sizeof(*query));
        if (!query)
                return -ENOMEM;

        lookup = lookup_find(u, hash, hash_size);
        is_new = !lookup;
        if (!lookup)
                lookup = lookup_new(u, hash, hash_size);
        if (!lookup)
                return -ENOMEM;

        query->query_id = query_id;
        list_append(&lookup->queries, &query->by_lookup);
        (void) TAKE_PTR(query);
        u->n_queries++;
        if (is_new)
                lookup_start(u, lookup, now);
        return 0;
}

void unicast_query(Unicast *u, uint64_t query_id, const uint8_t *hash, size_t hash_size, usec_t now) {
        int r;

        if (hash_size != u->hash_size)
                return u->events->query_done(u->userdata, query_id, -EINVAL);
        if (unicast_is_registered(u, hash))
                return u->events->query_done(u->userdata, query_id, 0);
        if (!u->is_member)
                return u->events->query_done(u->userdata, query_id, -ENETDOWN);

        r = query_add(u, query_id, hash, hash_size, now);
        if (r < 0)
                u->events->query_done(u->userdata, query_id, r);
}

void name_queries_forget(Unicast *u) {
        NameLookup *lookup, *following;

        list_for_each_safe(lookup, following, &u->lookups, by_unicast) {
                while (!list_is_empty(&lookup->queries))
                        query_free(u, list_first(&lookup->queries, NameQuery, by_lookup));
                lookup_left(u, lookup);
        }
}
