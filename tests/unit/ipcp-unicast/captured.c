/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A member in a captured conversation, see captured.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/cursor.h"
#include "tests/unit/ipcp-unicast/captured.h"

#define FIRST_EID 64U                   /* of the layers below; smaller ones are their own */
#define LINK_BYTES 14U
#define IP_AND_PORTS_BYTES (20U + 4U)

/* -- the capture -- */

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

static void load(Captured *f, const Capture *capture) {
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

uint64_t captured_address_of(const Captured *f, unsigned greeting) {
        CepRecord record;

        assert_int_equal(cep_message_parse(f->messages[greeting].data, f->messages[greeting].size, &record), 0);
        return record.address;
}

void captured_dht_of(const uint8_t *packet, size_t size, DhtMessage *ret) {
        assert_true(size > PCI_BYTES);
        assert_int_equal(dht_message_parse(packet + PCI_BYTES, size - PCI_BYTES, HASH_BYTES, ret), 0);
}

/* -- what the member wants -- */

static bool keep(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Captured *f = container_of(net, Captured, net);
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

static Captured *fixture_of(void *userdata) {
        return container_of(((NetMember *) userdata)->net, Captured, net);
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
        Captured *f = fixture_of(userdata);

        assert_int_equal(n, 1);
        f->n_delivered = packet_size(packets[0]);
        memcpy(f->delivered, packets[0]->head, f->n_delivered);
}

static void failed(void *userdata, uint64_t flow_id, uint32_t attempt, int32_t result) {
        fail_msg("the flow failed: %d", result);
}

void captured_make(Captured *f, const Capture *capture, bool bootstrap) {
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

void captured_start(Captured *f) {
        unicast_start(&f->m->unicast, f->net.now);
        unicast_lower_changed(&f->m->unicast, 0, true, f->net.now);
}

void captured_done(Captured *f) {
        net_done(&f->net);
        pcap_free(f->pcap);
        free(f);
}

/* -- the conversation -- */

void captured_hear_bytes(Captured *f, LowerFlow *flow, const uint8_t *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        memcpy(packet_append(packet, size), data, size);
        f->n_sent = 0;
        unicast_lower_received(flow, &packet, 1, f->net.now);
}

void captured_hear(Captured *f, LowerFlow *flow, size_t message) {
        captured_hear_bytes(f, flow, f->messages[message].data, f->messages[message].size);
}

const Sent *captured_last_sent(const Captured *f, LowerPurpose purpose) {
        for (size_t i = f->n_sent; i > 0; i--)
                if (f->sent[i - 1].purpose == purpose)
                        return &f->sent[i - 1];

        fail_msg("nothing was sent for %s", lower_purpose_to_string(purpose));
        return NULL;
}

void captured_expect_said(const Captured *f, LowerPurpose purpose, size_t message) {
        const Sent *sent = captured_last_sent(f, purpose);

        assert_int_equal(sent->size, f->messages[message].size);
        assert_memory_equal(sent->data, f->messages[message].data, sent->size);
}

/* A greeting of ours may have field 100 behind what theirs have. */
void captured_expect_greeted(const Captured *f, size_t message) {
        const Sent *sent = &f->sent[0];
        size_t size = f->messages[message].size;

        assert_true(f->n_sent > 0);
        assert_true(sent->size >= size);
        assert_memory_equal(sent->data, f->messages[message].data, size);
        if (sent->size > size)
                assert_memory_equal(sent->data + size, "\xa2\x06", 2);
}

/* A header, and a directory's message that says the same, whatever our id, our cookies and the time are. */
void captured_expect_told(const Captured *f, const Sent *sent, size_t message) {
        DhtMessage ours, theirs;

        captured_dht_of(sent->data, sent->size, &ours);
        captured_dht_of(f->messages[message].data, f->messages[message].size, &theirs);
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

LowerFlow *captured_accept_flow(Captured *f) {
        const o7s_qos qos = cube_lower_qos(CUBE_BEST_EFFORT);
        LowerFlow *flow = NULL;

        f->net.now += USEC_PER_MSEC;
        assert_int_equal(unicast_lower_accepted(&f->m->unicast, 0, &qos, NET_PACKET_MAX, "peer", f->net.now, &flow), 0);
        return flow;
}

LowerFlow *captured_next_flow(Captured *f, LowerPurpose purpose) {
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

void captured_set_time(Captured *f, uint64_t nsec) {
        f->m->clock_nsec = (int64_t) (nsec - 1800000000000000000ULL - f->net.now * NSEC_PER_USEC);
}

bool captured_way_is_there(Net *net) {
        const Captured *f = container_of(net, Captured, net);

        return f->data->neighbour && forwarding_lookup(f->m->unicast.forwarding[CUBE_BEST_EFFORT],
                                                       f->data->neighbour->address, 0) != FORWARDING_NONE;
}

const Sent *captured_next_told(Captured *f, DhtCode code) {
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
