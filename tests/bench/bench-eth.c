/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A flow over Ethernet against the packet sockets that it runs on, over the same virtual Ethernet: packets per second,
 * round trip, processor time for each gigabit. The flow is measured between the lanes of the two applications, which
 * wait as the library does; two IPCP processes are between them, and on two processors everything competes with
 * everything.
 */

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "libo7s/spin.h"
#include "tests/bench/bench.h"
#include "tests/bench/eth-hosts.h"

#define BURST 32U
#define MESSAGE_BYTES_MAX 2048U
#define HEADER_BYTES 14U
#define THROUGHPUT_NSEC 300e6
#define TURNS 2000U
#define RING_BLOCK_BYTES (256U * 1024)
#define RING_BLOCKS 16U

typedef struct Bench {
        EthHosts hosts;
        size_t size;
        int sender, receiver;           /* packet sockets */
        bool stop;                      /* atomic */
        uint64_t n_received;
        double receiver_cpu;            /* seconds */
        double cpu_per_gigabit;         /* of the last throughput run */
} Bench;

static bool stopped(const Bench *b) {
        return __atomic_load_n(&b->stop, __ATOMIC_RELAXED);
}

static double thread_cpu(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void wait_readable(int fd, int timeout_ms) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        (void) poll(&p, 1, timeout_ms);
}

/* Runs a receiver beside a sender for a while. Returns packets per second that arrived. */
static double throughput(Bench *b, void *(*receive)(void *), void (*send_until)(Bench *, double), bool flow) {
        double start = bench_nsec(), cpu = -thread_cpu() - (flow ? eth_hosts_cpu(&b->hosts) : 0), bits;
        pthread_t thread;

        b->stop = false;
        b->n_received = 0;
        if (pthread_create(&thread, NULL, receive, b) != 0)
                return -1;

        send_until(b, start + THROUGHPUT_NSEC);
        start = bench_nsec() - start;
        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) pthread_join(thread, NULL);

        cpu += thread_cpu() + b->receiver_cpu + (flow ? eth_hosts_cpu(&b->hosts) : 0);
        bits = (double) b->n_received * (double) b->size * 8;
        b->cpu_per_gigabit = bits > 0 ? cpu * 1e9 / bits : -1;
        return (double) b->n_received * 1e9 / start;
}

/* -- the flow -- */

static unsigned flow_read(Channel *channel) {
        uint8_t data[MESSAGE_BYTES_MAX];
        unsigned n = 0;
        bool more;

        while (n < BURST && channel_read(channel, data, sizeof(data), &more) > 0)
                n++;
        if (n > 0)
                (void) channel_release(channel);
        return n;
}

/* Waits for a message as o7s_flow_read() does: looks for as long as past waits suggest, then sleeps. */
static unsigned flow_wait(Channel *channel, Spin *spin, int timeout_ms) {
        uint64_t begin = spin_now();
        CloseReason reason;
        uint32_t budget;
        bool found = false;
        unsigned n;

        (void) channel_drain(channel, &reason);
        n = flow_read(channel);
        if (n > 0)
                return n;

        budget = spin_begin(spin);
        while (budget > 0 && !found && spin_now() - begin < budget) {
                found = channel_readable(channel);
                spin_pause();
        }

        if (!found && channel_arm_read(channel) == 1)
                wait_readable(channel_fd(channel), timeout_ms);

        spin_end(spin, budget, spin_now() - begin, found);
        return flow_read(channel);
}

static void *flow_receiver(void *userdata) {
        Bench *b = userdata;
        Spin spin = SPIN_INIT;

        bench_pin(BENCH_CPU_RIGHT);
        while (!stopped(b))
                b->n_received += flow_wait(b->hosts.right.channel, &spin, 50);

        b->receiver_cpu = thread_cpu();
        return NULL;
}

static int flow_write(Channel *channel, const uint8_t *data, size_t size) {
        return channel_push(channel, &(struct iovec) { .iov_base = (void *) (uintptr_t) data, .iov_len = size }, 1);
}

static void flow_send_until(Bench *b, double end) {
        Channel *channel = b->hosts.left.channel;
        uint8_t data[MESSAGE_BYTES_MAX] = {};
        CloseReason reason;

        while (bench_nsec() < end) {
                unsigned n = 0;

                while (n < BURST && flow_write(channel, data, b->size) >= 0)
                        n++;
                (void) channel_publish(channel);
                if (n > 0)
                        continue;

                (void) channel_drain(channel, &reason);
                if (channel_arm_write(channel) == 1)
                        wait_readable(channel_fd(channel), 50);
        }
}

/* Leftovers of the last round are not this one's. */
static void flow_empty(Channel *channel) {
        Spin spin = SPIN_INIT;

        while (flow_wait(channel, &spin, 20) > 0)
                ;
}

static double flow_pps(void *context) {
        Bench *b = context;

        flow_empty(b->hosts.right.channel);
        return throughput(b, flow_receiver, flow_send_until, true);
}

static double flow_cpu(void *context) {
        Bench *b = context;

        return flow_pps(b) > 0 ? b->cpu_per_gigabit : -1;
}

static void *flow_echo(void *userdata) {
        Bench *b = userdata;
        uint8_t data[64] = {};
        Spin spin = SPIN_INIT;

        bench_pin(BENCH_CPU_RIGHT);
        while (!stopped(b))
                if (flow_wait(b->hosts.right.channel, &spin, 50) > 0) {
                        (void) flow_write(b->hosts.right.channel, data, sizeof(data));
                        (void) channel_publish(b->hosts.right.channel);
                }

        return NULL;
}

static double flow_rtt(void *context) {
        Bench *b = context;
        uint8_t data[64] = {};
        Spin spin = SPIN_INIT;
        double trips[TURNS];
        pthread_t thread;
        size_t n = 0;

        flow_empty(b->hosts.right.channel);
        flow_empty(b->hosts.left.channel);

        b->stop = false;
        if (pthread_create(&thread, NULL, flow_echo, b) != 0)
                return -1;

        for (; n < TURNS; n++) {
                double start = bench_nsec();

                (void) flow_write(b->hosts.left.channel, data, sizeof(data));
                (void) channel_publish(b->hosts.left.channel);
                while (flow_wait(b->hosts.left.channel, &spin, 50) == 0 && bench_nsec() - start < 1e9)
                        ;
                trips[n] = bench_nsec() - start;
        }

        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) pthread_join(thread, NULL);
        return bench_median(trips, n);
}

/* -- packet sockets -- */

static void *ring_receiver(void *userdata) {
        Bench *b = userdata;
        const struct tpacket_req3 request = {
                .tp_block_size = RING_BLOCK_BYTES,
                .tp_block_nr = RING_BLOCKS,
                .tp_frame_size = 2048,
                .tp_frame_nr = RING_BLOCKS * RING_BLOCK_BYTES / 2048,
                .tp_retire_blk_tov = 1,
        };
        uint8_t *ring;
        int fd;

        bench_pin(BENCH_CPU_RIGHT);
        fd = eth_host_socket(&b->hosts.right);
        if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &(int) { TPACKET_V3 }, sizeof(int)) < 0 ||
            setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
                return NULL;

        ring = mmap(NULL, RING_BLOCK_BYTES * RING_BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        for (unsigned block = 0; ring != MAP_FAILED && !stopped(b);) {
                struct tpacket_block_desc *d = (void *) (ring + (size_t) block * RING_BLOCK_BYTES);

                if (!(__atomic_load_n(&d->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
                        wait_readable(fd, 50);
                        continue;
                }

                b->n_received += d->hdr.bh1.num_pkts;
                __atomic_store_n(&d->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
                block = (block + 1) % RING_BLOCKS;
        }

        b->receiver_cpu = thread_cpu();
        if (ring != MAP_FAILED)
                (void) munmap(ring, RING_BLOCK_BYTES * RING_BLOCKS);
        (void) close(fd);
        return NULL;
}

/* To everybody, so that no hardware address needs to be known; of an EtherType that nobody else listens to. */
static void packet_header(uint8_t *frame) {
        memset(frame, 0xff, 6);
        memcpy(frame + 6, "\2\0\0\0\0\1\x88\xb5", 8);
}

static void packet_send_until(Bench *b, double end) {
        struct mmsghdr messages[BURST] = {};
        uint8_t frame[HEADER_BYTES + MESSAGE_BYTES_MAX] = {};
        struct iovec part = { .iov_base = frame, .iov_len = HEADER_BYTES + b->size };

        packet_header(frame);
        for (unsigned i = 0; i < BURST; i++) {
                messages[i].msg_hdr.msg_iov = &part;
                messages[i].msg_hdr.msg_iovlen = 1;
        }

        while (bench_nsec() < end)
                (void) sendmmsg(b->sender, messages, BURST, 0);
}

static double packet_pps(void *context) {
        return throughput(context, ring_receiver, packet_send_until, false);
}

static double packet_cpu(void *context) {
        Bench *b = context;

        return packet_pps(b) > 0 ? b->cpu_per_gigabit : -1;
}

static void *packet_echo(void *userdata) {
        Bench *b = userdata;
        uint8_t frame[HEADER_BYTES + MESSAGE_BYTES_MAX];

        bench_pin(BENCH_CPU_RIGHT);
        while (!stopped(b)) {
                ssize_t n = recv(b->receiver, frame, sizeof(frame), 0);

                if (n > 0)
                        (void) send(b->receiver, frame, (size_t) n, 0);
        }

        return NULL;
}

static double packet_rtt(void *context) {
        Bench *b = context;
        uint8_t frame[HEADER_BYTES + 64] = {}, answer[HEADER_BYTES + MESSAGE_BYTES_MAX];
        double trips[TURNS];
        pthread_t thread;
        size_t n = 0;

        b->stop = false;
        if (pthread_create(&thread, NULL, packet_echo, b) != 0)
                return -1;

        packet_header(frame);
        for (; n < TURNS; n++) {
                double start = bench_nsec();

                if (send(b->sender, frame, sizeof(frame), 0) < 0 || recv(b->sender, answer, sizeof(answer), 0) < 0)
                        break;
                trips[n] = bench_nsec() - start;
        }

        __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
        (void) pthread_join(thread, NULL);
        return n == TURNS ? bench_median(trips, n) : -1;
}

static int open_sockets(Bench *b) {
        const struct timeval patience = { .tv_usec = 50000 };

        b->sender = eth_host_socket(&b->hosts.left);
        if (b->sender < 0)
                return b->sender;

        b->receiver = eth_host_socket(&b->hosts.right);
        if (b->receiver < 0)
                return b->receiver;

        if (setsockopt(b->sender, SOL_PACKET, PACKET_QDISC_BYPASS, &(int) { 1 }, sizeof(int)) < 0 ||
            setsockopt(b->receiver, SOL_PACKET, PACKET_QDISC_BYPASS, &(int) { 1 }, sizeof(int)) < 0 ||
            setsockopt(b->sender, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            setsockopt(b->receiver, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;

        return 0;
}

static void measure(Bench *b) {
        static const struct {
                BenchFigure figure;
                size_t size;
        } figures[] = {
                { { "eth.flow.rtt", "ns", "AF_PACKET-blocking", flow_rtt, packet_rtt, NULL }, 64 },
                { { "eth.flow.pps.64", "pps", "AF_PACKET-sendmmsg-TPACKET_V3", flow_pps, packet_pps, NULL }, 64 },
                { { "eth.flow.pps.1400", "pps", "AF_PACKET-sendmmsg-TPACKET_V3", flow_pps, packet_pps, NULL }, 1400 },
                { { "eth.flow.cpu", "s/Gbit", "AF_PACKET-sendmmsg-TPACKET_V3", flow_cpu, packet_cpu, NULL }, 1400 },
        };

        for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
                BenchFigure figure = figures[i].figure;

                /* A socket that nobody reads would fill up and cost the sender time. */
                b->size = figures[i].size;
                figure.context = b;
                bench_figure(&figure);
        }
}

int main(int argc, char *argv[]) {
        const char *program = argc > 1 ? argv[1] : BENCH_IPCP;
        Bench *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return EXIT_FAILURE;

        r = eth_hosts_start(&b->hosts, program);
        if (r >= 0)
                r = open_sockets(b);
        if (r >= 0)
                measure(b);
        else
                (void) fprintf(stderr, "Failed to set up two hosts: %s\n", strerror(-r));

        eth_hosts_done(&b->hosts);
        free(b);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
