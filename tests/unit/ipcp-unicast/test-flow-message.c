/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of the flow allocator: the captured conversation, known answers, and what must be refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/flow-message.h"
#include "services/ipcp-unicast/pci.h"
#include "tests/support/pcap.h"

#define HASH_SIZE 32U
#define ETHERNET_IP_UDP_BYTES 42U
#define UDP_EID_BYTES 4U                /* of the layer below */

static const PciFormat format = { .address_bytes = 4, .eid_bytes = 8, .ttl_max = 60 };

static void assert_same_bytes(const FlowMessage *message, const uint8_t *data, size_t size) {
        uint8_t built[FLOW_MESSAGE_BYTES_MAX];

        assert_int_equal(flow_message_pack(message, built, sizeof(built)), size);
        assert_memory_equal(built, data, size);
}

/* What follows the header of a packet for the flow allocator. Returns whether this is one. */
static bool find_message(const uint8_t *frame, size_t size, const uint8_t **ret, size_t *ret_size) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        const size_t skip_bytes = ETHERNET_IP_UDP_BYTES + UDP_EID_BYTES;
        Pci pci;

        if (size < skip_bytes + pci_bytes(&format) + FLOW_MESSAGE_HEADER_BYTES)
                return false;

        assert_int_equal(packet_new(size, &packet), 0);
        memcpy(packet_append(packet, size - skip_bytes), frame + skip_bytes, size - skip_bytes);
        assert_int_equal(pci_parse(&format, packet, &pci), 0);
        if (pci.ttl != format.ttl_max || pci.eid != EID_FLOW_ALLOCATOR)
                return false;

        *ret = frame + skip_bytes + pci_bytes(&format);
        *ret_size = size - skip_bytes - pci_bytes(&format);
        return true;
}

/* A flow of the reference implementation, request and reply, byte for byte. */
static void test_capture(void **state) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        const uint8_t *frame, *data;
        unsigned n_requests = 0, n_replies = 0;
        uint64_t eid = 0;
        size_t size;

        assert_int_equal(pcap_open(TEST_DATA "/udp4.pcap", &pcap), 0);

        while (pcap_next(pcap, &frame, &size) > 0) {
                FlowMessage m;

                if (!find_message(frame, size, &data, &size))
                        continue;

                assert_int_equal(flow_message_parse(data, size, HASH_SIZE, &m), 0);
                assert_same_bytes(&m, data, size);

                if (m.code == FLOW_MESSAGE_REQUEST) {
                        n_requests++;
                        eid = m.sender_eid;
                        assert_int_equal(m.sender, 0x6668b408);
                        assert_int_equal(m.sender_eid, UINT64_C(0xbf34e9e300000042));
                        assert_int_equal(m.qos.delay_ms, UINT32_MAX);
                        assert_int_equal(m.qos.loss, 1);
                        assert_int_equal(m.qos.ber, 1);
                        assert_int_equal(m.qos.max_gap_ms, UINT32_MAX);
                        assert_int_equal(m.qos.timeout_ms, 120000);
                        assert_int_equal(m.oap_size, 36);
                }
                if (m.code == FLOW_MESSAGE_REPLY) {
                        n_replies++;
                        assert_int_equal(m.receiver_eid, eid);
                        assert_int_equal(m.sender_eid, UINT64_C(0x9c9e99d500000042));
                        assert_int_equal(m.response, 0);
                        assert_int_equal(m.oap_size, 84);
                }
        }

        assert_int_equal(n_requests, 1);
        assert_int_equal(n_replies, 1);
}

/* A request with the QoS "data", as the reference implementation sends it. */
static void test_request_bytes(void **state) {
        static const uint8_t fixed[] = "\0\0\0\0\x57\x10\xa3\x0b" "\0\0\0\0\0\0\0\0" "\xf8\x0d\xe6\x23\0\0\0\x42"
                                       "\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0\x03\xe8" "\0\0\0\0" "\0\0\0\1"
                                       "\0\0\x07\xd0" "\0\1\xd4\xc0" "\0\0" "\0" "\0" "\1";
        static const uint8_t hash[HASH_SIZE] = { 1, 2, 3 }, oap[36] = { 9 };
        const FlowMessage m = {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = 0x5710A30B,
                .sender_eid = UINT64_C(0xF80DE62300000042),
                .qos = { .delay_ms = 1000, .ber = 1, .max_gap_ms = 2000, .timeout_ms = 120000, .in_order = 1 },
                .hash = hash,
                .hash_size = sizeof(hash),
                .oap = oap,
                .oap_size = sizeof(oap),
        };
        uint8_t built[FLOW_MESSAGE_BYTES_MAX];

        assert_int_equal(sizeof(fixed) - 1, FLOW_MESSAGE_HEADER_BYTES);
        assert_int_equal(flow_message_pack(&m, built, sizeof(built)), FLOW_MESSAGE_HEADER_BYTES + 68);
        assert_memory_equal(built, fixed, FLOW_MESSAGE_HEADER_BYTES);
        assert_memory_equal(built + FLOW_MESSAGE_HEADER_BYTES, hash, sizeof(hash));
        assert_memory_equal(built + FLOW_MESSAGE_HEADER_BYTES + sizeof(hash), oap, sizeof(oap));
        assert_int_equal(flow_message_pack(&m, built, FLOW_MESSAGE_HEADER_BYTES + 67), -ENOBUFS);
}

/* Both endpoint ids, the code, zeros, the token: 69 bytes. What else the caller left in the struct stays here. */
static void test_close_bytes(void **state) {
        static const uint8_t expected[] =
                "\0\0\0\0\0\0\0\0" "\x11\0\0\0\0\0\0\x22" "\x33\0\0\0\0\0\0\x44"
                "\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0" "\x40" "\0\0"
                "\1\2\3\4\5\6\7\x08";
        const FlowMessage m = {
                .code = FLOW_MESSAGE_CLOSE,
                .sender = 5,
                .receiver_eid = UINT64_C(0x1100000000000022),
                .sender_eid = UINT64_C(0x3300000000000044),
                .response = -1,
                .level = 7,
                .qos = O7S_QOS_DATA,
                .token = "\1\2\3\4\5\6\7\x08",
        };

        assert_int_equal(sizeof(expected) - 1, 69);
        assert_same_bytes(&m, expected, sizeof(expected) - 1);
}

static void test_update_bytes(void **state) {
        uint8_t expected[FLOW_MESSAGE_HEADER_BYTES] = {};
        FlowMessage m = {
                .code = FLOW_MESSAGE_UPDATE,
                .receiver_eid = UINT64_C(0x123456789abcdef0),
                .level = 0xBEEF,
        };

        memcpy(expected + 8, "\x12\x34\x56\x78\x9a\xbc\xde\xf0", 8);
        expected[56] = 0xBE;
        expected[57] = 0xEF;
        expected[58] = 2;
        assert_same_bytes(&m, expected, sizeof(expected));

        assert_int_equal(flow_message_parse(expected, sizeof(expected), HASH_SIZE, &m), 0);
        assert_int_equal(m.code, FLOW_MESSAGE_UPDATE);
        assert_int_equal(m.level, 0xBEEF);
        assert_int_equal(m.receiver_eid, UINT64_C(0x123456789abcdef0));
}

#define OK_EID 0x42

static const struct {
        const char *name;
        uint8_t code;
        uint64_t sender, sender_eid;
        int32_t response;
        size_t trailer;         /* bytes behind the header */
        int r;
} parse_cases[] = {
        { "request",                    0x00, 1, OK_EID,     0,           68,   0 },
        { "request without OAP",        0x00, 1, OK_EID,     0,           32,   0 },
        { "request, hash cut",          0x00, 1, OK_EID,     0,           31,   -EBADMSG },
        { "request from no address",    0x00, 0, OK_EID,     0,           68,   -EPROTO },
        { "request from EID 0",         0x00, 1, 0,          0,           68,   -EPROTO },
        { "request from a component",   0x00, 1, 63,         0,           68,   -EPROTO },
        { "request from the first EID", 0x00, 1, 64,         0,           68,   0 },
        { "request from all ones",      0x00, 1, UINT64_MAX, 0,           68,   -EPROTO },
        { "request, longest",           0x00, 1, OK_EID,     0,           1987, 0 },
        { "request, too long",          0x00, 1, OK_EID,     0,           1988, -EBADMSG },
        { "reply",                      0x01, 0, OK_EID,     0,           84,   0 },
        { "reply without OAP",          0x01, 0, OK_EID,     0,           0,    0 },
        { "reply from EID 0",           0x01, 0, 0,          0,           84,   -EPROTO },
        { "reply from all ones",        0x01, 0, UINT64_MAX, 0,           84,   -EPROTO },
        { "reply, positive",            0x01, 0, OK_EID,     1,           84,   -EPROTO },
        { "refusal",                    0x01, 0, OK_EID,     -1,          0,    0 },
        { "refusal from EID 0",         0x01, 0, 0,          -1000,       0,    0 },
        { "refusal, lowest",            0x01, 0, 0,          INT32_MIN,   0,    0 },
        { "update",                     0x02, 0, 0,          0,           0,    0 },
        { "unknown code",               0x03, 1, OK_EID,     0,           68,   -EPROTO },
        { "unknown code 255",           0xff, 1, OK_EID,     0,           68,   -EPROTO },
        { "close",                      0x40, 0, OK_EID,     0,           8,    0 },
        { "close, token cut",           0x40, 0, OK_EID,     0,           7,    -EBADMSG },
        { "close from EID 0",           0x40, 0, 0,          0,           8,    -EPROTO },
        { "close from all ones",        0x40, 0, UINT64_MAX, 0,           8,    -EPROTO },
        { "close with half a proof",    0x40, 0, OK_EID,     0,           20,   0 },
        { "close with a proof",         0x40, 0, OK_EID,     0,           32,   0 },
        { "update with a proof",        0x02, 0, OK_EID,     0,           24,   0 },
        { "update with half a proof",   0x02, 0, OK_EID,     0,           23,   0 },
        { "rotate",                     0x41, 1, OK_EID,     0,           57,   0 },
        { "rotate, proof cut",          0x41, 1, OK_EID,     0,           56,   -EBADMSG },
        { "rotate, notice cut",         0x41, 1, OK_EID,     0,           32,   -EBADMSG },
        { "move without room for a challenge", 0x42, 1, OK_EID, 0,        49,   -EBADMSG },
        { "rotate from a component",    0x41, 1, 63,         0,           57,   -EPROTO },
        { "move",                       0x42, 1, OK_EID,     0,           57,   0 },
        { "move from no address",       0x42, 0, OK_EID,     0,           57,   -EPROTO },
        { "reset",                      0x43, 0, OK_EID,     0,           16,   0 },
        { "reset, token cut",           0x43, 0, OK_EID,     0,           15,   -EBADMSG },
        { "reset from EID 0",           0x43, 0, 0,          0,           16,   -EPROTO },
        { "piece",                      0x44, 1, 0,          0,           500,  0 },
        { "piece from no address",      0x44, 0, 0,          0,           500,  -EPROTO },
        { "unknown code of ours",       0x45, 1, OK_EID,     0,           49,   -EPROTO },
};

static void write_be64(uint8_t *to, uint64_t value) {
        Writer w = writer_to(to, sizeof(value));

        writer_be64(&w, value);
}

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(parse_cases); i++) {
                _cleanup_free_ uint8_t *data = NULL;
                size_t size = FLOW_MESSAGE_HEADER_BYTES + parse_cases[i].trailer;
                FlowMessage m = {};
                Writer w;

                print_message("%s\n", parse_cases[i].name);

                data = calloc(1, size);
                assert_non_null(data);
                write_be64(data, parse_cases[i].sender);
                write_be64(data + 8, 99);
                write_be64(data + 16, parse_cases[i].sender_eid);
                w = writer_to(data + 32, 4);
                writer_be32(&w, (uint32_t) parse_cases[i].response);
                data[58] = parse_cases[i].code;

                assert_int_equal(flow_message_parse(data, size, HASH_SIZE, &m), parse_cases[i].r);
                if (parse_cases[i].r < 0) {
                        assert_int_equal(m.receiver_eid, 0);    /* untouched */
                        continue;
                }

                assert_int_equal(m.receiver_eid, 99);
                assert_int_equal(m.sender_eid, parse_cases[i].sender_eid);
                assert_int_equal(m.response, parse_cases[i].response);

                for (size_t cut = 0; cut < FLOW_MESSAGE_HEADER_BYTES; cut++)
                        assert_int_equal(flow_message_parse(data, cut, HASH_SIZE, &m), -EBADMSG);
        }
}

/* Every bit of the QoS to its place and back. */
static void test_qos(void **state) {
        static const uint8_t hash[HASH_SIZE] = { 7 };
        const FlowMessage m = {
                .code = FLOW_MESSAGE_REQUEST,
                .sender = 1,
                .sender_eid = OK_EID,
                .qos = { 0x01020304, UINT64_C(0x1112131415161718), 5, 0x21222324, 0x31323334, 6, 0x41424344,
                         0x51525354 },
                .hash = hash,
                .hash_size = sizeof(hash),
        };
        uint8_t built[FLOW_MESSAGE_BYTES_MAX];
        FlowMessage back;
        ssize_t n;

        n = flow_message_pack(&m, built, sizeof(built));
        assert_int_equal(n, FLOW_MESSAGE_HEADER_BYTES + sizeof(hash));
        assert_int_equal(flow_message_parse(built, (size_t) n, HASH_SIZE, &back), 0);
        assert_int_equal(back.qos.delay_ms, m.qos.delay_ms);
        assert_int_equal(back.qos.bandwidth_bps, m.qos.bandwidth_bps);
        assert_int_equal(back.qos.availability_nines, m.qos.availability_nines);
        assert_int_equal(back.qos.loss, m.qos.loss);
        assert_int_equal(back.qos.ber, m.qos.ber);
        assert_int_equal(back.qos.in_order, m.qos.in_order);
        assert_int_equal(back.qos.max_gap_ms, m.qos.max_gap_ms);
        assert_int_equal(back.qos.timeout_ms, m.qos.timeout_ms);
}

static void test_too_large(void **state) {
        static const uint8_t hash[HASH_SIZE] = {}, oap[FLOW_MESSAGE_BYTES_MAX] = {};
        uint8_t built[FLOW_MESSAGE_BYTES_MAX + 1];
        FlowMessage m = {
                .code = FLOW_MESSAGE_REQUEST,
                .hash = hash,
                .hash_size = sizeof(hash),
                .oap = oap,
                .oap_size = FLOW_MESSAGE_BYTES_MAX - FLOW_MESSAGE_HEADER_BYTES - HASH_SIZE,
        };

        assert_int_equal(flow_message_pack(&m, built, sizeof(built)), FLOW_MESSAGE_BYTES_MAX);
        m.oap_size++;
        assert_int_equal(flow_message_pack(&m, built, sizeof(built)), -EMSGSIZE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_capture),
                cmocka_unit_test(test_request_bytes),
                cmocka_unit_test(test_close_bytes),
                cmocka_unit_test(test_update_bytes),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_qos),
                cmocka_unit_test(test_too_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
