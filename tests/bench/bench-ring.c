/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shared-memory ring: packets per second and round trip while both sides are busy, round trip through two
 * sleeps, wake-ups of a flow on which nothing happens, doorbells of one on which everything happens. The two sides
 * are threads, each on its processor; lanes are mapped twice, as they are in two processes.
 */

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "tests/bench/bench.h"
#include "tests/bench/raw-ring.h"
#include "tests/support/channel-pair.h"

#define BURST 32U
#define MESSAGE_BYTES_MAX 9216U
#define THROUGHPUT_USEC (100 * USEC_PER_MSEC)
#define POLL_TURNS 20000U
#define SLEEP_TURNS 60U
#define SLEEP_GAP_USEC (1 * USEC_PER_MSEC)
#define IDLE_USEC (1 * USEC_PER_SEC)

typedef struct Bench {
        Channel *left, *right;          /* the application's side and the layer's */
        RawRing *there, *back;
        int events[2];
        size_t size;
        bool stop;                      /* atomic */
        uint64_t n_received;
        uint64_t n_rings;               /* of the right side */
        uint64_t n_wakeups;             /* atomic */
} Bench;

static bool stopped(const Bench *b) {
        return __atomic_load_n(&b->stop, __ATOMIC_RELAXED);
}

static int bench_new(Bench *b, size_t size) {
        size_t bytes = sizeof(RawRing);
        int r;

        *b = (Bench) { .size = size };
        r = channel_pair_new(LANE_BULK, &b->left, &b->right);
        if (r < 0)
                return r;

        b->there = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        b->back = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (b->there == MAP_FAILED || b->back == MAP_FAILED)
                return -ENOMEM;

        for (unsigned i = 0; i < 2; i++)
                b->events[i] = eventfd(0, EFD_CLOEXEC);
        return b->events[0] < 0 || b->events[1] < 0 ? -errno : 0;
}

static void bench_done(Bench *b) {
        b->left = channel_free(b->left);
        b->right = channel_free(b->right);
        (void) munmap(b->there, sizeof(RawRing));
        (void) munmap(b->back, sizeof(RawRing));
        (void) close(b->events[0]);
        (void) close(b->events[1]);
}

static int push(Channel *c, const uint8_t *data, size_t size) {
        return channel_push(c, &(struct iovec) { .iov_base = (void *) (uintptr_t) data, .iov_len = size }, 1);
}

/* -- packets per second -- */

static void *raw_receiver(void *userdata) {
        Bench *b = userdata;
        uint8_t data[MESSAGE_BYTES_MAX] __attribute__((aligned(64)));
        uint32_t tail = b->there->tail;

        bench_pin(BENCH_CPU_RIGHT);
        while (!stopped(b)) {
                uint32_t head = __atomic_load_n(&b->there->head, __ATOMIC_ACQUIRE);
                unsigned n = 0;

                for (; n < BURST && tail != head; n++)
                        (void) raw_get(b->there, &tail, data);
                if (n == 0) {
                        bench_pause();
                        continue;
                }

                __atomic_store_n(&b->there->tail, tail, __ATOMIC_RELEASE);
                b->n_received += n;
        }
        return NULL;
}

static void raw_sender(Bench *b, double until) {
        uint8_t data[MESSAGE_BYTES_MAX] __attribute__((aligned(64))) = {};
        uint32_t head = b->there->head, need = raw_slots(b->size);

        while (bench_nsec() < until) {
                for (unsigned i = 0; i < BURST; i++) {
                        if (LANE_SLOTS_MAX - (head - __atomic_load_n(&b->there->tail, __ATOMIC_ACQUIRE)) < need)
                                break;
                        raw_put(b->there, &head, data, b->size);
                }
                __atomic_store_n(&b->there->head, head, __ATOMIC_RELEASE);
        }
}

static void *lane_receiver(void *userdata) {
        Bench *b = userdata;
        uint8_t data[MESSAGE_BYTES_MAX] __attribute__((aligned(64)));

        bench_pin(BENCH_CPU_RIGHT);
        while (!stopped(b)) {
                unsigned n = 0;

                while (n < BURST && channel_read(b->right, data, sizeof(data), NULL) > 0)
                        n++;
                if (n == 0) {
                        bench_pause();
                        continue;
                }

                (void) channel_release(b->right);
                b->n_received += n;
        }
        return NULL;
}

static void lane_sender(Bench *b, double until) {
        uint8_t data[MESSAGE_BYTES_MAX] __attribute__((aligned(64))) = {};

        while (bench_nsec() < until) {
                for (unsigned i = 0; i < BURST; i++)
                        if (push(b->left, data, b->size) < 0)
                                break;
                (void) channel_publish(b->left);
        }
}

/* Million packets per second that arrived. */
static double throughput(Bench *b, void *(*receiver)(void *), void (*sender)(Bench *, double)) {
        pthread_t thread;
        double start;

        b->stop = false;
        b->n_received = 0;
        if (pthread_create(&thread, NULL, receiver, b) != 0)
                return -1;

        bench_pin(BENCH_CPU_LEFT);
        start = bench_nsec();
        sender(b, start + (double) (THROUGHPUT_USEC * NSEC_PER_USEC));
        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        start = bench_nsec() - start;
        (void) pthread_join(thread, NULL);

        return (double) b->n_received / start * 1000;
}

static double raw_throughput(void *context) {
        return throughput(context, raw_receiver, raw_sender);
}

static double lane_throughput(void *context) {
        return throughput(context, lane_receiver, lane_sender);
}

/* -- round trip, both sides busy -- */

static void raw_send_one(RawRing *ring, const uint8_t *data, size_t size) {
        uint32_t head = ring->head;

        raw_put(ring, &head, data, size);
        __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
}

static bool raw_receive_one(Bench *b, RawRing *ring, uint8_t *data) {
        uint32_t tail = ring->tail;

        while (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == tail)
                if (stopped(b))
                        return false;

        (void) raw_get(ring, &tail, data);
        __atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
        return true;
}

static void *raw_echo(void *userdata) {
        Bench *b = userdata;
        uint8_t data[MESSAGE_BYTES_MAX];

        bench_pin(BENCH_CPU_RIGHT);
        while (raw_receive_one(b, b->there, data))
                raw_send_one(b->back, data, b->size);
        return NULL;
}

static void lane_send_one(Channel *c, const uint8_t *data, size_t size) {
        (void) push(c, data, size);
        (void) channel_publish(c);
}

static bool lane_receive_one(Bench *b, Channel *c, uint8_t *data) {
        while (channel_read(c, data, MESSAGE_BYTES_MAX, NULL) < 0)
                if (stopped(b))
                        return false;

        (void) channel_release(c);
        return true;
}

static void *lane_echo(void *userdata) {
        Bench *b = userdata;
        uint8_t data[MESSAGE_BYTES_MAX];

        bench_pin(BENCH_CPU_RIGHT);
        while (lane_receive_one(b, b->right, data))
                lane_send_one(b->right, data, b->size);
        return NULL;
}

static double raw_rtt(void *context) {
        uint8_t data[MESSAGE_BYTES_MAX] = {};
        Bench *b = context;
        pthread_t thread;
        double start;

        b->stop = false;
        if (pthread_create(&thread, NULL, raw_echo, b) != 0)
                return -1;

        bench_pin(BENCH_CPU_LEFT);
        start = bench_nsec();
        for (unsigned i = 0; i < POLL_TURNS; i++) {
                raw_send_one(b->there, data, b->size);
                (void) raw_receive_one(b, b->back, data);
        }
        start = bench_nsec() - start;
        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) pthread_join(thread, NULL);
        return start / POLL_TURNS;
}

static double lane_rtt(void *context) {
        uint8_t data[MESSAGE_BYTES_MAX] = {};
        Bench *b = context;
        pthread_t thread;
        double start;

        b->stop = false;
        if (pthread_create(&thread, NULL, lane_echo, b) != 0)
                return -1;

        bench_pin(BENCH_CPU_LEFT);
        start = bench_nsec();
        for (unsigned i = 0; i < POLL_TURNS; i++) {
                lane_send_one(b->left, data, b->size);
                (void) lane_receive_one(b, b->left, data);
        }
        start = bench_nsec() - start;
        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) pthread_join(thread, NULL);
        return start / POLL_TURNS;
}

/* -- round trip through two sleeps -- */

static void *event_echo(void *userdata) {
        Bench *b = userdata;
        uint64_t value;

        bench_pin(BENCH_CPU_RIGHT);
        while (read(b->events[0], &value, sizeof(value)) > 0 && !stopped(b))
                (void) (write(b->events[1], &(uint64_t) { 1 }, sizeof(uint64_t)) < 0);
        return NULL;
}

/* The reader's steps, as channel.h has them. */
static bool sleep_receive_one(Bench *b, Channel *c, uint8_t *data) {
        while (channel_read(c, data, MESSAGE_BYTES_MAX, NULL) < 0) {
                if (stopped(b))
                        return false;
                if (channel_arm_read(c) <= 0)
                        continue;

                (void) poll(&(struct pollfd) { .fd = channel_fd(c), .events = POLLIN }, 1, -1);
                (void) __atomic_fetch_add(&b->n_wakeups, 1, __ATOMIC_RELAXED);
                if (channel_drain(c, NULL) < 0)
                        return false;
        }

        (void) channel_release(c);
        return true;
}

static void *sleep_echo(void *userdata) {
        Bench *b = userdata;
        uint8_t data[MESSAGE_BYTES_MAX];

        bench_pin(BENCH_CPU_RIGHT);
        while (sleep_receive_one(b, b->right, data))
                lane_send_one(b->right, data, b->size);
        return NULL;
}

/* Median of the single round trips, in microseconds: a preemption now and then is not the ring's. */
static double sleep_rtt(Bench *b, bool lanes) {
        double turns[SLEEP_TURNS], start;
        uint8_t data[MESSAGE_BYTES_MAX] = {};
        pthread_t thread;
        uint64_t value;

        b->stop = false;
        if (pthread_create(&thread, NULL, lanes ? sleep_echo : event_echo, b) != 0)
                return -1;

        bench_pin(BENCH_CPU_LEFT);
        for (unsigned i = 0; i < SLEEP_TURNS; i++) {
                (void) usleep(SLEEP_GAP_USEC);
                start = bench_nsec();
                if (lanes) {
                        lane_send_one(b->left, data, b->size);
                        (void) sleep_receive_one(b, b->left, data);
                } else {
                        (void) (write(b->events[0], &(uint64_t) { 1 }, sizeof(uint64_t)) < 0);
                        (void) (read(b->events[1], &value, sizeof(value)) < 0);
                }
                turns[i] = (bench_nsec() - start) / 1000;
        }

        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        if (lanes)
                (void) doorbell_ring(channel_fd(b->left));
        else
                (void) (write(b->events[0], &(uint64_t) { 1 }, sizeof(uint64_t)) < 0);
        (void) pthread_join(thread, NULL);
        return bench_median(turns, SLEEP_TURNS);
}

static double event_sleep_rtt(void *context) {
        return sleep_rtt(context, false);
}

static double lane_sleep_rtt(void *context) {
        return sleep_rtt(context, true);
}

/* -- wake-ups and doorbells -- */

/* Wake-ups per second of a reader on a flow where nothing happens. */
static double idle_wakeups(Bench *b) {
        double wakeups;
        pthread_t thread;

        b->stop = false;
        b->n_wakeups = 0;
        if (pthread_create(&thread, NULL, sleep_echo, b) != 0)
                return -1;

        (void) usleep(IDLE_USEC);
        wakeups = (double) __atomic_load_n(&b->n_wakeups, __ATOMIC_RELAXED) * USEC_PER_SEC / IDLE_USEC;
        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) doorbell_ring(channel_fd(b->left));
        (void) pthread_join(thread, NULL);
        return wakeups;
}

static void *saturated_receiver(void *userdata) {
        Bench *b = userdata;
        uint8_t data[MESSAGE_BYTES_MAX];

        bench_pin(BENCH_CPU_RIGHT);
        while (!stopped(b)) {
                unsigned n = 0;

                while (n < BURST && channel_read(b->right, data, sizeof(data), NULL) > 0)
                        n++;
                b->n_received += n;
                b->n_rings += channel_release(b->right) > 0;

                if (n > 0 || channel_arm_read(b->right) <= 0)
                        continue;
                (void) poll(&(struct pollfd) { .fd = channel_fd(b->right), .events = POLLIN }, 1, -1);
                (void) channel_drain(b->right, NULL);
        }
        return NULL;
}

/* Doorbells of both sides per packet, where the sender never stops and both sleep when they can do nothing. */
static double saturated_doorbells(Bench *b) {
        uint8_t data[MESSAGE_BYTES_MAX] = {};
        uint64_t n_rings = 0;
        pthread_t thread;
        usec_t until;

        b->stop = false;
        b->n_received = b->n_rings = 0;
        if (pthread_create(&thread, NULL, saturated_receiver, b) != 0)
                return -1;

        bench_pin(BENCH_CPU_LEFT);
        until = time_now() + 5 * THROUGHPUT_USEC;
        while (time_now() < until) {
                unsigned n = 0;

                while (n < BURST && push(b->left, data, b->size) == 0)
                        n++;
                n_rings += channel_publish(b->left) > 0;

                if (n > 0 || channel_arm_write(b->left) <= 0)
                        continue;
                (void) poll(&(struct pollfd) { .fd = channel_fd(b->left), .events = POLLIN }, 1, -1);
                (void) channel_drain(b->left, NULL);
                channel_disarm_write(b->left);
        }

        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) doorbell_ring(channel_fd(b->left));
        (void) pthread_join(thread, NULL);
        return b->n_received > 0 ? (double) (n_rings + b->n_rings) / (double) b->n_received : -1;
}

int main(void) {
        static const struct {
                const char *name;
                size_t size;
                const char *unit, *baseline_name;
                BenchFunction subject, baseline;
        } figures[] = {
                { "ring.pps.64",    64,   "Mpps", "raw-ring",  lane_throughput, raw_throughput },
                { "ring.pps.1400",  1400, "Mpps", "raw-ring",  lane_throughput, raw_throughput },
                { "ring.pps.9000",  9000, "Mpps", "raw-ring",  lane_throughput, raw_throughput },
                { "ring.rtt.poll",  64,   "ns",   "raw-ring",  lane_rtt,        raw_rtt },
                { "ring.rtt.sleep", 64,   "us",   "eventfd",   lane_sleep_rtt,  event_sleep_rtt },
        };
        Bench b;

        for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
                if (bench_new(&b, figures[i].size) < 0)
                        return EXIT_FAILURE;
                bench_figure(&(BenchFigure) {
                        .name = figures[i].name,
                        .unit = figures[i].unit,
                        .baseline_name = figures[i].baseline_name,
                        .subject = figures[i].subject,
                        .baseline = figures[i].baseline,
                        .context = &b,
                });
                bench_done(&b);
        }

        if (bench_new(&b, 1400) < 0)
                return EXIT_FAILURE;
        bench_limit("ring.wakeups.idle", idle_wakeups(&b), "per-s", 1);
        bench_limit("ring.doorbells.saturated", saturated_doorbells(&b), "per-packet", 0.01);
        bench_done(&b);
        return EXIT_SUCCESS;
}
