/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows that a program of this host asks for, and the service is not there, or what it or the other host says is
 * wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/irm/asking-host.h"

static void test_no_service(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message;
        IrmMessage outcome;

        asking_prepare(host, &message);
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
        AskingHost *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const AuthMessage hello = { .type = AUTH_HELLO, .version = cases[i].version };
                int doorbell = asking_ask(host, "far.example");
                LayerMessage message;
                IrmMessage outcome;

                print_message("%s\n", cases[i].name);
                auth_die(&host->auth);
                asking_prepare(host, &message);
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
        AskingHost *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int doorbell = asking_ask(host, "far.example");
                AuthMessage question, answer = { .type = AUTH_RESPONSE_CHECKED, .result = cases[i].result };
                LayerMessage message;
                IrmMessage outcome;

                print_message("%s\n", cases[i].name);
                asking_build(host, &message);
                asking_say_reply(host, &message);
                auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
                answer.id = question.id;
                (void) copy_string(answer.text, sizeof(answer.text), cases[i].text);
                auth_say(&host->auth, &answer);
                auth_message_done(&question);

                layer_hear(host->layer, LAYER_ABORT, &message, NULL);
                assert_int_equal(fixture_hear_outcome(doorbell, &outcome), cases[i].error);
                assert_non_null(strstr(outcome.text, cases[i].text));
                assert_int_equal(outcome.keys.suite, SEAL_NONE);
                auth_hear_forget(&host->auth, ASKING_SESSION);
        }
}

/* To the request of that attempt. */
static void answer_attempt(AskingHost *host, uint32_t attempt, int result, LayerMessage *ret_request) {
        AuthMessage question, answer;

        asking_build(host, ret_request);
        assert_int_equal(ret_request->attempt, attempt);
        asking_say_reply(host, ret_request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = asking_good_answer(question.id);
        answer.result = result;
        (void) copy_string(answer.text, sizeof(answer.text), result < 0 ? "Somebody altered it" : "");
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
}

/* What came is not what was sent: the next attempt begins at once, and asks for no less. */
static void test_altered_answer(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example"), fds[LAYER_FDS_MAX];
        LayerMessage request, message;
        IrmMessage outcome;

        answer_attempt(host, 0, -EBADE, &request);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 0);
        auth_hear_forget(&host->auth, ASKING_SESSION);

        answer_attempt(host, 1, 0, &request);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        assert_int_equal(outcome.keys.suite, SEAL_O7S);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        assert_int_equal(message.attempt, 1);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* For the attempt before the one that is under way, after its time: it ends that attempt alone. */
static void test_late_altered_answer(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example"), fds[LAYER_FDS_MAX];
        LayerMessage first, second, message;
        AuthMessage question, answer;
        IrmMessage outcome;

        asking_build(host, &first);
        asking_build(host, &second);                    /* nobody answers for 3 s */
        assert_int_equal(second.attempt, 1);
        asking_say_reply(host, &first);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = asking_good_answer(question.id);
        answer.result = -EKEYREJECTED;
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 0);
        auth_hear_forget(&host->auth, ASKING_SESSION);

        asking_say_reply(host, &second);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = asking_good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
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
        AskingHost *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int doorbell = asking_ask(host, "far.example");
                LayerMessage message;
                IrmMessage outcome;

                for (uint32_t attempt = 0; attempt < 3; attempt++) {
                        answer_attempt(host, attempt, cases[i].result, &message);
                        auth_hear_forget(&host->auth, ASKING_SESSION);
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example"), fds[LAYER_FDS_MAX];
        AuthMessage question, answer;
        LayerMessage request, message;
        IrmMessage outcome;

        asking_build(host, &request);
        asking_say_reply(host, &request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        asking_say_reply(host, &request);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        auth_hears_nothing(&host->auth);

        answer = asking_good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), 0);
        layer_hear(host->layer, LAYER_ESTABLISHED, &message, fds);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

#define TEST(name, set_up) cmocka_unit_test_prestate_setup_teardown(name, set_up, asking_tear_down, argv[1])

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_no_service, asking_set_up_alone),
                TEST(test_no_greeting, asking_set_up),
                TEST(test_bad_answers, asking_set_up),
                TEST(test_altered_answer, asking_set_up),
                TEST(test_late_altered_answer, asking_set_up),
                TEST(test_altered_answers, asking_set_up),
                TEST(test_second_answer, asking_set_up),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
