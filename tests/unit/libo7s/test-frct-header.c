/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Headers of ordered flows: captured ones of 0.23.0, each field of the extended ones, and everything that must be
 * refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

#define WIRE(bytes) (const uint8_t *) (bytes), sizeof(bytes) - 1

/* flags, window, sequence, acknowledgement, stamp */
#define EXTENDED(flags) flags "\0\1\2" "\0\0\0\7" "\0\0\0\x64" "\x11\x22\x33\x44"

static const struct {
        const char *name;
        bool extended;
        const uint8_t *wire;
        size_t size;
        int r;
        size_t content;                 /* bytes behind the header */
        FrctHeader header;
} cases[] = {
        /* between two programs of 0.23.0 */
        { "captured: first packet", false, WIRE("\x03\0\0\0\xc8\x9c\xe2\x89\0\0\0\0request"), 0, 7,
          { FRCT_DATA | FRCT_RUN_START, 0, 0xc89ce289 } },
        { "captured: reply", false, WIRE("\x0f\x9c\xe3\x8a\x22\x0a\xa8\x7d\xc8\x9c\xe2\x8areply"), 0, 5,
          { FRCT_DATA | FRCT_RUN_START | FRCT_ACKNOWLEDGE | FRCT_WINDOW, 0x9ce38a, 0x220aa87d, 0xc89ce28a } },
        { "captured: delayed acknowledgement", false, WIRE("\x0c\x9c\xe3\x8b\0\0\0\0\xc8\x9c\xe2\x8b"), 0, 0,
          { FRCT_ACKNOWLEDGE | FRCT_WINDOW, 0x9ce38b, 0, 0xc89ce28b } },
        { "captured: final acknowledgement", false, WIRE("\x04\0\0\0\0\0\0\0\xc8\x9c\xe2\x8b"), 0, 0,
          { FRCT_ACKNOWLEDGE, 0, 0, 0xc89ce28b } },
        { "captured: a peer that knows no run", false, WIRE("\x0c\0\0\0\0\0\0\0\0\0\0\0"), 0, 0,
          { FRCT_ACKNOWLEDGE | FRCT_WINDOW, 0, 0, 0 } },

        { "rendez-vous", false, WIRE("\x10\0\0\0\0\0\0\0\0\0\0\0"), 0, 0, { FRCT_RENDEZVOUS } },
        { "run to come, bare", false, WIRE("\x0e\0\0\1\0\0\0\2\0\0\0\3"), 0, 0,
          { FRCT_RUN_START | FRCT_ACKNOWLEDGE | FRCT_WINDOW, 1, 2, 3 } },
        { "12 bytes: nothing", false, WIRE(""), -EBADMSG, 0, {} },
        { "12 bytes: one short", false, WIRE("\x0c\0\0\0\0\0\0\0\0\0\0"), -EBADMSG, 0, {} },

        /* extended: the fixed part */
        { "data", true, WIRE(EXTENDED("\x6d") "\0\0\0\0" "x"), 0, 1,
          { .flags = 0x6d, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344 } },
        { "finish", true, WIRE(EXTENDED("\x80") "\0\0\0\0"), 0, 0,
          { .flags = FRCT_FINISH, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344 } },
        { "20 bytes: nothing", true, WIRE(""), -EBADMSG, 0, {} },
        { "20 bytes: a plain header", true, WIRE("\x0c\0\0\0\0\0\0\0\0\0\0\0"), -EBADMSG, 0, {} },
        { "20 bytes: one short", true, WIRE(EXTENDED("\1") "\0\0\0"), -EBADMSG, 0, {} },
        { "first fragment of no data", true, WIRE(EXTENDED("\x20") "\0\0\0\0"), -EBADMSG, 0, {} },
        { "more fragments of no data", true, WIRE(EXTENDED("\x4c") "\0\0\0\0"), -EBADMSG, 0, {} },

        /* extended: what else there is */
        { "probe", true, WIRE(EXTENDED("\4") "\0\2\x05\xdc" "padding"), 0, 7,
          { .flags = FRCT_ACKNOWLEDGE, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344,
            .extension = FRCT_X_PROBE, .position = 1500 } },
        { "probed", true, WIRE(EXTENDED("\4") "\0\4\x05\xdc"), 0, 0,
          { .flags = FRCT_ACKNOWLEDGE, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344,
            .extension = FRCT_X_PROBED, .position = 1500 } },
        { "first piece", true, WIRE(EXTENDED("\1") "\0\x08\0\0" "abc"), 0, 3,
          { .flags = FRCT_DATA, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344,
            .extension = FRCT_X_PIECE } },
        { "last piece", true, WIRE(EXTENDED("\1") "\0\x18\1\2" "abc"), 0, 3,
          { .flags = FRCT_DATA, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344,
            .extension = FRCT_X_PIECE | FRCT_X_LAST_PIECE, .position = 0x102 } },
        { "unknown extension flag", true, WIRE(EXTENDED("\1") "\0\x20\0\0"), -EBADMSG, 0, {} },
        { "all extension flags", true, WIRE(EXTENDED("\1") "\0\xff\0\0"), -EBADMSG, 0, {} },
        { "position of nothing", true, WIRE(EXTENDED("\1") "\0\0\0\1"), -EBADMSG, 0, {} },
        { "probe and its answer at once", true, WIRE(EXTENDED("\4") "\0\6\0\1"), -EBADMSG, 0, {} },
        { "piece and probe's answer at once", true, WIRE(EXTENDED("\1") "\0\x0c\0\1"), -EBADMSG, 0, {} },
        { "last piece that is none", true, WIRE(EXTENDED("\1") "\0\x10\0\0"), -EBADMSG, 0, {} },
        { "piece without data", true, WIRE(EXTENDED("\4") "\0\x08\0\0"), -EBADMSG, 0, {} },
        { "probe with data", true, WIRE(EXTENDED("\1") "\0\2\0\1"), -EBADMSG, 0, {} },
        { "probe with finish", true, WIRE(EXTENDED("\x80") "\0\2\0\1"), -EBADMSG, 0, {} },

        { "echo", true, WIRE(EXTENDED("\4") "\0\1\0\0" "\xff\xff\xff\xff" "\0\0\1\0" "\0\0\0\3"), 0, 0,
          { .flags = FRCT_ACKNOWLEDGE, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344,
            .extension = FRCT_X_ECHO, .echo = UINT32_MAX, .hold_usec = 256, .marked = 3 } },
        { "echo cut off", true, WIRE(EXTENDED("\4") "\0\1\0\0" "\xff\xff\xff\xff" "\0\0\1\0" "\0\0\0"), -EBADMSG, 0, {} },

        { "two ranges and content", true,
          WIRE(EXTENDED("\5") "\2\0\0\0" "\0\0\0\x70\0\0\0\x72" "\0\0\0\x66\0\0\0\x67" "hello"), 0, 5,
          { .flags = FRCT_DATA | FRCT_ACKNOWLEDGE, .window = 0x102, .sequence = 7, .acknowledgement = 100,
            .stamp = 0x11223344, .n_ranges = 2, .ranges = { { 0x70, 0x72 }, { 0x66, 0x67 } } } },
        { "echo and a range", true,
          WIRE(EXTENDED("\4") "\1\1\0\0" "\0\0\0\1\0\0\0\2\0\0\0\3" "\0\0\0\x66\0\0\0\x67"), 0, 0,
          { .flags = FRCT_ACKNOWLEDGE, .window = 0x102, .sequence = 7, .acknowledgement = 100, .stamp = 0x11223344,
            .extension = FRCT_X_ECHO, .echo = 1, .hold_usec = 2, .marked = 3, .n_ranges = 1,
            .ranges = { { 0x66, 0x67 } } } },
        { "range across the wrap", true,
          WIRE("\4\0\0\0" "\0\0\0\0" "\xff\xff\xff\xf0" "\0\0\0\0" "\1\0\0\0" "\xff\xff\xff\xfe\0\0\0\4"), 0, 0,
          { .flags = FRCT_ACKNOWLEDGE, .acknowledgement = 0xfffffff0, .n_ranges = 1, .ranges = { { 0xfffffffe, 4 } } } },
        { "range cut off", true, WIRE(EXTENDED("\4") "\1\0\0\0" "\0\0\0\x66\0\0\0"), -EBADMSG, 0, {} },
        { "second range is missing", true, WIRE(EXTENDED("\4") "\2\0\0\0" "\0\0\0\x66\0\0\0\x67"), -EBADMSG, 0, {} },
        { "33 ranges", true, WIRE(EXTENDED("\4") "\x21\0\0\0" "\0\0\0\x66\0\0\0\x67"), -EBADMSG, 0, {} },
        { "255 ranges", true, WIRE(EXTENDED("\4") "\xff\0\0\0"), -EBADMSG, 0, {} },
        { "ranges of no acknowledgement", true, WIRE(EXTENDED("\1") "\1\0\0\0" "\0\0\0\x66\0\0\0\x67"), -EBADMSG, 0, {} },
        { "empty range", true, WIRE(EXTENDED("\4") "\1\0\0\0" "\0\0\0\x66\0\0\0\x66"), -EBADMSG, 0, {} },
        { "range backwards", true, WIRE(EXTENDED("\4") "\1\0\0\0" "\0\0\0\x67\0\0\0\x66"), -EBADMSG, 0, {} },
        { "range touches the acknowledgement", true, WIRE(EXTENDED("\4") "\1\0\0\0" "\0\0\0\x64\0\0\0\x66"), -EBADMSG, 0, {} },
        { "range below the acknowledgement", true, WIRE(EXTENDED("\4") "\1\0\0\0" "\0\0\0\x32\0\0\0\x33"), -EBADMSG, 0, {} },
        { "range around the numbers", true, WIRE(EXTENDED("\4") "\1\0\0\0" "\x70\0\0\0\xa0\0\0\0"), -EBADMSG, 0, {} },
        { "second range is empty", true,
          WIRE(EXTENDED("\4") "\2\0\0\0" "\0\0\0\x66\0\0\0\x67" "\0\0\0\x77\0\0\0\x77"), -EBADMSG, 0, {} },
};

static void assert_headers_equal(const FrctHeader *a, const FrctHeader *b) {
        assert_int_equal(a->flags, b->flags);
        assert_int_equal(a->window, b->window);
        assert_int_equal(a->sequence, b->sequence);
        assert_int_equal(a->acknowledgement, b->acknowledgement);
        assert_int_equal(a->stamp, b->stamp);
        assert_int_equal(a->extension, b->extension);
        assert_int_equal(a->position, b->position);
        assert_int_equal(a->echo, b->echo);
        assert_int_equal(a->hold_usec, b->hold_usec);
        assert_int_equal(a->marked, b->marked);
        assert_int_equal(a->n_ranges, b->n_ranges);
        for (unsigned i = 0; i < a->n_ranges; i++) {
                assert_int_equal(a->ranges[i].begin, b->ranges[i].begin);
                assert_int_equal(a->ranges[i].end, b->ranges[i].end);
        }
}

static void test_both_ways(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Cursor c = cursor_from(cases[i].wire, cases[i].size);
                FrctHeader header = { .window = 99 };
                uint8_t built[512];
                Writer w = writer_to(built, sizeof(built));

                print_message("%s\n", cases[i].name);
                assert_int_equal(frct_header_read(&c, cases[i].extended, &header), cases[i].r);
                if (cases[i].r < 0) {
                        assert_int_equal(header.window, 99);
                        continue;
                }

                assert_headers_equal(&header, &cases[i].header);
                assert_int_equal(c.left, cases[i].content);

                frct_header_write(&w, cases[i].extended, &header);
                assert_false(w.bad);
                assert_int_equal(w.written, cases[i].size - cases[i].content);
                assert_int_equal(w.written, frct_header_size(cases[i].extended, &header));
                assert_memory_equal(built, cases[i].wire, w.written);
        }
}

/* Flags that 0.23.0 never sends mean nothing to it, and are not ours to give a meaning. */
static void test_unknown_flags_of_12_bytes(void **state) {
        static const uint8_t wire[] = { 0xe5, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3 };
        Cursor c = cursor_from(wire, sizeof(wire));
        FrctHeader header;

        assert_int_equal(frct_header_read(&c, false, &header), 0);
        assert_int_equal(header.flags, FRCT_DATA | FRCT_ACKNOWLEDGE);
}

static void test_most_ranges(void **state) {
        FrctHeader header = { .flags = FRCT_ACKNOWLEDGE, .acknowledgement = 10, .extension = FRCT_X_ECHO, .n_ranges = FRCT_RANGES_MAX };
        uint8_t built[20 + 12 + 8 * FRCT_RANGES_MAX];
        Writer w = writer_to(built, sizeof(built));
        FrctHeader back;
        Cursor c;

        for (uint32_t i = 0; i < FRCT_RANGES_MAX; i++)
                header.ranges[i] = (FrctRange) { .begin = 1000 - 3 * i, .end = 1001 - 3 * i };

        frct_header_write(&w, true, &header);
        assert_false(w.bad);
        assert_int_equal(w.written, sizeof(built));
        assert_int_equal(frct_header_size(true, &header), sizeof(built));

        c = cursor_from(built, sizeof(built));
        assert_int_equal(frct_header_read(&c, true, &back), 0);
        assert_headers_equal(&header, &back);
}

static void test_no_room(void **state) {
        const FrctHeader header = { .flags = FRCT_ACKNOWLEDGE, .n_ranges = 1, .ranges = { { 1, 2 } } };
        uint8_t built[28];

        for (size_t room = 0; room < sizeof(built); room++) {
                Writer w = writer_to(built, room);

                frct_header_write(&w, true, &header);
                assert_true(w.bad);
        }
}

static void test_before(void **state) {
        assert_true(frct_before(1, 2));
        assert_false(frct_before(2, 2));
        assert_false(frct_before(3, 2));
        assert_true(frct_before(UINT32_MAX, 0));
        assert_false(frct_before(0, UINT32_MAX));
        assert_true(frct_before(0, INT32_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),
                cmocka_unit_test(test_unknown_flags_of_12_bytes),
                cmocka_unit_test(test_most_ranges),
                cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_before),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
