/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names, words and numbers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "basic/string.h"

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static const struct {
        const char *name;
        bool flow;
        bool layer;
} names[] = {
        { "oping",                      true,  true  },
        { "a",                          true,  true  },
        { "A.b-C_9",                    true,  true  },
        { "",                           false, false },
        { ".hidden",                    true,  false },
        { "a b",                        true,  false },
        { "a/b",                        false, false },
        { "../etc",                     false, false },
        { "tab\t",                      false, false },
        { "line\n",                     false, false },
        { "escape\x1b[2J",              false, false },
        { "delete\x7f",                 false, false },
        { "c1\xc2\x9b",                 false, false },         /* CSI */
        { "nbsp\xc2\xa0",               true,  false },
        { "gr\xc3\xbc\xc3\x9f",         true,  false },
        { "\xf0\x9f\x90\x8d",           true,  false },
        { "broken\xc3",                 false, false },
        { "lone\x80",                   false, false },
        { "overlong\xc0\xaf",           false, false },         /* would be "/" */
        { "overlong\xe0\x80\xaf",       false, false },
        { "surrogate\xed\xa0\x80",      false, false },
        { "toohigh\xf4\x90\x80\x80",    false, false },
        { "fivebyte\xf8\x88\x80\x80\x80", false, false },
        { FIFTY TEN "012",              true,  true  },         /* 63 */
        { FIFTY TEN "0123",             true,  false },
        { FIFTY FIFTY FIFTY FIFTY,      true,  false },         /* 200 */
        { FIFTY FIFTY FIFTY FIFTY "0",  false, false },
};

static void test_names(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                print_message("%s\n", names[i].name);
                assert_int_equal(flow_name_is_valid(names[i].name), names[i].flow);
                assert_int_equal(layer_name_is_valid(names[i].name), names[i].layer);
        }

        assert_false(flow_name_is_valid(NULL));
        assert_false(layer_name_is_valid(NULL));

        assert_true(flow_name_is_valid_on_wire("a/b\x80"));
        assert_true(flow_name_is_valid_on_wire(FIFTY FIFTY FIFTY FIFTY FIFTY "01234"));
        assert_false(flow_name_is_valid_on_wire(FIFTY FIFTY FIFTY FIFTY FIFTY "012345"));
        assert_false(flow_name_is_valid_on_wire(""));
        assert_false(flow_name_is_valid_on_wire(NULL));
}

static void test_utf8(void **state) {
        assert_true(utf8_is_valid("", 0));
        assert_true(utf8_is_valid("a\0b", 3));
        assert_true(utf8_is_valid("\xf4\x8f\xbf\xbf", 4));     /* U+10FFFF */
        assert_true(utf8_is_valid("\xee\x80\x80", 3));         /* U+E000 */
        assert_false(utf8_is_valid("\xc3\xbc", 1));             /* the rest lies behind the end */
        assert_false(utf8_is_valid("\xe2\x82\xac", 2));
        assert_false(utf8_is_valid("\xff", 1));
        assert_false(utf8_is_valid("\xc3(", 2));
}

static const struct {
        const char *a, *b;
        size_t distance;
} distances[] = {
        { "",        "",        0 },
        { "a",       "",        1 },
        { "",        "abc",     3 },
        { "Type",    "Type",    0 },
        { "Type",    "type",    1 },
        { "Type",    "Tpye",    2 },
        { "kitten",  "sitting", 3 },
        { "flaw",    "lawn",    2 },
        { "abcdef",  "azced",   3 },
        { FIFTY TEN "0123", FIFTY, 64 },        /* too long to be compared */
        { FIFTY TEN "0123", FIFTY TEN "0123", 0 },
};

static void test_distance(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(distances); i++) {
                assert_int_equal(edit_distance(distances[i].a, distances[i].b), distances[i].distance);
                assert_int_equal(edit_distance(distances[i].b, distances[i].a), distances[i].distance);
        }
}

static const struct {
        const char *word, *nearest;
} hints[] = {
        { "Tpye",       "Type"       },
        { "type",       "Type"       },
        { "TYPE",       "Type"       },
        { "Interfaces", "Interface"  },
        { "Intreface",  "Interface"  },
        { "EtherTyp",   "Ethertype"  },
        { "Over",       "Over"       },
        { "Ovr",        "Over"       },
        { "Speed",      NULL         },
        { "X",          NULL         },
        { "",           NULL         },
        { FIFTY FIFTY,  NULL         },
};

static void test_nearest(void **state) {
        static const char *const candidates[] = { "Type", "Interface", "Ethertype", "Over", "Description" };

        for (size_t i = 0; i < ELEMENTSOF(hints); i++) {
                const char *nearest = nearest_word(hints[i].word, candidates, ELEMENTSOF(candidates));

                print_message("%s\n", hints[i].word);
                if (hints[i].nearest)
                        assert_string_equal(strempty(nearest), hints[i].nearest);
                else
                        assert_null(nearest);
        }

        assert_null(nearest_word("Type", NULL, 0));
}

static const struct {
        const char *text;
        uint64_t max;
        int r;
        uint64_t value;
} numbers[] = {
        { "0",                    UINT64_MAX, 0,       0          },
        { "007",                  UINT64_MAX, 0,       7          },
        { "65535",                65535,      0,       65535      },
        { "65536",                65535,      -ERANGE, 0          },
        { "18446744073709551615", UINT64_MAX, 0,       UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, -ERANGE, 0          },
        { "99999999999999999999", UINT64_MAX, -ERANGE, 0          },
        { "0xa000",               65535,      0,       0xa000     },
        { "0XfF",                 65535,      0,       0xff       },
        { "0x10000000000000000",  UINT64_MAX, -ERANGE, 0          },
        { "",                     UINT64_MAX, -EINVAL, 0          },
        { "0x",                   UINT64_MAX, -EINVAL, 0          },
        { "12a",                  UINT64_MAX, -EINVAL, 0          },
        { " 1",                   UINT64_MAX, -EINVAL, 0          },
        { "1 ",                   UINT64_MAX, -EINVAL, 0          },
        { "-1",                   UINT64_MAX, -EINVAL, 0          },
        { "+1",                   UINT64_MAX, -EINVAL, 0          },
        { "1e3",                  UINT64_MAX, -EINVAL, 0          },
        { "99999999999999999999x", UINT64_MAX, -EINVAL, 0         },
};

static void test_numbers(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                uint64_t value = 4711;

                print_message("\"%s\"\n", numbers[i].text);
                assert_int_equal(parse_u64(numbers[i].text, numbers[i].max, &value), numbers[i].r);
                assert_true(value == (numbers[i].r < 0 ? 4711 : numbers[i].value));
        }
}

static void test_bool(void **state) {
        static const char *const yes[] = { "yes", "true", "on", "1", "y", "YES", "On", "t" };
        static const char *const no[] = { "no", "false", "off", "0", "n", "No", "f" };
        static const char *const neither[] = { "", "2", "maybe", "yes ", "nope" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                assert_int_equal(parse_bool(yes[i]), 1);
        for (size_t i = 0; i < ELEMENTSOF(no); i++)
                assert_int_equal(parse_bool(no[i]), 0);
        for (size_t i = 0; i < ELEMENTSOF(neither); i++)
                assert_int_equal(parse_bool(neither[i]), -EINVAL);
        assert_int_equal(parse_bool(NULL), -EINVAL);
}

static void test_building(void **state) {
        _cleanup_free_ char *text = NULL;
        char buffer[4], hex[9];

        assert_int_equal(format_string(&text, "%s-%d", "a", 7), 0);
        assert_string_equal(text, "a-7");

        assert_true(copy_string(buffer, sizeof(buffer), "abc"));
        assert_string_equal(buffer, "abc");
        assert_false(copy_string(buffer, sizeof(buffer), "wxyz"));
        assert_string_equal(buffer, "wxy");
        assert_true(copy_string(buffer, sizeof(buffer), ""));
        assert_string_equal(buffer, "");
        assert_false(copy_string(buffer, 1, "x"));
        assert_string_equal(buffer, "");

        assert_ptr_equal(hex_encode(hex, "\x00\x0f\xa5\xff", 4), hex);
        assert_string_equal(hex, "000fa5ff");
        assert_string_equal(hex_encode(hex, NULL, 0), "");

        assert_true(startswith("lan.layer", "lan"));
        assert_false(startswith("la", "lan"));
        assert_true(endswith("lan.layer", ".layer"));
        assert_true(endswith(".layer", ".layer"));
        assert_false(endswith("layer", ".layer"));
}

/* Each argument counts once, and one may stand inside another. */
static void test_macros(void **state) {
        int i = 1;

        assert_int_equal(MIN(i++, 5), 1);
        assert_int_equal(i, 2);
        assert_int_equal(MAX(MIN(7, 3), MIN(9, 4)), 4);
        assert_int_equal(CLAMP(9, 0, 7), 7);
        assert_int_equal(CLAMP(-1, 0, 7), 0);
}

static void test_utf8_mend(void **state) {
        static const struct {
                const char *name, *text, *mended;
        } rows[] = {
                { "empty", "", "" },
                { "plain", "far.example", "far.example" },
                { "valid", "\xc3\xbc \xe2\x82\xac", "\xc3\xbc \xe2\x82\xac" },
                { "cut at the end", "a\xe2\x82", "a??" },
                { "no UTF-8 at all", "\xff\xfe.x", "??.x" },
                { "overlong", "\xc0\xaf", "??" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[32];

                (void) snprintf(text, sizeof(text), "%s", rows[i].text);
                utf8_mend(text);
                assert_string_equal(text, rows[i].mended);
                assert_true(utf8_is_valid(text, strlen(text)));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_utf8_mend),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_utf8),
                cmocka_unit_test(test_distance),
                cmocka_unit_test(test_nearest),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_bool),
                cmocka_unit_test(test_building),
                cmocka_unit_test(test_macros),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
