/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/member.h"
#include "tests/sim/network.h"

#define NOTICE_USEC USEC_PER_MSEC                       /* from the loss of a carrier to the end of flows */
#define UNKNOWN_NAME_USEC (600 * USEC_PER_MSEC)         /* the IRM asked three times, and nobody knew */
#define ALLOCATION_RETRY_USEC (3 * USEC_PER_SEC)        /* a lost request is repeated by the IRM */
#define ALLOCATION_TIMEOUT_USEC (9 * USEC_PER_SEC)
#define REORDER_USEC (20 * USEC_PER_MSEC)

/* A flow over a link. It lives until both members let go of it and nothing of it is on its way any more. */
typedef struct Channel {
        Link *link;                     /* not owned */
        ListNode by_link;
        LowerFlow *flows[2];            /* at either end; NULL: none (yet, any more); not owned */
        o7s_qos qos;
        usec_t last_arrival[2];         /* at either end */
        unsigned n_references;
} Channel;

typedef enum ParcelType {
        PARCEL_PACKET,
        PARCEL_OPEN,                    /* a request arrives */
        PARCEL_OPENED,                  /* its answer */
        PARCEL_REFUSED,
        PARCEL_TIMEOUT,
        PARCEL_CLOSED,                  /* the other end let go */
        PARCEL_BROKEN,                  /* this end lost its carrier */
        PARCEL_SILENT,                  /* this end would have noticed by now that nothing comes any more */
} ParcelType;

/* Something that will happen to a channel. */
typedef struct Parcel {
        TimelineEvent event;
        Channel *channel;               /* with a reference */
        ParcelType type;
        unsigned end;                   /* to which it happens */
        uint64_t epoch;                 /* of the link, when it was sent */
        size_t size;
        uint8_t data[];
} Parcel;

static Channel *channel_unref(Channel *c) {
        if (c && --c->n_references == 0) {
                list_unlink(&c->by_link);
                free(c);
        }

        return NULL;
}
DEFINE_CLEANUP(Channel, channel_unref);

static Parcel *parcel_free(Parcel *p) {
        if (!p)
                return NULL;

        p->channel = channel_unref(p->channel);
        return mfree(p);
}
DEFINE_CLEANUP(Parcel, parcel_free);

/* -- arrivals -- */

static void flow_detach(Channel *c, unsigned end) {
        LowerFlow *flow = c->flows[end];

        c->flows[end] = NULL;
        flow->shell = NULL;
        (void) channel_unref(c);
}

static void packet_arrives(Parcel *p, usec_t now) {
        LowerFlow *flow = p->channel->flows[p->end];
        Network *n = p->channel->link->network;

        if (!flow)
                return;

        packet_reset(n->packet);
        memcpy(packet_append(n->packet, p->size), p->data, p->size);
        unicast_lower_received(flow, &n->packet, 1, now);
}

static void parcel_send(Channel *c, unsigned end, ParcelType type, usec_t delay);

static void request_arrives(Parcel *p, usec_t now) {
        Channel *c = p->channel;
        Link *link = c->link;
        Member *m = link->members[p->end];
        LowerFlow *flow;
        int r = -ENOENT;

        if (!c->flows[1 - p->end])
                return;
        if (m->alive)
                r = unicast_lower_accepted(&m->unicast, link->lower[p->end], &c->qos, NETWORK_PACKET_MAX,
                                           link->members[1 - p->end]->name, now, &flow);
        if (r < 0)
                return parcel_send(c, 1 - p->end, PARCEL_REFUSED, link->delay_usec);

        flow->shell = c;
        c->flows[p->end] = flow;
        c->n_references++;
        parcel_send(c, 1 - p->end, PARCEL_OPENED, link->delay_usec);
}

static void end_arrives(Parcel *p, const char *reason, usec_t now) {
        LowerFlow *flow = p->channel->flows[p->end];

        if (!flow)
                return;

        flow_detach(p->channel, p->end);
        if (flow->state == LOWER_ALLOCATING)
                unicast_lower_failed(flow, -ETIMEDOUT, reason, now);
        else
                unicast_lower_down(flow, reason, now);
}

static void refusal_arrives(Parcel *p, int error, const char *reason, usec_t now) {
        LowerFlow *flow = p->channel->flows[p->end];

        if (!flow || flow->state != LOWER_ALLOCATING)
                return;

        flow_detach(p->channel, p->end);
        unicast_lower_failed(flow, error, reason, now);
}

/* What crosses a link is lost when the link goes down; what an end finds out by itself is not. */
static bool parcel_is_lost(const Parcel *p) {
        const Link *link = p->channel->link;

        switch (p->type) {

        case PARCEL_PACKET:
        case PARCEL_OPEN:
        case PARCEL_OPENED:
        case PARCEL_CLOSED:
                return !link->up || link->epoch != p->epoch;

        case PARCEL_REFUSED:
        case PARCEL_TIMEOUT:
        case PARCEL_BROKEN:
                return false;

        case PARCEL_SILENT:
                return link->up && p->channel->flows[1 - p->end];       /* it came back in time */
        }

        return true;
}

static void parcel_happen(TimelineEvent *event, usec_t now) {
        _cleanup_(parcel_freep) Parcel *p = container_of(event, Parcel, event);
        Link *link = p->channel->link;
        Member *m = link->members[p->end];

        trace_add(link->network->trace, now, (uint64_t) p->type << 24 ^ link->members[1 - p->end]->number, m->number,
                  p->data, p->size);
        if (parcel_is_lost(p)) {
                link->network->n_lost++;
                return;
        }

        switch (p->type) {

        case PARCEL_PACKET:
                packet_arrives(p, now);
                break;

        case PARCEL_OPEN:
                request_arrives(p, now);
                break;

        case PARCEL_OPENED:
                if (p->channel->flows[p->end] && p->channel->flows[p->end]->state == LOWER_ALLOCATING)
                        unicast_lower_allocated(p->channel->flows[p->end], NETWORK_PACKET_MAX, now);
                break;

        case PARCEL_REFUSED:
                refusal_arrives(p, -ENOENT, "no layer knows the name", now);
                break;

        case PARCEL_TIMEOUT:
                refusal_arrives(p, -ETIMEDOUT, "no answer", now);
                break;

        case PARCEL_CLOSED:
                end_arrives(p, "closed by the peer", now);
                break;

        case PARCEL_BROKEN:
                end_arrives(p, "the link is down", now);
                break;

        case PARCEL_SILENT:
                end_arrives(p, "the peer is silent", now);
                break;
        }

        if (m->alive)
                member_plan(m);
}

static void parcel_abandon(TimelineEvent *event) {
        (void) parcel_free(container_of(event, Parcel, event));
}

static const TimelineKind parcel_kind = { .happen = parcel_happen, .abandon = parcel_abandon };

static Parcel *parcel_new(Channel *c, unsigned end, ParcelType type, size_t size) {
        Parcel *p;

        p = malloc(sizeof(*p) + size);
        if (!p)
                return NULL;            /* lost, as on any other network */

        *p = (Parcel) {
                .event.kind = &parcel_kind,
                .channel = c,
                .type = type,
                .end = end,
                .epoch = c->link->epoch,
                .size = size,
        };
        c->n_references++;
        return p;
}

static void parcel_send(Channel *c, unsigned end, ParcelType type, usec_t delay) {
        Network *n = c->link->network;
        Parcel *p;

        p = parcel_new(c, end, type, 0);
        if (p)
                timeline_set(n->timeline, &p->event, n->timeline->now + delay);
}

/* -- sending -- */

static unsigned own_end(const Channel *c, const LowerFlow *flow) {
        return c->flows[0] == flow ? 0 : 1;
}

static void send_copy(Channel *c, unsigned end, const Packet *packet) {
        Network *n = c->link->network;
        usec_t arrival = n->timeline->now + c->link->delay_usec;
        Parcel *p;

        if (n->conditions.jitter_usec > 0)
                arrival += dice_below(&n->dice, n->conditions.jitter_usec);

        if (n->conditions.reorder > 0 && dice_chance(&n->dice, n->conditions.reorder))
                arrival += dice_below(&n->dice, REORDER_USEC);
        else
                c->last_arrival[end] = arrival = MAX(arrival, c->last_arrival[end]);

        p = parcel_new(c, end, PARCEL_PACKET, packet_size(packet));
        if (!p)
                return;

        memcpy(p->data, packet->head, packet_size(packet));
        timeline_set(n->timeline, &p->event, arrival);
}

unsigned network_send(LowerFlow *flow, Packet *const *packets, unsigned n_packets) {
        Channel *c = flow->shell;
        Network *n;
        unsigned end;

        if (!c)
                return n_packets;

        n = c->link->network;
        end = 1 - own_end(c, flow);
        for (unsigned i = 0; i < n_packets; i++) {
                n->n_carried++;
                n->bytes_carried += packet_size(packets[i]);
                if (!c->link->up || dice_chance(&n->dice, n->conditions.loss)) {
                        n->n_lost++;
                        continue;
                }

                send_copy(c, end, packets[i]);
                if (n->conditions.duplicate > 0 && dice_chance(&n->dice, n->conditions.duplicate))
                        send_copy(c, end, packets[i]);
        }

        return n_packets;
}

/* -- flows come and go -- */

static bool port_leads_to(const Port *port, const LowerFlow *flow) {
        const Link *link = port->link;

        return link->lower[port->end] == flow->lower && link->up &&
               (streq(flow->name, MEMBER_LAYER) || streq(flow->name, link->members[1 - port->end]->name));
}

/* Any of those that the name reaches, as whoever answers first is not for us to say. */
static const Port *find_port(Network *n, const Member *m, const LowerFlow *flow) {
        const Port *found = NULL;
        unsigned n_found = 0;

        for (size_t i = 0; i < m->n_ports; i++) {
                const Port *port = &m->ports[i];

                if (!port_leads_to(port, flow) || !port->link->members[1 - port->end]->alive)
                        continue;
                if (dice_below(&n->dice, ++n_found) == 0)
                        found = port;
        }

        return found;
}

/* Whichever link of that layer; for a name that nobody has, only the time until that is known matters. */
static const Port *any_port(const Member *m, unsigned lower) {
        for (size_t i = 0; i < m->n_ports; i++)
                if (m->ports[i].link->lower[m->ports[i].end] == lower)
                        return &m->ports[i];

        return NULL;
}

int network_allocate(Network *n, Member *member, LowerFlow *flow) {
        const Port *port = find_port(n, member, flow), *nobody = NULL;
        _cleanup_(channel_unrefp) Channel *c = NULL;
        usec_t delay;

        if (!port)
                nobody = any_port(member, flow->lower);
        if (!port && !nobody)
                return -ENETDOWN;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;

        *c = (Channel) {
                .link = port ? port->link : nobody->link,
                .qos = cube_lower_qos(flow->cube),
                .n_references = 1,
        };
        list_init(&c->by_link);
        list_append(&c->link->channels, &c->by_link);

        c->flows[port ? port->end : nobody->end] = flow;
        c->n_references++;
        flow->shell = c;

        if (!port) {
                parcel_send(c, nobody->end, PARCEL_REFUSED, UNKNOWN_NAME_USEC);
                return 0;
        }

        delay = 2 * c->link->delay_usec;        /* who has that name? */
        for (unsigned i = 0; i < 3 && dice_chance(&n->dice, n->conditions.loss); i++)
                delay += ALLOCATION_RETRY_USEC;
        parcel_send(c, 1 - port->end, PARCEL_OPEN, delay);
        parcel_send(c, port->end, PARCEL_TIMEOUT, ALLOCATION_TIMEOUT_USEC);
        return 0;
}

void network_release(LowerFlow *flow) {
        Channel *c = flow->shell;
        unsigned end;

        if (!c)
                return;

        end = own_end(c, flow);
        if (!c->link->members[end]->dying && c->flows[1 - end])
                parcel_send(
                        c, 1 - end, PARCEL_CLOSED,
                        MAX(c->link->delay_usec, usec_sub(c->last_arrival[1 - end], c->link->network->timeline->now)));
        flow_detach(c, end);
}

/* -- links -- */

/* The member's layers below are as good as the best link that is in them. */
static void report_lower(const Link *link, unsigned end, usec_t now) {
        Member *m = link->members[end];
        bool up = false;

        if (!m->alive)
                return;

        for (size_t i = 0; i < m->n_ports; i++)
                if (m->ports[i].link->lower[m->ports[i].end] == link->lower[end])
                        up = up || m->ports[i].link->up;

        unicast_lower_changed(&m->unicast, link->lower[end], up, now);
        member_plan(m);
}

void link_init(Link *link, Network *network, Member *a, unsigned lower_a, Member *b, unsigned lower_b,
               usec_t delay_usec) {
        *link = (Link) {
                .network = network,
                .members = { a, b },
                .lower = { lower_a, lower_b },
                .delay_usec = delay_usec,
                .up = true,
        };
        list_init(&link->channels);
}

void link_set_up(Link *link, bool up, bool noticed) {
        usec_t now = link->network->timeline->now;
        Channel *c;

        if (link->up == up)
                return;

        link->up = up;
        if (!up) {
                link->epoch++;
                list_for_each(c, &link->channels, by_link)
                        for (unsigned end = 0; end < 2; end++)
                                if (c->flows[end])
                                        noticed ? parcel_send(c, end, PARCEL_BROKEN, NOTICE_USEC)
                                                : parcel_send(c, end, PARCEL_SILENT, link->network->detect_usec);
        }

        if (noticed || up)
                for (unsigned end = 0; end < 2; end++)
                        report_lower(link, end, now);
}

void link_member_died(Link *link, unsigned end) {
        Channel *c;

        list_for_each(c, &link->channels, by_link)
                if (c->flows[1 - end])
                        parcel_send(c, 1 - end, PARCEL_SILENT, link->network->detect_usec);
}

/* -- life -- */

int network_init(Network *n, Timeline *timeline, Trace *trace, uint64_t seed) {
        *n = (Network) {
                .timeline = timeline,
                .trace = trace,
                .detect_usec = USEC_PER_SEC,
        };
        dice_init(&n->dice, seed, 3);
        return packet_new(NETWORK_PACKET_MAX, &n->packet);
}

void network_done(Network *n) {
        n->packet = packet_free(n->packet);
}
