/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/directory-world.h"

#define UNIX_TIME_BEGIN UINT64_C(1800000000)
#define DELAY_MIN_USEC (2 * USEC_PER_MSEC)
#define DELAY_MAX_USEC (40 * USEC_PER_MSEC)
#define EXPIRE_USEC (3600 * USEC_PER_SEC)
#define ALPHA 3U

/* A message on its way. */
typedef struct Message {
        TimelineEvent event;
        DirectoryWorld *world; /* not owned */
        uint32_t from;
        uint32_t to;
        size_t size;
        uint8_t data[];
} Message;

void node_plan(Node *n) {
        timeline_set(&n->world->timeline, &n->timer,
                     n->directory ? directory_next(n->directory) : USEC_INFINITY);
}

/* -- the network -- */

static void message_happen(TimelineEvent *event, usec_t now) {
        _cleanup_free_ Message *m = container_of(event, Message, event);
        DirectoryWorld *w = m->world;
        Node *n = &w->nodes[m->to];

        trace_add(&w->run->trace, now, m->from, m->to, m->data, m->size);
        if (!n->directory)
                return;

        directory_receive(n->directory, m->data, m->size, now);
        node_plan(n);
}

static void message_abandon(TimelineEvent *event) {
        free(container_of(event, Message, event));
}

static const TimelineKind message_kind = { .happen = message_happen, .abandon = message_abandon };

static void network_carry(DirectoryWorld *w, const Node *from, const Node *to, const uint8_t *data,
                          size_t size) {
        Message *m;

        m = malloc(sizeof(*m) + size);
        if (!m)
                return; /* lost */

        *m = (Message) {
                .event = { .kind = &message_kind },
                .world = w,
                .from = from->number,
                .to = to->number,
                .size = size,
        };
        memcpy(m->data, data, size);
        timeline_set(&w->timeline, &m->event,
                     w->timeline.now + dice_between(&w->network, DELAY_MIN_USEC, DELAY_MAX_USEC));
}

/* -- what a directory asks of its owner -- */

static void node_send(void *userdata, uint64_t address, const uint8_t *message, size_t size) {
        Node *from = userdata;
        DirectoryWorld *w = from->world;
        const Node *to;

        if (address == 0 || address > w->n_nodes) {
                verdict_fail(&w->run->verdict, w->timeline.now,
                             "member %" PRIu32 " sends to the invented address %" PRIu64, from->number,
                             address);
                return;
        }

        w->n_messages++;
        to = &w->nodes[address - 1];
        if (w->partitioned && from->left_side != to->left_side)
                return;
        if (dice_chance(&w->network, w->run->loss))
                return;

        network_carry(w, from, to, message, size);
        if (dice_chance(&w->network, w->run->duplicate))
                network_carry(w, from, to, message, size);
}

static void node_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses,
                       size_t n_addresses) {
        Node *n = userdata;
        DirectoryWorld *w = n->world;
        Lookup *l;

        if (lookup == 0 || lookup > w->n_lookups || w->lookups[lookup - 1].ended ||
            !w->lookups[lookup - 1].asked) {
                verdict_fail(&w->run->verdict, w->timeline.now,
                             "member %" PRIu32 " answers a lookup that nobody asked for", n->number);
                return;
        }

        l = &w->lookups[lookup - 1];
        l->ended = true;
        l->end = w->timeline.now;
        for (size_t i = 0; i < n_addresses; i++) {
                if (addresses[i] == w->nodes[l->wanted].number + 1U)
                        l->found = true;
                if (addresses[i] == node_address(n))
                        verdict_fail(&w->run->verdict, w->timeline.now, "member %" PRIu32 " finds itself",
                                     n->number);
        }
}

static int node_random(void *userdata, uint64_t *ret) {
        Node *n = userdata;

        *ret = dice_next(&n->dice);
        return 0;
}

static uint64_t node_unix_time(void *userdata, usec_t now) {
        return UNIX_TIME_BEGIN + now / USEC_PER_SEC;
}

static const DirectoryEvents node_events = {
        .send = node_send,
        .found = node_found,
        .random = node_random,
        .unix_time = node_unix_time,
};

/* -- members come and go -- */

static void node_timer_happen(TimelineEvent *event, usec_t now) {
        Node *n = container_of(event, Node, timer);

        directory_expire(n->directory, now);
        node_plan(n);
}

static const TimelineKind node_timer_kind = { .happen = node_timer_happen };

Node *directory_world_living(DirectoryWorld *w) {
        for (unsigned i = 0; i < 1000 && w->n_come > 0; i++) {
                Node *n = &w->nodes[dice_below(&w->dice, w->n_come)];

                if (n->directory)
                        return n;
        }

        return NULL;
}

int directory_world_come(DirectoryWorld *w) {
        Node *n = &w->nodes[w->n_come], *through = directory_world_living(w);
        usec_t now = w->timeline.now;
        DirectoryConfig config = {
                .address = w->n_come + 1U,
                .hash = HASH_SHA3_256,
                .alpha = ALPHA,
                .k = DIRECTORY_RUN_K,
                .expire_usec = EXPIRE_USEC,
                .refresh_usec = DIRECTORY_RUN_REFRESH_USEC,
                .replicate_usec = DIRECTORY_RUN_REPLICATE_USEC,
        };
        int r;

        *n = (Node) {
                .world = w,
                .timer.kind = &node_timer_kind,
                .number = w->n_come,
        };
        dice_init(&n->dice, w->run->seed, w->n_come + 100U);
        dice_bytes(&n->dice, config.id, w->hash_bytes);
        dice_bytes(&n->dice, n->name, w->hash_bytes);
        n->left_side = dice_below(&n->dice, 2) == 0;

        r = directory_new(&config, &node_events, n, now, &n->directory);
        if (r < 0)
                return r;
        w->n_come++;

        if (through)
                directory_add_peer(n->directory, node_address(through), now);
        r = directory_register(n->directory, n->name, w->hash_bytes, now);
        node_plan(n);
        return r;
}

void node_die(Node *n) {
        timeline_cancel(&n->world->timeline, &n->timer);
        n->directory = directory_free(n->directory);
}
