/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/frct-header.h"
#include "tests/support/layered-flow.h"

#define TIMEOUT_USEC (10 * UINT64_C(1000000))

static uint32_t number(void *userdata) {
        return 4711;
}

static void layer_set_mtu(LayeredFlow *l, uint32_t mtu) {
        IrmFlowInfo info = {
                .qos = { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 },
                .transfer = IRM_TRANSFER_EXTENDED,
                .mtu = mtu,
                .mpl_ms = 100,
        };

        irm_layer_set_info(l->layer, &info);
}

void layered_flow_open(LayeredFlow *l) {
        const FrctConfig config = {
                .reliable = true,
                .extended = true,
                .packet_max = LAYERED_FLOW_MTU,
                .mpl = 100 * NSEC_PER_MSEC,
                .random = number,
        };
        const o7s_qos qos = { UINT32_MAX, 0, 0, 0, 1, 1, UINT32_MAX, 120000 };

        *l = (LayeredFlow) { .path_max = LAYERED_FLOW_MTU };
        assert_int_equal(irm_thread_start(&l->irm), 0);
        assert_int_equal(irm_layer_new(&l->layer), 0);
        irm_thread_set_layer(l->irm, l->layer);
        layer_set_mtu(l, LAYERED_FLOW_MTU);
        assert_int_equal(o7s_flow_alloc("layered", &qos, 0, TIMEOUT_USEC, &l->flow), 0);
        l->channel = irm_layer_take_channel(l->layer);
        assert_non_null(l->channel);
        assert_int_equal(frct_new(&config, time_now_nsec(), &l->peer), 0);
        assert_int_equal(o7s_flow_set_timeout(l->flow, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(l->flow, O7S_TIMEOUT_WRITE, 0), 0);
}

void layered_flow_close(LayeredFlow *l) {
        if (l->channel)
                channel_close(l->channel, CLOSE_NORMAL);
        l->flow = o7s_flow_unref(l->flow);
        l->channel = channel_free(l->channel);
        l->peer = frct_free(l->peer);
        l->irm = irm_thread_free(l->irm);
        l->layer = irm_layer_free(l->layer);
}

void layered_flow_kill(LayeredFlow *l, uint32_t mtu) {
        layer_set_mtu(l, mtu);
        l->channel = channel_free(l->channel);
}

bool layered_flow_restarts(LayeredFlow *l) {
        l->channel = irm_layer_take_channel(l->layer);
        return l->channel;
}

static void note_marks(LayeredFlow *l, const uint8_t *packet, size_t size) {
        Cursor c = { .p = packet, .left = size };
        FrctHeader header;

        assert_int_equal(frct_header_read(&c, true, &header), 0);
        l->marked_heard = header.marked;
}

static void peer_hear(LayeredFlow *l) {
        uint8_t packet[LAYERED_FLOW_MTU], message[4096];
        ssize_t size;
        bool more;

        while ((size = channel_read(l->channel, packet, sizeof(packet), NULL)) > 0) {
                note_marks(l, packet, (size_t) size);
                if ((size_t) size <= l->path_max)
                        frct_receive(l->peer, packet, (size_t) size, l->marks, time_now_nsec());
        }
        (void) channel_release(l->channel);

        while ((size = frct_read(l->peer, message, sizeof(message), &more, time_now_nsec())) > 0)
                l->n_read += (uint64_t) size;
}

static void peer_speak(LayeredFlow *l) {
        uint8_t packet[LAYERED_FLOW_MTU];
        size_t size;

        frct_expire(l->peer, time_now_nsec());
        while ((size = frct_transmit(l->peer, packet, sizeof(packet), time_now_nsec())) > 0) {
                struct iovec part = { .iov_base = packet, .iov_len = size };

                /* No room: lost, as layers do it. */
                if (channel_push_flagged(l->channel, &part, 1, l->marks ? CHANNEL_MARKED : 0) >= 0)
                        l->n_marked += l->marks;
        }
        (void) channel_publish(l->channel);
}

void layered_flow_run(LayeredFlow *l) {
        struct pollfd p = { .fd = channel_fd(l->channel), .events = POLLIN };

        peer_hear(l);
        peer_speak(l);
        if (channel_arm_read(l->channel) == 1)
                (void) poll(&p, 1, 1);
        (void) channel_drain(l->channel, NULL);
}

void layered_flow_stats(const LayeredFlow *l, struct o7s_flow_stats *ret) {
        *ret = (struct o7s_flow_stats) { .size = sizeof(*ret) };
        assert_int_equal(o7s_flow_stats(l->flow, ret), 0);
}

uint32_t layered_flow_look(o7s_flow *flow, o7s_set *set, Way way) {
        struct pollfd p = { .fd = way == WAY_DESCRIPTOR ? o7s_flow_fd(flow) : -1, .events = POLLIN };
        o7s_event event;
        int n;

        if (way == WAY_SET) {
                n = o7s_set_wait(set, &event, 1, 0);
                assert_true(n == 1 || n == -EAGAIN);
                return n == 1 ? event.events : 0;
        }
        if (way == WAY_DESCRIPTOR && poll(&p, 1, 0) == 0)
                return 0;

        return (uint32_t) o7s_flow_events(flow);
}
