/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of what o7s-keyd is asked, and on a socket. As in the other channels one table says which fields each type
 * has; a field that does not belong to its type is not read. A transcript comes as the parts of an OAP header, and
 * there is no field for bytes that are to be signed: that is the point of this channel.
 */

#include "basic/record.h"
#include "services/common/key-message.h"
#include "key.pb-c.h"

#define ERRNO_MAX 4095
#define KEY_EXCHANGE_BYTES_MAX 0x3fffU

enum {
        KEY = 1U << 0,          /* not empty */
        HEADER = 1U << 1,
        RESULT = 1U << 2,
        TEXT = 1U << 3,         /* may be empty */
        SIGNATURE = 1U << 4,    /* empty where the result is not 0 */
        PUBLIC = 1U << 5,       /* likewise */
};

static const uint32_t fields_of[_KEY_MESSAGE_TYPE_MAX] = {
        [KEY_SIGN] = KEY | HEADER,
        [KEY_SIGNED] = RESULT | TEXT | SIGNATURE,
        [KEY_PUBLIC] = KEY,
        [KEY_PUBLIC_IS] = RESULT | TEXT | PUBLIC,
        [KEY_RELOAD] = 0,
        [KEY_RELOADED] = RESULT | TEXT,
};

void key_message_done(KeyMessage *message) {
        message->buffer = mfree(message->buffer);
        message->header = (OapHeader) {};
}

static bool header_is_sane(const OapHeader *header) {
        return header->certificate_size <= UINT16_MAX && header->key_exchange_size <= KEY_EXCHANGE_BYTES_MAX &&
               header->data_size <= UINT16_MAX && header->request_hash_size <= HASH_BYTES_MAX &&
               header->signature_size == 0;
}

/* What must hold for every message, whichever side made it. */
static bool message_is_sane(const KeyMessage *m) {
        uint32_t fields = fields_of[m->type];

        return !(fields & KEY && (m->key[0] == '\0' || strnlen(m->key, sizeof(m->key)) == sizeof(m->key))) &&
               !(fields & HEADER && !header_is_sane(&m->header)) &&
               !(fields & RESULT && (m->result > 0 || m->result < -ERRNO_MAX)) &&
               !(fields & TEXT && strnlen(m->text, sizeof(m->text)) == sizeof(m->text)) &&
               !(fields & SIGNATURE &&
                 (m->signature_size > sizeof(m->signature) || (m->result == 0) != (m->signature_size > 0))) &&
               !(fields & PUBLIC &&
                 (m->public_size > sizeof(m->public_key) || (m->result == 0) != (m->public_size > 0)));
}

/* -- packing -- */

static ProtobufCBinaryData bytes_of(const void *data, size_t size) {
        /* packing only reads */
        return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) (uintptr_t) data };
}

static void header_to_record(const OapHeader *header, O7s__Key__Header *record) {
        *record = (O7s__Key__Header) O7S__KEY__HEADER__INIT;
        record->id = bytes_of(header->id, sizeof(header->id));
        record->timestamp = header->timestamp;
        record->cipher = header->cipher;
        record->kdf = header->kdf;
        record->digest = header->digest;
        record->key_exchange_raw = header->key_exchange_raw;
        record->client_encapsulates = header->client_encapsulates;
        record->certificate = bytes_of(header->certificate, header->certificate_size);
        record->key_exchange = bytes_of(header->key_exchange, header->key_exchange_size);
        record->data = bytes_of(header->data, header->data_size);
        record->request_hash = bytes_of(header->request_hash, header->request_hash_size);
}

ssize_t key_message_pack(const KeyMessage *message, void *buffer, size_t size) {
        O7s__Key__Record record = O7S__KEY__RECORD__INIT;
        O7s__Key__Header header;
        uint32_t fields;

        assert(message);
        assert(buffer || size == 0);

        if ((int) message->type < 0 || message->type >= _KEY_MESSAGE_TYPE_MAX || !message_is_sane(message))
                return -EINVAL;

        fields = fields_of[message->type];
        record.type = (uint32_t) message->type + 1;
        if (fields & RESULT)
                record.result = message->result;
        if (fields & KEY)
                record.key = bytes_of(message->key, strlen(message->key));
        if (fields & TEXT)
                record.text = bytes_of(message->text, strlen(message->text));
        if (fields & SIGNATURE)
                record.signature = bytes_of(message->signature, message->signature_size);
        if (fields & PUBLIC)
                record.public_key = bytes_of(message->public_key, message->public_size);
        if (fields & HEADER) {
                header_to_record(&message->header, &header);
                record.header = &header;
        }

        if (o7s__key__record__get_packed_size(&record) > size)
                return -ENOBUFS;
        return (ssize_t) o7s__key__record__pack(&record, buffer);
}

/* -- parsing -- */

static O7s__Key__Record *record_free(O7s__Key__Record *record) {
        if (record)
                o7s__key__record__free_unpacked(record, NULL);
        return NULL;
}
DEFINE_CLEANUP(O7s__Key__Record, record_free);

static bool take_text(const ProtobufCBinaryData *bytes, char *to, size_t size) {
        if (bytes->len >= size || (bytes->len > 0 && memchr(bytes->data, '\0', bytes->len)))
                return false;

        if (bytes->len > 0)
                memcpy(to, bytes->data, bytes->len);
        to[bytes->len] = '\0';
        return true;
}

static bool take_bytes(const ProtobufCBinaryData *bytes, uint8_t *to, size_t size, size_t *ret_size) {
        if (bytes->len > size)
                return false;

        if (bytes->len > 0)
                memcpy(to, bytes->data, bytes->len);
        *ret_size = bytes->len;
        return true;
}

/* Appends a part to the buffer that the header will point into. */
static const uint8_t *keep(Writer *w, const ProtobufCBinaryData *bytes) {
        const uint8_t *at = w->p;

        writer_bytes(w, bytes->data, bytes->len);
        return at;
}

static int take_header(const O7s__Key__Header *record, KeyMessage *m) {
        OapHeader *header = &m->header;
        size_t size, id_size;
        Writer w;

        if (!record || record->cipher > UINT16_MAX || record->kdf > UINT16_MAX || record->digest > UINT16_MAX)
                return -EBADMSG;
        if (!take_bytes(&record->id, header->id, sizeof(header->id), &id_size) || id_size != sizeof(header->id))
                return -EBADMSG;

        size = record->certificate.len + record->key_exchange.len + record->data.len + record->request_hash.len;
        m->buffer = malloc(MAX(size, (size_t) 1));
        if (!m->buffer)
                return -ENOMEM;

        w = writer_to(m->buffer, size);
        header->timestamp = record->timestamp;
        header->cipher = (uint16_t) record->cipher;
        header->kdf = (uint16_t) record->kdf;
        header->digest = (uint16_t) record->digest;
        header->key_exchange_raw = record->key_exchange_raw;
        header->client_encapsulates = record->client_encapsulates;
        header->certificate = keep(&w, &record->certificate);
        header->certificate_size = record->certificate.len;
        header->key_exchange = keep(&w, &record->key_exchange);
        header->key_exchange_size = record->key_exchange.len;
        header->data = keep(&w, &record->data);
        header->data_size = record->data.len;
        header->request_hash = keep(&w, &record->request_hash);
        header->request_hash_size = record->request_hash.len;
        return 0;
}

static int record_to_message(const O7s__Key__Record *record, KeyMessage *m) {
        uint32_t fields;

        if (record->type == 0 || record->type > _KEY_MESSAGE_TYPE_MAX)
                return -EPROTO;

        m->type = (KeyMessageType) (record->type - 1);
        fields = fields_of[m->type];
        if (fields & RESULT)
                m->result = record->result;
        if ((fields & KEY && !take_text(&record->key, m->key, sizeof(m->key))) ||
            (fields & TEXT && !take_text(&record->text, m->text, sizeof(m->text))) ||
            (fields & SIGNATURE &&
             !take_bytes(&record->signature, m->signature, sizeof(m->signature), &m->signature_size)) ||
            (fields & PUBLIC &&
             !take_bytes(&record->public_key, m->public_key, sizeof(m->public_key), &m->public_size)))
                return -EBADMSG;

        return fields & HEADER ? take_header(record->header, m) : 0;
}

int key_message_parse(const void *data, size_t size, KeyMessage *ret) {
        _cleanup_(record_freep) O7s__Key__Record *record = NULL;
        _cleanup_(key_message_done) KeyMessage message = {};
        int r;

        assert(data || size == 0);
        assert(ret);

        if (size == 0 || size > KEY_MESSAGE_BYTES_MAX)
                return -EBADMSG;

        record = o7s__key__record__unpack(NULL, size, data);
        if (!record)
                return -EBADMSG;

        r = record_to_message(record, &message);
        if (r < 0)
                return r;
        if (!message_is_sane(&message))
                return -EBADMSG;

        *ret = message;
        message = (KeyMessage) {};      /* the caller's now */
        return 0;
}

/* -- on a socket -- */

int key_message_send(int socket_fd, const KeyMessage *message) {
        _cleanup_free_ uint8_t *buffer = NULL;
        ssize_t size;

        buffer = malloc(KEY_MESSAGE_BYTES_MAX);
        if (!buffer)
                return -ENOMEM;

        size = key_message_pack(message, buffer, KEY_MESSAGE_BYTES_MAX);
        if (size < 0)
                return (int) size;

        return record_send(socket_fd, buffer, (size_t) size, NULL, 0);
}

int key_message_receive(int socket_fd, KeyMessage *ret) {
        _cleanup_(record_fds_close) RecordFds fds = RECORD_FDS_INIT;
        _cleanup_free_ uint8_t *buffer = NULL;
        ssize_t size;

        buffer = malloc(KEY_MESSAGE_BYTES_MAX);
        if (!buffer)
                return -ENOMEM;

        size = record_receive(socket_fd, buffer, KEY_MESSAGE_BYTES_MAX, &fds);
        if (size < 0)
                return (int) size;
        if (fds.n > 0)
                return -EBADMSG;        /* no message has one */

        return key_message_parse(buffer, (size_t) size, ret);
}
