/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What two hosts agree on for one flow beyond what its layer gives: which FRCT they speak, whether a reliable flow
 * carries checksums, whether it is a stream. The asking side wishes, the answering side grants, both in the
 * capabilities of OAP; the quality of service travels in the layer's flow request. Pure.
 *
 *   asked by the program         in the request                in the answer       both ends then have
 *   reliable, ber 1              ber 1                                             no checksum
 *   reliable, ber 0              ber 1, wish CHECKSUM          grant CHECKSUM      checksum on every packet, ber 0
 *                                                              none                no checksum, ber 1
 *   another one, ber 0           ber 0                                             checksum on every packet, ber 0
 *   O7S_STREAM (reliable)        wish STREAM                   grant STREAM        a stream
 *                                                              none, not o7s       a stream for the asking side: its
 *                                                                                  writes go out as messages, its
 *                                                                                  reads join them
 *
 * Why a reliable flow is asked for with ber 1: hosts of the reference protocol resend without a checksum what they
 * expect one on, so that with ber 0 not a single loss could ever be repaired. One that asks us for both gets both.
 *
 * Only who shows the extended FRCT can wish or grant: a bit that was not wished for, or that makes no sense for the
 * flow, is as if it were not there.
 */

#include "libo7s/irm-message.h"
#include "libo7s/qos.h"
#include "services/common/layer-message.h"
#include "services/common/oap.h"

typedef struct Terms {
        o7s_qos qos;                    /* as granted */
        uint32_t transfer;              /* IRM_TRANSFER_ */
} Terms;

/* What we ask for: the QoS that the flow request carries, and the wishes that go with it (OAP_CAPABILITY_). */
o7s_qos terms_wire_qos(const o7s_qos *asked);
uint32_t terms_wishes(const o7s_qos *asked, bool stream);

/* Who was asked: what the wire's QoS and the extension of the request come to. *ret_grants are for the answer. */
Terms terms_of_request(const o7s_qos *wire, const OapExtension *request, uint32_t *ret_grants);

/* Who asked: what the answer comes to. layer: what the layer grants. Returns: 0; -EPROTO: an o7s host that refuses a
 * stream, which would take our bytes for messages and lose their order within. */
int terms_of_answer(const o7s_qos *asked, uint32_t wishes, const o7s_qos *layer, const OapExtension *answer,
                    Terms *ret);

/* What a layer grants, and what the two ends of the flow add to it. */
o7s_qos terms_granted_qos(const o7s_qos *agreed, const o7s_qos *layer);

/* Two programs of this host: memory loses nothing and changes nothing. */
Terms terms_of_local(const o7s_qos *asked, bool stream);

/* Longest life of a packet. */
uint32_t terms_mpl_ms(LayerType type);
