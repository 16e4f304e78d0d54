/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The far side of a flow, see layer-end.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"
#include "services/common/oap.h"
#include "tests/unit/irm/layer-end.h"

void layer_end_answer(int layer, const LayerMessage *request, const uint8_t token[CLOSE_TOKEN_BYTES], LayerEnd *end) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = request->flow_id, .attempt = request->attempt };
        ssize_t size;
        int lane_fd;

        assert_int_equal(lane_new(request->lane_class, &end->lane, &lane_fd), 0);
        size = oap_response_build(request->oap, request->oap_size, token, 0, time_realtime_nsec(), reply.oap,
                                  sizeof(reply.oap));
        assert_true(size > 0);
        reply.oap_size = (size_t) size;
        reply.qos = request->qos;
        reply.qos.delay_ms = LAYER_END_DELAY_MS;
        layer_say(layer, &reply, &lane_fd, 1);
        (void) close(lane_fd);
}

void layer_end_confirm(int layer, const LayerMessage *accept, LayerEnd *end) {
        LayerMessage reply = { .type = LAYER_REPLY, .flow_id = accept->flow_id }, message;
        int lane_fd;

        assert_int_equal(lane_new(accept->lane_class, &end->lane, &lane_fd), 0);
        layer_say(layer, &reply, &lane_fd, 1);
        (void) close(lane_fd);
        layer_hear(layer, LAYER_ESTABLISHED, &message, end->fds);
        assert_int_equal(message.flow_id, accept->flow_id);
}

void layer_end_close(LayerEnd *end) {
        lane_free(end->lane);
        (void) close(end->fds[0]);
        (void) close(end->fds[1]);
}
