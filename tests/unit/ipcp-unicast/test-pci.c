/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The header of packets between members: captured ones, every size, and the end of a TTL. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/ipcp-unicast/pci.h"

#define WIRE(bytes) (const uint8_t *) (bytes), sizeof(bytes) - 1

static const PciFormat usual = { .address_bytes = 4, .eid_bytes = 8, .ttl_max = 60 };

static Packet *packet_of(const uint8_t *data, size_t size) {
        Packet *packet;

        assert_int_equal(packet_new(size, &packet), 0);
        if (size > 0)
                memcpy(packet_append(packet, size), data, size);
        return packet;
}

static const struct {
        const char *name;
        PciFormat format;
        const uint8_t *wire;
        size_t size;
        int r;
        Pci pci;
} cases[] = {
        { "captured: to the directory", { 4, 8, 60 }, WIRE("\xfc\x05\x85\xc6\0\x3c\0\1\0\0\0\0\0\0\0"), 0,
          { 0xC68505FC, 0, 60, 0, 1 } },
        { "captured: keepalive of a flow", { 4, 8, 60 }, WIRE("\x0b\xa3\x10\x57\0\x3c\0\x44\0\0\0\x28\x60\x42\x50"), 0,
          { 0x5710A30B, 0, 60, 0, 0x5042602800000044 } },
        { "voice, marked", { 4, 8, 60 }, WIRE("\1\0\0\0\2\1\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0,
          { 1, 2, 1, 255, UINT64_MAX } },
        { "smallest sizes", { 1, 1, 60 }, WIRE("\7\1\2\3\x09"), 0, { 7, 1, 2, 3, 9 } },
        { "largest sizes", { 8, 8, 60 }, WIRE("\1\2\3\4\5\6\7\x08\0\x3c\0\x11\x12\x13\x14\x15\x16\x17\x18"), 0,
          { 0x0807060504030201, 0, 60, 0, 0x1817161514131211 } },
        { "three and five", { 3, 5, 60 }, WIRE("\1\2\3\0\x3c\0\1\2\3\4\5"), 0, { 0x030201, 0, 60, 0, 0x0504030201 } },
        { "a byte short", { 4, 8, 60 }, WIRE("\xfc\x05\x85\xc6\0\x3c\0\1\0\0\0\0\0\0"), -EBADMSG, {} },
        { "address only", { 4, 8, 60 }, WIRE("\xfc\x05\x85\xc6"), -EBADMSG, {} },
        { "nothing", { 4, 8, 60 }, WIRE(""), -EBADMSG, {} },
};

static void test_both_ways(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(packet_freep) Packet *packet = packet_of(cases[i].wire, cases[i].size),
                                               *built = packet_of(NULL, 0);
                Pci pci = { .ttl = 99 };

                print_message("%s\n", cases[i].name);
                assert_int_equal(pci_parse(&cases[i].format, packet, &pci), cases[i].r);
                if (cases[i].r < 0) {
                        assert_int_equal(pci.ttl, 99);
                        continue;
                }

                assert_true(pci.destination == cases[i].pci.destination);
                assert_int_equal(pci.cube, cases[i].pci.cube);
                assert_int_equal(pci.ttl, cases[i].pci.ttl);
                assert_int_equal(pci.ecn, cases[i].pci.ecn);
                assert_true(pci.eid == cases[i].pci.eid);

                assert_int_equal(pci_push(&cases[i].format, built, &pci), 0);
                assert_int_equal(packet_size(built), cases[i].size);
                assert_memory_equal(built->head, cases[i].wire, cases[i].size);
        }
}

static void test_no_head_room(void **state) {
        _cleanup_(packet_freep) Packet *packet = packet_of(NULL, 0);
        const Pci pci = { .destination = 1 };
        unsigned n = 0;

        while (pci_push(&usual, packet, &pci) == 0)
                n++;

        assert_int_equal(n, PACKET_HEAD_ROOM / pci_bytes(&usual));
        assert_int_equal(pci_push(&usual, packet, &pci), -ENOBUFS);
        assert_int_equal(packet_size(packet), n * pci_bytes(&usual));
}

static void test_ttl(void **state) {
        static const struct {
                const char *name;
                uint8_t before;
                bool goes_on;
                uint8_t after;
        } rows[] = {
                { "never wraps", 0, false, 0 },
                { "ends at one", 1, false, 1 },
                { "one more", 2, true, 1 },
                { "usual", 60, true, 59 },
                { "largest", 255, true, 254 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(packet_freep) Packet *packet = packet_of(NULL, 0);
                Pci pci = { .destination = UINT32_MAX, .cube = 1, .ttl = rows[i].before, .ecn = 3, .eid = UINT64_MAX };

                print_message("%s\n", rows[i].name);
                assert_int_equal(pci_push(&usual, packet, &pci), 0);
                assert_int_equal(pci_count_down(&usual, packet), rows[i].goes_on);
                assert_int_equal(pci_parse(&usual, packet, &pci), 0);
                assert_int_equal(pci.ttl, rows[i].after);
                assert_int_equal(pci.cube, 1);
                assert_int_equal(pci.ecn, 3);
                assert_true(pci.destination == UINT32_MAX && pci.eid == UINT64_MAX);
        }
}

static void test_mark(void **state) {
        _cleanup_(packet_freep) Packet *packet = packet_of(NULL, 0);
        Pci pci = { .destination = 1, .ttl = 5, .ecn = 0x10, .eid = 64 };

        assert_int_equal(pci_push(&usual, packet, &pci), 0);
        pci_mark(&usual, packet, 0x03);
        pci_mark(&usual, packet, 0);
        assert_int_equal(pci_parse(&usual, packet, &pci), 0);
        assert_int_equal(pci.ecn, 0x13);
        assert_int_equal(pci.ttl, 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways), cmocka_unit_test(test_no_head_room), cmocka_unit_test(test_ttl),
                cmocka_unit_test(test_mark),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
