/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows that another host asks for, and somebody goes away while the service works on them: the other host, the layer,
 * the listener, or the IRM itself.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/irm/serving-host.h"

static void test_request_goes(void **state) {
        ServingHost *host = *state;
        LayerMessage gone = { .type = LAYER_INCOMING_GONE, .reference = 1 };
        AuthMessage question, answer;

        serving_ask(host, "here", 1, 0x91);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        layer_say(host->layer, &gone, NULL, 0);
        layer_hears_nothing(host->layer);
        answer = serving_checked(question.id, SERVING_SESSION, 0x91);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SERVING_SESSION);
        fixture_client_hears_nothing(host->listener);
}

static void test_layer_goes(void **state) {
        ServingHost *host = *state;
        AuthMessage question, answer;

        serving_ask(host, "here", 1, 0xa1);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        (void) close(host->layer);
        host->layer = fixture_connect_layer(&host->irm);
        layer_come_online(host->layer, "lan");
        answer = serving_checked(question.id, SERVING_SESSION, 0xa1);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_hear_forget(&host->auth, SERVING_SESSION);
        fixture_client_hears_nothing(host->listener);
}

/* Accepted, and before the service has built the answer its listener ends: nothing is answered, and the session is
 * forgotten. */
static void test_listener_goes(void **state) {
        ServingHost *host = *state;
        LayerMessage prepare, message;
        AuthMessage question, answer = { .type = AUTH_RESPONSE_BUILT };
        IrmMessage offer;

        (void) serving_admit(host, 1, 0xb1);
        serving_accept(host, &offer);
        layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
        serving_say_prepared(host, &prepare);
        auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
        (void) close(host->listener);
        serving_hear_refusal(host, 1, 0);
        auth_hear_forget(&host->auth, SERVING_SESSION + 1);

        answer.id = question.id;
        answer.oap = auth_make_oap(0xb2, &answer.oap_size);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        auth_message_done(&answer);
        layer_hears_nothing(host->layer);
        host->listener = fixture_client_listen("here");
        fixture_client_hears_nothing(host->listener);
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
        ServingHost *host = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LayerMessage prepare;
                AuthMessage question;
                IrmMessage message;

                print_message("%s\n", cases[i].name);
                (void) serving_admit(host, i + 1, (uint8_t) (0xc1 + i));
                serving_accept(host, &message);
                layer_hear(host->layer, LAYER_PREPARE, &prepare, NULL);
                serving_say_prepared(host, &prepare);
                auth_hear(&host->auth, AUTH_BUILD_RESPONSE, &question);
                auth_say(&host->auth, &(AuthMessage) { .type = AUTH_RESPONSE_BUILT, .id = question.id,
                                                       .result = cases[i].result, .text = "no" });
                auth_message_done(&question);
                auth_hear_forget(&host->auth, SERVING_SESSION + i + 1);
                serving_hear_refusal(host, i + 1, 0);
                fixture_client_hear(host->listener, IRM_WITHDRAWN, &message, NULL);
        }
}

/* Killed in the middle of it: nothing is remembered of a flow that was not there, and the next request goes its way. */
static void test_irm_restarts(void **state) {
        ServingHost *host = *state;
        AuthMessage question;
        IrmMessage offer;

        serving_ask(host, "here", 1, 0xd1);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        auth_message_done(&question);
        serving_restart(host);
        fixture_client_hears_nothing(host->listener);

        (void) serving_admit(host, 1, 0xd2);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);
}

/* What somebody proven has sent is refused by the next IRM as by this one, and by the one after it; what he sends
 * now is not. */
static void test_replayed_after_restart(void **state) {
        ServingHost *host = *state;
        AuthMessage question, answer;
        IrmMessage offer;
        uint64_t stamp;

        serving_ask(host, "here", 1, 0xf1);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        answer = serving_checked(question.id, SERVING_SESSION, 0xf1);
        stamp = answer.stamp;
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);

        for (uint64_t i = 2; i <= 3; i++) {
                serving_restart(host);
                serving_ask(host, "here", i, 0xf1);
                auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
                answer = serving_checked(question.id, SERVING_SESSION + i, 0xf1);
                answer.stamp = stamp;
                auth_say(&host->auth, &answer);
                auth_message_done(&question);
                serving_hear_refusal(host, i, 0);
                auth_hear_forget(&host->auth, SERVING_SESSION + i);
                fixture_client_hears_nothing(host->listener);
        }

        (void) serving_admit(host, 4, 0xf2);
        fixture_client_hear(host->listener, IRM_OFFER, &offer, NULL);
}

#define TEST(name) cmocka_unit_test_prestate_setup_teardown(name, serving_set_up, serving_tear_down, argv[1])

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(test_request_goes),
                TEST(test_layer_goes),
                TEST(test_listener_goes),
                TEST(test_answer_fails),
                TEST(test_irm_restarts),
                TEST(test_replayed_after_restart),
        };

        if (argc < 2)
                return 2;
        if (argc > 2)
                cmocka_set_test_filter(argv[2]);

        return cmocka_run_group_tests(tests, NULL, NULL);
}
