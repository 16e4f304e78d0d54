/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows of the layers below, see lower.h: what the core wants of them. carrier.c hears what arrives,
 * lower-listener.c has the flows of others to us.
 */

#include "libo7s/flow.h"
#include "services/ipcp-unicast/carrier.h"

const PcapngInterface lower_interfaces[_LOWER_INTERFACE_MAX] = {
        [LOWER_INTERFACE_DATA] = {
                PCAPNG_LINK_USER0, "",
                "Packets of an Ouroboros unicast layer, as they are in flows of the layers below: destination, "
                "quality of service, TTL, ECN, endpoint id (little-endian; 4, 1, 1, 1 and 8 bytes unless the layer "
                "was made otherwise), then the payload",
        },
        [LOWER_INTERFACE_MANAGEMENT] = {
                PCAPNG_LINK_USER0, "-management",
                "Messages between neighbours of an Ouroboros unicast layer: protobuf of connection establishment and "
                "enrollment, then link-state messages",
        },
};

/* -- what the core wants -- */

int lower_allocate(Lower *l, LowerFlow *flow) {
        const o7s_qos qos = cube_lower_qos(flow->cube);
        uint64_t flags = O7S_TRUNCATE | (flow->purpose == LOWER_DATA ? O7S_BULK : O7S_THIN);
        o7s_flow *o7s = NULL;
        Carrier *c;
        int r;

        assert(flow->lower < l->n_names);

        r = flow_alloc_start_over(l->names[flow->lower], flow->name, &qos, flags, JOIN_ALLOCATE_TIMEOUT_USEC, &o7s);
        if (r < 0)
                return r;

        r = carrier_new(l, o7s, &c);
        if (r < 0)
                return r;

        c->flow = flow;
        flow->shell = c;
        return 0;
}

void lower_release(LowerFlow *flow) {
        Carrier *c = flow->shell;

        if (!c)
                return;

        (void) carrier_cut(c);
        if (!c->busy)
                carrier_free(c);
}

unsigned lower_send(LowerFlow *flow, Packet *const *packets, unsigned n) {
        Carrier *c = flow->shell;
        o7s_msg msgs[UNICAST_BURST_MAX];
        unsigned done = 0;

        if (!c || !c->up)
                return n;               /* it has ended, and the core is about to hear of it */

        n = MIN(n, (unsigned) ELEMENTSOF(msgs));
        for (unsigned i = 0; i < n; i++)
                msgs[i] = (o7s_msg) { .data = packets[i]->head, .size = packet_size(packets[i]) };

        while (done < n) {
                int r;

                r = o7s_flow_write_batch(c->o7s, msgs + done, n - done);
                if (r > 0) {
                        if (c->lower->capture)
                                carrier_show(c, true, packets + done, (unsigned) r);
                        done += (unsigned) r;
                }
                else if (r == -EMSGSIZE) {
                        counters_drop(&flow->counters, DROP_TOO_LARGE);
                        done++;
                } else if (r == -EAGAIN) {
                        c->armed = o7s_flow_arm_write(c->o7s, true) >= 0;
                        return c->armed ? done : n;
                } else
                        return n;       /* its end is on its way to us as an event */
        }

        return done;
}

unsigned lower_queued(const LowerFlow *flow) {
        const Carrier *c = flow->shell;

        return c && c->up && c->o7s->channel ? channel_queued(c->o7s->channel) : 0;
}

/* -- life -- */

int lower_init(Lower *l, sd_event *event, Unicast *unicast, const char *const *names, unsigned n_names) {
        int r;

        *l = (Lower) { .unicast = unicast, .names = names, .n_names = n_names, .event = sd_event_ref(event) };
        list_init(&l->carriers);

        r = lower_listener_init(l);
        if (r < 0)
                lower_done(l);

        return r;
}

void lower_done(Lower *l) {
        if (!l->event)
                return;

        while (!list_is_empty(&l->carriers)) {
                Carrier *c = list_first(&l->carriers, Carrier, by_lower);

                if (c->flow)
                        (void) carrier_cut(c);
                carrier_free(c);
        }

        lower_listener_done(l);
        for (size_t i = 0; i < ELEMENTSOF(l->packets); i++)
                l->packets[i] = packet_free(l->packets[i]);
        l->event = sd_event_unref(l->event);
}
