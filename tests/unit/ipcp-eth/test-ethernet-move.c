/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow follows its peer to another hardware address, once the peer has shown that it is there. Every message of that
 * is lost once, then any of them; peers name addresses that are others', others hold moves back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 120000U
#define OAP_BYTES 36U
#define A_FLOW 1U
#define B_FLOW 1001U

typedef struct Test {
        Wire wire;
        Station *a, *b, *c;             /* a asked b for the flow; c is nobody of theirs */
        unsigned n_moves;               /* messages of a move that went by */
        uint64_t lost;                  /* bit n: the nth is lost */
        unsigned loss_percent;          /* of everything */
        uint32_t seed;
        WireFrame held[8];              /* the last of these messages */
        size_t bytes_to_c, data_to_c, bytes_in_name_of_c;
} Test;

static unsigned fate(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        Test *t = container_of(wire, Test, wire);
        const FrameOps *ops = frame_ops(wire->framing);
        const FrameAddress c = station_address(2);
        ManagementMessage message;
        Frame parsed;

        assert_true(ops->parse(0xA000, frame->bytes, frame->size, &parsed) >= 0);
        t->bytes_to_c += frame_address_equal(&parsed.destination, &c) ? frame->size : 0;
        t->data_to_c += frame_address_equal(&parsed.destination, &c) && !parsed.management ? frame->size : 0;
        t->bytes_in_name_of_c += frame_address_equal(&parsed.source, &c) ? frame->size : 0;

        if (parsed.management &&
            management_parse(ops, 32, frame->bytes + parsed.payload_offset, parsed.payload_size, &message) >= 0 &&
            message.code == MANAGEMENT_MOVE) {
                t->held[t->n_moves % ELEMENTSOF(t->held)] = *frame;
                if (t->n_moves < 64 && t->lost >> t->n_moves++ & 1)
                        return 0;
        }

        t->seed = t->seed * 1664525U + 1013904223U;
        return t->seed >> 16 >= 65536U * t->loss_percent / 100;
}

static int setup(void **state) {
        Test *t = calloc(1, sizeof(*t));

        if (!t)
                return -1;

        wire_init(&t->wire, *(const Framing *) *state, 3);
        t->a = &t->wire.stations[0];
        t->b = &t->wire.stations[1];
        t->c = &t->wire.stations[2];
        wire_connect_with_keys(&t->wire, t->a, t->b, A_FLOW, TIMEOUT_MS, OAP_BYTES);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        t->wire.fate = fate;
        *state = t;
        return 0;
}

static int teardown(void **state) {
        Test *t = *state;

        wire_done(&t->wire);
        free(t);
        return 0;
}

static EthernetFlow *at_a(const Test *t) {
        return station_flow(t->a, A_FLOW, 0);
}

static EthernetFlow *at_b(const Test *t) {
        return station_flow(t->b, B_FLOW, 0);
}

/* Data goes both ways. */
static void assert_unharmed(Test *t) {
        unsigned n[] = { t->a->n_data, t->b->n_data };

        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_int_equal(station_write(t->a, A_FLOW, "to b", 4), 1);
        assert_int_equal(station_write(t->b, B_FLOW, "to a", 4), 1);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->a->n_data, n[0] + 1);
        assert_int_equal(t->b->n_data, n[1] + 1);
}

static FrameAddress address_of(unsigned number) {
        return (FrameAddress) { .bytes = { 0x02, 0, 0, 1, (uint8_t) (number >> 8), (uint8_t) number } };
}

static void move(Test *t, Station *station, const FrameAddress *address) {
        t->n_moves = 0;
        station_set_link(station, true, address, 1500);
}

/* -- loss -- */

/* Four messages where nothing is lost: said, asked, shown, understood. Whatever of them is lost, the flow follows. */
static void test_loss_of_each(void **state) {
        Test *t = *state;
        static const struct {
                const char *name;
                uint64_t lost;
        } rows[] = {
                { "none", 0 },          { "said", 1 },                  { "asked", 2 },
                { "shown", 4 },         { "understood", 8 },            { "said, twice", 3 },
                { "asked, twice", 10 }, { "shown, and once more", 36 }, { "understood, twice", 40 },
                { "every other", 0x155 },
        };

        for (unsigned i = 0; i < ELEMENTSOF(rows); i++) {
                const FrameAddress address = address_of(i);

                print_message("%s\n", rows[i].name);
                t->lost = rows[i].lost;
                move(t, t->a, &address);
                if (rows[i].lost == 0) {
                        wire_run(&t->wire, 4 * WIRE_DELAY_USEC);
                        assert_int_equal(t->n_moves, 4);
                } else
                        wire_run(&t->wire, 8 * USEC_PER_SEC);
                assert_true(frame_address_equal(&at_b(t)->peer, &address));
                assert_true(frame_address_equal(&at_a(t)->local, &address));
                assert_int_equal(t->b->ethernet.upkeep_counters.followed, i + 1);
                assert_false(at_b(t)->upkeep.path.active);
                assert_unharmed(t);
        }
        assert_int_equal(t->b->ethernet.upkeep_counters.not_followed, 0);
}

static void test_loss_of_any(void **state) {
        Test *t = *state;

        for (unsigned i = 0; i < 300; i++) {
                Station *mover = i % 2 ? t->a : t->b;
                const FrameAddress address = address_of(i);
                const EthernetFlow *other = i % 2 ? at_b(t) : at_a(t);

                t->loss_percent = i % 60;
                move(t, mover, &address);
                for (unsigned n = 0; n < 60 && !frame_address_equal(&other->peer, &address); n++)
                        wire_run(&t->wire, USEC_PER_SEC);
                t->loss_percent = 0;
                wire_run(&t->wire, 5 * USEC_PER_SEC);
                assert_true(frame_address_equal(&other->peer, &address));
                assert_unharmed(t);
        }
}

/* Until it has shown that it is there, its data goes where it went. */
static void test_data_meanwhile(void **state) {
        Test *t = *state;
        const FrameAddress old = station_address(0), address = address_of(1);

        t->lost = UINT64_MAX & ~UINT64_C(1);            /* nothing but what is said first */
        move(t, t->a, &address);
        wire_run(&t->wire, 50 * USEC_PER_MSEC);
        assert_true(at_b(t)->upkeep.path.active);
        assert_true(frame_address_equal(&at_b(t)->peer, &old));
        assert_true(frame_address_equal(&at_a(t)->local, &old));
        assert_int_equal(station_write(t->a, A_FLOW, "to b", 4), 1);    /* taken, from there */
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->b->n_data, 1);
}

/* -- where it is not -- */

/* What the peer itself would say, from an address of its choice. */
static void say_as_a(Test *t, const FrameAddress *from, uint64_t value, uint64_t shown) {
        const FrameAddress to = station_address(1);
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        EthernetFlow *flow = at_a(t);
        ManagementMessage message = {
                .code = MANAGEMENT_MOVE,
                .sender = flow->endpoint,
                .receiver = flow->peer_endpoint,
                .notice = { .value = value, .challenge = shown },
        };
        FlowControlText text;

        assert_int_equal(flow_own_lock(flow, &to, message.notice.lock), 0);
        management_text(&message, content, &text);
        assert_int_equal(flow_control_prove(&flow->layer.control, &text, &message.proof), 0);
        message.has_proof = true;
        assert_true(eth_send_message(&t->a->ethernet, &to, from, &message));
        wire_run(&t->wire, USEC_PER_MSEC);
}

/* A peer that has the keys, and names somebody who never heard of it. It gets nothing but questions, of no more bytes
 * than were sent in its name; data goes on to the peer. */
static void test_names_a_victim(void **state) {
        Test *t = *state;
        const FrameAddress a = station_address(0), c = station_address(2);

        for (unsigned i = 0; i < 200; i++) {
                say_as_a(t, &c, 0x020000000003, i % 3 == 0 ? 0 : 1000 + i);
                assert_true(at_b(t)->upkeep.path.active);
                assert_true(frame_address_equal(&at_b(t)->peer, &a));
                for (unsigned n = 0; n < 10; n++)
                        assert_int_equal(station_write(t->b, B_FLOW, "a flood, were it for c", 22), 1);
                wire_run(&t->wire, USEC_PER_MSEC);
                assert_true(t->bytes_to_c > 0 && t->bytes_to_c <= FLOW_PATH_AMPLIFICATION * t->bytes_in_name_of_c);
        }
        assert_int_equal(t->data_to_c, 0);
        assert_int_equal(t->a->n_data, 2000);
        assert_int_equal(t->b->ethernet.upkeep_counters.followed, 0);

        wire_run(&t->wire, FLOW_PATH_KEEP_USEC);
        assert_false(at_b(t)->upkeep.path.active);
        assert_int_equal(t->b->ethernet.upkeep_counters.not_followed, 1);
        assert_unharmed(t);
}

/* Notices of ours are part of what it may get. */
static void test_notices_to_a_victim(void **state) {
        Test *t = *state;
        const FrameAddress c = station_address(2);

        say_as_a(t, &c, 0x020000000003, 0);
        at_b(t)->upkeep.limits.usec = 10 * USEC_PER_MSEC;       /* time for another endpoint id */
        ethernet_flow_watch_again(at_b(t));
        t->lost = UINT64_MAX;
        wire_run(&t->wire, FLOW_PATH_KEEP_USEC - 10 * USEC_PER_MSEC);
        assert_true(at_b(t)->upkeep.path.active);
        assert_true(t->bytes_to_c > t->bytes_in_name_of_c);
        assert_true(t->bytes_to_c <= FLOW_PATH_AMPLIFICATION * t->bytes_in_name_of_c);
        assert_int_equal(at_b(t)->next_endpoint, 0);    /* a has heard of it, where it is */
        assert_unharmed(t);
}

static void test_shown_wrongly(void **state) {
        Test *t = *state;
        const FrameAddress a = station_address(0), c = station_address(2);
        uint64_t challenge, malformed;

        say_as_a(t, &c, 0x020000000003, 0);
        challenge = at_b(t)->upkeep.path.challenge;
        malformed = t->b->ethernet.counters.drops[DROP_MALFORMED];

        say_as_a(t, &c, 0x020000000003, challenge ^ 1);
        say_as_a(t, &a, 0x020000000003, challenge);     /* right, and not from there */
        assert_int_equal(t->b->ethernet.counters.drops[DROP_MALFORMED], malformed + 1);
        assert_true(frame_address_equal(&at_b(t)->peer, &a));
        say_as_a(t, &a, 0x020000000001, 0);             /* it is where it was: what it said before is over */
        say_as_a(t, &c, 0x020000000003, challenge);
        assert_int_not_equal(at_b(t)->upkeep.path.challenge, challenge);
        assert_true(frame_address_equal(&at_b(t)->peer, &a));
        assert_unharmed(t);
}

/* Somebody on the way keeps what was said from an address, and lets it through when another host is there. */
static void test_held_back(void **state) {
        Test *t = *state;
        const FrameAddress a = station_address(0), elsewhere = address_of(9);
        WireFrame held;

        t->lost = UINT64_MAX;
        move(t, t->a, &elsewhere);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->n_moves, 1);
        held = t->held[0];
        station_set_link(t->a, true, &a, 1500);         /* back home, where it says so, and is not heard */
        wire_run(&t->wire, 50 * USEC_PER_MSEC);
        wire_inject(&t->wire, t->c, held.bytes, held.size);
        t->lost = 0;
        wire_inject(&t->wire, t->c, held.bytes, held.size);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_true(at_b(t)->upkeep.path.active);
        assert_true(frame_address_equal(&at_b(t)->peer, &a));
        assert_unharmed(t);

        wire_run(&t->wire, 5 * USEC_PER_SEC);           /* then it is heard again */
        assert_false(at_b(t)->upkeep.path.active);
        assert_int_equal(t->b->ethernet.upkeep_counters.followed, 0);
        assert_unharmed(t);
}

/* -- there and back, and both -- */

static void test_back_at_once(void **state) {
        Test *t = *state;
        const FrameAddress a = station_address(0), elsewhere = address_of(9);
        uint64_t malformed = t->b->ethernet.counters.drops[DROP_MALFORMED];

        t->lost = 2;                                    /* b has heard of it, and a not that it has */
        move(t, t->a, &elsewhere);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_true(at_b(t)->upkeep.path.active);
        station_set_link(t->a, true, &a, 1500);
        wire_run(&t->wire, USEC_PER_SEC);
        assert_false(at_b(t)->upkeep.path.active);
        assert_false(at_a(t)->upkeep.notices[FLOW_NOTICE_MOVE].active);
        assert_int_equal(t->b->ethernet.counters.drops[DROP_MALFORMED], malformed);
        assert_unharmed(t);
}

/* The other one goes, too, when it has heard of the first, and asked, but not been shown: each is told where the other
 * one is. */
static void test_both(void **state) {
        Test *t = *state;
        const FrameAddress new_a = address_of(1), new_b = address_of(2);

        move(t, t->a, &new_a);
        wire_run(&t->wire, WIRE_DELAY_USEC);
        assert_true(at_b(t)->upkeep.path.active);
        station_set_link(t->b, true, &new_b, 1500);
        wire_run(&t->wire, 10 * USEC_PER_SEC);
        assert_true(frame_address_equal(&at_b(t)->peer, &new_a));
        assert_true(frame_address_equal(&at_a(t)->peer, &new_b));
        assert_unharmed(t);
}

/* The process that asked is another one when it is shown: it asks again. */
static void test_asked_by_another_process(void **state) {
        Test *t = *state;
        const FrameAddress address = address_of(1);

        t->lost = 4;
        move(t, t->a, &address);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->n_moves, 3);
        flow_path_forget(&at_b(t)->upkeep.path);        /* all that is not kept */
        wire_run(&t->wire, USEC_PER_SEC);
        assert_true(frame_address_equal(&at_b(t)->peer, &address));
        assert_unharmed(t);
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
#define BOTH(test)                                                                                                \
        { #test " (DIX)", test, setup, teardown, (void *) &dix },                                                 \
        { #test " (LLC)", test, setup, teardown, (void *) &llc }
        const struct CMUnitTest tests[] = {
                BOTH(test_loss_of_each),
                BOTH(test_loss_of_any),
                BOTH(test_data_meanwhile),
                BOTH(test_names_a_victim),
                BOTH(test_notices_to_a_victim),
                BOTH(test_shown_wrongly),
                BOTH(test_held_back),
                BOTH(test_back_at_once),
                BOTH(test_both),
                BOTH(test_asked_by_another_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
