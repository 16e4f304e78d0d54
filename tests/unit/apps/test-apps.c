/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the tools compute: units, percentiles, the ledger of o7s-ping, the messages of o7s-perf, exit statuses. */

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common.h"
#include "apps/complain.h"
#include "apps/histogram.h"
#include "apps/perf-frame.h"
#include "apps/perf-message.h"
#include "apps/perf-options.h"
#include "apps/ping-message.h"
#include "apps/ping-options.h"
#include "apps/preset.h"
#include "apps/units.h"

static void test_duration_parse(void **state) {
        static const struct {
                const char *text;
                int r;
                uint64_t usec;
        } rows[] = {
                { "1", 0, 1000000 }, { "0.2", 0, 200000 }, { "200ms", 0, 200000 }, { "50us", 0, 50 },
                { "2s", 0, 2000000 }, { "1min", 0, 60000000 }, { "24h", 0, 86400000000 }, { "0", 0, 0 },
                { "25h", -ERANGE, 0 }, { "", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "nan", -EINVAL, 0 },
                { "0x10", -EINVAL, 0 }, { "1 s", -EINVAL, 0 }, { "1e3", -EINVAL, 0 }, { "1..2", -EINVAL, 0 },
                { "s", -EINVAL, 0 }, { "inf", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t usec = 77;
                int r = duration_parse(rows[i].text, &usec);

                if (r != rows[i].r || usec != (r < 0 ? 77 : rows[i].usec))
                        fail_msg("'%s': %d, %llu", rows[i].text, r, (unsigned long long) usec);
        }
}

static void test_sizes_and_rates(void **state) {
        uint64_t value;

        assert_int_equal(size_parse("16K", UINT64_C(1) << 20, &value), 0);
        assert_int_equal(value, 16384);
        assert_int_equal(size_parse("2M", UINT64_C(1) << 20, &value), -ERANGE);
        assert_int_equal(size_parse("K", 100, &value), -EINVAL);
        assert_int_equal(rate_parse("1.5G", &value), 0);
        assert_int_equal(value, 1500000000);
        assert_int_equal(rate_parse("10Q", &value), -EINVAL);
}

static void test_format(void **state) {
        static const struct {
                uint64_t nsec;
                const char *text;
        } rows[] = {
                { 0, "0 ns" }, { 870, "870 ns" }, { 1000, "1.00 µs" }, { 22400, "22.4 µs" }, { 941000, "941 µs" },
                { 999600, "1.00 ms" }, { 1310000, "1.31 ms" }, { 2000000000, "2.00 s" },
        };
        char buffer[UNIT_CHARS_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(duration_format(buffer, sizeof(buffer), rows[i].nsec), rows[i].text);

        assert_string_equal(quantity_format(buffer, sizeof(buffer), 941e6, "b/s"), "941 Mb/s");
        assert_string_equal(quantity_format(buffer, sizeof(buffer), 1.17e9, "B"), "1.17 GB");
        assert_string_equal(quantity_format(buffer, sizeof(buffer), 12, "pkt/s"), "12 pkt/s");
        assert_string_equal(quantity_format(buffer, sizeof(buffer), 999.7, "b/s"), "1.00 kb/s");
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

/* Against the plain definition: sort, and take the element at that rank. */
static void test_histogram(void **state) {
        enum { N = 5000 };
        static uint64_t values[N];
        static Histogram h;
        uint64_t seed = 1;

        for (size_t i = 0; i < N; i++) {
                seed = seed * 6364136223846793005U + 1442695040888963407U;
                values[i] = (seed >> 33) >> (seed >> 59);       /* over many magnitudes */
                histogram_add(&h, values[i]);
        }
        qsort(values, N, sizeof(values[0]), compare);

        assert_int_equal(h.minimum, values[0]);
        assert_int_equal(h.maximum, values[N - 1]);
        assert_int_equal(histogram_percentile(&h, 0), values[0]);
        assert_int_equal(histogram_percentile(&h, 100), values[N - 1]);

        for (unsigned percent = 1; percent < 100; percent++) {
                uint64_t exact = values[(size_t) percent * N / 100 - 1], near = histogram_percentile(&h, percent);

                if (near > exact + exact / 50 + 1 || near + exact / 50 + 1 < exact)
                        fail_msg("p%u is %llu, not about %llu", percent, (unsigned long long) near,
                                 (unsigned long long) exact);
        }
}

static void test_histogram_edges(void **state) {
        static Histogram h;

        assert_int_equal(histogram_percentile(&h, 50), 0);
        assert_int_equal(histogram_mean(&h), 0);

        histogram_add(&h, UINT64_MAX);
        assert_int_equal(histogram_percentile(&h, 50), UINT64_MAX);
        histogram_add(&h, 0);
        assert_int_equal(histogram_percentile(&h, 50), 0);
        assert_int_equal(h.minimum, 0);
}

static void test_ping_ledger(void **state) {
        static PingLedger ledger = { .session = 42 };
        uint8_t buffer[PING_BYTES_MIN + 8];
        PingMessage m[4], copy;
        uint64_t rtt = 0;

        for (unsigned i = 1; i < 4; i++)
                m[i] = ping_ledger_send(&ledger, i * 100);
        assert_int_equal(m[3].sequence, 3);

        /* Through bytes and back. */
        ping_message_write(&m[1], buffer, sizeof(buffer));
        assert_false(ping_message_parse(buffer, PING_BYTES_MIN - 1, &copy));
        assert_true(ping_message_parse(buffer, sizeof(buffer), &copy));
        assert_memory_equal(&copy, &m[1], sizeof(copy));

        assert_int_equal(ping_ledger_receive(&ledger, &m[2], 250, 1000, &rtt), PING_ANSWER_OK);
        assert_int_equal(rtt, 50);
        assert_int_equal(ping_ledger_receive(&ledger, &m[2], 260, 1000, &rtt), PING_ANSWER_DUPLICATE);
        assert_int_equal(ping_ledger_receive(&ledger, &m[1], 300, 1000, &rtt), PING_ANSWER_OK);
        assert_int_equal(ledger.n_out_of_order, 1);
        assert_int_equal(ping_ledger_receive(&ledger, &m[3], 5000, 1000, &rtt), PING_ANSWER_LATE);
        assert_int_equal(ledger.n_received, 3);

        copy = m[3];
        copy.sequence = 4;                      /* not sent yet */
        assert_int_equal(ping_ledger_receive(&ledger, &copy, 1, 1000, &rtt), PING_ANSWER_FOREIGN);
        copy = m[3];
        copy.session = 43;
        assert_int_equal(ping_ledger_receive(&ledger, &copy, 1, 1000, &rtt), PING_ANSWER_FOREIGN);
        copy = ping_ledger_send(&ledger, 600);
        copy.sent_nsec = 1;                     /* somebody wants to look fast */
        assert_int_equal(ping_ledger_receive(&ledger, &copy, 700, 1000, &rtt), PING_ANSWER_FOREIGN);
        assert_int_equal(ledger.n_foreign, 3);

        /* An answer so old that its place in the window is somebody else's by now. */
        for (unsigned i = 0; i < PING_WINDOW; i++)
                (void) ping_ledger_send(&ledger, 1000 + i);
        assert_int_equal(ping_ledger_receive(&ledger, &m[3], 9999, 1000, &rtt), PING_ANSWER_FOREIGN);
}

static void test_ping_under_way(void **state) {
        static PingLedger ledger = { .session = 1 };
        PingMessage m[4];
        uint64_t rtt;

        assert_int_equal(ping_ledger_under_way(&ledger, 100, 50), 0);
        for (unsigned i = 0; i < 4; i++)
                m[i] = ping_ledger_send(&ledger, i * 100);

        /* Of those at 0, 100, 200 and 300, the last two can still be in time; one of them has been answered. */
        assert_int_equal(ping_ledger_receive(&ledger, &m[3], 310, 1000, &rtt), PING_ANSWER_OK);
        assert_int_equal(ping_ledger_under_way(&ledger, 320, 150), 1);
        assert_int_equal(ping_ledger_under_way(&ledger, 2000, 150), 0);
        assert_int_equal(ping_ledger_under_way(&ledger, 320, 1000), 3);

        ping_ledger_unsend(&ledger);
        assert_int_equal(ledger.n_sent, 3);
        assert_int_equal(ping_ledger_send(&ledger, 400).sequence, 4);
}

static void test_presets(void **state) {
        static const struct {
                const char *name;
                bool in_order, checked, reliable;
        } rows[] = {
                { "raw", false, false, false }, { "raw-safe", false, true, false },
                { "best-effort", true, true, false }, { "video", true, true, false }, { "voice", true, true, false },
                { "data", true, true, true },
        };
        o7s_qos qos;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(preset_parse(rows[i].name, &qos), 0);
                if (qos.in_order != rows[i].in_order || (qos.ber == 0) != rows[i].checked ||
                    preset_is_reliable(&qos) != rows[i].reliable)
                        fail_msg("%s", rows[i].name);
        }
        assert_int_equal(preset_parse("Data", &qos), -EINVAL);
        assert_int_equal(preset_parse("", &qos), -EINVAL);
}

/* A line of words for an option parser, which starts anew. */
static int split(char *line, char *argv[], int n_max) {
        char *save = NULL;
        int n = 0;

        for (char *word = strtok_r(line, " ", &save); word && n + 1 < n_max; word = strtok_r(NULL, " ", &save))
                argv[n++] = word;
        argv[n] = NULL;
        optind = 0;
        return n;
}

static void test_ping_options(void **state) {
        static const struct {
                const char *line;
                PingOptions options;
        } rows[] = {
                { "x n", { .size = 64, .interval_usec = 1000000, .timeout_usec = 5000000, .qos = O7S_QOS_RAW } },
                { "x -f n", { .flood = true, .size = 64, .interval_usec = 10000, .timeout_usec = 5000000,
                              .qos = O7S_QOS_RAW } },
                { "x -f -i 2ms -s 64K n",
                  { .flood = true, .size = 65536, .interval_usec = 2000, .timeout_usec = 5000000,
                    .qos = O7S_QOS_RAW } },
                { "x --qos=data -c 7 -d 1min n --timeout 1s -Dq",
                  { .count = 7, .duration_usec = 60000000, .size = 64, .interval_usec = 1000000,
                    .timeout_usec = 1000000,
                    .timestamps = true, .quiet = true, .qos = O7S_QOS_DATA } },
                { "x -s mtu --json --until-up --histogram n",
                  { .size_is_mtu = true, .size = 64, .interval_usec = 1000000, .timeout_usec = 5000000, .json = true,
                    .until_up = true, .histogram = true, .qos = O7S_QOS_RAW } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char line[128], *argv[16];
                PingOptions o = {}, expected = rows[i].options;

                (void) strcpy(line, rows[i].line);
                assert_int_equal(ping_options_parse(split(line, argv, ELEMENTSOF(argv)), argv, &o), 1);
                assert_string_equal(o.name, "n");
                expected.name = o.name;
                if (o.flood != expected.flood || o.count != expected.count ||
                    o.duration_usec != expected.duration_usec || o.interval_usec != expected.interval_usec ||
                    o.timeout_usec != expected.timeout_usec || o.size != expected.size ||
                    o.size_is_mtu != expected.size_is_mtu || o.json != expected.json || o.quiet != expected.quiet ||
                    o.timestamps != expected.timestamps || o.histogram != expected.histogram ||
                    o.until_up != expected.until_up || o.qos.in_order != expected.qos.in_order ||
                    o.qos.loss != expected.qos.loss)
                        fail_msg("%s", rows[i].line);
        }
}

static void test_perf_message(void **state) {
        static const PerfMessage messages[] = {
                { .type = PERF_REQUEST,
                  .test = 7,
                  .sequence = 8,
                  .sent_nsec = 9,
                  .request = { .mode = PERF_FORWARD,
                               .size = 1400,
                               .duration_usec = 10,
                               .rate_bps = UINT64_MAX,
                               .n_bytes = 11 } },
                { .type = PERF_ACCEPT, .test = UINT64_MAX },
                { .type = PERF_DATA, .test = 1, .sequence = UINT64_MAX - 1 },
                { .type = PERF_END, .test = 1, .end = { .n_messages = 12345, .n_retransmitted = 6, .rtt_nsec = 7 } },
                { .type = PERF_REPORT,
                  .test = 1,
                  .report = { .n_messages = 1,
                              .n_bytes = 2,
                              .n_out_of_order = 3,
                              .duration_usec = 4,
                              .cpu_usec = 5,
                              .cpu_permille = 6,
                              .n_duplicates = 7,
                              .n_marked = 8 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
                uint8_t buffer[PERF_CONTROL_BYTES_MAX];
                PerfMessage parsed = {};
                size_t size;

                memset(buffer, 0xaa, sizeof(buffer));
                size = perf_message_write(&messages[i], buffer);
                assert_int_equal(perf_message_parse(buffer, size, &parsed), 0);
                assert_memory_equal(&parsed, &messages[i], sizeof(parsed));

                /* Every shorter one is refused, except that data may be cut down to its header. */
                for (size_t n = 0; n < size; n++)
                        assert_int_equal(perf_message_parse(buffer, n, &parsed), -EBADMSG);
        }
}

/* Messages of several types, cut anywhere: the same come out as went in. */
static void test_perf_frame(void **state) {
        enum { N = 200, DATA_BYTES = 700 };
        static const PerfType types[] = { PERF_DATA, PERF_END, PERF_PROBE, PERF_REPORT, PERF_DATA, PERF_ACCEPT };

        for (size_t cut = 1; cut < 4000; cut = cut * 3 + 1) {
                size_t size = 0, fed = 0, n_seen = 0;
                uint8_t *bytes = calloc(N, DATA_BYTES);
                PerfFrame frame = {};

                assert_non_null(bytes);
                for (unsigned i = 0; i < N; i++) {
                        PerfMessage message = { .type = types[i % ELEMENTSOF(types)], .test = 1, .sequence = i };

                        (void) perf_message_write(&message, bytes + size);
                        size += perf_message_bytes(message.type, DATA_BYTES);
                }

                assert_int_equal(perf_frame_init(&frame, DATA_BYTES), 0);
                while (fed < size) {
                        size_t room, n = cut < size - fed ? cut : size - fed, message_size;
                        void *to = perf_frame_room(&frame, &room);
                        PerfMessage message;
                        uint8_t *raw;

                        assert_true(room > 0);
                        n = n < room ? n : room;
                        memcpy(to, bytes + fed, n);
                        perf_frame_add(&frame, n);
                        fed += n;

                        while (perf_frame_next(&frame, &message, &raw, &message_size) > 0) {
                                assert_int_equal(message.sequence, n_seen);
                                assert_int_equal(message.type, types[n_seen % ELEMENTSOF(types)]);
                                assert_int_equal(message_size, perf_message_bytes(message.type, DATA_BYTES));
                                n_seen++;
                        }
                }
                assert_int_equal(n_seen, N);
                perf_frame_done(&frame);
                free(bytes);
        }
}

static void test_perf_frame_garbage(void **state) {
        PerfFrame frame = {};
        PerfMessage message;
        uint8_t *raw, *to;
        size_t size;

        assert_int_equal(perf_frame_init(&frame, 64), 0);
        to = perf_frame_room(&frame, &size);
        memset(to, 'x', 40);
        perf_frame_add(&frame, 40);
        assert_int_equal(perf_frame_next(&frame, &message, &raw, &size), -EBADMSG);
        perf_frame_done(&frame);
}

static void test_perf_options(void **state) {
        static const struct {
                const char *line;
                PerfRequest request;
                bool reliable;
                unsigned parallel;
        } rows[] = {
                { "x n", { PERF_FORWARD, 1400, 10000000, 0, 0 }, false, 1 },
                { "x n -l", { PERF_LATENCY, 64, 10000000, 0, 0 }, false, 1 },
                { "x n --bidir -t 1s -P 64", { PERF_FORWARD | PERF_REVERSE, 1400, 1000000, 0, 0 }, false, 64 },
                { "x -n 1M n --qos=data", { PERF_FORWARD, 1400, PERF_DURATION_USEC_MAX, 0, 1048576 }, true, 1 },
                { "x -n 1M -t 2s -R n", { PERF_REVERSE, 1400, 2000000, 0, 1048576 }, false, 1 },
                { "x --stream -s 1M -b 10M n", { PERF_FORWARD | PERF_STREAM, 1048576, 10000000, 10000000, 0 }, true,
                  1 },
                { "x -S -r 1G -l n", { PERF_LATENCY | PERF_STREAM, 64, 10000000, 1000000000, 0 }, true, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                PerfOptions o = PERF_OPTIONS_INIT;
                char line[128], *argv[16];

                (void) strcpy(line, rows[i].line);
                assert_int_equal(perf_options_parse(&o, split(line, argv, ELEMENTSOF(argv)), argv), 1);
                if (memcmp(&o.request, &rows[i].request, sizeof(o.request)) != 0 ||
                    preset_is_reliable(&o.qos) != rows[i].reliable || o.parallel != rows[i].parallel)
                        fail_msg("%s", rows[i].line);
        }
}

/* What a stranger may not make us do. */
static void test_perf_request(void **state) {
        static const struct {
                const char *name;
                PerfRequest request;
                int r;
        } rows[] = {
                { "fine", { PERF_FORWARD | PERF_REVERSE, 32, 1, 0, 0 }, 0 },
                { "a stream of bytes", { PERF_LATENCY | PERF_STREAM, 32, 1, 0, 0 }, 0 },
                { "nothing to do in a stream", { PERF_STREAM, 64, 1000, 0, 0 }, -EPROTO },
                { "nothing to do", { 0, 64, 1000, 0, 0 }, -EPROTO },
                { "latency and more", { PERF_LATENCY | PERF_REVERSE, 64, 1000, 0, 0 }, -EPROTO },
                { "unknown mode", { 16, 64, 1000, 0, 0 }, -EPROTO },
                { "smaller than a header", { PERF_FORWARD, 31, 1000, 0, 0 }, -EPROTO },
                { "huge messages", { PERF_FORWARD, PERF_MESSAGE_BYTES_MAX + 1, 1000, 0, 0 }, -EPROTO },
                { "no time", { PERF_FORWARD, 64, 0, 0, 0 }, -EPROTO },
                { "for ever", { PERF_REVERSE, 64, UINT64_MAX, 0, 0 }, -EPROTO },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                PerfMessage message = { .type = PERF_REQUEST, .request = rows[i].request }, parsed;
                uint8_t buffer[PERF_CONTROL_BYTES_MAX];
                size_t size = perf_message_write(&message, buffer);

                if (perf_message_parse(buffer, size, &parsed) != rows[i].r)
                        fail_msg("%s", rows[i].name);
        }
}

static void test_perf_garbage(void **state) {
        PerfMessage message = { .type = PERF_ACCEPT }, parsed;
        uint8_t buffer[PERF_CONTROL_BYTES_MAX];
        size_t size = perf_message_write(&message, buffer);

        for (size_t i = 0; i < 6; i++) {        /* magic, version, type */
                buffer[i] ^= 0x80;
                assert_int_equal(perf_message_parse(buffer, size, &parsed), -EBADMSG);
                buffer[i] ^= 0x80;
        }
        buffer[5] = 0;
        assert_int_equal(perf_message_parse(buffer, size, &parsed), -EBADMSG);
        buffer[5] = PERF_REPORT + 1;
        assert_int_equal(perf_message_parse(buffer, size, &parsed), -EBADMSG);
}

static void test_exit_status(void **state) {
        static const struct {
                int error;
                int status;
        } rows[] = {
                { 0, EXIT_FINE },
                { -ENOENT, EXIT_UNREACHABLE },
                { -ECONNREFUSED, EXIT_UNREACHABLE },
                { -EHOSTUNREACH, EXIT_UNREACHABLE },
                { -EPERM, EXIT_DENIED },
                { -EACCES, EXIT_DENIED },
                { -ETIMEDOUT, EXIT_TIMEOUT },
                { -EHOSTDOWN, EXIT_NOT_RUNNING },
                { -EDQUOT, EXIT_FAILED },
                { -ENOMEM, EXIT_FAILED },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(exit_status_of(rows[i].error), rows[i].status);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_duration_parse),
                cmocka_unit_test(test_sizes_and_rates),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_histogram),
                cmocka_unit_test(test_histogram_edges),
                cmocka_unit_test(test_ping_ledger),
                cmocka_unit_test(test_ping_under_way),
                cmocka_unit_test(test_presets),
                cmocka_unit_test(test_ping_options),
                cmocka_unit_test(test_perf_message),
                cmocka_unit_test(test_perf_frame),
                cmocka_unit_test(test_perf_frame_garbage),
                cmocka_unit_test(test_perf_options),
                cmocka_unit_test(test_perf_request),
                cmocka_unit_test(test_perf_garbage),
                cmocka_unit_test(test_exit_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
