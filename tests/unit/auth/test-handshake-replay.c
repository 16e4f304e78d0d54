/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whole messages where they do not belong: again, elsewhere, back to who said them, by who has no right to; and an
 * object that has failed, or is asked in the wrong order.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/auth/handshake-path.h"

/* The same request, elsewhere: for another name, over another way, at another time. */
static void test_replay(void **state) {
        static const struct {
                const char *name;
                const char *served;
                char seen;
                int64_t later_sec;
                int r;
        } cases[] = {
                { "as it was sent",   PATH_NAME,           'q', 0,   0 },
                { "to another name",  "mail.example", 'q', 0,   -EKEYREJECTED },
                { "to a longer name", PATH_NAME ".",       'q', 0,   -EKEYREJECTED },
                { "another way",      PATH_NAME,           'x', 0,   -EBADE },
                { "no way known",     PATH_NAME,           0,   0,   -EBADE },
                { "after 17 s",       PATH_NAME,           'q', 17,  0 },
                { "after 19 s",       PATH_NAME,           'q', 19,  -ETIME },
                { "3 s before",       PATH_NAME,           'q', -3,  -ETIME },
        };
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                PathMessage request;

                path_ask(&client, w, mode, &request);
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        _cleanup_(test_side_done) TestSide server = {};

                        print_message("%s: %s\n", path_mode_name(mode), cases[i].name);
                        path_init_server(&server, w, mode);
                        server.name = cases[i].served;
                        server.now = TEST_NOW_NSEC + (uint64_t) (cases[i].later_sec * 1000000000);
                        path_set_binding(server.seen, &server.seen_size, cases[i].seen);
                        if (cases[i].seen == 0)
                                server.seen_size = 0;
                        path_start(&server, 9);
                        assert_int_equal(test_side_check_request(&server, request.bytes, request.size), cases[i].r);
                }
        }
}

/* Whatever was said before is no answer now. */
static void test_old_response(void **state) {
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide first = {};
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(test_side_done) TestSide second = {};
                PathMessage request, again, response;

                path_ask(&first, w, mode, &request);
                assert_int_equal(path_answer(&server, w, mode, &request, &response), 0);
                path_init_client(&second, w, mode);
                path_start(&second, 3);
                path_make_request(&second, &again);
                assert_int_equal(test_side_check_response(&second, response.bytes, response.size), -EBADE);
        }
}

/* One's own words. */
static void test_reflection(void **state) {
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide server = {};
                _cleanup_(test_side_done) TestSide ourselves = {};
                PathMessage request, response;

                path_ask(&client, w, mode, &request);
                assert_int_equal(path_answer(&server, w, mode, &request, &response), 0);

                /* The request comes back as a request: it left with the addresses the other way round. */
                path_init_server(&ourselves, w, mode);
                path_set_binding(ourselves.seen, &ourselves.seen_size, 'z');
                path_start(&ourselves, 5);
                assert_int_equal(test_side_check_request(&ourselves, request.bytes, request.size), -EBADE);

                /* As a response; and a response as a request. */
                assert_true(test_side_check_response(&client, request.bytes, request.size) < 0);
                path_start(&ourselves, 6);
                assert_true(test_side_check_request(&ourselves, response.bytes, response.size) < 0);
        }
}

/* A reply of the right shape, by who has no key of the right name. */
static void test_forged_reply(void **state) {
        const PathWorld *w = *state;
        const TestIdentity *shown[] = { &w->mallory, &w->client, NULL };

        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide mallory = {};
                PathMessage request, response;

                path_ask(&client, w, PATH_MODE_SERVER, &request);
                assert_int_equal(test_side_init(&mallory, true, PATH_NAME, shown[i], NULL, NULL), 0);
                path_set_binding(mallory.seen, &mallory.seen_size, 'q');
                path_set_binding(mallory.binding, &mallory.binding_size, 'r');
                path_start(&mallory, 8);
                assert_int_equal(test_side_check_request(&mallory, request.bytes, request.size), 0);
                path_make_response(&mallory, &response);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EKEYREJECTED);
        }
}

/* Mallory answers one and asks the other. Only where neither proves anything that works, which is what
 * Authentication= is for. */
static void test_middle(void **state) {
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++) {
                _cleanup_(test_side_done) TestSide client = {};
                _cleanup_(test_side_done) TestSide mallory = {};
                PathMessage request, response;
                bool unsigned_mode = mode == PATH_MODE_KEYS || mode == PATH_MODE_MAC_KEYS;

                path_ask(&client, w, mode, &request);
                assert_int_equal(test_side_init(&mallory, true, PATH_NAME, NULL, NULL, NULL), 0);
                path_set_binding(mallory.seen, &mallory.seen_size, 'q');
                path_set_binding(mallory.binding, &mallory.binding_size, 'r');
                path_start(&mallory, 8);
                assert_int_equal(test_side_check_request(&mallory, request.bytes, request.size), 0);
                path_make_response(&mallory, &response);
                assert_int_equal(test_side_check_response(&client, response.bytes, response.size),
                                 unsigned_mode ? 0 : -EKEYREJECTED);
        }
}

/* The server's certificate and signature, over another exchange of keys. */
static void test_binding_of_response(void **state) {
        const PathWorld *w = *state;

        for (PathMode mode = 0; mode < _PATH_MODE_MAX; mode++)
                for (int without = 0; without < 2; without++) {
                        _cleanup_(test_side_done) TestSide client = {};
                        _cleanup_(test_side_done) TestSide server = {};
                        PathMessage request, response;

                        path_ask(&client, w, mode, &request);
                        path_set_binding(client.seen, &client.seen_size, 'x');
                        if (without)
                                client.seen_size = 0;
                        assert_int_equal(path_answer(&server, w, mode, &request, &response), 0);
                        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EBADE);
                }
}

/* After an error nothing works any more, and no key is left. */
static void test_closed(void **state) {
        const PathWorld *w = *state;
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        PathMessage request, response;
        ControlKeys control;
        SealKeys keys;
        AuthPeer peer;

        path_ask(&client, w, PATH_MODE_SERVER, &request);
        assert_int_equal(path_answer(&server, w, PATH_MODE_SERVER, &request, &response), 0);
        response.bytes[response.size - 1] ^= 1;
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EBADE);
        response.bytes[response.size - 1] ^= 1;
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
        assert_int_equal(handshake_keys(client.h, &keys, &control), -EPROTO);
        handshake_peer(client.h, &peer);
        assert_false(peer.verified);
        assert_int_equal(test_side_request(&client, request.bytes, sizeof(request.bytes)), -EPROTO);

        /* The wrong role, and the wrong order. */
        path_start(&client, 1);
        assert_int_equal(test_side_check_request(&client, request.bytes, request.size), -EPROTO);
        path_start(&client, 1);
        assert_int_equal(test_side_check_response(&client, response.bytes, response.size), -EPROTO);
        path_start(&server, 1);
        assert_int_equal(test_side_response(&server, response.bytes, sizeof(response.bytes)), -EPROTO);
        path_start(&client, 1);
        assert_int_equal(handshake_finish(client.h, NULL, 0, request.bytes, sizeof(request.bytes)), -EPROTO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_replay),
                cmocka_unit_test(test_old_response),
                cmocka_unit_test(test_reflection),
                cmocka_unit_test(test_forged_reply),
                cmocka_unit_test(test_middle),
                cmocka_unit_test(test_binding_of_response),
                cmocka_unit_test(test_closed),
        };

        return cmocka_run_group_tests(tests, path_set_up, path_tear_down);
}
