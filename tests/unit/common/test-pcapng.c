/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Blocks of pcapng: byte by byte as the specification has them, and what happens where there is no room. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/common/pcapng.h"

#define BYTES(text) (const uint8_t *) (text), sizeof(text) - 1

static const PcapngInterface ethernet = { PCAPNG_LINK_ETHERNET, "lan", "DIX" };

static void write_section(Writer *w) {
        pcapng_write_section(w, "o7s");
}

static void write_interface(Writer *w) {
        pcapng_write_interface(w, &ethernet, 96);
}

static void write_plain(Writer *w) {
        const PcapngPacket packet = {
                .interface = 1,
                .time_nsec = 0x0123456789abcdef,
                .data = (const uint8_t *) "hello",
                .size = 5,
                .snap = 96,
        };

        pcapng_write_packet(w, &packet);
}

static void write_cut(Writer *w) {
        const PcapngPacket packet = {
                .outgoing = true,
                .data = (const uint8_t *) "hello",
                .size = 5,
                .snap = 4,
                .n_lost = 7,
        };

        pcapng_write_packet(w, &packet);
}

static void write_statistics(Writer *w) {
        pcapng_write_statistics(w, 1, 2, 3, 4);
}

static const struct {
        const char *name;
        void (*write)(Writer *w);
        const uint8_t *expected;
        size_t size;
} cases[] = {
        { "section", write_section,
          BYTES("\x0a\x0d\x0d\x0a" "\0\0\0\x28" "\x1a\x2b\x3c\x4d" "\0\1\0\0" "\xff\xff\xff\xff\xff\xff\xff\xff"
                "\0\4\0\3" "o7s\0" "\0\0\0\0" "\0\0\0\x28") },
        { "interface", write_interface,
          BYTES("\0\0\0\1" "\0\0\0\x30" "\0\1\0\0" "\0\0\0\x60" "\0\2\0\3" "lan\0" "\0\3\0\3" "DIX\0" "\0\x9\0\1"
                "\x9\0\0\0"
                "\0\0\0\0" "\0\0\0\x30") },
        { "packet", write_plain,
          BYTES("\0\0\0\6" "\0\0\0\x34" "\0\0\0\1" "\x01\x23\x45\x67" "\x89\xab\xcd\xef" "\0\0\0\5" "\0\0\0\5"
                "hello\0\0\0"
                "\0\2\0\4" "\0\0\0\1" "\0\0\0\0" "\0\0\0\x34") },
        { "packet that was cut, after some that were lost", write_cut,
          BYTES("\0\0\0\6" "\0\0\0\x3c" "\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\4" "\0\0\0\5" "hell"
                "\0\2\0\4" "\0\0\0\2" "\0\4\0\x8" "\0\0\0\0\0\0\0\7" "\0\0\0\0" "\0\0\0\x3c") },
        { "statistics", write_statistics,
          BYTES("\0\0\0\5" "\0\0\0\x34" "\0\0\0\1" "\0\0\0\0" "\0\0\0\2" "\0\4\0\x8" "\0\0\0\0\0\0\0\3"
                "\0\5\0\x8" "\0\0\0\0\0\0\0\4" "\0\0\0\0" "\0\0\0\x34") },
};

static void test_blocks(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint8_t bytes[256];
                Writer w = writer_to(bytes, sizeof(bytes));

                print_message("%s\n", cases[i].name);
                cases[i].write(&w);
                assert_false(w.bad);
                assert_int_equal(w.written, cases[i].size);
                assert_memory_equal(bytes, cases[i].expected, cases[i].size);
        }
}

/* Wherever the room ends, nothing is written behind it and the writer says so. */
static void test_no_room(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t room = 0; room < cases[i].size; room++) {
                        uint8_t bytes[256] = {};
                        Writer w = writer_to(bytes, room);

                        memset(bytes + room, 0xee, sizeof(bytes) - room);
                        cases[i].write(&w);
                        assert_true(w.bad);
                        for (size_t k = room; k < sizeof(bytes); k++)
                                assert_int_equal(bytes[k], 0xee);
                }
}

/* The named limits hold for the largest there is. */
static void test_limits(void **state) {
        const PcapngPacket packet = {
                .interface = UINT32_MAX,
                .time_nsec = UINT64_MAX,
                .data = (const uint8_t *) "x",
                .size = 1,              /* three bytes of padding */
                .snap = SIZE_MAX,
                .n_lost = UINT64_MAX,
        };
        uint8_t bytes[PCAPNG_PACKET_BYTES + 1];
        Writer w = writer_to(bytes, sizeof(bytes));

        pcapng_write_packet(&w, &packet);
        assert_false(w.bad);

        w = writer_to(bytes, PCAPNG_STATISTICS_BYTES);
        pcapng_write_statistics(&w, UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
        assert_false(w.bad);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_blocks),
                cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
