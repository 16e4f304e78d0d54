/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The echo component: its message byte by byte, and traces through a line of members. What the component sends is
 * caught by doubles of the packet's walk and of routing, so that loss, delay and forgery are the test's to decide.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/echo.h"

/* -- the message -- */

#define PROBE                                                                                                     \
        "\1\0\0\0" "\0\2\0\1" "\x11\x22\x33\x44\x55\x66\x77\x88" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\0"
#define ANSWER                                                                                                    \
        "\1\1\1\4" "\0\2\0\1" "\x11\x22\x33\x44\x55\x66\x77\x88" "\0\0\0\0\0\0\0\7" "\0\0\0\x9" "\0\0\0\0" "beta"

/* Literals are padded with zeros to the size of the message, or to the size given. */
static const struct {
        const char *name;
        uint8_t wire[ECHO_MESSAGE_BYTES + 2];
        size_t size;
        int r;
} messages[] = {
        { "probe", PROBE, ECHO_MESSAGE_BYTES, 0 },
        { "answer", ANSWER, ECHO_MESSAGE_BYTES, 0 },
        { "empty", "", 0, -EBADMSG },
        { "a byte short", PROBE, ECHO_MESSAGE_BYTES - 1, -EBADMSG },
        { "a byte long", PROBE, ECHO_MESSAGE_BYTES + 1, -EBADMSG },
        { "version 2", "\2\0\0\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7", ECHO_MESSAGE_BYTES, -EPROTO },
        { "code 2", "\1\2\0\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7", ECHO_MESSAGE_BYTES, -EPROTO },
        { "no address", "\1\0\0\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1", ECHO_MESSAGE_BYTES, -EBADMSG },
        { "unknown flag", "\1\1\2\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7", ECHO_MESSAGE_BYTES, -EBADMSG },
        { "probe with a flag", "\1\0\1\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7", ECHO_MESSAGE_BYTES,
          -EBADMSG },
        { "probe with a name", "\1\0\0\1" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\0" "a",
          ECHO_MESSAGE_BYTES, -EBADMSG },
        { "probe with a queue", "\1\0\0\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7" "\0\0\0\1",
          ECHO_MESSAGE_BYTES,
          -EBADMSG },
        { "zero that is none", "\1\0\0\0" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\1",
          ECHO_MESSAGE_BYTES, -EBADMSG },
        { "something behind the name", ANSWER "!", ECHO_MESSAGE_BYTES, -EBADMSG },
        { "name longer than the message", "\1\1\0\xff" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7",
          ECHO_MESSAGE_BYTES,
          -EBADMSG },
        { "name that fills it to the last byte", "\1\1\0\x40" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7",
          ECHO_MESSAGE_BYTES, -EBADMSG },
        { "name with an escape", "\1\1\0\4" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\0"
          "a\x1b[1",
          ECHO_MESSAGE_BYTES, -EBADMSG },
        { "name with a NUL", "\1\1\0\2" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\0" "a",
          ECHO_MESSAGE_BYTES, -EBADMSG },
        { "name that is not UTF-8", "\1\1\0\1" "\0\2\0\1" "\1\1\1\1\1\1\1\1" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\0"
          "\xff",
          ECHO_MESSAGE_BYTES, -EBADMSG },
};

static void test_messages(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                EchoMessage message = { .sequence = 42 };
                uint8_t packed[ECHO_MESSAGE_BYTES];

                print_message("%s\n", messages[i].name);
                assert_int_equal(echo_message_parse(messages[i].wire, messages[i].size, &message), messages[i].r);
                if (messages[i].r < 0) {
                        assert_int_equal(message.sequence, 42);         /* untouched on failure */
                        continue;
                }

                echo_message_pack(&message, packed);
                assert_memory_equal(packed, messages[i].wire, ECHO_MESSAGE_BYTES);
        }
}

static void test_fields(void **state) {
        static const uint8_t wire[ECHO_MESSAGE_BYTES] = ANSWER;
        EchoMessage message;

        assert_int_equal(echo_message_parse(wire, sizeof(wire), &message), 0);
        assert_int_equal(message.code, ECHO_ANSWER);
        assert_true(message.destination);
        assert_int_equal(message.sequence, 0x20001);
        assert_true(message.cookie == 0x1122334455667788);
        assert_int_equal(message.address, 7);
        assert_int_equal(message.queue, 9);
        assert_string_equal(message.member, "beta");
}

/* -- a line of members, 1 to 4; the first one asks -- */

#define MEMBERS 4U
#define SENT_MAX 512U

typedef struct Sent {
        uint64_t destination;
        uint8_t ttl;                    /* 0: sent as a message, which arrives */
        uint8_t bytes[ECHO_MESSAGE_BYTES];
} Sent;

static struct {
        Unicast members[MEMBERS];
        Route routes[MEMBERS];
        size_t n_routes;
        Sent sent[SENT_MAX];
        size_t n_sent;
        uint64_t random;
        unsigned n_done;
        EchoTrace last;                 /* as it was when it was over */
} line;

/* Doubles of transmit.c and routing.c. */
bool unicast_send_message(Unicast *u, uint64_t destination, uint64_t eid, const uint8_t *data, size_t size,
                          usec_t now) {
        assert_int_equal(eid, EID_ECHO);
        assert_int_equal(size, ECHO_MESSAGE_BYTES);
        assert_true(line.n_sent < SENT_MAX);

        line.sent[line.n_sent].destination = destination;
        line.sent[line.n_sent].ttl = 0;
        memcpy(line.sent[line.n_sent++].bytes, data, size);
        return true;
}

void unicast_forward(Unicast *u, Packet *packet, const Pci *pci, const LowerFlow *from, usec_t now) {
        Pci pushed;

        assert_null(from);
        assert_int_equal(pci->eid, EID_ECHO);
        assert_int_equal(pci_parse(&u->format, packet, &pushed), 0);
        assert_true(pushed.destination == pci->destination && pushed.ttl == pci->ttl && pushed.eid == EID_ECHO);
        assert_int_equal(packet_size(packet), pci_bytes(&u->format) + ECHO_MESSAGE_BYTES);
        assert_true(line.n_sent < SENT_MAX);

        line.sent[line.n_sent].destination = pci->destination;
        line.sent[line.n_sent].ttl = pci->ttl;
        memcpy(line.sent[line.n_sent++].bytes, packet->head + pci_bytes(&u->format), ECHO_MESSAGE_BYTES);
}

const Route *routing_routes(const Routing *r, size_t *ret_n) {
        *ret_n = line.n_routes;
        return line.routes;
}

static int random_numbers(void *userdata, void *ret, size_t size) {
        uint64_t number = ++line.random * 0x9e3779b97f4a7c15;

        assert_int_equal(size, sizeof(number));
        memcpy(ret, &number, size);
        return 0;
}

static const UnicastEvents events = { .random = random_numbers };

static int setup(void **state) {
        static const char *const names[MEMBERS] = { "alpha", "beta", "gamma", "delta" };

        memset(&line, 0, sizeof(line));
        for (unsigned i = 0; i < MEMBERS; i++) {
                Unicast *u = &line.members[i];

                u->is_member = true;
                u->address = i + 1;
                u->format = (PciFormat) { .address_bytes = 4, .eid_bytes = 8, .ttl_max = 60 };
                u->config.member = names[i];
                u->events = &events;
                list_init(&u->neighbours);
                assert_int_equal(packet_new(2048, &u->message), 0);

                if (i > 0)
                        line.routes[line.n_routes++] = (Route) { .destination = i + 1, .n_links = i, .n_hops = 1 };
        }

        return 0;
}

static int teardown(void **state) {
        for (unsigned i = 0; i < MEMBERS; i++) {
                line.members[i].echo = echo_free(line.members[i].echo);
                line.members[i].message = packet_free(line.members[i].message);
        }

        return 0;
}

static void traced(void *userdata, const EchoTrace *trace) {
        line.n_done++;
        line.last = *trace;
}

/* Carries what was sent since "from" to where it goes: probes to the member where their TTL ends, with "lost" left
 * out. */
static void carry(size_t from, size_t to, uint64_t lost, usec_t now) {
        for (size_t i = from; i < to; i++) {
                Sent s = line.sent[i];

                if (s.ttl == 0)
                        echo_receive(&line.members[s.destination - 1], s.bytes, sizeof(s.bytes), NULL, now);
                else if (s.ttl >= s.destination - 1 && s.destination != lost)
                        echo_receive(&line.members[s.destination - 1], s.bytes, sizeof(s.bytes), NULL, now);
                else if (s.ttl < s.destination - 1 && s.ttl + 1U != lost)
                        echo_expired(&line.members[s.ttl], s.bytes, sizeof(s.bytes), NULL, now);
        }
}

/* Sends what is due of a round, all at this moment of virtual time or later; returns when the last probe of it was
 * sent. */
static usec_t send_round(Unicast *u, const EchoTrace *trace) {
        unsigned rounds = trace->n_rounds;
        usec_t now = 0;

        while (trace->n_rounds == rounds) {
                now = echo_next(u);
                echo_expire(u, now);
        }

        return now;
}

static void test_trace(void **state) {
        Unicast *u = &line.members[0];
        EchoTrace *trace;

        assert_true(echo_next(u) == USEC_INFINITY);
        assert_int_equal(echo_trace_start(u, 4, 2, traced, NULL, 1000, &trace), 0);
        assert_int_equal(line.n_sent, 1);
        assert_true(echo_next(u) == 1000 + ECHO_INTERVAL_USEC / 3);     /* one for each member on the way, in turn */
        send_round(u, trace);
        assert_int_equal(line.n_sent, 3);

        for (unsigned i = 0; i < 3; i++) {
                usec_t sent = trace->hops[i].sent[0];

                carry(i, i + 1, 0, sent + 500);
                carry(3 + i, 4 + i, 0, sent + 2000);
        }
        assert_int_equal(line.n_done, 0);

        send_round(u, trace);
        assert_int_equal(line.n_sent, 9);
        for (unsigned i = 0; i < 3; i++) {
                usec_t sent = trace->hops[i].sent[1];

                carry(6 + i, 7 + i, 0, sent + 500);
                carry(9 + i, 10 + i, 0, sent + 10000);
        }

        /* Everybody answered: no need to wait for more. */
        assert_int_equal(line.n_done, 1);
        assert_true(line.last.reached);
        assert_int_equal(line.last.n_hops, 3);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(line.last.hops[i].address, i + 2);
                assert_int_equal(line.last.hops[i].n_sent, 2);
                assert_int_equal(line.last.hops[i].n_answered, 2);
                assert_true(echo_hop_quantile(&line.last.hops[i], 50) == 2000);
                assert_true(echo_hop_quantile(&line.last.hops[i], 100) == 10000);
        }
        assert_string_equal(line.last.hops[1].member, "gamma");
        assert_true(echo_next(u) == USEC_INFINITY);
}

static void test_loss(void **state) {
        Unicast *u = &line.members[0];
        EchoTrace *trace;
        usec_t last;

        assert_int_equal(echo_trace_start(u, 4, 1, traced, NULL, 0, &trace), 0);
        last = send_round(u, trace);
        carry(0, 3, 3, last + 10);      /* gamma answers nothing */
        carry(3, 5, 0, last + 20);
        assert_int_equal(line.n_done, 0);

        echo_expire(u, last + ECHO_TIMEOUT_USEC - 1);
        assert_int_equal(line.n_done, 0);
        echo_expire(u, last + ECHO_TIMEOUT_USEC);
        assert_int_equal(line.n_done, 1);
        assert_int_equal(line.last.hops[0].n_answered, 1);
        assert_int_equal(line.last.hops[1].n_answered, 0);
        assert_true(line.last.hops[1].address == 0);
        assert_true(echo_hop_quantile(&line.last.hops[1], 50) == 0);
        assert_int_equal(line.last.hops[2].n_answered, 1);
}

/* The way became shorter: the second member is the destination. */
static void test_shorter(void **state) {
        Unicast *u = &line.members[0];
        EchoTrace *trace;

        assert_int_equal(echo_trace_start(u, 4, 1, traced, NULL, 0, &trace), 0);
        echo_expire(u, echo_next(u));
        assert_int_equal(line.n_sent, 2);
        echo_expired(&line.members[1], line.sent[0].bytes, ECHO_MESSAGE_BYTES, NULL, 5);
        echo_receive(&line.members[3], line.sent[1].bytes, ECHO_MESSAGE_BYTES, NULL, 5);
        carry(2, 4, 0, 60000);          /* and a probe with a third hop is not needed any more */
        assert_int_equal(line.n_done, 1);
        assert_int_equal(line.last.n_hops, 2);
        assert_int_equal(line.last.hops[1].address, 4);
}

static void test_forged(void **state) {
        Unicast *u = &line.members[0];
        EchoMessage message;
        uint8_t bytes[ECHO_MESSAGE_BYTES];
        EchoTrace *trace;

        assert_int_equal(echo_trace_start(u, 2, 1, traced, NULL, 0, &trace), 0);
        assert_int_equal(echo_message_parse(line.sent[0].bytes, ECHO_MESSAGE_BYTES, &message), 0);
        message.code = ECHO_ANSWER;
        message.address = 66;

        message.cookie ^= 1;            /* who did not see the probe cannot know it */
        echo_message_pack(&message, bytes);
        echo_receive(u, bytes, sizeof(bytes), NULL, 1);
        message.cookie ^= 1;

        message.sequence = 1U << 16;    /* a hop that was not asked */
        echo_message_pack(&message, bytes);
        echo_receive(u, bytes, sizeof(bytes), NULL, 1);

        message.sequence = 1;           /* a round that was not sent */
        echo_message_pack(&message, bytes);
        echo_receive(u, bytes, sizeof(bytes), NULL, 1);

        message.sequence = UINT32_MAX;
        echo_message_pack(&message, bytes);
        echo_receive(u, bytes, sizeof(bytes), NULL, 1);

        assert_int_equal(line.n_done, 0);
        assert_int_equal(trace->hops[0].n_answered, 0);
}

static void test_counted_once(void **state) {
        Unicast *u = &line.members[0];
        EchoTrace *trace;

        assert_int_equal(echo_trace_start(u, 4, 2, traced, NULL, 0, &trace), 0);
        carry(0, 1, 0, 1);
        carry(1, 2, 0, 2);
        carry(1, 2, 0, 3);              /* the network made a copy of it */
        assert_int_equal(trace->hops[0].n_answered, 1);
}

/* No answer to an answer, to nonsense, or beyond the rate; never more bytes than came in. */
static void test_silence(void **state) {
        Unicast *u = &line.members[1];
        EchoMessage probe = { .code = ECHO_PROBE, .cookie = 5, .address = 9 };
        uint8_t bytes[ECHO_MESSAGE_BYTES];

        probe.code = ECHO_ANSWER;
        echo_message_pack(&probe, bytes);
        echo_receive(u, bytes, sizeof(bytes), NULL, 0);
        echo_expired(u, bytes, sizeof(bytes), NULL, 0);
        assert_int_equal(line.n_sent, 0);

        echo_receive(u, bytes, 5, NULL, 0);
        echo_expired(u, bytes, 5, NULL, 0);
        assert_int_equal(line.n_sent, 0);
        assert_int_equal(u->counters.drops[DROP_MALFORMED], 1);

        probe.code = ECHO_PROBE;
        echo_message_pack(&probe, bytes);
        for (unsigned i = 0; i < ECHO_SENDER_BURST + 10; i++)
                echo_receive(u, bytes, sizeof(bytes), NULL, 0);
        assert_int_equal(line.n_sent, ECHO_SENDER_BURST);
        assert_int_equal(u->counters.drops[DROP_LIMIT], 10);

        /* Somebody else still gets his answer. */
        probe.address = 10;
        echo_message_pack(&probe, bytes);
        echo_receive(u, bytes, sizeof(bytes), NULL, 0);
        assert_int_equal(line.n_sent, ECHO_SENDER_BURST + 1);
}

static void test_refused(void **state) {
        Unicast *u = &line.members[0];
        EchoTrace *trace, *traces[ECHO_TRACES_MAX];

        assert_int_equal(echo_trace_start(u, 1, 1, traced, NULL, 0, &trace), -EINVAL);          /* ourselves */
        assert_int_equal(echo_trace_start(u, 77, 1, traced, NULL, 0, &trace), -EHOSTUNREACH);
        assert_int_equal(echo_trace_start(u, 2, ECHO_PROBES_MAX + 1, traced, NULL, 0, &trace), -EINVAL);

        for (unsigned i = 0; i < ECHO_TRACES_MAX; i++)
                assert_int_equal(echo_trace_start(u, 2, 0, traced, NULL, 0, &traces[i]), 0);
        assert_int_equal(echo_trace_start(u, 2, 0, traced, NULL, 0, &trace), -EBUSY);

        echo_trace_free(traces[3]);
        assert_int_equal(echo_trace_start(u, 2, 0, traced, NULL, 0, &trace), 0);
        assert_int_equal(line.n_done, 0);

        u->is_member = false;
        assert_int_equal(echo_trace_start(u, 2, 0, traced, NULL, 0, &trace), -ENOTCONN);

        /* What is under way ends, although nobody can answer any more. */
        echo_expire(u, ECHO_INTERVAL_USEC);
        assert_int_equal(line.n_done, ECHO_TRACES_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_fields),
                cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
                cmocka_unit_test_setup_teardown(test_loss, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shorter, setup, teardown),
                cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_counted_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
