/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/ipcp-unicast/directory.h"
#include "tests/sim/directory-run.h"
#include "tests/sim/dice.h"
#include "tests/sim/timeline.h"

#define UNIX_TIME_BEGIN UINT64_C(1800000000)
#define DELAY_MIN_USEC (2 * USEC_PER_MSEC)
#define DELAY_MAX_USEC (40 * USEC_PER_MSEC)
#define JOIN_INTERVAL_USEC (5 * USEC_PER_MSEC)
#define REFRESH_USEC (600 * USEC_PER_SEC)
#define REPLICATE_USEC (120 * USEC_PER_SEC)
#define EXPIRE_USEC (3600 * USEC_PER_SEC)
#define SETTLE_USEC (REPLICATE_USEC + 30 * USEC_PER_SEC)        /* everybody published again since */
#define IDLE_USEC REFRESH_USEC                                  /* so that all that is regular is in it */
#define LOOKUPS_MAX 5000U
#define ATTEMPTS_MAX 3U                         /* with loss an attempt may fail; three in a row may not */
#define LOOKUP_TIME_MAX_USEC (30 * USEC_PER_SEC)
#define ALPHA 3U
#define K 8U

typedef struct World World;

typedef struct Node {
        World *world;                   /* not owned */
        Directory *directory;           /* NULL: not come yet, or dead */
        TimelineEvent timer;
        Dice dice;
        uint32_t number;
        uint8_t name[HASH_BYTES_MAX];
        bool left_side;                 /* of a partition */
} Node;

/* A message on its way. */
typedef struct Message {
        TimelineEvent event;
        World *world;                   /* not owned */
        uint32_t from;
        uint32_t to;
        size_t size;
        uint8_t data[];
} Message;

typedef struct Lookup {
        uint32_t asker;
        uint32_t wanted;
        unsigned n_attempts;
        bool asked;
        bool ended;
        bool found;
        usec_t begin;
        usec_t end;
} Lookup;

struct World {
        DirectoryRun *run;
        Timeline timeline;
        Dice dice;
        Dice network;
        Node *nodes;
        uint32_t n_nodes;               /* that ever come */
        uint32_t n_come;
        Lookup *lookups;
        size_t n_lookups;
        size_t hash_bytes;
        uint64_t n_messages;
        bool partitioned;
};

static uint64_t node_address(const Node *n) {
        return n->number + 1U;
}

static void node_plan(Node *n) {
        timeline_set(&n->world->timeline, &n->timer, n->directory ? directory_next(n->directory) : USEC_INFINITY);
}

/* -- the network -- */

static void message_happen(TimelineEvent *event, usec_t now) {
        _cleanup_free_ Message *m = container_of(event, Message, event);
        World *w = m->world;
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

static void network_carry(World *w, const Node *from, const Node *to, const uint8_t *data, size_t size) {
        Message *m;

        m = malloc(sizeof(*m) + size);
        if (!m)
                return;         /* lost */

        *m = (Message) {
                .event = { .kind = &message_kind },
                .world = w,
                .from = from->number,
                .to = to->number,
                .size = size,
        };
        memcpy(m->data, data, size);
        timeline_set(&w->timeline, &m->event, w->timeline.now + dice_between(&w->network, DELAY_MIN_USEC, DELAY_MAX_USEC));
}

/* -- what a directory asks of its owner -- */

static void node_send(void *userdata, uint64_t address, const uint8_t *message, size_t size) {
        Node *from = userdata;
        World *w = from->world;
        const Node *to;

        if (address == 0 || address > w->n_nodes) {
                verdict_fail(&w->run->verdict, w->timeline.now, "member %" PRIu32 " sends to the invented address %" PRIu64,
                             from->number, address);
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

static void node_found(void *userdata, uint64_t lookup, int error, const uint64_t *addresses, size_t n_addresses) {
        Node *n = userdata;
        World *w = n->world;
        Lookup *l;

        if (lookup == 0 || lookup > w->n_lookups || w->lookups[lookup - 1].ended || !w->lookups[lookup - 1].asked) {
                verdict_fail(&w->run->verdict, w->timeline.now, "member %" PRIu32 " answers a lookup that nobody asked for",
                             n->number);
                return;
        }

        l = &w->lookups[lookup - 1];
        l->ended = true;
        l->end = w->timeline.now;
        for (size_t i = 0; i < n_addresses; i++) {
                if (addresses[i] == w->nodes[l->wanted].number + 1U)
                        l->found = true;
                if (addresses[i] == node_address(n))
                        verdict_fail(&w->run->verdict, w->timeline.now, "member %" PRIu32 " finds itself", n->number);
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

static Node *random_living(World *w) {
        for (unsigned i = 0; i < 1000 && w->n_come > 0; i++) {
                Node *n = &w->nodes[dice_below(&w->dice, w->n_come)];

                if (n->directory)
                        return n;
        }

        return NULL;
}

static int node_come(World *w) {
        Node *n = &w->nodes[w->n_come], *through = random_living(w);
        usec_t now = w->timeline.now;
        DirectoryConfig config = {
                .address = w->n_come + 1U,
                .hash = HASH_SHA3_256,
                .alpha = ALPHA,
                .k = K,
                .expire_usec = EXPIRE_USEC,
                .refresh_usec = REFRESH_USEC,
                .replicate_usec = REPLICATE_USEC,
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

static void node_die(Node *n) {
        timeline_cancel(&n->world->timeline, &n->timer);
        n->directory = directory_free(n->directory);
}

/* -- lookups -- */

static void lookup_begin(World *w, size_t i) {
        Lookup *l = &w->lookups[i];
        Node *asker = &w->nodes[l->asker];

        if (!asker->directory)
                return;
        if (l->n_attempts == 0)
                l->begin = w->timeline.now;

        l->asked = true;
        l->ended = false;
        l->n_attempts++;
        directory_lookup(asker->directory, i + 1, w->nodes[l->wanted].name,
                         w->hash_bytes, w->timeline.now);
        node_plan(asker);
}

/* Forgets the lookups of before: directories that still run one are told. */
static void lookups_reset(World *w) {
        for (size_t i = 0; i < w->n_lookups; i++) {
                Node *asker = &w->nodes[w->lookups[i].asker];

                if (w->lookups[i].asked && !w->lookups[i].ended && asker->directory)
                        directory_cancel(asker->directory, i + 1);
        }

        memset(w->lookups, 0, LOOKUPS_MAX * sizeof(*w->lookups));
        w->n_lookups = 0;
}

/* Asks n times, spread over a while, then lets everything come to its end. Returns the part that was found. */
static double lookups_run(World *w, size_t n, usec_t interval) {
        size_t n_found = 0, n_asked = 0;

        lookups_reset(w);
        while (w->n_lookups < n) {
                Node *asker = random_living(w), *wanted = random_living(w);

                if (!asker || !wanted)
                        break;
                if (asker == wanted)
                        continue;
                w->lookups[w->n_lookups++] = (Lookup) { .asker = asker->number, .wanted = wanted->number };
                lookup_begin(w, w->n_lookups - 1);
                timeline_run(&w->timeline, w->timeline.now + interval);
        }
        timeline_run(&w->timeline, w->timeline.now + LOOKUP_TIME_MAX_USEC);

        for (size_t i = 0; i < w->n_lookups; i++) {
                n_asked += w->nodes[w->lookups[i].wanted].directory && w->nodes[w->lookups[i].asker].directory;
                n_found += w->nodes[w->lookups[i].wanted].directory && w->nodes[w->lookups[i].asker].directory &&
                           w->lookups[i].found;
        }

        return n_asked > 0 ? (double) n_found / (double) n_asked : 0;
}

/* Every lookup has ended, and found what it was for, if need be at a further attempt. */
static void lookups_check(World *w, const char *when) {
        Verdict *v = &w->run->verdict;

        for (unsigned attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
                bool again = false;

                for (size_t i = 0; i < w->n_lookups; i++)
                        if (w->lookups[i].ended && !w->lookups[i].found) {
                                lookup_begin(w, i);
                                again = true;
                        }
                if (again)
                        timeline_run(&w->timeline, w->timeline.now + LOOKUP_TIME_MAX_USEC);
        }

        for (size_t i = 0; i < w->n_lookups; i++) {
                const Lookup *l = &w->lookups[i];

                if (!w->nodes[l->asker].directory || !w->nodes[l->wanted].directory)
                        continue;
                verdict_checked(v);
                if (!l->ended)
                        verdict_fail(v, w->timeline.now, "%s: a lookup of member %" PRIu32 " has no end", when, l->asker);
                else if (!l->found)
                        verdict_fail(v, w->timeline.now, "%s: member %" PRIu32 " does not find the name of member %" PRIu32,
                                     when, l->asker, l->wanted);
        }
}

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Of all members together, those that they make for themselves included. */
static void sum_lookups(const World *w, uint64_t *ret_n, uint64_t *ret_rounds) {
        *ret_n = *ret_rounds = 0;
        for (uint32_t i = 0; i < w->n_come; i++)
                if (w->nodes[i].directory) {
                        const DirectoryStatistics *s = directory_statistics(w->nodes[i].directory);

                        *ret_n += s->lookups;
                        *ret_rounds += s->lookup_rounds;
                }
}

static void measure_times(World *w) {
        _cleanup_free_ usec_t *times = NULL;
        size_t n = 0;

        times = calloc(w->n_lookups + 1, sizeof(*times));
        if (!times)
                return;

        for (size_t i = 0; i < w->n_lookups; i++)
                if (w->lookups[i].found && w->lookups[i].n_attempts == 1)
                        times[n++] = w->lookups[i].end - w->lookups[i].begin;

        qsort(times, n, sizeof(*times), compare_usec);
        w->run->lookup_median_usec = n > 0 ? times[n / 2] : 0;
        w->run->lookup_p99_usec = n > 0 ? times[n - 1 - n / 100] : 0;
}

/* -- tables -- */

/* A member keeps k contacts and as many spares per bucket, and buckets that matter grow with the logarithm of the members; it
 * keeps about k of all names, wherever they are. A directory that keeps an order more has lost count. */
static void tables_check(World *w, const char *when) {
        double n_contacts = 0, n_entries = 0, n_living = 0;
        size_t log2 = 1, contacts_max;

        while (1U << log2 < w->n_come)
                log2++;
        contacts_max = 2 * K * (log2 + 8) * 4;

        for (uint32_t i = 0; i < w->n_come; i++) {
                const DirectoryStatistics *s;

                if (!w->nodes[i].directory)
                        continue;
                s = directory_statistics(w->nodes[i].directory);
                verdict_checked(&w->run->verdict);
                if (s->n_contacts > contacts_max)
                        verdict_fail(&w->run->verdict, w->timeline.now, "%s: member %" PRIu32 " has %zu contacts, more than %zu",
                                     when, i, s->n_contacts, contacts_max);
                if (s->n_entries > 64 * K + w->n_come / 4)
                        verdict_fail(&w->run->verdict, w->timeline.now, "%s: member %" PRIu32 " keeps %zu entries", when, i,
                                     s->n_entries);
                n_contacts += (double) s->n_contacts;
                n_entries += (double) s->n_entries;
                n_living++;
        }

        w->run->contacts = n_contacts / n_living;
        w->run->entries = n_entries / n_living;
}

/* -- the run -- */

static int phase_join(World *w) {
        size_t memory = memory_used();
        uint64_t n_messages;
        int r;

        while (w->n_come < w->run->n_members) {
                r = node_come(w);
                if (r < 0)
                        return r;
                timeline_run(&w->timeline, w->timeline.now + JOIN_INTERVAL_USEC);
        }

        timeline_run(&w->timeline, w->timeline.now + 10 * USEC_PER_SEC);
        w->run->join_messages = (double) w->n_messages / w->run->n_members;

        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
        n_messages = w->n_messages;
        timeline_run(&w->timeline, w->timeline.now + IDLE_USEC);
        w->run->idle_messages = (double) (w->n_messages - n_messages) / w->run->n_members /
                                ((double) IDLE_USEC / (60.0 * USEC_PER_SEC));
        memory = memory_used() - memory;
        w->run->memory_bytes = (double) memory / w->run->n_members;
        return 0;
}

static int phase_churn(World *w) {
        uint32_t n_replaced = (uint32_t) ((double) w->run->n_members * w->run->churn);
        usec_t interval = n_replaced > 0 ? SETTLE_USEC / n_replaced : 0;
        int r;

        for (uint32_t i = 0; i < n_replaced; i++) {
                Node *n = random_living(w);

                if (n)
                        node_die(n);
                r = node_come(w);
                if (r < 0)
                        return r;
                timeline_run(&w->timeline, w->timeline.now + interval);
        }

        w->run->found_churn = lookups_run(w, MIN(w->run->n_members, 500U), USEC_PER_MSEC);
        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
        return 0;
}

static void phase_partition(World *w) {
        w->partitioned = true;
        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
        w->partitioned = false;
        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
}

static int world_run(World *w) {
        size_t n_lookups = MIN(2U * w->run->n_members, LOOKUPS_MAX);
        uint64_t n, n_before, n_rounds, n_rounds_before;
        int r;

        if (w->run->n_members < 2)
                n_lookups = 0;

        r = phase_join(w);
        if (r < 0)
                return r;
        tables_check(w, "after everybody joined");

        sum_lookups(w, &n_before, &n_rounds_before);
        w->run->found_first = lookups_run(w, n_lookups, 2 * USEC_PER_MSEC);
        sum_lookups(w, &n, &n_rounds);
        w->run->hops = n > n_before ? (double) (n_rounds - n_rounds_before) / (double) (n - n_before) : 0;
        measure_times(w);
        lookups_check(w, "after everybody joined");

        if (w->run->churn > 0) {
                r = phase_churn(w);
                if (r < 0)
                        return r;
                tables_check(w, "after churn");
                (void) lookups_run(w, n_lookups, 2 * USEC_PER_MSEC);
                lookups_check(w, "after churn");

                phase_partition(w);
                tables_check(w, "after a partition");
                (void) lookups_run(w, n_lookups, 2 * USEC_PER_MSEC);
                lookups_check(w, "after a partition");
        }

        w->run->duration = w->timeline.now;
        return 0;
}

int directory_run(DirectoryRun *run) {
        World w = { .run = run, .hash_bytes = hash_size(HASH_SHA3_256) };
        int r = -ENOMEM;

        w.n_nodes = run->n_members + (uint32_t) ((double) run->n_members * run->churn);
        run->verdict = (Verdict) { .seed = run->seed };
        timeline_init(&w.timeline);
        dice_init(&w.dice, run->seed, 1);
        dice_init(&w.network, run->seed, 2);

        w.nodes = calloc(w.n_nodes, sizeof(*w.nodes));
        w.lookups = calloc(LOOKUPS_MAX, sizeof(*w.lookups));
        if (w.nodes && w.lookups)
                r = world_run(&w);

        for (uint32_t i = 0; w.nodes && i < w.n_come; i++)
                node_die(&w.nodes[i]);
        timeline_done(&w.timeline);
        free(w.nodes);
        free(w.lookups);
        return r;
}
