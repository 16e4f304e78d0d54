/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows whose endpoint ids are taken before anything is sent: what both hosts see of request and reply is the same,
 * and no byte of it can be changed on the way without showing. And requests and replies that fit no frame.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/eth-wire.h"

#define TIMEOUT_MS 120000U
#define OAP_BYTES 36U

static int setup(void **state) {
        Wire *wire = malloc(sizeof(*wire));

        if (!wire)
                return -1;
        wire_init(wire, *(const Framing *) *state, 3);
        *state = wire;
        return 0;
}

static int teardown(void **state) {
        wire_done(*state);
        free(*state);
        return 0;
}

static void assert_equal_bindings(const FlowBinding *one, const FlowBinding *other) {
        assert_true(one->size > 0);
        assert_int_equal(one->size, other->size);
        assert_memory_equal(one->bytes, other->bytes, one->size);
}

static bool bindings_differ(const FlowBinding *one, const FlowBinding *other) {
        return one->size != other->size || memcmp(one->bytes, other->bytes, one->size) != 0;
}

static uint32_t n_endpoints(const Station *s) {
        return s->ethernet.framing->endpoint_max - s->ethernet.framing->endpoint_min + 1U;
}

static uint32_t n_taken(const Station *s) {
        return n_endpoints(s) - shim_endpoints_n_free(s->ethernet.endpoints);
}

/* -- bindings -- */

static void test_both_ends_see_the_same(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        wire_connect_with_keys(w, a, b, 1, TIMEOUT_MS, OAP_BYTES);
        assert_equal_bindings(&a->prepared.binding, &b->incoming_binding);
        assert_equal_bindings(&b->prepared.binding, &a->reply_binding);
        assert_true(bindings_differ(&a->prepared.binding, &b->prepared.binding));
        assert_int_equal(n_taken(a), 1);
        assert_int_equal(n_taken(b), 1);

        /* Another flow between the same hosts has another one. */
        FlowBinding before = a->prepared.binding;

        wire_connect_with_keys(w, a, b, 2, TIMEOUT_MS, OAP_BYTES);
        assert_true(bindings_differ(&before, &a->prepared.binding));
}

typedef struct Flip {
        uint8_t code;                   /* of the message that is changed */
        size_t offset;                  /* in its fixed part, hash included */
        unsigned n_flipped;
} Flip;

/* Payload of a management frame begins behind the header of the framing. */
static unsigned flip_byte(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        const FrameOps *ops = frame_ops(wire->framing);
        ManagementMessage message;
        Flip *flip = wire->fate_data;
        Frame parsed;

        if (ops->parse(0xA000, frame->bytes, frame->size, &parsed) < 0 || !parsed.management ||
            management_parse(ops, 32, frame->bytes + parsed.payload_offset, parsed.payload_size, &message) < 0 ||
            message.code != flip->code)
                return 1;

        flip->n_flipped++;
        frame->bytes[parsed.payload_offset + flip->offset] ^= 0x01;
        return 1;
}

/* Whatever is changed in a request, the other host sees another one, or none. */
static void test_flipped_request(void **state) {
        Wire *w = *state;
        size_t size = frame_ops(w->framing)->management_bytes + 32;

        for (size_t offset = 0; offset < size; offset++) {
                Flip flip = { .code = MANAGEMENT_FLOW_REQUEST, .offset = offset };
                Station *a = &w->stations[0], *b = &w->stations[1];
                const char oap[OAP_BYTES] = { (char) offset };
                unsigned n_incoming = b->n_incoming;

                assert_true(ethernet_register(&b->ethernet, wire_hash('n'), 32) >= 0);
                station_prepare(a, offset + 1, 0, 'n', TIMEOUT_MS);
                wire_run(w, 10 * USEC_PER_MSEC);
                assert_int_equal(a->prepared.result, 0);

                w->fate = flip_byte;
                w->fate_data = &flip;
                station_request(a, offset + 1, 0, 'n', oap, sizeof(oap), TIMEOUT_MS);
                wire_run(w, 10 * USEC_PER_MSEC);
                w->fate = NULL;

                assert_int_equal(flip.n_flipped, 1);
                if (b->n_incoming > n_incoming && !bindings_differ(&a->prepared.binding, &b->incoming_binding))
                        fail_msg("byte %zu is not protected", offset);
                station_abort(a, offset + 1, 0, 0xA1, 0);
                wire_run(w, 30 * USEC_PER_SEC);
        }
}

static void test_flipped_reply(void **state) {
        Wire *w = *state;
        size_t size = frame_ops(w->framing)->management_bytes;
        unsigned n_seen = 0;

        for (size_t offset = 0; offset < size; offset++) {
                Flip flip = { .code = MANAGEMENT_FLOW_REPLY, .offset = offset };
                Station *a = &w->stations[0], *b = &w->stations[1];
                const char oap[OAP_BYTES] = { (char) offset };
                unsigned n_replies;

                assert_true(ethernet_register(&b->ethernet, wire_hash('n'), 32) >= 0);
                station_prepare(a, offset + 1, 0, 'n', TIMEOUT_MS);
                wire_run(w, 10 * USEC_PER_MSEC);
                station_request(a, offset + 1, 0, 'n', oap, sizeof(oap), TIMEOUT_MS);
                wire_run(w, 10 * USEC_PER_MSEC);

                n_replies = a->n_replies;
                w->fate = flip_byte;
                w->fate_data = &flip;
                station_prepare(b, offset + 1001, b->incoming[(b->n_incoming - 1) % WIRE_LOG_MAX], 'n', TIMEOUT_MS);
                assert_int_equal(
                        station_accept(b, b->incoming[(b->n_incoming - 1) % WIRE_LOG_MAX], offset + 1001, 0xB2, 0), 0);
                wire_run(w, 10 * USEC_PER_MSEC);
                w->fate = NULL;

                assert_int_equal(flip.n_flipped, 1);
                if (a->n_replies > n_replies && a->replies[n_replies].result == 0) {
                        n_seen++;
                        if (!bindings_differ(&b->prepared.binding, &a->reply_binding))
                                fail_msg("byte %zu is not protected", offset);
                }
                ethernet_close(&b->ethernet, &station_flow(b, offset + 1001, 0)->layer, w->now);
                station_abort(a, offset + 1, 0, 0xA1, 0);
                wire_run(w, 150 * USEC_PER_SEC);
        }
        assert_true(n_seen > size / 2);
}

/* From another address, too: the message is the same, the hosts are not. */
static void test_other_addresses(void **state) {
        Wire *w = *state;
        Ethernet *e = &w->stations[0].ethernet;
        const FrameAddress a = station_address(0), b = station_address(1), c = station_address(2);
        const o7s_qos qos = { .timeout_ms = TIMEOUT_MS };
        const ManagementMessage message = { .code = MANAGEMENT_FLOW_REQUEST, .sender = 7, .qos = qos };
        uint8_t fixed[MANAGEMENT_FIXED_BYTES_MAX];
        FlowBinding one, other;

        (void) management_pack_fixed(e->framing, &message, fixed);
        ethernet_binding(e, &a, &b, &message, wire_hash('n'), &qos, fixed, &one);
        ethernet_binding(e, &a, &c, &message, wire_hash('n'), &qos, fixed, &other);
        assert_true(bindings_differ(&one, &other));
        ethernet_binding(e, &c, &b, &message, wire_hash('n'), &qos, fixed, &other);
        assert_true(bindings_differ(&one, &other));
        ethernet_binding(e, &b, &a, &message, wire_hash('n'), &qos, fixed, &other);
        assert_true(bindings_differ(&one, &other));
}

/* -- what is prepared and never used -- */

static void test_prepared_for_nothing(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        const char oap[OAP_BYTES] = {};

        /* Nobody has that name. */
        station_prepare(a, 1, 0, 'x', TIMEOUT_MS);
        assert_int_equal(n_taken(a), 1);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(a->prepared.result, -ENOENT);
        assert_int_equal(n_taken(a), 0);
        assert_int_equal(a->n_replies, 0);

        /* Given up by the IRM, at once or not at all. */
        assert_true(ethernet_register(&b->ethernet, wire_hash('n'), 32) >= 0);
        station_prepare(a, 2, 0, 'n', TIMEOUT_MS);
        wire_run(w, USEC_PER_SEC);
        assert_int_equal(a->prepared.result, 0);
        assert_int_equal(n_taken(a), 1);
        station_abort(a, 2, 0, 0, 0);
        assert_int_equal(n_taken(a), 0);

        station_prepare(a, 3, 0, 'n', TIMEOUT_MS);
        wire_run(w, FLOW_PREPARED_KEEP_USEC + USEC_PER_SEC);
        assert_int_equal(n_taken(a), 0);
        assert_int_equal(a->n_replies, 1);
        assert_int_equal(a->replies[0].flow_id, 3);
        assert_int_equal(a->replies[0].result, -ETIMEDOUT);

        /* At the other end: refused, not answered in time, or a request that is not there. */
        for (uint64_t flow_id = 4; flow_id <= 5; flow_id++) {
                LayerMessage order = { .type = LAYER_REFUSE };

                station_request(a, flow_id, 0, 'n', (const char[OAP_BYTES]) { (char) flow_id }, OAP_BYTES, TIMEOUT_MS);
                wire_run(w, 10 * USEC_PER_MSEC);
                order.reference = b->incoming[(b->n_incoming - 1) % WIRE_LOG_MAX];
                station_prepare(b, flow_id + 1000, order.reference, 'n', TIMEOUT_MS);
                station_prepare(b, flow_id + 1000, order.reference, 'n', TIMEOUT_MS);  /* again */
                assert_int_equal(b->prepared.result, 0);
                assert_int_equal(n_taken(b), 1);
                if (flow_id == 4)
                        ethernet_refuse(&b->ethernet, &order, w->now);
                else
                        wire_run(w, ETHERNET_INCOMING_KEEP_USEC + USEC_PER_SEC);
                assert_int_equal(n_taken(b), 0);
        }
        station_prepare(b, 1, 99999, 'n', TIMEOUT_MS);
        assert_int_equal(b->prepared.result, -ESTALE);

        /* And the IRM itself may be gone. */
        station_prepare(a, 7, 0, 'n', TIMEOUT_MS);
        wire_run(w, 10 * USEC_PER_MSEC);
        ethernet_irm_lost(&a->ethernet, w->now);
        wire_run(w, 200 * USEC_PER_SEC);
        assert_int_equal(n_taken(a), 0);
        station_request(a, 7, 0, 'n', oap, sizeof(oap), TIMEOUT_MS);
        assert_int_equal(n_taken(a), 1);
}

/* More than there are endpoint ids: refused, and none is lost. */
static void test_too_many_prepared(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        uint64_t flow_id = 1;

        if (w->framing == FRAMING_DIX)
                return;                 /* 65 000 of them are another test's */

        assert_true(ethernet_register(&b->ethernet, wire_hash('n'), 32) >= 0);
        for (; flow_id <= n_endpoints(a); flow_id++) {
                station_prepare(a, flow_id, 0, 'n', TIMEOUT_MS);
                wire_run(w, 10 * USEC_PER_MSEC);
                assert_int_equal(a->prepared.result, 0);
        }
        station_prepare(a, flow_id, 0, 'n', TIMEOUT_MS);
        assert_int_equal(a->prepared.result, -ENOSPC);
        wire_run(w, FLOW_PREPARED_KEEP_USEC + USEC_PER_SEC);
        assert_int_equal(n_taken(a), 0);
}

/* -- messages of any size -- */

static unsigned lose_some(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        uint32_t *seed = wire->fate_data;

        *seed = *seed * 1664525U + 1013904223U;
        return *seed >> 16 & 15 ? 1 : 0;        /* one of 16 */
}

static void test_large(void **state) {
        static const size_t sizes[] = { 1400, 1425, 1426, 1458, 1500, 4000, 20000, LAYER_OAP_BYTES_MAX };
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                unsigned n_pieces = w->n_codes[MANAGEMENT_PIECE];
                bool fits = sizes[i] <= ethernet_oap_max(&a->ethernet);

                print_message("%zu bytes\n", sizes[i]);
                wire_connect_with_keys(w, a, b, i + 1, TIMEOUT_MS, sizes[i]);
                assert_int_equal(b->last_incoming.oap_size, sizes[i]);
                for (size_t n = 8; n < sizes[i]; n++)
                        assert_int_equal(b->last_incoming.oap[n], (uint8_t) (n * 31 + n / 256));
                assert_int_equal(a->replies[i].oap_size, sizes[i]);
                assert_equal_bindings(&a->prepared.binding, &b->incoming_binding);
                assert_equal_bindings(&b->prepared.binding, &a->reply_binding);
                assert_int_equal(w->n_codes[MANAGEMENT_PIECE] == n_pieces, fits);
        }
        assert_int_equal(b->n_incoming, ELEMENTSOF(sizes));     /* each once */
        assert_int_equal(b->ethernet.reassembly.n_timed_out, 0);
        wire_run(w, 10 * USEC_PER_SEC);
        assert_int_equal(b->ethernet.reassembly.n_messages, 0);
}

/* Pieces are lost, and what they were of arrives all the same, within the attempt. */
static void test_large_and_lost(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        uint32_t seed = 7;

        for (uint64_t flow_id = 1; flow_id <= 20; flow_id++) {
                station_prepare(a, flow_id, 0, 'n', TIMEOUT_MS);
                wire_connect_with_keys(w, a, b, flow_id + 100, TIMEOUT_MS, 100);        /* the name is known now */
                w->fate = lose_some;
                w->fate_data = &seed;
                wire_connect_with_keys(w, a, b, flow_id + 200, TIMEOUT_MS, LAYER_OAP_BYTES_MAX);
                w->fate = NULL;
                assert_int_equal(b->last_incoming.oap_size, LAYER_OAP_BYTES_MAX);
                for (uint64_t i = 100; i <= 200; i += 100)
                        ethernet_close(&a->ethernet, &station_flow(a, flow_id + i, 0)->layer, w->now);
                wire_run(w, 130 * USEC_PER_SEC);
        }
}

/* Somebody sends the beginnings of large messages, and never their ends. */
static void test_pieces_without_end(void **state) {
        Wire *w = *state;
        Station *b = &w->stations[1], *c = &w->stations[2];
        const FrameAddress to = station_address(1);
        uint8_t content[1024] = {};

        for (uint64_t i = 0; i < 1000; i++) {
                uint8_t bytes[FRAGMENT_HEADER_BYTES + sizeof(content)];
                Writer writer = writer_to(bytes, sizeof(bytes));
                ManagementMessage piece = { .code = MANAGEMENT_PIECE, .piece = bytes, .piece_size = sizeof(bytes) };

                writer_be64(&writer, i);
                writer_be16(&writer, 32768);
                writer_be16(&writer, sizeof(content));
                writer_u8(&writer, (uint8_t) (i % 32));
                writer_bytes(&writer, content, sizeof(content));
                (void) eth_send_message(&c->ethernet, &to, &c->ethernet.link.address, &piece);
        }
        wire_run(w, USEC_PER_MSEC);
        assert_true(b->ethernet.reassembly.bytes <= REASSEMBLY_SENDER_BYTES_MAX);
        assert_int_equal(b->ethernet.reassembly.n_messages, REASSEMBLY_SENDER_MESSAGES_MAX);
        assert_int_equal(b->ethernet.reassembly.n_timed_out, 1000 - REASSEMBLY_SENDER_MESSAGES_MAX);

        /* Others get through. */
        wire_connect_with_keys(w, &w->stations[0], b, 1, TIMEOUT_MS, 10000);
        wire_run(w, 10 * USEC_PER_SEC);
        assert_int_equal(b->ethernet.reassembly.bytes, 0);
        assert_int_equal(b->n_incoming, 1);
}

/* Puts a piece of its own in front of the second one of each message that it sees first. */
static unsigned falsify(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        const FrameOps *ops = frame_ops(wire->framing);
        unsigned *n_false = wire->fate_data;
        ManagementMessage message;
        Frame parsed;
        size_t content;

        if (ops->parse(0xA000, frame->bytes, frame->size, &parsed) < 0 || !parsed.management ||
            management_parse(ops, 32, frame->bytes + parsed.payload_offset, parsed.payload_size, &message) < 0 ||
            message.code != MANAGEMENT_PIECE || message.piece[12] != 1 || *n_false >= 2)
                return 1;

        /* One in each direction: requests come first. */
        if (*n_false == 1 && frame->from == &wire->stations[0])
                return 1;

        (*n_false)++;
        content = parsed.payload_offset + ops->management_bytes + FRAGMENT_HEADER_BYTES;
        frame->bytes[content] ^= 1;
        wire_inject(wire, frame->from, frame->bytes, frame->size);
        frame->bytes[content] ^= 1;
        return 1;
}

/* Of a request, and of its reply. Neither the id of the request nor its place is spent on what is none. */
static void test_false_pieces(void **state) {
        Wire *w = *state;
        Station *a = &w->stations[0], *b = &w->stations[1];
        unsigned n_false = 0;

        w->fate = falsify;
        w->fate_data = &n_false;
        wire_connect_with_keys(w, a, b, 1, TIMEOUT_MS, 10000);
        w->fate = NULL;
        assert_int_equal(n_false, 2);
        assert_int_equal(b->n_incoming, 1);
        assert_int_equal(b->ethernet.counters.drops[DROP_FORGED], 1);
        assert_int_equal(a->ethernet.counters.drops[DROP_FORGED], 1);
        assert_equal_bindings(&a->prepared.binding, &b->incoming_binding);
        assert_equal_bindings(&b->prepared.binding, &a->reply_binding);
}

int main(void) {
        static const Framing dix = FRAMING_DIX, llc = FRAMING_LLC;
#define BOTH(test)                                                                                                \
        { #test " (DIX)", test, setup, teardown, (void *) &dix },                                                 \
        { #test " (LLC)", test, setup, teardown, (void *) &llc }
        const struct CMUnitTest tests[] = {
                BOTH(test_both_ends_see_the_same),
                BOTH(test_flipped_request),
                BOTH(test_flipped_reply),
                BOTH(test_other_addresses),
                BOTH(test_prepared_for_nothing),
                BOTH(test_too_many_prepared),
                BOTH(test_large),
                BOTH(test_large_and_lost),
                BOTH(test_pieces_without_end),
                BOTH(test_false_pieces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
