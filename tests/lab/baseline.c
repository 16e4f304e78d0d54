/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * baseline: what the kernel alone does, for benchmarks on nodes to compare with. Prints one number.
 *
 *   baseline packet-rate INTERFACE SIZE SECONDS    frames per second that arrive: AF_PACKET, sendmmsg past the
 *                                                  queueing discipline, received from a TPACKET_V3 ring
 *   baseline packet-rtt INTERFACE SECONDS          median round trip, ns: AF_PACKET, blocking calls
 *   baseline packet-serve INTERFACE                the other side of both, until it is killed
 *   baseline packet-relay INTERFACE INTERFACE      what comes in at one goes out at the other, hardware addresses
 *                                                  swapped, until it is killed
 *   baseline unix-rate SIZE SECONDS                messages per second over a SEQPACKET pair, a call for each
 *   baseline unix-rtt SECONDS                      median round trip over one, ns
 *
 * Frames are broadcast, of EtherType 0x88B5, and begin with what they are for: data is counted, a question for the
 * count is answered with it, and a ping comes back.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "basic/macro.h"

#define ETHERTYPE_EXPERIMENTAL 0x88B5U
#define BATCH 32U
#define BLOCK_BYTES (1U << 18)
#define BLOCKS 64U
#define SAMPLES_MAX 1000000U
#define FRAME_BYTES_MAX 9018U

typedef enum Purpose {
        PURPOSE_DATA,
        PURPOSE_COUNT,          /* how many data frames came since the last question? */
        PURPOSE_COUNTED,
        PURPOSE_PING,
        PURPOSE_PONG,
} Purpose;

typedef struct Frame {
        struct ethhdr header;
        uint8_t purpose;
        uint64_t number;
} __attribute__((packed)) Frame;

static uint64_t now_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static int compare_numbers(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static int print_median(uint64_t *samples, size_t n) {
        if (n == 0)
                return -ETIMEDOUT;

        qsort(samples, n, sizeof(*samples), compare_numbers);
        (void) printf("%" PRIu64 "\n", samples[n / 2]);
        return 0;
}

/* ----------------------------------------------------------------------------------------- AF_PACKET --- */

static int packet_open(const char *interface, int protocol) {
        struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t) protocol) };
        _cleanup_close_ int fd = -1;
        int on = 1;

        address.sll_ifindex = (int) if_nametoindex(interface);
        if (address.sll_ifindex == 0)
                return -errno;

        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0 ||
            setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
            bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        return TAKE_FD(fd);
}

static Frame frame_of(Purpose purpose, uint64_t number) {
        Frame frame = { .purpose = (uint8_t) purpose, .number = number };

        memset(frame.header.h_dest, 0xff, ETH_ALEN);
        frame.header.h_source[0] = 0x02;
        frame.header.h_proto = htons(ETHERTYPE_EXPERIMENTAL);
        return frame;
}

static int frame_send(int fd, Purpose purpose, uint64_t number) {
        uint8_t padded[ETH_ZLEN] = {};
        Frame frame = frame_of(purpose, number);

        memcpy(padded, &frame, sizeof(frame));
        return send(fd, padded, sizeof(padded), 0) < 0 ? -errno : 0;
}

/* Sends data for a time, then asks how much of it arrived. */
static int packet_rate(const char *interface, size_t size, unsigned seconds) {
        static uint8_t data[FRAME_BYTES_MAX];
        Frame frame = frame_of(PURPOSE_DATA, 0), answer;
        struct iovec part = { .iov_base = data, .iov_len = size };
        struct mmsghdr messages[BATCH] = {};
        _cleanup_close_ int fd = -1;
        uint64_t begun, took;

        if (size < ETH_ZLEN || size > sizeof(data))
                return -EINVAL;

        fd = packet_open(interface, ETHERTYPE_EXPERIMENTAL);
        if (fd < 0)
                return fd;

        memcpy(data, &frame, sizeof(frame));
        for (size_t i = 0; i < BATCH; i++)
                messages[i].msg_hdr = (struct msghdr) { .msg_iov = &part, .msg_iovlen = 1 };

        (void) frame_send(fd, PURPOSE_COUNT, 0);        /* forget what came before */
        (void) poll(NULL, 0, 50);
        while (recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) > 0)
                ;

        begun = now_nsec();
        do
                (void) sendmmsg(fd, messages, BATCH, 0);
        while ((took = now_nsec() - begun) < seconds * UINT64_C(1000000000));

        for (unsigned i = 0; i < 50; i++) {
                struct pollfd polled = { .fd = fd, .events = POLLIN };

                (void) poll(NULL, 0, 20);       /* what is under way has arrived by then */
                if (frame_send(fd, PURPOSE_COUNT, 0) < 0 || poll(&polled, 1, 200) <= 0)
                        continue;
                if (recv(fd, &answer, sizeof(answer), 0) >= (ssize_t) sizeof(answer) &&
                    answer.purpose == PURPOSE_COUNTED) {
                        (void) printf("%.0f\n", (double) answer.number * 1e9 / (double) took);
                        return 0;
                }
        }

        return -ETIMEDOUT;
}

static int packet_rtt(const char *interface, unsigned seconds) {
        _cleanup_free_ uint64_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
        const struct timeval patience = { .tv_sec = 1 };
        _cleanup_close_ int fd = -1;
        size_t n = 0;
        uint64_t end;

        if (!samples)
                return -ENOMEM;

        fd = packet_open(interface, ETHERTYPE_EXPERIMENTAL);
        if (fd < 0)
                return fd;
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));

        end = now_nsec() + seconds * UINT64_C(1000000000);
        for (uint64_t i = 0; n < SAMPLES_MAX && now_nsec() < end; i++) {
                uint64_t begun = now_nsec();
                Frame answer;

                if (frame_send(fd, PURPOSE_PING, i) < 0)
                        return -EIO;
                while (recv(fd, &answer, sizeof(answer), 0) >= (ssize_t) sizeof(answer))
                        if (answer.purpose == PURPOSE_PONG && answer.number == i) {
                                samples[n++] = now_nsec() - begun;
                                break;
                        }
        }

        return print_median(samples, n);
}

/* A ping is answered from a socket of its own, by blocking calls; that is what packet-rtt measures. */
static int packet_echo(const char *interface) {
        _cleanup_close_ int fd = -1;

        fd = packet_open(interface, ETHERTYPE_EXPERIMENTAL);
        if (fd < 0)
                return fd;

        for (;;) {
                Frame frame;

                if (recv(fd, &frame, sizeof(frame), 0) < (ssize_t) sizeof(frame))
                        continue;
                if (frame.purpose == PURPOSE_PING)
                        (void) frame_send(fd, PURPOSE_PONG, frame.number);
        }
}

static uint64_t block_count(int fd, struct tpacket_block_desc *block, uint64_t n) {
        struct tpacket3_hdr *header = (struct tpacket3_hdr *) ((uint8_t *) block + block->hdr.bh1.offset_to_first_pkt);

        for (uint32_t i = 0; i < block->hdr.bh1.num_pkts; i++) {
                const Frame *frame = (const Frame *) ((const uint8_t *) header + header->tp_mac);

                if (frame->purpose == PURPOSE_DATA)
                        n++;
                else if (frame->purpose == PURPOSE_COUNT) {
                        (void) frame_send(fd, PURPOSE_COUNTED, n);
                        n = 0;
                }
                header = (struct tpacket3_hdr *) ((uint8_t *) header + header->tp_next_offset);
        }

        return n;
}

/* What arrives comes in blocks of a ring that is mapped for good. */
static int packet_open_ring(const char *interface, uint8_t **ret) {
        struct tpacket_req3 request = {
                .tp_block_size = BLOCK_BYTES,
                .tp_block_nr = BLOCKS,
                .tp_frame_size = 2048,
                .tp_frame_nr = BLOCKS * BLOCK_BYTES / 2048,
                .tp_retire_blk_tov = 1,
        };
        int version = TPACKET_V3;
        _cleanup_close_ int fd = -1;
        uint8_t *ring;

        fd = packet_open(interface, ETHERTYPE_EXPERIMENTAL);
        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
            setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
                return -errno;

        ring = mmap(NULL, (size_t) BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (ring == MAP_FAILED)
                return -errno;

        *ret = ring;
        return TAKE_FD(fd);
}

static struct tpacket_block_desc *ring_wait(int fd, uint8_t *ring, unsigned i) {
        struct tpacket_block_desc *block = (struct tpacket_block_desc *) (ring + (size_t) i * BLOCK_BYTES);
        struct pollfd polled = { .fd = fd, .events = POLLIN | POLLERR };

        while (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
                (void) poll(&polled, 1, -1);

        return block;
}

static int packet_count(const char *interface) {
        _cleanup_close_ int fd = -1;
        uint64_t n = 0;
        uint8_t *ring;

        fd = packet_open_ring(interface, &ring);
        if (fd < 0)
                return fd;

        for (unsigned i = 0;; i = (i + 1) % BLOCKS) {
                struct tpacket_block_desc *block = ring_wait(fd, ring, i);

                n = block_count(fd, block, n);
                __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        }
}

/* Two processes, so that counting does not slow answering down. Both see every frame. */
static int packet_serve(const char *interface) {
        pid_t child;

        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0)
                _exit(packet_echo(interface) < 0);

        return packet_count(interface);
}

/* A member in the middle that knows nothing: frames leave from where they arrived, in the ring, a burst per call. */
static void relay_block(int to, struct tpacket_block_desc *block) {
        struct tpacket3_hdr *header = (struct tpacket3_hdr *) ((uint8_t *) block + block->hdr.bh1.offset_to_first_pkt);
        struct mmsghdr messages[BATCH] = {};
        struct iovec parts[BATCH];
        unsigned n = 0;

        for (uint32_t i = 0; i < block->hdr.bh1.num_pkts; i++) {
                struct ethhdr *frame = (struct ethhdr *) ((uint8_t *) header + header->tp_mac);
                uint8_t source[ETH_ALEN];

                memcpy(source, frame->h_source, ETH_ALEN);
                memcpy(frame->h_source, frame->h_dest, ETH_ALEN);
                memcpy(frame->h_dest, source, ETH_ALEN);

                parts[n] = (struct iovec) { .iov_base = frame, .iov_len = header->tp_snaplen };
                messages[n].msg_hdr = (struct msghdr) { .msg_iov = &parts[n], .msg_iovlen = 1 };
                if (++n == BATCH || i + 1 == block->hdr.bh1.num_pkts) {
                        (void) sendmmsg(to, messages, n, 0);
                        n = 0;
                }

                header = (struct tpacket3_hdr *) ((uint8_t *) header + header->tp_next_offset);
        }
}

/* One way. */
static int packet_relay(const char *from, const char *to) {
        _cleanup_close_ int from_fd = -1, to_fd = -1;
        uint8_t *ring;

        to_fd = packet_open(to, 0);
        if (to_fd < 0)
                return to_fd;
        from_fd = packet_open_ring(from, &ring);
        if (from_fd < 0)
                return from_fd;

        for (unsigned i = 0;; i = (i + 1) % BLOCKS) {
                struct tpacket_block_desc *block = ring_wait(from_fd, ring, i);

                relay_block(to_fd, block);
                __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        }
}

static int packet_relay_both(const char *left, const char *right) {
        pid_t child;

        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0)
                _exit(packet_relay(right, left) < 0);

        return packet_relay(left, right);
}

/* ---------------------------------------------------------------------------------------- AF_UNIX --- */

/* The other process: returns what it gets ("echo"), or counts it and says how much at the end. */
static void unix_child(int fd, bool echo) {
        uint8_t data[FRAME_BYTES_MAX];
        uint64_t n = 0;
        ssize_t size;

        while ((size = recv(fd, data, sizeof(data), 0)) > 0)
                if (echo || size == 1) {
                        if (!echo)
                                memcpy(data, &n, sizeof(n));
                        (void) send(fd, data, echo ? (size_t) size : sizeof(n), 0);
                } else
                        n++;
}

static int unix_pair(bool echo, pid_t *ret_child) {
        int fds[2];
        pid_t child;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;

        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0) {
                (void) close(fds[0]);
                unix_child(fds[1], echo);
                _exit(0);
        }

        (void) close(fds[1]);
        *ret_child = child;
        return fds[0];
}

static int unix_rate(size_t size, unsigned seconds) {
        uint8_t data[FRAME_BYTES_MAX] = {};
        uint64_t begun, took, n;
        _cleanup_close_ int fd = -1;
        pid_t child;

        if (size < 2 || size > sizeof(data))
                return -EINVAL;

        fd = unix_pair(false, &child);
        if (fd < 0)
                return fd;

        begun = now_nsec();
        do
                (void) send(fd, data, size, 0);
        while ((took = now_nsec() - begun) < seconds * UINT64_C(1000000000));

        if (send(fd, data, 1, 0) < 0 || recv(fd, &n, sizeof(n), 0) != sizeof(n))
                return -EIO;
        (void) printf("%.0f\n", (double) n * 1e9 / (double) took);

        fd = safe_close(fd);
        (void) waitpid(child, NULL, 0);
        return 0;
}

static int unix_rtt(unsigned seconds) {
        _cleanup_free_ uint64_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
        uint64_t end = now_nsec() + seconds * UINT64_C(1000000000);
        uint8_t data[64] = {};
        _cleanup_close_ int fd = -1;
        size_t n = 0;
        pid_t child;

        if (!samples)
                return -ENOMEM;

        fd = unix_pair(true, &child);
        if (fd < 0)
                return fd;

        while (n < SAMPLES_MAX && now_nsec() < end) {
                uint64_t begun = now_nsec();

                if (send(fd, data, sizeof(data), 0) < 0 || recv(fd, data, sizeof(data), 0) < 0)
                        return -errno;
                samples[n++] = now_nsec() - begun;
        }

        fd = safe_close(fd);
        (void) waitpid(child, NULL, 0);
        return print_median(samples, n);
}

static int run(int argc, char *argv[]) {
        const char *what = argc > 1 ? argv[1] : "";

        if (streq(what, "packet-rate") && argc == 5)
                return packet_rate(argv[2], (size_t) atol(argv[3]), (unsigned) atoi(argv[4]));
        if (streq(what, "packet-rtt") && argc == 4)
                return packet_rtt(argv[2], (unsigned) atoi(argv[3]));
        if (streq(what, "packet-serve") && argc == 3)
                return packet_serve(argv[2]);
        if (streq(what, "packet-relay") && argc == 4)
                return packet_relay_both(argv[2], argv[3]);
        if (streq(what, "unix-rate") && argc == 4)
                return unix_rate((size_t) atol(argv[2]), (unsigned) atoi(argv[3]));
        if (streq(what, "unix-rtt") && argc == 3)
                return unix_rtt((unsigned) atoi(argv[2]));

        return -EINVAL;
}

int main(int argc, char *argv[]) {
        int r = run(argc, argv);

        if (r < 0)
                (void) fprintf(stderr, "baseline: %s; the comment in baseline.c says what it takes\n", strerror(-r));
        return r < 0;
}
