/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The schedule of what is said about an established flow, at chosen times. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/flow-upkeep.h"

#define T0 (1000 * USEC_PER_SEC)
#define MSEC USEC_PER_MSEC

static void test_inactive(void **state) {
        FlowUpkeep u = {};
        const Liveness l = {};

        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_NOTHING);
        assert_true(flow_upkeep_next(&u) == USEC_INFINITY);
        assert_false(flow_upkeep_received(&u, 1000));
        assert_false(flow_upkeep_should_probe(&u, &l, T0));
}

static void test_rotation_by_time(void **state) {
        FlowUpkeep u;

        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        assert_true(flow_upkeep_next(&u) == T0 + FLOW_ROTATE_USEC);
        assert_int_equal(flow_upkeep_expire(&u, T0 + FLOW_ROTATE_USEC - 1), FLOW_UPKEEP_NOTHING);
        assert_int_equal(flow_upkeep_expire(&u, T0 + FLOW_ROTATE_USEC), FLOW_UPKEEP_ROTATE);

        /* No endpoint id is free: another hour. */
        flow_upkeep_rotate_later(&u, T0 + FLOW_ROTATE_USEC);
        assert_int_equal(flow_upkeep_expire(&u, T0 + FLOW_ROTATE_USEC), FLOW_UPKEEP_NOTHING);
        assert_true(flow_upkeep_next(&u) == T0 + 2 * FLOW_ROTATE_USEC);
}

static void test_rotation_by_packets(void **state) {
        FlowUpkeep u;

        flow_upkeep_init(&u, &(FlowUpkeepLimits) { .packets = 100, .usec = FLOW_ROTATE_USEC }, T0);
        assert_false(flow_upkeep_received(&u, 99));
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_NOTHING);
        assert_true(flow_upkeep_received(&u, 1));
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_ROTATE);

        /* While one is under way, the next one waits. */
        flow_upkeep_rotate(&u, 77, T0);
        assert_false(flow_upkeep_received(&u, 1000));
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_SAY_ROTATE);
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_NOTHING);
        assert_true(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 77, 0, T0 + 10 * MSEC));
        assert_int_equal(flow_upkeep_expire(&u, T0 + 10 * MSEC), FLOW_UPKEEP_NOTHING);
        assert_int_equal(flow_upkeep_expire(&u, T0 + 10 * MSEC + 20 * MSEC + FLOW_REORDER_USEC),
                         FLOW_UPKEEP_FORGET_OLD);
        assert_int_equal(flow_upkeep_expire(&u, T0 + 10 * MSEC + 20 * MSEC + FLOW_REORDER_USEC), FLOW_UPKEEP_ROTATE);
}

/* When a notice goes out, without an answer. */
static void test_repetitions(void **state) {
        static const usec_t at_msec[] = { 0, 100, 300, 700, 1500, 3100, 5100, 7100 };
        FlowUpkeep u;

        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        flow_upkeep_move(&u, 5, T0);
        for (size_t i = 0; i < ELEMENTSOF(at_msec); i++) {
                assert_true(flow_upkeep_next(&u) == T0 + at_msec[i] * MSEC);
                assert_int_equal(flow_upkeep_expire(&u, T0 + at_msec[i] * MSEC - (i > 0)), i > 0 ? FLOW_UPKEEP_NOTHING
                                                                                               : FLOW_UPKEEP_SAY_MOVE);
                if (i > 0)
                        assert_int_equal(flow_upkeep_expire(&u, T0 + at_msec[i] * MSEC), FLOW_UPKEEP_SAY_MOVE);
        }
        assert_true(flow_upkeep_acknowledged(&u, FLOW_NOTICE_MOVE, 5, 0, T0 + 8000 * MSEC));
        assert_int_equal(u.rtt_usec, 0);        /* of which of them it was the answer, nobody knows */
        assert_true(flow_upkeep_next(&u) == T0 + FLOW_ROTATE_USEC);
}

static void test_how_long_the_old_one_is_good(void **state) {
        static const struct {
                const char *name;
                usec_t rtt, good;
                unsigned n_said;
        } rows[] = {
                { "a wire", 100, 200 + FLOW_REORDER_USEC, 1 },
                { "a continent", 80 * MSEC, 160 * MSEC + FLOW_REORDER_USEC, 1 },
                { "a satellite and a half", 1480 * MSEC, FLOW_OLD_MAX_USEC, 1 },
                { "not measured", 150 * MSEC, FLOW_OLD_MAX_USEC, 2 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FlowUpkeep u;

                print_message("%s\n", rows[i].name);
                flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
                flow_upkeep_rotate(&u, 9, T0);
                for (unsigned n = 0; n < rows[i].n_said; n++)
                        assert_int_equal(flow_upkeep_expire(&u, T0 + n * FLOW_NOTICE_FIRST_USEC),
                                         FLOW_UPKEEP_SAY_ROTATE);
                assert_true(u.old_until == USEC_INFINITY);
                assert_true(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 9, 0, T0 + rows[i].rtt));
                assert_true(u.old_until == T0 + rows[i].rtt + rows[i].good);
                assert_int_equal(flow_upkeep_expire(&u, u.old_until - 1), FLOW_UPKEEP_NOTHING);
                assert_int_equal(flow_upkeep_expire(&u, u.old_until), FLOW_UPKEEP_FORGET_OLD);
        }
}

static void test_wrong_acknowledgements(void **state) {
        FlowUpkeep u;

        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        assert_false(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 0, 0, T0));
        flow_upkeep_rotate(&u, 9, T0);
        assert_false(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 9, 0, T0));       /* before it was said */
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_SAY_ROTATE);
        assert_false(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 8, 0, T0));
        assert_false(flow_upkeep_acknowledged(&u, FLOW_NOTICE_MOVE, 9, 0, T0));
        assert_true(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 9, 0, T0));
        assert_false(flow_upkeep_acknowledged(&u, FLOW_NOTICE_ROTATE, 9, 0, T0));
}

/* The peer wants to be shown that we are where we say: at once, and then again until it is content. */
static void test_challenged(void **state) {
        static const struct {
                const char *name;
                uint64_t address, challenge;
                bool counts;
        } rows[] = {
                { "of another address", 6, 100, false },
                { "the first", 5, 100, true },
                { "the same again", 5, 100, false },
                { "another, as the peer's process is another one", 5, 101, true },
        };
        usec_t now = T0 + 10 * MSEC;
        FlowUpkeep u;

        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        assert_false(flow_upkeep_challenged(&u, 0, 100, T0));                           /* nothing is said */
        flow_upkeep_move(&u, 5, T0);
        assert_false(flow_upkeep_challenged(&u, 5, 100, T0));                           /* not yet */
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_SAY_MOVE);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                print_message("%s\n", rows[i].name);
                now += MSEC;
                assert_int_equal(flow_upkeep_challenged(&u, rows[i].address, rows[i].challenge, now), rows[i].counts);
                assert_int_equal(flow_upkeep_expire(&u, now),
                                 rows[i].counts ? FLOW_UPKEEP_SAY_MOVE : FLOW_UPKEEP_NOTHING);
                if (rows[i].counts)
                        assert_int_equal(u.notices[FLOW_NOTICE_MOVE].challenge, rows[i].challenge);
        }
        assert_int_equal(u.rtt_usec, 12 * MSEC);                                        /* until the first challenge */
        assert_int_equal(flow_upkeep_expire(&u, now + FLOW_NOTICE_FIRST_USEC - 1), FLOW_UPKEEP_NOTHING);
        assert_int_equal(flow_upkeep_expire(&u, now + FLOW_NOTICE_FIRST_USEC), FLOW_UPKEEP_SAY_MOVE);
        assert_true(flow_upkeep_acknowledged(&u, FLOW_NOTICE_MOVE, 5, 0, now + 2 * FLOW_NOTICE_FIRST_USEC));
        assert_int_equal(flow_upkeep_expire(&u, now + 100 * FLOW_NOTICE_FIRST_USEC), FLOW_UPKEEP_NOTHING);

        /* What was asked about one move is nothing to the next one. */
        flow_upkeep_move(&u, 5, now);
        assert_int_equal(u.notices[FLOW_NOTICE_MOVE].challenge, 0);
}

static void test_is_told(void **state) {
        FlowUpkeep u;

        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        assert_true(flow_upkeep_is_told(&u, 1, 1));
        assert_false(flow_upkeep_is_told(&u, 1, 2));
        flow_upkeep_move(&u, 2, T0);
        assert_true(flow_upkeep_is_told(&u, 1, 2));
        assert_false(flow_upkeep_is_told(&u, 1, 1));            /* it may have heard that we left */
}

/* What is new by notices that are the peer's own, one after the other, and what it hears. We have said, and say again
 * until it is understood, that we are at 5 and that our endpoint id is 70; the peer was at 10. */
static void test_heard(void **state) {
        static const struct {
                const char *name;
                FlowNoticeKind kind;
                FlowNoticeText notice;
                FlowNews news;
                bool answered;
                uint64_t challenge;
        } rows[] = {
                { "where it was", FLOW_NOTICE_MOVE, { .value = 10 }, FLOW_NEWS_NONE, true, 0 },
                { "elsewhere", FLOW_NOTICE_MOVE, { .value = 11 }, FLOW_NEWS_NONE, true, 99 },
                { "again", FLOW_NOTICE_MOVE, { .value = 11 }, FLOW_NEWS_NONE, true, 99 },
                { "shown wrongly", FLOW_NOTICE_MOVE, { .value = 11, .challenge = 98 }, FLOW_NEWS_NONE, true, 99 },
                { "another id meanwhile", FLOW_NOTICE_ROTATE, { .value = 80, .challenge = 99 },
                  FLOW_NEWS_ENDPOINT, true, 0 },
                { "shown", FLOW_NOTICE_MOVE, { .value = 11, .challenge = 99 }, FLOW_NEWS_ADDRESS, true, 0 },
                { "back again", FLOW_NOTICE_MOVE, { .value = 10 }, FLOW_NEWS_NONE, true, 0 },
                { "wants to be shown that we are there", FLOW_NOTICE_MOVE,
                  { .acknowledges = true, .value = 5, .challenge = 42 }, FLOW_NEWS_NONE, false, 0 },
                { "understands something else", FLOW_NOTICE_MOVE, { .acknowledges = true, .value = 6 },
                  FLOW_NEWS_NONE, false, 0 },
                { "understands where we are", FLOW_NOTICE_MOVE, { .acknowledges = true, .value = 5 },
                  FLOW_NEWS_OUR_ADDRESS, false, 0 },
                { "twice", FLOW_NOTICE_MOVE, { .acknowledges = true, .value = 5 }, FLOW_NEWS_NONE, false, 0 },
                { "understands our id", FLOW_NOTICE_ROTATE, { .acknowledges = true, .value = 70 },
                  FLOW_NEWS_OUR_ENDPOINT, false, 0 },
        };
        const FlowNoticeContext context = { .peer_address = 10, .bytes = 100, .random = 99 };
        FlowUpkeep u;

        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        flow_upkeep_move(&u, 5, T0);
        flow_upkeep_rotate(&u, 70, T0);
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_SAY_MOVE);
        assert_int_equal(flow_upkeep_expire(&u, T0), FLOW_UPKEEP_SAY_ROTATE);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                FlowNoticeText answer;

                print_message("%s\n", rows[i].name);
                assert_int_equal(flow_upkeep_heard(&u, rows[i].kind, &rows[i].notice, &context, T0 + i, &answer),
                                 rows[i].news);
                assert_int_equal(answer.acknowledges, rows[i].answered);
                assert_true(answer.value == (rows[i].answered ? rows[i].notice.value : 0));
                assert_true(answer.challenge == rows[i].challenge);
                if (rows[i].notice.acknowledges && rows[i].notice.challenge != 0) {
                        assert_int_equal(flow_upkeep_expire(&u, T0 + i), FLOW_UPKEEP_SAY_MOVE);
                        assert_int_equal(flow_upkeep_said(&u, FLOW_NOTICE_MOVE).challenge, 42);
                        assert_int_equal(flow_upkeep_said(&u, FLOW_NOTICE_MOVE).value, 5);
                }
        }
}

static void test_ask(void **state) {
        static const struct {
                const char *name;
                bool active, confirmed, moving, asks;
        } rows[] = {
                { "a peer with keys", true, true, false, true },
                { "one that may have none", true, false, false, false },
                { "one without", false, false, false, false },
                { "asked already", true, true, true, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const FlowControl control = { .present = true, .confirmed = rows[i].confirmed };
                FlowUpkeep u = {};

                print_message("%s\n", rows[i].name);
                if (rows[i].active)
                        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
                if (rows[i].moving)
                        flow_upkeep_move(&u, 4, T0);
                assert_int_equal(flow_upkeep_ask(&u, &control, 5, T0), rows[i].asks);
                assert_true(u.notices[FLOW_NOTICE_MOVE].value == (rows[i].asks ? 5 : rows[i].moving ? 4 : 0));
        }
}

static void probe(FlowUpkeep *u, Liveness *l, usec_t now) {
        assert_true(flow_upkeep_should_probe(u, l, now));
        flow_upkeep_move(u, 1, now);
        assert_false(flow_upkeep_should_probe(u, l, now));
        assert_int_equal(flow_upkeep_expire(u, now), FLOW_UPKEEP_SAY_MOVE);
        assert_true(flow_upkeep_acknowledged(u, FLOW_NOTICE_MOVE, 1, l->heard, now));
        liveness_heard(l, now);
}

static void test_probes(void **state) {
        usec_t now = T0;
        FlowUpkeep u;
        Liveness l;

        liveness_init(&l, 120000, T0);
        flow_upkeep_init(&u, &FLOW_UPKEEP_LIMITS, T0);
        assert_false(flow_upkeep_should_probe(&u, &l, T0 + FLOW_PROBE_FIRST_USEC - 1));

        /* The first answer comes after a peer that had said something; then it is silent but for answers. */
        for (usec_t pause = FLOW_PROBE_FIRST_USEC; pause < FLOW_PROBE_LAST_USEC; pause *= 2) {
                assert_false(flow_upkeep_should_probe(&u, &l, now + pause - 1));
                now += pause;
                probe(&u, &l, now);
                if (pause == FLOW_PROBE_FIRST_USEC && u.probe_usec == FLOW_PROBE_FIRST_USEC) {
                        now += pause;
                        probe(&u, &l, now);
                }
        }
        assert_int_equal(u.probe_usec, FLOW_PROBE_LAST_USEC);

        /* It speaks again. */
        liveness_heard(&l, now + 1);
        now += 1 + FLOW_PROBE_LAST_USEC;
        probe(&u, &l, now);
        assert_int_equal(u.probe_usec, FLOW_PROBE_FIRST_USEC);
}

static void test_notice_bytes(void **state) {
        static const struct {
                const char *name;
                size_t size;
                uint8_t first;
                int r;
        } rows[] = {
                { "said", FLOW_NOTICE_BYTES, 0, 0 },
                { "understood", FLOW_NOTICE_BYTES, 1, 0 },
                { "neither", FLOW_NOTICE_BYTES, 2, -EPROTO },
                { "all ones", FLOW_NOTICE_BYTES, 0xff, -EPROTO },
                { "cut short", FLOW_NOTICE_BYTES - 1, 0, -EBADMSG },
                { "nothing", 0, 0, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t again[FLOW_NOTICE_BYTES], bytes[FLOW_NOTICE_BYTES] = {
                        rows[i].first, 1, 2, 3, 4, 5, 6, 7, 8, 'l', 'o', 'c', 'k', [25] = 0xC0, [32] = 1,
                };
                Cursor c = cursor_from(bytes, rows[i].size);
                Writer w = writer_to(again, sizeof(again));
                FlowNoticeText text;

                print_message("%s\n", rows[i].name);
                assert_int_equal(flow_notice_read(&c, &text), rows[i].r);
                if (rows[i].r < 0)
                        continue;

                assert_int_equal(text.acknowledges, rows[i].first);
                assert_true(text.value == UINT64_C(0x0102030405060708));
                assert_true(text.challenge == UINT64_C(0xC000000000000001));
                flow_notice_write(&w, &text);
                assert_int_equal(w.written, FLOW_NOTICE_BYTES);
                assert_memory_equal(again, bytes, sizeof(bytes));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_inactive),
                cmocka_unit_test(test_rotation_by_time),
                cmocka_unit_test(test_rotation_by_packets),
                cmocka_unit_test(test_repetitions),
                cmocka_unit_test(test_how_long_the_old_one_is_good),
                cmocka_unit_test(test_wrong_acknowledgements),
                cmocka_unit_test(test_challenged),
                cmocka_unit_test(test_is_told),
                cmocka_unit_test(test_heard),
                cmocka_unit_test(test_ask),
                cmocka_unit_test(test_probes),
                cmocka_unit_test(test_notice_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
