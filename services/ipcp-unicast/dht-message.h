/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages of the directory: one per packet for EID_DIRECTORY, protobuf (dht.proto, docs/WIRE.md).
 *
 *   STORE                 keep this value under this key until then; no answer
 *   FIND_NODE_REQUEST     who is closest to this key?
 *   FIND_NODE_RESPONSE    these contacts
 *   FIND_VALUE_REQUEST    what is kept under this key?
 *   FIND_VALUE_RESPONSE   these values, and these contacts are closer
 *
 * Every message says who sends it (id and address). Nothing of that is authenticated; only an answer that repeats the
 * cookie of a request proves that its sender receives what is sent to its address.
 */

#include "basic/macro.h"
#include "services/common/hash.h"

#define DHT_MESSAGE_CONTACTS_MAX 20U            /* of a response; more are not looked at */
#define DHT_MESSAGE_VALUES_MAX 8U               /* likewise */
#define DHT_VALUE_BYTES 8U                      /* an address, big-endian */

/* What we send at most, so that it fits into a packet some layers further down. 20 contacts with ids of 32 bytes
 * fit. */
#define DHT_MESSAGE_SEND_BYTES_MAX 1200U

typedef enum DhtCode {
        DHT_STORE,
        DHT_FIND_NODE_REQUEST,
        DHT_FIND_NODE_RESPONSE,
        DHT_FIND_VALUE_REQUEST,
        DHT_FIND_VALUE_RESPONSE,
        _DHT_CODE_MAX,
        _DHT_CODE_INVALID = -EINVAL,
} DhtCode;

/* A member, as others name it. */
typedef struct DhtPeer {
        uint64_t address;                       /* never 0 */
        uint8_t id[HASH_BYTES_MAX];             /* as many bytes as the layer's hash has, the rest is 0 */
} DhtPeer;

typedef struct DhtMessage {
        DhtCode code;
        DhtPeer source;
        uint8_t key[HASH_BYTES_MAX];            /* likewise */
        uint64_t cookie;                        /* requests and responses; never 0 */

        /* STORE */
        uint64_t value;                         /* never 0 */
        uint32_t expires;                       /* UNIX time in seconds */

        /* responses */
        size_t n_contacts;
        DhtPeer contacts[DHT_MESSAGE_CONTACTS_MAX];
        size_t n_values;                        /* of FIND_VALUE_RESPONSE only */
        uint64_t values[DHT_MESSAGE_VALUES_MAX];
} DhtMessage;

/* Writes a message for a layer with ids of id_size bytes. Returns: bytes written; -ENOBUFS: it does not fit into size;
 * -EINVAL: no such message. */
ssize_t dht_message_pack(const DhtMessage *message, size_t id_size, void *buffer, size_t size);

/* Contacts and values of a response that make no sense are left out, everything else that makes none fails the whole.
 * Returns: 0; -EBADMSG: malformed, or a part that the code needs is missing; -EPROTO: no such code; -EMSGSIZE;
 * -ENOMEM. */
int dht_message_parse(const void *data, size_t size, size_t id_size, DhtMessage *ret);

static inline bool dht_code_is_response(DhtCode code) {
        return code == DHT_FIND_NODE_RESPONSE || code == DHT_FIND_VALUE_RESPONSE;
}
