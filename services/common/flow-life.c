/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/flow-life.h"
#include "services/common/oap.h"

int flow_request_take(FlowRequest *request, const LayerMessage *order) {
        uint8_t *oap = malloc(MAX(order->oap_size, (size_t) 1));

        if (!oap)
                return -ENOMEM;

        memcpy(oap, order->oap, order->oap_size);
        flow_request_done(request);
        *request = (FlowRequest) { .oap = oap, .oap_size = order->oap_size };
        return 0;
}

void flow_request_done(FlowRequest *request) {
        free(request->oap);
        *request = (FlowRequest) {};
}

int32_t flow_refusal(int32_t response) {
        return MIN(response, OAP_WIRE_ERROR_NOT_ALLOCATED);     /* those of the wire are all below the errnos */
}
