/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two hosts that shake hands, see service-world.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/auth/service-world.h"

int world_set_up(void **state) {
        static World w;

        if (test_identity_init(&w.authority, TEST_KEY_P256, "test authority", NULL, false) < 0 ||
            test_identity_init(&w.server, TEST_KEY_P256, "o7s:name:" WORLD_NAME, &w.authority, false) < 0 ||
            test_identity_init(&w.client, TEST_KEY_ED25519, "o7s:name:client.example", &w.authority, false) < 0 ||
            test_identity_init(&w.other, TEST_KEY_ED25519, "o7s:name:other.example", &w.authority, false) < 0 ||
            test_identity_init(&w.stranger, TEST_KEY_P256, "o7s:name:" WORLD_NAME, NULL, false) < 0)
                return -1;

        *state = &w;
        return 0;
}

int world_tear_down(void **state) {
        World *w = *state;

        test_identity_done(&w->stranger);
        test_identity_done(&w->other);
        test_identity_done(&w->client);
        test_identity_done(&w->server);
        test_identity_done(&w->authority);
        return 0;
}

void world_pair_init(WorldPair *p, World *w) {
        assert_int_equal(test_host_init(&p->client, WORLD_NAME, &w->authority, NULL, NULL), 0);
        assert_int_equal(test_host_init(&p->server, WORLD_NAME, &w->authority, &w->server, NULL), 0);
}

void world_pair_done(WorldPair *p) {
        test_host_done(&p->client);
        test_host_done(&p->server);
}

void shake_done(Shake *o) {
        auth_message_done(&o->request);
        auth_message_done(&o->checked);
        auth_message_done(&o->response);
        auth_message_done(&o->end);
}

void shake_hands(TestHost *client, TestHost *server, const char *const *client_settings,
                 const char *const *server_settings, Shake *o) {
        o->step = STEP_BUILD_REQUEST;
        o->result = test_host_build_request(client, WORLD_NAME, client_settings, &o->request);
        if (o->result < 0)
                return;

        o->step = STEP_CHECK_REQUEST;
        o->result = test_host_check_request(server, WORLD_NAME, server_settings, o->request.oap, o->request.oap_size,
                                            &o->checked);
        if (o->result < 0)
                return;

        o->step = STEP_BUILD_RESPONSE;
        o->result = test_host_build_response(server, o->checked.session, &o->response);
        if (o->result < 0)
                return;

        o->step = STEP_CHECK_RESPONSE;
        o->result = test_host_check_response(client, o->request.session, o->response.oap, o->response.oap_size,
                                             &o->end);
        if (o->result >= 0)
                o->step = STEP_DONE;
}

void shake_keys_fit(const AuthMessage *client, const AuthMessage *server) {
        static const uint8_t nothing[SEAL_SECRET_BYTES];

        assert_int_equal(client->keys.suite, SEAL_O7S);
        assert_int_equal(server->keys.suite, SEAL_O7S);
        assert_int_equal(client->keys.cipher, server->keys.cipher);
        assert_int_equal(client->keys.mac_only, server->keys.mac_only);
        assert_true(client->keys.client);
        assert_false(server->keys.client);
        assert_memory_equal(client->keys.label, server->keys.label, SEAL_LABEL_BYTES);
        assert_memory_equal(client->keys.send, server->keys.receive, SEAL_SECRET_BYTES);
        assert_memory_equal(client->keys.receive, server->keys.send, SEAL_SECRET_BYTES);
        assert_memory_equal(client->keys.agreement, server->keys.agreement, SEAL_SECRET_BYTES);
        assert_true(client->control.present && server->control.present);
        assert_memory_equal(client->control.send, server->control.receive, SEAL_SECRET_BYTES);
        assert_memory_equal(client->control.receive, server->control.send, SEAL_SECRET_BYTES);
        assert_memory_not_equal(client->keys.send, client->keys.receive, SEAL_SECRET_BYTES);
        assert_memory_not_equal(client->keys.send, client->control.send, SEAL_SECRET_BYTES);
        assert_memory_not_equal(client->keys.send, nothing, SEAL_SECRET_BYTES);
}
