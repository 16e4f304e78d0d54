/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows that a program of this host asks for, through the authentication service: who is told what, in which order,
 * and what becomes of the keys. The service, the layer and the other host are doubles, so each step can be late,
 * wrong, or never come.
 */

#include <fcntl.h>
#include <limits.h>
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

#define LONG (10 * USEC_PER_SEC)
#define SESSION UINT64_C(77)
#define FRCT (OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT)

static const char *arg_program;

typedef struct Host {
        IrmFixture irm;
        AuthFixture auth;
        int client;
        int layer;
} Host;

/* -- a host -- */

static int online_layer(Host *host) {
        int layer = fixture_connect_layer(&host->irm);

        layer_come_online(layer, "lan");
        return layer;
}

static int set_up_host(void **state, bool with_service) {
        static Host host;               /* cmocka hands on a pointer */

        host = (Host) {};
        fixture_start(&host.irm, arg_program);
        if (with_service)
                auth_start(&host.auth, &host.irm);
        fixture_write(&host.irm, "names/strict.example.name",
                      "[Name]\nLocal=no\n[Client]\nAuthentication=server\nEncryption=required\nPeer=o7s\nAllowPeer=o7s:name:strict.example\n");
        fixture_write(&host.irm, "names/plain.example.name",
                      "[Name]\nLocal=no\n[Client]\nAuthentication=none\nEncryption=no\n");
        fixture_write(&host.irm, "names/plain-o7s.example.name",
                      "[Name]\nLocal=no\n[Client]\nAuthentication=none\nEncryption=no\nPeer=o7s\n");
        fixture_write(&host.irm, "names/broken.example.name", "[Client]\nEncryption=maybe\n");
        fixture_run(&host.irm);

        if (with_service)
                auth_greet(&host.auth);
        host.layer = online_layer(&host);
        host.client = fixture_connect_client();
        *state = &host;
        return 0;
}

static int set_up(void **state) {
        return set_up_host(state, true);
}

/* With a layer over the other, and its file. */
static int set_up_over(void **state) {
        Host *host;
        int r;

        r = set_up_host(state, true);
        host = *state;
        (void) close(host->layer);
        (void) close(host->client);
        fixture_kill(&host->irm);
        fixture_write(&host->irm, "layers/home.layer", "[Layer]\nType=unicast\nOver=lan\n[Enroll]\nVia=home\n[Security]\n"
                      "Authentication=mutual\nEncryption=required\nAllowPeer=o7s:layer:home:*\n");
        fixture_run(&host->irm);
        auth_greet(&host->auth);
        host->layer = online_layer(host);
        host->client = fixture_connect_client();
        return r;
}

static int set_up_alone(void **state) {
        return set_up_host(state, false);
}

static int tear_down(void **state) {
        Host *host = *state;

        (void) close(host->client);
        (void) close(host->layer);
        if (host->auth.listening > 0)
                auth_stop(&host->auth);
        fixture_stop(&host->irm);
        return 0;
}

/* -- steps -- */

/* A program asks, and has brought its lane; the layer says that it reaches the name. Returns the program's end of
 * the doorbell. */
static int ask(Host *host, const char *name) {
        IrmMessage message = {
                .type = IRM_ALLOCATE,
                .version = IRM_PROTOCOL_VERSION,
                .timeout_usec = LONG,
                .info.qos = O7S_QOS_RAW,
        };
        LayerMessage query, done = { .type = LAYER_QUERY_DONE };
        struct pollfd pfd = { .fd = host->client, .events = POLLIN };
        IrmMessage lane = { .type = IRM_LANE };
        int fds[IRM_FDS_MAX], lane_fd;

        (void) snprintf(message.info.name, sizeof(message.info.name), "%s", name);
        assert_int_equal(irm_message_send(host->client, &message, NULL, 0), 0);
        assert_int_equal(poll(&pfd, 1, 5000), 1);
        assert_int_equal(irm_message_receive(host->client, &message, fds), 0);
        assert_int_equal(message.type, IRM_REPLY);
        assert_int_equal(message.result, 0);

        lane.flow_id = message.flow_id;
        lane_fd = fixture_make_lane();
        assert_int_equal(irm_message_send(host->client, &lane, &lane_fd, 1), 0);
        (void) close(lane_fd);

        layer_hear(host->layer, LAYER_QUERY, &query, NULL);
        done.query_id = query.query_id;
        layer_say(host->layer, &done, NULL, 0);
        return fds[0];
}

/* The layer says what its request will say. */
static void prepare(Host *host, LayerMessage *ret) {
        LayerMessage answer = { .type = LAYER_PREPARED, .binding = "as on the wire", .binding_size = 14 };

        layer_hear(host->layer, LAYER_PREPARE, ret, NULL);
        answer.flow_id = ret->flow_id;
        answer.attempt = ret->attempt;
        answer.reference = ret->reference;
        layer_say(host->layer, &answer, NULL, 0);
}

static void say_built(Host *host, uint64_t id, uint64_t session, uint8_t oap_id) {
        AuthMessage answer = { .type = AUTH_REQUEST_BUILT, .id = id, .session = session };

        answer.oap = auth_make_oap(oap_id, &answer.oap_size);
        auth_say(&host->auth, &answer);
        auth_message_done(&answer);
}

/* Up to the request that the layer has. */
static void build(Host *host, LayerMessage *ret_request) {
        AuthMessage question;
        LayerMessage message;

        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        say_built(host, question.id, SESSION, 0xa1);
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_REQUEST, ret_request, NULL);
}

static void say_reply(Host *host, const LayerMessage *request) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt, .qos = request->qos,
                               .oap = "the answer", .oap_size = 10, .binding = "as it came", .binding_size = 10 };
        int lane = fixture_make_lane();

        layer_say(host->layer, &reply, &lane, 1);
        (void) close(lane);
}

static AuthMessage good_answer(uint64_t id) {
        AuthMessage answer = {
                .type = AUTH_RESPONSE_CHECKED,
                .id = id,
                .capabilities = FRCT,
                .have_token = true,
                .token = "peers",
                .have_reset = true,
                .reset = "resetresetreset",
                .peer = { .o7s = true, .verified = true, .identity = "o7s:name:far.example", .key_exchange = "X25519",
                          .protection = "aes-128-gcm" },
                .keys = { .suite = SEAL_O7S, .cipher = SEAL_AES_128_GCM, .client = true, .label = "label" },
                .control = { .present = true },
        };

        for (size_t i = 0; i < SEAL_SECRET_BYTES; i++) {
                answer.keys.send[i] = (uint8_t) (0x91 + 7 * i);
                answer.keys.receive[i] = (uint8_t) (0x35 + 11 * i);
                answer.keys.agreement[i] = (uint8_t) (0xc3 + 13 * i);
                answer.control.send[i] = (uint8_t) (0x1d + 17 * i);
                answer.control.receive[i] = (uint8_t) (0x5b + 19 * i);
        }
        return answer;
}

/* -- the whole way -- */

static void test_established(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example"), fds[LAYER_FDS_MAX];
        LayerMessage prepared, request, established;
        AuthMessage question, answer;
        IrmMessage outcome;

        prepare(host, &prepared);
        assert_int_equal(prepared.attempt, 0);
        assert_int_equal(prepared.reference, 0);
        assert_int_equal(prepared.hash_size, 32);

        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_string_equal(question.name, "far.example");
        assert_int_equal(question.policy.encryption, ENCRYPTION_DEFAULT);
        assert_int_equal(question.capabilities, FRCT);
        assert_true(question.have_token);
        assert_false(question.have_replaced);
        assert_int_equal(question.size, 1388);
        assert_int_equal(question.binding_size, 14);
        assert_memory_equal(question.binding, "as on the wire", 14);
        say_built(host, question.id, SESSION, 0xa1);

        layer_hear(host->layer, LAYER_REQUEST, &request, NULL);
        assert_int_equal(request.oap[0], 0xa1);
        assert_int_equal(request.flow_id, prepared.flow_id);
        assert_memory_equal(request.hash, prepared.hash, 32);
        say_reply(host, &request);
        auth_message_done(&question);

        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        assert_int_equal(question.session, SESSION);
        assert_int_equal(question.oap_size, 10);
        assert_memory_equal(question.oap, "the answer", 10);
        assert_int_equal(question.binding_size, 10);
        assert_memory_equal(question.binding, "as it came", 10);
        layer_hears_nothing(host->layer);               /* nobody is told before it is checked */

        answer = good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);

        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        assert_string_equal(outcome.info.peer, "o7s:name:far.example");
        assert_true(outcome.info.verified);
        assert_string_equal(outcome.info.protection, "aes-128-gcm");
        assert_string_equal(outcome.info.key_exchange, "X25519");
        assert_int_equal(outcome.info.transfer, IRM_TRANSFER_EXTENDED);
        assert_memory_equal(&outcome.keys, &answer.keys, sizeof(answer.keys));

        layer_hear(host->layer, LAYER_ESTABLISHED, &established, fds);
        assert_true(established.control.present);
        assert_memory_equal(established.control.send, answer.control.send, SEAL_SECRET_BYTES);
        assert_memory_equal(established.control.receive, answer.control.receive, SEAL_SECRET_BYTES);
        assert_true(established.have_reset);
        assert_memory_equal(established.reset, answer.reset, LAYER_RESET_BYTES);
        assert_true(established.tokens.have_peer);
        assert_memory_equal(established.tokens.peer, answer.token, OAP_TOKEN_BYTES);
        auth_hear_forget(&host->auth, SESSION);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* -- nothing of the keys stays -- */

/* Whether the process has these bytes in any memory that it can read. */
static bool process_has(pid_t pid, const void *bytes, size_t size) {
        char path[64], line[512];
        bool found = false;
        FILE *maps;
        int memory;

        (void) snprintf(path, sizeof(path), "/proc/%d/maps", (int) pid);
        maps = fopen(path, "re");
        assert_non_null(maps);
        (void) snprintf(path, sizeof(path), "/proc/%d/mem", (int) pid);
        memory = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(memory >= 0);

        while (!found && fgets(line, sizeof(line), maps)) {
                uint64_t from, to;
                char mode[5];
                uint8_t *copy;
                ssize_t n;

                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, mode) != 3 || mode[0] != 'r' || mode[1] != 'w' ||
                    to - from > UINT64_C(1) << 30)
                        continue;

                copy = malloc(to - from);
                assert_non_null(copy);
                n = pread(memory, copy, to - from, (off_t) from);
                found = n > 0 && memmem(copy, (size_t) n, bytes, size);
                free(copy);
        }

        (void) fclose(maps);
        (void) close(memory);
        return found;
}

/* What is searched for is what is there: the same search finds the name of the flow. */
static void test_keys_are_wiped(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "wiped.example"), fds[LAYER_FDS_MAX];
        AuthMessage question, answer;
        LayerMessage message;
        IrmMessage outcome;

        build(host, &message);
        say_reply(host, &message);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);

        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        auth_hear_forget(&host->auth, SESSION);
        auth_hears_nothing(&host->auth);

        assert_true(process_has(host->irm.pid, "wiped.example", 13));
        assert_false(process_has(host->irm.pid, answer.keys.send, SEAL_SECRET_BYTES / 2));
        assert_false(process_has(host->irm.pid, answer.keys.receive, SEAL_SECRET_BYTES / 2));
        assert_false(process_has(host->irm.pid, answer.keys.agreement, SEAL_SECRET_BYTES / 2));
        assert_false(process_has(host->irm.pid, answer.control.send, SEAL_SECRET_BYTES / 2));
        assert_false(process_has(host->irm.pid, answer.control.receive, SEAL_SECRET_BYTES / 2));
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* -- policies -- */

static void test_policy_of_file(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "strict.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;

        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_int_equal(question.policy.authentication, AUTHENTICATION_SERVER);
        assert_int_equal(question.policy.encryption, ENCRYPTION_REQUIRED);
        assert_int_equal(question.policy.peer, PEER_O7S);
        assert_int_equal(question.policy.allow.n, 1);
        assert_string_equal(question.policy.allow.items[0], "o7s:name:strict.example");

        auth_say(&host->auth, &(AuthMessage) { .type = AUTH_REQUEST_BUILT, .id = question.id, .result = -ENOKEY, .text = "No key" });
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "No key"));
}

/* What a member of a layer asks for, and what is asked of it, over the layers below: the file of its layer holds for both. */
static void test_policy_of_layer(void **state) {
        LayerMessage hello = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION, .layer = "home", .layer_type = LAYER_UNICAST,
                               .hash_algorithm = HASH_SHA3_256, .mtu = 1400, .oap_max = 1300 };
        LayerMessage message, incoming = { .type = LAYER_INCOMING, .reference = 5, .qos = O7S_QOS_RAW };
        char name[HOST_NAME_MAX + 16] = "home.";
        Host *host = *state;
        AuthMessage question;
        int home, doorbell;

        assert_int_equal(gethostname(name + 5, HOST_NAME_MAX), 0);
        home = fixture_connect_layer(&host->irm);
        layer_say(home, &hello, NULL, 0);
        layer_hear(home, LAYER_WELCOME, &message, NULL);
        layer_drain(host->layer);               /* the names by which members find each other */

        doorbell = ask(host, "home.far");       /* this process is the member now */
        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_int_equal(question.policy.authentication, AUTHENTICATION_MUTUAL);
        assert_int_equal(question.policy.encryption, ENCRYPTION_REQUIRED);
        auth_message_done(&question);
        (void) close(doorbell);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);

        incoming.hash_size = (size_t) hash_compute(HASH_SHA3_256, name, strlen(name), incoming.hash);
        incoming.oap_size = 4;
        layer_say(host->layer, &incoming, NULL, 0);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        assert_string_equal(question.name, name);
        assert_int_equal(question.policy.authentication, AUTHENTICATION_MUTUAL);
        assert_int_equal(question.policy.allow.n, 1);
        assert_string_equal(question.policy.allow.items[0], "o7s:layer:home:*");
        auth_message_done(&question);
        (void) close(home);
}

/* A file that cannot be read says nothing, and least of all that less will do. */
static void test_broken_file(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "broken.example");
        IrmMessage outcome;

        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -EKEYREJECTED);
        assert_non_null(strstr(outcome.text, "o7sctl verify broken.example.name"));
        auth_hears_nothing(&host->auth);
        layer_hears_nothing(host->layer);
}

/* As before there was a service; and Peer=o7s holds all the same. */
static void test_plain(void **state) {
        static const struct {
                const char *name;
                const char *called;
                bool is_o7s;
                int result;
        } cases[] = {
                { "plain, o7s",                  "plain.example",     true,  0 },
                { "plain, reference",            "plain.example",     false, 0 },
                { "plain, o7s wanted",           "plain-o7s.example", true,  0 },
                { "plain, o7s wanted, reference", "plain-o7s.example", false, -EKEYREJECTED },
        };
        Host *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LayerMessage request, reply = { .type = LAYER_REPLY }, message;
                int doorbell = ask(host, cases[i].called), lane = fixture_make_lane(), fds[LAYER_FDS_MAX];
                uint8_t token[OAP_TOKEN_BYTES] = "closeme";
                IrmMessage outcome;
                ssize_t n;

                print_message("%s\n", cases[i].name);
                layer_hear(host->layer, LAYER_REQUEST, &request, NULL);
                reply.flow_id = request.flow_id;
                reply.qos = request.qos;
                n = oap_response_build(request.oap, request.oap_size, token, 0, time_realtime_nsec(), reply.oap, sizeof(reply.oap));
                assert_true(n > 0);
                reply.oap_size = (size_t) n;
                if (!cases[i].is_o7s) {
                        OapHeader header;

                        assert_int_equal(oap_header_parse(reply.oap, reply.oap_size, 48, &header), 0);
                        header.data_size = 0;
                        n = oap_header_pack(&header, message.oap, sizeof(message.oap));
                        assert_true(n > 0);
                        memcpy(reply.oap, message.oap, (size_t) n);
                        reply.oap_size = (size_t) n;
                }

                layer_say(host->layer, &reply, &lane, 1);
                (void) close(lane);
                assert_int_equal(fixture_hear_outcome(doorbell, &outcome), cases[i].result);
                if (cases[i].result == 0) {
                        assert_string_equal(outcome.info.protection, "none");
                        assert_false(outcome.info.verified);
                        assert_int_equal(outcome.keys.suite, SEAL_NONE);
                        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
                        assert_false(message.control.present);
                        (void) close(fds[0]);
                        (void) close(fds[1]);
                } else
                        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        }

        auth_hears_nothing(&host->auth);
}

/* -- what goes wrong -- */

static void test_no_service(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message;
        IrmMessage outcome;

        prepare(host, &message);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "authentication service does not run"));
}

/* Another version, or one that ends as soon as it is spoken to: not asked again and again. */
static void test_no_greeting(void **state) {
        static const struct {
                const char *name;
                uint32_t version;       /* 0: none is said */
        } cases[] = {
                { "of another version", AUTH_PROTOCOL_VERSION + 1 },
                { "says nothing",       0                         },
        };
        Host *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const AuthMessage hello = { .type = AUTH_HELLO, .version = cases[i].version };
                int doorbell = ask(host, "far.example");
                LayerMessage message;
                IrmMessage outcome;

                print_message("%s\n", cases[i].name);
                auth_die(&host->auth);
                prepare(host, &message);
                auth_accept(&host->auth);
                if (cases[i].version > 0)
                        auth_say(&host->auth, &hello);
                else
                        auth_die(&host->auth);

                layer_hear(host->layer, LAYER_ABORT, &message, NULL);
                assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
                assert_non_null(strstr(outcome.text, "ends before it answers"));
                assert_false(auth_is_called(&host->auth));
        }
}

static void test_bad_answers(void **state) {
        static const struct {
                const char *name;
                int result;
                const char *text;
                int error;
        } cases[] = {
                { "not who it must be", -EKEYREJECTED, "The certificate is that of evil.example", -EKEYREJECTED },
                { "wrong",              -EPROTO,       "The confirmation is wrong",               -EPROTO       },
                { "old",                -ETIME,        "It is an hour old",                       -ETIME        },
                { "algorithms",         -EOPNOTSUPP,   "AES-CTR is refused",                      -EPROTO       },
        };
        Host *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int doorbell = ask(host, "far.example");
                AuthMessage question, answer = { .type = AUTH_RESPONSE_CHECKED, .result = cases[i].result };
                LayerMessage message;
                IrmMessage outcome;

                print_message("%s\n", cases[i].name);
                build(host, &message);
                say_reply(host, &message);
                auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
                answer.id = question.id;
                (void) copy_string(answer.text, sizeof(answer.text), cases[i].text);
                auth_say(&host->auth, &answer);
                auth_message_done(&question);

                layer_hear(host->layer, LAYER_ABORT, &message, NULL);
                assert_int_equal(fixture_hear_outcome(doorbell, &outcome), cases[i].error);
                assert_non_null(strstr(outcome.text, cases[i].text));
                assert_int_equal(outcome.keys.suite, SEAL_NONE);
                auth_hear_forget(&host->auth, SESSION);
        }
}

/* To the request of that attempt. */
static void answer_attempt(Host *host, uint32_t attempt, int result, LayerMessage *ret_request) {
        AuthMessage question, answer;

        build(host, ret_request);
        assert_int_equal(ret_request->attempt, attempt);
        say_reply(host, ret_request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = good_answer(question.id);
        answer.result = result;
        (void) copy_string(answer.text, sizeof(answer.text), result < 0 ? "Somebody altered it" : "");
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
}

/* What came is not what was sent: the next attempt begins at once, and asks for no less. */
static void test_altered_answer(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example"), fds[LAYER_FDS_MAX];
        LayerMessage request, message;
        IrmMessage outcome;

        answer_attempt(host, 0, -EBADE, &request);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 0);
        auth_hear_forget(&host->auth, SESSION);

        answer_attempt(host, 1, 0, &request);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        assert_int_equal(outcome.keys.suite, SEAL_O7S);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        assert_int_equal(message.attempt, 1);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* Each time: at last the program is told. */
static void test_altered_answers(void **state) {
        static const struct {
                int result;
                int error;
        } cases[] = {
                { -EBADE,   -EKEYREJECTED },
                { -EBADMSG, -EPROTO       },
        };
        Host *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int doorbell = ask(host, "far.example");
                LayerMessage message;
                IrmMessage outcome;

                for (uint32_t attempt = 0; attempt < 3; attempt++) {
                        answer_attempt(host, attempt, cases[i].result, &message);
                        auth_hear_forget(&host->auth, SESSION);
                        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
                }
                for (uint32_t attempt = 1; attempt < 3; attempt++)      /* the turn of the layer is over */
                        layer_hear(host->layer, LAYER_ABORT, &message, NULL);

                assert_int_equal(fixture_hear_outcome(doorbell, &outcome), cases[i].error);
                assert_non_null(strstr(outcome.text, "Somebody altered it"));
                auth_hears_nothing(&host->auth);
        }
}

/* Before the answer is checked, a second one is nobody's. */
static void test_second_answer(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example"), fds[LAYER_FDS_MAX];
        AuthMessage question, answer;
        LayerMessage request, message;
        IrmMessage outcome;

        build(host, &request);
        say_reply(host, &request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        say_reply(host, &request);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        auth_hears_nothing(&host->auth);

        answer = good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* -- a service that ends -- */

static void test_service_ends_while_building(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;

        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        auth_message_done(&question);

        auth_greet(&host->auth);                /* the next process: it is asked again */
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_string_equal(question.name, "far.example");
        assert_int_equal(question.binding_size, 14);
        auth_message_done(&question);

        auth_greet(&host->auth);                /* and the one after that is not */
        auth_hears_nothing(&host->auth);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "ended over it"));
}

/* Its sessions are gone: a number of before must not mean another flow's session. The next attempt begins at once,
 * as often as there may be one. */
static void test_service_ends_between(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example"), fds[LAYER_FDS_MAX];
        AuthMessage question, answer;
        LayerMessage request, message;
        IrmMessage outcome;

        build(host, &request);
        auth_greet(&host->auth);
        say_reply(host, &request);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 0);

        build(host, &request);
        assert_int_equal(request.attempt, 1);
        say_reply(host, &request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        auth_message_done(&question);
        auth_greet(&host->auth);                /* over the question itself */
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 1);

        build(host, &request);
        assert_int_equal(request.attempt, 2);
        say_reply(host, &request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        assert_int_equal(message.attempt, 2);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* It ends each time: at last the program is told. */
static void test_service_ends_always(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message;
        IrmMessage outcome;

        for (uint32_t i = 0; i < 3; i++) {
                build(host, &message);
                assert_int_equal(message.attempt, i);
                auth_greet(&host->auth);
                say_reply(host, &message);
                layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        }

        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "ended over it"));
        auth_hears_nothing(&host->auth);
}

static void test_keys_again(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;

        prepare(host, &message);
        for (unsigned i = 0; i < 2; i++) {
                auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
                auth_say(&host->auth, &(AuthMessage) { .type = AUTH_REQUEST_BUILT, .id = question.id, .result = -ENOTCONN,
                                                       .text = "o7s-keyd does not answer" });
                auth_message_done(&question);
                if (i == 0)
                        auth_hear_keys(&host->auth);
        }

        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "o7s-keyd does not answer"));
}

static void test_service_is_silent(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;
        uint64_t id;

        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        id = question.id;
        auth_message_done(&question);

        prepare(host, &message);                /* after 3 s: the next attempt */
        assert_int_equal(message.attempt, 1);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_false(question.have_replaced);   /* the first was never sent */
        say_built(host, question.id, SESSION, 0xa2);
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_REQUEST, &message, NULL);
        assert_int_equal(message.attempt, 1);

        prepare(host, &message);                /* meanwhile the first was too late, and is not missed */
        assert_int_equal(message.attempt, 2);
        say_built(host, id, SESSION + 1, 0xa1);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_true(question.have_replaced);
        assert_int_equal(question.replaced[0], 0xa2);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SESSION + 1);

        (void) close(doorbell);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        auth_hear_forget(&host->auth, SESSION);
        (void) outcome;
}

/* -- the flow goes away while the service works -- */

static void test_given_up(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;

        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        (void) close(doorbell);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);

        say_built(host, question.id, SESSION, 0xa1);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SESSION);
        layer_hears_nothing(host->layer);
}

static void test_layer_goes(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        AuthMessage question, answer;
        LayerMessage message;
        IrmMessage outcome;

        build(host, &message);
        say_reply(host, &message);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        (void) close(host->layer);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENETDOWN);

        answer = good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SESSION);
        host->layer = online_layer(host);
        layer_hears_nothing(host->layer);
}

/* What the layer says of an attempt that is no more, or of one that nobody made. */
static void test_stray_prepared(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message, stray = { .type = LAYER_PREPARED };
        AuthMessage question;

        prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        auth_message_done(&question);

        stray.flow_id = message.flow_id;
        layer_say(host->layer, &stray, NULL, 0);        /* once more */
        stray.attempt = 2;
        layer_say(host->layer, &stray, NULL, 0);
        stray.flow_id += 1000;
        layer_say(host->layer, &stray, NULL, 0);
        auth_hears_nothing(&host->auth);
        (void) close(doorbell);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
}

/* The layer has no endpoint id left: not the service's business. */
static void test_layer_cannot_prepare(void **state) {
        Host *host = *state;
        int doorbell = ask(host, "far.example");
        LayerMessage message, answer = { .type = LAYER_PREPARED, .result = -EMFILE };
        IrmMessage outcome;

        layer_hear(host->layer, LAYER_PREPARE, &message, NULL);
        answer.flow_id = message.flow_id;
        layer_say(host->layer, &answer, NULL, 0);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -EMFILE);
        auth_hears_nothing(&host->auth);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_established, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_keys_are_wiped, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_policy_of_file, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_policy_of_layer, set_up_over, tear_down),
                cmocka_unit_test_setup_teardown(test_broken_file, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_service, set_up_alone, tear_down),
                cmocka_unit_test_setup_teardown(test_no_greeting, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_bad_answers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_altered_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_altered_answers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_second_answer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_service_ends_while_building, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_service_ends_between, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_service_ends_always, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_keys_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_service_is_silent, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_given_up, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_stray_prepared, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_layer_cannot_prepare, set_up, tear_down),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
