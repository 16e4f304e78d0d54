/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What o7s-irm agrees on with other hosts for ordered flows, seen from everybody around it: the program that asks,
 * the one that listens, the layer, and what goes to the other host. The combinations themselves are
 * test-irm-terms.c's.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/oap.h"
#include "tests/unit/irm/irm-fixture.h"

#define LONG (5 * USEC_PER_SEC)
#define QOS(loss_, ber_, in_order_) { UINT32_MAX, 0, 0, loss_, ber_, in_order_, UINT32_MAX, 120000 }

#define FRCT (OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT)
#define CHECKSUM OAP_CAPABILITY_CHECKSUM
#define STREAM OAP_CAPABILITY_STREAM

#define X IRM_TRANSFER_EXTENDED
#define C IRM_TRANSFER_CHECKSUM
#define S IRM_TRANSFER_STREAM

static const char *arg_program;

static const uint8_t token[OAP_TOKEN_BYTES] = "closeme";

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        fixture_write_name(&fixture, "here");
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

/* -- a client -- */

/* Returns the reply's result; *ret_doorbell is one where that is 0. */
static int client_allocate(int fd, const char *name, const o7s_qos *qos, uint64_t flags, IrmMessage *ret,
                           int *ret_doorbell) {
        IrmMessage message = {
                .type = IRM_ALLOCATE,
                .version = IRM_PROTOCOL_VERSION,
                .timeout_usec = LONG,
                .flags = flags,
                .info.qos = *qos,
        };
        int fds[IRM_FDS_MAX];

        (void) snprintf(message.info.name, sizeof(message.info.name), "%s", name);
        assert_int_equal(irm_message_send(fd, &message, NULL, 0), 0);
        fixture_client_hear(fd, IRM_REPLY, ret, fds);
        *ret_doorbell = fds[0];
        return ret->result;
}

static void hand_in_lane(int fd, uint64_t flow_id, LaneClass class) {
        const IrmMessage message = { .type = IRM_LANE, .flow_id = flow_id };
        int lane = fixture_make_lane_of(class);

        assert_int_equal(irm_message_send(fd, &message, &lane, 1), 0);
        (void) close(lane);
}

static int hear_outcome(int doorbell, IrmMessage *ret) {
        struct pollfd pfd = { .fd = doorbell, .events = POLLIN };
        int lane = -1;

        assert_int_equal(poll(&pfd, 1, 60000), 1);
        assert_int_equal(irm_message_receive_outcome(doorbell, ret, &lane), 0);
        (void) safe_close(lane);
        return ret->result;
}

/* -- a layer -- */

/* Rewrites the capabilities of an OAP message; 0: no extension at all, as from a host of the reference protocol. */
static void set_capabilities(LayerMessage *message, bool response, uint32_t capabilities) {
        uint8_t wire[512], data[64];
        OapExtension extension;
        OapHeader header;
        ssize_t n;

        assert_int_equal(oap_header_parse(message->oap, message->oap_size, response ? 48 : 0, &header), 0);
        assert_int_equal(oap_extension_parse(header.data, header.data_size, response, &extension), 0);

        extension.capabilities = capabilities;
        n = capabilities != 0 ? oap_extension_pack(&extension, response, data, sizeof(data)) : 0;
        assert_true(n >= 0);
        header.data = data;
        header.data_size = (size_t) n;

        n = oap_header_pack(&header, wire, sizeof(wire));
        assert_true(n > 0);
        memcpy(message->oap, wire, (size_t) n);
        message->oap_size = (size_t) n;
}

static uint32_t capabilities_of(const LayerMessage *message, bool response) {
        OapExtension extension;
        OapHeader header;

        assert_int_equal(oap_header_parse(message->oap, message->oap_size, response ? 48 : 0, &header), 0);
        assert_int_equal(oap_extension_parse(header.data, header.data_size, response, &extension), 0);
        assert_true(extension.present);
        return extension.capabilities;
}

/* The other host says yes. The layer grants what a layer can: it loses packets, and says so. */
static void answer_request(int layer, const LayerMessage *request, uint32_t capabilities) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .qos = request->qos };
        ssize_t size;
        int lane;

        size = oap_response_build(request->oap, request->oap_size, token, 0, time_realtime_nsec(), reply.oap,
                                  sizeof(reply.oap));
        assert_true(size > 0);
        reply.oap_size = (size_t) size;
        set_capabilities(&reply, true, capabilities);
        reply.qos.loss = 1;

        lane = fixture_make_lane_of(request->lane_class);
        layer_say(layer, &reply, &lane, 1);
        (void) close(lane);
}

/* -- tests -- */

static void test_asking(void **state) {
        static const struct {
                const char *name;
                o7s_qos qos;
                uint64_t flags;
                uint32_t answered;
                uint32_t wished;
                uint32_t wire_ber;
                int result;
                uint32_t ber;
                uint32_t transfer;
        } cases[] = {
                { "raw",                     QOS(1, 1, 0), 0,          FRCT,                     0,                 1,
                  0, 1, X },
                { "best effort",             QOS(1, 0, 1), 0,          FRCT,                     0,                 0,
                  0, 0, X | C },
                { "data",                    QOS(0, 0, 1), 0,          FRCT | CHECKSUM,          CHECKSUM,          1,
                  0, 0, X | C },
                { "data, not granted",       QOS(0, 0, 1), 0,          FRCT,                     CHECKSUM,          1,
                  0, 1, X },
                { "data, reference",         QOS(0, 0, 1), 0,          0,                        CHECKSUM,          1,
                  0, 1, 0 },
                { "a stream",                QOS(0, 1, 1), O7S_STREAM, FRCT | STREAM,            STREAM,            1,
                  0, 1, X | S },
                { "a stream, not granted",   QOS(0, 1, 1), O7S_STREAM, FRCT,                     STREAM,            1,
                  -EPROTO, 0, 0 },
                { "a stream, reference",     QOS(0, 0, 1), O7S_STREAM, 0,                        CHECKSUM | STREAM, 1,
                  0, 1, S },
                { "more than was asked for", QOS(0, 1, 1), 0,          UINT32_MAX,               0,                 1,
                  0, 1, X },
        };
        int layer = fixture_online_layer(*state, 1), client = fixture_connect_client();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LayerMessage request, message;
                IrmMessage reply, outcome;
                int doorbell, fds[LAYER_FDS_MAX];

                print_message("%s\n", cases[i].name);
                assert_int_equal(
                        client_allocate(client, "far.example", &cases[i].qos, cases[i].flags, &reply, &doorbell), 0);
                hand_in_lane(client, reply.flow_id, reply.lane_class);
                layer_answer_query(layer, NULL, 0);

                layer_hear(layer, LAYER_REQUEST, &request, NULL);
                assert_int_equal(capabilities_of(&request, false), FRCT | cases[i].wished);
                assert_int_equal(request.qos.ber, cases[i].wire_ber);
                assert_int_equal(request.qos.loss, cases[i].qos.loss);
                assert_int_equal(request.qos.in_order, cases[i].qos.in_order);
                answer_request(layer, &request, cases[i].answered);

                assert_int_equal(hear_outcome(doorbell, &outcome), cases[i].result);
                if (cases[i].result == 0) {
                        assert_int_equal(outcome.info.transfer, cases[i].transfer);
                        assert_int_equal(outcome.info.mpl_ms, 100);
                        assert_int_equal(outcome.info.qos.ber, cases[i].ber);
                        assert_int_equal(outcome.info.qos.in_order, cases[i].qos.in_order);
                        assert_int_equal(outcome.info.qos.loss, cases[i].qos.in_order ? cases[i].qos.loss : 1);
                        assert_false(outcome.info.local);

                        layer_hear(layer, LAYER_ESTABLISHED, &message, fds);
                        (void) close(fds[0]);
                        (void) close(fds[1]);
                        assert_int_equal(
                                irm_message_send(client,
                                                 &(IrmMessage) { .type = IRM_DEALLOCATE, .flow_id = reply.flow_id },
                                                 NULL, 0),
                                0);
                        layer_hear(layer, LAYER_CLOSE, &message, NULL);
                } else
                        layer_hear(layer, LAYER_ABORT, &message, NULL);
                (void) close(doorbell);
        }

        (void) close(client);
        (void) close(layer);
}

static void ask_from_afar(int layer, uint8_t number, const o7s_qos *qos, uint32_t capabilities) {
        LayerMessage incoming = { .type = LAYER_INCOMING, .reference = number, .qos = *qos,
                                  .peer = "02:00:00:00:00:01" };
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = { number };
        OapRequest request;
        ssize_t size;

        size = oap_request_build(random, time_realtime_nsec(), 0, NULL, incoming.oap, sizeof(incoming.oap), &request);
        assert_true(size > 0);
        incoming.oap_size = (size_t) size;
        set_capabilities(&incoming, false, capabilities);
        size = hash_compute(HASH_SHA3_256, "here", 4, incoming.hash);
        assert_true(size > 0);
        incoming.hash_size = (size_t) size;
        layer_say(layer, &incoming, NULL, 0);
}

static void test_answering(void **state) {
        static const struct {
                const char *name;
                o7s_qos qos;
                uint32_t asked;
                uint32_t granted;
                uint32_t ber;
                uint32_t transfer;
        } cases[] = {
                { "raw",                    QOS(1, 1, 0), FRCT,                     0,                 1, X },
                { "reference, data",        QOS(0, 1, 1), 0,                        0,                 1, 0 },
                { "reference, data, ber 0", QOS(0, 0, 1), 0,                        0,                 0, C },
                { "data",                   QOS(0, 1, 1), FRCT | CHECKSUM,          CHECKSUM,          0, X | C },
                { "a stream",               QOS(0, 1, 1), FRCT | CHECKSUM | STREAM, CHECKSUM | STREAM, 0, X | C | S },
                { "a raw stream",           QOS(1, 1, 0), FRCT | STREAM,            0,                 1, X },
                { "every bit",              QOS(0, 1, 1), UINT32_MAX,               CHECKSUM | STREAM, 0, X | C | S },
                { "in order, as of 0.23.0", QOS(1, 1, 9), 0,                        0,                 1, 0 },
        };
        int layer = fixture_online_layer(*state, 1), listener = fixture_client_listen("here");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LayerMessage accept, message, reply = { .type = LAYER_REPLY };
                int fds[IRM_FDS_MAX], lane;
                IrmMessage offer, established;

                print_message("%s\n", cases[i].name);
                ask_from_afar(layer, (uint8_t) (i + 1), &cases[i].qos, cases[i].asked);

                fixture_client_hear(listener, IRM_OFFER, &offer, fds);
                assert_int_equal(offer.info.qos.in_order, cases[i].qos.in_order != 0);
                hand_in_lane(listener, offer.flow_id, offer.lane_class);

                layer_hear(layer, LAYER_ACCEPT, &accept, NULL);
                assert_int_equal(capabilities_of(&accept, true), FRCT | cases[i].granted);
                reply.flow_id = accept.flow_id;
                reply.qos = cases[i].qos;
                reply.qos.loss = 1;
                lane = fixture_make_lane_of(accept.lane_class);
                layer_say(layer, &reply, &lane, 1);
                (void) close(lane);

                fixture_client_hear(listener, IRM_ESTABLISHED, &established, fds);
                assert_int_equal(established.info.transfer, cases[i].transfer);
                assert_int_equal(established.info.mpl_ms, 100);
                assert_int_equal(established.info.qos.ber, cases[i].ber);
                assert_int_equal(established.info.qos.in_order, cases[i].qos.in_order != 0);
                assert_int_equal(established.info.qos.loss, cases[i].qos.in_order ? cases[i].qos.loss : 1);
                (void) close(fds[0]);
                (void) close(fds[1]);
                layer_hear(layer, LAYER_ESTABLISHED, &message, fds);
                assert_false(message.of_layer);
                (void) close(fds[0]);
                (void) close(fds[1]);
        }

        (void) close(listener);
        (void) close(layer);
}

/* Members of layers get raw flows, whatever a stranger asks for, and the layer below hears that it is a member. */
static void test_asking_a_layer(void **state) {
        static const o7s_qos refused[] = { O7S_QOS_DATA, O7S_QOS_BEST_EFFORT, O7S_QOS_RAW_SAFE }, raw = O7S_QOS_RAW;
        const LayerMessage hello = { .type = LAYER_HELLO, .version = LAYER_PROTOCOL_VERSION, .layer = "home",
                                     .layer_type = LAYER_UNICAST,
                                     .hash_algorithm = 1, .mtu = 1400, .oap_max = 1300 };
        int layer = fixture_online_layer(*state, 1), member = fixture_connect_layer(*state), listener, fds[IRM_FDS_MAX];
        LayerMessage message, reply = { .type = LAYER_REPLY, .qos = raw };
        IrmMessage offer, established;
        int lane;

        layer_say(member, &hello, NULL, 0);
        layer_hear(member, LAYER_WELCOME, &message, NULL);
        listener = fixture_client_listen("here");

        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                ask_from_afar(layer, (uint8_t) (i + 1), &refused[i], FRCT);
                layer_hear(layer, LAYER_REFUSE, &message, NULL);
                assert_int_equal(message.reference, i + 1);
        }

        ask_from_afar(layer, 100, &raw, FRCT);
        fixture_client_hear(listener, IRM_OFFER, &offer, fds);
        hand_in_lane(listener, offer.flow_id, offer.lane_class);
        layer_hear(layer, LAYER_ACCEPT, &message, NULL);
        reply.flow_id = message.flow_id;
        lane = fixture_make_lane_of(message.lane_class);
        layer_say(layer, &reply, &lane, 1);
        (void) close(lane);
        fixture_client_hear(listener, IRM_ESTABLISHED, &established, fds);
        (void) close(fds[0]);
        (void) close(fds[1]);
        layer_hear(layer, LAYER_ESTABLISHED, &message, fds);
        assert_true(message.of_layer);
        (void) close(fds[0]);
        (void) close(fds[1]);
        (void) close(listener);
        (void) close(member);
        (void) close(layer);
}

/* A successor that wants something else is none: who was offered the first has what that asked for. */
static void test_other_successor(void **state) {
        const o7s_qos data = QOS(0, 1, 1), raw = O7S_QOS_RAW;
        LayerMessage incoming = { .type = LAYER_INCOMING, .peer = "02:00:00:00:00:01" }, message;
        uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES] = { 1 };
        int layer = fixture_online_layer(*state, 1), fds[IRM_FDS_MAX], listener;
        OapRequest first, second;
        IrmMessage offer;

        for (unsigned i = 0; i < 2; i++) {
                ssize_t size;

                incoming.reference = i + 1;
                incoming.qos = i == 0 ? data : raw;
                random[0]++;
                size = oap_request_build(random, time_realtime_nsec(), i == 0 ? CHECKSUM : 0, i == 0 ? NULL : &first,
                                         incoming.oap, sizeof(incoming.oap), i == 0 ? &first : &second);
                assert_true(size > 0);
                incoming.oap_size = (size_t) size;
                size = hash_compute(HASH_SHA3_256, "here", 4, incoming.hash);
                assert_true(size > 0);
                incoming.hash_size = (size_t) size;
                layer_say(layer, &incoming, NULL, 0);
        }
        layer_hear(layer, LAYER_REFUSE, &message, NULL);
        assert_int_equal(message.reference, 2);

        listener = fixture_client_listen("here");
        fixture_client_hear(listener, IRM_OFFER, &offer, fds);
        assert_int_equal(offer.info.qos.in_order, 1);
        assert_int_equal(offer.info.qos.ber, 0);
        (void) close(listener);
        (void) close(layer);
}

static void test_local_stream(void **state) {
        static const o7s_qos data = O7S_QOS_DATA;
        int client = fixture_connect_client(), listener = fixture_client_listen("here"), doorbell, fds[IRM_FDS_MAX];
        IrmMessage reply, offer, message;

        for (unsigned stream = 0; stream < 2; stream++) {
                uint32_t transfer = stream ? IRM_TRANSFER_STREAM : 0;

                assert_int_equal(client_allocate(client, "here", &data, stream ? O7S_STREAM : 0, &reply, &doorbell), 0);
                fixture_client_hear(listener, IRM_OFFER, &offer, fds);
                assert_int_equal(offer.info.transfer, transfer);
                hand_in_lane(listener, offer.flow_id, offer.lane_class);
                hand_in_lane(client, reply.flow_id, reply.lane_class);

                assert_int_equal(hear_outcome(doorbell, &message), 0);
                assert_true(message.info.local);
                assert_int_equal(message.info.transfer, transfer);
                assert_int_equal(message.info.qos.ber, 0);
                fixture_client_hear(listener, IRM_ESTABLISHED, &message, fds);
                assert_true(message.info.local);
                assert_int_equal(message.info.transfer, transfer);
                (void) close(fds[0]);
                (void) close(fds[1]);
                (void) close(doorbell);
        }

        (void) close(listener);
        (void) close(client);
}

/* What the library would not send. */
static void test_bad_requests(void **state) {
        static const struct {
                const char *name;
                o7s_qos qos;
                uint64_t flags;
                const char *text;
        } cases[] = {
                { "a raw stream",      QOS(1, 1, 0),           O7S_STREAM, "in_order=1 and loss=0" },
                { "a stream of gaps",  QOS(1, 0, 1),           O7S_STREAM, "in_order=1 and loss=0" },
                { "a stream, shuffled", QOS(0, 0, 0),          O7S_STREAM, "in_order=1 and loss=0" },
                { "ten nines",         { 1, 1, 10, 1, 1, 1, 1, 1 }, 0,     "availability_nines=10" },
        };
        int client = fixture_connect_client(), doorbell;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                IrmMessage reply;

                print_message("%s\n", cases[i].name);
                assert_int_equal(client_allocate(client, "here", &cases[i].qos, cases[i].flags, &reply, &doorbell),
                                 -EINVAL);
                assert_int_equal(doorbell, -1);
                assert_non_null(strstr(reply.text, cases[i].text));
        }

        (void) close(client);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_asking, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_answering, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_asking_a_layer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_other_successor, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_local_stream, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_bad_requests, set_up, tear_down),
        };

        if (argc != 2)
                return 1;

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
