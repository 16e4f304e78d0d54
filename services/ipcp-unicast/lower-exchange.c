/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is said on a lower flow before it is of use: CEP, which makes it what it is for, and the messages of an
 * enrollment. Every wait has a deadline. What cannot be read is counted and not answered; the wait goes on.
 */

#include <syslog.h>

#include "libo7s/error.h"
#include "services/ipcp-unicast/unicast.h"

#define COMPONENTS_ALL ((1U << _CEP_COMPONENT_MAX) - 1)

static const struct {
        CepComponent component;
        LowerPurpose purpose;
} purposes[] = {
        { CEP_ENROLLMENT,    LOWER_ENROLLMENT },
        { CEP_MANAGEMENT,    LOWER_MANAGEMENT },
        { CEP_DATA_TRANSFER, LOWER_DATA       },
};

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
                return lower_flow_send_and_wait(flow, NULL, 0, flow->enrollment.deadline, now);
        }

        if (u->events->random(u->userdata, id, sizeof(id)) < 0)
                return lower_flow_give_up(flow, "no random bytes for a request", now);
        if (enrollment_start(&flow->enrollment, id, now, message, &size) < 0)
                return lower_flow_give_up(flow, flow->enrollment.problem, now);

        unicast_log(u, LOG_INFO, "Enrollment %s: asking %s over %s.", enrollment_name(flow, name), flow->name,
                    lower_flow_layer(flow));
        lower_flow_send_and_wait(flow, message, size, flow->enrollment.deadline, now);
}

/* A clock that is off does no harm to us, but to whoever compares logs, and to certificates. */
static void report_clock(const LowerFlow *flow) {
        const Enrollment *e = &flow->enrollment;
        uint64_t offset = (uint64_t) (e->clock_offset_usec < 0 ? -e->clock_offset_usec : e->clock_offset_usec);
        int level = offset > e->rtt_usec + ENROLLMENT_SKEW_WARN_USEC ? LOG_WARNING : LOG_INFO;
        char name[2 * ENROLLMENT_ID_BYTES + 1];

        unicast_log_remote(flow->unicast, level,
                           "Enrollment %s: the clock of %s is %" PRIu64 ".%03" PRIu64 " ms %s ours "
                           "(round trip " USEC_FMT ".%03" PRIu64 " ms).",
                           enrollment_name(flow, name), flow->name, offset / 1000, offset % 1000,
                           e->clock_offset_usec < 0 ? "behind" : "ahead of", e->rtt_usec / 1000, e->rtt_usec % 1000);
}

static void enrollment_done(LowerFlow *flow, usec_t now) {
        char name[2 * ENROLLMENT_ID_BYTES + 1];

        if (!flow->outgoing) {
                unicast_log_remote(flow->unicast, LOG_INFO, "Enrollment %s: %s over %s is a new member.",
                                   enrollment_name(flow, name), flow->name, lower_flow_layer(flow));
                return lower_flow_give_up(flow, NULL, now);
        }

        report_clock(flow);
        flow->unicast->clock_offset_usec = flow->enrollment.clock_offset_usec;
        (void) copy_string(flow->unicast->clock_peer, sizeof(flow->unicast->clock_peer), flow->name);
        join_flow_opened(&flow->unicast->join, flow, now);
}

void lower_enrollment_received(LowerFlow *flow, const Packet *packet, usec_t now) {
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

                unicast_log_remote(u, LOG_INFO, "Enrollment %s failed, with %s over %s: %s (%d).",
                                   enrollment_name(flow, name), flow->name, lower_flow_layer(flow),
                                   flow->enrollment.problem, flow->enrollment.result);
                return lower_flow_give_up(flow, flow->enrollment.problem, now);
        }

        unicast_log_remote(u, LOG_DEBUG, "Enrollment %s: telling %s over %s what our layer is.",
                           enrollment_name(flow, name), flow->name, lower_flow_layer(flow));
        lower_flow_send_and_wait(flow, answer, size, flow->enrollment.deadline, now);
}

void lower_enrollment_expired(LowerFlow *flow, usec_t now) {
        if (flow->enrollment.state == ENROLLMENT_ANSWERED)
                return enrollment_done(flow, now);      /* without the acknowledgement: it may be lost */

        lower_flow_give_up(flow, flow->outgoing ? "it did not answer our request in 1 s" : "it did not ask in 1 s",
                           now);
}

/* -- CEP -- */

/* Whether we can do without this flow of ours, because the peer has one to us for the same. Where both opened theirs
 * at the same time, the one of the member with the higher address stays. A probe is spare wherever there is a way
 * already. */
static bool flow_is_spare(const LowerFlow *flow) {
        const Unicast *u = flow->unicast;
        const Neighbour *n = neighbour_find(u, flow->cep.peer.address);
        const LowerFlow *other;

        if (flow->probe && u->is_member &&
            forwarding_lookup(u->forwarding[CUBE_BEST_EFFORT], flow->cep.peer.address, 0) != FORWARDING_NONE)
                return true;

        /* Others learn of a flow's end only by silence, and then drop their link to us, whatever else there is. */
        if (!n || !flow->outgoing || flow->cep.peer.member[0] == '\0')
                return false;

        other = neighbour_has_flow(n, flow->purpose, flow->cube, (int) flow->lower, flow);
        return other && (other->opened < flow->begun || other->outgoing || flow->unicast->address < n->address);
}

static void flow_open(LowerFlow *flow, usec_t now) {
        Unicast *u = flow->unicast;
        int r;

        lower_flow_set_state(flow, LOWER_OPEN);
        flow->opened = now;
        expiry_remove(&u->lower_expiries, &flow->expiry);

        if (flow->purpose == LOWER_ENROLLMENT)
                return enrollment_begin(flow, now);
        if (flow->expected != ADDRESS_NONE && flow->expected != flow->cep.peer.address)
                return lower_flow_give_up(flow, "another member answered", now);
        if (flow->companion && !neighbour_find(u, flow->expected))
                return lower_flow_give_up(flow, "the neighbour is gone, or let go of", now);
        if (flow_is_spare(flow)) {
                join_flow_opened(&u->join, flow, now);
                return lower_flow_close(flow, now);
        }

        r = neighbour_attach(u, flow, now);
        if (r < 0)
                return lower_flow_give_up(flow, error_row(r)->sentence, now);

        neighbour_forget_past(flow, now);
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

/* Between o7s members the one whose name comes later gives way, so that only one does. Others never do: then it is
 * us. But not as often as somebody likes to make us. */
static bool must_give_way(LowerFlow *flow, usec_t now) {
        const CepRecord *own = &flow->cep.own, *peer = &flow->cep.peer;

        if (peer->member[0] != '\0' && strcmp(own->member, peer->member) < 0)
                return false;

        return join_give_way(&flow->unicast->join, now);
}

static void same_address(LowerFlow *flow, usec_t now) {
        const CepRecord *own = &flow->cep.own, *peer = &flow->cep.peer;
        bool ourselves = peer->member[0] != '\0' && streq(own->member, peer->member), conflict;

        conflict = !ourselves && must_give_way(flow, now);
        lower_flow_give_up(flow, ourselves ? "it leads back to ourselves" : "it has the same address as we have", now);

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

void lower_greeting_received(LowerFlow *flow, const Packet *packet, usec_t now) {
        uint8_t answer[CEP_MESSAGE_BYTES_MAX];
        Unicast *u = flow->unicast;
        size_t size = 0;
        int r;

        flow->cep.offered = u->is_member ? COMPONENTS_ALL : 0;
        r = cep_receive(&flow->cep, packet->head, packet_size(packet), u->address, u->config.member, now, answer,
                        &size);
        if (r == -EBADMSG)
                return counters_drop(&u->counters, DROP_MALFORMED);

        if (r == 0) {
                for (size_t i = 0; i < ELEMENTSOF(purposes); i++)
                        if (purposes[i].component == flow->cep.component)
                                flow->purpose = purposes[i].purpose;
                r = check_peer(flow);
        }

        if (size > 0 && r != -EADDRNOTAVAIL && !lower_flow_send(flow, answer, size))
                return lower_flow_give_up(flow, "the layer below does not take our message", now);
        if (r == -EADDRINUSE)
                return same_address(flow, now);
        if (r < 0)
                return lower_flow_give_up(flow, greeting_problem(r), now);

        flow_open(flow, now);
}

void lower_greeting_begin(LowerFlow *flow, usec_t now) {
        CepComponent component = CEP_ENROLLMENT;
        uint8_t message[CEP_MESSAGE_BYTES_MAX];
        Unicast *u = flow->unicast;
        size_t size = 0;

        for (size_t i = 0; i < ELEMENTSOF(purposes); i++)
                if (purposes[i].purpose == flow->purpose)
                        component = purposes[i].component;

        if (cep_start(&flow->cep, component, u->address, u->config.member, now, message, &size) < 0)
                return lower_flow_give_up(flow, "our record does not fit a message", now);
        lower_flow_send_and_wait(flow, message, size, flow->cep.deadline, now);
}
