/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CRC-32 trailers: known answers, every way to cut the bytes, and what is no trailer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/checksum.h"

static const struct {
        const char *name;
        const char *text;
        uint32_t checksum;
} answers[] = {
        { "nothing", "", 0 },
        { "one byte", "a", 0xe8b7be43 },
        { "the check value", "123456789", 0xcbf43926 },
        { "a sentence", "The quick brown fox jumps over the lazy dog", 0x414fa339 },
};

static void test_known_answers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                print_message("%s\n", answers[i].name);
                assert_int_equal(checksum_add(0, answers[i].text, strlen(answers[i].text)), answers[i].checksum);
        }
}

/* Bit by bit, as the standard says it. */
static uint32_t checksum_by_bits(const uint8_t *p, size_t size) {
        uint32_t c = UINT32_MAX;

        for (size_t i = 0; i < size; i++) {
                c ^= p[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        }

        return ~c;
}

static void fill(uint8_t *data, size_t size) {
        uint32_t x = 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                data[i] = (uint8_t) (x >> 24);
        }
}

static void test_sizes_and_cuts(void **state) {
        uint8_t data[300];

        fill(data, sizeof(data));

        for (size_t size = 0; size <= sizeof(data); size++)
                assert_int_equal(checksum_add(0, data, size), checksum_by_bits(data, size));

        for (size_t cut = 0; cut <= sizeof(data); cut++) {
                const struct iovec parts[] = { { data, cut }, { data + cut, 0 }, { data + cut, sizeof(data) - cut } };

                assert_int_equal(checksum_parts(parts, 3), checksum_by_bits(data, sizeof(data)));
        }
}

static void test_trailer(void **state) {
        uint8_t packet[] = { '1', '2', '3', '4', '5', '6', '7', '8', '9', 0, 0, 0, 0 };
        static const uint8_t trailer[] = { 0xcb, 0xf4, 0x39, 0x26 };

        checksum_write(packet + 9, checksum_add(0, packet, 9));
        assert_memory_equal(packet + 9, trailer, sizeof(trailer));
        assert_true(checksum_is_good(packet, sizeof(packet)));

        for (size_t bit = 0; bit < 8 * sizeof(packet); bit++) {
                packet[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_false(checksum_is_good(packet, sizeof(packet)));
                packet[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }

        for (size_t size = 0; size < sizeof(packet); size++)
                assert_false(checksum_is_good(packet, size));
}

/* Four bytes are a trailer of nothing where they are the checksum of nothing. */
static void test_empty_content(void **state) {
        static const uint8_t zeros[4] = {}, ones[4] = { 1, 1, 1, 1 };

        assert_true(checksum_is_good(zeros, sizeof(zeros)));
        assert_false(checksum_is_good(ones, sizeof(ones)));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_answers),
                cmocka_unit_test(test_sizes_and_cuts),
                cmocka_unit_test(test_trailer),
                cmocka_unit_test(test_empty_content),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
