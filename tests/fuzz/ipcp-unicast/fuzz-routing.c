/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A member between three hostile neighbours, one of them a prototype. The input is a sequence of
 *
 *   { what, argument } with what modulo 16:
 *
 *   0 a link up   1 a link down   2 a neighbour up   3 a neighbour down   4 it has room or not   5 to 7 time passes
 *   8 to 10 a message as it is   others: one whose addresses and sequence are small numbers, so that most of it means
 *   something
 *
 * All along: routes lead through neighbours that are there, tables stay within bounds, messages are ones that parse,
 * and a prototype gets none that it does not know. At the end nothing but own links is left once everything timed
 * out.
 */

#include "basic/cursor.h"
#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/routing.h"

#define SELF 1U
#define PEERS 3U
#define PROTOTYPE 2U
#define TIMEOUT_USEC (60 * USEC_PER_SEC)
#define LONG_USEC (600 * USEC_PER_SEC)  /* after that only little time passes at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Fuzz {
        Routing *routing;
        usec_t now;
        bool is_up[PEERS];
        bool is_full[PEERS];
        bool is_linked[8];
} Fuzz;

static bool event_send(void *userdata, uint64_t peer, const uint8_t *message, size_t size) {
        Fuzz *f = userdata;
        Lsa lsa;

        if (peer >= PEERS || !f->is_up[peer] || lsa_parse(message, size, &lsa) < 0)
                abort();
        if (peer == PROTOTYPE && size != LSA_BYTES)
                abort();

        return !f->is_full[peer];
}

static void event_routes(void *userdata, const Route *routes, size_t n_routes, unsigned n_added, unsigned n_removed,
                         unsigned n_changed) {
        Fuzz *f = userdata;

        for (size_t i = 0; i < n_routes; i++) {
                if (routes[i].destination == SELF || routes[i].n_hops == 0 || routes[i].n_hops > FORWARDING_HOPS_MAX)
                        abort();
                for (unsigned k = 0; k < routes[i].n_hops; k++)
                        if (routes[i].hops[k] >= ELEMENTSOF(f->is_linked) || !f->is_linked[routes[i].hops[k]])
                                abort();
        }
}

static void event_conflict(void *userdata) {
}

static const RoutingEvents events = {
        .send = event_send,
        .routes = event_routes,
        .conflict = event_conflict,
};

static void fuzz_pass_time(Fuzz *f, usec_t usec) {
        usec_t end = f->now + usec;

        for (usec_t next = routing_next(f->routing); next <= end; next = routing_next(f->routing)) {
                f->now = MAX(f->now, next);
                routing_expire(f->routing, f->now);
                if (routing_next(f->routing) <= f->now)
                        abort();        /* would never come to rest */
        }
        f->now = end;
}

static void fuzz_message(Fuzz *f, Cursor *c, bool small, uint8_t argument) {
        size_t size = argument & 0x40 ? LSA_EXTENDED_BYTES : LSA_BYTES;
        uint8_t message[LSA_BYTES_MAX] = {};
        Lsa lsa = { .extended = argument & 0x40 };

        if (!small) {
                size = MIN(c->left, argument & 3 ? size : argument >> 3);
                cursor_copy(c, message, MIN(size, sizeof(message)));
                routing_receive(f->routing, argument % (PEERS + 1), message, MIN(size, sizeof(message)), f->now);
                return;
        }

        lsa.from = cursor_u8(c) % 10;
        lsa.to = cursor_u8(c) % 10;
        lsa.sequence = cursor_u8(c);
        lsa.sequence <<= lsa.sequence & 7 ? 0 : 60;
        lsa.withdrawn = lsa.extended && argument & 0x80;
        lsa.cost = lsa.withdrawn ? 0 : 1 + (argument >> 3 & 3);
        routing_receive(f->routing, argument % (PEERS + 1), message, lsa_write(&lsa, message), f->now);
}

static void fuzz_step(Fuzz *f, Cursor *c) {
        uint8_t what = cursor_u8(c) % 16, argument = cursor_u8(c), peer = argument % PEERS;
        uint64_t neighbour = 2 + argument % (ELEMENTSOF(f->is_linked) - 2);

        if (what == 0) {
                f->is_linked[neighbour] = true;
                (void) routing_link_up(f->routing, neighbour, argument >> 4, f->now);
        } else if (what == 1) {
                f->is_linked[neighbour] = false;
                routing_link_down(f->routing, neighbour, f->now);
                routing_recompute(f->routing, f->now);
        } else if (what == 2 && !f->is_up[peer]) {
                f->is_up[peer] = true;
                (void) routing_peer_up(f->routing, peer, peer != PROTOTYPE, f->now);
        } else if (what == 3) {
                f->is_up[peer] = false;
                routing_peer_down(f->routing, peer, f->now);
        } else if (what == 4)
                f->is_full[peer] = argument & 0x80;
        else if (what <= 7)
                fuzz_pass_time(f, argument * (what == 7 && f->now < LONG_USEC ? USEC_PER_SEC : 10 * USEC_PER_MSEC));
        else
                fuzz_message(f, c, what > 10, argument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const RoutingConfig config = {
                .address = SELF,
                .recalculate_usec = 4 * USEC_PER_SEC,
                .update_usec = 15 * USEC_PER_SEC,
                .timeout_usec = TIMEOUT_USEC,
                .alternates = size & 1,
        };
        Cursor c = cursor_from(data, size);
        Fuzz f = { .now = USEC_PER_SEC };
        RoutingLink link;

        if (routing_new(&config, &events, &f, f.now, &f.routing) < 0)
                return 0;

        while (c.left > 1)
                fuzz_step(&f, &c);

        memset(f.is_full, 0, sizeof(f.is_full));
        fuzz_pass_time(&f, 4 * TIMEOUT_USEC);
        for (size_t i = 0; routing_link(f.routing, i, f.now, &link); i++)
                if (!link.own || !f.is_linked[link.to])
                        abort();

        routing_leave(f.routing, f.now);
        routing_free(f.routing);
        return 0;
}
