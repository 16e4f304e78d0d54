/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A hostile neighbour against a whole member: known weaknesses of other implementations, one case each. All along
 * there is a flow between two honest members, and at the end of each case it still delivers, and its ends are who
 * they were.
 *
 * Weaknesses of a part of the member are tried where that part is tested:
 *
 *   EID 0 finds an unused slot                       here; test-eid: test_wrong_ids
 *   reply at any time, twice, from anyone            test-flow-allocator: test_reply_strict, test_late_reply
 *   update that moves a flow                         test-flow-allocator: test_update_changes_the_level_only; here
 *   request whose sender is made up                  here
 *   one slow worker, queue without a bound           here; test-flow-allocator: test_flood, test_many
 *   state for whoever asks                           here; test-flow-allocator: test_flood
 *   leak for each request that comes to nothing      here and all fuzzers, under AddressSanitizer
 *   request that is lost, or comes twice             test-flow-allocator: test_next_address, test_request_copies
 *   data before the application's end is there       test-flow-allocator: test_early_data, test_data_too_early
 *   an application that does not read                test-upper: its endpoint is full, and nobody waits
 *   header cut short, TTL below zero, odd addresses  here; test-pci
 *   components that anybody may talk to              here
 *   link-state messages that lie, or freeze a link   test-routing: test_lies, test_freeze, test_same_address_twice
 *   a member talked out of its address               here; test-neighbour: test_foreign_conflict; test-join:
 *                                                    test_same_address
 *   link-state messages without end                  here; test-routing: test_storm; test-lsdb: test_bounds
 *   anything kept in the directory, for ever         test-dht-store: test_limits, test_full_key; test-directory:
 *                                                    test_poisoned_key
 *   answers to whom the question names               test-directory-strangers: test_not_an_amplifier
 *   ids and contacts that are made up                test-directory-strangers: test_invented_members, test_impostor
 *   directory message of an unknown code             here; test-dht-message: test_parse
 *   directory ids of another length                  test-dht-message: test_id_sizes
 *   an enrollment that says nothing more             here; test-neighbour: test_silent_strangers
 *   an answer without a configuration                here; test-enrollment: test_responses
 *   ids that can be foretold                         test-eid: test_unpredictable; test-flow-allocator:
 *                                                    test_request_refused_here
 *   trying ids                                       here
 *   silence that tells names apart                   test-flow-allocator: test_silence
 *   rejection that takes longer near a right guess   test-eid: test_same_work
 *   data for a flow that had this id before          here; test-eid: test_take_again
 *   all places taken by one                          here; test-flow-allocator: test_flood; test-lsdb: test_bounds
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/lsa.h"
#include "tests/support/unicast-net.h"

#define HOSTILE 0x66U
#define FLOW 7U
#define NAME 'n'

typedef struct Fixture {
        Net net;
        NetMember *a, *b;               /* honest: a flow goes from b to a */
        LowerFlow *data, *management;   /* from the hostile one to a */
        unsigned n_accepted;            /* flows of hostile ones */
        unsigned n_heard;               /* what a sent to it */
        unsigned n_codes[256];          /* of these, messages for its flow allocator */
        uint64_t eids[2], peer_eids[2], addresses[2];   /* of the honest flow, at its beginning */
} Fixture;

static bool listen(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        Fixture *f = container_of(net, Fixture, net);
        size_t header = unicast_pci_bytes(&from->unicast);
        FlowMessage message;

        if (flow->shell)
                return true;

        f->n_heard++;
        if (flow->purpose == LOWER_DATA && *size > header &&
            flow_message_parse(data + header, *size - header, from->unicast.hash_size, &message) >= 0)
                f->n_codes[message.code]++;
        return true;
}

static void receive(Fixture *f, LowerFlow *flow, const void *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        if (size > 0)
                memcpy(packet_append(packet, size), data, size);
        unicast_lower_received(flow, &packet, 1, f->net.now);
}

/* A flow to a that begins like this; in a state that the caller looks at. */
static LowerFlow *open_flow(Fixture *f, CepComponent component, uint64_t address, const char *member) {
        const o7s_qos qos = cube_lower_qos(CUBE_BEST_EFFORT);
        uint8_t wire[CEP_MESSAGE_BYTES_MAX];
        LowerFlow *flow = NULL;
        CepRecord record;
        char peer[32];
        ssize_t n;

        cep_record_init(&record, component, address, member);
        n = cep_message_pack(&record, wire, sizeof(wire));
        assert_true(n > 0);
        /* from many hosts; for one see test-neighbour.c */
        (void) snprintf(peer, sizeof(peer), "hostile %u", f->n_accepted++);
        assert_int_equal(unicast_lower_accepted(&f->a->unicast, 0, &qos, NET_PACKET_MAX, peer, f->net.now, &flow), 0);
        receive(f, flow, wire, (size_t) n);
        return flow;
}

static void remember(Fixture *f) {
        const UnicastFlow *flows[] = { net_flow(f->a, FLOW + 1000), net_flow(f->b, FLOW) };

        for (unsigned i = 0; i < ELEMENTSOF(flows); i++) {
                f->eids[i] = flows[i]->eid;
                f->peer_eids[i] = flows[i]->peer_eid;
                f->addresses[i] = flows[i]->peer_address;
        }
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;

        net_init(&f->net, 1);
        f->net.filter = listen;
        f->a = net_add(&f->net, true);
        f->b = net_add(&f->net, false);
        net_start(f->a);
        net_start(f->b);
        net_run(&f->net, 20 * USEC_PER_SEC);
        assert_true(net_connect(f->b, f->a, FLOW, NAME));
        remember(f);

        f->management = open_flow(f, CEP_MANAGEMENT, HOSTILE, "");
        f->data = open_flow(f, CEP_DATA_TRANSFER, HOSTILE, "");
        assert_int_equal(f->data->state, LOWER_OPEN);
        assert_int_equal(f->management->state, LOWER_OPEN);
        net_run(&f->net, USEC_PER_SEC);
        *state = f;
        return 0;
}

/* The flow between honest members is as it was, and delivers, both ways. */
static void assert_unharmed(Fixture *f) {
        unsigned n_delivered[] = { f->a->n_delivered, f->b->n_delivered };
        const UnicastFlow *flows[] = { net_flow(f->a, FLOW + 1000), net_flow(f->b, FLOW) };

        for (unsigned i = 0; i < ELEMENTSOF(flows); i++) {
                assert_non_null(flows[i]);
                assert_int_equal(flows[i]->layer.state, LAYER_FLOW_ESTABLISHED);
                assert_true(flows[i]->eid == f->eids[i]);
                assert_true(flows[i]->peer_eid == f->peer_eids[i]);
                assert_true(flows[i]->peer_address == f->addresses[i]);
        }

        net_write(f->b, FLOW, "honest", 6);
        net_write(f->a, FLOW + 1000, "honest", 6);
        net_run(&f->net, 10 * NET_DELAY_USEC);
        assert_int_equal(f->a->n_delivered, n_delivered[0] + 1);
        assert_int_equal(f->b->n_delivered, n_delivered[1] + 1);
}

static int teardown(void **state) {
        Fixture *f = *state;

        net_done(&f->net);
        free(f);
        return 0;
}

static uint64_t drops(const Fixture *f, DropReason reason) {
        return f->a->unicast.counters.drops[reason];
}

/* A packet of the hostile one to a, as its header says. */
static void send_packet(Fixture *f, const Pci *pci, const void *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(size, &packet), 0);
        if (size > 0)
                memcpy(packet_append(packet, size), data, size);
        assert_int_equal(pci_push(&f->a->unicast.format, packet, pci), 0);
        unicast_lower_received(f->data, &packet, 1, f->net.now);
}

static void send_to_eid(Fixture *f, uint64_t eid, const void *data, size_t size) {
        const Pci pci = { .destination = f->a->unicast.address, .ttl = 60, .eid = eid };

        send_packet(f, &pci, data, size);
}

static void send_flow_message(Fixture *f, const FlowMessage *message) {
        uint8_t bytes[FLOW_MESSAGE_BYTES_MAX];
        ssize_t n = flow_message_pack(message, bytes, sizeof(bytes));

        assert_true(n > 0);
        send_to_eid(f, EID_FLOW_ALLOCATOR, bytes, (size_t) n);
}

static void send_request(Fixture *f, uint8_t name, uint64_t sender, uint64_t sender_eid) {
        uint8_t hash[HASH_BYTES_MAX], oap[84] = {};

        net_hash(name, hash);
        memcpy(oap, &sender_eid, sizeof(sender_eid));
        send_flow_message(f, &(FlowMessage) {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = sender,
                .sender_eid = sender_eid,
                .hash = hash,
                .hash_size = f->a->unicast.hash_size,
                .oap = oap,
                .oap_size = sizeof(oap),
        });
}

static void send_link(Fixture *f, uint64_t from, uint64_t to, uint64_t sequence) {
        const Lsa lsa = { .from = from, .to = to, .sequence = sequence, .cost = 1 };
        uint8_t bytes[LSA_BYTES_MAX];

        receive(f, f->management, bytes, lsa_write(&lsa, bytes));
}

/* -- the header -- */

static void test_header_cut_short(void **state) {
        const uint8_t bytes[15] = { [5] = 60 };
        Fixture *f = *state;
        uint64_t before = drops(f, DROP_MALFORMED);

        for (size_t size = 1; size < sizeof(bytes); size++)
                receive(f, f->data, bytes, size);
        assert_int_equal(drops(f, DROP_MALFORMED), before + sizeof(bytes) - 1);
        assert_unharmed(f);
}

static void test_ttl_below_zero(void **state) {
        Fixture *f = *state;
        Pci pci = { .destination = f->b->unicast.address, .eid = net_flow(f->b, FLOW)->eid };
        unsigned n_delivered = f->b->n_delivered;

        for (pci.ttl = 0; pci.ttl <= 1; pci.ttl++)
                send_packet(f, &pci, "x", 1);
        net_run(&f->net, 10 * NET_DELAY_USEC);
        assert_int_equal(f->b->n_delivered, n_delivered);
        assert_int_equal(drops(f, DROP_TTL), 2);
        assert_unharmed(f);
}

static void test_odd_destinations(void **state) {
        Fixture *f = *state;
        const uint64_t destinations[] = { 0, UINT32_MAX, 12345, HOSTILE };
        uint64_t before = drops(f, DROP_NO_ROUTE), forwarded = f->a->unicast.n_forwarded;

        for (size_t i = 0; i < ELEMENTSOF(destinations); i++)
                for (unsigned cube = 0; cube <= UINT8_MAX; cube += 51)
                        send_packet(f, &(Pci) { .destination = destinations[i], .ttl = 60, .cube = (uint8_t) cube,
                                                .eid = 64 },
                                    "x", 1);
        assert_int_equal(drops(f, DROP_NO_ROUTE) - before + f->a->unicast.n_forwarded - forwarded, 4 * 6);
        assert_true(f->a->unicast.n_forwarded - forwarded <= 6);        /* back to itself, if it likes */
        assert_unharmed(f);
}

/* -- endpoint ids -- */

static void test_eid_zero_and_all_ones(void **state) {
        const uint64_t eids[] = { 0, 1, 63, 64, UINT32_MAX, UINT64_MAX, UINT64_MAX - 1 };
        Fixture *f = *state;

        f->n_heard = 0;
        for (size_t i = 0; i < ELEMENTSOF(eids); i++) {
                send_to_eid(f, eids[i], "data for nobody", 15);
                send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_UPDATE, .receiver_eid = eids[i],
                                                      .level = 999 });
                send_flow_message(f, &(FlowMessage) {
                        .code = FLOW_MESSAGE_REPLY, .receiver_eid = eids[i], .sender_eid = 99, .oap_size = 0 });
                send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_CLOSE, .receiver_eid = eids[i],
                                                      .sender_eid = 99 });
        }
        assert_int_equal(f->n_heard, 0);
        assert_int_equal(f->a->n_ended, 0);
        assert_unharmed(f);
}

/* Components that nobody has answer nothing, and those that there are answer no nonsense. */
static void test_components(void **state) {
        Fixture *f = *state;
        uint64_t unknown = drops(f, DROP_UNKNOWN_ENDPOINT);
        uint8_t noise[200];

        memset(noise, 0xff, sizeof(noise));
        f->n_heard = 0;
        for (uint64_t eid = 0; eid < EID_FLOWS; eid++)
                for (size_t size = 0; size <= sizeof(noise); size += 40)
                        send_to_eid(f, eid, noise, size);
        net_run(&f->net, 10 * NET_DELAY_USEC);
        assert_int_equal(f->n_heard, 0);
        assert_true(drops(f, DROP_UNKNOWN_ENDPOINT) - unknown >= 6 * (EID_FLOWS - 4));
        assert_unharmed(f);
}

/* The right id, the wrong everything else: nothing but the pace is touched, and no end without the token. */
static void test_right_eid(void **state) {
        Fixture *f = *state;
        const uint64_t eid = f->eids[0];

        send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_REPLY, .receiver_eid = eid, .sender_eid = 99 });
        send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_REPLY, .receiver_eid = eid, .response = -1000 });
        send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_CLOSE, .receiver_eid = eid, .sender_eid = 99 });
        send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_CLOSE, .receiver_eid = eid,
                                              .sender_eid = f->peer_eids[0] });
        send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_UPDATE, .receiver_eid = eid, .level = 1 });
        net_run(&f->net, USEC_PER_SEC);
        assert_unharmed(f);
}

/* More than a few for more than a while: said once, counted, and guesses are no longer all looked at. */
static void test_trying_ids(void **state) {
        Fixture *f = *state;
        unsigned n_warnings = f->a->n_warnings;
        Neighbour *n = neighbour_find(&f->a->unicast, HOSTILE);
        uint64_t guess = EID_FLOWS, limited;

        f->n_heard = 0;
        for (unsigned second = 0; second < SCAN_SECONDS + 5; second++) {
                for (unsigned i = 0; i < 10 * SCAN_RATE; i++)
                        send_to_eid(f, guess += 0x9e3779b97f4a7c15U, "?", 1);
                net_run(&f->net, USEC_PER_SEC);
        }
        assert_int_equal(f->a->n_warnings, n_warnings + 1);
        assert_int_equal(f->a->unicast.n_scans, 1);
        assert_true(scan_is_on(&n->scan, f->net.now));
        assert_int_equal(n->n_unknown_eids, 10 * SCAN_RATE * (SCAN_SECONDS + 5));

        limited = drops(f, DROP_LIMIT);
        for (unsigned i = 0; i < 10 * SCAN_RATE; i++)
                send_flow_message(f, &(FlowMessage) { .code = FLOW_MESSAGE_UPDATE, .receiver_eid = ++guess });
        assert_int_equal(drops(f, DROP_LIMIT), limited + 10 * SCAN_RATE - SCAN_TRIES_MAX);
        assert_unharmed(f);

        net_run(&f->net, (SCAN_SECONDS + 1) * USEC_PER_SEC);
        assert_false(scan_is_on(&n->scan, f->net.now));
        assert_int_equal(f->n_codes[FLOW_MESSAGE_REPLY] + f->n_codes[FLOW_MESSAGE_CLOSE], 0);
        assert_unharmed(f);
}

/* Somebody who is late is none who tries. */
static void test_late_is_no_scan(void **state) {
        Fixture *f = *state;

        for (unsigned second = 0; second < 4 * SCAN_SECONDS; second++) {
                for (unsigned i = 0; i < (second % 2 == 0 ? 10 * SCAN_RATE : SCAN_RATE); i++)
                        send_to_eid(f, 123456789, "late", 4);
                net_run(&f->net, USEC_PER_SEC);
        }
        assert_int_equal(f->a->unicast.n_scans, 0);
        assert_unharmed(f);
}

/* An id outlives its flow for a while, and then belongs to nobody: never to the flow that is made next. */
static void test_id_of_before(void **state) {
        Fixture *f = *state;
        uint64_t before;
        unsigned n_delivered;

        assert_true(net_connect(f->b, f->a, FLOW + 1, NAME));
        before = net_flow(f->a, FLOW + 1001)->eid;
        unicast_close(&f->a->unicast, &net_flow(f->a, FLOW + 1001)->layer, f->net.now);
        assert_true(net_connect(f->b, f->a, FLOW + 2, NAME));

        n_delivered = f->a->n_delivered;
        send_to_eid(f, before, "stray", 5);
        net_run(&f->net, FLOW_CLOSED_KEEP_USEC + USEC_PER_SEC);
        send_to_eid(f, before, "stray", 5);
        assert_int_equal(f->a->n_delivered, n_delivered);
        assert_unharmed(f);
}

/* -- requests -- */

/* Senders that are made up: answers are no longer than requests, nothing is kept beyond the table, and others get
 * theirs. */
static void test_made_up_requests(void **state) {
        Fixture *f = *state;
        Unicast *u = &f->a->unicast;
        unsigned n_incoming = f->a->n_incoming;

        for (unsigned second = 0; second < 4; second++) {
                for (unsigned i = 0; i < 10000; i++)
                        send_request(f, NAME, 1000 + i, EID_FLOWS + second * 10000 + i);
                net_run(&f->net, USEC_PER_SEC);
        }
        assert_true(f->a->n_incoming - n_incoming <= UNICAST_INCOMING_BUCKET_MAX);
        assert_int_equal(f->n_codes[FLOW_MESSAGE_REPLY], 0);

        assert_true(net_connect(f->b, f->a, FLOW + 1, NAME));
        net_run(&f->net, 2 * UNICAST_INCOMING_KEEP_USEC);
        assert_int_equal(map_size(u->incoming_by_reference), 0);
        assert_unharmed(f);
}

static void test_request_from_ourselves(void **state) {
        Fixture *f = *state;
        unsigned n_incoming = f->a->n_incoming;

        send_request(f, NAME, f->a->unicast.address, 64);
        send_request(f, 'x', HOSTILE, 64);
        assert_int_equal(f->a->n_incoming, n_incoming);
        assert_unharmed(f);
}

/* -- routing -- */

/* Every packet of the storm is a new link; the table is full long before its end. */
static void test_storm_of_links(void **state) {
        Fixture *f = *state;
        const RoutingStatistics *statistics = routing_statistics(f->a->unicast.routing);
        uint64_t computations = statistics->computations;

        for (uint64_t i = 0; i < ROUTING_LINKS_MAX + 1000; i++) {
                send_link(f, 1000 + i / 100, 100000 + i, 1);
                if (i % 10000 == 0)
                        net_run(&f->net, 100 * USEC_PER_MSEC);
        }

        statistics = routing_statistics(f->a->unicast.routing);
        assert_true(statistics->n_links <= ROUTING_LINKS_MAX);
        assert_true(statistics->refused >= ROUTING_LINKS_MAX / 10);
        assert_true(statistics->computations - computations <= 10);
        assert_unharmed(f);
}

/* Links of ours that it invents, with numbers ahead of any answer: we may believe in a second member with our
 * address. But flows end for that, so we do not for the one who says so again and again. */
static void test_talked_out_of_address(void **state) {
        Fixture *f = *state;
        uint64_t sequence = 1000;
        unsigned n_changes = 0;

        for (unsigned second = 0; second < 600; second++) {
                uint64_t address = f->a->unicast.address;

                f->management = open_flow(f, CEP_MANAGEMENT, HOSTILE, "");
                for (unsigned i = 0; i < 3; i++)
                        send_link(f, address, f->b->unicast.address, sequence += 10);
                net_run(&f->net, USEC_PER_SEC);
                n_changes += f->a->unicast.address != address;
        }
        assert_in_range(n_changes, 1, 8);
}

/* -- the directory -- */

static void test_unknown_code(void **state) {
        Fixture *f = *state;
        uint64_t before = directory_statistics(f->a->unicast.directory)->malformed;

        /* Field 1, the code, as 255, as the largest, and alone. */
        send_to_eid(f, EID_DIRECTORY, "\x08\xff\x01", 3);
        send_to_eid(f, EID_DIRECTORY, "\x08\xff\xff\xff\xff\x0f", 6);
        send_to_eid(f, EID_DIRECTORY, "\x08\x00", 2);
        assert_int_equal(directory_statistics(f->a->unicast.directory)->malformed, before + 3);
        assert_unharmed(f);
}

/* -- joining -- */

/* Many who begin to enroll and say no more: none of them waits in another's way. */
static void test_enrollments_that_stop(void **state) {
        Fixture *f = *state;
        unsigned n_before = f->a->unicast.n_lower_flows;
        NetMember *c = net_add(&f->net, false);

        for (unsigned i = 0; i < 1000; i++)
                (void) open_flow(f, CEP_ENROLLMENT, 0, "");
        assert_int_equal(f->a->unicast.n_lower_flows, n_before + 1000);

        net_start(c);
        net_run(&f->net, 500 * USEC_PER_MSEC);
        assert_true(c->unicast.is_member);
        net_run(&f->net, ENROLLMENT_TIMEOUT_USEC);
        assert_true(f->a->unicast.n_lower_flows < n_before + 20);
        assert_unharmed(f);
}

/* Whoever asks b answers it: with nothing in the answer b is no member, and asks on. */
static bool answer_nothing(Net *net, const NetMember *from, const LowerFlow *flow, uint8_t *data, size_t *size) {
        EnrollmentResponse response;

        if (flow->purpose != LOWER_ENROLLMENT || flow->outgoing ||
            enrollment_response_parse(data, *size, &response) < 0)
                return true;

        response.has_config = false;
        *size = (size_t) enrollment_response_pack(&response, data, *size);
        return *size <= NET_PACKET_MAX;
}

static void test_answer_without_config(void **state) {
        Fixture *f = *state;
        NetMember *c = net_add(&f->net, false);

        f->net.filter = answer_nothing;
        net_start(c);
        net_run(&f->net, 30 * USEC_PER_SEC);
        assert_false(c->unicast.is_member);
        assert_int_equal(c->state, LAYER_ENROLLING);

        f->net.filter = listen;
        net_run(&f->net, 60 * USEC_PER_SEC);
        assert_true(c->unicast.is_member);
        assert_unharmed(f);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(test_header_cut_short),
                CASE(test_ttl_below_zero),
                CASE(test_odd_destinations),
                CASE(test_eid_zero_and_all_ones),
                CASE(test_components),
                CASE(test_right_eid),
                CASE(test_trying_ids),
                CASE(test_late_is_no_scan),
                CASE(test_id_of_before),
                CASE(test_made_up_requests),
                CASE(test_request_from_ourselves),
                CASE(test_storm_of_links),
                CASE(test_talked_out_of_address),
                CASE(test_unknown_code),
                CASE(test_enrollments_that_stop),
                CASE(test_answer_without_config),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
