/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fragments made into messages, what contradicts itself, and reading in parts: nothing is lost, nothing is read
 * twice. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/frct-assembly.h"
#include "libo7s/frct.h"

#define WHOLE FRCT_FIRST
#define BEGIN (FRCT_FIRST | FRCT_MORE)
#define MIDDLE FRCT_MORE
#define END 0

#define STEPS_MAX 8U

static const struct {
        const char *name;
        bool stream;
        struct {
                uint8_t flags;
                const char *content;
                bool gap;
                int r;
        } steps[STEPS_MAX];
        const char *messages[STEPS_MAX];
        size_t n_open;                  /* chunks of the unfinished message */
} cases[] = {
        { "one packet", false, { { WHOLE, "a" } }, { "a" }, 0 },
        { "two packets, two messages", false, { { WHOLE, "a" }, { WHOLE, "b" } }, { "a", "b" }, 0 },
        { "three fragments", false, { { BEGIN, "a" }, { MIDDLE, "bb" }, { END, "ccc" } }, { "abbccc" }, 0 },
        { "unfinished", false, { { WHOLE, "x" }, { BEGIN, "a" }, { MIDDLE, "b" } }, { "x" }, 2 },
        { "message behind fragments", false, { { BEGIN, "a" }, { END, "b" }, { WHOLE, "c" } }, { "ab", "c" }, 0 },

        { "middle without a first", false, { { MIDDLE, "a", false, -EPROTO }, { END, "b" }, { WHOLE, "c" } }, { "c" }, 0 },
        { "end without a first", false, { { END, "a", false, -EPROTO }, { WHOLE, "c" } }, { "c" }, 0 },
        { "first inside a message", false, { { BEGIN, "a" }, { BEGIN, "b", false, -EPROTO }, { END, "c" }, { WHOLE, "d" } }, { "d" }, 0 },
        { "whole one inside a message", false, { { BEGIN, "a" }, { WHOLE, "b", false, -EPROTO }, { WHOLE, "c" } }, { "c" }, 0 },
        { "again without a first", false,
          { { MIDDLE, "a", false, -EPROTO }, { END, "b" }, { END, "c", false, -EPROTO }, { WHOLE, "d" } }, { "d" }, 0 },

        { "gap between messages", false, { { WHOLE, "a" }, { WHOLE, "b", true } }, { "a", "b" }, 0 },
        { "gap inside a message", false, { { BEGIN, "a" }, { END, "c", true }, { WHOLE, "d" } }, { "d" }, 0 },
        { "gap over an end and a beginning", false,
          { { BEGIN, "a" }, { MIDDLE, "x", true }, { MIDDLE, "y" }, { END, "z" }, { WHOLE, "d" } }, { "d" }, 0 },
        { "gap, then a first", false, { { BEGIN, "a" }, { BEGIN, "b", true }, { END, "c" } }, { "bc" }, 0 },
        { "gap at the very beginning", false, { { MIDDLE, "a", true }, { END, "b" }, { BEGIN, "c" }, { END, "d" } }, { "cd" }, 0 },
        { "no gap is forgiven twice", false, { { END, "a", true }, { END, "b", false, -EPROTO }, { WHOLE, "c" } }, { "c" }, 0 },

        { "stream", true, { { END, "ab" }, { END, "c" }, { END, "def" } }, { "abcdef" }, 0 },
        { "stream takes no notice of flags", true, { { BEGIN, "ab" }, { WHOLE, "c" }, { MIDDLE, "def" } }, { "abcdef" }, 0 },
};

static FrctChunk *chunk_of(const char *content, uint8_t flags) {
        FrctChunk *chunk = frct_chunk_new((const uint8_t *) content, strlen(content), flags);

        assert_non_null(chunk);
        return chunk;
}

static void play(size_t i, FrctAssembly *a) {
        frct_assembly_init(a, cases[i].stream);
        for (unsigned k = 0; k < STEPS_MAX && cases[i].steps[k].content; k++)
                assert_int_equal(frct_assembly_push(a, chunk_of(cases[i].steps[k].content, cases[i].steps[k].flags),
                                                    cases[i].steps[k].gap),
                                 cases[i].steps[k].r);

        assert_int_equal(a->n_open_chunks, cases[i].n_open);
}

static void assert_only_open_is_left(const FrctAssembly *a) {
        assert_false(frct_assembly_readable(a));
        assert_int_equal(a->n_bytes, a->n_open_bytes);
        assert_int_equal(a->n_chunks, a->n_open_chunks);
        assert_int_equal(a->cost, a->n_open_bytes + a->n_open_chunks * FRCT_CHUNK_OVERHEAD);
}

/* With room for everything, for one byte at a time, and for all between. */
static void test_read(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t room = 1; room < 9; room++) {
                        FrctAssembly a;

                        if (room == 1)
                                print_message("%s\n", cases[i].name);
                        play(i, &a);

                        for (unsigned k = 0; k < STEPS_MAX && cases[i].messages[k]; k++) {
                                size_t size = strlen(cases[i].messages[k]), done = 0;
                                char got[16] = "";
                                bool more = true;

                                while (done < size) {
                                        ssize_t n = frct_assembly_read(&a, got + done, room, &more);

                                        assert_true(n > 0 && (size_t) n == MIN(room, size - done));
                                        done += (size_t) n;
                                        assert_int_equal(more, !cases[i].stream && done < size);
                                }
                                assert_string_equal(got, cases[i].messages[k]);
                        }

                        assert_int_equal(frct_assembly_read(&a, (char[1]) { 0 }, 1, NULL), -EAGAIN);
                        assert_only_open_is_left(&a);
                        frct_assembly_done(&a);
                }
}

/* The same by peeking and skipping what was read in part. */
static void test_skip(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                FrctAssembly a;

                print_message("%s\n", cases[i].name);
                play(i, &a);

                for (unsigned k = 0; k < STEPS_MAX && cases[i].messages[k] && !cases[i].stream; k++) {
                        const uint8_t *p;
                        size_t size;
                        bool whole, more;
                        char c;

                        assert_int_equal(frct_assembly_peek(&a, &p, &size, &whole), 0);
                        assert_memory_equal(p, cases[i].messages[k], size);
                        assert_int_equal(whole, size == strlen(cases[i].messages[k]));

                        assert_int_equal(frct_assembly_read(&a, &c, 1, &more), 1);
                        assert_int_equal(c, cases[i].messages[k][0]);
                        if (more)
                                frct_assembly_skip(&a);
                }
                while (cases[i].stream && frct_assembly_readable(&a))
                        frct_assembly_skip(&a);

                assert_only_open_is_left(&a);
                frct_assembly_skip(&a);
                assert_only_open_is_left(&a);
                frct_assembly_done(&a);
        }
}

static void test_peek_follows_reads(void **state) {
        FrctAssembly a;
        const uint8_t *p;
        size_t size;
        bool whole, more;
        char got[8];

        frct_assembly_init(&a, false);
        assert_int_equal(frct_assembly_peek(&a, &p, &size, &whole), -EAGAIN);
        assert_int_equal(frct_assembly_push(&a, chunk_of("abc", BEGIN), false), 0);
        assert_int_equal(frct_assembly_peek(&a, &p, &size, &whole), -EAGAIN);
        assert_int_equal(frct_assembly_push(&a, chunk_of("de", END), false), 0);

        assert_int_equal(frct_assembly_read(&a, got, 1, &more), 1);
        assert_int_equal(frct_assembly_peek(&a, &p, &size, &whole), 0);
        assert_int_equal(size, 2);
        assert_memory_equal(p, "bc", 2);
        assert_false(whole);

        assert_int_equal(frct_assembly_read(&a, got, 0, &more), 0);
        assert_true(more);
        assert_int_equal(frct_assembly_read(&a, got, 3, &more), 3);
        assert_int_equal(frct_assembly_peek(&a, &p, &size, &whole), 0);
        assert_int_equal(size, 1);
        assert_memory_equal(p, "e", 1);
        assert_true(whole);

        frct_assembly_done(&a);
}

/* The largest message fits; one byte more does not, wherever it comes. */
static void test_message_max(void **state) {
        static const struct {
                const char *name;
                size_t before;
                size_t last;
                int r;
        } rows[] = {
                { "exactly", FRCT_MESSAGE_MAX - 1, 1, 0 },
                { "one more", FRCT_MESSAGE_MAX - 1, 2, -EPROTO },
                { "at once", 0, FRCT_MESSAGE_MAX, 0 },
                { "one more at once", 0, FRCT_MESSAGE_MAX + 1, -EPROTO },
                { "much more", FRCT_MESSAGE_MAX, FRCT_MESSAGE_MAX, -EPROTO },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ uint8_t *zeroes = calloc(2, FRCT_MESSAGE_MAX);
                uint8_t flags = rows[i].before > 0 ? END : WHOLE;
                FrctAssembly a;

                print_message("%s\n", rows[i].name);
                assert_non_null(zeroes);
                frct_assembly_init(&a, false);
                if (rows[i].before > 0)
                        assert_int_equal(frct_assembly_push(&a, frct_chunk_new(zeroes, rows[i].before, BEGIN), false), 0);
                assert_int_equal(frct_assembly_push(&a, frct_chunk_new(zeroes, rows[i].last, flags), false), rows[i].r);

                assert_int_equal(frct_assembly_readable(&a), rows[i].r == 0);
                if (rows[i].r < 0)
                        assert_only_open_is_left(&a);
                frct_assembly_done(&a);
        }
}

static void test_abandon(void **state) {
        FrctAssembly a;
        char got[8];

        frct_assembly_init(&a, false);
        assert_int_equal(frct_assembly_push(&a, chunk_of("x", WHOLE), false), 0);
        assert_int_equal(frct_assembly_push(&a, chunk_of("a", BEGIN), false), 0);
        assert_int_equal(frct_assembly_push(&a, chunk_of("b", MIDDLE), false), 0);
        frct_assembly_abandon(&a);
        assert_int_equal(frct_assembly_push(&a, chunk_of("y", WHOLE), false), 0);

        assert_int_equal(frct_assembly_read(&a, got, sizeof(got), NULL), 1);
        assert_int_equal(got[0], 'x');
        assert_int_equal(frct_assembly_read(&a, got, sizeof(got), NULL), 1);
        assert_int_equal(got[0], 'y');
        assert_only_open_is_left(&a);
        assert_int_equal(a.cost, 0);
        frct_assembly_done(&a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_skip),
                cmocka_unit_test(test_peek_follows_reads),
                cmocka_unit_test(test_message_max),
                cmocka_unit_test(test_abandon),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
