/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages to and from o7s-keyd: each type goes through, and what is out of range does not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "services/common/key-message.h"

static const uint8_t certificate[] = "certificate", exchange[] = "exchange", data[] = "data", hash[48] = "hash";

static KeyMessage sign_message(void) {
        return (KeyMessage) {
                .type = KEY_SIGN,
                .key = "credential:web",
                .header = {
                        .id = { 1, 2, 3 },
                        .timestamp = UINT64_C(0xfedcba9876543210),
                        .cipher = 895,
                        .kdf = 672,
                        .digest = 673,
                        .client_encapsulates = true,
                        .certificate = certificate,
                        .certificate_size = sizeof(certificate),
                        .key_exchange = exchange,
                        .key_exchange_size = sizeof(exchange),
                        .data = data,
                        .data_size = sizeof(data),
                        .request_hash = hash,
                        .request_hash_size = sizeof(hash),
                },
        };
}

static void assert_part(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
        assert_int_equal(a_size, b_size);
        if (a_size > 0)
                assert_memory_equal(a, b, a_size);
}

static void assert_messages_equal(const KeyMessage *a, const KeyMessage *b) {
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->result, b->result);
        assert_string_equal(a->key, b->key);
        assert_string_equal(a->text, b->text);
        assert_part(a->signature, a->signature_size, b->signature, b->signature_size);
        assert_part(a->public_key, a->public_size, b->public_key, b->public_size);
        assert_memory_equal(a->header.id, b->header.id, sizeof(a->header.id));
        assert_true(a->header.timestamp == b->header.timestamp);
        assert_int_equal(a->header.cipher, b->header.cipher);
        assert_int_equal(a->header.kdf, b->header.kdf);
        assert_int_equal(a->header.digest, b->header.digest);
        assert_int_equal(a->header.key_exchange_raw, b->header.key_exchange_raw);
        assert_int_equal(a->header.client_encapsulates, b->header.client_encapsulates);
        assert_part(a->header.certificate, a->header.certificate_size, b->header.certificate,
                    b->header.certificate_size);
        assert_part(a->header.key_exchange, a->header.key_exchange_size, b->header.key_exchange,
                    b->header.key_exchange_size);
        assert_part(a->header.data, a->header.data_size, b->header.data, b->header.data_size);
        assert_part(a->header.request_hash, a->header.request_hash_size, b->header.request_hash,
                    b->header.request_hash_size);
}

static void test_round_trip(void **state) {
        const KeyMessage messages[] = {
                sign_message(),
                { .type = KEY_SIGNED, .signature = { 7, 8, 9 }, .signature_size = 64 },
                { .type = KEY_SIGNED, .result = -EKEYREJECTED, .text = "another key" },
                { .type = KEY_PUBLIC, .key = "/etc/key.pem" },
                { .type = KEY_PUBLIC_IS, .public_key = { 0x30 }, .public_size = 91 },
                { .type = KEY_PUBLIC_IS, .result = -ENOENT, .text = "none" },
                { .type = KEY_RELOAD },
                { .type = KEY_RELOADED },
                { .type = KEY_RELOADED, .result = -EBUSY, .text = "later" },
        };

        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                _cleanup_(key_message_done) KeyMessage back = {};
                int pair[2];

                assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
                assert_int_equal(key_message_receive(pair[1], &back), -EAGAIN);
                assert_int_equal(key_message_send(pair[0], messages + i), 0);
                assert_int_equal(key_message_receive(pair[1], &back), 0);
                assert_messages_equal(messages + i, &back);

                (void) close(pair[0]);
                assert_int_equal(key_message_receive(pair[1], &back), -EPIPE);
                (void) close(pair[1]);
        }
}

/* A whole transcript: the largest certificate and data that a handshake has room for. */
static void test_large(void **state) {
        _cleanup_free_ uint8_t *part = calloc(1, 30000), *buffer = malloc(KEY_MESSAGE_BYTES_MAX);
        _cleanup_(key_message_done) KeyMessage back = {};
        KeyMessage message = sign_message();
        ssize_t n;

        message.header.certificate = message.header.data = part;
        message.header.certificate_size = message.header.data_size = 30000;
        n = key_message_pack(&message, buffer, KEY_MESSAGE_BYTES_MAX);
        assert_true(n > 60000);
        assert_int_equal(key_message_parse(buffer, (size_t) n, &back), 0);
        assert_messages_equal(&message, &back);

        message.header.data_size = 40000;
        assert_int_equal(key_message_pack(&message, buffer, KEY_MESSAGE_BYTES_MAX), -ENOBUFS);
}

static void test_pack_refuses(void **state) {
        uint8_t buffer[4096];
        KeyMessage message;

        message = (KeyMessage) { .type = _KEY_MESSAGE_TYPE_MAX };
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = (KeyMessage) { .type = KEY_PUBLIC };
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        memset(message.key, 'x', sizeof(message.key));
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = (KeyMessage) { .type = KEY_SIGNED };
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = (KeyMessage) { .type = KEY_SIGNED, .result = -ENOENT, .signature_size = 1 };
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = (KeyMessage) { .type = KEY_RELOADED, .result = 1 };
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = sign_message();
        message.header.signature_size = 1;
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = sign_message();
        message.header.request_hash_size = 65;
        assert_int_equal(key_message_pack(&message, buffer, sizeof(buffer)), -EINVAL);
        message = sign_message();
        assert_int_equal(key_message_pack(&message, buffer, 40), -ENOBUFS);
}

#define WIRE(bytes) (const uint8_t *) (bytes), sizeof(bytes) - 1

static void test_parse_refuses(void **state) {
        static const struct {
                const char *name;
                const uint8_t *wire;
                size_t size;
                int r;
        } cases[] = {
                { "empty",                  WIRE(""),                                   -EBADMSG },
                { "no protobuf",            WIRE("\xff\xff\xff"),                       -EBADMSG },
                { "no type",                WIRE("\x10\x01"),                           -EPROTO  },
                { "unknown type",           WIRE("\x08\x07"),                           -EPROTO  },
                { "reload",                 WIRE("\x08\x05"),                           0        },
                { "public without a key",   WIRE("\x08\x03"),                           -EBADMSG },
                { "public with a NUL",      WIRE("\x08\x03\x1a\x03" "a\0b"),            -EBADMSG },
                { "public",                 WIRE("\x08\x03\x1a\x02/a"),                 0        },
                { "sign without a header",  WIRE("\x08\x01\x1a\x02/a"),                 -EBADMSG },
                { "sign with half an id",   WIRE("\x08\x01\x1a\x02/a\x2a\x03\x0a\x01x"), -EBADMSG },
                { "signed without any",     WIRE("\x08\x02"),                           -EBADMSG },
                { "positive result",        WIRE("\x08\x06\x10\x02"),                   -EBADMSG },
                { "truncated",              WIRE("\x08\x03\x1a\x09/a"),                 -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(key_message_done) KeyMessage message = { .type = _KEY_MESSAGE_TYPE_MAX };

                print_message("%s\n", cases[i].name);
                assert_int_equal(key_message_parse(cases[i].wire, cases[i].size, &message), cases[i].r);
                /* untouched on failure */
                assert_true((message.type == _KEY_MESSAGE_TYPE_MAX) == (cases[i].r < 0));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_large),
                cmocka_unit_test(test_pack_refuses),
                cmocka_unit_test(test_parse_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
