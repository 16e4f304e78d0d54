/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages in pieces: cut, lost, repeated, falsified, and more of them than there is room for. */

#include <limits.h>
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
        uint64_t id;

        assert_int_equal(fragment_id(message, size, &id), 0);
        fragment_write(&w, id, message, size, room, number);
        assert_false(w.bad);
        return w.written;
}

static int add(Reassembly *reassembly, const ReassemblySender *from_whom, const uint8_t *message, size_t size,
               size_t room, unsigned number, uint8_t **ret) {
        uint8_t bytes[2048];
        Fragment fragment;
        size_t ret_size;
        size_t n = cut(message, size, room, number, bytes);

        assert_int_equal(fragment_parse(bytes, n, &fragment), 0);
        return reassembly_add(reassembly, from_whom, &fragment, T0, ret, &ret_size);
}

/* The id of a message is the beginning of its digest, as others make it: SHA-256 of "abc". */
static void test_id(void **state) {
        uint64_t id;

        assert_int_equal(fragment_id((const uint8_t *) "abc", 3, &id), 0);
        assert_true(id == UINT64_C(0xba7816bf8f01cfea));
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

/* Somebody has put a piece of his own among those of a message, before they came, or in between. */
static void test_false_pieces(void **state) {
        enum { SIZE = 3000, ROOM = 700 };
        static const struct {
                const char *name;
                unsigned before;        /* pieces that were there already */
                unsigned number;
                size_t size, room;
                int first;              /* what the first repetition ends with */
        } rows[] = {
                { "the first piece", 0, 0, SIZE, ROOM, -EILSEQ },
                { "one before it came", 0, 3, SIZE, ROOM, -EILSEQ },
                { "one in between", 2, 3, SIZE, ROOM, -EILSEQ },
                { "a copy that is another", 3, 1, SIZE, ROOM, 1 },
                { "another size", 0, 0, SIZE + 1, ROOM, 1 },
                { "other pieces", 0, 0, SIZE, ROOM + 1, 1 },
        };
        const ReassemblySender one = sender(1);
        uint8_t *message = make_message(SIZE + 1);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                unsigned n = (unsigned) fragment_count(SIZE, ROOM);
                Reassembly reassembly;
                int r = 0;

                print_message("%s\n", rows[i].name);
                reassembly_init(&reassembly, key);
                for (unsigned repetition = 0; repetition < 2; repetition++) {
                        _cleanup_free_ uint8_t *whole = NULL;

                        for (unsigned number = 0; number < n; number++) {
                                uint64_t id;
                                uint8_t bytes[2048];
                                Writer w = writer_to(bytes, sizeof(bytes));
                                Fragment fragment;
                                size_t size;

                                if (repetition == 0 && number == rows[i].before) {
                                        /* Of the genuine id, whatever it says. */
                                        assert_int_equal(fragment_id(message, SIZE, &id), 0);
                                        fragment_write(&w, id, message, rows[i].size, rows[i].room, rows[i].number);
                                        bytes[FRAGMENT_HEADER_BYTES] ^= 1;
                                        assert_int_equal(fragment_parse(bytes, w.written, &fragment), 0);
                                        (void) reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size);
                                        assert_null(whole);
                                }
                                r = add(&reassembly, &one, message, SIZE, ROOM, number, &whole);
                                if (r == 1 || r == -EILSEQ)
                                        break;
                        }
                        if (repetition == 0)
                                assert_int_equal(r, rows[i].first);
                        if (r == 1)
                                assert_memory_equal(whole, message, SIZE);
                        if (rows[i].first == 1)
                                break;
                }
                assert_int_equal(r, 1);
                assert_int_equal(reassembly.n_completed, 1);
                reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC);
                assert_int_equal(reassembly.bytes, 0);
                assert_int_equal(reassembly.n_messages, 0);
                reassembly_done(&reassembly);
        }
        free(message);
}

/* Another sender's message with the same id is another message; what is not complete in time is forgotten. */
static void test_senders_and_time(void **state) {
        _cleanup_free_ uint8_t *message = make_message(600), *whole = NULL;
        const ReassemblySender one = sender(1), two = sender(2);
        Reassembly reassembly;

        reassembly_init(&reassembly, key);
        assert_int_equal(add(&reassembly, &one, message, 600, 213, 0, &whole), 0);
        assert_int_equal(add(&reassembly, &two, message, 600, 213, 1, &whole), 0);
        assert_int_equal(reassembly.n_messages, 2);
        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC - 1);
        assert_int_equal(reassembly.n_messages, 2);
        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC);
        assert_int_equal(reassembly.n_messages, 0);
        assert_int_equal(reassembly.bytes, 0);
        assert_int_equal(reassembly.n_timed_out, 2);
        assert_true(reassembly_next(&reassembly) == USEC_INFINITY);
        assert_null(whole);
        reassembly_done(&reassembly);
}

/* What is charged is what came, and a little for each piece. */
static void test_charge(void **state) {
        uint8_t bytes[FRAGMENT_PIECE_BYTES_MIN] = {}, *whole = NULL;
        const ReassemblySender one = sender(1);
        Reassembly reassembly;
        size_t size;

        reassembly_init(&reassembly, key);
        for (uint64_t id = 0; id < REASSEMBLY_SENDER_MESSAGES_MAX; id++) {
                const Fragment fragment = {
                        .id = id,
                        .size = 32768,
                        .piece = sizeof(bytes),
                        .content = bytes,
                        .content_size = sizeof(bytes),
                };

                assert_int_equal(reassembly_add(&reassembly, &one, &fragment, T0, &whole, &size), 0);
                assert_true(reassembly.bytes >= (id + 1) * sizeof(bytes));
                assert_true(reassembly.bytes <= (id + 1) * (sizeof(bytes) + 32));
        }
        assert_int_equal(reassembly.n_messages, REASSEMBLY_SENDER_MESSAGES_MAX);        /* none had to go */
        assert_int_equal(reassembly.n_timed_out, 0);
        reassembly_done(&reassembly);
}

/* One sender floods, with pieces of messages that never are complete, as many as there is room for: bounds hold, and a
 * message that comes between gets through, of another sender and of the same. */
static void test_flood(void **state) {
        static const struct {
                const char *name;
                size_t piece;
                unsigned n_senders, n_between;  /* that flood; their pieces between two of the genuine message */
        } rows[] = {
                { "small pieces", FRAGMENT_PIECE_BYTES_MIN, 1, 4 },
                { "large pieces", 2000, 1, 4 },
                { "small pieces of many", FRAGMENT_PIECE_BYTES_MIN, 1000, 10 },
                { "large pieces of many", 2000, 1000, 10 },
        };
        static const size_t room = 1300;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (unsigned same = 0; same < 2; same++) {
                        _cleanup_free_ uint8_t *message = make_message(32768), *whole = NULL;
                        const unsigned own = same ? 0 : UINT_MAX;
                        const ReassemblySender genuine = { .name = "genuine",
                                                           .charged = &own,
                                                           .charged_size = sizeof(own) };
                        unsigned number = 0, n = (unsigned) fragment_count(32768, room);
                        uint8_t bytes[2048] = {}, *none = NULL;
                        Reassembly reassembly;
                        int r = 0;

                        print_message("%s, of %s sender\n", rows[i].name, same ? "the same" : "another");
                        reassembly_init(&reassembly, key);
                        for (unsigned step = 0; r == 0; step++) {
                                const Fragment fragment = { .id = step,
                                                            .size = 32768,
                                                            .piece = (uint16_t) rows[i].piece,
                                                            .content = bytes,
                                                            .content_size = rows[i].piece };
                                const unsigned who = step % rows[i].n_senders;
                                const ReassemblySender flooder = { .charged = &who, .charged_size = sizeof(who) };
                                size_t size;

                                assert_int_equal(reassembly_add(&reassembly, &flooder, &fragment, T0, &none, &size), 0);
                                assert_true(reassembly.bytes <= REASSEMBLY_BYTES_MAX);
                                assert_true(reassembly.n_messages <= REASSEMBLY_MESSAGES_MAX);
                                for (unsigned b = 0; b < REASSEMBLY_BUCKETS; b++)
                                        assert_true(reassembly.buckets[b].bytes <= REASSEMBLY_SENDER_BYTES_MAX);

                                /* Once it is full. */
                                if (step > 3000 && step % rows[i].n_between == 0)
                                        r = add(&reassembly, &genuine, message, 32768, room, number++, &whole);
                        }
                        assert_int_equal(r, 1);
                        assert_int_equal(number, n);
                        assert_memory_equal(whole, message, 32768);
                        reassembly_expire(&reassembly, T0 + REASSEMBLY_KEEP_USEC);
                        assert_int_equal(reassembly.bytes, 0);
                        reassembly_done(&reassembly);
                }
}

/* What is complete makes room for what is new. */
static void test_many_complete(void **state) {
        const ReassemblySender one = sender(1);
        Reassembly reassembly;

        reassembly_init(&reassembly, key);
        for (unsigned i = 0; i < 2 * REASSEMBLY_MESSAGES_MAX; i++) {
                _cleanup_free_ uint8_t *message = make_message(300), *whole = NULL;

                memcpy(message, &i, sizeof(i));
                assert_int_equal(add(&reassembly, &one, message, 300, 213, 0, &whole), 0);
                assert_int_equal(add(&reassembly, &one, message, 300, 213, 1, &whole), 1);
        }
        assert_int_equal(reassembly.n_messages, REASSEMBLY_SENDER_MESSAGES_MAX);
        assert_int_equal(reassembly.n_completed, 2 * REASSEMBLY_MESSAGES_MAX);
        assert_int_equal(reassembly.n_timed_out, 0);
        assert_int_equal(reassembly.bytes, 0);
        reassembly_done(&reassembly);
}

static void test_drop_reasons(void **state) {
        static const struct {
                int r;
                DropReason reason;
        } rows[] = {
                { -EALREADY, DROP_REPLAYED }, { -EILSEQ, DROP_FORGED },   { -EBUSY, DROP_LIMIT },
                { -ENOMEM, DROP_NO_MEMORY },  { -EPROTO, DROP_MALFORMED }, { -EBADMSG, DROP_MALFORMED },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(reassembly_drop_reason(rows[i].r), rows[i].reason);
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
                cmocka_unit_test(test_id),
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_orders),
                cmocka_unit_test(test_false_pieces),
                cmocka_unit_test(test_senders_and_time),
                cmocka_unit_test(test_charge),
                cmocka_unit_test(test_flood),
                cmocka_unit_test(test_many_complete),
                cmocka_unit_test(test_drop_reasons),
                cmocka_unit_test(test_repeats),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
