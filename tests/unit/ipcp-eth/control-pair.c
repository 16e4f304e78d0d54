/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two stations with control keys, see control-pair.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/ipcp-eth/control-pair.h"

static bool is_control(Wire *wire, const WireFrame *frame, Frame *ret_frame, ManagementMessage *ret) {
        const FrameOps *ops = frame_ops(wire->framing);

        return ops->parse(0xA000, frame->bytes, frame->size, ret_frame) >= 0 && ret_frame->management &&
               management_parse(ops, 32, frame->bytes + ret_frame->payload_offset, ret_frame->payload_size, ret) >= 0 &&
               ret->code >= MANAGEMENT_CLOSE;
}

static unsigned fate(Wire *wire, WireFrame *frame, usec_t *ret_extra) {
        ControlPair *t = container_of(wire, ControlPair, wire);
        ManagementMessage message;
        Frame parsed;

        if (is_control(wire, frame, &parsed, &message)) {
                t->kept[t->n_kept++ % ELEMENTSOF(t->kept)] = *frame;
                if (t->swallow)
                        return 0;
        }

        t->seed = t->seed * 1664525U + 1013904223U;
        if (t->seed >> 16 < 65536U * t->loss_percent / 100) {
                if (!parsed.management && parsed.payload_size > 0)
                        t->n_lost[frame->from != t->a]++;
                return 0;
        }
        return 1;
}

int control_pair_set_up(void **state) {
        ControlPair *t = calloc(1, sizeof(*t));

        if (!t)
                return -1;
        wire_init(&t->wire, *(const Framing *) *state, 3);
        t->a = &t->wire.stations[0];
        t->b = &t->wire.stations[1];
        t->c = &t->wire.stations[2];
        t->wire.fate = fate;
        *state = t;
        return 0;
}

int control_pair_tear_down(void **state) {
        ControlPair *t = *state;

        wire_done(&t->wire);
        free(t);
        return 0;
}

uint64_t control_pair_drops(const Station *s, DropReason reason) {
        return s->ethernet.counters.drops[reason];
}

void control_pair_is_unharmed(ControlPair *t) {
        unsigned n[] = { t->a->n_data, t->b->n_data };

        assert_int_equal(t->a->n_downs + t->b->n_downs, 0);
        assert_int_equal(station_write(t->a, CONTROL_PAIR_A_FLOW, "to b", 4), 1);
        assert_int_equal(station_write(t->b, CONTROL_PAIR_B_FLOW, "to a", 4), 1);
        wire_run(&t->wire, USEC_PER_MSEC);
        assert_int_equal(t->a->n_data, n[0] + 1);
        assert_int_equal(t->b->n_data, n[1] + 1);
}

void control_pair_connect(ControlPair *t) {
        wire_connect_with_keys(&t->wire, t->a, t->b, CONTROL_PAIR_A_FLOW, CONTROL_PAIR_TIMEOUT_MS,
                               CONTROL_PAIR_OAP_BYTES);
        assert_true(station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->layer.control.confirmed);
        assert_true(station_flow(t->b, CONTROL_PAIR_B_FLOW, 0)->layer.have_lock);
        control_pair_is_unharmed(t);
}

void control_pair_send_as(ControlPair *t, const Station *from, const Station *to,
                          const ManagementMessage *message) {
        const FrameAddress addresses[] = { station_address(from->number), station_address(to->number) };

        (void) eth_send_message(&t->c->ethernet, &addresses[1], &addresses[0], message);
        wire_run(&t->wire, USEC_PER_MSEC);
}
