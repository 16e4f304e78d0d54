/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows that a program of this host asks for, and the service, the layer or the program goes away over them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/irm/asking-host.h"

/* -- a service that ends -- */

static void test_service_ends_while_building(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;

        asking_prepare(host, &message);
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example"), fds[LAYER_FDS_MAX];
        AuthMessage question, answer;
        LayerMessage request, message;
        IrmMessage outcome;

        asking_build(host, &request);
        auth_greet(&host->auth);
        asking_say_reply(host, &request);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 0);

        asking_build(host, &request);
        assert_int_equal(request.attempt, 1);
        asking_say_reply(host, &request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        auth_message_done(&question);
        auth_greet(&host->auth);                /* over the question itself */
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.attempt, 1);

        asking_build(host, &request);
        assert_int_equal(request.attempt, 2);
        asking_say_reply(host, &request);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        answer = asking_good_answer(question.id);
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message;
        IrmMessage outcome;

        for (uint32_t i = 0; i < 3; i++) {
                asking_build(host, &message);
                assert_int_equal(message.attempt, i);
                auth_greet(&host->auth);
                asking_say_reply(host, &message);
                layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        }

        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENOKEY);
        assert_non_null(strstr(outcome.text, "ended over it"));
        auth_hears_nothing(&host->auth);
}

static void test_keys_again(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;

        asking_prepare(host, &message);
        for (unsigned i = 0; i < 2; i++) {
                auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
                auth_say(&host->auth, &(AuthMessage) { .type = AUTH_REQUEST_BUILT, .id = question.id,
                                                       .result = -ENOTCONN,
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;
        IrmMessage outcome;
        uint64_t id;

        asking_prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        id = question.id;
        auth_message_done(&question);

        asking_prepare(host, &message);                /* after 3 s: the next attempt */
        assert_int_equal(message.attempt, 1);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_false(question.have_replaced);   /* the first was never sent */
        asking_say_built(host, question.id, ASKING_SESSION, 0xa2);
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_REQUEST, &message, NULL);
        assert_int_equal(message.attempt, 1);

        asking_prepare(host, &message);                /* meanwhile the first was too late, and is not missed */
        assert_int_equal(message.attempt, 2);
        asking_say_built(host, id, ASKING_SESSION + 1, 0xa1);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        assert_true(question.have_replaced);
        assert_int_equal(question.replaced[0], 0xa2);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, ASKING_SESSION + 1);

        (void) close(doorbell);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        auth_hear_forget(&host->auth, ASKING_SESSION);
        (void) outcome;
}

/* -- the flow goes away while the service works -- */

static void test_given_up(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message;
        AuthMessage question;

        asking_prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        (void) close(doorbell);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);

        asking_say_built(host, question.id, ASKING_SESSION, 0xa1);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, ASKING_SESSION);
        layer_hears_nothing(host->layer);
}

static void test_layer_goes(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        AuthMessage question, answer;
        LayerMessage message;
        IrmMessage outcome;

        asking_build(host, &message);
        asking_say_reply(host, &message);
        auth_hear(&host->auth, AUTH_CHECK_RESPONSE, &question);
        (void) close(host->layer);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -ENETDOWN);

        answer = asking_good_answer(question.id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, ASKING_SESSION);
        host->layer = asking_online_layer(host);
        layer_hears_nothing(host->layer);
}

/* What the layer says of an attempt that is no more, or of one that nobody made. */
static void test_stray_prepared(void **state) {
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message, stray = { .type = LAYER_PREPARED };
        AuthMessage question;

        asking_prepare(host, &message);
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
        AskingHost *host = *state;
        int doorbell = asking_ask(host, "far.example");
        LayerMessage message, answer = { .type = LAYER_PREPARED, .result = -EMFILE };
        IrmMessage outcome;

        layer_hear(host->layer, LAYER_PREPARE, &message, NULL);
        answer.flow_id = message.flow_id;
        layer_say(host->layer, &answer, NULL, 0);
        layer_hear(host->layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(fixture_hear_outcome(doorbell, &outcome), -EMFILE);
        auth_hears_nothing(&host->auth);
}

#define TEST(name, set_up) cmocka_unit_test_prestate_setup_teardown(name, set_up, asking_tear_down, argv[1])

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_service_ends_while_building, asking_set_up),
                TEST(test_service_ends_between, asking_set_up),
                TEST(test_service_ends_always, asking_set_up),
                TEST(test_keys_again, asking_set_up),
                TEST(test_service_is_silent, asking_set_up),
                TEST(test_given_up, asking_set_up),
                TEST(test_layer_goes, asking_set_up),
                TEST(test_stray_prepared, asking_set_up),
                TEST(test_layer_cannot_prepare, asking_set_up),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
