/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reliable flows through a layer that the test plays, packet by packet: what it drops, damages, repeats, makes up, and that it is
 * killed. The peer is an Frct of its own behind that layer, and a Seal where flows are protected; the flow is driven by its calls and
 * by the engine.
 */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libo7s/checksum.h"
#include "libo7s/frct-header.h"
#include "libo7s/frct.h"
#include "libo7s/o7s.h"
#include "libo7s/seal.h"
#include "tests/support/irm-thread.h"

#define PATIENCE_NSEC (60 * NSEC_PER_SEC)
#define PACKET_MAX 1400U
#define TIMEOUT_USEC (10 * UINT64_C(1000000))

/* One packet of n, by chance: what comes in a rhythm may be the rhythm of time-outs (test-frct has that). 0: none. */
typedef struct Faults {
        unsigned lost;
        unsigned damaged;
        unsigned repeated;
} Faults;

typedef struct Test {
        IrmThread *irm;
        IrmLayer *layer;
        Channel *channel;               /* the layer's end */
        o7s_flow *flow;
        Frct *peer;
        Seal *seal;                     /* the peer's; NULL: not protected */
        IrmFlowInfo info;
        Faults faults;
        uint32_t dice;
        unsigned n_untrailed;           /* bare packets that the peer sent without a trailer, as 0.23.0 does */
} Test;

static uint32_t number(void *userdata) {
        return 4711;
}

/* Trailers are what the suite of o7s has no need of. */
static bool has_trailers(void) {
        return !irm_thread_protects() || streq(irm_thread_suite(), "reference");
}

static void peer_seal(Test *t) {
        const uint8_t seed[SEAL_SEED_BYTES] = { 4, 7, 11 };
        SealKeys keys;

        if (!irm_thread_protects())
                return;

        irm_thread_keys(NULL, true, 1, &keys);
        irm_layer_set_keys(t->layer, &keys);
        irm_thread_keys(NULL, false, 1, &keys);
        assert_int_equal(seal_new(&keys, NULL, seed, time_now_nsec(), &t->seal), 0);
}

static void test_open(Test *t, uint32_t transfer, const o7s_qos *qos) {
        const FrctConfig config = {
                .reliable = qos->loss == 0,
                .extended = transfer & IRM_TRANSFER_EXTENDED,
                .packet_max = PACKET_MAX - irm_thread_overhead(true),
                .mpl = 100 * NSEC_PER_MSEC,
                .random = number,
        };

        *t = (Test) { .info = { .qos = *qos, .transfer = transfer, .mtu = PACKET_MAX, .mpl_ms = 100 } };
        assert_int_equal(irm_thread_start(&t->irm), 0);
        assert_int_equal(irm_layer_new(&t->layer), 0);
        irm_thread_set_layer(t->irm, t->layer);
        irm_layer_set_info(t->layer, &t->info);
        peer_seal(t);
        assert_int_equal(o7s_flow_alloc("layered", qos, 0, TIMEOUT_USEC, &t->flow), 0);
        t->channel = irm_layer_take_channel(t->layer);
        assert_non_null(t->channel);
        assert_int_equal(frct_new(&config, time_now_nsec(), &t->peer), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_WRITE, 0), 0);
}

static void test_close(Test *t) {
        if (t->channel)
                channel_close(t->channel, CLOSE_NORMAL);
        t->flow = o7s_flow_unref(t->flow);
        t->channel = channel_free(t->channel);
        t->peer = frct_free(t->peer);
        t->seal = seal_free(t->seal);
        t->irm = irm_thread_free(t->irm);
        t->layer = irm_layer_free(t->layer);
}

#define _cleanup_test_ _cleanup_(test_close)

/* -- the layer and the peer -- */

static uint32_t throw(Test *t) {
        t->dice = t->dice * 1664525 + 1013904223;
        return t->dice >> 8;
}

static bool one_of(Test *t, unsigned n) {
        return n > 0 && throw(t) % n == 0;
}

/* Returns how often the packet gets through. */
static unsigned path(Test *t, uint8_t *packet, size_t size) {
        if (one_of(t, t->faults.damaged))
                packet[throw(t) % size] ^= (uint8_t) (1 << throw(t) % 8);
        if (one_of(t, t->faults.lost))
                return 0;

        return one_of(t, t->faults.repeated) ? 2 : 1;
}

static void layer_deliver(Test *t, const void *packet, size_t size) {
        struct iovec part = { .iov_base = (void *) packet, .iov_len = size };

        (void) channel_push(t->channel, &part, 1);              /* no room: lost, as layers do it */
}

static void peer_take(Test *t, const uint8_t *packet, size_t size) {
        uint8_t content[PACKET_MAX];
        ssize_t n;

        if (has_trailers() && !checksum_is_good(packet, size))
                return;
        if (has_trailers())
                size -= CHECKSUM_BYTES;

        if (t->seal) {
                n = seal_open(t->seal, time_now_nsec(), packet, size, content, sizeof(content));
                if (n <= 0)
                        return;
                packet = content;
                size = (size_t) n;
        }
        frct_receive(t->peer, packet, size, false, time_now_nsec());
}

static void peer_hear(Test *t) {
        uint8_t packet[2 * PACKET_MAX];
        ssize_t size;

        while ((size = channel_read(t->channel, packet, sizeof(packet), NULL)) > 0) {
                assert_true((size_t) size <= PACKET_MAX);
                if (has_trailers())
                        assert_true(checksum_is_good(packet, (size_t) size));   /* all of ours have one */

                for (unsigned times = path(t, packet, (size_t) size); times > 0; times--)
                        peer_take(t, packet, (size_t) size);
        }
        (void) channel_release(t->channel);
}

/* What FRCT made becomes what is on the wire. Returns its size. */
static size_t peer_wrap(Test *t, uint8_t packet[PACKET_MAX], size_t size, bool bare) {
        uint8_t content[PACKET_MAX];
        ssize_t n;

        if (t->seal) {
                memcpy(content, packet, size);
                n = seal_protect(t->seal, time_now_nsec(), content, size, packet, PACKET_MAX);
                assert_int_equal(n, size + seal_overhead(t->seal));
                size = (size_t) n;
        }
        if (!has_trailers() || bare)
                return size;

        checksum_write(packet + size, checksum_add(0, packet, size));
        return size + CHECKSUM_BYTES;
}

static void peer_speak(Test *t) {
        uint8_t packet[PACKET_MAX];
        size_t size;

        frct_expire(t->peer, time_now_nsec());
        while ((size = frct_transmit(t->peer, packet, PACKET_MAX - irm_thread_overhead(true), time_now_nsec())) > 0) {
                bool bare = !(t->info.transfer & IRM_TRANSFER_EXTENDED) && size == FRCT_HEADER_BYTES;

                size = peer_wrap(t, packet, size, bare);
                t->n_untrailed += bare;
                for (unsigned times = path(t, packet, size); times > 0; times--)
                        layer_deliver(t, packet, size);
        }
        (void) channel_publish(t->channel);
}

/* The layer's process and the peer have their turn, and a moment for the engine. */
static void others_run(Test *t) {
        struct pollfd p = { .events = POLLIN };

        if (t->channel) {
                peer_hear(t);
                peer_speak(t);
        }
        p.fd = t->channel ? channel_fd(t->channel) : -1;
        if (p.fd < 0 || channel_arm_read(t->channel) == 1)
                (void) poll(&p, 1, 1);
        if (t->channel)
                (void) channel_drain(t->channel, NULL);
}

/* -- messages -- */

static size_t message_make(uint8_t *message, uint32_t n) {
        size_t size = 1 + n * 997 % 5000;

        if (size > 1300 && n % 3)
                size = 1 + n % 1300;
        for (size_t i = 0; i < size; i++)
                message[i] = (uint8_t) (n + i * 7);
        return size;
}

typedef struct Exchange {
        uint32_t n;
        size_t size_max;
        uint32_t written, read;         /* by the flow */
        uint32_t peer_written, peer_read;
} Exchange;

static size_t exchange_message(const Exchange *x, uint8_t *message, uint32_t n) {
        return MIN(message_make(message, n), x->size_max);
}

/* Both write and read what they can. */
static void exchange_step(Test *t, Exchange *x) {
        uint8_t message[5001], expected[5001];
        struct iovec part = { .iov_base = message };
        ssize_t n;
        bool more;

        for (; x->written < x->n; x->written++) {
                n = o7s_flow_write(t->flow, message, exchange_message(x, message, x->written));
                if (n == -EAGAIN)
                        break;
                assert_true(n > 0);
        }
        for (; x->peer_written < x->n; x->peer_written++) {
                part.iov_len = exchange_message(x, message, x->peer_written + 1000);
                n = frct_write(t->peer, &part, 1, time_now_nsec());
                if (n == -EAGAIN)
                        break;
                assert_int_equal(n, part.iov_len);
        }

        while ((n = o7s_flow_read(t->flow, message, sizeof(message))) > 0) {
                assert_int_equal(n, exchange_message(x, expected, x->read + 1000));
                assert_memory_equal(message, expected, n);
                x->read++;
        }
        assert_int_equal(n, -EAGAIN);

        while ((n = frct_read(t->peer, message, sizeof(message), &more, time_now_nsec())) > 0) {
                if (x->peer_read < x->n) {
                        assert_int_equal(n, exchange_message(x, expected, x->peer_read));
                        assert_memory_equal(message, expected, n);
                }
                x->peer_read++;
        }
        assert_int_equal(n, -EAGAIN);
}

static bool exchange_is_done(const Exchange *x) {
        return x->read == x->n && x->peer_read >= x->n;
}

static void exchange_run(Test *t, Exchange *x) {
        nsec_t until = time_now_nsec() + PATIENCE_NSEC;

        while (!exchange_is_done(x)) {
                assert_true(time_now_nsec() < until);
                exchange_step(t, x);
                others_run(t);
        }
}

static const o7s_qos data = O7S_QOS_DATA;

#define EXTENDED (IRM_TRANSFER_EXTENDED | IRM_TRANSFER_CHECKSUM)

static void test_faults(void **state) {
        static const struct {
                const char *name;
                Faults faults;
        } rows[] = {
                { "nothing wrong", { 0, 0, 0 } },
                { "lost",          { 7, 0, 0 } },
                { "damaged",       { 0, 9, 0 } },
                { "repeated",      { 0, 0, 3 } },
                { "all of it",     { 11, 13, 5 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct o7s_flow_stats stats = { .size = sizeof(stats) };
                Exchange x = { .n = 300, .size_max = SIZE_MAX };
                _cleanup_test_ Test t;

                print_message("%s\n", rows[i].name);
                test_open(&t, EXTENDED, &data);
                t.faults = rows[i].faults;
                exchange_run(&t, &x);

                assert_int_equal(o7s_flow_stats(t.flow, &stats), 0);
                assert_int_equal(stats.drops[has_trailers() ? O7S_DROP_MALFORMED : O7S_DROP_FORGED] > 0, t.faults.damaged > 0);
                assert_true(stats.retransmitted > 0 || (t.faults.lost == 0 && t.faults.damaged == 0));
                if (irm_thread_protects())
                        assert_true(stats.drops[O7S_DROP_REPLAYED] > 0 || t.faults.repeated == 0);
                else
                        assert_true(stats.duplicates > 0 || t.faults.repeated == 0);
        }
}

/* A peer of 0.23.0 has no trailers on packets without data. */
static void test_bare_packets(void **state) {
        Exchange x = { .n = 100, .size_max = PACKET_MAX - FRCT_HEADER_BYTES - irm_thread_overhead(true) };
        _cleanup_test_ Test t;

        test_open(&t, 0, &data);
        exchange_run(&t, &x);

        /* Only one side has something to say: the other can but acknowledge. */
        assert_int_equal(o7s_flow_write(t.flow, "x", 1), 1);
        for (nsec_t until = time_now_nsec() + PATIENCE_NSEC; t.n_untrailed == 0;) {
                assert_true(time_now_nsec() < until);
                exchange_step(&t, &x);
                others_run(&t);
        }
        assert_int_equal(o7s_flow_flush(t.flow, TIMEOUT_USEC), 0);
}

/* The layer's process is killed with packets of both directions on their way, and comes back. */
static void test_reattach(void **state) {
        Exchange x = { .n = 300, .size_max = SIZE_MAX };
        _cleanup_test_ Test t;

        test_open(&t, EXTENDED, &data);
        for (unsigned life = 0; life < 3; life++) {
                exchange_step(&t, &x);
                peer_speak(&t);
                t.channel = channel_free(t.channel);

                /* Nobody calls anything: the engine finds the next process by itself. */
                t.channel = irm_layer_take_channel(t.layer);
                assert_non_null(t.channel);
                others_run(&t);
                exchange_run(&t, &x);
                x.n += 100;
        }

        assert_int_equal(o7s_flow_write(t.flow, "x", 1), 1);
        assert_true(irm_thread_counts(t.irm).n_messages[IRM_REATTACH] == 3);
}

/* It ends, and not as the peer wanted it: what had arrived is read, then it is no orderly end. */
static void test_cut_off(void **state) {
        struct iovec part = { .iov_base = (void *) "last words", .iov_len = 10 };
        uint8_t got[100];
        _cleanup_test_ Test t;

        test_open(&t, EXTENDED, &data);
        assert_int_equal(o7s_flow_set_timeout(t.flow, O7S_TIMEOUT_READ, TIMEOUT_USEC), 0);
        assert_int_equal(frct_write(t.peer, &part, 1, time_now_nsec()), 10);
        others_run(&t);
        channel_close(t.channel, CLOSE_PEER_DIED);

        assert_int_equal(o7s_flow_read(t.flow, got, sizeof(got)), 10);
        assert_int_equal(o7s_flow_read(t.flow, got, sizeof(got)), -ECONNRESET);
        assert_int_equal(o7s_flow_events(t.flow) & (O7S_DOWN | O7S_PEER_GONE), O7S_DOWN | O7S_PEER_GONE);
        assert_int_equal(o7s_flow_write(t.flow, "x", 1), -EPIPE);
        assert_int_equal(o7s_flow_flush(t.flow, TIMEOUT_USEC), 0);      /* nothing had been written */
        assert_int_equal(o7s_flow_close(t.flow, TIMEOUT_USEC), 0);
}

/* Orderly: the peer's finish, then the layer's word. */
static void test_orderly(void **state) {
        struct iovec part = { .iov_base = (void *) "last words", .iov_len = 10 };
        uint8_t got[100];
        _cleanup_test_ Test t;

        test_open(&t, EXTENDED, &data);
        assert_int_equal(frct_write(t.peer, &part, 1, time_now_nsec()), 10);
        frct_finish(t.peer, time_now_nsec());
        for (nsec_t until = time_now_nsec() + PATIENCE_NSEC; !frct_is_flushed(t.peer);) {
                assert_true(time_now_nsec() < until);
                others_run(&t);
        }
        channel_close(t.channel, CLOSE_NORMAL);

        assert_int_equal(o7s_flow_read(t.flow, got, sizeof(got)), 10);
        assert_int_equal(o7s_flow_read(t.flow, got, sizeof(got)), -ENOTCONN);
}

/* Nothing that a layer makes up ends the flow or comes to the application. */
static void test_made_up(void **state) {
        Exchange x = { .n = 50, .size_max = SIZE_MAX };
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        uint8_t packet[PACKET_MAX];
        _cleanup_test_ Test t;
        uint32_t seed = 1;

        test_open(&t, EXTENDED, &data);
        for (unsigned i = 0; i < 60; i++) {
                size_t size = 1 + i * 31 % (sizeof(packet) - CHECKSUM_BYTES);

                for (size_t k = 0; k < size; k++)
                        packet[k] = (uint8_t) ((seed = seed * 1664525 + 1013904223) >> 24);
                layer_deliver(&t, packet, size);                /* no trailer */
                if (i % 10 == 9) {
                        (void) channel_publish(t.channel);
                        exchange_step(&t, &x);
                        others_run(&t);
                }
        }

        exchange_run(&t, &x);
        assert_int_equal(o7s_flow_stats(t.flow, &stats), 0);
        assert_true(stats.drops[has_trailers() ? O7S_DROP_MALFORMED : O7S_DROP_FORGED] >= 50);
}

/* Packets of the peer as the layer brings them: of so many, in this order. */
static void peer_brings(Test *t, const unsigned *order, unsigned n) {
        uint8_t packets[8][PACKET_MAX], content;
        struct iovec part = { .iov_base = &content, .iov_len = 1 };
        size_t sizes[8], room = PACKET_MAX - irm_thread_overhead(true);

        for (unsigned i = 0; i < ELEMENTSOF(packets); i++) {
                content = (uint8_t) ('a' + i);
                assert_int_equal(frct_write(t->peer, &part, 1, time_now_nsec()), 1);
                do
                        sizes[i] = frct_transmit(t->peer, packets[i], room, time_now_nsec());
                while (sizes[i] > 0 && !(packets[i][0] & FRCT_DATA));           /* a probe of the path */
                assert_true(sizes[i] > 0);
                sizes[i] = peer_wrap(t, packets[i], sizes[i], false);
        }
        for (unsigned i = 0; i < n; i++)
                layer_deliver(t, packets[order[i]], sizes[order[i]]);
        (void) channel_publish(t->channel);
}

/* What the flow is for decides how long packets wait for others; when the flow ends they do not. */
static void test_overtaken(void **state) {
        static const struct {
                const char *name;
                unsigned order[8], n;
                bool ends;
                const char *read;
        } rows[] = {
                { "in order",      { 0, 1, 2, 3, 4, 5, 6, 7 }, 8, false, "abcdefgh" },
                { "another order", { 0, 3, 2, 1, 7, 4, 6, 5 }, 8, false, "abcdefgh" },
                { "one is lost",   { 0, 1, 3, 4 }, 4, false, "abde" },
                { "the end",       { 0, 1, 3, 5, 4 }, 5, true, "abdef" },
        };

        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                const o7s_qos voice = O7S_QOS_VOICE;
                _cleanup_test_ Test t;
                char got[16] = "";

                print_message("%s\n", rows[k].name);
                test_open(&t, EXTENDED, &voice);
                assert_int_equal(o7s_flow_set_timeout(t.flow, O7S_TIMEOUT_READ, TIMEOUT_USEC), 0);
                peer_brings(&t, rows[k].order, rows[k].n);
                if (rows[k].ends)
                        channel_close(t.channel, CLOSE_NORMAL);
                for (size_t i = 0; i < strlen(rows[k].read); i++) {
                        assert_int_equal(o7s_flow_read(t.flow, got + i, 2), 1);
                        got[i + 1] = '\0';
                }
                assert_string_equal(got, rows[k].read);
        }
}

/* What is sent at a pace is sent all the same, when the flow is closed. */
static void test_paced_to_the_end(void **state) {
        const o7s_qos voice = O7S_QOS_VOICE;
        uint8_t message[100] = {};
        unsigned n_read = 0;
        _cleanup_test_ Test t;
        bool more;

        test_open(&t, EXTENDED, &voice);
        for (unsigned i = 0; i < 30; i++)
                assert_int_equal(o7s_flow_write(t.flow, message, sizeof(message)), sizeof(message));
        t.flow = o7s_flow_unref(t.flow);

        peer_hear(&t);
        while (frct_read(t.peer, message, sizeof(message), &more, time_now_nsec()) == sizeof(message))
                n_read++;
        assert_int_equal(n_read, 30);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_faults),
                cmocka_unit_test(test_bare_packets),
                cmocka_unit_test(test_reattach),
                cmocka_unit_test(test_cut_off),
                cmocka_unit_test(test_orderly),
                cmocka_unit_test(test_made_up),
                cmocka_unit_test(test_overtaken),
                cmocka_unit_test(test_paced_to_the_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
