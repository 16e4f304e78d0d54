/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Protected flows without FRCT, through a layer that the test plays, with a seal of the peer's own: what is forged, repeated or sent
 * back by that layer; keys that change while nobody calls; a peer that takes no part in that. Seals have small limits here
 * (seal_new() is wrapped by the linker), so that what takes minutes takes packets.
 */

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "libo7s/o7s.h"
#include "libo7s/seal.h"
#include "tests/support/irm-thread.h"

#define PACKET_MAX 1400U
#define TIMEOUT_USEC (10 * UINT64_C(1000000))
#define PATIENCE_NSEC (20 * NSEC_PER_SEC)

/* What every seal of this process has. Only the main thread sets it, while there are no flows. */
static SealLimits seal_limits;

int __real_seal_new(const SealKeys *keys, const SealLimits *limits, const uint8_t seed[SEAL_SEED_BYTES], nsec_t now, Seal **ret);
int __wrap_seal_new(const SealKeys *keys, const SealLimits *limits, const uint8_t seed[SEAL_SEED_BYTES], nsec_t now, Seal **ret);

int __wrap_seal_new(const SealKeys *keys, const SealLimits *limits, const uint8_t seed[SEAL_SEED_BYTES], nsec_t now, Seal **ret) {
        assert(!limits);
        return __real_seal_new(keys, &seal_limits, seed, now, ret);
}

typedef struct Test {
        IrmThread *irm;
        IrmLayer *layer;
        Channel *channel;               /* the layer's end */
        o7s_flow *flow;
        Seal *seal;                     /* the peer's */
        unsigned lost;                  /* of the flow's data packets, each so many-th; 0: none */
        unsigned n_packets;
} Test;

/* client: whether it is the flow that asked. */
static void test_open_as(Test *t, const char *suite, bool client, const SealLimits *limits) {
        const uint8_t seed[SEAL_SEED_BYTES] = { 4, 7, 11 };
        const IrmFlowInfo info = { .qos = O7S_QOS_RAW, .mtu = PACKET_MAX, .protection = "aes-128-gcm", .verified = true };
        const o7s_qos qos = O7S_QOS_RAW;
        SealKeys keys;

        *t = (Test) {};
        seal_limits = limits ? *limits : (SealLimits) {};
        assert_int_equal(irm_thread_start(&t->irm), 0);
        assert_int_equal(irm_layer_new(&t->layer), 0);
        irm_thread_set_layer(t->irm, t->layer);
        irm_layer_set_info(t->layer, &info);

        irm_thread_keys(suite, client, 1, &keys);
        irm_layer_set_keys(t->layer, &keys);
        irm_thread_keys(suite, !client, 1, &keys);
        assert_int_equal(seal_new(&keys, NULL, seed, time_now_nsec(), &t->seal), 0);

        assert_int_equal(o7s_flow_alloc("layered", &qos, 0, TIMEOUT_USEC, &t->flow), 0);
        t->channel = irm_layer_take_channel(t->layer);
        assert_non_null(t->channel);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_READ, 0), 0);
        assert_int_equal(o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_WRITE, 0), 0);
}

static void test_open(Test *t, const char *suite) {
        print_message("%s\n", suite);
        test_open_as(t, suite, true, NULL);
}

static void test_close(Test *t) {
        if (t->channel)
                channel_close(t->channel, CLOSE_NORMAL);
        t->flow = o7s_flow_unref(t->flow);
        t->channel = channel_free(t->channel);
        t->seal = seal_free(t->seal);
        t->irm = irm_thread_free(t->irm);
        t->layer = irm_layer_free(t->layer);
}

#define _cleanup_test_ _cleanup_(test_close)

static const char *const suites[] = { "reference", "o7s", "o7s-mac" };

/* -- the layer, and the peer behind it -- */

static void deliver(Test *t, const void *packet, size_t size) {
        struct iovec part = { .iov_base = (void *) packet, .iov_len = size };

        assert_int_equal(channel_push(t->channel, &part, 1), 0);
        assert_true(channel_publish(t->channel) >= 0);
}

static size_t peer_make(Test *t, const char *text, uint8_t packet[PACKET_MAX]) {
        ssize_t n;

        n = seal_protect(t->seal, time_now_nsec(), text, strlen(text), packet, PACKET_MAX);
        assert_int_equal(n, strlen(text) + seal_overhead(t->seal));
        return (size_t) n;
}

static void peer_say(Test *t, const char *text) {
        uint8_t packet[PACKET_MAX];

        deliver(t, packet, peer_make(t, text, packet));
}

/* What the seal of the peer has to say by itself. */
static void peer_control(Test *t) {
        const uint8_t random[SEAL_SECRET_BYTES] = { 1, 2, 3 };
        uint8_t packet[PACKET_MAX];
        ssize_t n;

        while ((n = seal_transmit(t->seal, time_now_nsec(), random, packet, sizeof(packet))) > 0)
                deliver(t, packet, (size_t) n);
}

/* The next packet of the flow, as it is. Returns: bytes; 0: none. */
static size_t layer_take(Test *t, uint8_t packet[PACKET_MAX]) {
        ssize_t n;

        n = channel_read(t->channel, packet, PACKET_MAX, NULL);
        (void) channel_release(t->channel);
        assert_true(n > 0 || n == -EAGAIN);
        return n > 0 ? (size_t) n : 0;
}

/* The next message that the peer understands, as a string. Returns: bytes; 0: none. */
static size_t peer_hear(Test *t, char text[PACKET_MAX]) {
        uint8_t packet[PACKET_MAX];
        size_t size;

        while ((size = layer_take(t, packet)) > 0) {
                ssize_t n;

                if (t->lost > 0 && !(packet[0] & 0x80) && ++t->n_packets % t->lost == 0)
                        continue;

                n = seal_open(t->seal, time_now_nsec(), packet, size, text, PACKET_MAX - 1);
                assert_true(n >= 0);
                if (n > 0) {
                        text[n] = '\0';
                        return (size_t) n;
                }
        }

        return 0;
}

static void assert_reads(Test *t, const char *expected) {
        char got[PACKET_MAX] = "";

        assert_int_equal(o7s_flow_read(t->flow, got, sizeof(got)), strlen(expected));
        assert_string_equal(got, expected);
}

static void assert_reads_nothing(Test *t) {
        char got[PACKET_MAX];

        assert_int_equal(o7s_flow_read(t->flow, got, sizeof(got)), -EAGAIN);
}

static struct o7s_flow_stats stats(Test *t) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };

        assert_int_equal(o7s_flow_stats(t->flow, &stats), 0);
        return stats;
}

/* -- what arrives -- */

static void test_there_and_back(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                struct o7s_flow_info info = { .size = sizeof(info) };
                uint8_t big[PACKET_MAX] = { 1 };
                char text[PACKET_MAX];
                _cleanup_test_ Test t;

                test_open(&t, suites[i]);
                assert_int_equal(o7s_flow_info(t.flow, &info), 0);
                assert_int_equal(info.mtu, PACKET_MAX - seal_overhead(t.seal));
                assert_string_equal(info.protection, "aes-128-gcm");
                assert_int_equal(info.peer_verified, 1);

                peer_say(&t, "from there");
                assert_reads(&t, "from there");
                assert_int_equal(o7s_flow_write(t.flow, "from here", 9), 9);
                assert_int_equal(peer_hear(&t, text), 9);
                assert_string_equal(text, "from here");

                assert_int_equal(o7s_flow_write(t.flow, big, info.mtu), info.mtu);
                assert_int_equal(o7s_flow_write(t.flow, big, info.mtu + 1), -EMSGSIZE);
                assert_int_equal(peer_hear(&t, text), info.mtu);
        }
}

/* Each bit of a packet, shorter and longer ones: nothing is read, each is counted, and the flow goes on. */
static void test_forged(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                uint8_t packet[PACKET_MAX], copy[PACKET_MAX];
                uint64_t n_forged = 0;
                _cleanup_test_ Test t;
                size_t size;

                test_open(&t, suites[i]);
                size = peer_make(&t, "genuine", packet);
                for (size_t bit = 0; bit < 8 * size; bit++, n_forged++) {
                        memcpy(copy, packet, size);
                        copy[bit / 8] ^= (uint8_t) (1 << bit % 8);
                        deliver(&t, copy, size);
                        assert_reads_nothing(&t);
                }
                for (size_t shorter = 1; shorter < size; shorter++, n_forged++) {
                        deliver(&t, packet, shorter);
                        assert_reads_nothing(&t);
                }
                memset(copy, 0, sizeof(copy));
                memcpy(copy, packet, size);
                for (size_t longer = size + 1; longer < size + 20; longer++, n_forged++) {
                        deliver(&t, copy, longer);
                        assert_reads_nothing(&t);
                }

                assert_int_equal(stats(&t).drops[O7S_DROP_FORGED] + stats(&t).drops[O7S_DROP_REPLAYED], n_forged);
                deliver(&t, packet, size);
                assert_reads(&t, "genuine");
                assert_int_equal(stats(&t).rx_messages, 1);
                assert_int_equal(o7s_flow_events(t.flow), 0);
        }
}

static void test_replayed_and_reflected(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                uint8_t packets[100][PACKET_MAX], own[PACKET_MAX];
                size_t sizes[100], own_size;
                _cleanup_test_ Test t;

                test_open(&t, suites[i]);
                for (unsigned k = 0; k < 100; k++)
                        sizes[k] = peer_make(&t, "once", packets[k]);
                for (unsigned k = 100; k > 0; k--) {            /* in any order */
                        deliver(&t, packets[k - 1], sizes[k - 1]);
                        assert_reads(&t, "once");
                }
                for (unsigned k = 0; k < 100; k++) {
                        deliver(&t, packets[k], sizes[k]);
                        assert_reads_nothing(&t);
                }
                assert_int_equal(stats(&t).drops[O7S_DROP_REPLAYED], 100);

                for (unsigned k = 0; k < 100; k++) {
                        assert_int_equal(o7s_flow_write(t.flow, "mine", 4), 4);
                        own_size = layer_take(&t, own);
                        assert_true(own_size > 0);
                        deliver(&t, own, own_size);
                        assert_reads_nothing(&t);
                }
                assert_int_equal(stats(&t).drops[O7S_DROP_REPLAYED] + stats(&t).drops[O7S_DROP_FORGED], 200);

                peer_say(&t, "goes on");
                assert_reads(&t, "goes on");
        }
}

/* Also in batches and in place: what is between forged ones comes out whole, in order. */
static void test_batches_and_in_place(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                char bytes[8][16], text[PACKET_MAX];
                o7s_msg in[8], out[3];
                const void *seen;
                _cleanup_test_ Test t;
                size_t size;
                void *room;

                test_open(&t, suites[i]);
                for (unsigned k = 0; k < 8; k++)
                        in[k] = (o7s_msg) { .data = bytes[k], .capacity = sizeof(bytes[k]) };

                peer_say(&t, "one");
                deliver(&t, "not of the peer, and long enough to be one", 42);
                peer_say(&t, "a message of 20 byte");
                deliver(&t, "no", 2);
                peer_say(&t, "three");
                assert_int_equal(o7s_flow_read_batch(t.flow, in, 8), 4);
                assert_int_equal(in[0].size, 3);
                assert_int_equal(in[1].flags, O7S_MSG_MORE);
                assert_int_equal(in[2].size, 4);
                assert_memory_equal(bytes[2], "byte", 4);
                assert_memory_equal(bytes[3], "three", 5);

                peer_say(&t, "peeked");
                assert_int_equal(o7s_flow_peek(t.flow, &seen, &size), 0);
                assert_int_equal(size, 6);
                assert_memory_equal(seen, "peeked", 6);
                assert_int_equal(o7s_flow_release(t.flow), 0);

                assert_int_equal(o7s_flow_reserve(t.flow, 100, &room), 0);
                memcpy(room, "placed", 6);
                assert_int_equal(o7s_flow_commit(t.flow, 6), 6);
                assert_int_equal(peer_hear(&t, text), 6);
                assert_string_equal(text, "placed");

                for (unsigned k = 0; k < 3; k++)
                        out[k] = (o7s_msg) { .data = bytes[k], .size = k + 1 };
                assert_int_equal(o7s_flow_write_batch(t.flow, out, 3), 3);
                for (unsigned k = 0; k < 3; k++)
                        assert_int_equal(peer_hear(&t, text), k + 1);
        }
}

/* The layer's process is killed; the next one is told no keys, nor are we. */
static void test_reattach(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                char text[PACKET_MAX];
                _cleanup_test_ Test t;

                test_open(&t, suites[i]);
                for (unsigned life = 0; life < 3; life++) {
                        peer_say(&t, "before");
                        assert_reads(&t, "before");
                        t.channel = channel_free(t.channel);

                        assert_int_equal(o7s_flow_write(t.flow, "on its way", 10), 10);
                        while (!(o7s_flow_events(t.flow) & O7S_CHANGED))
                                (void) poll(NULL, 0, 1);
                        t.channel = irm_layer_take_channel(t.layer);
                        assert_non_null(t.channel);
                        assert_int_equal(peer_hear(&t, text), 10);
                        peer_say(&t, "after");
                        assert_reads(&t, "after");
                }
                assert_int_equal(stats(&t).drops[O7S_DROP_FORGED], 0);
        }
}

/* -- keys that change -- */

static const SealLimits small = { .epoch_packets = 16, .generation_packets = 64 };

/* Both ends write, and the layer loses every seventh message. */
static void test_many_keys(void **state) {
        for (unsigned client = 0; client < 2; client++) {
                char text[PACKET_MAX];
                unsigned n_heard = 0, n_read = 0;
                _cleanup_test_ Test t;

                print_message("we %s\n", client ? "asked" : "were asked");
                test_open_as(&t, "o7s", client, &small);
                t.lost = 7;
                for (unsigned i = 1; i <= 2000; i++) {
                        uint8_t packet[PACKET_MAX];
                        size_t size;

                        assert_int_equal(o7s_flow_write(t.flow, "out", 3), 3);
                        while (peer_hear(&t, text) > 0)
                                n_heard++;

                        peer_control(&t);
                        size = peer_make(&t, "in", packet);
                        if (i % 7 != 3)
                                deliver(&t, packet, size);
                        while (o7s_flow_read(t.flow, text, sizeof(text)) == 2)
                                n_read++;
                }

                assert_int_equal(n_heard, 2000 - 2000 / 7);
                assert_int_equal(n_read, 2000 - (2000 + 4) / 7);
                assert_true(stats(&t).key_epochs > 50);
                assert_true(stats(&t).key_agreements > 5);
                assert_int_equal(stats(&t).drops[O7S_DROP_FORGED], 0);
                assert_int_equal(seal_counters(t.seal)->n_forged, 0);
        }
}

/* The peer wants new keys while no thread of ours is in a call: the engine answers. */
static void test_answered_by_the_engine(void **state) {
        nsec_t until = time_now_nsec() + PATIENCE_NSEC;
        char text[PACKET_MAX];
        _cleanup_test_ Test t;

        test_open_as(&t, "o7s", false, &small);
        for (unsigned i = 0; i < 70; i++) {
                peer_say(&t, "in");
                assert_reads(&t, "in");
        }
        while (seal_counters(t.seal)->n_generations == 0) {
                assert_true(time_now_nsec() < until);
                peer_control(&t);
                assert_int_equal(peer_hear(&t, text), 0);
                (void) poll(NULL, 0, 1);
        }

        peer_say(&t, "in the new one");
        assert_reads(&t, "in the new one");
        assert_int_equal(stats(&t).key_agreements, 1);
}

/* Where an event loop watches, it is the one that wakes up. */
static void test_answered_by_the_event_loop(void **state) {
        nsec_t until = time_now_nsec() + PATIENCE_NSEC;
        char text[PACKET_MAX];
        _cleanup_test_ Test t;
        struct pollfd p;

        test_open_as(&t, "o7s", false, &small);
        p = (struct pollfd) { .fd = o7s_flow_fd(t.flow), .events = POLLIN };
        for (unsigned i = 0; i < 70; i++) {
                peer_say(&t, "in");
                assert_int_equal(poll(&p, 1, 10000), 1);
                assert_int_equal(o7s_flow_events(t.flow), O7S_READABLE);
                assert_reads(&t, "in");
        }
        while (seal_counters(t.seal)->n_generations == 0) {
                assert_true(time_now_nsec() < until);
                peer_control(&t);
                if (poll(&p, 1, 1) > 0)
                        assert_int_equal(o7s_flow_events(t.flow), 0);
                assert_int_equal(peer_hear(&t, text), 0);
        }
        assert_int_equal(poll(&p, 1, 0), 0);

        peer_say(&t, "in the new one");                 /* with that we go on with it, too */
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_reads(&t, "in the new one");
        assert_int_equal(stats(&t).key_agreements, 1);
}

/* We only write: what the peer says about keys lies behind messages that nobody reads. The oldest one is still there in the end. */
static void test_never_read(void **state) {
        for (unsigned client = 0; client < 2; client++) {
                uint64_t n_generations = 0;
                char text[PACKET_MAX];
                _cleanup_test_ Test t;

                print_message("we %s\n", client ? "asked" : "were asked");
                test_open_as(&t, "o7s", client, &small);
                peer_say(&t, "first");
                peer_say(&t, "second");
                for (unsigned i = 0; i < 1000; i++) {
                        assert_int_equal(o7s_flow_write(t.flow, "out", 3), 3);
                        while (peer_hear(&t, text) > 0)
                                ;
                        peer_control(&t);
                        if (seal_counters(t.seal)->n_generations != n_generations)
                                peer_say(&t, "in the new one");         /* sooner than it would confirm it */
                        n_generations = seal_counters(t.seal)->n_generations;
                }

                assert_true(stats(&t).key_agreements > 2);
                assert_int_equal(stats(&t).drops[O7S_DROP_FORGED], 0);
                assert_true(stats(&t).drops[O7S_DROP_QUEUE_FULL] > 0);
                assert_reads(&t, "first");
        }
}

/* A peer that never answers: the flow ends before its keys are used for too long, and says why. */
static void test_no_part_in_it(void **state) {
        o7s_error error = { .size = sizeof(error) };
        uint8_t packet[PACKET_MAX];
        _cleanup_test_ Test t;
        unsigned n;
        ssize_t r;

        test_open_as(&t, "o7s", true, &(SealLimits) { .epoch_packets = 16, .generation_packets = 64, .generation_nsec = NSEC_PER_MSEC });
        for (n = 0; (r = o7s_flow_write(t.flow, "out", 3)) == 3 && n < 10000000; n++)
                while (layer_take(&t, packet) > 0)
                        ;
        assert_int_equal(r, -EPIPE);
        assert_int_equal(o7s_last_error(&error), 0);
        assert_non_null(strstr(error.text, "keys"));
        assert_int_equal(o7s_flow_write(t.flow, "out", 3), -EPIPE);
        assert_int_equal(o7s_flow_read(t.flow, packet, sizeof(packet)), -ENOTCONN);
        assert_int_equal(o7s_flow_events(t.flow) & O7S_DOWN, O7S_DOWN);
        assert_int_equal(o7s_flow_close(t.flow, 0), -EPIPE);
}

/* How often the engine has gone to sleep so far: of our threads the one of that name. */
static unsigned long engine_sleeps(void) {
        unsigned long n = 0;
        struct dirent *entry;
        bool found = false;
        DIR *tasks;

        tasks = opendir("/proc/self/task");
        assert_non_null(tasks);
        while ((entry = readdir(tasks))) {
                char path[300], line[200];
                bool engine = false;
                FILE *f;

                (void) snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
                f = fopen(path, "re");
                while (f && fgets(line, sizeof(line), f)) {
                        engine = engine || strstr(line, "o7s-engine") == line + STRLEN("Name:\t");
                        if (engine && sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
                                found = true;
                }
                if (f)
                        (void) fclose(f);
        }
        (void) closedir(tasks);
        assert_true(found);
        return n;
}

/* Nothing to do, nobody awake: also after keys have changed, and the old ones were forgotten. */
static void test_idle(void **state) {
        unsigned long before;
        char text[PACKET_MAX];
        _cleanup_test_ Test t;

        test_open_as(&t, "o7s", true, &small);
        for (unsigned i = 0; i < 200; i++) {
                assert_int_equal(o7s_flow_write(t.flow, "out", 3), 3);
                while (peer_hear(&t, text) > 0)
                        ;
                peer_control(&t);
                assert_reads_nothing(&t);
        }
        assert_true(stats(&t).key_agreements > 0);

        (void) poll(NULL, 0, 200);                      /* the engine has taken over by then */
        before = engine_sleeps();
        (void) poll(NULL, 0, 500);
        assert_true(engine_sleeps() <= before + 1);     /* it may forget old keys, once */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_forged),
                cmocka_unit_test(test_replayed_and_reflected),
                cmocka_unit_test(test_batches_and_in_place),
                cmocka_unit_test(test_reattach),
                cmocka_unit_test(test_many_keys),
                cmocka_unit_test(test_answered_by_the_engine),
                cmocka_unit_test(test_answered_by_the_event_loop),
                cmocka_unit_test(test_never_read),
                cmocka_unit_test(test_no_part_in_it),
                cmocka_unit_test(test_idle),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
