/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What arrived on one flow of o7s-cbr: how much, what is missing, how evenly. No I/O, no clock.
 *
 * Jitter is that of RTP: the mean deviation of how much later or earlier a message came than the one before, compared
 * with how they were sent, smoothed over some 16 messages. The clocks of the two sides need not agree.
 */

#include "apps/cbr-message.h"

typedef struct CbrCount {
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t n_lost;        /* with larger sequence numbers here; who is late leaves again */
        uint64_t n_out_of_order;
} CbrCount;

typedef struct CbrMeter {
        uint64_t newest;        /* highest sequence */
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t n_out_of_order;
        uint64_t n_foreign;     /* messages that are none of ours */
        uint64_t n_sent;        /* by the other side, as END says; 0: not known yet */
        uint64_t last_sent_nsec;
        uint64_t last_nsec;
        double jitter_nsec;
        CbrCount before;        /* as of the last cbr_meter_interval() */
} CbrMeter;

/* A message of type DATA. */
void cbr_meter_add(CbrMeter *meter, const CbrMessage *message, size_t size, uint64_t now_nsec);

/* From the beginning, and since the last call of cbr_meter_interval(). */
CbrCount cbr_meter_total(const CbrMeter *meter);
CbrCount cbr_meter_interval(CbrMeter *meter);
