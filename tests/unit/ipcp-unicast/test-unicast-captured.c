/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A member of ours in the place of each of the two hosts in the captures: it hears what the other one said, in that
 * order, and what it answers is what the prototype answered, byte by byte where that is not a matter of chance.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/lsa.h"
#include "tests/unit/ipcp-unicast/captured.h"

static const Capture captures[] = {
        { TEST_DATA "/eth-dix.pcap", false, false, AFTER_THAT + 2 },
        { TEST_DATA "/udp4.pcap",    true,  true,  AFTER_THAT + 1 },
};

/* -- as A, who is there first -- */

static void a_is_joined(Captured *f) {
        EnrollmentResponse response;
        LowerFlow *flow;

        assert_int_equal(
                enrollment_response_parse(f->messages[A_RESPONSE].data, f->messages[A_RESPONSE].size, &response), 0);
        assert_int_equal(unicast_restore(&f->m->unicast, &response.config, captured_address_of(f, A_GREETS_DATA), 0,
                                         f->net.now),
                         0);
        captured_start(f);

        flow = captured_accept_flow(f);
        captured_hear(f, flow, B_GREETS_ENROLLMENT);
        captured_expect_greeted(f, A_GREETS_ENROLLMENT);
        captured_set_time(f, response.time_nsec);
        captured_hear(f, flow, B_REQUEST);
        captured_expect_said(f, LOWER_ENROLLMENT, A_RESPONSE);
        captured_hear(f, flow, B_ACK);
        assert_int_equal(f->m->unicast.n_lower_flows, 0);

        f->management = captured_accept_flow(f);
        captured_hear(f, f->management, B_GREETS_MANAGEMENT);
        captured_expect_greeted(f, A_GREETS_MANAGEMENT);
        f->data = captured_accept_flow(f);
        captured_hear(f, f->data, B_GREETS_DATA);
        captured_expect_greeted(f, A_GREETS_DATA);
        captured_expect_said(f, LOWER_MANAGEMENT, A_LSA);
        captured_hear(f, f->management, B_LSA);
        assert_true(net_run_until(&f->net, captured_way_is_there, USEC_PER_SEC) != USEC_INFINITY);

        captured_hear(f, f->data, B_FIND_NODE);
        captured_expect_told(f, captured_next_told(f, DHT_FIND_NODE_RESPONSE), A_NODES);
}

/* What the directory knows of the name: told by STORE, or to be asked for. */
static void a_finds(Captured *f) {
        uint8_t answer[NET_PACKET_MAX];
        DhtMessage asked, told;
        const Sent *question;
        ssize_t n;

        if (f->capture->stores)
                return;

        question = captured_next_told(f, DHT_FIND_VALUE_REQUEST);
        captured_expect_told(f, question, AFTER_THAT);
        captured_dht_of(question->data, question->size, &asked);
        captured_dht_of(f->messages[AFTER_THAT + 1].data, f->messages[AFTER_THAT + 1].size, &told);
        told.cookie = asked.cookie;
        memcpy(answer, f->messages[AFTER_THAT + 1].data, PCI_BYTES);
        n = dht_message_pack(&told, HASH_BYTES, answer + PCI_BYTES, sizeof(answer) - PCI_BYTES);
        assert_true(n > 0);
        captured_hear_bytes(f, f->data, answer, PCI_BYTES + (size_t) n);
}

static void order_from(const Captured *f, size_t message, LayerMessage *order) {
        FlowMessage captured;

        assert_int_equal(flow_message_parse(f->messages[message].data + PCI_BYTES,
                                            f->messages[message].size - PCI_BYTES, HASH_BYTES, &captured),
                         0);
        *order = (LayerMessage) { .flow_id = 7, .qos = captured.qos, .hash_size = captured.hash_size,
                                  .oap_size = captured.oap_size };
        if (captured.hash_size > 0)
                memcpy(order->hash, captured.hash, captured.hash_size);
        memcpy(order->oap, captured.oap, captured.oap_size);
}

/* But for the endpoint id at this offset, 8 bytes long, which is returned. */
static uint64_t expect_said_but(Captured *f, size_t message, size_t offset) {
        const Sent *sent = captured_last_sent(f, LOWER_DATA);
        uint8_t copy[NET_PACKET_MAX];
        uint64_t eid = 0;

        assert_int_equal(sent->size, f->messages[message].size);
        memcpy(copy, sent->data, sent->size);
        for (size_t i = 0; i < sizeof(eid); i++)
                eid = eid << 8 | copy[offset + i];
        memcpy(copy + offset, f->messages[message].data + offset, sizeof(eid));
        assert_memory_equal(copy, f->messages[message].data, sent->size);
        return eid;
}

static void patched(const Captured *f, size_t message, size_t offset, uint64_t eid, bool little, uint8_t *ret) {
        memcpy(ret, f->messages[message].data, f->messages[message].size);
        for (size_t i = 0; i < sizeof(eid); i++)
                ret[offset + i] = (uint8_t) (eid >> 8 * (little ? i : 7 - i));
}

#define S_EID (PCI_BYTES + 16U)
#define R_EID (PCI_BYTES + 8U)
#define PCI_EID 7U

static void send_data(Captured *f, size_t message) {
        size_t size = f->messages[message].size - PCI_BYTES;
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        memcpy(packet_append(packet, size), f->messages[message].data + PCI_BYTES, size);
        f->n_sent = 0;
        assert_int_equal(unicast_transmit(&f->m->unicast, unicast_flow(f->upper), &packet, 1, f->net.now), 1);
        captured_expect_said(f, LOWER_DATA, message);
}

static void hear_data(Captured *f, size_t message, uint64_t eid) {
        uint8_t packet[NET_PACKET_MAX];

        patched(f, message, PCI_EID, eid, true, packet);
        captured_hear_bytes(f, f->data, packet, f->messages[message].size);
        assert_int_equal(f->n_delivered, f->messages[message].size - PCI_BYTES);
        assert_memory_equal(f->delivered, packet + PCI_BYTES, f->n_delivered);
}

static void play_a(const Capture *capture) {
        Captured *f = calloc(1, sizeof(*f));
        const CloseTokens none = {};
        uint8_t packet[NET_PACKET_MAX];
        LayerMessage order;
        uint64_t eid;

        assert_non_null(f);
        captured_make(f, capture, true);
        a_is_joined(f);

        if (capture->stores)
                captured_hear(f, f->data, AFTER_THAT);
        order_from(f, f->flow, &order);
        f->n_sent = 0;
        unicast_request(&f->m->unicast, &order, f->net.now);
        a_finds(f);
        eid = expect_said_but(f, f->flow, S_EID);

        patched(f, f->flow + 1, R_EID, eid, false, packet);
        captured_hear_bytes(f, f->data, packet, f->messages[f->flow + 1].size);
        assert_non_null(f->upper);
        unicast_established(&f->m->unicast, f->upper, &none, f->net.now);
        send_data(f, f->flow + 2);
        hear_data(f, f->flow + 3, eid);
        send_data(f, f->flow + 4);
        unicast_close(&f->m->unicast, f->upper, f->net.now);
        captured_done(f);
}

static void test_as_first_member(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(captures); i++) {
                print_message("%s\n", captures[i].file);
                play_a(&captures[i]);
        }
}

/* -- as B, who joins -- */

static void b_joins(Captured *f) {
        EnrollmentRequest request;
        LowerFlow *flow;

        assert_int_equal(enrollment_request_parse(f->messages[B_REQUEST].data, f->messages[B_REQUEST].size, &request),
                         0);
        captured_start(f);
        flow = captured_next_flow(f, LOWER_ENROLLMENT);
        captured_expect_greeted(f, B_GREETS_ENROLLMENT);
        for (size_t i = sizeof(request.id); i > 0; i--)         /* the next random bytes */
                f->m->fixed_random = f->m->fixed_random << 8 | request.id[i - 1];
        captured_hear(f, flow, A_GREETS_ENROLLMENT);
        captured_expect_said(f, LOWER_ENROLLMENT, B_REQUEST);
        f->m->fixed_random = captured_address_of(f, B_GREETS_DATA);
        captured_hear(f, flow, A_RESPONSE);
        captured_expect_said(f, LOWER_ENROLLMENT, B_ACK);
        assert_true(f->m->unicast.address == captured_address_of(f, B_GREETS_DATA));
        f->m->fixed_random = 0;

        f->management = captured_next_flow(f, LOWER_MANAGEMENT);
        captured_expect_greeted(f, B_GREETS_MANAGEMENT);
        captured_hear(f, f->management, A_GREETS_MANAGEMENT);
        f->data = captured_next_flow(f, LOWER_DATA);
        captured_expect_greeted(f, B_GREETS_DATA);
        captured_hear(f, f->data, A_GREETS_DATA);
        captured_expect_said(f, LOWER_MANAGEMENT, B_LSA);
        captured_hear(f, f->management, A_LSA);
        captured_expect_told(f, captured_next_told(f, DHT_FIND_NODE_REQUEST), B_FIND_NODE);
}

/* What A said of its nodes, as the answer to what the member asks now. */
static void b_is_answered(Captured *f) {
        const Sent *question = captured_next_told(f, DHT_FIND_NODE_REQUEST);
        uint8_t packet[NET_PACKET_MAX];
        DhtMessage asked, told;
        ssize_t n;

        captured_dht_of(question->data, question->size, &asked);
        captured_dht_of(f->messages[A_NODES].data, f->messages[A_NODES].size, &told);
        told.cookie = asked.cookie;
        memcpy(told.key, asked.key, HASH_BYTES);
        memcpy(packet, f->messages[A_NODES].data, PCI_BYTES);
        n = dht_message_pack(&told, HASH_BYTES, packet + PCI_BYTES, sizeof(packet) - PCI_BYTES);
        assert_true(n > 0);
        captured_hear_bytes(f, f->data, packet, PCI_BYTES + (size_t) n);
}

/* The name is found at us: A asks for it, or is told by who looks for the right ones to tell. */
static void b_is_found(Captured *f) {
        LayerMessage order;

        order_from(f, f->flow, &order);
        b_is_answered(f);
        f->n_sent = 0;
        assert_int_equal(unicast_register(&f->m->unicast, order.hash, order.hash_size, f->net.now), 0);
        if (f->capture->stores) {
                b_is_answered(f);
                captured_expect_told(f, captured_next_told(f, DHT_STORE), AFTER_THAT);
        } else {
                captured_hear(f, f->data, AFTER_THAT);
                captured_expect_told(f, captured_next_told(f, DHT_FIND_VALUE_RESPONSE), AFTER_THAT + 1);
        }
}

static void play_b(const Capture *capture) {
        Captured *f = calloc(1, sizeof(*f));
        const CloseTokens none = {};
        LayerMessage answer;
        uint64_t eid;

        assert_non_null(f);
        captured_make(f, capture, false);
        b_joins(f);
        b_is_found(f);

        captured_hear(f, f->data, f->flow);
        assert_true(f->reference != 0);
        order_from(f, f->flow + 1, &answer);
        answer.reference = f->reference;
        f->n_sent = 0;
        assert_int_equal(unicast_accept(&f->m->unicast, &answer, f->net.now), 0);
        eid = expect_said_but(f, f->flow + 1, S_EID);
        assert_non_null(f->upper);
        unicast_established(&f->m->unicast, f->upper, &none, f->net.now);
        hear_data(f, f->flow + 2, eid);
        send_data(f, f->flow + 3);
        hear_data(f, f->flow + 4, eid);
        unicast_close(&f->m->unicast, f->upper, f->net.now);
        captured_done(f);
}

static void test_as_joiner(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(captures); i++) {
                print_message("%s\n", captures[i].file);
                play_b(&captures[i]);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_first_member),
                cmocka_unit_test(test_as_joiner),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
