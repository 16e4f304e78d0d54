/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of the directory's messages. Packing points the generated structs at the message and lets them write; parsing
 * copies what it finds into a bounded DhtMessage, so that nothing else ever sees a length or a count from outside.
 */

#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/directory.h"
#include "dht.pb-c.h"

/* -- packing -- */

/* What the generated structs point at while a message is packed. */
typedef struct Parts {
        O7s__Dht__Contact source;
        O7s__Dht__Store store;
        O7s__Dht__FindRequest find;
        O7s__Dht__FindNodeResponse node;
        O7s__Dht__FindValueResponse val;
        O7s__Dht__Contact contacts[DHT_MESSAGE_CONTACTS_MAX];
        O7s__Dht__Contact *contact_list[DHT_MESSAGE_CONTACTS_MAX];
        uint8_t value_bytes[DHT_MESSAGE_VALUES_MAX][DHT_VALUE_BYTES];
        ProtobufCBinaryData value_list[DHT_MESSAGE_VALUES_MAX];
} Parts;

static ProtobufCBinaryData bytes_of(const void *data, size_t size) {
        /* packing only reads */
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) (uintptr_t) data };
}

static void value_to_bytes(uint64_t value, uint8_t to[DHT_VALUE_BYTES]) {
        for (unsigned i = 0; i < DHT_VALUE_BYTES; i++)
                to[i] = (uint8_t) (value >> 8 * (DHT_VALUE_BYTES - 1 - i));
}

static void contact_to_record(const DhtPeer *peer, size_t id_size, O7s__Dht__Contact *ret) {
        o7s__dht__contact__init(ret);
        ret->id = bytes_of(peer->id, id_size);
        ret->addr = peer->address;
}

static void store_to_record(const DhtMessage *m, size_t id_size, Parts *parts, O7s__Dht__Record *record) {
        value_to_bytes(m->value, parts->value_bytes[0]);

        o7s__dht__store__init(&parts->store);
        parts->store.key = bytes_of(m->key, id_size);
        parts->store.val = bytes_of(parts->value_bytes[0], DHT_VALUE_BYTES);
        parts->store.exp = m->expires;
        record->store = &parts->store;
}

static void find_to_record(const DhtMessage *m, size_t id_size, Parts *parts, O7s__Dht__Record *record) {
        o7s__dht__find_request__init(&parts->find);
        parts->find.cookie = m->cookie;
        parts->find.key = bytes_of(m->key, id_size);
        record->find = &parts->find;
}

static void node_to_record(const DhtMessage *m, size_t id_size, Parts *parts, O7s__Dht__Record *record) {
        for (size_t i = 0; i < m->n_contacts; i++) {
                contact_to_record(&m->contacts[i], id_size, &parts->contacts[i]);
                parts->contact_list[i] = &parts->contacts[i];
        }

        o7s__dht__find_node_response__init(&parts->node);
        parts->node.cookie = m->cookie;
        parts->node.key = bytes_of(m->key, id_size);
        parts->node.n_contacts = m->n_contacts;
        parts->node.contacts = parts->contact_list;
        record->node = &parts->node;
}

static void values_to_record(const DhtMessage *m, Parts *parts, O7s__Dht__Record *record) {
        for (size_t i = 0; i < m->n_values; i++) {
                value_to_bytes(m->values[i], parts->value_bytes[i]);
                parts->value_list[i] = bytes_of(parts->value_bytes[i], DHT_VALUE_BYTES);
        }

        o7s__dht__find_value_response__init(&parts->val);
        parts->val.n_values = m->n_values;
        parts->val.values = parts->value_list;
        record->val = &parts->val;
}

ssize_t dht_message_pack(const DhtMessage *message, size_t id_size, void *buffer, size_t size) {
        O7s__Dht__Record record = O7S__DHT__RECORD__INIT;
        Parts parts;

        if (id_size == 0 || id_size > HASH_BYTES_MAX || message->n_contacts > DHT_MESSAGE_CONTACTS_MAX ||
            message->n_values > DHT_MESSAGE_VALUES_MAX)
                return -EINVAL;

        switch (message->code) {
        case DHT_STORE:
                store_to_record(message, id_size, &parts, &record);
                break;
        case DHT_FIND_NODE_REQUEST:
        case DHT_FIND_VALUE_REQUEST:
                find_to_record(message, id_size, &parts, &record);
                break;
        case DHT_FIND_VALUE_RESPONSE:
                values_to_record(message, &parts, &record);
                _fallthrough_;
        case DHT_FIND_NODE_RESPONSE:
                node_to_record(message, id_size, &parts, &record);
                break;
        case _DHT_CODE_MAX:
        case _DHT_CODE_INVALID:
                return -EINVAL;
        }

        contact_to_record(&message->source, id_size, &parts.source);
        record.code = (uint32_t) message->code;
        record.src = &parts.source;

        if (o7s__dht__record__get_packed_size(&record) > size)
                return -ENOBUFS;

        return (ssize_t) o7s__dht__record__pack(&record, buffer);
}

/* -- parsing -- */

static void record_freep(O7s__Dht__Record **record) {
        if (*record)
                o7s__dht__record__free_unpacked(*record, NULL);
}

static int key_from(const ProtobufCBinaryData *data, size_t id_size, uint8_t to[HASH_BYTES_MAX]) {
        if (data->len != id_size)
                return -EBADMSG;

        memcpy(to, data->data, id_size);
        return 0;
}

static int cookie_from(uint64_t cookie, uint64_t *ret) {
        if (cookie == 0)
                return -EBADMSG;

        *ret = cookie;
        return 0;
}

static int value_from(const ProtobufCBinaryData *data, uint64_t *ret) {
        uint64_t value = 0;

        if (data->len != DHT_VALUE_BYTES)
                return -EBADMSG;
        for (unsigned i = 0; i < DHT_VALUE_BYTES; i++)
                value = value << 8 | data->data[i];
        if (value == 0)
                return -EBADMSG;

        *ret = value;
        return 0;
}

static int peer_from(const O7s__Dht__Contact *record, size_t id_size, DhtPeer *ret) {
        if (record->addr == 0)
                return -EBADMSG;

        ret->address = record->addr;
        return key_from(&record->id, id_size, ret->id);
}

static int store_from(const O7s__Dht__Store *record, size_t id_size, DhtMessage *m) {
        int r;

        if (!record)
                return -EBADMSG;

        r = key_from(&record->key, id_size, m->key);
        if (r < 0)
                return r;

        m->expires = record->exp;
        return value_from(&record->val, &m->value);
}

static int find_from(const O7s__Dht__FindRequest *record, size_t id_size, DhtMessage *m) {
        int r;

        if (!record)
                return -EBADMSG;

        r = key_from(&record->key, id_size, m->key);
        return r < 0 ? r : cookie_from(record->cookie, &m->cookie);
}

static int node_from(const O7s__Dht__FindNodeResponse *record, size_t id_size, DhtMessage *m) {
        int r;

        if (!record)
                return -EBADMSG;

        for (size_t i = 0; i < record->n_contacts && m->n_contacts < DHT_MESSAGE_CONTACTS_MAX; i++)
                if (peer_from(record->contacts[i], id_size, &m->contacts[m->n_contacts]) >= 0)
                        m->n_contacts++;

        r = key_from(&record->key, id_size, m->key);
        return r < 0 ? r : cookie_from(record->cookie, &m->cookie);
}

static int values_from(const O7s__Dht__FindValueResponse *record, DhtMessage *m) {
        if (!record)
                return -EBADMSG;

        for (size_t i = 0; i < record->n_values && m->n_values < DHT_MESSAGE_VALUES_MAX; i++)
                if (value_from(&record->values[i], &m->values[m->n_values]) >= 0)
                        m->n_values++;

        return 0;
}

static int body_from(const O7s__Dht__Record *record, size_t id_size, DhtMessage *m) {
        int r;

        switch (m->code) {
        case DHT_STORE:
                return store_from(record->store, id_size, m);
        case DHT_FIND_NODE_REQUEST:
        case DHT_FIND_VALUE_REQUEST:
                return find_from(record->find, id_size, m);
        case DHT_FIND_NODE_RESPONSE:
                return node_from(record->node, id_size, m);
        case DHT_FIND_VALUE_RESPONSE:
                r = node_from(record->node, id_size, m);
                return r < 0 ? r : values_from(record->val, m);
        case _DHT_CODE_MAX:
        case _DHT_CODE_INVALID:
                break;
        }

        return -EPROTO;
}

int dht_message_parse(const void *data, size_t size, size_t id_size, DhtMessage *ret) {
        _cleanup_(record_freep) O7s__Dht__Record *record = NULL;
        DhtMessage m = {};
        int r;

        if (size > DIRECTORY_MESSAGE_BYTES_MAX)
                return -EMSGSIZE;

        record = o7s__dht__record__unpack(NULL, size, data);
        if (!record)
                return -EBADMSG;
        if (record->code >= _DHT_CODE_MAX)
                return -EPROTO;

        m.code = (DhtCode) record->code;
        r = peer_from(record->src, id_size, &m.source);
        if (r < 0)
                return r;

        r = body_from(record, id_size, &m);
        if (r < 0)
                return r;

        *ret = m;
        return 0;
}
