/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages in pieces: cut, lost, repeated, contradicted, and more of them than there is room for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/common/reassembly.h"

#define T0 (1000 * USEC_PER_SEC)

static const uint8_t key[SIPHASH_KEY_BYTES] = "pieces";
static const uint8_t from[6] = "sender";

static ReassemblySender sender(uint8_t number) {
        ReassemblySender s = { .charged = from, .charged_size = sizeof(from) };

        s.name[0] = number;
        return s;
}

static uint8_t *make_message(size_t size) {
        uint8_t *message = malloc(size);

        assert_non_null(message);
        for (size_t i = 0; i < size; i++)
                message[i] = (uint8_t) (i * 7 + i / 251);
        return message;
}

/* One piece as it is on the wire. */
static size_t cut(const uint8_t *message, size_t size, size_t room, unsigned number, uint8_t ret[2048]) {
        Writer w = writer_to(ret, 2048);

        fragment_write(&w, 42, message, size, room, number);
        assert_false(w.bad);
        return w.written;
}

static void test_counts(void **state) {
        static const struct {
                const char *name;
                size_t size, room;
                int n;
        } rows[] = {
                { "two frames of Ethernet", 2000, 1457, 2 },
                { "32 KiB over Ethernet", 32768 + 39 + 32, 1457, 23 },
                { "the largest", FRAGMENT_MESSAGE_BYTES_MAX, 1457, 23 },
                { "more than the largest", FRAGMENT_MESSAGE_BYTES_MAX + 1, 1457, -EMSGSIZE },
                { "exactly two", 2 * (1457 - FRAGMENT_HEADER_BYTES), 1457, 2 },
                { "one byte more", 2 * (1457 - FRAGMENT_HEADER_BYTES) + 1, 1457, 3 },
                { "the smallest pieces", FRAGMENT_PIECE_BYTES_MIN * FRAGMENT_PIECES_MAX,
                  FRAGMENT_PIECE_BYTES_MIN + FRAGMENT_HEADER_BYTES,
                  FRAGMENT_PIECES_MAX },
                { "too many of these", FRAGMENT_PIECE_BYTES_MIN * FRAGMENT_PIECES_MAX + 1,
                  FRAGMENT_PIECE_BYTES_MIN + FRAGMENT_HEADER_BYTES, -EMSGSIZE },
                { "no room", 2000, FRAGMENT_PIECE_BYTES_MIN + FRAGMENT_HEADER_BYTES - 1, -EMSGSIZE },
                { "none at all", 2000, 0, -EMSGSIZE },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                print_message("%s\n", rows[i].name);
                assert_int_equal(fragment_count(rows[i].size, rows[i].room), rows[i].n);
        }
}

static void test_parse(void **state) {
        static const struct {
                const char *name;
                uint16_t size, piece;
                uint8_t number;
                size_t content;
                int r;
        } rows[] = {
                { "the first of two", 300, 200, 0, 200, 0 },
                { "the last of two", 300, 200, 1, 100, 0 },
                { "too short", 300, 200, 0, 199, -EBADMSG },
                { "too long", 300, 200, 0, 201, -EBADMSG },
                { "the last one too long", 300, 200, 1, 101, -EBADMSG },
                { "empty", 300, 200, 0, 0, -EBADMSG },
                { "beyond the last", 300, 200, 2, 100, -EPROTO },
                { "one piece alone", 200, 200, 0, 200, -EPROTO },
                { "nothing", 0, 200, 0, 0, -EPROTO },
                { "small pieces", 300, FRAGMENT_PIECE_BYTES_MIN - 1, 0, FRAGMENT_PIECE_BYTES_MIN - 1, -EPROTO },
                { "no piece", 300, 0, 0, 0, -EPROTO },
                { "too large", FRAGMENT_MESSAGE_BYTES_MAX + 1, 1000, 0, 1000, -EPROTO },
                { "too many", FRAGMENT_MESSAGE_BYTES_MAX, FRAGMENT_PIECE_BYTES_MIN, 0, FRAGMENT_PIECE_BYTES_MIN,
                  -EPROTO },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint8_t bytes[FRAGMENT_HEADER_BYTES + 1024] = {};
                Writer w = writer_to(bytes, sizeof(bytes));
                Fragment fragment;

                print_message("%s\n", rows[i].name);
                writer_be64(&w, 42);
                writer_be16(&w, rows[i].size);
                writer_be16(&w, rows[i].piece);
                writer_u8(&w, rows[i].number);
                assert_int_equal(fragment_parse(bytes, FRAGMENT_HEADER_BYTES + rows[i].content, &fragment), rows[i].r);
        }

        for (size_t size = 0; size < FRAGMENT_HEADER_BYTES; size++) {
                const uint8_t bytes[FRAGMENT_HEADER_BYTES] = {};
                Fragment fragment;

                assert_int_equal(fragment_parse(bytes, size, &fragment), -EBADMSG);
        }
}

/* All orders that a stride makes, with copies in between. */
static void test_orders(void **state) {
        static const size_t sizes[] = { 1500, 3000, 32768 + 61 + 64 };
        static const unsigned strides[] = { 1, 3, 5, 7, 11 };

        for (size_t s = 0; s < ELEMENTSOF(sizes); s++)
                for (size_t t = 0; t < ELEMENTSOF(strides); t++) {
                        _cleanup_free_ uint8_t *message = make_message(sizes[s]), *whole = NULL;
                        int n = fragment_count(sizes[s], 1300), r = 0;
                        const ReassemblySender from_one = sender(1);
                        Reassembly reassembly;
                        size_t size = 0;
                        unsigned n_added = 0;

                        if (n % (int) strides[t] == 0 && strides[t] != 1)
                                continue;       /* would not visit all */

                        reassembly_init(&reassembly, key);
                        for (unsigned i = 0, number = 0; i < (unsigned) n;
                             i++, number = (number + strides[t]) % (unsigned) n) {
                                uint8_t bytes[2048];
                                Fragment fragment;

                                assert_int_equal(r, 0);
                                assert_int_equal(
                                        fragment_parse(bytes, cut(message, sizes[s], 1300, number, bytes), &fragment),
                                        0);
                                r = reassembly_add(&reassembly, &from_one, &fragment, T0, &whole, &size);
                                n_added++;
                                assert_int_equal(reassembly_add(&reassembly, &from_one, &fragment, T0, &whole, &size),
                                                 -EALREADY);
                        }
                        assert_int_equal(r, 1);
                        assert_int_equal(n_added, n);
                        assert_int_equal(size, sizes[s]);
                        assert_memory_equal(whole, message, size);
                        assert_int_equal(reassembly.bytes, 0);
                        assert_int_equal(reassembly.n_completed, 1);
                        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC);
                        assert_int_equal(reassembly.n_messages, 0);
                        assert_int_equal(reassembly.n_timed_out, 0);
                        reassembly_done(&reassembly);
                }
}

static void test_contradictions(void **state) {
        Reassembly reassembly;
        uint8_t bytes[512] = {};
        Fragment fragment = { .id = 1, .size = 600, .piece = 200, .content = bytes, .content_size = 200 };
        const ReassemblySender one = sender(1), two = sender(2);
        _cleanup_free_ uint8_t *whole = NULL;
        size_t size;

        reassembly_init(&reassembly, key);
        assert_int_equal(reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size), 0);

        fragment.number = 1;
        fragment.size = 601;
        assert_int_equal(reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size), -EPROTO);
        fragment.size = 600;
        fragment.piece = 199;
        assert_int_equal(reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size), -EPROTO);
        fragment.piece = 200;

        /* Another sender's message with the same id is another message. */
        assert_int_equal(reassembly_add(&reassembly, &two, &fragment, T0, &whole, &size), 0);
        assert_int_equal(reassembly.n_messages, 2);
        assert_null(whole);

        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC - 1);
        assert_int_equal(reassembly.n_messages, 2);
        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC);
        assert_int_equal(reassembly.n_messages, 0);
        assert_int_equal(reassembly.bytes, 0);
        assert_int_equal(reassembly.n_timed_out, 2);
        assert_true(reassembly_next(&reassembly) == USEC_INFINITY);
        reassembly_done(&reassembly);
}

/* One that floods gets its part, another one gets in all the same, and in all there is a limit. */
static void test_flood(void **state) {
        uint8_t bytes[2048] = {}, *whole = NULL;
        unsigned n_taken = 0, n_others = 0;
        Reassembly reassembly;
        size_t size;

        reassembly_init(&reassembly, key);
        for (uint64_t id = 0; id < 10000; id++) {
                const Fragment fragment = { .id = id, .size = 32768, .piece = 2048, .content = bytes,
                                            .content_size = 2048 };
                const ReassemblySender one = sender((uint8_t) id);

                n_taken += reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size) == 0;
        }
        assert_int_equal(n_taken, REASSEMBLY_SENDER_BYTES_MAX / 32768);

        for (unsigned i = 0; i < 10000; i++) {
                const Fragment fragment = { .id = i, .size = 32768, .piece = 2048, .content = bytes,
                                            .content_size = 2048 };
                const ReassemblySender other = { .charged = &i, .charged_size = sizeof(i) };

                n_others += reassembly_add(&reassembly, &other, &fragment, T0, &whole, &size) == 0;
        }
        assert_int_equal(n_others, (REASSEMBLY_BYTES_MAX - REASSEMBLY_SENDER_BYTES_MAX) / 32768);
        assert_true(reassembly.bytes <= REASSEMBLY_BYTES_MAX);

        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC);
        assert_int_equal(reassembly.bytes, 0);
        reassembly_done(&reassembly);
}

/* What is complete makes room for what is new. */
static void test_many_complete(void **state) {
        uint8_t bytes[200] = {};
        const ReassemblySender one = sender(1);
        Reassembly reassembly;

        reassembly_init(&reassembly, key);
        for (uint64_t id = 0; id < 2 * REASSEMBLY_MESSAGES_MAX; id++)
                for (uint8_t number = 0; number < 2; number++) {
                        const Fragment fragment = {
                                .id = id, .size = 300, .piece = 200, .number = number, .content = bytes,
                                .content_size = number ? 100 : 200 };
                        _cleanup_free_ uint8_t *whole = NULL;
                        size_t size;

                        assert_int_equal(reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size), number);
                }
        assert_int_equal(reassembly.n_messages, REASSEMBLY_SENDER_MESSAGES_MAX);
        assert_int_equal(reassembly.n_completed, 2 * REASSEMBLY_MESSAGES_MAX);
        reassembly_done(&reassembly);
}

static void test_repeats(void **state) {
        static const usec_t at_msec[] = { 150, 450, 1050 };
        FragmentRepeats repeats;

        fragment_repeats_init(&repeats, T0);
        for (size_t i = 0; i < ELEMENTSOF(at_msec); i++) {
                assert_true(repeats.next == T0 + at_msec[i] * USEC_PER_MSEC);
                assert_false(fragment_repeats_due(&repeats, repeats.next - 1));
                assert_true(fragment_repeats_due(&repeats, repeats.next));
        }
        assert_true(repeats.next == USEC_INFINITY);
        assert_false(fragment_repeats_due(&repeats, USEC_INFINITY));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_orders),
                cmocka_unit_test(test_contradictions),
                cmocka_unit_test(test_flood),
                cmocka_unit_test(test_many_complete),
                cmocka_unit_test(test_repeats),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
