/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow between two hosts, see pair-flow.h. */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/oap.h"
#include "tests/unit/irm/pair-flow.h"

#define LONG (10 * USEC_PER_SEC)

static void strip(LayerMessage *message, size_t hash_bytes) {
        OapHeader header;
        uint8_t wire[1024];
        ssize_t n;

        assert_int_equal(oap_header_parse(message->oap, message->oap_size, hash_bytes, &header), 0);
        header.key_exchange_size = header.data_size = 0;
        header.cipher = header.kdf = 0;
        n = oap_header_pack(&header, wire, sizeof(wire));
        assert_true(n > 0);
        memcpy(message->oap, wire, (size_t) n);
        message->oap_size = (size_t) n;
}

static void say_prepared(int layer, const LayerMessage *prepare, const char *binding, bool with_reset) {
        LayerMessage answer = { .type = LAYER_PREPARED, .flow_id = prepare->flow_id, .attempt = prepare->attempt,
                                .reference = prepare->reference, .have_reset = with_reset, .reset = "how to end it" };

        answer.binding_size = strlen(binding);
        memcpy(answer.binding, binding, answer.binding_size);
        layer_say(layer, &answer, NULL, 0);
}

static int ask(HostPair *pair) {
        IrmMessage message = { .type = IRM_ALLOCATE, .version = IRM_PROTOCOL_VERSION, .timeout_usec = LONG,
                               .info = { .name = "web.example", .qos = O7S_QOS_RAW } }, lane = { .type = IRM_LANE };
        LayerMessage query, done = { .type = LAYER_QUERY_DONE };
        int fds[IRM_FDS_MAX], lane_fd = fixture_make_lane(), client;
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/irm.sock", pair->asking.irm.directory);
        assert_int_equal(setenv("O7S_SOCKET", path, 1), 0);
        client = fixture_connect_client();
        assert_int_equal(irm_message_send(client, &message, NULL, 0), 0);
        fixture_client_hear(client, IRM_REPLY, &message, fds);
        assert_int_equal(message.result, 0);
        lane.flow_id = message.flow_id;
        assert_int_equal(irm_message_send(client, &lane, &lane_fd, 1), 0);
        (void) close(lane_fd);
        (void) close(client);

        layer_hear(pair->asking.layer, LAYER_QUERY, &query, NULL);
        done.query_id = query.query_id;
        layer_say(pair->asking.layer, &done, NULL, 0);
        return fds[0];
}

/* Whether the asking host begins an attempt, with this; else the program has its outcome. */
static bool begins(HostPair *pair, int doorbell, LayerMessage *ret_prepare) {
        struct pollfd pfds[] = {
                { .fd = doorbell, .events = POLLIN },
                { .fd = pair->asking.layer, .events = POLLIN },
        };
        int fds[LAYER_FDS_MAX];

        for (;;) {
                assert_true(poll(pfds, ELEMENTSOF(pfds), 60000) > 0);
                if (pfds[0].revents)
                        return false;
                assert_int_equal(layer_message_receive(pair->asking.layer, ret_prepare, fds), 0);
                if (ret_prepare->type == LAYER_PREPARE)
                        return true;
                assert_int_equal(ret_prepare->type, LAYER_ABORT);       /* of the attempt before */
        }
}

/* From the asking host to the other. */
static void carry_request(HostPair *pair, Tamper tamper, const LayerMessage *prepare, LayerMessage *ret_request) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = 1, .peer = "02:00:00:00:00:01" };
        const char *seen = tamper == REQUEST_BINDING ? "request of somebody else" : "request";

        say_prepared(pair->asking.layer, prepare, "request", false);
        layer_hear(pair->asking.layer, LAYER_REQUEST, ret_request, NULL);

        incoming.qos = ret_request->qos;
        incoming.hash_size = ret_request->hash_size;
        memcpy(incoming.hash, ret_request->hash, incoming.hash_size);
        incoming.binding_size = strlen(seen);
        memcpy(incoming.binding, seen, incoming.binding_size);
        incoming.oap_size = ret_request->oap_size;
        memcpy(incoming.oap, ret_request->oap, incoming.oap_size);
        if (tamper == REQUEST_BYTE)
                incoming.oap[incoming.oap_size - 1] ^= 1;
        if (tamper == STRIP_REQUEST)
                strip(&incoming, 0);
        layer_say(pair->asked.layer, &incoming, NULL, 0);
}

/* Whether the asked host takes it; if so, the listener accepts. */
static bool is_offered(HostPair *pair, FlowOutcome *outcome) {
        struct pollfd pfds[] = {
                { .fd = pair->listener, .events = POLLIN },
                { .fd = pair->asked.layer, .events = POLLIN },
        };
        IrmMessage lane = { .type = IRM_LANE };
        LayerMessage refusal;
        int fd;

        assert_true(poll(pfds, ELEMENTSOF(pfds), 60000) > 0);
        if (pfds[1].revents) {
                layer_hear(pair->asked.layer, LAYER_REFUSE, &refusal, NULL);
                outcome->refusal = refusal.result;
                return false;
        }

        fixture_client_hear(pair->listener, IRM_OFFER, &outcome->asked, NULL);
        lane.flow_id = outcome->asked.flow_id;
        fd = fixture_make_lane();
        assert_int_equal(irm_message_send(pair->listener, &lane, &fd, 1), 0);
        (void) close(fd);
        return true;
}

/* The answer, back; the asked host is told that it is out. */
static void carry_reply(HostPair *pair, Tamper tamper, const LayerMessage *request, FlowOutcome *outcome) {
        LayerMessage message, confirmed = { .type = LAYER_REPLY, .qos = request->qos };
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt,
                               .qos = request->qos };
        const char *seen = tamper == REPLY_BINDING ? "reply of somebody else" : "reply";
        int lane = fixture_make_lane(), fds[LAYER_FDS_MAX], client_fds[IRM_FDS_MAX];
        struct pollfd pfd = { .fd = pair->asked.layer, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 60000), 1);
        assert_int_equal(layer_message_receive(pair->asked.layer, &message, fds), 0);
        if (message.type == LAYER_PREPARE) {            /* a plain request has no such step */
                say_prepared(pair->asked.layer, &message, "reply", true);
                layer_hear(pair->asked.layer, LAYER_ACCEPT, &message, NULL);
        }
        assert_int_equal(message.type, LAYER_ACCEPT);
        outcome->asked_control = message.control;

        confirmed.flow_id = message.flow_id;
        layer_say(pair->asked.layer, &confirmed, &lane, 1);
        fixture_client_hear(pair->listener, IRM_ESTABLISHED, &outcome->asked, client_fds);
        layer_hear(pair->asked.layer, LAYER_ESTABLISHED, &confirmed, fds);
        for (unsigned i = 0; i < IRM_FDS_MAX; i++) {
                (void) safe_close(client_fds[i]);
                (void) safe_close(fds[i]);
        }

        reply.oap_size = message.oap_size;
        memcpy(reply.oap, message.oap, message.oap_size);
        reply.binding_size = strlen(seen);
        memcpy(reply.binding, seen, reply.binding_size);
        if (tamper == REPLY_BYTE)
                reply.oap[reply.oap_size - 1] ^= 1;
        if (tamper == STRIP_REPLY)
                strip(&reply, 32);
        layer_say(pair->asking.layer, &reply, &lane, 1);
        (void) close(lane);
}

static void finish(HostPair *pair, int doorbell, FlowOutcome *outcome) {
        LayerMessage message;
        int fds[LAYER_FDS_MAX];

        outcome->result = fixture_hear_outcome(doorbell, &outcome->asking);
        if (outcome->result < 0)
                return;

        layer_hear(pair->asking.layer, LAYER_ESTABLISHED, &message, fds);
        outcome->asking_control = message.control;
        memcpy(outcome->reset, message.reset, sizeof(outcome->reset));
        for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                (void) safe_close(fds[i]);
}

/* The asked host's no, back. */
static void carry_refusal(HostPair *pair, const LayerMessage *request, int refusal) {
        const LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt,
                                     .result = refusal };

        layer_say(pair->asking.layer, &reply, NULL, 0);
}

void pair_flow_run(HostPair *pair, Tamper tamper, FlowOutcome *ret) {
        FlowOutcome outcome = {};
        LayerMessage prepare, request;
        int doorbell = ask(pair);

        while (begins(pair, doorbell, &prepare)) {
                carry_request(pair, tamper, &prepare, &request);
                outcome.n_attempts++;
                outcome.offered = is_offered(pair, &outcome);
                if (outcome.offered)
                        carry_reply(pair, tamper, &request, &outcome);
                else if (outcome.refusal < 0)
                        carry_refusal(pair, &request, outcome.refusal);
                else
                        break;
        }

        if (outcome.offered || outcome.refusal < 0)
                finish(pair, doorbell, &outcome);
        else {
                (void) close(doorbell);
                outcome.result = -ETIMEDOUT;
        }

        *ret = outcome;
}
