/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cursor and writer: every width, both byte orders, and what a short buffer does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/cursor.h"

static const uint8_t bytes[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xff };

static void test_read(void **state) {
        Cursor c = cursor_from(bytes, sizeof(bytes));
        uint8_t copy[3];

        assert_int_equal(cursor_u8(&c), 0x01);
        assert_int_equal(cursor_be16(&c), 0x0203);
        cursor_copy(&c, copy, sizeof(copy));
        assert_memory_equal(copy, bytes + 3, sizeof(copy));
        assert_int_equal(c.left, 3);
        assert_ptr_equal(cursor_bytes(&c, 0), bytes + 6);
        assert_int_equal(cursor_le(&c, 2), 0x0807);
        assert_int_equal(cursor_be(&c, 1), 0xff);
        assert_int_equal(c.left, 0);
        assert_false(c.bad);

        c = cursor_from(bytes, sizeof(bytes));
        assert_true(cursor_be64(&c) == UINT64_C(0x0102030405060708));
        c = cursor_from(bytes + 1, 8);
        assert_true(cursor_le(&c, 8) == UINT64_C(0xff08070605040302));
        c = cursor_from(bytes, 4);
        assert_int_equal(cursor_be32(&c), 0x01020304);
}

/* For every size that is too short: the read yields zero, and so does all that follows, though bytes are
 * left. */
static void test_short_read(void **state) {
        for (size_t size = 0; size < 8; size++) {
                Cursor c = cursor_from(bytes, size);
                uint8_t copy[4];

                assert_true(cursor_be64(&c) == 0);
                assert_true(c.bad);
                assert_int_equal(cursor_u8(&c), 0);
                assert_null(cursor_bytes(&c, 0));

                memset(copy, 0xaa, sizeof(copy));
                cursor_copy(&c, copy, sizeof(copy));
                assert_memory_equal(copy, "\0\0\0\0", sizeof(copy));
        }
}

static void test_empty(void **state) {
        Cursor c = cursor_from(NULL, 0);

        assert_non_null(cursor_bytes(&c, 0));
        assert_false(c.bad);
        assert_null(cursor_bytes(&c, 1));
        assert_true(c.bad);

        c = cursor_from(bytes, sizeof(bytes));
        assert_null(cursor_bytes(&c, SIZE_MAX));        /* no wrap-around */
        assert_true(c.bad);
}

static void test_write(void **state) {
        uint8_t buffer[32];
        Writer w = writer_to(buffer, sizeof(buffer));

        memset(buffer, 0xaa, sizeof(buffer));
        writer_u8(&w, 0x01);
        writer_be16(&w, 0x0203);
        writer_be32(&w, 0x04050607);
        writer_be64(&w, UINT64_C(0x08090a0b0c0d0e0f));
        writer_zero(&w, 2);
        writer_bytes(&w, "xyz", 3);
        writer_bytes(&w, NULL, 0);
        assert_false(w.bad);
        assert_int_equal(w.written, 20);
        assert_int_equal(w.left, 12);
        assert_memory_equal(buffer,
                            "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\0\0xyz\xaa", 21);
}

/* What does not fit is not begun, and nothing follows it. */
static void test_short_write(void **state) {
        for (size_t size = 0; size < 8; size++) {
                uint8_t buffer[8];
                Writer w = writer_to(buffer, size);

                memset(buffer, 0xaa, sizeof(buffer));
                writer_be64(&w, 0);
                writer_u8(&w, 0);
                writer_zero(&w, 1);
                assert_true(w.bad);
                assert_int_equal(w.written, 0);
                assert_memory_equal(buffer, "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa", 8);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_short_read),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_write),
                cmocka_unit_test(test_short_write),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
