/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the keys of a flow are bound to: each byte of both messages, where one ends and the other begins, and the ways
 * that they came as either layer saw them. A handshake that lost its bindings here would still be refused where they
 * are compared; so this looks at the digest itself, and at one that is made by hand.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/crypto.h>

#include "services/auth/handshake-internal.h"

typedef struct Parts {
        char request[16], response[16];
        uint8_t request_binding[OAP_DIGEST_BYTES], response_binding[OAP_DIGEST_BYTES];
} Parts;

static const Parts plain = {
        .request = "a request",
        .response = "an answer",
        .request_binding = "the way there",
        .response_binding = "the way back",
};

static void digest_of(const Parts *parts, uint8_t ret[OAP_DIGEST_BYTES]) {
        Handshake h = { .request = (uint8_t *) parts->request, .request_size = strlen(parts->request) };

        memcpy(h.request_binding, parts->request_binding, sizeof(h.request_binding));
        memcpy(h.response_binding, parts->response_binding, sizeof(h.response_binding));
        assert_int_equal(handshake_transcript(&h, parts->response, strlen(parts->response), ret), 0);
}

/* As docs/WIRE.md has it, byte by byte. */
static void test_by_hand(void **state) {
        static const uint8_t layout[] = "o7s transcript"
                                        "\0\0\0\x09" "a request"
                                        "\0\0\0\x09" "an answer"
                                        "the way there\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                        "the way back\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        uint8_t ours[OAP_DIGEST_BYTES], by_hand[OAP_DIGEST_BYTES];

        assert_int_equal(sizeof(layout) - 1, 14 + 4 + 9 + 4 + 9 + 32 + 32);
        digest_of(&plain, ours);
        assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, layout, sizeof(layout) - 1, by_hand), 0);
        assert_memory_equal(ours, by_hand, sizeof(ours));
}

static void differs(const Parts *other, const char *what) {
        uint8_t one[OAP_DIGEST_BYTES], two[OAP_DIGEST_BYTES];

        digest_of(&plain, one);
        digest_of(other, two);
        if (memcmp(one, two, sizeof(one)) == 0)
                fail_msg("%s is not part of it", what);
}

static void test_every_part_counts(void **state) {
        Parts other;

        for (size_t i = 0; i < strlen(plain.request); i++) {
                other = plain;
                other.request[i] ^= 1;
                differs(&other, "a byte of the request");
                other = plain;
                other.response[i] ^= 1;
                differs(&other, "a byte of the response");
        }
        for (size_t i = 0; i < OAP_DIGEST_BYTES; i++) {
                other = plain;
                other.request_binding[i] ^= 1;
                differs(&other, "a byte of the request's binding");
                other = plain;
                other.response_binding[i] ^= 1;
                differs(&other, "a byte of the response's binding");
        }

        other = plain;
        memcpy(other.request_binding, plain.response_binding, OAP_DIGEST_BYTES);
        memcpy(other.response_binding, plain.request_binding, OAP_DIGEST_BYTES);
        differs(&other, "which binding is whose");
        other = (Parts) { .request = "an answer", .response = "a request" };
        memcpy(other.request_binding, plain.request_binding, OAP_DIGEST_BYTES);
        memcpy(other.response_binding, plain.response_binding, OAP_DIGEST_BYTES);
        differs(&other, "which message is which");
}

/* The same bytes, cut elsewhere. */
static void test_where_messages_end(void **state) {
        Parts one = { .request = "abc", .response = "def" }, two = { .request = "abcd", .response = "ef" };
        uint8_t first[OAP_DIGEST_BYTES], second[OAP_DIGEST_BYTES];

        digest_of(&one, first);
        digest_of(&two, second);
        assert_memory_not_equal(first, second, sizeof(first));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_by_hand),
                cmocka_unit_test(test_every_part_counts),
                cmocka_unit_test(test_where_messages_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
