/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ends of a flow in one process. */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/flow-pair.h"

void flow_pair_more(FlowPair *pair, const char *name, uint64_t flags, o7s_flow **ret_asking, o7s_flow **ret_serving) {
        struct pollfd p = { .events = POLLIN };

        assert_int_equal(o7s_flow_alloc_start(name, &O7S_QOS_RAW, flags, TEST_TIMEOUT_USEC, ret_asking), 0);
        assert_int_equal(o7s_flow_accept(pair->listener, TEST_TIMEOUT_USEC, ret_serving), 0);

        p.fd = o7s_flow_fd(*ret_asking);
        assert_true(p.fd >= 0);
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(o7s_flow_alloc_finish(*ret_asking), 0);
}

void flow_pair_open(FlowPair *pair, uint64_t flags) {
        o7s_flow *flow;

        *pair = (FlowPair) {};
        assert_int_equal(irm_thread_start(&pair->irm), 0);
        assert_int_equal(o7s_listen("echo", 0, &pair->listener), 0);

        /* Without a descriptor, as most programs have it: the other way round is what flow_pair_more() does. */
        assert_int_equal(o7s_flow_alloc_start("echo", &O7S_QOS_RAW, flags, TEST_TIMEOUT_USEC, &flow), 0);
        assert_int_equal(o7s_flow_accept(pair->listener, TEST_TIMEOUT_USEC, &pair->serving), 0);
        assert_int_equal(o7s_flow_alloc_finish(flow), 0);
        pair->asking = flow;
}

void flow_pair_close(FlowPair *pair) {
        pair->asking = o7s_flow_unref(pair->asking);
        pair->serving = o7s_flow_unref(pair->serving);
        pair->listener = o7s_listener_unref(pair->listener);
        pair->irm = irm_thread_free(pair->irm);
}
