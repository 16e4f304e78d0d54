/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counting and judging what arrives at a constant rate. */

#include <math.h>

#include "apps/cbr-meter.h"

#define JITTER_SHARE 16.0

void cbr_meter_add(CbrMeter *m, const CbrMessage *message, size_t size, uint64_t now) {
        if (m->n_messages > 0) {
                double apart_here = (double) (now - m->last_nsec);
                double apart_there = (double) (int64_t) (message->sent_nsec - m->last_sent_nsec);

                m->jitter_nsec += (fabs(apart_here - apart_there) - m->jitter_nsec) / JITTER_SHARE;
        }
        m->last_nsec = now;
        m->last_sent_nsec = message->sent_nsec;

        if (message->sequence > m->newest)
                m->newest = message->sequence;
        else
                m->n_out_of_order++;

        m->n_messages++;
        m->n_bytes += size;
}

CbrCount cbr_meter_total(const CbrMeter *m) {
        uint64_t n_expected = m->n_sent > m->newest ? m->n_sent : m->newest;

        return (CbrCount) {
                .n_messages = m->n_messages,
                .n_bytes = m->n_bytes,
                .n_lost = n_expected > m->n_messages ? n_expected - m->n_messages : 0,
                .n_out_of_order = m->n_out_of_order,
        };
}

CbrCount cbr_meter_interval(CbrMeter *m) {
        CbrCount now = cbr_meter_total(m), since = {
                .n_messages = now.n_messages - m->before.n_messages,
                .n_bytes = now.n_bytes - m->before.n_bytes,
                .n_lost = now.n_lost > m->before.n_lost ? now.n_lost - m->before.n_lost : 0,
                .n_out_of_order = now.n_out_of_order - m->before.n_out_of_order,
        };

        m->before = now;
        return since;
}
