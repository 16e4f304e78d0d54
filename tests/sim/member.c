/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "tests/sim/member.h"
#include "tests/sim/traffic.h"
#include "tests/sim/world.h"

#define REALTIME_BEGIN_NSEC UINT64_C(1800000000000000000)

static const char *const lower_names[UNICAST_LOWER_MAX] = {
        "l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9", "l10", "l11", "l12", "l13", "l14", "l15",
};

/* -- what the core wants done -- */

static int event_lower_allocate(void *userdata, LowerFlow *flow) {
        Member *m = userdata;

        return network_allocate(&m->world->network, m, flow);
}

static void event_lower_release(void *userdata, LowerFlow *flow) {
        network_release(flow);
}

static unsigned event_lower_send(void *userdata, LowerFlow *flow, Packet *const *packets, unsigned n) {
        return network_send(flow, packets, n);
}

static unsigned event_lower_queued(void *userdata, const LowerFlow *flow) {
        return 0;               /* a link takes what it is given */
}

static void event_deliver(void *userdata, UnicastFlow *flow, Packet *const *packets, unsigned n, bool marked) {
        Member *m = userdata;

        if (m->world->traffic)
                traffic_deliver(m->world->traffic, m, flow, packets, n);
}

static int event_reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                       const FlowBinding *binding) {
        Member *m = userdata;

        return m->world->traffic ? traffic_reply(m->world->traffic, m, flow, result) : -ENOENT;
}

static void event_failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        Member *m = userdata;

        if (m->world->traffic)
                traffic_failed(m->world->traffic, m, flow_id, attempt, result);
}

static void event_incoming(void *userdata, uint64_t reference, const uint8_t *hash, size_t hash_size,
                           const o7s_qos *qos, const uint8_t *oap, size_t oap_size, const FlowBinding *binding,
                           const char *peer) {
        Member *m = userdata;

        if (m->world->traffic)
                traffic_incoming(m->world->traffic, m, reference, hash, hash_size, oap, oap_size);
}

/* Nobody asks for what these are about. */
static void event_prepared(void *userdata, uint64_t flow_id, uint32_t attempt, uint64_t reference, int32_t result,
                           const FlowBinding *binding, const uint8_t *lock) {
}

static void event_changed(void *userdata, LayerFlow *flow) {
}

static void event_incoming_gone(void *userdata, uint64_t reference) {
}

static void event_query_done(void *userdata, uint64_t query_id, int32_t result) {
        Member *m = userdata;

        if (m->world->traffic)
                traffic_query_done(m->world->traffic, m, query_id, result);
}

static void event_down(void *userdata, LayerFlow *flow, CloseReason reason) {
        Member *m = userdata;

        if (m->world->traffic)
                traffic_down(m->world->traffic, m, flow);
}

static void event_resume(void *userdata, UnicastFlow *flow) {
}

static void event_state(void *userdata, LayerState state, const char *reason) {
        Member *m = userdata;

        if (m->world->trace.verbose)
                printf("%9.3f %s: %s: %s\n", (double) m->timeline->now / 1e6, m->name, layer_state_to_string(state),
                       reason);
}

static void event_packet_max(void *userdata, uint32_t packet_max) {
}

static void event_neighbour(void *userdata, const char *name, const char *before, const char *after,
                            const char *reason) {
        Member *m = userdata;

        if (m->world->trace.verbose)
                printf("%9.3f %s: neighbour %s: %s, was %s: %s\n", (double) m->timeline->now / 1e6, m->name, name,
                       after, before, strempty(reason));
}

static void event_routes(void *userdata, uint64_t version, unsigned n_added, unsigned n_removed, unsigned n_changed) {
        Member *m = userdata;

        if (m->world->trace.verbose)
                printf("%9.3f %s: routes, version %" PRIu64 ": +%u -%u ~%u\n", (double) m->timeline->now / 1e6,
                       m->name, version, n_added, n_removed, n_changed);
}

static void event_joined(void *userdata) {
        Member *m = userdata;

        world_member_joined(m->world, m);
}

static int event_random(void *userdata, void *ret, size_t size) {
        Member *m = userdata;

        dice_bytes(&m->dice, ret, size);
        return 0;
}

static uint64_t event_realtime_nsec(void *userdata, usec_t now) {
        return REALTIME_BEGIN_NSEC + now * NSEC_PER_USEC;
}

static void event_log(void *userdata, int level, const char *text) {
        Member *m = userdata;

        if (m->world->trace.verbose)
                printf("%9.3f %s: <%d> %s\n", (double) m->timeline->now / 1e6, m->name, level, text);
}

static const UnicastEvents events = {
        .lower_allocate = event_lower_allocate,
        .lower_release = event_lower_release,
        .lower_send = event_lower_send,
        .lower_queued = event_lower_queued,
        .deliver = event_deliver,
        .prepared = event_prepared,
        .changed = event_changed,
        .reply = event_reply,
        .failed = event_failed,
        .incoming = event_incoming,
        .incoming_gone = event_incoming_gone,
        .query_done = event_query_done,
        .down = event_down,
        .resume = event_resume,
        .state = event_state,
        .packet_max = event_packet_max,
        .neighbour = event_neighbour,
        .routes = event_routes,
        .joined = event_joined,
        .random = event_random,
        .realtime_nsec = event_realtime_nsec,
        .log = event_log,
};

/* -- time -- */

static void member_timer_happen(TimelineEvent *event, usec_t now) {
        Member *m = container_of(event, Member, timer);

        unicast_expire(&m->unicast, now);
        member_plan(m);
}

static const TimelineKind member_timer_kind = { .happen = member_timer_happen };

void member_plan(Member *m) {
        usec_t next;

        if (!m->alive)
                return;

        next = unicast_next(&m->unicast);
        if (m->timer.index == 0 || next != m->planned) {
                m->planned = next;
                timeline_set(m->timeline, &m->timer, next);
        }
}

/* -- life -- */

static unsigned count_lower(const Member *m) {
        unsigned n = 1;

        for (size_t i = 0; i < m->n_ports; i++)
                n = MAX(n, m->ports[i].link->lower[m->ports[i].end] + 1U);

        return n;
}

int member_start(Member *m, bool bootstrap) {
        UnicastConfig config = {
                .layer = MEMBER_LAYER,
                .member = m->name,
                .lower = lower_names,
                .n_lower = count_lower(m),
                .bootstrap = bootstrap,
                .initial = m->options->layer,
                .retry_max_usec = m->options->retry_max_usec,
                .give_up_usec = USEC_INFINITY,
                .neighbours = m->neighbours,
                .n_neighbours = m->n_neighbours,
                .keep_neighbours = true,
        };
        usec_t now = m->timeline->now;
        int r;

        assert(!m->alive);

        m->timer.kind = &member_timer_kind;
        m->life++;
        dice_init(&m->dice, m->world->options.seed, (uint64_t) m->life << 32 | (m->number + 100U));
        dice_bytes(&m->dice, config.key, sizeof(config.key));

        r = unicast_init(&m->unicast, &config, &events, m, now);
        if (r < 0)
                return r;

        m->alive = true;
        m->address = ADDRESS_NONE;
        m->born = now;
        m->joined = USEC_INFINITY;

        r = unicast_register(&m->unicast, m->application, sizeof(m->application), now);
        if (r < 0)
                return r;

        for (size_t i = 0; i < m->n_ports; i++)
                unicast_lower_changed(&m->unicast, m->ports[i].link->lower[m->ports[i].end], m->ports[i].link->up, now);
        unicast_start(&m->unicast, now);
        member_plan(m);
        return 0;
}

static void end_life(Member *m) {
        if (m->world->traffic)
                traffic_member_gone(m->world->traffic, m);
        world_member_gone(m->world, m);

        timeline_cancel(m->timeline, &m->timer);
        unicast_done(&m->unicast);
        m->alive = false;
        m->address = ADDRESS_NONE;
}

void member_kill(Member *m) {
        if (!m->alive)
                return;

        m->dying = true;
        end_life(m);
        m->dying = false;

        for (size_t i = 0; i < m->n_ports; i++)
                link_member_died(m->ports[i].link, m->ports[i].end);
}

void member_leave(Member *m) {
        if (!m->alive)
                return;

        unicast_leave(&m->unicast, m->timeline->now);
        end_life(m);
}

void member_done(Member *m) {
        member_kill(m);
        m->ports = mfree(m->ports);
        m->neighbours = mfree(m->neighbours);
}
