/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What o7s-keyd is asked, byte by byte. What is parsed can be packed, and says the same again; a question for a
 * signature that names no certificate of the key gets none, whatever its parts are.
 */

#include <stdlib.h>

#include "services/keyd/key.h"

#define NOW UINT64_C(1780272000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

static bool parts_are_equal(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
        return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool headers_are_equal(const OapHeader *a, const OapHeader *b) {
        return memcmp(a->id, b->id, sizeof(a->id)) == 0 && a->timestamp == b->timestamp && a->cipher == b->cipher &&
               a->kdf == b->kdf && a->digest == b->digest && a->key_exchange_raw == b->key_exchange_raw &&
               a->client_encapsulates == b->client_encapsulates &&
               parts_are_equal(a->certificate, a->certificate_size, b->certificate, b->certificate_size) &&
               parts_are_equal(a->key_exchange, a->key_exchange_size, b->key_exchange, b->key_exchange_size) &&
               parts_are_equal(a->data, a->data_size, b->data, b->data_size) &&
               parts_are_equal(a->request_hash, a->request_hash_size, b->request_hash, b->request_hash_size);
}

static void repeat(const KeyMessage *message) {
        _cleanup_(key_message_done) KeyMessage again = {};
        _cleanup_free_ uint8_t *buffer = malloc(KEY_MESSAGE_BYTES_MAX);
        ssize_t n;

        require(buffer);
        n = key_message_pack(message, buffer, KEY_MESSAGE_BYTES_MAX);
        require(n > 0);
        require(key_message_parse(buffer, (size_t) n, &again) == 0);

        require(again.type == message->type && again.result == message->result && streq(again.key, message->key) &&
                streq(again.text, message->text));
        require(parts_are_equal(again.signature, again.signature_size, message->signature, message->signature_size));
        require(parts_are_equal(again.public_key, again.public_size, message->public_key, message->public_size));
        require(headers_are_equal(&again.header, &message->header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(key_message_done) KeyMessage message = {};
        char text[KEY_TEXT_BYTES_MAX] = "";
        uint8_t signature[KEY_SIGNATURE_BYTES_MAX];
        size_t signature_size = 0;

        if (key_message_parse(data, size, &message) < 0)
                return 0;

        repeat(&message);
        if (message.type == KEY_SIGN) {
                /* of no certificate: an element does not begin with zero */
                const Key key = { .name = "fuzz", .public_size = 44 };

                require(key_sign(&key, &message.header, NOW, signature, &signature_size, text) == -EKEYREJECTED);
                require(signature_size == 0 && text[0] != '\0');
        }

        return 0;
}
