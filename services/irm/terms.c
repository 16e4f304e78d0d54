/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What two hosts agree on, see terms.h. */

#include "services/irm/terms.h"

#define MPL_MS 100U             /* of all layers but those over the Internet */
#define MPL_UDP_MS 5000U

o7s_qos terms_wire_qos(const o7s_qos *asked) {
        o7s_qos wire = *asked;

        if (qos_is_reliable(asked))
                wire.ber = MAX(wire.ber, 1U);
        return wire;
}

uint32_t terms_wishes(const o7s_qos *asked, bool stream) {
        uint32_t wishes = 0;

        if (!qos_is_reliable(asked))
                return 0;

        if (asked->ber == 0)
                wishes |= OAP_CAPABILITY_CHECKSUM;
        if (stream)
                wishes |= OAP_CAPABILITY_STREAM;
        return wishes;
}

static bool speaks_extended(const OapExtension *extension) {
        return extension->present && (extension->capabilities & OAP_CAPABILITY_FRCT);
}

/* What the peer wishes or grants, where it can. */
static uint32_t peer_says(const o7s_qos *qos, const OapExtension *extension) {
        if (!speaks_extended(extension) || !qos_is_reliable(qos))
                return 0;

        return extension->capabilities & OAP_CAPABILITIES_OF_FLOW;
}

static uint32_t transfer_of(const o7s_qos *qos, bool extended, bool stream) {
        return (extended ? IRM_TRANSFER_EXTENDED : 0) | (qos->ber == 0 ? IRM_TRANSFER_CHECKSUM : 0) |
               (stream ? IRM_TRANSFER_STREAM : 0);
}

Terms terms_of_request(const o7s_qos *wire, const OapExtension *request, uint32_t *ret_grants) {
        uint32_t grants = peer_says(wire, request);
        Terms terms = { .qos = *wire };

        terms.qos.in_order = wire->in_order != 0;
        if (grants & OAP_CAPABILITY_CHECKSUM)
                terms.qos.ber = 0;
        terms.transfer = transfer_of(&terms.qos, speaks_extended(request), grants & OAP_CAPABILITY_STREAM);

        *ret_grants = grants;
        return terms;
}

o7s_qos terms_granted_qos(const o7s_qos *agreed, const o7s_qos *layer) {
        o7s_qos qos = *layer;

        qos.in_order = agreed->in_order;
        if (agreed->in_order)
                qos.loss = agreed->loss;        /* a layer that loses packets still carries a flow that loses none */
        qos.ber = agreed->ber;
        return qos;
}

int terms_of_answer(const o7s_qos *asked, uint32_t wishes, const o7s_qos *layer, const OapExtension *answer,
                    Terms *ret) {
        uint32_t grants = peer_says(asked, answer) & wishes;
        bool extended = speaks_extended(answer);
        o7s_qos agreed = *asked;

        if ((wishes & ~grants & OAP_CAPABILITY_STREAM) && extended)
                return -EPROTO;

        if (qos_is_reliable(asked) && !(grants & OAP_CAPABILITY_CHECKSUM))
                agreed.ber = MAX(agreed.ber, 1U);

        *ret = (Terms) { .qos = terms_granted_qos(&agreed, layer) };
        ret->transfer = transfer_of(&ret->qos, extended, wishes & OAP_CAPABILITY_STREAM);
        return 0;
}

Terms terms_of_local(const o7s_qos *asked, bool stream) {
        return (Terms) { .qos = *asked, .transfer = stream && qos_is_reliable(asked) ? IRM_TRANSFER_STREAM : 0 };
}

uint32_t terms_mpl_ms(LayerType type) {
        return type == LAYER_UDP4 || type == LAYER_UDP6 ? MPL_UDP_MS : MPL_MS;
}
