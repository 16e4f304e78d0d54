/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Down: steps 6 and 7 of a packet's walk. A packet gets its header, the forwarding table of its cube names a
 * neighbour, and that neighbour's lower flow takes it, or its queue. Nothing waits here: what has no room in a queue
 * is dropped and counted. That flows of our own applications seldom lose packets so is the work of unicast_budget(),
 * which takes no more from them than there is room.
 */

#include "services/ipcp-unicast/flow.h"

/* Own flows leave this many places of a queue to what others send through us. */
#define QUEUE_FOR_OTHERS (QUEUE_PACKETS_MAX / 2)

#define QUEUE_FOR_COMPONENTS 32U

/* -- to a neighbour -- */

static unsigned lower_send(Unicast *u, LowerFlow *flow, Packet *const *packets, unsigned n) {
        unsigned n_sent;

        if (flow->blocked)
                return 0;

        n_sent = u->events->lower_send(u->userdata, flow, packets, n);
        flow->blocked = n_sent < n;

        for (unsigned i = 0; i < n_sent; i++) {
                size_t size = packet_size(packets[i]);

                flow->counters.tx_packets++;
                flow->counters.tx_bytes += size;
                u->counters.tx_packets++;
                u->counters.tx_bytes += size;
        }

        return n_sent;
}

/* The last places of a queue are for components: a flood of data must not keep flow requests and the directory out. */
static bool has_place(const Unicast *u, const Queue *queue, const Packet *packet) {
        Pci pci;

        if (queue->n < QUEUE_PACKETS_MAX - QUEUE_FOR_COMPONENTS)
                return true;

        return pci_parse(&u->format, packet, &pci) >= 0 && pci.eid < EID_FLOWS;
}

static void enqueue(Unicast *u, Cube cube, Queue *queue, Packet *const *packets, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                int r = has_place(u, queue, packets[i]) ? queue_push(queue, packets[i]) : -ENOBUFS;

                if (r >= 0)
                        continue;

                u->cubes[cube].dropped++;
                counters_drop(&u->counters, r == -ENOMEM ? DROP_NO_MEMORY : DROP_QUEUE_FULL);
        }
}

/* Whoever joins a queue learns how long it stands. */
static void mark(Unicast *u, Cube cube, const LowerFlow *flow, Queue *queue, Packet *const *packets, unsigned n) {
        unsigned waiting;
        uint8_t level;

        if (u->layer.congestion == CONGESTION_NONE)
                return;

        waiting = queue->n + u->events->lower_queued(u->userdata, flow);
        level = congestion_mark((CongestionPolicy) u->layer.congestion, queue_standing(queue, waiting, u->now));
        if (level == 0)
                return;

        u->cubes[cube].marked += n;
        for (unsigned i = 0; i < n; i++)
                pci_mark(&u->format, packets[i], level);
}

static void send_to_neighbour(Unicast *u, Neighbour *neighbour, Cube cube, Packet *const *packets, unsigned n) {
        LowerFlow *flow = neighbour_data_flow(neighbour, cube);
        Queue *queue = &neighbour->queues[cube];
        unsigned n_sent = 0;

        if (!flow) {
                u->counters.drops[DROP_NO_ROUTE] += n;
                return;
        }

        u->cubes[cube].in += n;
        mark(u, cube, flow, queue, packets, n);
        if (queue->n == 0)
                n_sent = lower_send(u, flow, packets, n);
        u->cubes[cube].out += n_sent;
        enqueue(u, cube, queue, packets + n_sent, n - n_sent);
}

void unicast_resume_waiting(Unicast *u, Neighbour *n) {
        while (!list_is_empty(&n->waiting)) {
                UnicastFlow *flow = list_first(&n->waiting, UnicastFlow, by_waiting);

                list_unlink(&flow->by_waiting);
                flow->waiting = false;
                u->events->resume(u->userdata, flow);
        }
}

static bool drain_queue(Unicast *u, Neighbour *n, Cube cube) {
        Queue *queue = &n->queues[cube];
        LowerFlow *flow;

        while (queue->n > 0 && (flow = neighbour_data_flow(n, cube))) {
                Packet *packets[UNICAST_BURST_MAX];
                unsigned n_packets = queue_peek(queue, packets, UNICAST_BURST_MAX);
                unsigned n_sent = lower_send(u, flow, packets, n_packets);

                u->cubes[cube].out += n_sent;
                queue_drop_front(queue, n_sent);
                if (n_sent < n_packets)
                        return false;
        }

        return queue->n == 0;
}

void unicast_drain_queues(Unicast *u, Neighbour *n, usec_t now) {
        bool empty = true;

        /* Where several cubes share a lower flow, the more urgent goes first. */
        for (Cube cube = _CUBE_MAX; cube-- > CUBE_BEST_EFFORT;)
                empty = drain_queue(u, n, cube) && empty;

        if (empty)
                unicast_resume_waiting(u, n);
}

/* -- with a header -- */

static Cube cube_of(const Pci *pci, const LowerFlow *from) {
        Cube cube = pci->cube < _CUBE_MAX ? (Cube) pci->cube : CUBE_BEST_EFFORT;

        /* A reference member writes 0 always: what its packets are shows in the flow that they came by. */
        return from ? MAX(cube, from->cube) : cube;
}

Neighbour *unicast_next_hop(const Unicast *u, const Pci *pci, const LowerFlow *from, Cube *ret_cube) {
        uint32_t hop;

        *ret_cube = cube_of(pci, from);
        if (!u->is_member)
                return NULL;

        hop = forwarding_lookup(u->forwarding[*ret_cube], pci->destination, pci->eid);
        return hop == FORWARDING_NONE ? NULL : neighbour_by_hop(u, hop);
}

void unicast_send_burst(Unicast *u, Neighbour *neighbour, Cube cube, Packet *const *packets, unsigned n) {
        if (n > 0)
                send_to_neighbour(u, neighbour, cube, packets, n);
}

void unicast_forward(Unicast *u, Packet *packet, const Pci *pci, const LowerFlow *from, usec_t now) {
        Neighbour *neighbour;
        Cube cube;

        neighbour = unicast_next_hop(u, pci, from, &cube);
        if (!neighbour)
                return counters_drop(&u->counters, DROP_NO_ROUTE);

        send_to_neighbour(u, neighbour, cube, &packet, 1);
}

/* Puts a header in front and sends. Returns whether there was a way. */
static bool send_packet(Unicast *u, const Pci *pci, Packet *packet) {
        Neighbour *neighbour;
        Cube cube;

        neighbour = unicast_next_hop(u, pci, NULL, &cube);
        if (!neighbour || !neighbour_data_flow(neighbour, cube)) {
                counters_drop(&u->counters, DROP_NO_ROUTE);
                return false;
        }
        if (pci_push(&u->format, packet, pci) < 0) {
                counters_drop(&u->counters, DROP_TOO_LARGE);
                return false;
        }

        send_to_neighbour(u, neighbour, cube, &packet, 1);
        return true;
}

bool unicast_send_message(Unicast *u, uint64_t destination, uint64_t eid, const uint8_t *data, size_t size,
                          usec_t now) {
        const Pci pci = { .destination = destination, .ttl = u->format.ttl_max, .eid = eid };
        uint8_t *p;

        if (!u->is_member || destination == u->address || destination == ADDRESS_NONE)
                return false;

        packet_reset(u->message);
        p = packet_append(u->message, size);
        if (!p || size > u->packet_max) {
                counters_drop(&u->counters, DROP_TOO_LARGE);
                return false;
        }

        memcpy(p, data, size);
        return send_packet(u, &pci, u->message);
}

bool unicast_has_way(const Unicast *u, uint64_t destination) {
        const Pci pci = { .destination = destination, .ttl = u->format.ttl_max, .eid = EID_FLOW_ALLOCATOR };
        Neighbour *neighbour;
        Cube cube;

        neighbour = unicast_next_hop(u, &pci, NULL, &cube);
        return neighbour && neighbour_data_flow(neighbour, cube);
}

/* -- data of our own flows -- */

static Pci flow_pci(const Unicast *u, const UnicastFlow *flow) {
        return (Pci) {
                .destination = flow->peer_address,
                .cube = (uint8_t) layer_flow_cube(&flow->layer),
                .ttl = u->format.ttl_max,
                .eid = flow->peer_eid,
        };
}

bool unicast_send_data(Unicast *u, UnicastFlow *flow, Packet *packet, usec_t now) {
        const Pci pci = flow_pci(u, flow);

        liveness_sent(&flow->liveness, now);
        return send_packet(u, &pci, packet);
}

/* Room in the queues for one more burst of our own. */
static unsigned room(const Unicast *u, Neighbour *n, Cube cube) {
        const LowerFlow *flow = neighbour_data_flow(n, cube);
        unsigned taken = n->queues[cube].n;

        if (!flow || (taken == 0 && !flow->blocked))
                return UNICAST_BURST_MAX;       /* without a flow they are dropped, and that is at once */

        return taken < QUEUE_FOR_OTHERS ? QUEUE_FOR_OTHERS - taken : 0;
}

unsigned unicast_budget(Unicast *u, UnicastFlow *flow, unsigned max, usec_t now) {
        const Pci pci = flow_pci(u, flow);
        Neighbour *neighbour;
        unsigned budget;
        usec_t again = USEC_INFINITY;
        Cube cube;

        max = MIN(max, UNICAST_BURST_MAX);
        budget = congestion_budget(&flow->congestion, max, now, &again);
        if (budget == 0) {
                flow->waiting = true;
                flow->budget_again = again;
                (void) expiry_set(&u->expiries, &flow->expiry,
                                  MIN(again, flow->expiry.index > 0 ? flow->expiry.when : again));
                return 0;
        }

        neighbour = unicast_next_hop(u, &pci, NULL, &cube);
        if (!neighbour)
                return budget;

        budget = MIN(budget, room(u, neighbour, cube));
        if (budget == 0) {
                flow->waiting = true;
                list_unlink(&flow->by_waiting);
                list_append(&neighbour->waiting, &flow->by_waiting);
        }

        return budget;
}

unsigned unicast_transmit(Unicast *u, UnicastFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        const Pci pci = flow_pci(u, flow);
        Packet *burst[UNICAST_BURST_MAX];
        unsigned n_burst = 0;
        size_t bytes = 0;
        Neighbour *neighbour;
        Cube cube;

        assert(n <= UNICAST_BURST_MAX);

        if (flow->layer.state != LAYER_FLOW_ESTABLISHED) {
                u->counters.drops[DROP_FLOW_CLOSED] += n;
                return n;
        }

        u->now = now;
        neighbour = unicast_next_hop(u, &pci, NULL, &cube);
        if (!neighbour) {
                u->counters.drops[DROP_NO_ROUTE] += n;
                return n;
        }

        for (unsigned i = 0; i < n; i++) {
                size_t size = packet_size(packets[i]);

                if (size > u->packet_max || pci_push(&u->format, packets[i], &pci) < 0) {
                        counters_drop(&u->counters, DROP_TOO_LARGE);
                        continue;
                }

                bytes += size;
                burst[n_burst++] = packets[i];
        }

        if (n_burst > 0) {
                send_to_neighbour(u, neighbour, cube, burst, n_burst);
                congestion_sent(&flow->congestion, n_burst, bytes, now);
                liveness_sent(&flow->liveness, now);
                flow_probe(flow, now);
        }

        return n;
}
