/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Greets neighbours, and judges them by their silence; see hello.h. */

#include <stdio.h>

#include "basic/cursor.h"
#include "services/ipcp-unicast/unicast.h"

/* -- bytes -- */

void hello_message_pack(const HelloMessage *message, uint8_t ret[HELLO_MESSAGE_BYTES]) {
        Writer w = writer_to(ret, HELLO_MESSAGE_BYTES);

        writer_u8(&w, HELLO_VERSION);
        writer_u8(&w, message->hears ? HELLO_FLAG_HEARS : 0);
        writer_be16(&w, 0);
        writer_be32(&w, message->interval_msec);

        assert(!w.bad);
}

int hello_message_parse(const void *data, size_t size, HelloMessage *ret) {
        Cursor c = cursor_from(data, size);
        uint8_t version, flags;
        uint32_t interval_msec;
        uint16_t zero;

        version = cursor_u8(&c);
        flags = cursor_u8(&c);
        zero = cursor_be16(&c);
        interval_msec = cursor_be32(&c);

        if (c.bad || c.left > 0)
                return -EBADMSG;
        if (version != HELLO_VERSION)
                return -EPROTO;
        if (flags & ~HELLO_FLAG_HEARS || zero != 0)
                return -EBADMSG;
        if (interval_msec < HELLO_INTERVAL_MSEC_MIN || interval_msec > HELLO_INTERVAL_MSEC_MAX)
                return -EBADMSG;

        *ret = (HelloMessage) {
                .hears = flags & HELLO_FLAG_HEARS,
                .interval_msec = interval_msec,
        };
        return 0;
}

/* -- what the state of a way means -- */

static void way_changed(LowerFlow *flow, const char *what, usec_t now) {
        char reason[LAYER_NAME_BYTES_MAX + 64];

        (void) snprintf(reason, sizeof(reason), "%s over %.*s", what, (int) LAYER_NAME_BYTES_MAX,
                        lower_flow_layer(flow));
        neighbour_way_changed(flow, reason, now);
}

static bool is_greeted(const LowerFlow *flow) {
        return flow->state == LOWER_OPEN && flow->purpose == LOWER_DATA && flow->cube == CUBE_BEST_EFFORT &&
               flow->neighbour && flow->neighbour->extended;
}

/* Ahead of what waits in a queue of ours: a way that is full is not lost. */
static void greet(LowerFlow *flow) {
        const Pci pci = { .destination = ADDRESS_NONE, .ttl = 1, .eid = EID_HELLO };
        Unicast *u = flow->unicast;
        const HelloMessage message = {
                .hears = !flow->hello.is_silent,
                .interval_msec = (uint32_t) (u->config.hello_usec / USEC_PER_MSEC),
        };
        uint8_t bytes[PCI_BYTES_MAX + HELLO_MESSAGE_BYTES];
        uint8_t *p;
        size_t n;

        packet_reset(u->message);
        p = packet_append(u->message, HELLO_MESSAGE_BYTES);
        assert(p);                              /* made for the messages of the directory */
        hello_message_pack(&message, p);
        if (pci_push(&u->format, u->message, &pci) < 0)
                return;

        n = packet_size(u->message);
        memcpy(bytes, u->message->head, n);
        (void) lower_flow_send(flow, bytes, n);
}

/* -- what arrives -- */

void hello_heard(LowerFlow *flow, usec_t now) {
        flow->hello.is_silent = false;
        if (!is_greeted(flow))
                return;

        greet(flow);                            /* at once: until then the peer stays away from this way, too */
        if (!flow->hello.is_deaf)
                way_changed(flow, "it is heard again", now);
}

void hello_receive(LowerFlow *flow, const uint8_t *data, size_t size, usec_t now) {
        Unicast *u = flow->unicast;
        HelloMessage message;
        int r;

        if (u->config.hello_usec == 0 || !is_greeted(flow))
                return counters_drop(&u->counters, DROP_UNKNOWN_ENDPOINT);

        r = hello_message_parse(data, size, &message);
        if (r < 0)
                return counters_drop(&u->counters, DROP_MALFORMED);

        if (flow->hello.patience_usec == 0)
                u->hello.judge = MIN(u->hello.judge, now);
        flow->hello.patience_usec = HELLO_INTERVALS * message.interval_msec * USEC_PER_MSEC;

        if (flow->hello.is_deaf == !message.hears)
                return;

        flow->hello.is_deaf = !message.hears;
        way_changed(flow, message.hears ? "it hears us again" : "it does not hear us", now);
}

/* -- time -- */

void hello_soon(Unicast *u, usec_t now) {
        if (u->config.hello_usec > 0)
                u->hello.send = MIN(u->hello.send, now);
}

static void greet_all(Unicast *u, usec_t now) {
        LowerFlow *flow;
        bool any = false;

        list_for_each(flow, &u->lower_flows, by_unicast)
                if (is_greeted(flow)) {
                        greet(flow);
                        any = true;
                }

        u->hello.send = any ? usec_add(now, u->config.hello_usec) : USEC_INFINITY;
}

/* Neighbours change, flows do not come or go. */
static void judge_all(Unicast *u, usec_t now) {
        LowerFlow *flow;

        u->hello.judge = USEC_INFINITY;
        list_for_each(flow, &u->lower_flows, by_unicast) {
                usec_t due = usec_add(MAX(flow->heard, u->hello.awake), flow->hello.patience_usec);

                if (!is_greeted(flow) || flow->hello.patience_usec == 0 || flow->hello.is_silent)
                        continue;
                if (now < due) {
                        u->hello.judge = MIN(u->hello.judge, due);
                        continue;
                }

                flow->hello.is_silent = true;
                if (!flow->hello.is_deaf)
                        way_changed(flow, "nothing is heard from it", now);
        }
}

void hello_expire(Unicast *u, usec_t now) {
        if (now < hello_next(u))
                return;

        /* Who was stopped himself has heard nobody, and what arrived meanwhile is about to be read. */
        if (usec_sub(now, hello_next(u)) > u->config.hello_usec)
                u->hello.awake = now;

        if (now >= u->hello.send)
                greet_all(u, now);
        if (now >= u->hello.judge)
                judge_all(u, now);
}

usec_t hello_next(const Unicast *u) {
        return MIN(u->hello.send, u->hello.judge);
}
