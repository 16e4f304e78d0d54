/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whoever is on the path between two o7s hosts. Each test names what he may do; what has to come out is that one end
 * refuses, or both agree on the very same thing. Where there are keys, every byte of both messages is in the
 * transcript: there is no byte that may be altered, signature or not. Without signatures he may still be the peer
 * himself, towards both ends; test_middle() says where that is possible, and where it is not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/handshake-path.h"

static void test_untouched(void **state) {
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                PathMessage request, response;

                path_ask(&client, w, mode, &request);
                assert_int_equal(path_answer(&server, w, mode, &request, &response), 0);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), 0);
                assert_true(path_keys_agree(&client, &server));
        }
}

static void test_flips_in_request(void **state) {
        static const uint8_t masks[] = { 0x01, 0x80, 0xff };
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                PathMessage request;

                print_message("%s\n", path_mode_name(mode));
                path_ask(&client, w, mode, &request);
                for (size_t i = 0; i < request.size * ELEMENTSOF(masks); i++) {
                        bool repairs = i < 2 * request.size;

                        request.bytes[i % request.size] ^= masks[i / request.size];
                        assert_false(path_accept_altered_request(w, mode, &request, repairs));
                        request.bytes[i % request.size] ^= masks[i / request.size];
                }
                assert_true(path_accept_altered_request(w, mode, &request, true));
        }
}

static void test_flips_in_response(void **state) {
        static const uint8_t masks[] = { 0x01, 0x80, 0xff };
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                PathMessage request, response;

                print_message("%s\n", path_mode_name(mode));
                path_ask(&client, w, mode, &request);
                assert_int_equal(path_answer(&server, w, mode, &request, &response), 0);
                for (size_t i = 0; i < response.size * ELEMENTSOF(masks); i++) {
                        response.bytes[i % response.size] ^= masks[i / response.size];
                        assert_true(path_accept_response(w, mode, &response) < 0);
                        response.bytes[i % response.size] ^= masks[i / response.size];
                }
                assert_int_equal(path_accept_response(w, mode, &response), 0);
        }
}

static void test_cut_off(void **state) {
        const PathWorld *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        PathMessage request, response, shorter;

        path_ask(&client, w, PATH_MODE_MUTUAL, &request);
        assert_int_equal(path_answer(&server, w, PATH_MODE_MUTUAL, &request, &response), 0);
        for (shorter = request; shorter.size > 0; shorter.size--)
                assert_int_equal(path_accept_altered_request(w, PATH_MODE_MUTUAL, &shorter, false),
                                 shorter.size == request.size);
        for (shorter = response; shorter.size > 0; shorter.size--)
                assert_int_equal(path_accept_response(w, PATH_MODE_MUTUAL, &shorter) >= 0,
                                 shorter.size == response.size);
        assert_int_equal(test_side_check_response(&client, response.bytes, AUTH_OAP_BYTES_MAX + 1), -EBADMSG);
}

/* Without the extension a response is one of the reference. Whoever signs, signs it; whoever does not, must say
 * Peer=o7s to be safe from this. */
static void test_strip_extension(void **state) {
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                PathMessage request, response, stripped;

                print_message("%s\n", path_mode_name(mode));
                path_ask(&client, w, mode, &request);
                assert_int_equal(path_answer(&server, w, mode, &request, &response), 0);
                stripped = response;
                path_strip_extension(&stripped, path_hash_size_of(&request));

                /* Only of the response: the keys would differ, or there would be none. */
                if (mode == PATH_MODE_SERVER || mode == PATH_MODE_MUTUAL || mode == PATH_MODE_MAC)
                        assert_int_equal(path_accept_response(w, mode, &stripped), -EBADE);

                /* Only of the request: the answer gives it away, whatever its digest says. */
                stripped = request;
                path_strip_extension(&stripped, 0);
                if (mode != PATH_MODE_MAC_KEYS)
                        assert_false(path_accept_altered_request(w, mode, &stripped, true));
        }
}

static void test_strip_both(void **state) {
        static const char *const only_o7s[] = { "Peer=o7s", NULL };
        const PathWorld *w = *state;

        for (int strict = 0; strict < 2; strict++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                PathMessage request, response, stripped;
                SealKeys a, b;
                ControlKeys ca, cb;

                assert_int_equal(test_side_init(&client, false, PATH_NAME, NULL, NULL, strict ? only_o7s : NULL), 0);
                path_start(&client, 1);
                path_make_request(&client, &request);
                stripped = request;
                path_strip_extension(&stripped, 0);
                path_init_server(&server, w, PATH_MODE_KEYS);
                server.seen_size = 0;
                assert_int_equal(test_side_check_request(&server, stripped.bytes, stripped.size), 0);
                path_make_response(&server, &response);
                path_strip_extension(&response, path_hash_size_of(&stripped));
                path_repair_hash(&response, path_hash_size_of(&stripped), &request);

                /* Nobody signs, and any peer will do: they end up as two hosts of the reference, with a key that he
                 * does not have. */
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size),
                                 strict ? -EKEYREJECTED : 0);
                if (strict)
                        continue;
                assert_int_equal(handshake_keys(client.h, &a, &ca), 0);
                assert_int_equal(handshake_keys(server.h, &b, &cb), 0);
                assert_int_equal(a.suite, SEAL_REFERENCE);
                assert_int_equal(b.suite, SEAL_REFERENCE);
                assert_memory_equal(a.send, b.receive, sizeof(a.send));
        }
}

static void test_strip_certificate(void **state) {
        const PathWorld *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        _cleanup_(test_side_done) TestSide strict = {};
        PathMessage request, response;

        path_ask(&client, w, PATH_MODE_MUTUAL, &request);
        assert_int_equal(path_answer(&server, w, PATH_MODE_MUTUAL, &request, &response), 0);
        path_strip_certificate(&response, path_hash_size_of(&request));
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EKEYREJECTED);

        path_strip_certificate(&request, 0);
        path_init_server(&strict, w, PATH_MODE_MUTUAL);
        assert_int_equal(test_side_check_request(&strict, request.bytes, request.size), -EKEYREJECTED);
}

/* One suite less, one preference turned round: in the request it changes the transcript, in the response it was never
 * offered. */
static void test_suites(void **state) {
        const PathWorld *w = *state;
        PathMessage request, altered;
        _cleanup_(test_side_done) TestSide client = {};
        OapExtension extension;
        OapHeader header;
        uint8_t data[OAP_EXTENSION_BYTES_MAX];
        ssize_t n;

        path_ask(&client, w, PATH_MODE_KEYS, &request);
        assert_int_equal(oap_header_parse(request.bytes, request.size, 0, &header), 0);
        assert_int_equal(oap_extension_parse(header.data, header.data_size, false, &extension), 0);
        assert_true(extension.n_suites >= 3);

        for (unsigned i = 1; i < extension.n_suites; i++) {
                OapExtension fewer = extension;

                fewer.suites[0] = extension.suites[i];
                fewer.n_suites = 1;
                n = oap_extension_pack(&fewer, false, data, sizeof(data));
                assert_true(n > 0);
                header.data = data;
                header.data_size = (size_t) n;
                altered = request;
                path_rewrite(&altered, &header);
                assert_false(path_accept_altered_request(w, PATH_MODE_KEYS, &altered, true));
        }
}

/* F and R speak of exchanges that nobody here has. */
static void test_raw_bits(void **state) {
        static const uint8_t bits[] = { 0x80, 0x40, 0xc0 };
        const PathWorld *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(bits); i++)
                for (int empty = 0; empty < 2; empty++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide server = {};
                        _cleanup_(test_side_done) TestSide asked = {};
                        PathMessage request, response;
                        OapHeader header;

                        path_ask(&client, w, PATH_MODE_KEYS, &request);
                        assert_int_equal(path_answer(&server, w, PATH_MODE_KEYS, &request, &response), 0);

                        assert_int_equal(oap_header_parse(request.bytes, request.size, 0, &header), 0);
                        header.key_exchange_size = empty ? 0 : header.key_exchange_size;
                        header.key_exchange_raw = bits[i] & 0x80;
                        header.client_encapsulates = bits[i] & 0x40;
                        path_rewrite(&request, &header);
                        path_init_server(&asked, w, PATH_MODE_KEYS);
                        assert_int_equal(test_side_check_request(&asked, request.bytes, request.size), -EOPNOTSUPP);

                        response.bytes[32] |= bits[i];
                        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
                }
}

/* A public key in the answer to who sent none. */
static void test_key_not_asked_for(void **state) {
        static const char *const settings[] = { "Encryption=no", "Cipher=aes-192-gcm", NULL };
        const PathWorld *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        uint8_t data[OAP_EXTENSION_BYTES_MAX];
        OapExtension extension;
        PathMessage request, response;
        OapHeader header;
        size_t size;
        ssize_t n;

        assert_int_equal(test_side_init(&client, false, PATH_NAME, NULL, NULL, settings), 0);
        path_set_binding(client.binding, &client.binding_size, 'q');
        path_set_binding(client.seen, &client.seen_size, 'r');
        path_start(&client, 1);
        path_make_request(&client, &request);
        assert_int_equal(path_answer(&server, w, PATH_MODE_KEYS, &request, &response), 0);

        size = path_hash_size_of(&request);
        assert_int_equal(oap_header_parse(response.bytes, response.size, size, &header), 0);
        assert_int_equal(oap_extension_parse(header.data, header.data_size, true, &extension), 0);
        extension.share = (const uint8_t *) "share";
        extension.share_size = 5;
        n = oap_extension_pack(&extension, true, data, sizeof(data));
        assert_true(n > 0);
        header.data = data;
        header.data_size = (size_t) n;
        path_rewrite(&response, &header);
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_untouched),
                cmocka_unit_test(test_flips_in_request),
                cmocka_unit_test(test_flips_in_response),
                cmocka_unit_test(test_cut_off),
                cmocka_unit_test(test_strip_extension),
                cmocka_unit_test(test_strip_both),
                cmocka_unit_test(test_strip_certificate),
                cmocka_unit_test(test_suites),
                cmocka_unit_test(test_raw_bits),
                cmocka_unit_test(test_key_not_asked_for),
        };

        return cmocka_run_group_tests(tests, path_set_up, path_tear_down);
}
