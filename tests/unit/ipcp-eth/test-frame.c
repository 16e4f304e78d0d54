/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames of both framings: captured ones read and rebuilt byte for byte, and what must be refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-eth/frame.h"
#include "tests/support/pcap.h"

#define ETHER_TYPE 0xA000U
#define WIRE(bytes) (const uint8_t *) (bytes), sizeof(bytes) - 1

#define STATIONS "\x02\0\0\0\0\1" "\x02\0\0\0\0\2"

static const struct {
        const char *name;
        const FrameOps *ops;
        const uint8_t *wire;
        size_t size;
        int r;
        bool management;
        uint16_t receiver;
        uint16_t sender;
        size_t payload_size;
} parse_cases[] = {
        { "dix: data",              &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\x40" "\0\2" "hi"),    0, false, 64, 0,
          2 },
        { "dix: padding",           &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\x40" "\0\2" "hi\0\0"), 0, false, 64, 0,
          2 },
        { "dix: keepalive",         &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\x41" "\0\0"),         0, false, 65, 0,
          0 },
        { "dix: management",        &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\0" "\0\1" "x"),       0, true, 0, 0, 1 },
        { "dix: endpoint unset",    &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\xff\xff" "\0\0"),       0, false, 65535, 0,
          0 },
        { "dix: length too large",  &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\x40" "\0\3" "hi"),    -EBADMSG },
        { "dix: length 65535",      &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\x40" "\xff\xff" "hi"), -EBADMSG },
        { "dix: other type",        &frame_ops_dix, WIRE(STATIONS "\x08\0" "\0\x40" "\0\2" "hi"),    -EPROTO },
        { "dix: no length",         &frame_ops_dix, WIRE(STATIONS "\xa0\0" "\0\x40" "\0"),           -EBADMSG },
        { "dix: addresses only",    &frame_ops_dix, WIRE(STATIONS),                                  -EBADMSG },
        { "dix: empty",             &frame_ops_dix, WIRE(""),                                        -EBADMSG },
        { "llc: data",              &frame_ops_llc, WIRE(STATIONS "\0\5" "\x40\xc0\3" "hi"),         0, false, 2, 3,
          2 },
        { "llc: padding",           &frame_ops_llc, WIRE(STATIONS "\0\5" "\x40\xc0\3" "hi\0\0\0"),   0, false, 2, 3,
          2 },
        { "llc: keepalive",         &frame_ops_llc, WIRE(STATIONS "\0\3" "\xfc\x40\3"),              0, false, 63, 2,
          0 },
        { "llc: management",        &frame_ops_llc, WIRE(STATIONS "\0\4" "\x80\x80\3" "x"),          0, true, 0, 0, 1 },
        { "llc: half management",   &frame_ops_llc, WIRE(STATIONS "\0\4" "\x80\x40\3" "x"),          -EPROTO },
        { "llc: other half",        &frame_ops_llc, WIRE(STATIONS "\0\4" "\x40\x80\3" "x"),          -EPROTO },
        { "llc: sap 64",            &frame_ops_llc, WIRE(STATIONS "\0\4" "\x02\x40\3" "x"),          -EPROTO },
        { "llc: sap 0",             &frame_ops_llc, WIRE(STATIONS "\0\4" "\x40\0\3" "x"),            -EPROTO },
        { "llc: spanning tree",     &frame_ops_llc, WIRE(STATIONS "\0\x07" "\x42\x42\3" "\0\0\0\0"), -EPROTO },
        { "llc: not a UI frame",    &frame_ops_llc, WIRE(STATIONS "\0\4" "\x40\xc0\x7f" "x"),        -EPROTO },
        { "llc: an ether type",     &frame_ops_llc, WIRE(STATIONS "\x06\0" "\x40\xc0\3" "x"),        -EPROTO },
        { "llc: length too large",  &frame_ops_llc, WIRE(STATIONS "\0\6" "\x40\xc0\3" "hi"),         -EBADMSG },
        { "llc: length under 3",    &frame_ops_llc, WIRE(STATIONS "\0\2" "\x40\xc0\3" "hi"),         -EBADMSG },
        { "llc: no control",        &frame_ops_llc, WIRE(STATIONS "\0\2" "\x40\xc0"),                -EBADMSG },
        { "llc: addresses only",    &frame_ops_llc, WIRE(STATIONS),                                  -EBADMSG },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(parse_cases); i++) {
                Frame frame = { .receiver = 7 };

                print_message("%s\n", parse_cases[i].name);
                assert_int_equal(
                        parse_cases[i].ops->parse(ETHER_TYPE, parse_cases[i].wire, parse_cases[i].size, &frame),
                        parse_cases[i].r);
                if (parse_cases[i].r < 0) {
                        assert_int_equal(frame.receiver, 7);
                        continue;
                }

                assert_int_equal(frame.management, parse_cases[i].management);
                assert_int_equal(frame.receiver, parse_cases[i].receiver);
                assert_int_equal(frame.sender, parse_cases[i].sender);
                assert_int_equal(frame.payload_size, parse_cases[i].payload_size);
                assert_int_equal(frame.destination.bytes[5], 1);
                assert_int_equal(frame.source.bytes[5], 2);
        }
}

static void rebuild(const FrameOps *ops, const char *path) {
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        _cleanup_(packet_freep) Packet *packet = NULL;
        const uint8_t *data;
        size_t size, n_frames = 0;

        assert_int_equal(pcap_open(path, &pcap), 0);
        assert_int_equal(packet_new(2048, &packet), 0);

        while (pcap_next(pcap, &data, &size) > 0) {
                Frame frame;
                uint8_t *payload;

                assert_int_equal(ops->parse(ETHER_TYPE, data, size, &frame), 0);
                assert_int_equal(frame.payload_offset, ops->header_bytes);

                packet_reset(packet);
                payload = packet_append(packet, frame.payload_size);
                assert_non_null(payload);
                memcpy(payload, data + frame.payload_offset, frame.payload_size);

                assert_int_equal(ops->push(ETHER_TYPE, &frame, packet), 0);
                assert_int_equal(packet_size(packet), size);
                assert_memory_equal(packet->head, data, size);
                n_frames++;
        }

        assert_int_equal(n_frames, 49);
}

static void test_captures(void **state) {
        rebuild(&frame_ops_dix, TEST_DATA "/eth-dix.pcap");
        rebuild(&frame_ops_llc, TEST_DATA "/eth-llc.pcap");
}

/* The captured keepalive: "a000 0041 0000 and nothing else". */
static void test_keepalive(void **state) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        Frame frame = { .receiver = 0x41 };

        assert_int_equal(packet_new(64, &packet), 0);
        assert_int_equal(frame_ops_dix.push(ETHER_TYPE, &frame, packet), 0);
        assert_int_equal(packet_size(packet), 18);
        assert_memory_equal(packet->head + 12, "\xa0\0\0\x41\0\0", 6);
}

static const struct {
        const char *name;
        const FrameOps *ops;
        uint32_t mtu;
        uint32_t payload_max;
} size_cases[] = {
        { "dix: ethernet",   &frame_ops_dix, 1500,  1496 },
        { "dix: jumbo",      &frame_ops_dix, 9000,  8996 },
        { "dix: capped",     &frame_ops_dix, 70000, 65531 },
        { "dix: tiny",       &frame_ops_dix, 4,     0 },
        { "dix: none",       &frame_ops_dix, 0,     0 },
        { "llc: ethernet",   &frame_ops_llc, 1500,  1497 },
        { "llc: capped",     &frame_ops_llc, 9000,  1497 },
        { "llc: small",      &frame_ops_llc, 576,   573 },
};

static void test_sizes(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(size_cases); i++) {
                _cleanup_(packet_freep) Packet *packet = NULL;
                Frame frame = { .receiver = 64, .sender = 2 };
                size_t payload = size_cases[i].payload_max;

                print_message("%s\n", size_cases[i].name);
                assert_int_equal(frame_payload_max(size_cases[i].ops, size_cases[i].mtu), payload);

                if (payload == 0)
                        continue;

                /* The largest payload fits its header's fields and fills the link exactly. */
                assert_int_equal(packet_new(payload, &packet), 0);
                memset(packet_append(packet, payload), 0, payload);
                assert_int_equal(size_cases[i].ops->push(ETHER_TYPE, &frame, packet), 0);
                assert_int_equal(packet_size(packet),
                                 14 + MIN(size_cases[i].mtu, size_cases[i].ops->mtu_max));
        }
}

static void test_push_refuses(void **state) {
        _cleanup_(packet_freep) Packet *packet = NULL;
        Frame frame = { .receiver = 64, .sender = 2 };

        assert_int_equal(packet_new(65536, &packet), 0);
        memset(packet_append(packet, 65536), 0, 65536);
        assert_int_equal(frame_ops_dix.push(ETHER_TYPE, &frame, packet), -EMSGSIZE);

        packet_reset(packet);
        memset(packet_append(packet, 1533), 0, 1533);
        assert_int_equal(frame_ops_llc.push(ETHER_TYPE, &frame, packet), -EMSGSIZE);

        packet->head = packet->buffer;
        packet->tail = packet->buffer;
        assert_int_equal(frame_ops_dix.push(ETHER_TYPE, &frame, packet), -ENOBUFS);
        assert_int_equal(frame_ops_llc.push(ETHER_TYPE, &frame, packet), -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_captures),
                cmocka_unit_test(test_keepalive),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_push_refuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
