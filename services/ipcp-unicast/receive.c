/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Up: step 5 of a packet's walk. A burst from a neighbour is sorted: on its way to another member, for one of our
 * components, or for a flow. Consecutive packets with the same fate stay together, so that a lane is rung once per
 * burst and not per packet.
 *
 * Nobody is told about a packet that is dropped here. There is no source address to tell, and a stranger learns
 * nothing.
 */

#include "services/ipcp-unicast/echo.h"
#include "services/ipcp-unicast/flow.h"

/* Packets that go the same way: to a flow (with the same mark), or to a neighbour (in the same cube). */
typedef struct Burst {
        UnicastFlow *flow;
        uint8_t ecn;
        Neighbour *neighbour;
        Cube cube;
        Packet *packets[UNICAST_BURST_MAX];
        unsigned n;
} Burst;

static void burst_flush(Unicast *u, Burst *burst, usec_t now) {
        if (burst->n == 0)
                return;

        if (burst->flow)
                flow_data_received(u, burst->flow, burst->packets, burst->n, burst->ecn, now);
        else
                unicast_send_burst(u, burst->neighbour, burst->cube, burst->packets, burst->n);

        burst->n = 0;
}

static void burst_add(Unicast *u, Burst *burst, const Burst *fate, Packet *packet, usec_t now) {
        bool same = burst->flow == fate->flow && burst->ecn == fate->ecn && burst->neighbour == fate->neighbour &&
                    burst->cube == fate->cube;

        if (!same) {
                burst_flush(u, burst, now);
                burst->flow = fate->flow;
                burst->ecn = fate->ecn;
                burst->neighbour = fate->neighbour;
                burst->cube = fate->cube;
        }

        burst->packets[burst->n++] = packet;
}

static void pass_on(Unicast *u, LowerFlow *from, const Pci *pci, Packet *packet, usec_t now, Burst *burst) {
        Burst fate = { .flow = NULL };
        const LowerFlow *way;

        if (!pci_count_down(&u->format, packet)) {
                counters_drop(&u->counters, DROP_TTL);
                if (pci->eid == EID_ECHO) {
                        (void) packet_pull(packet, unicast_pci_bytes(u));
                        echo_expired(u, packet->head, packet_size(packet), from, now);
                }
                return;
        }

        fate.neighbour = unicast_next_hop(u, pci, from, &fate.cube);
        if (!fate.neighbour)
                return counters_drop(&u->counters, DROP_NO_ROUTE);

        way = neighbour_data_flow(fate.neighbour, fate.cube);
        if (way && packet_size(packet) > way->packet_max)
                return counters_drop(&u->counters, DROP_TOO_LARGE);

        u->n_forwarded++;
        burst_add(u, burst, &fate, packet, now);
}

static void component_received(Unicast *u, LowerFlow *from, uint64_t eid, const Packet *packet, usec_t now) {
        switch (eid) {

        case EID_FLOW_ALLOCATOR:
                return flow_allocator_receive(u, packet->head, packet_size(packet), from, now);

        case EID_DIRECTORY:
                return directory_receive(u->directory, packet->head, packet_size(packet), now);

        case EID_ECHO:
                return echo_receive(u, packet->head, packet_size(packet), from, now);

        default:
                counters_drop(&u->counters, DROP_UNKNOWN_ENDPOINT);
        }
}

static void packet_received(Unicast *u, LowerFlow *from, Packet *packet, usec_t now, Burst *burst) {
        Burst fate = { .neighbour = NULL };
        Pci pci;

        from->counters.rx_packets++;
        from->counters.rx_bytes += packet_size(packet);
        u->counters.rx_packets++;
        u->counters.rx_bytes += packet_size(packet);

        if (pci_parse(&u->format, packet, &pci) < 0)
                return counters_drop(&u->counters, DROP_MALFORMED);
        if (pci.destination == ADDRESS_NONE && pci.eid == EID_HELLO) {
                (void) packet_pull(packet, unicast_pci_bytes(u));
                return hello_receive(from, packet->head, packet_size(packet), now);
        }
        if (pci.destination != u->address)
                return pass_on(u, from, &pci, packet, now, burst);

        (void) packet_pull(packet, unicast_pci_bytes(u));

        if (pci.eid < EID_FLOWS) {
                /* What was collected goes first: a close must not overtake the data before it. */
                burst_flush(u, burst, now);
                return component_received(u, from, pci.eid, packet, now);
        }

        fate.flow = eids_get(u->eids, pci.eid);
        fate.ecn = pci.ecn;
        if (!fate.flow)
                return flow_unknown_eid(u, from);

        burst_add(u, burst, &fate, packet, now);
}

void unicast_receive(Unicast *u, LowerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Burst burst = { .n = 0 };

        assert(n <= UNICAST_BURST_MAX);

        if (!u->is_member || !flow->neighbour) {
                u->counters.drops[DROP_FLOW_CLOSED] += n;
                return;
        }

        u->now = now;
        for (unsigned i = 0; i < n; i++)
                packet_received(u, flow, packets[i], now, &burst);

        burst_flush(u, &burst, now);
}
