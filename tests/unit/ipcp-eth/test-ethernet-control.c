/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What hosts with control keys say to each other about a flow of theirs, and what others say in their place: closes,
 * rotations, moves and resets, forged, replayed, reflected, lost and late.
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
        unsigned loss_percent;
        uint32_t seed;
        unsigned n_lost[2];             /* data, by sender */
        WireFrame kept[64];             /* control messages as they went by */
        unsigned n_kept;
        bool swallow;                   /* control messages get no further */
} Test;

static bool is_control(Wire *wire, const WireFrame *frame, Frame *ret_frame, ManagementMessage *ret) {
        const FrameOps *ops = frame_ops(wire->framing);

        return ops->parse(0xA000, frame->bytes, frame->size, ret_frame) >= 0 && ret_frame->management &&
               management_parse(ops, 32, frame->bytes + ret_frame->payload_offset, ret_frame->payload_size, ret) >= 0 &&
               ret->code >= MANAGEMENT_CLOSE;
}

static unsigned fate(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        Test *t = container_of(wire, Test, wire);
        ManagementMessage message;
        Frame parsed;

        if (is_control(wire, frame, &parsed, &message)) {
                t->kept[t->n_kept++ % ELEMENTSOF(t->kept)] = *frame;
                if (t->swallow)
                        return 0;
        }

        t->seed = t->seed * 1664525U + 1013904223U;
        if (t->seed >> 16 < 65536U * t->loss_percent / 100) {
                if (!parsed.management && parsed.payload_size > 0)
                        t->n_lost[frame->from != t->a]++;
                return 0;
        }
        return 1;
}

static int setup(void **state) {
        Test *t = calloc(1, sizeof(*t));

        if (!t)
                return -1;
        wire_init(&t->wire, *(const Framing *) *state, 3);
        t->a = &t->wire.stations[0];
        t->b = &t->wire.stations[1];
        t->c = &t->wire.stations[2];
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

static uint64_t drops(const Station *s, DropReason reason) {
        return s->ethernet.counters.drops[reason];
}

/* Data goes both ways, as from the first moment on. */
static void assert_unharmed(Test *t) {
        unsigned n[] = { t->a->n_data, t->b->n_data };

        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_int_equal(station_write(t->a, A_FLOW, "to b", 4), 1);
        assert_int_equal(station_write(t->b, B_FLOW, "to a", 4), 1);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->a->n_data, n[0] + 1);
        assert_int_equal(t->b->n_data, n[1] + 1);
}

static void connect_ends(Test *t) {
        wire_connect_with_keys(&t->wire, t->a, t->b, A_FLOW, TIMEOUT_MS, OAP_BYTES);
        assert_true(station_flow(t->b, B_FLOW, 0)->layer.control.confirmed);
        assert_true(station_flow(t->b, B_FLOW, 0)->layer.have_lock);
        assert_unharmed(t);
}

/* -- close -- */

static void test_close(void **state) {
        Test *t = *state;

        connect_ends(t);
        ethernet_close(&t->a->ethernet, &station_flow(t->a, A_FLOW, 0)->layer, t->wire.now);
        assert_false(station_flow(t->a, A_FLOW, 0)->layer.control.present);     /* wiped, and yet it is said again */
        wire_run(&t->wire, 2 * USEC_PER_SEC);
        assert_int_equal(t->b->n_downs, 1);
        assert_int_equal(t->b->downs[0].reason, CLOSE_NORMAL);
        assert_int_equal(t->wire.n_codes[MANAGEMENT_CLOSE], 1 + FLOW_CLOSE_REPEATS);
        assert_int_equal(drops(t->b, DROP_FORGED), 0);
        wire_run(&t->wire, 300 * USEC_PER_SEC);
        assert_int_equal(shim_endpoints_n_free(t->b->ethernet.endpoints),
                         t->b->ethernet.framing->endpoint_max - t->b->ethernet.framing->endpoint_min + 1U);
}

static void test_close_lost_twice(void **state) {
        Test *t = *state;

        connect_ends(t);
        t->swallow = true;
        ethernet_close(&t->b->ethernet, &station_flow(t->b, B_FLOW, 0)->layer, t->wire.now);
        wire_run(&t->wire, 200 * USEC_PER_MSEC);
        t->swallow = false;
        wire_run(&t->wire, USEC_PER_SEC);
        assert_int_equal(t->a->n_downs, 1);
}

/* The peer gave up before it had the keys: its token does, and only then. */
static void test_close_before_keys(void **state) {
        Test *t = *state;
        Station *a = t->a, *b = t->b;
        LayerMessage order = { .type = LAYER_ACCEPT, .flow_id = B_FLOW, .control = wire_keys(false) };

        order.tokens = (CloseTokens) { .have_own = true, .have_peer = true, .own = { 0xB2 }, .peer = { 0xA1 } };
        assert_true(ethernet_register(&b->ethernet, wire_hash('n'), 32) >= 0);
        station_request(a, A_FLOW, 0, 'n', (const char[OAP_BYTES]) { 1 }, OAP_BYTES, TIMEOUT_MS);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        order.reference = b->incoming[0];
        assert_int_equal(ethernet_accept(&b->ethernet, &order, t->wire.now), 0);
        station_establish(b, B_FLOW, 0, 0, 0);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        station_abort(a, A_FLOW, 0, 0xA1, 0xB2);
        wire_run(&t->wire, 10 * USEC_PER_MSEC);
        assert_int_equal(b->n_downs, 1);
}

/* -- what others say -- */

static void send_as(Test *t, const Station *from, const Station *to, const ManagementMessage *message) {
        const FrameAddress addresses[] = { station_address(from->number), station_address(to->number) };

        (void) eth_send_message(&t->c->ethernet, &addresses[1], &addresses[0], message);
        wire_run(&t->wire, USEC_PER_MSEC);
}

/* By one who sees all that is said, knows ids, addresses and tokens, and has no key. */
static void test_forged(void **state) {
        Test *t = *state;
        static const uint8_t token_of_b[CLOSE_TOKEN_BYTES] = { 0xB2 }, reset[FLOW_RESET_BYTES] = { 1 };
        const EthernetFlow *at_a, *at_b;
        uint16_t endpoint, peer;
        uint64_t forged;

        connect_ends(t);
        at_a = station_flow(t->a, A_FLOW, 0);
        at_b = station_flow(t->b, B_FLOW, 0);
        endpoint = at_b->endpoint;
        peer = at_a->endpoint;

        const struct {
                const char *name;
                ManagementMessage message;
        } rows[] = {
                { "close by its token", { .code = MANAGEMENT_CLOSE, .token = token_of_b } },
                { "close with a proof of nothing", { .code = MANAGEMENT_CLOSE, .token = token_of_b,
                                                     .has_proof = true } },
                { "close from far ahead", { .code = MANAGEMENT_CLOSE, .token = token_of_b, .has_proof = true,
                                            .proof.counter = UINT64_MAX } },
                { "rotation", { .code = MANAGEMENT_ROTATE, .has_proof = true, .proof.counter = 99,
                                .notice.value = 200 } },
                { "acknowledged rotation",
                  { .code = MANAGEMENT_ROTATE, .has_proof = true, .proof.counter = 99,
                    .notice = { .acknowledges = true, .value = 200 } } },
                { "move", { .code = MANAGEMENT_MOVE, .has_proof = true, .proof.counter = 99,
                            .notice.value = 0x020000000003 } },
                { "reset", { .code = MANAGEMENT_RESET, .token = reset } },
                { "reset with the lock for a token", { .code = MANAGEMENT_RESET, .token = at_b->layer.lock } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ManagementMessage message = rows[i].message;

                print_message("%s\n", rows[i].name);
                message.sender = peer;
                message.receiver = endpoint;
                forged = drops(t->b, DROP_FORGED);
                send_as(t, t->a, t->b, &message);
                assert_int_equal(drops(t->b, DROP_FORGED), forged + 1);
                assert_int_equal(at_b->peer_endpoint, peer);
                assert_true(frame_address_equal(&at_b->peer, &(FrameAddress) { .bytes = { 2, 0, 0, 0, 0, 1 } }));
                assert_unharmed(t);
        }
}

/* A late reply, and another one: the flow is as it was. */
static void test_second_reply(void **state) {
        Test *t = *state;
        EthernetFlow *at_a;
        unsigned n_replies;

        connect_ends(t);
        at_a = station_flow(t->a, A_FLOW, 0);
        n_replies = t->a->n_replies;
        send_as(t, t->b, t->a,
                &(ManagementMessage){ .code = MANAGEMENT_FLOW_REPLY,
                                      .sender = 33,
                                      .receiver = at_a->endpoint,
                                      .oap = (const uint8_t *) "x",
                                      .oap_size = 1 });
        send_as(t, t->b, t->a, &(ManagementMessage) {
                .code = MANAGEMENT_FLOW_REPLY, .sender = 33, .receiver = at_a->endpoint, .response = -1000 });
        assert_int_equal(t->a->n_replies, n_replies);
        assert_int_equal(drops(t->a, DROP_UNKNOWN_ENDPOINT), 2);
        assert_unharmed(t);
}

/* Everything that was ever said, said again by somebody: to whom it was said, and to whom it was not. */
static void test_replayed_and_reflected(void **state) {
        Test *t = *state;
        uint64_t replayed, forged;
        unsigned n;

        t->a->ethernet.upkeep = t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX,
                                                                             .usec = USEC_PER_SEC };
        connect_ends(t);
        wire_run(&t->wire, 3 * USEC_PER_SEC);
        n = t->n_kept;
        assert_true(n > 6 && n < ELEMENTSOF(t->kept));

        replayed = drops(t->a, DROP_REPLAYED) + drops(t->b, DROP_REPLAYED);
        forged = drops(t->a, DROP_FORGED) + drops(t->b, DROP_FORGED);
        for (unsigned i = 0; i < n; i++) {
                WireFrame frame = t->kept[i];

                wire_inject(&t->wire, t->c, frame.bytes, frame.size);
                memcpy(frame.bytes, t->kept[i].bytes + FRAME_ADDRESS_BYTES, FRAME_ADDRESS_BYTES);
                memcpy(frame.bytes + FRAME_ADDRESS_BYTES, t->kept[i].bytes, FRAME_ADDRESS_BYTES);
                wire_inject(&t->wire, t->c, frame.bytes, frame.size);
                wire_run(&t->wire, USEC_PER_MSEC);
        }
        assert_true(drops(t->a, DROP_REPLAYED) + drops(t->b, DROP_REPLAYED) > replayed);
        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_true(drops(t->a, DROP_FORGED) + drops(t->b, DROP_FORGED) >= forged);
        assert_unharmed(t);

        /* Back at the end that said it, with that end's own id: another key. */
        EthernetFlow *at_a = station_flow(t->a, A_FLOW, 0);
        ManagementMessage message = { .code = MANAGEMENT_MOVE, .sender = at_a->peer_endpoint,
                                      .receiver = at_a->endpoint,
                                      .notice.value = 0x020000000002 };
        uint8_t content[FLOW_CONTROL_CONTENT_BYTES_MAX];
        FlowControl own = at_a->layer.control;
        FlowControlText text;

        management_text(&message, content, &text);
        assert_int_equal(flow_control_prove(&own, &text, &message.proof), 0);
        message.has_proof = true;
        forged = drops(t->a, DROP_FORGED);
        send_as(t, t->b, t->a, &message);
        assert_int_equal(drops(t->a, DROP_FORGED), forged + 1);
        assert_unharmed(t);
}

/* -- rotation -- */

/* Every 100 ms, under traffic both ways, with one packet in twenty lost: no more is lost than on the way. */
static void test_rotation(void **state) {
        Test *t = *state;
        Wire *w = &t->wire;
        uint16_t endpoint, last[2] = {};
        unsigned n[2], lost[2], n_rotations = 0;
        const unsigned n_packets = 20000;

        t->a->ethernet.upkeep = t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX,
                                                                             .usec = 100 * USEC_PER_MSEC };
        connect_ends(t);
        n[0] = t->b->n_data;
        n[1] = t->a->n_data;
        t->loss_percent = 5;

        for (unsigned i = 0; i < n_packets; i++) {
                assert_int_equal(station_write(t->a, A_FLOW, "a", 1), 1);
                assert_int_equal(station_write(t->b, B_FLOW, "b", 1), 1);
                wire_run(w, USEC_PER_MSEC);
                endpoint = station_flow(t->b, B_FLOW, 0)->endpoint;
                n_rotations += endpoint != last[1];
                last[1] = endpoint;
        }
        t->loss_percent = 0;
        wire_run(w, USEC_PER_SEC);
        memcpy(lost, t->n_lost, sizeof(lost));
        assert_true(lost[0] > n_packets / 40 && lost[1] > n_packets / 40);
        assert_int_equal(t->b->n_data - n[0] + lost[0], n_packets);
        assert_int_equal(t->a->n_data - n[1] + lost[1], n_packets);
        assert_true(n_rotations > 90);
        assert_true(t->b->ethernet.upkeep_counters.rotated >= n_rotations - 1);
        assert_int_equal(drops(t->a, DROP_WRONG_SOURCE) + drops(t->b, DROP_WRONG_SOURCE), 0);
        assert_int_equal(drops(t->a, DROP_UNKNOWN_ENDPOINT) + drops(t->b, DROP_UNKNOWN_ENDPOINT), 0);

        /* No id is kept longer than it is good. */
        assert_true(t->a->ethernet.framing->endpoint_max - t->a->ethernet.framing->endpoint_min + 1U -
                    shim_endpoints_n_free(t->a->ethernet.endpoints) <= 2);
        assert_unharmed(t);
}

/* An id of before that: nobody's. */
static void test_old_id_is_gone(void **state) {
        Test *t = *state;
        uint16_t before;
        uint64_t unknown;

        t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = 10, .usec = 3600 * USEC_PER_SEC };
        connect_ends(t);
        before = station_flow(t->b, B_FLOW, 0)->endpoint;
        for (unsigned i = 0; i < 10; i++)
                assert_unharmed(t);
        assert_int_not_equal(station_flow(t->b, B_FLOW, 0)->endpoint, before);
        assert_int_equal(station_flow(t->b, B_FLOW, 0)->old_endpoint, before);
        wire_run(&t->wire, FLOW_OLD_MAX_USEC + USEC_PER_MSEC);
        assert_int_equal(station_flow(t->b, B_FLOW, 0)->old_endpoint, 0);

        unknown = drops(t->b, DROP_UNKNOWN_ENDPOINT);
        assert_null(shim_endpoints_get(t->b->ethernet.endpoints, before));
        assert_int_equal(unknown, 0);
        assert_unharmed(t);
}

/* -- move -- */

static void test_move(void **state) {
        Test *t = *state;
        const FrameAddress other = { .bytes = { 0x02, 0, 0, 0, 0, 0x77 } },
        another = { .bytes = { 0x02, 0, 0, 0, 0, 0x78 } };

        connect_ends(t);
        station_set_link(t->a, true, &other, 1500);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_true(frame_address_equal(&station_flow(t->b, B_FLOW, 0)->peer, &other));
        assert_true(frame_address_equal(&station_flow(t->a, A_FLOW, 0)->local, &other));
        assert_unharmed(t);

        /* The other end, at once after that, and with the notice lost at first. */
        t->swallow = true;
        station_set_link(t->b, true, &another, 1500);
        wire_run(&t->wire, 250 * USEC_PER_MSEC);
        assert_int_equal(station_write(t->b, B_FLOW, "still", 5), 1);           /* from where a knows us */
        t->swallow = false;
        wire_run(&t->wire, USEC_PER_SEC);
        assert_true(frame_address_equal(&station_flow(t->a, A_FLOW, 0)->peer, &another));
        assert_int_equal(t->a->ethernet.upkeep_counters.followed, 1);

        /* Who serves the name is asked for anew, and found there. */
        wire_connect_with_keys(&t->wire, t->a, t->b, A_FLOW + 1, TIMEOUT_MS, OAP_BYTES);
        assert_true(frame_address_equal(&station_flow(t->a, A_FLOW + 1, 0)->peer, &another));
        assert_int_equal(t->b->ethernet.upkeep_counters.followed, 1);
        assert_unharmed(t);

        ethernet_close(&t->a->ethernet, &station_flow(t->a, A_FLOW, 0)->layer, t->wire.now);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->b->n_downs, 1);
}

/* A peer without keys cannot be told: as before. */
static void test_move_without_keys(void **state) {
        Test *t = *state;
        const FrameAddress other = { .bytes = { 0x02, 0, 0, 0, 0, 0x77 } };

        wire_connect(&t->wire, t->a, t->b, A_FLOW, TIMEOUT_MS, true);
        station_set_link(t->a, true, &other, 1500);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->a->n_downs, 1);
        assert_int_equal(t->b->n_downs, 1);
        assert_int_equal(t->wire.n_codes[MANAGEMENT_MOVE], 0);
}

/* -- reset -- */

/* The other host's process is another one that knows of nothing but its key: the first packet after a silence ends
 * the flow. */
static void lose_flow(Test *t, Station *s, uint64_t flow_id) {
        ethernet_flow_free(station_flow(s, flow_id, 0));
}

static void test_reset(void **state) {
        Test *t = *state;

        for (unsigned side = 0; side < 2; side++) {
                Station *loser = side ? t->a : t->b, *other = side ? t->b : t->a;
                uint64_t lost = side ? A_FLOW + 1 : B_FLOW, left = side ? B_FLOW + 1 : A_FLOW;
                usec_t before;

                wire_connect_with_keys(&t->wire, t->a, t->b, A_FLOW + side, TIMEOUT_MS, OAP_BYTES);
                lose_flow(t, loser, lost);
                wire_run(&t->wire, FLOW_PROBE_FIRST_USEC);
                assert_int_equal(other->n_downs, 0);

                before = t->wire.now;
                assert_int_equal(station_write(other, left, "hello?", 6), 1);
                wire_run(&t->wire, 2 * WIRE_DELAY_USEC);                        /* one round trip */
                if (other->ethernet.framing->endpoint_max <= UINT8_MAX) {
                        assert_int_equal(other->n_downs, 0);                    /* LLC: by its time-out */
                        assert_int_equal(loser->ethernet.upkeep_counters.resets_sent, 0);
                        continue;
                }
                assert_int_equal(other->n_downs, 1);
                assert_int_equal(other->downs[0].reason, CLOSE_PEER_DIED);
                assert_int_equal(other->ethernet.upkeep_counters.resets_taken, 1);
                assert_int_equal(loser->ethernet.upkeep_counters.resets_sent, 1);
                assert_true(t->wire.now - before <= 2 * WIRE_DELAY_USEC);
        }
}

/* After the lost end had rotated, too: the lock goes with the id. */
static void test_reset_after_rotation(void **state) {
        Test *t = *state;
        uint16_t before;

        t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX, .usec = USEC_PER_SEC };
        connect_ends(t);
        before = station_flow(t->b, B_FLOW, 0)->endpoint;
        wire_run(&t->wire, 1500 * USEC_PER_MSEC);
        assert_int_not_equal(station_flow(t->b, B_FLOW, 0)->endpoint, before);
        lose_flow(t, t->b, B_FLOW);
        wire_run(&t->wire, FLOW_PROBE_FIRST_USEC);
        (void) station_write(t->a, A_FLOW, "hello?", 6);
        wire_run(&t->wire, 2 * WIRE_DELAY_USEC);
        assert_int_equal(t->a->n_downs, 1);
}

/* One key opens nothing of another host, and answers are not for everybody. */
static void test_reset_by_another(void **state) {
        Test *t = *state;
        uint64_t forged;

        connect_ends(t);
        lose_flow(t, t->b, B_FLOW);
        memset(t->b->ethernet.reset_key, 0x55, sizeof(t->b->ethernet.reset_key));
        wire_run(&t->wire, FLOW_PROBE_FIRST_USEC);
        forged = drops(t->a, DROP_FORGED);
        (void) station_write(t->a, A_FLOW, "hello?", 6);
        wire_run(&t->wire, USEC_PER_SEC);
        assert_true(drops(t->a, DROP_FORGED) > forged);
        assert_int_equal(t->a->n_downs, 0);
        wire_run(&t->wire, (TIMEOUT_MS + 1000) * USEC_PER_MSEC);                /* it is found out as ever */
        assert_int_equal(t->a->downs[0].reason, CLOSE_PEER_TIMEOUT);
}

static void test_resets_are_limited(void **state) {
        Test *t = *state;
        unsigned before = t->wire.n_codes[MANAGEMENT_RESET];

        for (unsigned i = 0; i < 5000; i++)
                send_as(t, t->a, t->b,
                        &(ManagementMessage){ .code = MANAGEMENT_MOVE,
                                              .sender = 60,
                                              .receiver = t->b->ethernet.framing->endpoint_max,
                                              .has_proof = true });
        assert_true(t->wire.n_codes[MANAGEMENT_RESET] - before <= ETHERNET_RESET_BURST + 6 * ETHERNET_RESET_RATE);
        assert_true(drops(t->b, DROP_LIMIT) > 3000);
}

/* -- silence -- */

/* A peer that only listens is asked now and then, and answers; nobody is taken for dead. */
static void test_one_way(void **state) {
        Test *t = *state;
        unsigned before;

        connect_ends(t);
        before = t->wire.n_codes[MANAGEMENT_MOVE];
        for (unsigned i = 0; i < 600; i++) {
                assert_int_equal(station_write(t->a, A_FLOW, "x", 1), 1);
                wire_run(&t->wire, USEC_PER_SEC);
        }
        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_true(t->wire.n_codes[MANAGEMENT_MOVE] - before > 2);
        assert_true(t->wire.n_codes[MANAGEMENT_MOVE] - before < 200);
}

/* -- another process -- */

static void test_keys_outlive_us(void **state) {
        Test *t = *state;
        _cleanup_(state_store_freep) StateStore *store = NULL;
        const Station *a = t->a;
        EthernetFlow *flow;
        LayerFlowRecord record;
        uint8_t bytes[LAYER_FLOW_BYTES_MAX], key[FLOW_RESET_KEY_BYTES], again[FLOW_RESET_KEY_BYTES];
        uint32_t position = 0, slot;
        uint64_t received;
        unsigned n;

        assert_int_equal(layer_store_new(&store), 0);
        assert_int_equal(layer_store_key(store, key), 0);
        assert_int_equal(layer_store_key(store, again), 0);
        assert_memory_equal(key, again, sizeof(key));

        t->b->ethernet.upkeep = (FlowUpkeepLimits) { .packets = UINT64_MAX, .usec = 30 * USEC_PER_SEC };
        connect_ends(t);
        t->swallow = true;
        /* it has begun to rotate, and nobody heard */
        wire_run(&t->wire, 29 * USEC_PER_SEC + 950 * USEC_PER_MSEC);
        flow = station_flow(t->b, B_FLOW, 0);
        assert_int_not_equal(flow->next_endpoint, 0);
        received = flow->layer.control.received;
        assert_int_equal(layer_store_flow(store, &flow->layer, bytes, ethernet_flow_save(flow, bytes)), 0);
        ethernet_flow_free(flow);
        t->swallow = false;

        assert_int_equal(layer_store_next_flow(store, &position, &record, &slot), 1);
        assert_int_equal(ethernet_flow_restore(&t->b->ethernet, &record, t->wire.now, &flow), 0);
        layer_flow_restore(&flow->layer, &record, store, slot);
        assert_true(flow->layer.control.present && flow->layer.control.confirmed);
        assert_int_equal(flow->layer.control.received, received);
        assert_true(flow->layer.have_lock);

        wire_run(&t->wire, USEC_PER_SEC);
        assert_int_equal(flow->next_endpoint, 0);                               /* the rotation went on */
        assert_int_equal(station_flow(a, A_FLOW, 0)->peer_endpoint, flow->endpoint);
        assert_unharmed(t);

        /* What was said before the crash is not said again with effect. */
        n = MIN(t->n_kept, (unsigned) ELEMENTSOF(t->kept));
        for (unsigned i = 0; i < n; i++)
                wire_inject(&t->wire, t->c, t->kept[i].bytes, t->kept[i].size);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_unharmed(t);

        ethernet_close(&t->a->ethernet, &station_flow(t->a, A_FLOW, 0)->layer, t->wire.now);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->b->n_downs, 1);
        position = 0;
        assert_int_equal(layer_store_next_flow(store, &position, &record, &slot), 0);
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
#define DIX(test) { #test, test, setup, teardown, (void *) &dix }
#define BOTH(test) \
        { #test " (DIX)", test, setup, teardown, (void *) &dix }, { \
#test " (LLC)", test, setup, teardown, (void *) &llc \
        }
        const struct CMUnitTest tests[] = {
                BOTH(test_close),
                BOTH(test_close_lost_twice),
                BOTH(test_close_before_keys),
                BOTH(test_forged),
                BOTH(test_second_reply),
                BOTH(test_replayed_and_reflected),
                BOTH(test_rotation),
                BOTH(test_old_id_is_gone),
                BOTH(test_move),
                BOTH(test_move_without_keys),
                BOTH(test_reset),
                DIX(test_reset_after_rotation),
                DIX(test_reset_by_another),
                DIX(test_resets_are_limited),
                BOTH(test_one_way),
                BOTH(test_keys_outlive_us),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
