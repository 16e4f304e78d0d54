/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The bytes, all big-endian:
 *
 *   kind of the layer u8 | size of an address u8 | asking host | answering host
 *   asking endpoint id u64 | answering endpoint id u64, in a reply only
 *   size of the hash u8 | hash of the name
 *   QoS: delay u32, bandwidth u64, availability u8, loss u32, bit error rate u32, in order u8, largest gap u32,
 *   timeout u32 size of the fixed part u8 | the fixed part of the message
 */

#include "basic/cursor.h"
#include "services/common/flow-binding.h"

static void write_qos(Writer *w, const o7s_qos *qos) {
        writer_be32(w, qos->delay_ms);
        writer_be64(w, qos->bandwidth_bps);
        writer_u8(w, qos->availability_nines);
        writer_be32(w, qos->loss);
        writer_be32(w, qos->ber);
        writer_u8(w, qos->in_order);
        writer_be32(w, qos->max_gap_ms);
        writer_be32(w, qos->timeout_ms);
}

void flow_binding_make(const FlowBindingParts *parts, FlowBinding *ret) {
        Writer w = writer_to(ret->bytes, sizeof(ret->bytes));

        assert(parts->address_size <= FLOW_BINDING_ADDRESS_BYTES_MAX && parts->hash_size <= LAYER_HASH_BYTES_MAX &&
               parts->header_size <= FLOW_BINDING_HEADER_BYTES_MAX);

        writer_u8(&w, (uint8_t) parts->layer);
        writer_u8(&w, (uint8_t) parts->address_size);
        writer_bytes(&w, parts->asking_address, parts->address_size);
        writer_bytes(&w, parts->answering_address, parts->address_size);
        writer_be64(&w, parts->asking_endpoint);
        if (parts->answering_endpoint != 0)
                writer_be64(&w, parts->answering_endpoint);
        writer_u8(&w, (uint8_t) parts->hash_size);
        writer_bytes(&w, parts->hash, parts->hash_size);
        write_qos(&w, parts->qos);
        writer_u8(&w, (uint8_t) parts->header_size);
        writer_bytes(&w, parts->header, parts->header_size);

        assert(!w.bad);
        ret->size = w.written;
}
