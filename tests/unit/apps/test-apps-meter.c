/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-cbr makes of arrivals, and its messages byte by byte. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apps/cbr-meter.h"
#include "apps/common.h"

static void add(CbrMeter *meter, uint64_t sequence, uint64_t sent, uint64_t now) {
        CbrMessage message = { .type = CBR_DATA, .sequence = sequence, .sent_nsec = sent };

        cbr_meter_add(meter, &message, 100, now);
}

static void test_meter(void **state) {
        CbrMeter meter = {};
        CbrCount count;

        count = cbr_meter_total(&meter);
        assert_int_equal(count.n_messages, 0);
        assert_int_equal(count.n_lost, 0);

        /* 3 is missing, then late; 5 is missing for good. */
        add(&meter, 1, 1000, 90000);
        add(&meter, 2, 2000, 91000);
        add(&meter, 4, 4000, 93000);
        count = cbr_meter_interval(&meter);
        assert_int_equal(count.n_messages, 3);
        assert_int_equal(count.n_bytes, 300);
        assert_int_equal(count.n_lost, 1);

        add(&meter, 3, 3000, 92000 + 2000);
        add(&meter, 6, 6000, 95000);
        count = cbr_meter_interval(&meter);
        assert_int_equal(count.n_messages, 2);
        assert_int_equal(count.n_out_of_order, 1);
        assert_int_equal(count.n_lost, 0);
        assert_int_equal(cbr_meter_total(&meter).n_lost, 1);

        /* The end says that there were two more. */
        meter.n_sent = 8;
        assert_int_equal(cbr_meter_total(&meter).n_lost, 3);
        assert_int_equal(cbr_meter_interval(&meter).n_lost, 2);
}

/* Even arrivals have none, whatever the clocks say; a deviation counts with 1/16, and fades. */
static void test_jitter(void **state) {
        CbrMeter meter = {};

        for (uint64_t i = 1; i <= 100; i++)
                add(&meter, i, i * 1000, 777000000 + i * 1000);
        assert_true(meter.jitter_nsec == 0);

        add(&meter, 101, 101000, 777000000 + 101000 + 1600);
        assert_true(meter.jitter_nsec > 99 && meter.jitter_nsec < 101);
        for (uint64_t i = 102; i <= 200; i++)
                add(&meter, i, i * 1000, 777000000 + i * 1000 + 1600);
        assert_true(meter.jitter_nsec < 1);

        /* Ahead of time is as uneven as late. */
        add(&meter, 201, 201000, 777000000 + 201000);
        assert_true(meter.jitter_nsec > 99);
}

static void test_message(void **state) {
        static const CbrMessage messages[] = {
                { .type = CBR_DATA, .run = 1, .sequence = 2, .sent_nsec = UINT64_MAX },
                { .type = CBR_END, .run = UINT64_MAX, .n_sent = 7 },
                { .type = CBR_REPORT, .run = 3, .report = { 1, 2, 3, 4, 5 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                uint8_t buffer[CBR_CONTROL_BYTES_MAX];
                CbrMessage parsed = {};
                size_t size;

                size = cbr_message_write(&messages[i], buffer);
                assert_int_equal(cbr_message_parse(buffer, size, &parsed), 0);
                assert_memory_equal(&parsed, &messages[i], sizeof(parsed));
                for (size_t n = 0; n < size; n++)
                        assert_int_equal(cbr_message_parse(buffer, n, &parsed), -EBADMSG);

                for (size_t k = 0; k < 6; k++) {        /* magic, version, type */
                        buffer[k] ^= 0x80;
                        assert_int_equal(cbr_message_parse(buffer, size, &parsed), -EBADMSG);
                        buffer[k] ^= 0x80;
                }
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_meter),
                cmocka_unit_test(test_jitter),
                cmocka_unit_test(test_message),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
