/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows that a program of this host asks for, through the authentication service: who is told what, in which order,
 * and what becomes of the keys. The service, the layer and the other host are doubles, so each step can be late,
 * wrong, or never come: test-irm-protected-answers.c and test-irm-protected-ends.c.
 */

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/hash.h"
#include "tests/unit/irm/asking-host.h"

/* -- the whole way -- */

static void test_established(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example"), fds[LAYER_FDS_MAX];
        LayerMessage prepared, request, established;
        AuthMessage question, answer;
        IrmMessage outcome;

        asking_prepare(host, &prepared);
        assert_int_equal(prepared.attempt, 0);
        assert_int_equal(prepared.reference, 0);
        assert_int_equal(prepared.hash_size, 32);

        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_string_equal(question.name, "far.example");
        assert_int_equal(question.policy.encryption, ENCRYPTION_DEFAULT);
        assert_int_equal(question.capabilities, ASKING_CAPABILITIES);
        assert_true(question.have_token);
        assert_false(question.have_replaced);
        assert_int_equal(question.size, 1388);
        assert_int_equal(question.binding_size, 14);
        assert_memory_equal(question.binding, "as on the wire", 14);
        asking_say_built(host, question.id, ASKING_SESSION, 0xa1);

        layer_hear(host->layer, LAYER_REQUEST, &request, NULL);
        assert_int_equal(request.oap[0], 0xa1);
        assert_int_equal(request.flow_id, prepared.flow_id);
        assert_memory_equal(request.hash, prepared.hash, 32);
        asking_say_reply(host, &request);
        auth_message_done(&question);

        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        assert_int_equal(question.session, ASKING_SESSION);
        assert_int_equal(question.oap_size, 10);
        assert_memory_equal(question.oap, "the answer", 10);
        assert_int_equal(question.binding_size, 10);
        assert_memory_equal(question.binding, "as it came", 10);
        layer_hears_nothing(host->layer);               /* nobody is told before it is checked */

        answer = asking_good_answer(question.id);
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
        auth_hear_forget(&host->auth, ASKING_SESSION);
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

                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, mode) != 3 || mode[0] != 'r' ||
                    mode[1] != 'w' || to - from > UINT64_C(1) << 30)
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "wiped.example"), fds[LAYER_FDS_MAX];
        AuthMessage question, answer;
        LayerMessage message;
        IrmMessage outcome;

        asking_build(host, &message);
        asking_say_reply(host, &message);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = asking_good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);

        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        auth_hear_forget(&host->auth, ASKING_SESSION);
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "strict.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;

        asking_prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_int_equal(question.policy.authentication, AUTHENTICATION_SERVER);
        assert_int_equal(question.policy.encryption, ENCRYPTION_REQUIRED);
        assert_int_equal(question.policy.peer, PEER_O7S);
        assert_int_equal(question.policy.allow.n, 1);
        assert_string_equal(question.policy.allow.items[0], "o7s:name:strict.example");

        auth_say(&host->auth, &(AuthMessage) { .type = AUTH_REQUEST_BUILT, .id = question.id, .result = -ENOKEY,
                                               .text = "No key" });
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "No key"));
}

/* What a member of a layer asks for, and what is asked of it, over the layers below: the file of its layer holds for
 * both. */
static void test_policy_of_layer(void **state) {
        LayerMessage hello = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION, .layer = "home",
                               .layer_type = LAYER_UNICAST,
                               .hash_algorithm = HASH_SHA3_256, .mtu = 1400, .oap_max = 1300 };
        LayerMessage message, incoming = { .type = LAYER_INCOMING, .reference = 5, .qos = O7S_QOS_RAW };
        char name[HOST_NAME_MAX + 16] = "home.";
        AskingHost *host = *state;
        AuthMessage question;
        int home, doorbell;

        assert_int_equal(gethostname(name + 5, HOST_NAME_MAX), 0);
        home = fixture_connect_layer(&host->irm);
        layer_say(home, &hello, NULL, 0);
        layer_hear(home, LAYER_WELCOME, &message, NULL);
        layer_drain(host->layer);               /* the names by which members find each other */

        doorbell = asking_ask(host, "home.far");       /* this process is the member now */
        asking_prepare(host, &message);
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "broken.example");
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
        AskingHost *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LayerMessage request, reply = { .type = LAYER_REPLY }, message;
                int doorbell = asking_ask(host, cases[i].called), lane = fixture_make_lane(), fds[LAYER_FDS_MAX];
                uint8_t token[OAP_TOKEN_BYTES] = "closeme";
                IrmMessage outcome;
                ssize_t n;

                print_message("%s\n", cases[i].name);
                layer_hear(host->layer, LAYER_REQUEST, &request, NULL);
                reply.flow_id = request.flow_id;
                reply.qos = request.qos;
                n = oap_response_build(request.oap, request.oap_size, token, 0, time_realtime_nsec(), reply.oap,
                                       sizeof(reply.oap));
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

#define TEST(name, set_up) cmocka_unit_test_prestate_setup_teardown(name, set_up, asking_tear_down, argv[1])

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_established, asking_set_up),
                TEST(test_keys_are_wiped, asking_set_up),
                TEST(test_policy_of_file, asking_set_up),
                TEST(test_policy_of_layer, asking_set_up_over),
                TEST(test_broken_file, asking_set_up),
                TEST(test_plain, asking_set_up),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
