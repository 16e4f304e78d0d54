/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Somebody asks for a flow. Each offer is answered at once with a lane of ours, and when the other side's lane comes
 * as well the flow is established. One that comes to nothing (WITHDRAWN) is forgotten; the application never hears
 * of it.
 */

#include "libo7s/irm-client.h"
#include "libo7s/listener-internal.h"
#include "libo7s/qos.h"

/* Lanes made for offers that nobody answered yet; each may be half a megabyte. Further offers wait for
 * their lane. */
#define OFFER_LANES_MAX 64U

/* Offers remembered without a lane. An IRM that sends more gets no answer to them. */
#define OFFERS_MAX 1024U

Offer *offer_free(o7s_listener *l, Offer *offer) {
        list_unlink(&offer->by_listener);
        l->n_offers--;
        if (offer->own_lane)
                l->n_lanes--;
        (void) (handle_is_foreign(&l->handle) ? lane_forget(offer->own_lane) : lane_free(offer->own_lane));
        return mfree(offer);
}

Offer *offer_find(o7s_listener *l, uint64_t flow_id) {
        Offer *offer;

        list_for_each(offer, &l->offers, by_listener)
                if (offer->flow_id == flow_id)
                        return offer;

        return NULL;
}

/* Answers an offer with our lane. Returns: 0; -EPIPE: the connection ended; what lane_new() says. */
static int offer_answer(o7s_listener *l, Offer *offer) {
        IrmMessage message = { .type = IRM_LANE, .flow_id = offer->flow_id };
        _cleanup_close_ int fd = -1;
        int r;

        r = lane_new(offer->lane_class, &offer->own_lane, &fd);
        if (r < 0)
                return r;

        l->n_lanes++;
        return irm_send(l->fd, &message, &fd, 1, usec_add(time_now(), IRM_REPLY_USEC));
}

void listener_answer_offers(o7s_listener *l) {
        Offer *offer, *following;

        list_for_each_safe(offer, following, &l->offers, by_listener) {
                if (l->n_lanes >= OFFER_LANES_MAX)
                        return;
                if (!offer->own_lane && offer_answer(l, offer) < 0)
                        offer_free(l, offer);
        }
}

void offer_receive(o7s_listener *l, const IrmMessage *message) {
        Offer *offer;

        /* The IRM sees to it that none is out of range. */
        if (l->n_offers >= OFFERS_MAX || offer_find(l, message->flow_id) || qos_check(&message->info.qos) < 0)
                return;

        offer = malloc(sizeof(*offer));
        if (!offer)
                return;

        *offer = (Offer) {
                .flow_id = message->flow_id,
                .lane_class = message->lane_class,
                .info = message->info,
        };
        list_init(&offer->by_listener);
        list_append(&l->offers, &offer->by_listener);
        l->n_offers++;
}

int offer_establish(o7s_listener *l, Offer *offer, const IrmMessage *message, int lane_fd, int doorbell_fd,
                    o7s_flow **ret) {
        _cleanup_(o7s_flow_unrefp) o7s_flow *flow = NULL;
        _cleanup_(lane_freep) Lane *peer = NULL;
        _cleanup_close_ int fd = doorbell_fd;
        IrmFlowInfo info = message->info;
        int r;

        r = lane_open(offer->lane_class, lane_fd, &peer);
        if (r < 0) {
                doorbell_close(fd, CLOSE_VIOLATION);
                return r;
        }

        r = flow_new(flow_get(&l->flags), &offer->info.qos, &flow);
        if (r < 0)
                return r;

        if (isempty(info.name))
                (void) copy_string(info.name, sizeof(info.name), offer->info.name);

        flow->lane_class = offer->lane_class;
        flow->handle.flow_id = offer->flow_id;
        r = process_add(&flow->handle);
        if (r < 0)
                return r;

        r = flow_need_transfer(flow, &info, &message->keys);
        if (r < 0)
                return r;

        l->n_lanes--;
        r = flow_set_up(flow, TAKE_PTR(offer->own_lane), TAKE_PTR(peer), TAKE_FD(fd), &info);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(flow);
        return 0;
}

void listener_forget_offers(o7s_listener *l) {
        Offer *offer, *following;

        list_for_each_safe(offer, following, &l->offers, by_listener)
                offer_free(l, offer);
}
