/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The provider's end: bursts both ways, what is dropped and why, rings that are only noise. */

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "libo7s/endpoint.h"
#include "libo7s/lane-internal.h"
#include "tests/support/channel-pair.h"

#define N_PACKETS 64U
#define CONTENT_BYTES 1500U

typedef struct Fixture {
        Endpoint *endpoint;
        Channel *app;
        Packet *packets[N_PACKETS];
} Fixture;

static int setup(void **state) {
        Lane *own, *peer;
        int doorbell;
        RawPeer raw;
        Fixture *f;

        f = calloc(1, sizeof(*f));
        assert_non_null(f);
        for (unsigned i = 0; i < N_PACKETS; i++)
                assert_int_equal(packet_new(CONTENT_BYTES, f->packets + i), 0);

        assert_int_equal(raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell), 0);
        assert_int_equal(endpoint_new(LANE_THIN, own, peer, doorbell, &f->endpoint), 0);
        assert_int_equal(channel_new(LANE_THIN, raw.own, raw.other, raw.doorbell, &f->app), 0);

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < N_PACKETS; i++)
                packet_free(f->packets[i]);
        endpoint_free(f->endpoint);
        channel_free(f->app);
        free(f);
        return 0;
}

static void fill(Packet *p, size_t size, uint8_t byte) {
        packet_reset(p);
        memset(packet_append(p, size), byte, size);
}

static int app_write(Fixture *f, size_t size, uint8_t byte) {
        static uint8_t data[65536];

        memset(data, byte, size);
        return channel_push(f->app, &(struct iovec) { .iov_base = data, .iov_len = size }, 1);
}

static void test_deliver(void **state) {
        Fixture *f = *state;
        uint8_t out[CONTENT_BYTES];
        CloseReason reason;

        assert_int_equal(channel_arm_read(f->app), 1);
        for (uint8_t i = 0; i < 8; i++)
                fill(f->packets[i], 100U + i, i);
        assert_int_equal(endpoint_deliver(f->endpoint, f->packets, 8, false), 0);

        /* one ring for the burst */
        assert_int_equal(recv(channel_fd(f->app), out, sizeof(out), MSG_DONTWAIT), 1);
        assert_int_equal(channel_drain(f->app, &reason), 0);

        for (uint8_t i = 0; i < 8; i++) {
                assert_int_equal(packet_size(f->packets[i]), 100 + i);          /* still the caller's */
                assert_int_equal(channel_read(f->app, out, sizeof(out), NULL), 100 + i);
                assert_memory_equal(out, f->packets[i]->head, 100 + i);
        }
        assert_int_equal(endpoint_counters(f->endpoint)->rx_packets, 8);
        assert_int_equal(endpoint_counters(f->endpoint)->rx_bytes, 828);
}

/* A mark is of its burst alone. */
static void test_marks(void **state) {
        Fixture *f = *state;
        static const bool bursts[] = { false, true, true, false };
        uint8_t out[CONTENT_BYTES];

        for (size_t i = 0; i < ELEMENTSOF(bursts); i++) {
                fill(f->packets[2 * i], 10, (uint8_t) i);
                fill(f->packets[2 * i + 1], CONTENT_BYTES, (uint8_t) i);
                assert_int_equal(endpoint_deliver(f->endpoint, f->packets + 2 * i, 2, bursts[i]), 0);
        }

        for (size_t i = 0; i < 2 * ELEMENTSOF(bursts); i++) {
                assert_int_equal(channel_read(f->app, out, sizeof(out), NULL), i % 2 == 0 ? 10 : (int) CONTENT_BYTES);
                assert_int_equal(channel_flags(f->app), bursts[i / 2] ? CHANNEL_MARKED : 0);
        }
}

/* Marks are a layer's to give, and a layer puts no messages together. */
static void test_flags_of_an_application(void **state) {
        static const ChannelFlags flags[] = { CHANNEL_MARKED, CHANNEL_PART, CHANNEL_REST };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                void *fresh;
                Fixture *f;

                assert_int_equal(setup(&fresh), 0);
                f = fresh;
                assert_int_equal(app_write(f, 5, 1), 0);
                assert_int_equal(channel_push_flagged(f->app,
                                                      &(struct iovec) { .iov_base = (char[]) { 'x' }, .iov_len = 1 }, 1,
                                                      flags[i]), 0);
                assert_int_equal(channel_publish(f->app), 0);
                assert_int_equal(endpoint_take(f->endpoint, f->packets, N_PACKETS), 1);
                assert_int_equal(endpoint_take(f->endpoint, f->packets, N_PACKETS), -EBADMSG);
                assert_int_equal(endpoint_counters(f->endpoint)->drops[DROP_HOSTILE], 1);
                (void) teardown(&fresh);
        }
}

static void test_slow_application(void **state) {
        Fixture *f = *state;
        const unsigned n_slots = lane_class_slots(LANE_THIN);
        Counters *counters = endpoint_counters(f->endpoint);
        uint8_t out[CONTENT_BYTES];

        for (unsigned i = 0; i < N_PACKETS; i++)
                fill(f->packets[i], 64, (uint8_t) i);

        assert_int_equal(endpoint_deliver(f->endpoint, f->packets, N_PACKETS, false), N_PACKETS - n_slots);
        assert_int_equal(endpoint_deliver(f->endpoint, f->packets, 3, false), 3);
        assert_int_equal(counters->drops[DROP_QUEUE_FULL], N_PACKETS - n_slots + 3);
        assert_int_equal(counters->rx_packets, n_slots);

        /* What was there first is what it finds. */
        for (unsigned i = 0; i < n_slots; i++) {
                assert_int_equal(channel_read(f->app, out, sizeof(out), NULL), 64);
                assert_int_equal(out[0], i);
        }
        assert_int_equal(channel_release(f->app), 0);
        assert_int_equal(endpoint_deliver(f->endpoint, f->packets, 3, false), 0);
}

static void test_undeliverable(void **state) {
        Fixture *f = *state;
        Counters *counters = endpoint_counters(f->endpoint);
        _cleanup_(packet_freep) Packet *large = NULL;
        Packet *burst[3];
        uint8_t out[CONTENT_BYTES];

        assert_int_equal(packet_new(channel_message_max(f->app) + 1, &large), 0);
        fill(large, channel_message_max(f->app) + 1, 1);
        fill(f->packets[0], 0, 0);
        fill(f->packets[1], 5, 7);
        burst[0] = large;
        burst[1] = f->packets[0];
        burst[2] = f->packets[1];

        assert_int_equal(endpoint_deliver(f->endpoint, burst, 3, false), 2);
        assert_int_equal(counters->drops[DROP_TOO_LARGE], 1);
        assert_int_equal(counters->drops[DROP_MALFORMED], 1);
        assert_int_equal(counters->rx_packets, 1);
        assert_int_equal(channel_read(f->app, out, sizeof(out), NULL), 5);
}

static void test_take(void **state) {
        Fixture *f = *state;
        Counters *counters = endpoint_counters(f->endpoint);

        assert_int_equal(endpoint_take(f->endpoint, f->packets, N_PACKETS), 0);
        assert_int_equal(endpoint_arm(f->endpoint), 1);

        for (uint8_t i = 0; i < 10; i++)
                assert_int_equal(app_write(f, 200U + i, i), 0);
        assert_false(endpoint_readable(f->endpoint));
        assert_int_equal(channel_publish(f->app), 1);
        assert_true(endpoint_readable(f->endpoint));
        assert_int_equal(poll(&(struct pollfd) { .fd = endpoint_fd(f->endpoint), .events = POLLIN }, 1, 0), 1);

        /* Whatever a packet held before is gone. */
        fill(f->packets[0], 700, 0xee);
        assert_non_null(packet_push(f->packets[0], 30));

        assert_int_equal(endpoint_drain(f->endpoint, 1, NULL), 0);
        assert_int_equal(endpoint_take(f->endpoint, f->packets, 4), 4);         /* a budget */
        assert_int_equal(channel_queued(f->app), 6);                            /* given back at its end */
        assert_int_equal(endpoint_arm(f->endpoint), 0);
        assert_int_equal(endpoint_take(f->endpoint, f->packets + 4, N_PACKETS - 4), 6);
        assert_int_equal(endpoint_arm(f->endpoint), 1);

        for (uint8_t i = 0; i < 10; i++) {
                Packet *p = f->packets[i];

                assert_int_equal(packet_size(p), 200 + i);
                assert_int_equal(p->head[0], i);
                assert_int_equal(p->head[199 + i], i);
                assert_int_equal(p->head - p->buffer, PACKET_HEAD_ROOM);
        }
        assert_int_equal(counters->tx_packets, 10);
        assert_int_equal(counters->tx_bytes, 2045);
}

/* Larger than the packets of this layer: dropped, and the tail-room stays for trailers. */
static void test_take_too_large(void **state) {
        Fixture *f = *state;
        Counters *counters = endpoint_counters(f->endpoint);

        assert_int_equal(app_write(f, CONTENT_BYTES + 1, 1), 0);
        assert_int_equal(app_write(f, CONTENT_BYTES, 2), 0);
        assert_int_equal(app_write(f, 5000, 3), 0);
        assert_int_equal(app_write(f, 3, 4), 0);
        assert_int_equal(channel_publish(f->app), 0);

        assert_int_equal(endpoint_take(f->endpoint, f->packets, N_PACKETS), 2);
        assert_int_equal(packet_size(f->packets[0]), CONTENT_BYTES);
        assert_int_equal(f->packets[0]->head[0], 2);
        assert_int_equal(packet_room(f->packets[0]), PACKET_TAIL_ROOM);
        assert_int_equal(f->packets[1]->head[0], 4);
        assert_int_equal(counters->drops[DROP_TOO_LARGE], 2);
        assert_int_equal(counters->tx_packets, 2);

        /* Nothing but such messages is no reason to stay longer than the budget says. */
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(app_write(f, 2000, 1), 0);
        assert_int_equal(channel_publish(f->app), 0);
        assert_int_equal(endpoint_take(f->endpoint, f->packets, 3), 0);
        assert_int_equal(endpoint_arm(f->endpoint), 0);
        assert_int_equal(endpoint_take(f->endpoint, f->packets, 3), 0);
        assert_int_equal(endpoint_arm(f->endpoint), 1);
}

static void test_rings_for_nothing(void **state) {
        Fixture *f = *state;
        const unsigned n_rings = 16;
        usec_t now = 1;
        int r = 0;

        /* As many as the limit allows, second after second. */
        for (unsigned second = 0; second < 3; second++, now += USEC_PER_SEC)
                for (unsigned i = 0; i < ENDPOINT_SPURIOUS_RINGS_MAX / n_rings; i++) {
                        for (unsigned j = 0; j < n_rings; j++)
                                assert_int_equal(doorbell_ring(channel_fd(f->app)), 0);
                        assert_int_equal(endpoint_drain(f->endpoint, now, NULL), 0);
                }

        /* More of them, but each with a message: an application that writes one at a time. */
        for (unsigned i = 0; i < 2 * ENDPOINT_SPURIOUS_RINGS_MAX; i++) {
                assert_int_equal(app_write(f, 1, 1), 0);
                assert_int_equal(channel_publish(f->app), 0);
                assert_int_equal(doorbell_ring(channel_fd(f->app)), 0);
                assert_int_equal(endpoint_drain(f->endpoint, now, NULL), 0);
                assert_int_equal(endpoint_take(f->endpoint, f->packets, 1), 1);
        }

        /* And a flood. */
        for (unsigned i = 0; i <= ENDPOINT_SPURIOUS_RINGS_MAX / n_rings && r == 0; i++) {
                for (unsigned j = 0; j < n_rings; j++)
                        assert_int_equal(doorbell_ring(channel_fd(f->app)), 0);
                r = endpoint_drain(f->endpoint, now, NULL);
        }
        assert_int_equal(r, -EBADMSG);
        assert_int_equal(endpoint_counters(f->endpoint)->drops[DROP_HOSTILE], 1);
        assert_int_equal(endpoint_take(f->endpoint, f->packets, 1), -EBADMSG);
        assert_int_equal(endpoint_arm(f->endpoint), -EBADMSG);
        assert_int_equal(endpoint_counters(f->endpoint)->drops[DROP_HOSTILE], 1);
}

static void test_descriptor_in_a_ring(void **state) {
        Fixture *f = *state;

        assert_int_equal(send_with_fds(channel_fd(f->app), "\x01", 1, &(int) { 0 }, 1), 0);
        assert_int_equal(endpoint_drain(f->endpoint, 1, NULL), -EBADMSG);
        assert_int_equal(endpoint_counters(f->endpoint)->drops[DROP_HOSTILE], 1);
        assert_int_equal(endpoint_deliver(f->endpoint, f->packets, 0, false), -EBADMSG);
}

static unsigned path_of(Fixture *f, PathState *path) {
        unsigned rings;

        assert_int_equal(doorbell_drain_path(channel_fd(f->app), &rings, path, NULL), 0);
        return rings;
}

/* What it was told last is not told again. */
static void test_path(void **state) {
        Fixture *f = *state;
        PathState path = {};

        assert_int_equal(endpoint_tell_path(f->endpoint, &(PathState) {}), 0);
        assert_int_equal(path_of(f, &path), 0);

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(endpoint_tell_path(f->endpoint, &(PathState) { true, 1500 }), 0);
                assert_int_equal(path_of(f, &path), i == 0 ? 1 : 0);
                assert_true(path.down);
                assert_int_equal(path.packet_max, 1500);
        }
        assert_int_equal(endpoint_tell_path(f->endpoint, &(PathState) { true, 1000 }), 0);
        assert_int_equal(endpoint_tell_path(f->endpoint, &(PathState) { false, 1000 }), 0);
        assert_int_equal(path_of(f, &path), 2);
        assert_false(path.down);
        assert_int_equal(path.packet_max, 1000);
}

/* Its doorbell is full: what was not told is still to be. */
static void test_path_full(void **state) {
        Fixture *f = *state;
        PathState path = { .packet_max = 1 };
        int r;

        do {
                path.packet_max++;
                r = endpoint_tell_path(f->endpoint, &path);
        } while (r == 0 && path.packet_max < DOORBELL_PACKET_MAX);
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(endpoint_tell_path(f->endpoint, &path), -EAGAIN);

        (void) path_of(f, &(PathState) {});
        assert_int_equal(endpoint_tell_path(f->endpoint, &path), 0);
        assert_int_equal(endpoint_tell_path(f->endpoint, &path), 0);
}

/* A program with an older library, which would end the flow over a record that it does not know. */
static void test_path_unknown(void **state) {
        Endpoint *endpoint;
        uint8_t record[8];
        RawPeer raw;
        Lane *own, *peer;
        int doorbell;

        assert_int_equal(raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell), 0);
        raw.own->memory->known = 0;
        assert_int_equal(endpoint_new(LANE_THIN, own, peer, doorbell, &endpoint), 0);
        raw.own->memory->known = UINT32_MAX;            /* too late: it was asked */
        assert_int_equal(endpoint_tell_path(endpoint, &(PathState) { true, 1500 }), 0);
        assert_int_equal(recv(raw.doorbell, record, sizeof(record), MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);

        endpoint_free(endpoint);
        raw_peer_done(&raw);
}

/* An application knows nothing of paths that a layer could want to hear. */
static void test_path_of_an_application(void **state) {
        Fixture *f = *state;
        CloseReason reason;

        assert_int_equal(doorbell_tell_path(channel_fd(f->app), &(PathState) { true, 1500 }), 0);
        assert_int_equal(endpoint_drain(f->endpoint, 1, &reason), -EBADMSG);
        assert_int_equal(endpoint_counters(f->endpoint)->drops[DROP_HOSTILE], 1);
}

static void test_ends(void **state) {
        Fixture *f = *state;
        CloseReason reason = _CLOSE_REASON_INVALID;

        /* The application closes: what it wrote before is still there. */
        assert_int_equal(app_write(f, 7, 7), 0);
        assert_int_equal(channel_publish(f->app), 0);
        channel_close(f->app, CLOSE_NORMAL);
        assert_int_equal(endpoint_drain(f->endpoint, 1, &reason), 1);
        assert_int_equal(reason, CLOSE_NORMAL);
        assert_int_equal(endpoint_take(f->endpoint, f->packets, N_PACKETS), 1);

        /* We close: it learns why. */
        endpoint_close(f->endpoint, CLOSE_LAYER_DOWN);
        assert_int_equal(channel_drain(f->app, &reason), 1);
        assert_int_equal(reason, CLOSE_LAYER_DOWN);

        /* It is gone: found when there would be somebody to ring, at the latest when the doorbell is looked at. */
        assert_int_equal(channel_arm_read(f->app), 1);
        f->app = channel_free(f->app);
        fill(f->packets[0], 5, 5);
        assert_int_equal(endpoint_deliver(f->endpoint, f->packets, 1, false), -EPIPE);
        assert_int_equal(endpoint_drain(f->endpoint, 1, &reason), -EPIPE);
}

#define ENDPOINT_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                ENDPOINT_TEST(test_deliver),
                ENDPOINT_TEST(test_marks),
                cmocka_unit_test(test_flags_of_an_application),
                ENDPOINT_TEST(test_slow_application),
                ENDPOINT_TEST(test_undeliverable),
                ENDPOINT_TEST(test_take),
                ENDPOINT_TEST(test_take_too_large),
                ENDPOINT_TEST(test_rings_for_nothing),
                ENDPOINT_TEST(test_descriptor_in_a_ring),
                ENDPOINT_TEST(test_path),
                ENDPOINT_TEST(test_path_full),
                cmocka_unit_test(test_path_unknown),
                ENDPOINT_TEST(test_path_of_an_application),
                ENDPOINT_TEST(test_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
