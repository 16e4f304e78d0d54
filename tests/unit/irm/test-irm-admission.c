/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows that another host asks for, through the authentication service: a listener hears of one only when it is
 * authenticated, and what is refused says nothing to a stranger. The service, the layer and the other host are
 * doubles.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/unit/irm/serving-host.h"

/* -- the whole way -- */

static void test_accepted(void **state) {
        ServingHost *host = *state;
        AuthMessage question, answer = { .type = AUTH_RESPONSE_BUILT };
        LayerMessage prepare, accept, reply = { .type = LAYER_REPLY, .qos = O7S_QOS_RAW }, established;
        int fds[IRM_FDS_MAX], layer_fds[LAYER_FDS_MAX], lane;
        IrmMessage offer, message;
        size_t size;
        uint8_t *oap = auth_make_oap(0x11, &size);

        serving_say_incoming(host, "here", 9, oap, size);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        assert_string_equal(question.name, "here");
        assert_int_equal(question.policy.authentication, AUTHENTICATION_MUTUAL);
        assert_int_equal(question.binding_size, 15);
        assert_memory_equal(question.binding, "seen on the way", 15);
        assert_int_equal(question.oap_size, size);
        assert_memory_equal(question.oap, oap, size);
        free(oap);
        fixture_client_hears_nothing(host->listener);
        answer = serving_checked(question.id, SERVING_SESSION, 0x11);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);

        serving_accept(host, &offer);
        assert_string_equal(offer.info.peer, "o7s:name:alice");
        assert_true(offer.info.verified);
        assert_string_equal(offer.info.protection, "aes-128-gcm");
        assert_int_equal(offer.keys.suite, SEAL_NONE);          /* not before it is there */

        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 9);
        assert_int_equal(prepare.flow_id, offer.flow_id);
        serving_say_prepared(host, &prepare);

        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        assert_int_equal(question.session, SERVING_SESSION);
        assert_int_equal(question.capabilities, SERVING_CAPABILITIES);
        assert_true(question.have_token);
        assert_true(question.have_reset);
        assert_memory_equal(question.reset, "ours to reset", 13);
        assert_int_equal(question.binding_size, 8);
        answer = (AuthMessage) { .type = AUTH_RESPONSE_BUILT, .id = question.id,
                                 .keys = { .suite = SEAL_O7S, .cipher = SEAL_AES_128_GCM, .send = "s" },
                                 .control = { .present = true, .send = "cs", .receive = "cr" },
                                 .peer = { .o7s = true, .verified = true, .identity = "o7s:name:alice",
                                           .key_exchange = "X25519", .protection = "aes-256-gcm" } };
        answer.oap = auth_make_oap(0x12, &answer.oap_size);
        auth_say(&host->auth, &answer);

        layer_hear(host->layer, LAYER_ACCEPT, &accept, NULL);
        assert_int_equal(accept.reference, 9);
        assert_int_equal(accept.oap_size, answer.oap_size);
        assert_memory_equal(accept.oap, answer.oap, answer.oap_size);
        assert_true(accept.control.present);
        assert_memory_equal(accept.control.send, "cs", 3);
        assert_memory_equal(accept.control.receive, "cr", 3);
        assert_memory_equal(accept.tokens.own, question.token, OAP_TOKEN_BYTES);
        assert_true(accept.tokens.have_peer);
        assert_memory_equal(accept.tokens.peer, "theirs", 7);
        auth_hear_forget(&host->auth, SERVING_SESSION);
        auth_message_done(&question);

        reply.flow_id = accept.flow_id;
        lane = fixture_make_lane();
        layer_say(host->layer, &reply, &lane, 1);
        (void) close(lane);
        fixture_client_hear(host->listener, IRM_ESTABLISHED, &message, fds);
        assert_memory_equal(&message.keys, &answer.keys, sizeof(answer.keys));
        assert_string_equal(message.info.key_exchange, "X25519");
        assert_string_equal(message.info.protection, "aes-256-gcm");
        assert_true(message.info.verified);
        layer_hear(host->layer, LAYER_ESTABLISHED, &established, layer_fds);
        auth_message_done(&answer);
        for (unsigned i = 0; i < 2; i++) {
                (void) close(fds[i]);
                (void) close(layer_fds[i]);
        }
}

/* -- refusals -- */

static void test_refused(void **state) {
        static const struct {
                const char *name;
                int result;
                AuthPeer peer;
                int wire;
        } cases[] = {
                { "nothing proven",                   -EKEYREJECTED, {},                               0 },
                { "no handshake",                     -EBADMSG,      {},                               0 },
                { "old",                              -ETIME,        {},                               0 },
                { "algorithms of a stranger",         -EOPNOTSUPP,   {},                               0 },
                { "our key",                          -ENOKEY,       {},                               0 },
                { "proven, and not allowed",          -EKEYREJECTED, { .identity = "o7s:name:bob" },   -1009 },
                { "old, of one who has proven",       -ETIME,        { .identity = "o7s:name:bob" },   0 },
                { "algorithms of one who has proven", -EOPNOTSUPP,   { .identity = "o7s:name:alice" }, -1008 },
        };
        ServingHost *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AuthMessage question, answer = { .type = AUTH_REQUEST_CHECKED, .result = cases[i].result,
                                                 .peer = cases[i].peer };

                print_message("%s\n", cases[i].name);
                serving_ask(host, "here", i + 1, (uint8_t) (0x20 + i));
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                answer.id = question.id;
                auth_say(&host->auth, &answer);
                auth_message_done(&question);
                serving_hear_refusal(host, i + 1, cases[i].wire);
        }

        fixture_client_hears_nothing(host->listener);
}

/* Whoever saw the request of one who is not allowed sends it again, and hears nothing. */
static void test_refused_once(void **state) {
        ServingHost *host = *state;
        size_t size;
        uint8_t *oap = auth_make_oap(0xe1, &size);

        for (uint64_t i = 1; i <= 2; i++) {
                AuthMessage question, answer = { .type = AUTH_REQUEST_CHECKED, .result = -EKEYREJECTED,
                                                 .peer = { .identity = "o7s:name:bob" } };

                serving_say_incoming(host, "here", i, oap, size);
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                answer.id = question.id;
                auth_say(&host->auth, &answer);
                auth_message_done(&question);
                serving_hear_refusal(host, i, i == 1 ? -1009 : 0);
        }
        free(oap);
}

/* Good twice is once. */
static void test_replayed(void **state) {
        ServingHost *host = *state;
        AuthMessage question, answer;
        IrmMessage offer;

        (void) serving_admit(host, 1, 0x31);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);

        serving_ask(host, "here", 2, 0x31);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = serving_checked(question.id, SERVING_SESSION + 2, 0x31);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        serving_hear_refusal(host, 2, 0);
        auth_hear_forget(&host->auth, SERVING_SESSION + 2);
        fixture_client_hears_nothing(host->listener);
}

static void test_no_service(void **state) {
        ServingHost *host = *state;

        (void) close(host->auth.listening);
        host->auth.listening = -1;
        auth_die(&host->auth);
        serving_ask(host, "here", 1, 0x41);
        serving_hear_refusal(host, 1, 0);
        fixture_client_hears_nothing(host->listener);
}

/* What a stranger sent may be what ended it: the next process does not get it. */
static void test_service_ends(void **state) {
        ServingHost *host = *state;
        AuthMessage question;

        serving_ask(host, "here", 1, 0x51);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        auth_message_done(&question);
        auth_greet(&host->auth);
        serving_hear_refusal(host, 1, 0);
        auth_hears_nothing(&host->auth);
}

/* As many as there may be of one name; the next one finds the door closed, and the first ones are none the worse. */
static void test_flood(void **state) {
        enum { MAX = 128 };
        ServingHost *host = *state;
        AuthMessage question;

        for (uint64_t i = 1; i <= MAX + 1; i++)
                serving_ask(host, "here", i, (uint8_t) i);
        serving_hear_refusal(host, MAX + 1, 0);

        for (uint64_t i = 1; i <= MAX; i++) {
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                if (i == 1) {
                        AuthMessage answer = serving_checked(question.id, SERVING_SESSION, 1);

                        auth_say(&host->auth, &answer);
                }
                auth_message_done(&question);
        }

        IrmMessage offer;
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);
}

/* -- plain names -- */

static void test_plain(void **state) {
        ServingHost *host = *state;
        int listener = fixture_client_listen("plain");
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = { 1 }, oap[512];
        LayerMessage accept;
        AuthMessage question;
        OapRequest request;
        IrmMessage offer, lane = { .type = IRM_LANE };
        ssize_t n;
        int fd;

        n = oap_request_build(random, time_realtime_nsec(), 0, NULL, oap, sizeof(oap), &request);
        assert_true(n > 0);
        serving_say_incoming(host, "plain", 1, oap, (size_t) n);
        fixture_client_hear(listener, IRM_OFFER, &offer, NULL);
        assert_string_equal(offer.info.protection, "none");
        assert_string_equal(offer.info.peer, "02:00:00:00:00:07");
        assert_false(offer.info.verified);

        fd = fixture_make_lane();
        lane.flow_id = offer.flow_id;
        assert_int_equal(irm_message_send(listener, &lane, &fd, 1), 0);
        (void) close(fd);
        layer_hear(host->layer, LAYER_ACCEPT, &accept, NULL);
        assert_false(accept.control.present);
        auth_hears_nothing(&host->auth);

        /* One that shows a key is for the service also here. */
        serving_ask(host, "plain", 2, 0x61);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        assert_string_equal(question.name, "plain");
        auth_message_done(&question);
        (void) close(listener);
}

/* What there is no room for is not remembered as seen: the memory of that is one for all names. */
static void test_no_room(void **state) {
        enum { MAX = 1024 };
        ServingHost *host = *state;
        LayerMessage gone = { .type = LAYER_INCOMING_GONE, .reference = 1 };
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = {}, oap[512];
        OapRequest request;
        ssize_t n = 0;

        for (uint16_t i = 1; i <= MAX + 1; i++) {
                memcpy(random, &i, sizeof(i));
                n = oap_request_build(random, time_realtime_nsec(), 0, NULL, oap, sizeof(oap), &request);
                assert_true(n > 0);
                assert_int_equal(poll(&(struct pollfd) { .fd = host->layer, .events = POLLOUT }, 1, 60000), 1);
                serving_say_incoming(host, "plain", i, oap, (size_t) n);
        }
        serving_hear_refusal(host, MAX + 1, 0);

        layer_say(host->layer, &gone, NULL, 0);
        serving_say_incoming(host, "plain", MAX + 2, oap, (size_t) n);
        layer_hears_nothing(host->layer);
}

/* -- successors -- */

static void say_successor(ServingHost *host, uint64_t reference, uint8_t id, uint8_t replaced, const char *identity) {
        AuthMessage question, answer;

        serving_ask(host, "here", reference, id);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = serving_checked(question.id, SERVING_SESSION + reference, id);
        answer.have_replaced = true;
        memset(answer.replaced, replaced, sizeof(answer.replaced));
        (void) copy_string(answer.peer.identity, sizeof(answer.peer.identity), identity);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
}

/* The same peer asks again: the offer stays with whoever has it, and the answer goes to the newer request, in its
 * session. */
static void test_succeeded(void **state) {
        ServingHost *host = *state;
        LayerMessage prepare;
        AuthMessage question;
        IrmMessage offer;
        uint64_t first;

        first = serving_admit(host, 1, 0x71);
        say_successor(host, 2, 0x72, 0x71, "o7s:name:alice");
        serving_hear_refusal(host, 1, 0);
        auth_hear_forget(&host->auth, first);

        serving_accept(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 2);
        serving_say_prepared(host, &prepare);
        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        assert_int_equal(question.session, SERVING_SESSION + 2);
        auth_message_done(&question);
}

static void test_not_succeeded(void **state) {
        ServingHost *host = *state;
        LayerMessage prepare;
        IrmMessage offer;

        (void) serving_admit(host, 1, 0x81);
        say_successor(host, 2, 0x82, 0x81, "o7s:name:mallory");
        serving_hear_refusal(host, 2, 0);
        auth_hear_forget(&host->auth, SERVING_SESSION + 2);

        serving_accept(host, &offer);
        assert_string_equal(offer.info.peer, "o7s:name:alice");
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 1);
}

/* What the policy of one name lets in does not take the place of what is asked of another. */
static void test_name_of_predecessor(void **state) {
        ServingHost *host = *state;
        AuthMessage question, answer;
        LayerMessage prepare;
        IrmMessage offer;

        (void) serving_admit(host, 1, 0x83);
        serving_ask(host, "plain", 2, 0x84);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = serving_checked(question.id, SERVING_SESSION + 2, 0x84);
        answer.have_replaced = true;
        memset(answer.replaced, 0x83, sizeof(answer.replaced));
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        serving_hear_refusal(host, 2, 0);
        auth_hear_forget(&host->auth, SERVING_SESSION + 2);

        serving_accept(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 1);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, serving_set_up, serving_tear_down, argv[1])

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_accepted),
                TEST(test_refused),
                TEST(test_refused_once),
                TEST(test_replayed),
                TEST(test_no_service),
                TEST(test_service_ends),
                TEST(test_flood),
                TEST(test_plain),
                TEST(test_no_room),
                TEST(test_succeeded),
                TEST(test_not_succeeded),
                TEST(test_name_of_predecessor),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
