/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow of a layer below, from its allocation to its end. Every wait has a deadline: for the flow, for the peer's record,
 * for each message of an enrollment. What arrives goes where the flow's purpose says; nothing but CEP is listened to before
 * that is known. A peer that talks nonsense on an open flow is counted, and keeps its flow: whatever it is, it is not
 * worth losing a neighbour.
 *
 * How a flow ends is said once, in flow_end(): its neighbour and whoever wanted it (join.c) hear of it there.
 */

#include <stdio.h>
#include <syslog.h>

#include "libo7s/error.h"
#include "services/ipcp-unicast/unicast.h"

#define COMPONENTS_ALL ((1U << _CEP_COMPONENT_MAX) - 1)

static const char *const lower_purpose_table[_LOWER_PURPOSE_MAX] = {
        [LOWER_UNKNOWN]    = "unknown",
        [LOWER_ENROLLMENT] = "enrollment",
        [LOWER_MANAGEMENT] = "management",
        [LOWER_DATA]       = "data transfer",
};

DEFINE_ENUM_NAMES(lower_purpose, LowerPurpose);

static const char *const lower_state_table[_LOWER_STATE_MAX] = {
        [LOWER_ALLOCATING] = "allocating",
        [LOWER_GREETING]   = "greeting",
        [LOWER_OPEN]       = "open",
        [LOWER_CLOSED]     = "closed",
};

DEFINE_ENUM_NAMES(lower_state, LowerState);

static const uint8_t lower_next[_LOWER_STATE_MAX] = {
        [LOWER_ALLOCATING] = 1U << LOWER_GREETING | 1U << LOWER_CLOSED,
        [LOWER_GREETING]   = 1U << LOWER_OPEN | 1U << LOWER_CLOSED,
        [LOWER_OPEN]       = 1U << LOWER_CLOSED,
        [LOWER_CLOSED]     = 0,
};

static const struct {
        CepComponent component;
        LowerPurpose purpose;
} purposes[] = {
        { CEP_ENROLLMENT,    LOWER_ENROLLMENT },
        { CEP_MANAGEMENT,    LOWER_MANAGEMENT },
        { CEP_DATA_TRANSFER, LOWER_DATA       },
};

/* -- life -- */

const char *lower_flow_layer(const LowerFlow *flow) {
        return flow->unicast->config.lower[flow->lower];
}

static void set_state(LowerFlow *flow, LowerState state) {
        assert(lower_next[flow->state] & 1U << state);

        if (flow->state == LOWER_GREETING && !flow->outgoing)
                flow->unicast->n_greeting--;

        flow->state = state;
        if (state == LOWER_GREETING && !flow->outgoing)
                flow->unicast->n_greeting++;
}

/* In what state they begin is the caller's business, and nobody else's. */
static int flow_new(Unicast *u, unsigned lower, bool outgoing, const char *name, usec_t now, LowerFlow **ret) {
        LowerFlow *flow;

        if (u->n_lower_flows >= LOWER_FLOWS_MAX)
                return -EBUSY;

        flow = calloc(1, sizeof(*flow));
        if (!flow)
                return -ENOMEM;

        *flow = (LowerFlow) {
                .unicast = u,
                .id = ++u->last_lower_id,
                .lower = lower,
                .outgoing = outgoing,
                .begun = now,
                .heard = now,
        };
        (void) copy_string(flow->name, sizeof(flow->name), strempty(name));
        list_init(&flow->by_neighbour);
        list_append(&u->lower_flows, &flow->by_unicast);
        u->n_lower_flows++;

        *ret = flow;
        return 0;
}

static void flow_unlink(LowerFlow *flow) {
        Unicast *u = flow->unicast;

        set_state(flow, LOWER_CLOSED);
        expiry_remove(&u->lower_expiries, &flow->expiry);
        list_unlink(&flow->by_unicast);
        u->n_lower_flows--;
}

/* What carried it is gone already. problem: NULL where there is none. */
static void flow_end(LowerFlow *flow, const char *problem, usec_t now) {
        Unicast *u = flow->unicast;

        flow_unlink(flow);
        if (flow->neighbour)
                neighbour_detach(flow, problem ? problem : "closed", now);
        if (flow->companion)
                neighbour_companion_ended(u, flow, now);
        join_flow_ended(&u->join, flow, problem, now);

        if (!flow->busy)
                free(flow);
}

static void give_up(LowerFlow *flow, const char *problem, usec_t now) {
        if (problem)
                unicast_log(flow->unicast, LOG_DEBUG, "Flow %016" PRIx64 " (%s) %s %s over %s: %s.", flow->id,
                            lower_purpose_to_string(flow->purpose), flow->outgoing ? "to" : "from", flow->name,
                            lower_flow_layer(flow), problem);

        flow->unicast->events->lower_release(flow->unicast->userdata, flow);
        flow_end(flow, problem, now);
}

void lower_flow_close(LowerFlow *flow, usec_t now) {
        if (flow->state != LOWER_CLOSED)
                give_up(flow, NULL, now);
}

int lower_flow_open(Unicast *u, LowerPurpose purpose, Cube cube, unsigned lower, const char *name, usec_t now,
                    LowerFlow **ret) {
        LowerFlow *flow;
        int r;

        assert(purpose != LOWER_UNKNOWN && lower < u->config.n_lower);

        r = flow_new(u, lower, true, name, now, &flow);
        if (r < 0)
                return r;

        flow->purpose = purpose;
        flow->cube = cube;
        r = expiry_set(&u->lower_expiries, &flow->expiry, usec_add(now, JOIN_ALLOCATE_TIMEOUT_USEC));
        if (r >= 0)
                r = u->events->lower_allocate(u->userdata, flow);
        if (r < 0) {
                flow_unlink(flow);
                free(flow);
                return r;
        }

        *ret = flow;
        return 0;
}

/* -- sending -- */

bool lower_flow_send(LowerFlow *flow, const void *data, size_t size) {
        Unicast *u = flow->unicast;
        uint8_t *p;

        if ((flow->state != LOWER_GREETING && flow->state != LOWER_OPEN) || flow->blocked || size > flow->packet_max)
                return false;

        packet_reset(u->message);
        p = packet_append(u->message, size);
        if (!p)
                return false;

        memcpy(p, data, size);
        if (u->events->lower_send(u->userdata, flow, &u->message, 1) < 1) {
                flow->blocked = true;
                return false;
        }

        flow->counters.tx_packets++;
        flow->counters.tx_bytes += size;
        u->counters.tx_packets++;
        u->counters.tx_bytes += size;
        return true;
}

/* Sends what begins or goes on with an exchange, and waits for what comes next. */
static void send_and_wait(LowerFlow *flow, const uint8_t *message, size_t size, usec_t deadline, usec_t now) {
        if (size > 0 && !lower_flow_send(flow, message, size))
                return give_up(flow, "the layer below does not take our message", now);
        if (expiry_set(&flow->unicast->lower_expiries, &flow->expiry, deadline) < 0)
                give_up(flow, "out of memory", now);
}

/* -- enrollment -- */

static char *enrollment_name(const LowerFlow *flow, char text[2 * ENROLLMENT_ID_BYTES + 1]) {
        return hex_encode(text, flow->enrollment.id, ENROLLMENT_ID_BYTES);
}

static void enrollment_begin(LowerFlow *flow, usec_t now) {
        uint8_t id[ENROLLMENT_ID_BYTES], message[ENROLLMENT_MESSAGE_BYTES_MAX];
        char name[2 * ENROLLMENT_ID_BYTES + 1];
        Unicast *u = flow->unicast;
        size_t size = 0;

        if (!flow->outgoing) {
                enrollment_expect(&flow->enrollment, now);
                return send_and_wait(flow, NULL, 0, flow->enrollment.deadline, now);
        }

        if (u->events->random(u->userdata, id, sizeof(id)) < 0)
                return give_up(flow, "no random bytes for a request", now);
        if (enrollment_start(&flow->enrollment, id, now, message, &size) < 0)
                return give_up(flow, flow->enrollment.problem, now);

        unicast_log(u, LOG_INFO, "Enrollment %s: asking %s over %s.", enrollment_name(flow, name), flow->name,
                    lower_flow_layer(flow));
        send_and_wait(flow, message, size, flow->enrollment.deadline, now);
}

/* A clock that is off does no harm to us, but to whoever compares logs, and to certificates. */
static void report_clock(const LowerFlow *flow) {
        const Enrollment *e = &flow->enrollment;
        uint64_t offset = (uint64_t) (e->clock_offset_usec < 0 ? -e->clock_offset_usec : e->clock_offset_usec);
        int level = offset > e->rtt_usec + ENROLLMENT_SKEW_WARN_USEC ? LOG_WARNING : LOG_INFO;
        char name[2 * ENROLLMENT_ID_BYTES + 1];

        unicast_log(flow->unicast, level,
                    "Enrollment %s: the clock of %s is %" PRIu64 ".%03" PRIu64 " ms %s ours (round trip " USEC_FMT ".%03" PRIu64 " ms).",
                    enrollment_name(flow, name), flow->name, offset / 1000, offset % 1000,
                    e->clock_offset_usec < 0 ? "behind" : "ahead of", e->rtt_usec / 1000, e->rtt_usec % 1000);
}

static void enrollment_done(LowerFlow *flow, usec_t now) {
        char name[2 * ENROLLMENT_ID_BYTES + 1];

        if (!flow->outgoing) {
                unicast_log(flow->unicast, LOG_INFO, "Enrollment %s: %s over %s is a new member.",
                            enrollment_name(flow, name), flow->name, lower_flow_layer(flow));
                return give_up(flow, NULL, now);
        }

        report_clock(flow);
        join_flow_opened(&flow->unicast->join, flow, now);
}

static void enrollment_received(LowerFlow *flow, const Packet *packet, usec_t now) {
        static const LayerConfig unicast_layer = { .type = LAYER_UNICAST };
        uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX];
        char name[2 * ENROLLMENT_ID_BYTES + 1];
        Unicast *u = flow->unicast;
        const LayerConfig *own;
        size_t size = 0;
        int r;

        own = flow->outgoing ? &unicast_layer : u->is_member ? &u->layer : NULL;
        r = enrollment_receive(&flow->enrollment, packet->head, packet_size(packet), own,
                               u->events->realtime_nsec(u->userdata, now), now, answer, &size);
        if (r == -EBADMSG)
                return counters_drop(&u->counters, DROP_MALFORMED);

        if (r < 0 || flow->enrollment.state == ENROLLMENT_DONE) {
                if (size > 0)
                        (void) lower_flow_send(flow, answer, size);     /* nobody may rely on it */
                if (r >= 0)
                        return enrollment_done(flow, now);

                unicast_log(u, LOG_INFO, "Enrollment %s failed, with %s over %s: %s (%d).", enrollment_name(flow, name),
                            flow->name, lower_flow_layer(flow), flow->enrollment.problem, flow->enrollment.result);
                return give_up(flow, flow->enrollment.problem, now);
        }

        unicast_log(u, LOG_DEBUG, "Enrollment %s: telling %s over %s what our layer is.", enrollment_name(flow, name),
                    flow->name, lower_flow_layer(flow));
        send_and_wait(flow, answer, size, flow->enrollment.deadline, now);
}

/* -- CEP -- */

/* Whether we keep this flow of ours although the peer has one to us, for the same. Where both opened theirs at the same time,
 * the one of the member with the higher address stays. */
static bool flow_is_spare(const LowerFlow *flow) {
        const Neighbour *n = neighbour_find(flow->unicast, flow->cep.peer.address);
        const LowerFlow *other;

        if (!n || !flow->outgoing)
                return false;

        other = neighbour_has_flow(n, flow->purpose, flow->cube, (int) flow->lower, flow);
        return other && (other->opened < flow->begun || other->outgoing || flow->unicast->address < n->address);
}

static void flow_open(LowerFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;
        int r;

        set_state(flow, LOWER_OPEN);
        flow->opened = now;
        expiry_remove(&u->lower_expiries, &flow->expiry);

        if (flow->purpose == LOWER_ENROLLMENT)
                return enrollment_begin(flow, now);
        if (flow->expected != ADDRESS_NONE && flow->expected != flow->cep.peer.address)
                return give_up(flow, "another member answered", now);
        if (flow_is_spare(flow)) {
                join_flow_opened(&u->join, flow, now);
                return lower_flow_close(flow, now);
        }

        r = neighbour_attach(u, flow, now);
        if (r < 0)
                return give_up(flow, error_row(r)->sentence, now);

        join_flow_opened(&u->join, flow, now);
}

/* A neighbour needs an address that the header of packets has room for. */
static int check_peer(const LowerFlow *flow) {
        uint64_t address = flow->cep.peer.address;
        unsigned bytes = flow->unicast->format.address_bytes;

        if (flow->purpose == LOWER_ENROLLMENT)
                return 0;
        if (address == ADDRESS_NONE || (bytes < sizeof(address) && address >> (8 * bytes) != 0))
                return -EADDRNOTAVAIL;

        return 0;
}

/* Between o7s members the one whose name comes later gives way, so that only one does. Others never do: then it is us. But not
 * as often as somebody likes to make us. */
static bool must_give_way(LowerFlow *flow, usec_t now) {
        const CepRecord *own = &flow->cep.own, *peer = &flow->cep.peer;
        Join *join = &flow->unicast->join;

        if (now < join->next_conflict || (peer->member[0] != '\0' && strcmp(own->member, peer->member) < 0))
                return false;

        join->next_conflict = usec_add(now, JOIN_CONFLICT_USEC);
        return true;
}

static void same_address(LowerFlow *flow, usec_t now) {
        const CepRecord *own = &flow->cep.own, *peer = &flow->cep.peer;
        bool ourselves = peer->member[0] != '\0' && streq(own->member, peer->member), conflict;

        conflict = !ourselves && must_give_way(flow, now);
        give_up(flow, ourselves ? "it leads back to ourselves" : "it has the same address as we have", now);

        if (conflict)
                unicast_address_conflict(flow->unicast, "the greeting of a neighbour", now);
}

static const char *greeting_problem(int error) {
        switch (error) {

        case -ENOENT:
                return "it does not serve that (it may not be a member yet)";

        case -EADDRNOTAVAIL:
                return "it has no address that packets could be sent to";

        default:
                return "it speaks another protocol, or another version of it";
        }
}

static void greeting_received(LowerFlow *flow, const Packet *packet, usec_t now) {
        uint8_t answer[CEP_MESSAGE_BYTES_MAX];
        Unicast *u = flow->unicast;
        size_t size = 0;
        int r;

        flow->cep.offered = u->is_member ? COMPONENTS_ALL : 0;
        r = cep_receive(&flow->cep, packet->head, packet_size(packet), u->address, u->config.member, now, answer, &size);
        if (r == -EBADMSG)
                return counters_drop(&u->counters, DROP_MALFORMED);

        if (r == 0) {
                for (size_t i = 0; i < ELEMENTSOF(purposes); i++)
                        if (purposes[i].component == flow->cep.component)
                                flow->purpose = purposes[i].purpose;
                r = check_peer(flow);
        }

        if (size > 0 && r != -EADDRNOTAVAIL && !lower_flow_send(flow, answer, size))
                return give_up(flow, "the layer below does not take our message", now);
        if (r == -EADDRINUSE)
                return same_address(flow, now);
        if (r < 0)
                return give_up(flow, greeting_problem(r), now);

        flow_open(flow, now);
}

/* -- time -- */

void lower_flow_expire(LowerFlow *flow, usec_t now) {
        switch (flow->state) {

        case LOWER_ALLOCATING:
                return give_up(flow, "no answer in 5 s", now);

        case LOWER_GREETING:
                return give_up(flow, "it did not say in 1 s who it is", now);

        case LOWER_OPEN:
                if (flow->purpose != LOWER_ENROLLMENT)
                        return neighbour_open_companions(flow, now);
                if (flow->enrollment.state == ENROLLMENT_ANSWERED)
                        return enrollment_done(flow, now);      /* without the acknowledgement: it may be lost */
                return give_up(flow, flow->outgoing ? "it did not answer our request in 1 s" : "it did not ask in 1 s", now);

        case LOWER_CLOSED:
        case _LOWER_STATE_MAX:
        case _LOWER_STATE_INVALID:
                return;
        }
}

/* -- reports of the shell -- */

void unicast_lower_changed(Unicast *u, unsigned lower, bool up, usec_t now) {
        char problem[LAYER_NAME_BYTES_MAX + sizeof(" is down")];
        LowerFlow *flow, *following;

        if (lower >= u->config.n_lower || u->lower_is_up[lower] == up)
                return;

        u->now = now;
        u->lower_is_up[lower] = up;

        /* Open flows may survive: the layer comes back, or says that they are over. */
        (void) snprintf(problem, sizeof(problem), "%.*s is down", (int) LAYER_NAME_BYTES_MAX, u->config.lower[lower]);
        list_for_each_safe(flow, following, &u->lower_flows, by_unicast)
                if (!up && flow->lower == lower && flow->state < LOWER_OPEN)
                        give_up(flow, problem, now);

        neighbours_lower_changed(u, lower, now);
        if (up)
                join_lower_up(&u->join, lower, now);
        unicast_update_state(u, now);
}

void unicast_lower_allocated(LowerFlow *flow, uint32_t packet_max, usec_t now) {
        uint8_t message[CEP_MESSAGE_BYTES_MAX];
        CepComponent component = CEP_ENROLLMENT;
        Unicast *u = flow->unicast;
        size_t size = 0;

        u->now = now;
        flow->packet_max = packet_max;
        flow->heard = now;
        set_state(flow, LOWER_GREETING);

        for (size_t i = 0; i < ELEMENTSOF(purposes); i++)
                if (purposes[i].purpose == flow->purpose)
                        component = purposes[i].component;

        if (cep_start(&flow->cep, component, u->address, u->config.member, now, message, &size) < 0)
                return give_up(flow, "our record does not fit a message", now);
        send_and_wait(flow, message, size, flow->cep.deadline, now);
}

void unicast_lower_failed(LowerFlow *flow, int error, const char *text, usec_t now) {
        flow->unicast->now = now;
        flow_end(flow, isempty(text) ? error_row(error)->sentence : text, now);
}

/* Strangers who say nothing give way to new ones: the first that came. */
static void make_room(Unicast *u, usec_t now) {
        LowerFlow *flow, *following;

        list_for_each_safe(flow, following, &u->lower_flows, by_unicast)
                if (!flow->outgoing && flow->state == LOWER_GREETING)
                        return give_up(flow, "it said nothing, and others wait", now);
}

int unicast_lower_accepted(Unicast *u, unsigned lower, const o7s_qos *qos, uint32_t packet_max, const char *peer, usec_t now,
                           LowerFlow **ret) {
        LowerFlow *flow;
        int r;

        if (lower >= u->config.n_lower)
                return -EINVAL;

        u->now = now;
        if (u->n_greeting >= LOWER_FLOWS_GREETING_MAX)
                make_room(u, now);

        r = flow_new(u, lower, false, isempty(peer) ? "a stranger" : peer, now, &flow);
        if (r < 0)
                return r;

        utf8_mend(flow->name);
        flow->cube = cube_from_qos(qos);
        flow->packet_max = packet_max;
        set_state(flow, LOWER_GREETING);
        cep_expect(&flow->cep, 0, now);

        r = expiry_set(&u->lower_expiries, &flow->expiry, flow->cep.deadline);
        if (r < 0) {
                flow_unlink(flow);
                free(flow);
                return r;
        }

        *ret = flow;
        return 0;
}

static void message_received(LowerFlow *flow, const Packet *packet, usec_t now) {
        Unicast *u = flow->unicast;

        if (packet_size(packet) == 0)
                return;                 /* keeps the flow alive, and says nothing */

        flow->counters.rx_packets++;
        flow->counters.rx_bytes += packet_size(packet);
        u->counters.rx_packets++;
        u->counters.rx_bytes += packet_size(packet);

        if (flow->state == LOWER_GREETING)
                return greeting_received(flow, packet, now);
        if (flow->state == LOWER_OPEN && flow->purpose == LOWER_ENROLLMENT)
                return enrollment_received(flow, packet, now);

        /* Whichever flow it comes by: routing knows the neighbour by the one in use. */
        if (flow->state == LOWER_OPEN && flow->purpose == LOWER_MANAGEMENT && u->is_member && flow->neighbour &&
            flow->neighbour->management_in_use)
                return routing_receive(u->routing, flow->neighbour->management_in_use->id, packet->head,
                                       packet_size(packet), now);

        counters_drop(&u->counters, DROP_FLOW_CLOSED);
}

void unicast_lower_received(LowerFlow *flow, Packet *const *packets, unsigned n, usec_t now) {
        Unicast *u = flow->unicast;

        u->now = now;
        flow->heard = now;
        flow->busy = true;

        for (unsigned i = 0; i < n && flow->state != LOWER_CLOSED; i++) {
                if (flow->state == LOWER_OPEN && flow->purpose == LOWER_DATA) {
                        unicast_receive(u, flow, packets + i, n - i, now);
                        break;
                }
                message_received(flow, packets[i], now);
        }

        flow->busy = false;
        if (flow->state == LOWER_CLOSED)
                free(flow);
}

void unicast_lower_down(LowerFlow *flow, const char *reason, usec_t now) {
        flow->unicast->now = now;
        flow_end(flow, isempty(reason) ? "it ended" : reason, now);
}

void unicast_lower_writable(LowerFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;

        u->now = now;
        flow->blocked = false;
        if (flow->neighbour && flow->purpose == LOWER_DATA)
                unicast_drain_queues(u, flow->neighbour, now);
}
