/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "tests/sim/world.h"

/* -- members and links -- */

static void give_ports(World *w, size_t *ret_degrees) {
        for (size_t i = 0; i < w->topology.n_edges; i++) {
                ret_degrees[w->topology.edges[i].a]++;
                ret_degrees[w->topology.edges[i].b]++;
        }
}

static int make_members(World *w, const size_t *degrees) {
        ssize_t r;

        for (uint32_t i = 0; i < w->n_members; i++) {
                Member *m = &w->members[i];
                uint8_t hash[HASH_BYTES_MAX];
                char name[32];

                m->world = w;
                m->timeline = &w->timeline;
                m->options = &w->options.member;
                m->number = i;
                snprintf(m->name, sizeof(m->name), "sim.m%" PRIu32, i);
                snprintf(name, sizeof(name), "application.%" PRIu32, i);

                r = hash_compute(HASH_SHA3_256, name, strlen(name), hash);
                if (r < 0)
                        return (int) r;
                memcpy(m->application, hash, MEMBER_HASH_BYTES);

                m->ports = calloc(degrees[i] + 1, sizeof(*m->ports));
                m->neighbours = calloc(degrees[i] + 1, sizeof(*m->neighbours));
                if (!m->ports || !m->neighbours)
                        return -ENOMEM;
        }

        return 0;
}

/* Where a layer below has one link only, the name of the layer finds who is behind it; where several share it, the
 * members behind it are named one by one. */
static void name_neighbours(Member *m) {
        if (m->n_ports <= UNICAST_LOWER_MAX)
                return;

        for (size_t i = 0; i < m->n_ports; i++) {
                const Port *port = &m->ports[i];
                UnicastNeighbourConfig *n = &m->neighbours[m->n_neighbours++];

                *n = (UnicastNeighbourConfig) {
                        .lower = (int) port->link->lower[port->end],
                        .management = true,
                        .data = true,
                };
                (void) copy_string(n->name, sizeof(n->name), port->link->members[1 - port->end]->name);
        }
}

static void make_links(World *w) {
        for (size_t i = 0; i < w->topology.n_edges; i++) {
                Member *a = &w->members[w->topology.edges[i].a], *b = &w->members[w->topology.edges[i].b];
                usec_t delay = dice_between(&w->dice, w->options.link_delay_min_usec, w->options.link_delay_max_usec);

                link_init(&w->links[i], &w->network, a, a->n_ports % UNICAST_LOWER_MAX, b,
                          b->n_ports % UNICAST_LOWER_MAX, delay);
                a->ports[a->n_ports++] = (Port) { .link = &w->links[i], .end = 0 };
                b->ports[b->n_ports++] = (Port) { .link = &w->links[i], .end = 1 };
        }

        for (uint32_t i = 0; i < w->n_members; i++)
                name_neighbours(&w->members[i]);
}

static int populate(World *w) {
        _cleanup_free_ size_t *degrees = NULL;
        int r;

        r = topology_make(&w->topology, w->options.shape, w->n_members, &w->dice);
        if (r < 0)
                return r;

        degrees = calloc(w->n_members, sizeof(*degrees));
        w->members = calloc(w->n_members, sizeof(*w->members));
        w->links = calloc(w->topology.n_edges + 1, sizeof(*w->links));
        if (!degrees || !w->members || !w->links)
                return -ENOMEM;

        give_ports(w, degrees);
        r = make_members(w, degrees);
        if (r < 0)
                return r;

        make_links(w);
        return 0;
}

/* -- life -- */

World *world_free(World *w) {
        if (!w)
                return NULL;

        for (uint32_t i = 0; w->members && i < w->n_members; i++)
                member_done(&w->members[i]);
        timeline_done(&w->timeline);
        network_done(&w->network);
        topology_done(&w->topology);
        map_free(w->by_address);
        free(w->members);
        free(w->links);
        return mfree(w);
}

int world_new(const WorldOptions *options, World **ret) {
        _cleanup_(world_freep) World *w = NULL;
        int r;

        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;

        *w = (World) {
                .options = *options,
                .n_members = options->n_members,
                .trace.verbose = options->verbose,
                .verdict.seed = options->seed,
        };
        timeline_init(&w->timeline);
        dice_init(&w->dice, options->seed, 1);

        r = map_new(&w->by_address);
        if (r >= 0)
                r = network_init(&w->network, &w->timeline, &w->trace, options->seed);
        if (r >= 0)
                r = populate(w);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(w);
        return 0;
}

/* -- who is where -- */

Member *world_by_address(const World *w, uint64_t address) {
        return map_get(w->by_address, &address, sizeof(address));
}

void world_member_gone(World *w, Member *m) {
        if (m->address != ADDRESS_NONE)
                (void) map_remove(w->by_address, &m->address, sizeof(m->address));

        w->past_ttl_drops += m->unicast.counters.drops[DROP_TTL];
        w->past_packets += m->unicast.counters.tx_packets;
}

void world_member_joined(World *w, Member *m) {
        if (m->address != ADDRESS_NONE)         /* again: somebody else had its address */
                (void) map_remove(w->by_address, &m->address, sizeof(m->address));

        m->address = m->unicast.address;
        m->joined = w->timeline.now;
        if (map_put(w->by_address, &m->address, sizeof(m->address), m) == -EEXIST)
                m->address = ADDRESS_NONE;      /* until the members find out */
}

static uint32_t piece_of(uint32_t *piece, uint32_t i) {
        while (piece[i] != i)
                i = piece[i] = piece[piece[i]];

        return i;
}

void world_pieces(const World *w, uint32_t *piece) {
        for (uint32_t i = 0; i < w->n_members; i++)
                piece[i] = i;

        for (size_t i = 0; i < w->topology.n_edges; i++) {
                const Link *link = &w->links[i];

                if (link->up && link->members[0]->alive && link->members[1]->alive)
                        piece[piece_of(piece, link->members[0]->number)] = piece_of(piece, link->members[1]->number);
        }

        for (uint32_t i = 0; i < w->n_members; i++)
                piece[i] = piece_of(piece, i);
}

uint64_t world_drops(const World *w, DropReason reason) {
        uint64_t n = reason == DROP_TTL ? w->past_ttl_drops : 0;

        for (uint32_t i = 0; i < w->n_members; i++)
                if (w->members[i].alive)
                        n += w->members[i].unicast.counters.drops[reason];

        return n;
}

/* -- time -- */

void world_run_for(World *w, usec_t usec) {
        timeline_run(&w->timeline, w->timeline.now + usec);
}

void world_disturb(World *w) {
        w->disturbed = w->timeline.now;
}
