/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The link-state database: what counts as newer, how both forms of a message combine, tombstones, bounds, and the
 * log. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/lsdb.h"

#define S USEC_PER_SEC
#define TIMEOUT (60 * S)
#define FRESH (30 * S)
#define PEER 7U

static Lsa plain(uint64_t sequence) {
        return (Lsa) { .from = 1, .to = 2, .sequence = sequence, .cost = 1 };
}

static Lsa longer(uint64_t sequence, uint32_t cost) {
        return (Lsa) { .from = 1, .to = 2, .sequence = sequence, .extended = true, .cost = cost,
                       .withdrawn = cost == 0 };
}

#define STEPS_MAX 5U
#define P(sequence) { sequence, false, 1 }
#define X(sequence, cost) { sequence, true, cost }
#define GONE 0U

/* Messages about one link, one second apart, what each of them is, and the link afterwards. */
static const struct {
        const char *name;
        struct {
                uint64_t sequence;
                bool extended;
                uint32_t cost;
        } steps[STEPS_MAX];
        int results[STEPS_MAX];
        unsigned n;
        LsdbState state;
        uint32_t cost;
        uint64_t sequence;
} merges[] = {
        { "new",                       { P(0) }, { 2 }, 1, LSDB_ALIVE, 1, 0 },
        { "refreshed",                 { P(0), P(1) }, { 2, 1 }, 2, LSDB_ALIVE, 1, 1 },
        { "twice",                     { P(5), P(5) }, { 2, 0 }, 2, LSDB_ALIVE, 1, 5 },
        { "older",                     { P(5), P(4) }, { 2, 0 }, 2, LSDB_ALIVE, 1, 5 },
        { "longer adds the cost",      { P(5), X(5, 9) }, { 2, 2 }, 2, LSDB_ALIVE, 9, 5 },
        { "longer adds nothing new",   { P(5), X(5, 1), X(5, 1) }, { 2, 1, 0 }, 3, LSDB_ALIVE, 1, 5 },
        { "shorter after longer",      { X(5, 9), P(5) }, { 2, 0 }, 2, LSDB_ALIVE, 9, 5 },
        { "shorter refresh keeps it",  { X(5, 9), P(6), X(6, 9) }, { 2, 1, 1 }, 3, LSDB_ALIVE, 9, 6 },
        { "longer comes too late",     { X(5, 9), P(7), X(6, 4) }, { 2, 1, 0 }, 3, LSDB_ALIVE, 9, 7 },
        { "other cost",                { X(5, 9), X(6, 4) }, { 2, 2 }, 2, LSDB_ALIVE, 4, 6 },
        { "same number, other cost",   { X(5, 9), X(5, 4) }, { 2, 0 }, 2, LSDB_ALIVE, 9, 5 },
        { "withdrawn",                 { P(5), X(6, GONE) }, { 2, 2 }, 2, LSDB_WITHDRAWN, 1, 6 },
        { "withdrawn, same number",    { P(5), X(5, GONE) }, { 2, 2 }, 2, LSDB_WITHDRAWN, 1, 5 },
        { "withdrawn, unknown",        { X(6, GONE) }, { 2 }, 1, LSDB_WITHDRAWN, 1, 6 },
        { "withdrawal is stale",       { P(7), X(6, GONE) }, { 2, 0 }, 2, LSDB_ALIVE, 1, 7 },
        { "no revival by a copy",      { P(5), X(6, GONE), P(5), P(6), X(6, 3) }, { 2, 2, 0, 0, 0 }, 5, LSDB_WITHDRAWN,
          1, 6 },
        { "back with a higher number", { P(5), X(6, GONE), P(7) }, { 2, 2, 2 }, 3, LSDB_ALIVE, 1, 7 },
        { "tombstone renewed",         { X(6, GONE), X(7, GONE) }, { 2, 1 }, 2, LSDB_WITHDRAWN, 1, 7 },
        { "small jump",                { P(5), P(5 + LSDB_JUMP_MAX) }, { 2, 1 }, 2, LSDB_ALIVE, 1, 5 + LSDB_JUMP_MAX },
        { "large jump",                { P(5), P(6 + LSDB_JUMP_MAX), P(6) }, { 2, -ERANGE, 1 }, 3, LSDB_ALIVE, 1, 6 },
        { "new with any number",       { P(LSA_SEQUENCE_MAX) }, { 2 }, 1, LSDB_ALIVE, 1, LSA_SEQUENCE_MAX },
};

static void test_merge(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(merges); i++) {
                _cleanup_(lsdb_done) Lsdb db = {};
                LsdbEntry *e = NULL;

                print_message("%s\n", merges[i].name);
                assert_int_equal(lsdb_init(&db, 100, TIMEOUT, FRESH), 0);
                for (unsigned k = 0; k < merges[i].n; k++) {
                        Lsa lsa = merges[i].steps[k].extended
                                          ? longer(merges[i].steps[k].sequence, merges[i].steps[k].cost)
                                          : plain(merges[i].steps[k].sequence);

                        assert_int_equal(lsdb_merge(&db, &lsa, PEER, k * S, &e), merges[i].results[k]);
                }

                e = lsdb_get(&db, 1, 2);
                assert_non_null(e);
                assert_int_equal(e->state, merges[i].state);
                assert_int_equal(e->cost, merges[i].cost);
                assert_true(e->sequence == merges[i].sequence);
                assert_int_equal(db.n_alive, e->state == LSDB_ALIVE);
        }
}

static void test_jump_when_stale(void **state) {
        _cleanup_(lsdb_done) Lsdb db = {};
        Lsa old = plain(5), far = plain(6 + LSDB_JUMP_MAX);
        LsdbEntry *e;

        assert_int_equal(lsdb_init(&db, 100, TIMEOUT, FRESH), 0);
        assert_int_equal(lsdb_merge(&db, &old, PEER, 0, &e), 2);
        assert_int_equal(lsdb_merge(&db, &far, PEER, FRESH - 1, &e), -ERANGE);
        assert_int_equal(lsdb_merge(&db, &far, PEER, FRESH, &e), 1);

        /* Never over a tombstone: its source said that it is gone, and would go on from there. */
        lsdb_forget(&db, e);
        old = longer(5, GONE);
        assert_int_equal(lsdb_merge(&db, &old, PEER, 0, &e), 2);
        assert_int_equal(lsdb_merge(&db, &far, PEER, FRESH, &e), -ERANGE);
}

static void test_ageing(void **state) {
        _cleanup_(lsdb_done) Lsdb db = {};
        Lsa from_prototype = plain(20), from_o7s = longer(20, 3), copy = longer(20, 3), next = longer(21, 3);
        uint64_t from = 0, to = 0;
        LsdbEntry *e;

        assert_int_equal(lsdb_init(&db, 100, TIMEOUT, FRESH), 0);
        assert_true(lsdb_next(&db) == USEC_INFINITY);

        /* A prototype begins anew at 0: nothing may be in its way. */
        assert_int_equal(lsdb_merge(&db, &from_prototype, PEER, 0, &e), 2);
        assert_true(lsdb_next(&db) == TIMEOUT);
        assert_false(lsdb_expire(&db, TIMEOUT - 1, &from, &to));
        assert_true(lsdb_expire(&db, TIMEOUT, &from, &to));
        assert_int_equal(from, 1);
        assert_int_equal(to, 2);
        assert_null(lsdb_get(&db, 1, 2));
        from_prototype.sequence = 0;
        assert_int_equal(lsdb_merge(&db, &from_prototype, PEER, TIMEOUT, &e), 2);

        /* An o7s member never does: copies of what timed out are stale for as long as there may be any. */
        assert_int_equal(lsdb_merge(&db, &from_o7s, PEER, TIMEOUT, &e), 2);
        assert_true(lsdb_expire(&db, 2 * TIMEOUT, &from, &to));
        assert_int_equal(db.n_alive, 0);
        assert_null(lsdb_changed_after(&db, 0));
        assert_int_equal(lsdb_merge(&db, &copy, PEER, 2 * TIMEOUT, &e), 0);
        assert_int_equal(lsdb_merge(&db, &next, PEER, 2 * TIMEOUT, &e), 2);
        assert_int_equal(db.n_alive, 1);

        assert_true(lsdb_expire(&db, 3 * TIMEOUT, &from, &to));
        assert_false(lsdb_expire(&db, 5 * TIMEOUT - 1, &from, &to));
        assert_non_null(lsdb_get(&db, 1, 2));
        assert_false(lsdb_expire(&db, 5 * TIMEOUT, &from, &to));
        assert_null(lsdb_get(&db, 1, 2));
        assert_int_equal(map_size(db.sources), 0);
        assert_int_equal(db.n_foreign, 0);
}

static int tell(Lsdb *db, uint64_t peer, uint64_t from, uint64_t to) {
        const Lsa lsa = { .from = from, .to = to, .cost = 1 };
        LsdbEntry *e;

        return lsdb_merge(db, &lsa, peer, 0, &e);
}

static void test_bounds(void **state) {
        _cleanup_(lsdb_done) Lsdb db = {};
        LsdbEntry *e;

        assert_int_equal(lsdb_init(&db, 2000, TIMEOUT, FRESH), 0);
        assert_int_equal(lsdb_add_peer(&db, PEER), 0);
        assert_int_equal(lsdb_add_peer(&db, PEER), -EEXIST);
        assert_int_equal(lsdb_add_peer(&db, PEER + 1), 0);

        /* One source: */
        for (uint64_t i = 0; i < LSDB_PER_SOURCE_MAX; i++)
                assert_int_equal(tell(&db, PEER, 1, 2 + i), 2);
        assert_int_equal(tell(&db, PEER, 1, 5000), -ENOSPC);

        /* One neighbour never gets the last tenth, */
        for (uint64_t i = 0; i < 1800 - LSDB_PER_SOURCE_MAX; i++)
                assert_int_equal(tell(&db, PEER, 10000 + i, 2), 2);
        assert_int_equal(tell(&db, PEER, 20000, 2), -ENOSPC);

        /* others do, until it is full; what is known can still be refreshed, and own links have room. */
        for (uint64_t i = 0; i < 200; i++)
                assert_int_equal(tell(&db, PEER + 1, 30000 + i, 2), 2);
        assert_int_equal(tell(&db, PEER + 1, 40000, 2), -ENOSPC);
        assert_int_equal(map_size(db.entries), 2000);
        assert_int_equal(tell(&db, PEER + 1, 10000, 2), 0);
        assert_int_equal(lsdb_set_own(&db, 99, 1, 0, 1, 0, &e), 0);

        /* What is forgotten makes room; a peer that left and came back starts anew. */
        lsdb_forget(&db, lsdb_get(&db, 1, 2));
        lsdb_forget(&db, lsdb_get(&db, 1, 3));
        assert_int_equal(tell(&db, PEER, 20000, 2), 2);
        lsdb_remove_peer(&db, PEER);
        assert_int_equal(lsdb_add_peer(&db, PEER), 0);
        assert_int_equal(tell(&db, PEER, 20001, 2), 2);
}

/* Whoever reads the log on from where he was gets each link that changed since, once, in the order of the last
 * changes. */
static void test_log(void **state) {
        _cleanup_(lsdb_done) Lsdb db = {};
        uint64_t sequences[50] = {}, seen = 0, random = 1, last_version;
        LsdbEntry *e;

        assert_int_equal(lsdb_init(&db, 100, TIMEOUT, FRESH), 0);
        assert_null(lsdb_changed_after(&db, 0));

        for (unsigned round = 0; round < 400; round++) {
                bool touched[50] = {};
                unsigned n_touched = 0, n_seen = 0;

                for (unsigned i = 0; i < round % 37; i++) {
                        uint64_t k;
                        Lsa lsa;

                        random = random * 6364136223846793005U + 1442695040888963407U;
                        k = random >> 40 & 31;
                        lsa = (Lsa) { .from = 1 + k, .to = 100, .sequence = ++sequences[k], .cost = 1 };
                        assert_true(lsdb_merge(&db, &lsa, PEER, 0, &e) > 0);
                        n_touched += !touched[k];
                        touched[k] = true;
                }

                for (last_version = seen; (e = lsdb_changed_after(&db, seen)); seen = e->version) {
                        assert_true(e->version > last_version);
                        assert_true(touched[lsdb_entry_from(e) - 1]);
                        touched[lsdb_entry_from(e) - 1] = false;
                        last_version = e->version;
                        n_seen++;
                }
                assert_int_equal(n_seen, n_touched);
        }

        assert_in_range(db.n_log_allocated, 1, 256);            /* after thousands of changes of 32 links */
}

static void test_messages(void **state) {
        _cleanup_(lsdb_done) Lsdb db = {};
        Lsa lsa, told = longer(5, 9), ahead = plain(6);
        LsdbEntry *e;

        assert_int_equal(lsdb_init(&db, 100, TIMEOUT, FRESH), 0);
        assert_int_equal(lsdb_merge(&db, &told, PEER, 0, &e), 2);
        assert_true(lsdb_entry_lsa(e, true, &lsa));
        assert_true(lsa.extended && lsa.cost == 9 && lsa.sequence == 5);
        assert_true(lsdb_entry_lsa(e, false, &lsa));            /* a prototype never learns a cost */
        assert_true(!lsa.extended && lsa.cost == 1 && lsa.sequence == 5);

        /* We did not hear what the longer form of 6 says, so we do not say it. */
        assert_int_equal(lsdb_merge(&db, &ahead, PEER, 0, &e), 1);
        assert_true(lsdb_entry_lsa(e, true, &lsa));
        assert_true(!lsa.extended && lsa.sequence == 6);

        assert_int_equal(lsdb_set_own(&db, 3, 4, 8, 0, 0, &e), 0);
        assert_false(lsdb_entry_lsa(e, false, &lsa));
        assert_true(lsdb_entry_lsa(e, true, &lsa));
        assert_true(lsa.withdrawn && lsa.sequence == 8 && lsa.from == 3 && lsa.to == 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_merge),
                cmocka_unit_test(test_jump_when_stale),
                cmocka_unit_test(test_ageing),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_log),
                cmocka_unit_test(test_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
