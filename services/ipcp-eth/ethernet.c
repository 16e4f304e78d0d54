/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/oap.h"
#include "services/ipcp-eth/flow.h"

/* An entry lives as long as its stamp can be accepted: from the farthest future to the farthest past, in whole seconds,
 * and one for the cache's own grain. */
#define REPLAY_SECONDS ((OAP_WINDOW_PAST_NSEC + OAP_WINDOW_FUTURE_NSEC) / 1000000000U + 2U)

_Static_assert(ETHERNET_SENDER_BURST + REPLAY_SECONDS * ETHERNET_SENDER_RATE < OAP_REPLAY_ENTRIES_MAX,
               "one station must not be able to fill the replay cache");

static uint32_t payload_max(const Ethernet *e) {
        return e->link.present ? frame_payload_max(e->framing, e->link.mtu) : 0;
}

void ethernet_done(Ethernet *e) {
        LayerFlow *flow, *following;

        if (e->flows.by_key)
                list_for_each_safe(flow, following, &e->flows.all, by_table)
                        ethernet_flow_free(ethernet_flow(flow));

        /* A closed flow may have given its key to a new one: such are only here. */
        while (e->tombstones.next && !list_is_empty(&e->tombstones))
                ethernet_flow_free(list_first(&e->tombstones, EthernetFlow, by_tombstone));

        if (e->incoming.next)
                incoming_forget(e);
        reassembly_done(&e->reassembly);
        explicit_bzero(e->reset_key, sizeof(e->reset_key));
        if (e->queries.next)
                ethernet_forget_queries(e);
        if (e->registered)
                ethernet_unregister_all(e);

        layer_flows_done(&e->flows);
        shim_names_done(&e->names);
        expiry_done(&e->expiries);
        e->endpoints = shim_endpoints_free(e->endpoints);
        e->registered = map_free(e->registered);
        e->incoming_by_reference = map_free(e->incoming_by_reference);
        e->incoming_by_peer = map_free(e->incoming_by_peer);
        e->message = packet_free(e->message);
}

static int make_tables(Ethernet *e) {
        int r;

        r = layer_flows_init(&e->flows);
        if (r < 0)
                return r;

        r = shim_names_init(&e->names);
        if (r < 0)
                return r;

        r = shim_endpoints_new(e->framing->endpoint_min, e->framing->endpoint_max, 0, &e->endpoints);
        if (r < 0)
                return r;

        r = map_new(&e->registered);
        if (r < 0)
                return r;

        r = map_new(&e->incoming_by_reference);
        if (r < 0)
                return r;

        r = map_new(&e->incoming_by_peer);
        if (r < 0)
                return r;

        return packet_new(MANAGEMENT_BYTES_MAX, &e->message);
}

int ethernet_init(Ethernet *e, const EthernetConfig *config, const EthernetEvents *events, void *userdata, usec_t now) {
        int r;

        *e = (Ethernet) {
                .framing = frame_ops(config->framing),
                .ether_type = config->ether_type,
                .hash_size = hash_size(config->hash),
                .packet_max_wanted = config->packet_max,
                .upkeep = config->upkeep.usec > 0 ? config->upkeep : FLOW_UPKEEP_LIMITS,
                .events = events,
                .userdata = userdata,
        };
        assert(e->framing && e->hash_size > 0);

        list_init(&e->tombstones);
        list_init(&e->searching);
        list_init(&e->queries);
        list_init(&e->incoming);
        list_init(&e->answered);
        limit_init(&e->limit, config->key, ETHERNET_SENDER_RATE, ETHERNET_SENDER_BURST, ETHERNET_TOTAL_RATE,
                        ETHERNET_TOTAL_BURST);

        limit_init(&e->reset_limit, config->key, ETHERNET_RESET_RATE, ETHERNET_RESET_BURST, ETHERNET_RESET_TOTAL_RATE,
                        ETHERNET_RESET_TOTAL_BURST);
        reassembly_init(&e->reassembly, config->key);

        r = make_tables(e);
        if (r < 0)
                ethernet_done(e);
        return r;
}

void ethernet_close_all(Ethernet *e, usec_t now) {
        LayerFlow *flow, *following;

        list_for_each_safe(flow, following, &e->flows.all, by_table)
                if (flow_is_live(ethernet_flow(flow)))
                        ethernet_flow_down(ethernet_flow(flow), CLOSE_LAYER_DOWN, now);
}

/* Peers that can be told go with us; towards the others there are no flows any more. The closes carry the address
 * that they know. */
static void address_changed(Ethernet *e, usec_t now) {
        LayerFlow *flow, *following;

        list_for_each_safe(flow, following, &e->flows.all, by_table) {
                if (!flow_is_live(ethernet_flow(flow)) || flow_is_told_address(ethernet_flow(flow)))
                        continue;
                if (flow->state == LAYER_FLOW_ESTABLISHED && flow->control.confirmed)
                        flow_follow_address(ethernet_flow(flow), now);
                else
                        ethernet_flow_down(ethernet_flow(flow), CLOSE_LAYER_DOWN, now);
        }
}

void ethernet_link_changed(Ethernet *e, const EthernetLink *link, usec_t now) {
        bool moved = link->present && !frame_address_equal(&link->address, &e->link.address);
        bool was_up = e->link.up;

        e->link = *link;
        e->link.up = link->present && link->up && frame_payload_max(e->framing, link->mtu) > 0;
        e->payload_max = payload_max(e);

        /* Also where the interface was gone in between. */
        if (moved)
                address_changed(e, now);

        /* Behind another cable there may be another network. */
        if (!was_up && e->link.up)
                shim_names_forget(&e->names);
}

void ethernet_expire(Ethernet *e, usec_t now) {
        Expiry *expiry;

        while ((expiry = expiry_pop(&e->expiries, now)))
                flow_expire(container_of(expiry, EthernetFlow, expiry), now);

        name_query_expire(e, now);
        incoming_expire(e, now);
        reassembly_expire(&e->reassembly, now);
}

usec_t ethernet_next(const Ethernet *e) {
        usec_t next = MIN(expiry_next(&e->expiries), shim_names_next(&e->names));

        next = MIN(next, reassembly_next(&e->reassembly));
        return MIN(next, incoming_next(e));
}

void ethernet_reset_statistics(Ethernet *e) {
        e->counters = (Counters) {};
        e->upkeep_counters = (FlowUpkeepCounters) {};
        e->reassembly.n_completed = e->reassembly.n_timed_out = 0;
        e->allocation_usec = e->query_usec = (Durations) {};
}

void ethernet_want_packet_max(Ethernet *e, uint32_t packet_max) {
        e->packet_max_wanted = packet_max;
}

uint32_t ethernet_packet_max(const Ethernet *e) {
        return e->packet_max_wanted > 0 ? MIN(e->packet_max_wanted, e->payload_max) : e->payload_max;
}

uint32_t ethernet_oap_max(const Ethernet *e) {
        return management_oap_max(e->framing, e->hash_size, e->payload_max);
}
