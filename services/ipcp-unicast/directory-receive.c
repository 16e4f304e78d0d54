/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages from outside. Nothing in them is authenticated, so what a message can do is bounded by what kind it is:
 *
 *   a request    gets an answer, at the address that it gives as its own. Rates are per address, and an answer to an
 *                address that never answered us is not much longer than its question, so that nobody is flooded
 *                through us. Its sender is asked back before it counts as a contact.
 *   a STORE      is kept within the bounds of dht-store.h.
 *   an answer    counts where we asked, see dht-request.h; it makes its sender a contact, and those it names
 *                candidates.
 */

#include "services/ipcp-unicast/directory-internal.h"

/* Members that make no sense to us: ourselves, and those that no packet can be sent to. */
static bool peer_is_sane(const Directory *d, const DhtPeer *peer) {
        return directory_address_is_valid(d, peer->address) && memcmp(peer->id, d->own.id, d->id_size) != 0;
}

static void drop_odd_contacts(const Directory *d, DhtMessage *m) {
        size_t n = 0;

        for (size_t i = 0; i < m->n_contacts; i++)
                if (peer_is_sane(d, &m->contacts[i]))
                        m->contacts[n++] = m->contacts[i];
        m->n_contacts = n;

        n = 0;
        for (size_t i = 0; i < m->n_values; i++)
                if (directory_address_is_valid(d, m->values[i]))
                        m->values[n++] = m->values[i];
        m->n_values = n;
}

/* -- requests -- */

/* Ours first: of that one we are sure. */
static void add_values(const Directory *d, const uint8_t *key, DhtMessage *m, usec_t now) {
        if (map_get(d->names, key, d->id_size))
                m->values[m->n_values++] = d->own.address;

        m->n_values += dht_store_values(&d->store, key, now, DHT_MESSAGE_VALUES_MAX - m->n_values,
                                        m->values + m->n_values);
}

/* Those closest to the key, the one who asks excepted. */
static void add_contacts(const Directory *d, const DhtMessage *request, DhtMessage *m) {
        DhtPeer closest[DHT_K_MAX + 1];
        size_t n;

        n = dht_contacts_closest(&d->contacts, request->key, true, d->contacts.k + 1, closest);
        for (size_t i = 0; i < n && m->n_contacts < d->contacts.k; i++)
                if (closest[i].address != request->source.address)
                        m->contacts[m->n_contacts++] = closest[i];
}

/* Sends at most size bytes, and leaves out the farthest contacts for that. */
static void send_within(Directory *d, uint64_t address, DhtMessage *m, size_t size) {
        uint8_t bytes[DHT_MESSAGE_SEND_BYTES_MAX];
        ssize_t n;

        size = MIN(size, sizeof(bytes));
        while ((n = dht_message_pack(m, d->id_size, bytes, size)) == -ENOBUFS && m->n_contacts > 0)
                m->n_contacts--;
        if (n < 0)
                return;

        d->statistics.sent++;
        d->events->send(d->userdata, address, bytes, (size_t) n);
}

static void answer(Directory *d, const DhtMessage *request, size_t request_size, usec_t now) {
        bool values = request->code == DHT_FIND_VALUE_REQUEST;
        DhtMessage m = {
                .code = values ? DHT_FIND_VALUE_RESPONSE : DHT_FIND_NODE_RESPONSE,
                .source = d->own,
                .cookie = request->cookie,
        };
        const DhtContact *contact = dht_contacts_get(&d->contacts, request->source.address);
        bool known = contact && contact->verified;

        memcpy(m.key, request->key, d->id_size);
        if (values)
                add_values(d, request->key, &m, now);
        add_contacts(d, request, &m);
        send_within(d, request->source.address, &m, known ? SIZE_MAX : DIRECTORY_STRANGER_FACTOR * request_size);
}

static void receive_request(Directory *d, const DhtMessage *m, size_t size, usec_t now) {
        if (!limit_take(&d->limit, &m->source.address, sizeof(m->source.address), now)) {
                d->statistics.refused++;
                return;
        }

        if (m->code == DHT_STORE)
                directory_keep(d, m, now);
        else
                answer(d, m, size, now);

        directory_seen(d, &m->source, false, now);
}

/* -- responses -- */

/* Somebody told us that this member withdrew a name; it says itself whether that is so. */
static void confirmed(Directory *d, const DhtMessage *m) {
        for (size_t i = 0; i < m->n_values; i++)
                if (m->values[i] == m->source.address)
                        return;

        dht_store_remove(&d->store, m->key, m->source.address);
        dht_cache_forget(&d->cache, m->key);
}

static void receive_response(Directory *d, const DhtMessage *m, usec_t now) {
        DhtRequest *request;
        DhtRequestKind kind;
        DhtLookup *lookup;

        request = dht_requests_answered(&d->requests, m, now);
        if (!request) {
                d->statistics.unsolicited++;
                return;
        }

        kind = request->kind;
        lookup = request->lookup;
        dht_request_free(&d->requests, request);
        directory_seen(d, &m->source, true, now);

        switch (kind) {
        case DHT_REQUEST_LOOKUP:
                if (lookup)
                        directory_lookup_answered(d, lookup, m, now);
                break;
        case DHT_REQUEST_CONFIRM:
                if (m->code == DHT_FIND_VALUE_RESPONSE)
                        confirmed(d, m);
                break;
        case DHT_REQUEST_PING:
        case _DHT_REQUEST_KIND_MAX:
        case _DHT_REQUEST_KIND_INVALID:
                break;
        }
}

void directory_receive(Directory *d, const uint8_t *message, size_t size, usec_t now) {
        DhtMessage m;

        d->statistics.received++;
        if (dht_message_parse(message, size, d->id_size, &m) < 0 || !peer_is_sane(d, &m.source)) {
                d->statistics.malformed++;
                return;
        }

        drop_odd_contacts(d, &m);
        if (dht_code_is_response(m.code))
                receive_response(d, &m, now);
        else
                receive_request(d, &m, size, now);
}
