/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A host that asks for flows, see asking-host.h. */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/unit/irm/asking-host.h"

#define LONG (10 * USEC_PER_SEC)

int asking_online_layer(AskingHost *host) {
        int layer = fixture_connect_layer(&host->irm);

        layer_come_online(layer, "lan");
        return layer;
}

static int set_up_host(void **state, bool with_service) {
        static AskingHost host;               /* cmocka hands on a pointer */

        host = (AskingHost) {};
        fixture_start(&host.irm, *state);
        if (with_service)
                auth_start(&host.auth, &host.irm);
        fixture_write(&host.irm, "names/strict.example.name",
                      "[Name]\nLocal=no\n[Client]\nAuthentication=server\nEncryption=required\nPeer=o7s\n"
                      "AllowPeer=o7s:name:strict.example\n");
        fixture_write(&host.irm, "names/plain.example.name",
                      "[Name]\nLocal=no\n[Client]\nAuthentication=none\nEncryption=no\n");
        fixture_write(&host.irm, "names/plain-o7s.example.name",
                      "[Name]\nLocal=no\n[Client]\nAuthentication=none\nEncryption=no\nPeer=o7s\n");
        fixture_write(&host.irm, "names/broken.example.name", "[Client]\nEncryption=maybe\n");
        fixture_run(&host.irm);

        if (with_service)
                auth_greet(&host.auth);
        host.layer = asking_online_layer(&host);
        host.client = fixture_connect_client();
        *state = &host;
        return 0;
}

int asking_set_up(void **state) {
        return set_up_host(state, true);
}

int asking_set_up_over(void **state) {
        AskingHost *host;
        int r;

        r = set_up_host(state, true);
        host = *state;
        (void) close(host->layer);
        (void) close(host->client);
        fixture_kill(&host->irm);
        fixture_write(&host->irm, "layers/home.layer",
                      "[Layer]\nType=unicast\nOver=lan\n[Enroll]\nVia=home\n[Security]\n"
                      "Authentication=mutual\nEncryption=required\nAllowPeer=o7s:layer:home:*\n");
        fixture_run(&host->irm);
        auth_greet(&host->auth);
        host->layer = asking_online_layer(host);
        host->client = fixture_connect_client();
        return r;
}

int asking_set_up_alone(void **state) {
        return set_up_host(state, false);
}

int asking_tear_down(void **state) {
        AskingHost *host = *state;

        (void) close(host->client);
        (void) close(host->layer);
        if (host->auth.listening > 0)
                auth_stop(&host->auth);
        fixture_stop(&host->irm);
        return 0;
}

/* -- steps -- */

int asking_ask(AskingHost *host, const char *name) {
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
        assert_int_equal(poll(&pfd, 1, 60000), 1);
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

void asking_prepare(AskingHost *host, LayerMessage *ret) {
        LayerMessage answer = { .type = LAYER_PREPARED, .binding = "as on the wire", .binding_size = 14 };

        layer_hear(host->layer, LAYER_PREPARE, ret, NULL);
        answer.flow_id = ret->flow_id;
        answer.attempt = ret->attempt;
        answer.reference = ret->reference;
        layer_say(host->layer, &answer, NULL, 0);
}

void asking_say_built(AskingHost *host, uint64_t id, uint64_t session, uint8_t oap_id) {
        AuthMessage answer = { .type = AUTH_REQUEST_BUILT, .id = id, .session = session };

        answer.oap = auth_make_oap(oap_id, &answer.oap_size);
        auth_say(&host->auth, &answer);
        auth_message_done(&answer);
}

void asking_build(AskingHost *host, LayerMessage *ret_request) {
        AuthMessage question;
        LayerMessage message;

        asking_prepare(host, &message);
        auth_hear(&host->auth, AUTH_BUILD_REQUEST, &question);
        asking_say_built(host, question.id, ASKING_SESSION, 0xa1);
        auth_message_done(&question);
        layer_hear(host->layer, LAYER_REQUEST, ret_request, NULL);
}

void asking_say_reply(AskingHost *host, const LayerMessage *request) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt,
                               .qos = request->qos,
                               .oap = "the answer", .oap_size = 10, .binding = "as it came", .binding_size = 10 };
        int lane = fixture_make_lane();

        layer_say(host->layer, &reply, &lane, 1);
        (void) close(lane);
}

AuthMessage asking_good_answer(uint64_t id) {
        AuthMessage answer = {
                .type = AUTH_RESPONSE_CHECKED,
                .id = id,
                .capabilities = ASKING_CAPABILITIES,
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
