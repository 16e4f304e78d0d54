/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Link-state messages: the prototype's as captured, the longer form, and what must be refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/lsa.h"
#include "services/ipcp-unicast/routing.h"
#include "tests/support/pcap.h"

#define WIRE(bytes) (const uint8_t *) (bytes), sizeof(bytes) - 1

#define A "\0\0\0\0\xc6\x85\x05\xfc"
#define B "\0\0\0\0\x57\x10\xa3\x0b"
#define ZERO "\0\0\0\0\0\0\0\0"
#define SEQ "\0\0\0\0\0\0\1\2"
#define MAX_SEQ "\x80\0\0\0\0\0\0\0"

static const struct {
        const char *name;
        const uint8_t *wire;
        size_t size;
        int r;
        Lsa lsa;
} cases[] = {
        { "captured: A to B",    WIRE(B A ZERO), 0, { 0x5710a30b, 0xc68505fc, 0, false, false, 1 } },
        { "sequence",            WIRE(A B SEQ), 0, { 0xc68505fc, 0x5710a30b, 0x102, false, false, 1 } },
        { "largest sequence",    WIRE(A B MAX_SEQ), 0, { 0xc68505fc, 0x5710a30b, LSA_SEQUENCE_MAX, false, false, 1 } },
        { "one more",            WIRE(A B "\x80\0\0\0\0\0\0\1"), -EPROTO },
        { "2^64 - 1",            WIRE(A B "\xff\xff\xff\xff\xff\xff\xff\xff"), -EPROTO },
        { "to nobody",           WIRE(ZERO B SEQ), -EPROTO },
        { "from nobody",         WIRE(A ZERO SEQ), -EPROTO },
        { "to itself",           WIRE(A A SEQ), -EPROTO },
        { "empty",               WIRE(""), -EBADMSG },
        { "23 bytes",            WIRE(A B "\0\0\0\0\0\0\0"), -EBADMSG },
        { "25 bytes",            WIRE(A B SEQ "\0"), -EBADMSG },
        { "longer: cost 7",      WIRE("o7LS" "\1\0" "\0\7" A B SEQ), 0,
          { 0xc68505fc, 0x5710a30b, 0x102, true, false, 7 } },
        { "longer: cost 65535",  WIRE("o7LS" "\1\0" "\xff\xff" A B SEQ), 0,
          { 0xc68505fc, 0x5710a30b, 0x102, true, false, 65535 } },
        { "longer: withdrawn",   WIRE("o7LS" "\1\1" "\0\0" A B SEQ), 0,
          { 0xc68505fc, 0x5710a30b, 0x102, true, true, 0 } },
        { "longer: no cost",     WIRE("o7LS" "\1\0" "\0\0" A B SEQ), -EPROTO },
        { "longer: withdrawn at a cost", WIRE("o7LS" "\1\1" "\0\1" A B SEQ), -EPROTO },
        { "longer: kind 2",      WIRE("o7LS" "\1\2" "\0\1" A B SEQ), -EPROTO },
        { "longer: version 2",   WIRE("o7LS" "\2\0" "\0\1" A B SEQ), -EBADMSG },
        { "longer: version 0",   WIRE("o7LS" "\0\0" "\0\1" A B SEQ), -EBADMSG },
        { "longer: not ours",    WIRE("o7LT" "\1\0" "\0\1" A B SEQ), -EBADMSG },
        { "longer: to itself",   WIRE("o7LS" "\1\0" "\0\1" A A SEQ), -EPROTO },
        { "longer: 31 bytes",    WIRE("o7LS" "\1\0" "\0\1" A B "\0\0\0\0\0\0\0"), -EBADMSG },
        { "longer: 33 bytes",    WIRE("o7LS" "\1\0" "\0\1" A B SEQ "\0"), -EBADMSG },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const Lsa *expected = &cases[i].lsa;
                uint8_t again[LSA_BYTES_MAX];
                Lsa lsa = { .to = 4711 };

                print_message("%s\n", cases[i].name);
                assert_int_equal(lsa_parse(cases[i].wire, cases[i].size, &lsa), cases[i].r);
                if (cases[i].r < 0) {
                        assert_int_equal(lsa.to, 4711);
                        continue;
                }

                assert_true(lsa.to == expected->to);
                assert_true(lsa.from == expected->from);
                assert_true(lsa.sequence == expected->sequence);
                assert_int_equal(lsa.extended, expected->extended);
                assert_int_equal(lsa.withdrawn, expected->withdrawn);
                assert_int_equal(lsa.cost, expected->cost);

                assert_int_equal(lsa_write(&lsa, again), cases[i].size);
                assert_memory_equal(again, cases[i].wire, cases[i].size);
        }
}

/* IPv4 without options, UDP, 4 bytes of endpoint: what is left is a message. */
#define CAPTURE_HEADERS 46U

/* Both members announce their link and refresh it once. */
static void test_captured(void **state) {
        static const struct {
                uint64_t to, from, sequence;
        } expected[] = {
                { 0xc0b88eb5, 0x6668b408, 0 },
                { 0x6668b408, 0xc0b88eb5, 0 },
                { 0xc0b88eb5, 0x6668b408, 1 },
                { 0x6668b408, 0xc0b88eb5, 1 },
        };
        _cleanup_(pcap_freep) Pcap *pcap = NULL;
        const uint8_t *frame;
        size_t size, n = 0;
        int r;

        assert_int_equal(pcap_open(TEST_DATA "/udp4.pcap", &pcap), 0);
        while ((r = pcap_next(pcap, &frame, &size)) > 0) {
                uint8_t again[LSA_BYTES_MAX];
                Lsa lsa;

                if (size <= CAPTURE_HEADERS || lsa_parse(frame + CAPTURE_HEADERS, size - CAPTURE_HEADERS, &lsa) < 0)
                        continue;

                assert_in_range(n, 0, ELEMENTSOF(expected) - 1);
                assert_true(lsa.to == expected[n].to);
                assert_true(lsa.from == expected[n].from);
                assert_true(lsa.sequence == expected[n].sequence);
                assert_int_equal(lsa_write(&lsa, again), LSA_BYTES);
                assert_memory_equal(again, frame + CAPTURE_HEADERS, LSA_BYTES);
                n++;
        }

        assert_int_equal(r, 0);
        assert_int_equal(n, ELEMENTSOF(expected));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_captured),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
