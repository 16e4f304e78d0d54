/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ordered, reliable and checked flows through the public interface, both ends in this process, over lanes that lose nothing. */

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "basic/macro.h"
#include "tests/support/flow-pair.h"

#define MESSAGE_MAX ((size_t) 1 << 20)

/* Over which kind of peer, with which QoS. */
typedef struct Kind {
        const char *label;
        const char *name;
        o7s_qos qos;
        uint64_t flags;
} Kind;

static const Kind kinds[] = {
        { "data, extended", "extended", O7S_QOS_DATA, 0 },
        { "reliable without checksum, extended", "extended", { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 }, 0 },
        { "best effort, extended", "extended", O7S_QOS_BEST_EFFORT, 0 },
        { "voice, extended", "extended", O7S_QOS_VOICE, 0 },
        { "reliable, 0.23.0", "ordered", { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 }, 0 },
        { "reliable and checked, 0.23.0", "ordered", O7S_QOS_DATA, 0 },
        { "best effort, 0.23.0", "ordered", O7S_QOS_BEST_EFFORT, 0 },
        { "video, 0.23.0", "ordered", O7S_QOS_VIDEO, 0 },
        { "raw but checked", "ordered", O7S_QOS_RAW_SAFE, 0 },
        { "data, thin lanes", "extended", O7S_QOS_DATA, O7S_THIN },
};

typedef struct Ends {
        IrmThread *irm;
        o7s_listener *listener;
        o7s_flow *asking;
        o7s_flow *serving;
} Ends;

static void ends_open(Ends *e, const Kind *kind) {
        *e = (Ends) {};

        print_message("%s\n", kind->label);
        assert_int_equal(irm_thread_start(&e->irm), 0);
        assert_int_equal(o7s_listen(kind->name, 0, &e->listener), 0);
        assert_int_equal(o7s_flow_alloc_start(kind->name, &kind->qos, kind->flags, TEST_TIMEOUT_USEC, &e->asking), 0);
        assert_int_equal(o7s_flow_accept(e->listener, TEST_TIMEOUT_USEC, &e->serving), 0);
        while (o7s_flow_alloc_finish(e->asking) == -EINPROGRESS)
                ;
        assert_int_equal(o7s_flow_alloc_finish(e->asking), 0);

        for (int which = O7S_TIMEOUT_READ; which <= O7S_TIMEOUT_WRITE; which++) {
                assert_int_equal(o7s_flow_set_timeout(e->asking, which, TEST_TIMEOUT_USEC), 0);
                assert_int_equal(o7s_flow_set_timeout(e->serving, which, TEST_TIMEOUT_USEC), 0);
        }
}

static void ends_close(Ends *e) {
        e->asking = o7s_flow_unref(e->asking);
        e->serving = o7s_flow_unref(e->serving);
        e->listener = o7s_listener_unref(e->listener);
        e->irm = irm_thread_free(e->irm);
}

#define _cleanup_ends_ _cleanup_(ends_close)

static void fill(uint8_t *data, size_t size, uint32_t seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                data[i] = (uint8_t) (x >> 24);
        }
}

static void expect(const uint8_t *data, size_t size, uint32_t seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                if (data[i] != (uint8_t) (x >> 24))
                        fail_msg("byte %zu of %zu is wrong", i, size);
        }
}

/* -- messages -- */

static void test_both_ways(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_ends_ Ends e;
                uint8_t data[1000], got[2000];

                ends_open(&e, &kinds[i]);
                for (uint32_t n = 1; n <= 200; n++) {
                        o7s_flow *from = n % 2 ? e.asking : e.serving, *to = n % 2 ? e.serving : e.asking;
                        size_t size = 1 + n * 37 % sizeof(data);

                        fill(data, size, n);
                        assert_int_equal(o7s_flow_write(from, data, size), size);
                        assert_int_equal(o7s_flow_read(to, got, sizeof(got)), size);
                        expect(got, size, n);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
