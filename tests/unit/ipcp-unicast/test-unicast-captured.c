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

#include "basic/cursor.h"
#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/flow.h"
#include "services/ipcp-unicast/lsa.h"
#include "tests/support/pcap.h"
#include "tests/support/unicast-net.h"

#define FIRST_EID 64U                   /* of the layers below; smaller ones are their own */
#define SENT_MAX 256U
#define PCI_BYTES 15U
#define HASH_BYTES 32U

/* The messages between the members, in order, as both captures have them. */
enum {
        B_GREETS_ENROLLMENT,
        A_GREETS_ENROLLMENT,
        B_REQUEST,
        A_RESPONSE,
        B_ACK,
        B_GREETS_MANAGEMENT,
        A_GREETS_MANAGEMENT,
        B_GREETS_DATA,
        A_GREETS_DATA,
        A_LSA,
        B_LSA,
        B_FIND_NODE,
        B_FIND_NODE_AGAIN,
        A_NODES,
        A_NODES_AGAIN,
        AFTER_THAT,                     /* Ethernet: A_FIND_VALUE, B_VALUE; UDP: B_STORE; then the flow */
};

typedef struct Message {
        const uint8_t *data;
        size_t size;
} Message;

typedef struct Sent {
        LowerPurpose purpose;
        uint8_t data[NET_PACKET_MAX];
        size_t size;
} Sent;

typedef struct Capture {
        const char *file;
        bool udp;
        bool stores;                    /* B tells A of its name, instead of being asked */
        size_t flow;                    /* its first message, behind those of the directory */
} Capture;

typedef struct Fixture {
        Net net;
        NetMember *m;
        UnicastEvents events;
        Pcap *pcap;
        Message messages[64];
        size_t n_messages;
        const Capture *capture;
        size_t flow;                    /* the first message of it */
        Sent sent[SENT_MAX];
        size_t n_sent;

        LowerFlow *management, *data;
        uint64_t reference;             /* of the request that came in */
        LayerFlow *upper;
        uint8_t delivered[NET_PACKET_MAX];
        size_t n_delivered;
} Fixture;

/* -- the captures -- */

static const Capture captures[] = {
        { TEST_DATA "/eth-dix.pcap", false, false, AFTER_THAT + 2 },
        { TEST_DATA "/udp4.pcap",    true,  true,  AFTER_THAT + 1 },
};

#define LINK_BYTES 14U
#define IP_AND_PORTS_BYTES (20U + 4U)

static Cursor payload(bool udp, const uint8_t *frame, size_t size) {
        Cursor c = cursor_from(frame, size), none = { .bad = true };
        uint32_t eid, length;

        (void) cursor_bytes(&c, LINK_BYTES + (udp ? IP_AND_PORTS_BYTES : 0));
        if (udp) {
                length = cursor_be16(&c);
                (void) cursor_be16(&c);
                eid = cursor_be32(&c);
                length = length < 12 ? 0 : length - 12;
        } else {
                eid = cursor_be16(&c);
                length = cursor_be16(&c);
        }
        if (c.bad || eid < FIRST_EID || c.left < length)
                return none;

        c.left = length;
        return c;
}

static void load(Fixture *f, const Capture *capture) {
        const uint8_t *frame;
        size_t size;

        assert_int_equal(pcap_open(capture->file, &f->pcap), 0);
        while (f->n_messages < ELEMENTSOF(f->messages) && pcap_next(f->pcap, &frame, &size) > 0) {
                Cursor c = payload(capture->udp, frame, size);

                if (!c.bad)
                        f->messages[f->n_messages++] = (Message) { c.p, c.left };
        }
        f->capture = capture;
        f->flow = capture->flow;
        assert_true(f->n_messages > f->flow + 6);
}

static uint64_t address_of(const Fixture *f, unsigned greeting) {
        CepRecord record;

        assert_int_equal(cep_message_parse(f->messages[greeting].data, f->messages[greeting].size, &record), 0);
        return record.address;
}

static void dht_of(const uint8_t *packet, size_t size, DhtMessage *ret) {
        assert_true(size > PCI_BYTES);
        assert_int_equal(dht_message_parse(packet + PCI_BYTES, size - PCI_BYTES, HASH_BYTES, ret), 0);
}

/* -- what the member wants -- */

static bool keep(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Fixture *f = container_of(net, Fixture, net);
        Sent *sent;

        assert_true(f->n_sent < SENT_MAX);
        sent = &f->sent[f->n_sent++];
        sent->purpose = flow->purpose;
        sent->size = *size;
        memcpy(sent->data, data, *size);
        return false;
}

static int lower_allocate(void *userdata, LowerFlow *flow) {
        return 0;                       /* the test does */
}

static Fixture *fixture_of(void *userdata) {
        return container_of(((NetMember *) userdata)->net, Fixture, net);
}

static void incoming(void *userdata, uint64_t reference, const uint8_t *hash, size_t hash_size, const o7s_qos *qos,
                     const uint8_t *oap, size_t oap_size, const FlowBinding *binding, const char *peer) {
        fixture_of(userdata)->reference = reference;
}

static void incoming_gone(void *userdata, uint64_t reference) {
}

static int reply(void *userdata, LayerFlow *flow, int32_t result, const uint8_t *oap, size_t oap_size,
                       const FlowBinding *binding) {
        assert_int_equal(result, 0);
        fixture_of(userdata)->upper = flow;
        return 0;
}

static void deliver(void *userdata, UnicastFlow *flow, Packet *const *packets, unsigned n, bool marked) {
        Fixture *f = fixture_of(userdata);

        assert_int_equal(n, 1);
        f->n_delivered = packet_size(packets[0]);
        memcpy(f->delivered, packets[0]->head, f->n_delivered);
}

static void failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        fail_msg("the flow failed: %d", result);
}

/* The member, not started yet. */
static void make(Fixture *f, const Capture *capture, bool bootstrap) {
        load(f, capture);
        net_init(&f->net, 1);
        f->net.filter = keep;
        f->m = net_add(&f->net, bootstrap);
        f->m->config.layer = "net";

        /* What else happens is as in a net of several. */
        net_start(f->m);
        f->events = *f->m->unicast.events;
        net_kill(f->m, false);
        f->events.lower_allocate = lower_allocate;
        f->events.incoming = incoming;
        f->events.incoming_gone = incoming_gone;
        f->events.reply = reply;
        f->events.deliver = deliver;
        f->events.failed = failed;
        assert_int_equal(unicast_init(&f->m->unicast, &f->m->config, &f->events, f->m, f->net.now), 0);
        f->m->alive = true;
}

static void start(Fixture *f) {
        unicast_start(&f->m->unicast, f->net.now);
        unicast_lower_changed(&f->m->unicast, 0, true, f->net.now);
}

static void done(Fixture *f) {
        net_done(&f->net);
        pcap_free(f->pcap);
        free(f);
}

/* -- the conversation -- */

static void hear_bytes(Fixture *f, LowerFlow *flow, const uint8_t *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        memcpy(packet_append(packet, size), data, size);
        f->n_sent = 0;
        unicast_lower_received(flow, &packet, 1, f->net.now);
}

static void hear(Fixture *f, LowerFlow *flow, size_t message) {
        hear_bytes(f, flow, f->messages[message].data, f->messages[message].size);
}

static const Sent *last_sent(const Fixture *f, LowerPurpose purpose) {
        for (size_t i = f->n_sent; i > 0; i--)
                if (f->sent[i - 1].purpose == purpose)
                        return &f->sent[i - 1];

        fail_msg("nothing was sent for %s", lower_purpose_to_string(purpose));
        return NULL;
}

static void expect_said(const Fixture *f, LowerPurpose purpose, size_t message) {
        const Sent *sent = last_sent(f, purpose);

        assert_int_equal(sent->size, f->messages[message].size);
        assert_memory_equal(sent->data, f->messages[message].data, sent->size);
}

/* A greeting of ours may have field 100 behind what theirs have. */
static void expect_greeted(const Fixture *f, size_t message) {
        const Sent *sent = &f->sent[0];
        size_t size = f->messages[message].size;

        assert_true(f->n_sent > 0);
        assert_true(sent->size >= size);
        assert_memory_equal(sent->data, f->messages[message].data, size);
        if (sent->size > size)
                assert_memory_equal(sent->data + size, "\xa2\x06", 2);
}

/* A header, and a directory's message that says the same, whatever our id, our cookies and the time are. */
static void expect_told(const Fixture *f, const Sent *sent, size_t message) {
        DhtMessage ours, theirs;

        dht_of(sent->data, sent->size, &ours);
        dht_of(f->messages[message].data, f->messages[message].size, &theirs);
        assert_memory_equal(sent->data, f->messages[message].data, PCI_BYTES);
        assert_int_equal(ours.code, theirs.code);
        assert_true(ours.source.address == theirs.source.address);
        assert_true(ours.value == theirs.value);
        if (dht_code_is_response(ours.code))
                assert_true(ours.cookie == theirs.cookie);
        if (ours.code != DHT_FIND_NODE_REQUEST)         /* which asks for an id of ours */
                assert_memory_equal(ours.key, theirs.key, HASH_BYTES);
        assert_int_equal(ours.n_values, theirs.n_values);
        for (size_t i = 0; i < ours.n_values; i++)
                assert_true(ours.values[i] == theirs.values[i]);
}

static LowerFlow *accept_flow(Fixture *f) {
        const o7s_qos qos = cube_lower_qos(CUBE_BEST_EFFORT);
        LowerFlow *flow = NULL;

        f->net.now += USEC_PER_MSEC;
        assert_int_equal(unicast_lower_accepted(&f->m->unicast, 0, &qos, NET_PACKET_MAX, "peer", f->net.now, &flow), 0);
        return flow;
}

/* The next flow that the member asks for, allocated. */
static LowerFlow *next_flow(Fixture *f, LowerPurpose purpose) {
        LowerFlow *flow;

        for (unsigned i = 0; i < 2000; i++) {
                list_for_each(flow, &f->m->unicast.lower_flows, by_unicast) {
                        if (flow->state != LOWER_ALLOCATING || flow->purpose != purpose)
                                continue;
                        f->n_sent = 0;
                        unicast_lower_allocated(flow, NET_PACKET_MAX, f->net.now);
                        return flow;
                }
                net_run(&f->net, USEC_PER_MSEC);
        }

        fail_msg("no flow for %s", lower_purpose_to_string(purpose));
        return NULL;
}

static void set_time(Fixture *f, uint64_t nsec) {
        f->m->clock_nsec = (int64_t) (nsec - 1800000000000000000ULL - f->net.now * NSEC_PER_USEC);
}

static bool way_is_there(Net *net) {
        const Fixture *f = container_of(net, Fixture, net);

        return f->data->neighbour && forwarding_lookup(f->m->unicast.forwarding[CUBE_BEST_EFFORT],
                                                       f->data->neighbour->address, 0) != FORWARDING_NONE;
}

static const Sent *next_told(Fixture *f, DhtCode code) {
        for (unsigned i = 0; i < 3000; i++) {
                for (size_t k = 0; k < f->n_sent; k++) {
                        const Sent *sent = &f->sent[k];
                        DhtMessage message;

                        if (sent->purpose == LOWER_DATA && sent->size > PCI_BYTES && sent->data[7] == EID_DIRECTORY &&
                            dht_message_parse(sent->data + PCI_BYTES, sent->size - PCI_BYTES, HASH_BYTES, &message) ==
                                    0 &&
                            message.code == code)
                                return sent;
                }
                net_run(&f->net, USEC_PER_MSEC);
        }

        fail_msg("no message of code %d", (int) code);
        return NULL;
}

/* -- as A, who is there first -- */

static void a_is_joined(Fixture *f) {
        EnrollmentResponse response;
        LowerFlow *flow;

        assert_int_equal(
                enrollment_response_parse(f->messages[A_RESPONSE].data, f->messages[A_RESPONSE].size, &response), 0);
        assert_int_equal(
                unicast_restore(&f->m->unicast, &response.config, address_of(f, A_GREETS_DATA), 0, f->net.now), 0);
        start(f);

        flow = accept_flow(f);
        hear(f, flow, B_GREETS_ENROLLMENT);
        expect_greeted(f, A_GREETS_ENROLLMENT);
        set_time(f, response.time_nsec);
        hear(f, flow, B_REQUEST);
        expect_said(f, LOWER_ENROLLMENT, A_RESPONSE);
        hear(f, flow, B_ACK);
        assert_int_equal(f->m->unicast.n_lower_flows, 0);

        f->management = accept_flow(f);
        hear(f, f->management, B_GREETS_MANAGEMENT);
        expect_greeted(f, A_GREETS_MANAGEMENT);
        f->data = accept_flow(f);
        hear(f, f->data, B_GREETS_DATA);
        expect_greeted(f, A_GREETS_DATA);
        expect_said(f, LOWER_MANAGEMENT, A_LSA);
        hear(f, f->management, B_LSA);
        assert_true(net_run_until(&f->net, way_is_there, USEC_PER_SEC) != USEC_INFINITY);

        hear(f, f->data, B_FIND_NODE);
        expect_told(f, next_told(f, DHT_FIND_NODE_RESPONSE), A_NODES);
}

/* What the directory knows of the name: told by STORE, or to be asked for. */
static void a_finds(Fixture *f) {
        uint8_t answer[NET_PACKET_MAX];
        DhtMessage asked, told;
        const Sent *question;
        ssize_t n;

        if (f->capture->stores)
                return;

        question = next_told(f, DHT_FIND_VALUE_REQUEST);
        expect_told(f, question, AFTER_THAT);
        dht_of(question->data, question->size, &asked);
        dht_of(f->messages[AFTER_THAT + 1].data, f->messages[AFTER_THAT + 1].size, &told);
        told.cookie = asked.cookie;
        memcpy(answer, f->messages[AFTER_THAT + 1].data, PCI_BYTES);
        n = dht_message_pack(&told, HASH_BYTES, answer + PCI_BYTES, sizeof(answer) - PCI_BYTES);
        assert_true(n > 0);
        hear_bytes(f, f->data, answer, PCI_BYTES + (size_t) n);
}

static void order_from(const Fixture *f, size_t message, LayerMessage *order) {
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
static uint64_t expect_said_but(Fixture *f, size_t message, size_t offset) {
        const Sent *sent = last_sent(f, LOWER_DATA);
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

static void patched(const Fixture *f, size_t message, size_t offset, uint64_t eid, bool little, uint8_t *ret) {
        memcpy(ret, f->messages[message].data, f->messages[message].size);
        for (size_t i = 0; i < sizeof(eid); i++)
                ret[offset + i] = (uint8_t) (eid >> 8 * (little ? i : 7 - i));
}

#define S_EID (PCI_BYTES + 16U)
#define R_EID (PCI_BYTES + 8U)
#define PCI_EID 7U

static void send_data(Fixture *f, size_t message) {
        size_t size = f->messages[message].size - PCI_BYTES;
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        memcpy(packet_append(packet, size), f->messages[message].data + PCI_BYTES, size);
        f->n_sent = 0;
        assert_int_equal(unicast_transmit(&f->m->unicast, unicast_flow(f->upper), &packet, 1, f->net.now), 1);
        expect_said(f, LOWER_DATA, message);
}

static void hear_data(Fixture *f, size_t message, uint64_t eid) {
        uint8_t packet[NET_PACKET_MAX];

        patched(f, message, PCI_EID, eid, true, packet);
        hear_bytes(f, f->data, packet, f->messages[message].size);
        assert_int_equal(f->n_delivered, f->messages[message].size - PCI_BYTES);
        assert_memory_equal(f->delivered, packet + PCI_BYTES, f->n_delivered);
}

static void play_a(const Capture *capture) {
        Fixture *f = calloc(1, sizeof(*f));
        const CloseTokens none = {};
        uint8_t packet[NET_PACKET_MAX];
        LayerMessage order;
        uint64_t eid;

        assert_non_null(f);
        make(f, capture, true);
        a_is_joined(f);

        if (capture->stores)
                hear(f, f->data, AFTER_THAT);
        order_from(f, f->flow, &order);
        f->n_sent = 0;
        unicast_request(&f->m->unicast, &order, f->net.now);
        a_finds(f);
        eid = expect_said_but(f, f->flow, S_EID);

        patched(f, f->flow + 1, R_EID, eid, false, packet);
        hear_bytes(f, f->data, packet, f->messages[f->flow + 1].size);
        assert_non_null(f->upper);
        unicast_established(&f->m->unicast, f->upper, &none, f->net.now);
        send_data(f, f->flow + 2);
        hear_data(f, f->flow + 3, eid);
        send_data(f, f->flow + 4);
        unicast_close(&f->m->unicast, f->upper, f->net.now);
        done(f);
}

static void test_as_first_member(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(captures); i++) {
                print_message("%s\n", captures[i].file);
                play_a(&captures[i]);
        }
}

/* -- as B, who joins -- */

static void b_joins(Fixture *f) {
        EnrollmentRequest request;
        LowerFlow *flow;

        assert_int_equal(enrollment_request_parse(f->messages[B_REQUEST].data, f->messages[B_REQUEST].size, &request),
                         0);
        start(f);
        flow = next_flow(f, LOWER_ENROLLMENT);
        expect_greeted(f, B_GREETS_ENROLLMENT);
        for (size_t i = sizeof(request.id); i > 0; i--)         /* the next random bytes */
                f->m->fixed_random = f->m->fixed_random << 8 | request.id[i - 1];
        hear(f, flow, A_GREETS_ENROLLMENT);
        expect_said(f, LOWER_ENROLLMENT, B_REQUEST);
        f->m->fixed_random = address_of(f, B_GREETS_DATA);
        hear(f, flow, A_RESPONSE);
        expect_said(f, LOWER_ENROLLMENT, B_ACK);
        assert_true(f->m->unicast.address == address_of(f, B_GREETS_DATA));
        f->m->fixed_random = 0;

        f->management = next_flow(f, LOWER_MANAGEMENT);
        expect_greeted(f, B_GREETS_MANAGEMENT);
        hear(f, f->management, A_GREETS_MANAGEMENT);
        f->data = next_flow(f, LOWER_DATA);
        expect_greeted(f, B_GREETS_DATA);
        hear(f, f->data, A_GREETS_DATA);
        expect_said(f, LOWER_MANAGEMENT, B_LSA);
        hear(f, f->management, A_LSA);
        expect_told(f, next_told(f, DHT_FIND_NODE_REQUEST), B_FIND_NODE);
}

/* What A said of its nodes, as the answer to what the member asks now. */
static void b_is_answered(Fixture *f) {
        const Sent *question = next_told(f, DHT_FIND_NODE_REQUEST);
        uint8_t packet[NET_PACKET_MAX];
        DhtMessage asked, told;
        ssize_t n;

        dht_of(question->data, question->size, &asked);
        dht_of(f->messages[A_NODES].data, f->messages[A_NODES].size, &told);
        told.cookie = asked.cookie;
        memcpy(told.key, asked.key, HASH_BYTES);
        memcpy(packet, f->messages[A_NODES].data, PCI_BYTES);
        n = dht_message_pack(&told, HASH_BYTES, packet + PCI_BYTES, sizeof(packet) - PCI_BYTES);
        assert_true(n > 0);
        hear_bytes(f, f->data, packet, PCI_BYTES + (size_t) n);
}

/* The name is found at us: A asks for it, or is told by who looks for the right ones to tell. */
static void b_is_found(Fixture *f) {
        LayerMessage order;

        order_from(f, f->flow, &order);
        b_is_answered(f);
        f->n_sent = 0;
        assert_int_equal(unicast_register(&f->m->unicast, order.hash, order.hash_size, f->net.now), 0);
        if (f->capture->stores) {
                b_is_answered(f);
                expect_told(f, next_told(f, DHT_STORE), AFTER_THAT);
        } else {
                hear(f, f->data, AFTER_THAT);
                expect_told(f, next_told(f, DHT_FIND_VALUE_RESPONSE), AFTER_THAT + 1);
        }
}

static void play_b(const Capture *capture) {
        Fixture *f = calloc(1, sizeof(*f));
        const CloseTokens none = {};
        LayerMessage answer;
        uint64_t eid;

        assert_non_null(f);
        make(f, capture, false);
        b_joins(f);
        b_is_found(f);

        hear(f, f->data, f->flow);
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
        done(f);
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
