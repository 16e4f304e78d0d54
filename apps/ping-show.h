/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What o7s-ping prints. */

#include "apps/histogram.h"
#include "apps/ping-message.h"
#include "apps/ping-options.h"

void ping_show_connected(const PingOptions *options, o7s_flow *flow, uint64_t allocated_in_nsec);

void ping_show_answer(const PingOptions *options, PingAnswer answer, const PingMessage *message, size_t size,
                      uint64_t rtt_nsec);

/* What carries the flow went down, or came back. */
void ping_show_link(const PingOptions *options, bool down);

/* The largest message is another one. */
void ping_show_mtu(const PingOptions *options, uint32_t mtu);

/* n_under_way: messages whose answers may still come. */
void ping_show_summary(const PingOptions *options, const PingLedger *ledger, const Histogram *rtt,
                       uint64_t n_under_way);
