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
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/hash.h"
#include "tests/unit/irm/auth-fixture.h"

#define SESSION UINT64_C(500)
#define FRCT (OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT)

static const char *arg_program;

typedef struct Host {
        IrmFixture irm;
        AuthFixture auth;
        int listener;
        int layer;
} Host;

/* -- a host -- */

static void client_hears_nothing(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 50), 0);
}

static int listen_on(const char *name) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION };
        int fd = fixture_connect_client();

        (void) snprintf(message.info.name, sizeof(message.info.name), "%s", name);
        assert_int_equal(irm_message_send(fd, &message, NULL, 0), 0);
        fixture_client_hear(fd, IRM_REPLY, &message, NULL);
        assert_int_equal(message.result, 0);
        return fd;
}

static int set_up(void **state) {
        static Host host;               /* cmocka hands on a pointer */
        LayerMessage message;
        char text[256];

        host = (Host) {};
        fixture_start(&host.irm, arg_program);
        auth_start(&host.auth, &host.irm);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\nAuthentication=mutual\n",
                        geteuid());
        fixture_write(&host.irm, "names/here.name", text);
        (void) snprintf(text, sizeof(text),
                        "[Name]\nLayer=lan\n[Bind]\nUser=%u\n[Server]\nAuthentication=none\nEncryption=no\n",
                        geteuid());
        fixture_write(&host.irm, "names/plain.name", text);
        fixture_run(&host.irm);
        auth_greet(&host.auth);

        host.layer = fixture_connect_layer(&host.irm);
        layer_come_online(host.layer, "lan");
        layer_hear(host.layer, LAYER_REGISTER, &message, NULL);
        layer_hear(host.layer, LAYER_REGISTER, &message, NULL);
        host.listener = listen_on("here");
        *state = &host;
        return 0;
}

static int tear_down(void **state) {
        Host *host = *state;

        (void) close(host->listener);
        (void) close(host->layer);
        auth_stop(&host->auth);
        fixture_stop(&host->irm);
        return 0;
}

/* -- steps -- */

static void say_incoming(Host *host, const char *name, uint64_t reference, const uint8_t *oap, size_t oap_size) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = reference, .qos = O7S_QOS_RAW,
                                  .peer = "02:00:00:00:00:07",
                                  .binding = "seen on the way", .binding_size = 15, .oap_size = oap_size };

        incoming.hash_size = (size_t) hash_compute(HASH_SHA3_256, name, strlen(name), incoming.hash);
        memcpy(incoming.oap, oap, oap_size);
        layer_say(host->layer, &incoming, NULL, 0);
}

static void ask_for(Host *host, const char *name, uint64_t reference, uint8_t id) {
        size_t size;
        uint8_t *oap = auth_make_oap(id, &size);

        say_incoming(host, name, reference, oap, size);
        free(oap);
}

static AuthMessage checked(uint64_t id, uint64_t session, uint8_t oap_id) {
        AuthMessage answer = {
                .type = AUTH_REQUEST_CHECKED,
                .id = id,
                .session = session,
                .stamp = time_realtime_nsec() - OAP_BACKDATE_NSEC,
                .capabilities = FRCT,
                .have_token = true,
                .token = "theirs",
                .peer = { .o7s = true, .verified = true, .identity = "o7s:name:alice", .key_exchange = "X25519",
                          .protection = "aes-128-gcm" },
        };

        memset(answer.oap_id, oap_id, sizeof(answer.oap_id));
        return answer;
}

/* A request that the service finds good. Returns the number of its session. */
static uint64_t admit(Host *host, uint64_t reference, uint8_t id) {
        AuthMessage question, answer;

        ask_for(host, "here", reference, id);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        client_hears_nothing(host->listener);           /* nobody is woken before */
        answer = checked(question.id, SESSION + reference, id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        return SESSION + reference;
}

static void accept_offer(Host *host, IrmMessage *ret_offer) {
        IrmMessage lane = { .type = IRM_LANE };
        int fd = fixture_make_lane();

        fixture_client_hear(host->listener, IRM_OFFER, ret_offer, NULL);
        lane.flow_id = ret_offer->flow_id;
        assert_int_equal(irm_message_send(host->listener, &lane, &fd, 1), 0);
        (void) close(fd);
}

static void hear_refusal(Host *host, uint64_t reference, int result) {
        LayerMessage message;

        layer_hear(host->layer, LAYER_REFUSE, &message, NULL);
        assert_int_equal(message.reference, reference);
        assert_int_equal(message.result, result);
        assert_int_equal(message.oap_size, 0);
}

static void say_prepared(Host *host, const LayerMessage *prepare) {
        LayerMessage answer = { .type = LAYER_PREPARED, .flow_id = prepare->flow_id, .reference = prepare->reference,
                                .binding = "will say", .binding_size = 8, .have_reset = true,
                                .reset = "ours to reset" };

        layer_say(host->layer, &answer, NULL, 0);
}

/* -- the whole way -- */

static void test_accepted(void **state) {
        Host *host = *state;
        AuthMessage question, answer = { .type = AUTH_RESPONSE_BUILT };
        LayerMessage prepare, accept, reply = { .type = LAYER_REPLY, .qos = O7S_QOS_RAW }, established;
        int fds[IRM_FDS_MAX], layer_fds[LAYER_FDS_MAX], lane;
        IrmMessage offer, message;
        size_t size;
        uint8_t *oap = auth_make_oap(0x11, &size);

        say_incoming(host, "here", 9, oap, size);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        assert_string_equal(question.name, "here");
        assert_int_equal(question.policy.authentication, AUTHENTICATION_MUTUAL);
        assert_int_equal(question.binding_size, 15);
        assert_memory_equal(question.binding, "seen on the way", 15);
        assert_int_equal(question.oap_size, size);
        assert_memory_equal(question.oap, oap, size);
        free(oap);
        client_hears_nothing(host->listener);
        answer = checked(question.id, SESSION, 0x11);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);

        accept_offer(host, &offer);
        assert_string_equal(offer.info.peer, "o7s:name:alice");
        assert_true(offer.info.verified);
        assert_string_equal(offer.info.protection, "aes-128-gcm");
        assert_int_equal(offer.keys.suite, SEAL_NONE);          /* not before it is there */

        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 9);
        assert_int_equal(prepare.flow_id, offer.flow_id);
        say_prepared(host, &prepare);

        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        assert_int_equal(question.session, SESSION);
        assert_int_equal(question.capabilities, FRCT);
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
        auth_hear_forget(&host->auth, SESSION);
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
        Host *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                AuthMessage question, answer = { .type = AUTH_REQUEST_CHECKED, .result = cases[i].result,
                                                 .peer = cases[i].peer };

                print_message("%s\n", cases[i].name);
                ask_for(host, "here", i + 1, (uint8_t) (0x20 + i));
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                answer.id = question.id;
                auth_say(&host->auth, &answer);
                auth_message_done(&question);
                hear_refusal(host, i + 1, cases[i].wire);
        }

        client_hears_nothing(host->listener);
}

/* Whoever saw the request of one who is not allowed sends it again, and hears nothing. */
static void test_refused_once(void **state) {
        Host *host = *state;
        size_t size;
        uint8_t *oap = auth_make_oap(0xe1, &size);

        for (uint64_t i = 1; i <= 2; i++) {
                AuthMessage question, answer = { .type = AUTH_REQUEST_CHECKED, .result = -EKEYREJECTED,
                                                 .peer = { .identity = "o7s:name:bob" } };

                say_incoming(host, "here", i, oap, size);
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                answer.id = question.id;
                auth_say(&host->auth, &answer);
                auth_message_done(&question);
                hear_refusal(host, i, i == 1 ? -1009 : 0);
        }
        free(oap);
}

/* Good twice is once. */
static void test_replayed(void **state) {
        Host *host = *state;
        AuthMessage question, answer;
        IrmMessage offer;

        (void) admit(host, 1, 0x31);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);

        ask_for(host, "here", 2, 0x31);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = checked(question.id, SESSION + 2, 0x31);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        hear_refusal(host, 2, 0);
        auth_hear_forget(&host->auth, SESSION + 2);
        client_hears_nothing(host->listener);
}

static void test_no_service(void **state) {
        Host *host = *state;

        (void) close(host->auth.listening);
        host->auth.listening = -1;
        auth_die(&host->auth);
        ask_for(host, "here", 1, 0x41);
        hear_refusal(host, 1, 0);
        client_hears_nothing(host->listener);
}

/* What a stranger sent may be what ended it: the next process does not get it. */
static void test_service_ends(void **state) {
        Host *host = *state;
        AuthMessage question;

        ask_for(host, "here", 1, 0x51);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        auth_message_done(&question);
        auth_greet(&host->auth);
        hear_refusal(host, 1, 0);
        auth_hears_nothing(&host->auth);
}

/* As many as there may be of one name; the next one finds the door closed, and the first ones are none the worse. */
static void test_flood(void **state) {
        enum { MAX = 128 };
        Host *host = *state;
        AuthMessage question;

        for (uint64_t i = 1; i <= MAX + 1; i++)
                ask_for(host, "here", i, (uint8_t) i);
        hear_refusal(host, MAX + 1, 0);

        for (uint64_t i = 1; i <= MAX; i++) {
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                if (i == 1) {
                        AuthMessage answer = checked(question.id, SESSION, 1);

                        auth_say(&host->auth, &answer);
                }
                auth_message_done(&question);
        }

        IrmMessage offer;
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);
}

/* -- plain names -- */

static void test_plain(void **state) {
        Host *host = *state;
        int listener = listen_on("plain");
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = { 1 }, oap[512];
        LayerMessage accept;
        AuthMessage question;
        OapRequest request;
        IrmMessage offer, lane = { .type = IRM_LANE };
        ssize_t n;
        int fd;

        n = oap_request_build(random, time_realtime_nsec(), 0, NULL, oap, sizeof(oap), &request);
        assert_true(n > 0);
        say_incoming(host, "plain", 1, oap, (size_t) n);
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
        ask_for(host, "plain", 2, 0x61);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        assert_string_equal(question.name, "plain");
        auth_message_done(&question);
        (void) close(listener);
}

/* What there is no room for is not remembered as seen: the memory of that is one for all names. */
static void test_no_room(void **state) {
        enum { MAX = 1024 };
        Host *host = *state;
        LayerMessage gone = { .type = LAYER_INCOMING_GONE, .reference = 1 };
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = {}, oap[512];
        OapRequest request;
        ssize_t n = 0;

        for (uint16_t i = 1; i <= MAX + 1; i++) {
                memcpy(random, &i, sizeof(i));
                n = oap_request_build(random, time_realtime_nsec(), 0, NULL, oap, sizeof(oap), &request);
                assert_true(n > 0);
                assert_int_equal(poll(&(struct pollfd) { .fd = host->layer, .events = POLLOUT }, 1, 5000), 1);
                say_incoming(host, "plain", i, oap, (size_t) n);
        }
        hear_refusal(host, MAX + 1, 0);

        layer_say(host->layer, &gone, NULL, 0);
        say_incoming(host, "plain", MAX + 2, oap, (size_t) n);
        layer_hears_nothing(host->layer);
}

/* -- successors -- */

static void say_successor(Host *host, uint64_t reference, uint8_t id, uint8_t replaced, const char *identity) {
        AuthMessage question, answer;

        ask_for(host, "here", reference, id);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = checked(question.id, SESSION + reference, id);
        answer.have_replaced = true;
        memset(answer.replaced, replaced, sizeof(answer.replaced));
        (void) copy_string(answer.peer.identity, sizeof(answer.peer.identity), identity);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
}

/* The same peer asks again: the offer stays with whoever has it, and the answer goes to the newer request, in its
 * session. */
static void test_succeeded(void **state) {
        Host *host = *state;
        LayerMessage prepare;
        AuthMessage question;
        IrmMessage offer;
        uint64_t first;

        first = admit(host, 1, 0x71);
        say_successor(host, 2, 0x72, 0x71, "o7s:name:alice");
        hear_refusal(host, 1, 0);
        auth_hear_forget(&host->auth, first);

        accept_offer(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 2);
        say_prepared(host, &prepare);
        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        assert_int_equal(question.session, SESSION + 2);
        auth_message_done(&question);
}

static void test_not_succeeded(void **state) {
        Host *host = *state;
        LayerMessage prepare;
        IrmMessage offer;

        (void) admit(host, 1, 0x81);
        say_successor(host, 2, 0x82, 0x81, "o7s:name:mallory");
        hear_refusal(host, 2, 0);
        auth_hear_forget(&host->auth, SESSION + 2);

        accept_offer(host, &offer);
        assert_string_equal(offer.info.peer, "o7s:name:alice");
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 1);
}

/* What the policy of one name lets in does not take the place of what is asked of another. */
static void test_name_of_predecessor(void **state) {
        Host *host = *state;
        AuthMessage question, answer;
        LayerMessage prepare;
        IrmMessage offer;

        (void) admit(host, 1, 0x83);
        ask_for(host, "plain", 2, 0x84);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = checked(question.id, SESSION + 2, 0x84);
        answer.have_replaced = true;
        memset(answer.replaced, 0x83, sizeof(answer.replaced));
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        hear_refusal(host, 2, 0);
        auth_hear_forget(&host->auth, SESSION + 2);

        accept_offer(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        assert_int_equal(prepare.reference, 1);
}

/* -- somebody goes away while the service works -- */

static void test_request_goes(void **state) {
        Host *host = *state;
        LayerMessage gone = { .type = LAYER_INCOMING_GONE, .reference = 1 };
        AuthMessage question, answer;

        ask_for(host, "here", 1, 0x91);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        layer_say(host->layer, &gone, NULL, 0);
        layer_hears_nothing(host->layer);
        answer = checked(question.id, SESSION, 0x91);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SESSION);
        client_hears_nothing(host->listener);
}

static void test_layer_goes(void **state) {
        Host *host = *state;
        AuthMessage question, answer;

        ask_for(host, "here", 1, 0xa1);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        (void) close(host->layer);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
        answer = checked(question.id, SESSION, 0xa1);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SESSION);
        client_hears_nothing(host->listener);
}

/* Accepted, and before the service has built the answer its listener ends: nothing is answered, and the session is
 * forgotten. */
static void test_listener_goes(void **state) {
        Host *host = *state;
        LayerMessage prepare, message;
        AuthMessage question, answer = { .type = AUTH_RESPONSE_BUILT };
        IrmMessage offer;

        (void) admit(host, 1, 0xb1);
        accept_offer(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        say_prepared(host, &prepare);
        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        (void) close(host->listener);
        hear_refusal(host, 1, 0);
        auth_hear_forget(&host->auth, SESSION + 1);

        answer.id = question.id;
        answer.oap = auth_make_oap(0xb2, &answer.oap_size);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_message_done(&answer);
        layer_hears_nothing(host->layer);
        host->listener = listen_on("here");
        client_hears_nothing(host->listener);
        (void) message;
}

/* The service cannot answer after all: the other host hears nothing, the listener that it is over. */
static void test_answer_fails(void **state) {
        static const struct {
                const char *name;
                int result;
        } cases[] = {
                { "our key", -ENOKEY },
                { "the session is gone", -EPROTO },
        };
        Host *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LayerMessage prepare;
                AuthMessage question;
                IrmMessage message;

                print_message("%s\n", cases[i].name);
                (void) admit(host, i + 1, (uint8_t) (0xc1 + i));
                accept_offer(host, &message);
                layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
                say_prepared(host, &prepare);
                auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
                auth_say(&host->auth, &(AuthMessage) { .type = AUTH_RESPONSE_BUILT, .id = question.id,
                                                       .result = cases[i].result, .text = "no" });
                auth_message_done(&question);
                auth_hear_forget(&host->auth, SESSION + i + 1);
                hear_refusal(host, i + 1, 0);
                fixture_client_hear(host->listener, IRM_WITHDRAWN, &message, NULL);
        }
}

/* Killed in the middle of it: nothing is remembered of a flow that was not there, and the next request goes its way. */
static void test_irm_restarts(void **state) {
        Host *host = *state;
        AuthMessage question;
        LayerMessage message;
        IrmMessage offer;

        ask_for(host, "here", 1, 0xd1);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        auth_message_done(&question);
        fixture_kill(&host->irm);
        fixture_run(&host->irm);
        auth_greet(&host->auth);
        (void) close(host->layer);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
        layer_hear(host->layer, LAYER_REGISTER, &message, NULL);
        layer_hear(host->layer, LAYER_REGISTER, &message, NULL);
        (void) close(host->listener);
        host->listener = listen_on("here");
        client_hears_nothing(host->listener);

        (void) admit(host, 1, 0xd2);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);
}

static void restart(Host *host) {
        LayerMessage message;

        fixture_kill(&host->irm);
        fixture_run(&host->irm);
        auth_greet(&host->auth);
        (void) close(host->layer);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
        layer_hear(host->layer, LAYER_REGISTER, &message, NULL);
        layer_hear(host->layer, LAYER_REGISTER, &message, NULL);
        (void) close(host->listener);
        host->listener = listen_on("here");
}

/* What somebody proven has sent is refused by the next IRM as by this one, and by the one after it; what he sends
 * now is not. */
static void test_replayed_after_restart(void **state) {
        Host *host = *state;
        AuthMessage question, answer;
        IrmMessage offer;
        uint64_t stamp;

        ask_for(host, "here", 1, 0xf1);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = checked(question.id, SESSION, 0xf1);
        stamp = answer.stamp;
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);

        for (uint64_t i = 2; i <= 3; i++) {
                restart(host);
                ask_for(host, "here", i, 0xf1);
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                answer = checked(question.id, SESSION + i, 0xf1);
                answer.stamp = stamp;
                auth_say(&host->auth, &answer);
                auth_message_done(&question);
                hear_refusal(host, i, 0);
                auth_hear_forget(&host->auth, SESSION + i);
                client_hears_nothing(host->listener);
        }

        (void) admit(host, 4, 0xf2);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_accepted, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_refused_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_replayed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_service, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_service_ends, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_flood, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_succeeded, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_not_succeeded, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_request_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_listener_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_answer_fails, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_irm_restarts, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_replayed_after_restart, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_name_of_predecessor, set_up, tear_down),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
