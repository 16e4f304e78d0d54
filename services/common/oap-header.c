/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The header of OAP messages, request and response alike: see the diagram in oap.h. The signature has no
 * length of its own: it is what is left, which is why an unsigned message with bytes left over is malformed.
 */

#include "services/common/oap.h"
#include "services/common/oap-algorithm.h"

#define KEY_EXCHANGE_RAW 0x8000U
#define KEY_EXCHANGE_CLIENT_ENCAPSULATES 0x4000U
#define KEY_EXCHANGE_BYTES_MAX 0x3fffU

int oap_digest_to_hash(uint16_t digest) {
        const OapAlgorithm *algorithm;

        if (digest == 0)
                return HASH_SHA384;

        algorithm = oap_digest_by_id(digest);
        return algorithm ? algorithm->hash : -EPROTO;
}

static bool cipher_is_known(uint16_t cipher) {
        return cipher == 0 || oap_cipher_by_id(cipher);
}

int oap_header_parse(const void *data, size_t size, size_t hash_size, OapHeader *ret) {
        Cursor c = cursor_from(data, size);
        OapHeader header = {};
        uint16_t key_exchange;

        assert(ret);

        cursor_copy(&c, header.id, sizeof(header.id));
        header.timestamp = cursor_be64(&c);
        header.cipher = cursor_be16(&c);
        header.kdf = cursor_be16(&c);
        header.digest = cursor_be16(&c);
        header.certificate_size = cursor_be16(&c);
        key_exchange = cursor_be16(&c);
        header.data_size = cursor_be16(&c);

        header.key_exchange_raw = key_exchange & KEY_EXCHANGE_RAW;
        header.client_encapsulates = key_exchange & KEY_EXCHANGE_CLIENT_ENCAPSULATES;
        header.key_exchange_size = key_exchange & KEY_EXCHANGE_BYTES_MAX;
        header.request_hash_size = hash_size;

        header.certificate = cursor_bytes(&c, header.certificate_size);
        header.key_exchange = cursor_bytes(&c, header.key_exchange_size);
        header.data = cursor_bytes(&c, header.data_size);
        header.request_hash = cursor_bytes(&c, header.request_hash_size);

        if (c.bad)
                return -EBADMSG;
        if (header.certificate_size == 0 && c.left > 0)
                return -EBADMSG;

        header.signature_size = c.left;
        header.signature = cursor_bytes(&c, c.left);

        if (!cipher_is_known(header.cipher) || oap_digest_to_hash(header.kdf) == -EPROTO ||
            oap_digest_to_hash(header.digest) == -EPROTO)
                return -EPROTO;

        *ret = header;
        return 0;
}

ssize_t oap_header_pack(const OapHeader *header, void *buffer, size_t size) {
        Writer w = writer_to(buffer, size);
        uint16_t key_exchange;

        assert(header);

        if (header->certificate_size > UINT16_MAX || header->key_exchange_size > KEY_EXCHANGE_BYTES_MAX ||
            header->data_size > UINT16_MAX)
                return -EINVAL;
        if (header->certificate_size == 0 && header->signature_size > 0)
                return -EINVAL;

        key_exchange = (uint16_t) header->key_exchange_size;
        if (header->key_exchange_raw)
                key_exchange |= KEY_EXCHANGE_RAW;
        if (header->client_encapsulates)
                key_exchange |= KEY_EXCHANGE_CLIENT_ENCAPSULATES;

        writer_bytes(&w, header->id, sizeof(header->id));
        writer_be64(&w, header->timestamp);
        writer_be16(&w, header->cipher);
        writer_be16(&w, header->kdf);
        writer_be16(&w, header->digest);
        writer_be16(&w, (uint16_t) header->certificate_size);
        writer_be16(&w, key_exchange);
        writer_be16(&w, (uint16_t) header->data_size);
        writer_bytes(&w, header->certificate, header->certificate_size);
        writer_bytes(&w, header->key_exchange, header->key_exchange_size);
        writer_bytes(&w, header->data, header->data_size);
        writer_bytes(&w, header->request_hash, header->request_hash_size);
        writer_bytes(&w, header->signature, header->signature_size);

        return w.bad ? -ENOBUFS : (ssize_t) w.written;
}
