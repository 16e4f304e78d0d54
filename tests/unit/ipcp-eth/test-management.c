/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Management messages: the captured conversations, known answers, and what must be refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-eth/management.h"
#include "tests/support/pcap.h"

#define ETHER_TYPE 0xA000U
#define HASH_SIZE 32U

/* Builds the message again from what was parsed; must give the same bytes. */
static void assert_same_bytes(const FrameOps *ops, const ManagementMessage *message, const uint8_t *data, size_t size) {
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(packet_new(2048, &packet), 0);
        assert_int_equal(management_push(ops, HASH_SIZE, message, packet), 0);
        assert_int_equal(packet_size(packet), size);
        assert_memory_equal(packet->head, data, size);
}

static void decode(const FrameOps *ops, const char *path) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        unsigned n_codes[4] = {};
        const uint8_t *data;
        size_t size;

        assert_int_equal(pcap_open(path, &pcap), 0);

        while (pcap_next(pcap, &data, &size) > 0) {
                ManagementMessage m;
                Frame frame;

                assert_int_equal(ops->parse(ETHER_TYPE, data, size, &frame), 0);
                if (!frame.management)
                        continue;

                data += frame.payload_offset;
                assert_int_equal(management_parse(ops, HASH_SIZE, data, frame.payload_size, &m), 0);
                assert_true(m.code < ELEMENTSOF(n_codes));
                n_codes[m.code]++;

                if (m.code == MANAGEMENT_FLOW_REQUEST) {
                        assert_int_equal(m.oap_size, 36);
                        assert_int_equal(m.qos.timeout_ms, 120000);
                        assert_int_equal(m.qos.loss, 1);
                        assert_int_equal(m.qos.ber, 1);
                        assert_int_equal(m.qos.delay_ms, UINT32_MAX);
                        assert_int_equal(m.qos.max_gap_ms, UINT32_MAX);
                        assert_int_equal(m.receiver, 0);
                        assert_true(m.sender >= ops->endpoint_min);
                }
                if (m.code == MANAGEMENT_FLOW_REPLY) {
                        assert_int_equal(m.oap_size, 84);
                        assert_int_equal(m.response, 0);
                        assert_int_equal(m.sender, m.receiver);
                }

                assert_same_bytes(ops, &m, data, frame.payload_size);
        }

        /* Three names are looked up; four flows are opened. */
        assert_int_equal(n_codes[MANAGEMENT_FLOW_REQUEST], 4);
        assert_int_equal(n_codes[MANAGEMENT_FLOW_REPLY], 4);
        assert_int_equal(n_codes[MANAGEMENT_NAME_QUERY], 3);
        assert_int_equal(n_codes[MANAGEMENT_NAME_REPLY], 3);
}

static void test_captures(void **state) {
        decode(&frame_ops_dix, TEST_DATA "/eth-dix.pcap");
        decode(&frame_ops_llc, TEST_DATA "/eth-llc.pcap");
}

/* A raw request with plain OAP, as the reference implementation sends it. */
static void test_flow_request_bytes(void **state) {
        static const uint8_t fixed[] = "\0\x40" "\0\0" "\0\0\0\1" "\0\0\0\0\0\0\0\0" "\0\0\0\1"
                                       "\xff\xff\xff\xff" "\xff\xff\xff\xff" "\0\1\xd4\xc0" "\0\0\0\0" "\0\0\0";
        static const uint8_t hash[HASH_SIZE] = { 1, 2, 3 }, oap[36] = { 9 };
        const ManagementMessage m = {
                .code = MANAGEMENT_FLOW_REQUEST,
                .sender = 64,
                .qos = { .delay_ms = UINT32_MAX, .loss = 1, .ber = 1, .max_gap_ms = UINT32_MAX, .timeout_ms = 120000 },
                .hash = hash,
                .oap = oap,
                .oap_size = sizeof(oap),
        };
        _cleanup_(packet_freep) Packet *packet = NULL;

        assert_int_equal(sizeof(fixed) - 1, MANAGEMENT_DIX_BYTES);
        assert_int_equal(packet_new(2048, &packet), 0);
        assert_int_equal(management_push(&frame_ops_dix, HASH_SIZE, &m, packet), 0);
        assert_int_equal(packet_size(packet), MANAGEMENT_DIX_BYTES + HASH_SIZE + sizeof(oap));
        assert_memory_equal(packet->head, fixed, MANAGEMENT_DIX_BYTES);
        assert_memory_equal(packet->head + MANAGEMENT_DIX_BYTES, hash, HASH_SIZE);
        assert_memory_equal(packet->head + MANAGEMENT_DIX_BYTES + HASH_SIZE, oap, sizeof(oap));
}

/* Sender and receiver, zeros, the token: 47 and 45 bytes. */
static void test_close_bytes(void **state) {
        static const uint8_t token[CLOSE_TOKEN_BYTES] = "\1\2\3\4\5\6\7\x08";
        static const uint8_t dix[] = "\x12\x34\x56\x78"
                                     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                     "\x40\0"
                                     "\1\2\3\4\5\6\7\x08";
        static const uint8_t llc[] = "\3\x3f\x40" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                     "\1\2\3\4\5\6\7\x08";
        ManagementMessage m = { .code = MANAGEMENT_CLOSE, .sender = 0x1234, .receiver = 0x5678, .token = token };

        assert_int_equal(sizeof(dix) - 1, 47);
        assert_same_bytes(&frame_ops_dix, &m, dix, sizeof(dix) - 1);

        m.sender = 3;
        m.receiver = 63;
        assert_int_equal(sizeof(llc) - 1, 45);
        assert_same_bytes(&frame_ops_llc, &m, llc, sizeof(llc) - 1);
}

/* A notice and its proof, behind the fixed part: 57 bytes. What comes back together of pieces is a request or a
 * reply. */
static void test_notice_bytes(void **state) {
        static const uint8_t tail[] = "\0"
                                      "\0\0\x02\0\0\0\0\x77"
                                      "LLLLLLLLLLLLLLLL"
                                      "\xc0\0\0\0\0\0\0\x09"
                                      "\0\0\0\0\0\0\0\x03"
                                      "TTTTTTTTTTTTTTTT";
        const FrameOps *const framings[] = { &frame_ops_dix, &frame_ops_llc };
        ManagementMessage m = {
                .code = MANAGEMENT_MOVE,
                .sender = 3,
                .receiver = 4,
                .notice = { .value = 0x020000000077, .challenge = UINT64_C(0xC000000000000009) },
                .has_proof = true,
                .proof.counter = 3,
        }, again;

        memset(m.notice.lock, 'L', sizeof(m.notice.lock));
        memset(m.proof.tag, 'T', sizeof(m.proof.tag));
        for (size_t i = 0; i < ELEMENTSOF(framings); i++) {
                uint8_t bytes[256];
                ssize_t n;

                m.receiver = framings[i]->endpoint_max;
                n = management_pack(framings[i], HASH_SIZE, &m, bytes, sizeof(bytes));
                assert_int_equal(n, framings[i]->management_bytes + sizeof(tail) - 1);
                assert_memory_equal(bytes + framings[i]->management_bytes, tail, sizeof(tail) - 1);
                assert_int_equal(management_parse(framings[i], HASH_SIZE, bytes, (size_t) n, &again), 0);
                assert_int_equal(again.notice.value, m.notice.value);
                assert_true(again.notice.challenge == m.notice.challenge);
                assert_false(again.notice.acknowledges);
                assert_int_equal(again.proof.counter, 3);
                assert_ptr_equal(again.fixed, bytes);
                assert_int_equal(management_parse_whole(framings[i], HASH_SIZE, bytes, (size_t) n, &again), -EPROTO);
                bytes[framings[i]->management_bytes] = 2;       /* neither said nor understood */
                assert_int_equal(management_parse(framings[i], HASH_SIZE, bytes, (size_t) n, &again), -EPROTO);
        }
}

static const struct {
        const char *name;
        const FrameOps *ops;
        uint8_t code;
        uint16_t sender, receiver;
        int32_t response;
        size_t trailer;         /* bytes behind the fixed part */
        int r;
} parse_cases[] = {
        { "request",                       &frame_ops_dix, 0x00, 64,     0,     0,  32 + 36,      0 },
        { "request without OAP",           &frame_ops_dix, 0x00, 64,     0,     0,  32,           0 },
        { "request, hash cut",             &frame_ops_dix, 0x00, 64,     0,     0,  31,           -EBADMSG },
        { "request from nobody",           &frame_ops_dix, 0x00, 0,      0,     0,  68,           -EPROTO },
        { "request from unset",            &frame_ops_dix, 0x00, 0xffff, 0,     0,  68,           -EPROTO },
        { "reply",                         &frame_ops_dix, 0x01, 64,     64,    0,  84,           0 },
        { "reply to management",           &frame_ops_dix, 0x01, 64,     0,     0,  84,           -EPROTO },
        { "reply below our endpoints",     &frame_ops_dix, 0x01, 64,     63,    0,  84,           -EPROTO },
        { "reply to unset",                &frame_ops_dix, 0x01, 64,     0xffff, 0, 84,           -EPROTO },
        { "reply from nobody",             &frame_ops_dix, 0x01, 0,      64,    0,  84,           -EPROTO },
        { "refusal from nobody",           &frame_ops_dix, 0x01, 0,      64,    -1000, 0,         0 },
        { "query",                         &frame_ops_dix, 0x02, 0,      0,     0,  32,           0 },
        { "query, hash cut",               &frame_ops_dix, 0x02, 0,      0,     0,  10,           -EBADMSG },
        { "query without hash",            &frame_ops_dix, 0x02, 0,      0,     0,  0,            -EBADMSG },
        { "name reply",                    &frame_ops_dix, 0x03, 0,      0,     0,  32,           0 },
        { "unknown code",                  &frame_ops_dix, 0x04, 0,      0,     0,  32,           -EPROTO },
        { "unknown code 255",              &frame_ops_dix, 0xff, 64,     64,    0,  32,           -EPROTO },
        { "close",                         &frame_ops_dix, 0x40, 64,     64,    0,  8,            0 },
        { "close, token cut",              &frame_ops_dix, 0x40, 64,     64,    0,  7,            -EBADMSG },
        { "close for nobody",              &frame_ops_dix, 0x40, 64,     0,     0,  8,            -EPROTO },
        { "close from nobody",             &frame_ops_dix, 0x40, 0,      64,    0,  8,            -EPROTO },
        { "close with half a proof",       &frame_ops_dix, 0x40, 64,     64,    0,  20,           0 },
        { "close with a proof",            &frame_ops_dix, 0x40, 64,     64,    0,  32,           0 },
        { "rotate",                        &frame_ops_dix, 0x41, 64,     64,    0,  33 + 24,      0 },
        { "rotate, proof cut",             &frame_ops_dix, 0x41, 64,     64,    0,  33 + 23,      -EBADMSG },
        { "rotate without a proof",        &frame_ops_dix, 0x41, 64,     64,    0,  33,           -EBADMSG },
        { "rotate, notice cut",            &frame_ops_dix, 0x41, 64,     64,    0,  32,           -EBADMSG },
        { "move without room for a challenge", &frame_ops_dix, 0x42, 64, 64,    0,  25 + 24,      -EBADMSG },
        { "rotate for nobody",             &frame_ops_dix, 0x41, 64,     0,     0,  33 + 24,      -EPROTO },
        { "move",                          &frame_ops_dix, 0x42, 64,     64,    0,  33 + 24,      0 },
        { "move from nobody",              &frame_ops_dix, 0x42, 0,      64,    0,  33 + 24,      -EPROTO },
        { "reset",                         &frame_ops_dix, 0x43, 64,     64,    0,  16,           0 },
        { "reset, token cut",              &frame_ops_dix, 0x43, 64,     64,    0,  15,           -EBADMSG },
        { "reset for nobody",              &frame_ops_dix, 0x43, 64,     0,     0,  16,           -EPROTO },
        { "piece",                         &frame_ops_dix, 0x44, 0,      0,     0,  500,          0 },
        { "piece of nothing",              &frame_ops_dix, 0x44, 0,      0,     0,  0,            0 },
        { "unknown code of ours",          &frame_ops_dix, 0x45, 64,     64,    0,  49,           -EPROTO },
        { "llc rotate",                    &frame_ops_llc, 0x41, 2,      3,     0,  33 + 24,      0 },
        { "llc reset to the management SAP", &frame_ops_llc, 0x43, 2,    1,     0,  16,           -EPROTO },
        { "too long",                      &frame_ops_dix, 0x00, 64,     0,     0,  9000,         -EBADMSG },
        { "llc request",                   &frame_ops_llc, 0x00, 2,      0,     0,  68,           0 },
        { "llc request, management SAP",   &frame_ops_llc, 0x00, 1,      0,     0,  68,           -EPROTO },
        { "llc request, SAP 64",           &frame_ops_llc, 0x00, 64,     0,     0,  68,           -EPROTO },
        { "llc reply, SAP 63",             &frame_ops_llc, 0x01, 63,     63,    0,  84,           0 },
        { "llc reply, SAP 65",             &frame_ops_llc, 0x01, 63,     65,    0,  84,           -EPROTO },
        { "llc close",                     &frame_ops_llc, 0x40, 2,      3,     0,  8,            0 },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(parse_cases); i++) {
                _cleanup_free_ uint8_t *data = NULL;
                const FrameOps *ops = parse_cases[i].ops;
                size_t size = ops->management_bytes + parse_cases[i].trailer;
                ManagementMessage m = {
                        .code = parse_cases[i].code,
                        .sender = parse_cases[i].sender,
                        .receiver = parse_cases[i].receiver,
                        .response = parse_cases[i].response,
                };
                Writer w;

                print_message("%s\n", parse_cases[i].name);

                data = calloc(1, size);
                assert_non_null(data);
                w = writer_to(data, size);
                ops->write_management(&w, &m);
                assert_false(w.bad);

                assert_int_equal(management_parse(ops, HASH_SIZE, data, size, &m), parse_cases[i].r);
                if (parse_cases[i].r < 0)
                        continue;

                assert_int_equal(m.sender, parse_cases[i].sender);
                assert_int_equal(m.receiver, parse_cases[i].receiver);
                assert_int_equal(m.response, parse_cases[i].response);

                /* The fixed part, cut at every length. */
                for (size_t cut = 0; cut < ops->management_bytes; cut++)
                        assert_int_equal(management_parse(ops, HASH_SIZE, data, cut, &m), -EBADMSG);
        }
}

/* Every field to its own place and back. */
static void test_fields(void **state) {
        const FrameOps *const framings[] = { &frame_ops_dix, &frame_ops_llc };
        static const uint8_t oap[5] = "reply";
        const ManagementMessage m = {
                .code = MANAGEMENT_FLOW_REPLY,
                .sender = 2,
                .receiver = 63,
                .response = -1009,
                .qos = { .delay_ms = 0x01020304, .bandwidth_bps = 0x1112131415161718, .availability_nines = 0x21,
                         .loss = 0x31323334, .ber = 0x41424344, .in_order = 0x51, .max_gap_ms = 0x61626364,
                         .timeout_ms = 0x71727374 },
                .oap = oap,
                .oap_size = sizeof(oap),
        };

        for (size_t i = 0; i < ELEMENTSOF(framings); i++) {
                _cleanup_(packet_freep) Packet *packet = NULL;
                ManagementMessage copy = m, parsed;

                if (framings[i] == &frame_ops_dix)
                        copy.receiver = 0xfffe;

                assert_int_equal(packet_new(256, &packet), 0);
                assert_int_equal(management_push(framings[i], HASH_SIZE, &copy, packet), 0);
                assert_int_equal(management_parse(framings[i], HASH_SIZE, packet->head, packet_size(packet), &parsed),
                                 0);
                assert_int_equal(parsed.code, copy.code);
                assert_int_equal(parsed.sender, copy.sender);
                assert_int_equal(parsed.receiver, copy.receiver);
                assert_int_equal(parsed.response, copy.response);
                assert_int_equal(parsed.qos.delay_ms, copy.qos.delay_ms);
                assert_true(parsed.qos.bandwidth_bps == copy.qos.bandwidth_bps);
                assert_int_equal(parsed.qos.availability_nines, copy.qos.availability_nines);
                assert_int_equal(parsed.qos.loss, copy.qos.loss);
                assert_int_equal(parsed.qos.ber, copy.qos.ber);
                assert_int_equal(parsed.qos.in_order, copy.qos.in_order);
                assert_int_equal(parsed.qos.max_gap_ms, copy.qos.max_gap_ms);
                assert_int_equal(parsed.qos.timeout_ms, copy.qos.timeout_ms);
                assert_int_equal(parsed.oap_size, sizeof(oap));
                assert_memory_equal(parsed.oap, oap, sizeof(oap));
        }
}

/* 1496 - 39 - 32 bytes of OAP in a request over plain Ethernet. */
static void test_oap_max(void **state) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        static const uint8_t hash[HASH_SIZE], oap[1425];
        ManagementMessage m = { .sender = 64, .hash = hash, .oap = oap, .oap_size = sizeof(oap) };
        Frame frame = { .management = true };

        assert_int_equal(management_oap_max(&frame_ops_dix, HASH_SIZE, 1496), 1425);
        assert_int_equal(management_oap_max(&frame_ops_llc, HASH_SIZE, 1497), 1428);
        assert_int_equal(management_oap_max(&frame_ops_dix, HASH_SIZE, 65531), 9000 - 39 - 32);
        assert_int_equal(management_oap_max(&frame_ops_dix, HASH_SIZE, 71), 0);
        assert_int_equal(management_oap_max(&frame_ops_dix, HASH_SIZE, 0), 0);

        assert_int_equal(packet_new(1496, &packet), 0);
        assert_int_equal(management_push(&frame_ops_dix, HASH_SIZE, &m, packet), 0);
        assert_int_equal(frame_ops_dix.push(ETHER_TYPE, &frame, packet), 0);
        assert_int_equal(packet_size(packet), 1514);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_captures),
                cmocka_unit_test(test_flow_request_bytes),
                cmocka_unit_test(test_notice_bytes),
                cmocka_unit_test(test_close_bytes),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_oap_max),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
