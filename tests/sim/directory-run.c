/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/directory-world.h"

#define JOIN_INTERVAL_USEC (5 * USEC_PER_MSEC)
#define SETTLE_USEC (DIRECTORY_RUN_REPLICATE_USEC + 30 * USEC_PER_SEC) /* everybody published again since   \
                                                                        */
#define IDLE_USEC DIRECTORY_RUN_REFRESH_USEC /* so that all that is regular is in it */
#define LOOKUPS_MAX 5000U
#define ATTEMPTS_MAX 3U /* with loss an attempt may fail; three in a row may not */
#define LOOKUP_TIME_MAX_USEC (30 * USEC_PER_SEC)

/* -- lookups -- */

static void lookup_begin(DirectoryWorld *w, size_t i) {
        Lookup *l = &w->lookups[i];
        Node *asker = &w->nodes[l->asker];

        if (!asker->directory)
                return;
        if (l->n_attempts == 0)
                l->begin = w->timeline.now;

        l->asked = true;
        l->ended = false;
        l->n_attempts++;
        directory_lookup(asker->directory, i + 1, w->nodes[l->wanted].name, w->hash_bytes, w->timeline.now);
        node_plan(asker);
}

/* Forgets the lookups of before: directories that still run one are told. */
static void lookups_reset(DirectoryWorld *w) {
        for (size_t i = 0; i < w->n_lookups; i++) {
                Node *asker = &w->nodes[w->lookups[i].asker];

                if (w->lookups[i].asked && !w->lookups[i].ended && asker->directory)
                        directory_cancel(asker->directory, i + 1);
        }

        memset(w->lookups, 0, LOOKUPS_MAX * sizeof(*w->lookups));
        w->n_lookups = 0;
}

/* Asks n times, spread over a while, then lets everything come to its end. Returns the part that was found.
 */
static double lookups_run(DirectoryWorld *w, size_t n, usec_t interval) {
        size_t n_found = 0, n_asked = 0;

        lookups_reset(w);
        while (w->n_lookups < n) {
                Node *asker = directory_world_living(w), *wanted = directory_world_living(w);

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
                n_asked +=
                        w->nodes[w->lookups[i].wanted].directory && w->nodes[w->lookups[i].asker].directory;
                n_found += w->nodes[w->lookups[i].wanted].directory &&
                           w->nodes[w->lookups[i].asker].directory && w->lookups[i].found;
        }

        return n_asked > 0 ? (double) n_found / (double) n_asked : 0;
}

/* Every lookup has ended, and found what it was for, if need be at a further attempt. */
static void lookups_check(DirectoryWorld *w, const char *when) {
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
                        verdict_fail(v, w->timeline.now, "%s: a lookup of member %" PRIu32 " has no end",
                                     when, l->asker);
                else if (!l->found)
                        verdict_fail(v, w->timeline.now,
                                     "%s: member %" PRIu32 " does not find the name of member %" PRIu32,
                                     when, l->asker, l->wanted);
        }
}

static int compare_usec(const void *a, const void *b) {
        const usec_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Of all members together, those that they make for themselves included. */
static void sum_lookups(const DirectoryWorld *w, uint64_t *ret_n, uint64_t *ret_rounds) {
        *ret_n = *ret_rounds = 0;
        for (uint32_t i = 0; i < w->n_come; i++)
                if (w->nodes[i].directory) {
                        const DirectoryStatistics *s = directory_statistics(w->nodes[i].directory);

                        *ret_n += s->lookups;
                        *ret_rounds += s->lookup_rounds;
                }
}

static void measure_times(DirectoryWorld *w) {
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

/* A member keeps k contacts and as many spares per bucket, and buckets that matter grow with the logarithm
 * of the members; it keeps about k of all names, wherever they are. A directory that keeps an order more has
 * lost count. */
static void tables_check(DirectoryWorld *w, const char *when) {
        double n_contacts = 0, n_entries = 0, n_living = 0;
        size_t log2 = 1, contacts_max;

        while (1U << log2 < w->n_come)
                log2++;
        contacts_max = 2 * DIRECTORY_RUN_K * (log2 + 8) * 4;

        for (uint32_t i = 0; i < w->n_come; i++) {
                const DirectoryStatistics *s;

                if (!w->nodes[i].directory)
                        continue;
                s = directory_statistics(w->nodes[i].directory);
                verdict_checked(&w->run->verdict);
                if (s->n_contacts > contacts_max)
                        verdict_fail(&w->run->verdict, w->timeline.now,
                                     "%s: member %" PRIu32 " has %zu contacts, more than %zu", when, i,
                                     s->n_contacts, contacts_max);
                if (s->n_entries > 64 * DIRECTORY_RUN_K + w->n_come / 4)
                        verdict_fail(&w->run->verdict, w->timeline.now,
                                     "%s: member %" PRIu32 " keeps %zu entries", when, i, s->n_entries);
                n_contacts += (double) s->n_contacts;
                n_entries += (double) s->n_entries;
                n_living++;
        }

        w->run->contacts = n_contacts / n_living;
        w->run->entries = n_entries / n_living;
}

/* -- the run -- */

static int phase_join(DirectoryWorld *w) {
        size_t memory = memory_used();
        uint64_t n_messages;
        int r;

        while (w->n_come < w->run->n_members) {
                r = directory_world_come(w);
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

static int phase_churn(DirectoryWorld *w) {
        uint32_t n_replaced = (uint32_t) ((double) w->run->n_members * w->run->churn);
        usec_t interval = n_replaced > 0 ? SETTLE_USEC / n_replaced : 0;
        int r;

        for (uint32_t i = 0; i < n_replaced; i++) {
                Node *n = directory_world_living(w);

                if (n)
                        node_die(n);
                r = directory_world_come(w);
                if (r < 0)
                        return r;
                timeline_run(&w->timeline, w->timeline.now + interval);
        }

        w->run->found_churn = lookups_run(w, MIN(w->run->n_members, 500U), USEC_PER_MSEC);
        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
        return 0;
}

static void phase_partition(DirectoryWorld *w) {
        w->partitioned = true;
        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
        w->partitioned = false;
        timeline_run(&w->timeline, w->timeline.now + SETTLE_USEC);
}

static int world_run(DirectoryWorld *w) {
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
        DirectoryWorld w = { .run = run, .hash_bytes = hash_size(HASH_SHA3_256) };
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
