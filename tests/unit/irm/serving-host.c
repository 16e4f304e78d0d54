/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A host that is asked for flows, see serving-host.h. */

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
#include "tests/unit/irm/serving-host.h"

int serving_set_up(void **state) {
        static ServingHost host;        /* cmocka hands on a pointer */
        LayerMessage message;
        char text[256];

        host = (ServingHost) {};
        fixture_start(&host.irm, *state);
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
        host.listener = fixture_client_listen("here");
        *state = &host;
        return 0;
}

int serving_tear_down(void **state) {
        ServingHost *host = *state;

        (void) close(host->listener);
        (void) close(host->layer);
        auth_stop(&host->auth);
        fixture_stop(&host->irm);
        return 0;
}

void serving_say_incoming(ServingHost *host, const char *name, uint64_t reference, const uint8_t *oap,
                          size_t oap_size) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = reference, .qos = O7S_QOS_RAW,
                                  .peer = "02:00:00:00:00:07",
                                  .binding = "seen on the way", .binding_size = 15, .oap_size = oap_size };

        incoming.hash_size = (size_t) hash_compute(HASH_SHA3_256, name, strlen(name), incoming.hash);
        memcpy(incoming.oap, oap, oap_size);
        layer_say(host->layer, &incoming, NULL, 0);
}

void serving_ask(ServingHost *host, const char *name, uint64_t reference, uint8_t id) {
        size_t size;
        uint8_t *oap = auth_make_oap(id, &size);

        serving_say_incoming(host, name, reference, oap, size);
        free(oap);
}

AuthMessage serving_checked(uint64_t id, uint64_t session, uint8_t oap_id) {
        AuthMessage answer = {
                .type = AUTH_REQUEST_CHECKED,
                .id = id,
                .session = session,
                .stamp = time_realtime_nsec() - OAP_BACKDATE_NSEC,
                .capabilities = SERVING_CAPABILITIES,
                .have_token = true,
                .token = "theirs",
                .peer = { .o7s = true, .verified = true, .identity = "o7s:name:alice", .key_exchange = "X25519",
                          .protection = "aes-128-gcm" },
        };

        memset(answer.oap_id, oap_id, sizeof(answer.oap_id));
        return answer;
}

uint64_t serving_admit(ServingHost *host, uint64_t reference, uint8_t id) {
        AuthMessage question, answer;

        serving_ask(host, "here", reference, id);
        auth_hear(&host->auth, AUTH_CHECK_REQUEST, &question);
        fixture_client_hears_nothing(host->listener);           /* nobody is woken before */
        answer = serving_checked(question.id, SERVING_SESSION + reference, id);
        auth_say(&host->auth, &answer);
        auth_message_done(&question);
        return SERVING_SESSION + reference;
}

void serving_accept(ServingHost *host, IrmMessage *ret_offer) {
        IrmMessage lane = { .type = IRM_LANE };
        int fd = fixture_make_lane();

        fixture_client_hear(host->listener, IRM_OFFER, ret_offer, NULL);
        lane.flow_id = ret_offer->flow_id;
        assert_int_equal(irm_message_send(host->listener, &lane, &fd, 1), 0);
        (void) close(fd);
}

void serving_hear_refusal(ServingHost *host, uint64_t reference, int result) {
        LayerMessage message;

        layer_hear(host->layer, LAYER_REFUSE, &message, NULL);
        assert_int_equal(message.reference, reference);
        assert_int_equal(message.result, result);
        assert_int_equal(message.oap_size, 0);
}

void serving_say_prepared(ServingHost *host, const LayerMessage *prepare) {
        LayerMessage answer = { .type = LAYER_PREPARED, .flow_id = prepare->flow_id, .reference = prepare->reference,
                                .binding = "will say", .binding_size = 8, .have_reset = true,
                                .reset = "ours to reset" };

        layer_say(host->layer, &answer, NULL, 0);
}

void serving_restart(ServingHost *host) {
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
        host->listener = fixture_client_listen("here");
}
