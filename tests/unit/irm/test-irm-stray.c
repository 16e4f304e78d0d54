/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers of other hosts that come to nothing here: whether, and with what, their flow is closed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"
#include "libo7s/lane.h"
#include "services/common/oap.h"
#include "tests/unit/irm/irm-fixture.h"

static const char *arg_program;

static const uint8_t token[CLOSE_TOKEN_BYTES] = "closeme";

static int set_up(void **state) {
        static IrmFixture fixture;      /* cmocka hands on a pointer */

        fixture_start(&fixture, arg_program);
        fixture_plain(&fixture);
        fixture_run(&fixture);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        fixture_stop(*state);
        return 0;
}

/* A good answer of a host with these capabilities. */
static void build_answer(LayerMessage *reply, uint32_t capabilities) {
        uint8_t bytes[OAP_ID_BYTES + OAP_TOKEN_BYTES] = {}, request[512];
        OapExtension extension;
        OapRequest kept;
        OapHeader header;
        ssize_t size;

        size = oap_request_build(bytes, time_realtime_nsec(), 0, NULL, request, sizeof(request), &kept);
        assert_true(size > 0);
        size = oap_response_build(request, (size_t) size, token, 0, time_realtime_nsec(), reply->oap,
                                  sizeof(reply->oap));
        assert_true(size > 0);
        reply->oap_size = (size_t) size;

        assert_int_equal(oap_response_parse(&kept, reply->oap, reply->oap_size, &header, &extension), 0);
        extension.capabilities = capabilities;
        size = oap_extension_pack(&extension, true, reply->oap + (header.data - reply->oap), header.data_size);
        assert_int_equal(size, header.data_size);
}

typedef struct StrayRow {
        const char *name;
        uint32_t capabilities;
        bool closes;
} StrayRow;

static const StrayRow stray_rows[] = {
        { "understands a close", OAP_CAPABILITY_CLOSE, true },
        { "and more", OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT, true },
        { "a token, but no word about closing", OAP_CAPABILITY_FRCT, false },
};

/* Nobody waits for the answer any more: its host gets a close exactly where it understands one. */
static void test_answer_to_nobody(void **state) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = 4711, .attempt = 2 }, message;
        int layer = fixture_online_layer(*state, 0), lane_fd;
        Lane *lane;

        assert_int_equal(lane_new(LANE_THIN, &lane, &lane_fd), 0);

        for (size_t i = 0; i < ELEMENTSOF(stray_rows); i++) {
                const StrayRow *row = &stray_rows[i];

                print_message("%s\n", row->name);
                build_answer(&reply, row->capabilities);
                layer_say(layer, &reply, &lane_fd, 1);
                layer_hear(layer, LAYER_ABORT, &message, NULL);
                assert_int_equal(message.flow_id, 4711);
                assert_int_equal(message.attempt, 2);
                assert_int_equal(message.tokens.have_peer, row->closes);
                if (row->closes)
                        assert_memory_equal(message.tokens.peer, token, CLOSE_TOKEN_BYTES);
        }

        lane_free(lane);
        (void) close(lane_fd);
        (void) close(layer);
}

/* The other host said yes, and the layer could not make a lane: that end must not stay up until its time-out. */
static void test_no_lane(void **state) {
        LayerMessage query, done = { .type = LAYER_QUERY_DONE }, request, message;
        LayerMessage reply = { .type = LAYER_REPLY, .result = -ENOMEM };
        int layer = fixture_online_layer(*state, 0);
        o7s_flow *flow = NULL;

        assert_int_equal(o7s_flow_alloc_start("far.example", &O7S_QOS_RAW, 0, 5 * USEC_PER_SEC, &flow), 0);
        layer_hear(layer, LAYER_QUERY, &query, NULL);
        done.query_id = query.query_id;
        layer_say(layer, &done, NULL, 0);
        layer_hear(layer, LAYER_REQUEST, &request, NULL);

        build_answer(&reply, OAP_CAPABILITY_CLOSE);
        reply.flow_id = request.flow_id;
        layer_say(layer, &reply, NULL, 0);
        layer_hear(layer, LAYER_ABORT, &message, NULL);
        assert_int_equal(message.flow_id, request.flow_id);
        assert_true(message.tokens.have_peer);
        assert_memory_equal(message.tokens.peer, token, CLOSE_TOKEN_BYTES);

        o7s_flow_unref(flow);
        (void) close(layer);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_answer_to_nobody, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_lane, set_up, tear_down),
        };

        if (argc < 2)
                return 2;

        arg_program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
