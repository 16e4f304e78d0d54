/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ends of a flow in one process, got through the public interface from an IRM in a thread. Failures end
 * the test. */

#include "libo7s/o7s.h"
#include "tests/support/irm-thread.h"

/* Long enough never to be reached where all is well. */
#define TEST_TIMEOUT_USEC (10 * UINT64_C(1000000))

typedef struct FlowPair {
        IrmThread *irm;
        o7s_listener *listener;
        o7s_flow *asking;
        o7s_flow *serving;
} FlowPair;

/* The IRM, a listener on "echo", and a flow with these flags. */
void flow_pair_open(FlowPair *pair, uint64_t flags);
void flow_pair_close(FlowPair *pair);

/* One more flow to the listener. */
void flow_pair_more(FlowPair *pair, const char *name, uint64_t flags, o7s_flow **ret_asking, o7s_flow **ret_serving);

#define _cleanup_flow_pair_ _cleanup_(flow_pair_close)
