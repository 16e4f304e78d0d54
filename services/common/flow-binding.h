/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What of a flow request or reply both hosts see alike and nobody may change on its way (docs/WIRE.md). The sender
 * makes it from what it will send, the receiver from what came, and the handshake compares a digest of it: whoever
 * changes a field ends up with two different ones. It names what the message leaves to the network below, the two
 * addresses, and what the reply does not repeat, the name and the quality; of the message itself it has the whole
 * fixed part. Pure.
 */

#include "services/common/layer-message.h"

#define FLOW_BINDING_ADDRESS_BYTES_MAX 28U
#define FLOW_BINDING_HEADER_BYTES_MAX 64U

typedef struct FlowBinding {
        size_t size;                    /* 0: there is none */
        uint8_t bytes[LAYER_BINDING_BYTES_MAX];
} FlowBinding;

/* All of them the caller's. */
typedef struct FlowBindingParts {
        LayerType layer;
        size_t address_size;            /* of both */
        const uint8_t *asking_address;
        const uint8_t *answering_address;
        uint64_t asking_endpoint;
        uint64_t answering_endpoint;    /* 0: this is of a request */
        size_t hash_size;
        const uint8_t *hash;            /* of the name */
        const o7s_qos *qos;             /* as asked for */
        size_t header_size;
        const uint8_t *header;          /* the fixed part of the message, as on the wire */
} FlowBindingParts;

void flow_binding_make(const FlowBindingParts *parts, FlowBinding *ret);
