/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spans of time, to and from text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "basic/time.h"

#define H (3600 * USEC_PER_SEC)
#define D (24 * H)

static const struct {
        const char *text;
        int r;
        usec_t usec;
} spans[] = {
        { "0",                       0,       0                              },
        { "20",                      0,       20 * USEC_PER_SEC              },
        { "20s",                     0,       20 * USEC_PER_SEC              },
        { "20 s",                    0,       20 * USEC_PER_SEC              },
        { "  20s\t",                 0,       20 * USEC_PER_SEC              },
        { "150ms",                   0,       150000                         },
        { "7us",                     0,       7                              },
        { "2.5s",                    0,       2500000                        },
        { "2.5",                     0,       2500000                        },
        { "0.000001s",               0,       1                              },
        { "0.0000019s",              0,       1                              },
        { "1.5us",                   0,       1                              },
        { "1.25min",                 0,       75 * USEC_PER_SEC              },
        { "1h 5min",                 0,       H + 300 * USEC_PER_SEC         },
        { "1h5min",                  0,       H + 300 * USEC_PER_SEC         },
        { "5min 1h",                 0,       H + 300 * USEC_PER_SEC         },
        { "1 hour 2 minutes 3 seconds", 0,    H + 123 * USEC_PER_SEC         },
        { "2d",                      0,       2 * D                          },
        { "1w 1day",                 0,       8 * D                          },
        { "infinity",                0,       USEC_INFINITY                  },
        { " infinity ",              0,       USEC_INFINITY                  },
        { "18446744073709551614us",  0,       USEC_INFINITY - 1              },
        /* is infinity, but was not meant so */
        { "18446744073709551615us",  -EINVAL, 0                              },
        { "18446744073709551616us",  -EINVAL, 0                              },
        { "18446744073709551615s",   -EINVAL, 0                              },
        { "18446744073709551614us 1us", -EINVAL, 0                           },
        { "99999999999999999999999", -EINVAL, 0                              },
        { "30500568.99w",            -EINVAL, 0                              },
        { "",                        -EINVAL, 0                              },
        { " ",                       -EINVAL, 0                              },
        { "s",                       -EINVAL, 0                              },
        { "-1s",                     -EINVAL, 0                              },
        { "+1s",                     -EINVAL, 0                              },
        { "1.s",                     -EINVAL, 0                              },
        { ".5s",                     -EINVAL, 0                              },
        { "1.5.5s",                  -EINVAL, 0                              },
        { "1 fortnight",             -EINVAL, 0                              },
        { "1S",                      -EINVAL, 0                              },
        { "1s,",                     -EINVAL, 0                              },
        { "infinity 1s",             -EINVAL, 0                              },
        { "infinityx",               -EINVAL, 0                              },
        { "1s infinity",             -EINVAL, 0                              },
};

static void test_parse(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(spans); i++) {
                usec_t usec = 4711;

                print_message("\"%s\"\n", spans[i].text);
                assert_int_equal(usec_parse(spans[i].text, &usec), spans[i].r);
                assert_true(usec == (spans[i].r < 0 ? 4711 : spans[i].usec));
        }
}

static const struct {
        usec_t usec;
        const char *text;
} forms[] = {
        { 0,                            "0s"            },
        { 1,                            "1us"           },
        { 999,                          "999us"         },
        { 1000,                         "1ms"           },
        { 1500,                         "1.5ms"         },
        { 999999,                       "999.9ms"       },
        { USEC_PER_SEC,                 "1s"            },
        { 3200000,                      "3.2s"          },
        { 59999999,                     "59.9s"         },
        { 60 * USEC_PER_SEC,            "1min"          },
        { 304 * USEC_PER_SEC,           "5min 4s"       },
        { H - 1,                        "59min 59s"     },
        { H,                            "1h"            },
        { H + 61 * USEC_PER_SEC,        "1h 1min"       },
        { D,                            "1d"            },
        { 3 * D + 5 * H + 1,            "3d 5h"         },
        { USEC_INFINITY - 1,            "213503982d 8h" },
        { USEC_INFINITY,                "infinity"      },
};

static void test_format(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                char buffer[32];
                usec_t usec;

                assert_ptr_equal(usec_format(buffer, sizeof(buffer), forms[i].usec), buffer);
                assert_string_equal(buffer, forms[i].text);

                /* What we print, we read, to the digits that were shown. */
                assert_int_equal(usec_parse(buffer, &usec), 0);
                assert_true(usec <= forms[i].usec);
        }
}

static void test_saturation(void **state) {
        assert_true(usec_add(1, 2) == 3);
        assert_true(usec_add(USEC_INFINITY, 1) == USEC_INFINITY);
        assert_true(usec_add(USEC_INFINITY - 1, 2) == USEC_INFINITY);
        assert_true(usec_sub(5, 3) == 2);
        assert_true(usec_sub(3, 5) == 0);
        assert_true(usec_sub(USEC_INFINITY, 5) == USEC_INFINITY);
}

static void test_clocks(void **state) {
        usec_t a = time_now(), b = time_now();

        assert_true(a > 0);
        assert_true(b >= a);
        assert_true(time_realtime_nsec() > UINT64_C(1600000000) * 1000000000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_saturation),
                cmocka_unit_test(test_clocks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
