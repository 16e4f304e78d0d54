/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ring that a packet socket receives into, on the loopback interface of a network namespace of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "services/ipcp-eth/socket-ring.h"

#define ETHER_TYPE 0x88B5U              /* which IEEE leaves to experiments */
#define FRAME_MAX 1514U
#define BURST 32U
#define HEADER_BYTES 14U

typedef struct Fixture {
        int sender, receiver;
        uint32_t n_sent, n_seen, n_dropped;     /* seen by the receiver's side, those dropped for want of a slot too */
        FrameRing *ring;
        Packet *packets[BURST];
} Fixture;

static int packet_socket(int protocol) {
        const struct sockaddr_ll address = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons((uint16_t) protocol),
                .sll_ifindex = (int) if_nametoindex("lo"),
        };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        if (protocol == 0)
                assert_return_code(bind(fd, (const struct sockaddr *) &address, sizeof(address)), errno);
        return fd;
}

static void listen_to_frames(int fd) {
        const struct sockaddr_ll address = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons(ETHER_TYPE),
                .sll_ifindex = (int) if_nametoindex("lo"),
        };

        assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int) { 1 }, sizeof(int)), errno);
        assert_return_code(bind(fd, (const struct sockaddr *) &address, sizeof(address)), errno);
}

static int setup(void **state) {
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        Fixture *f = calloc(1, sizeof(*f));

        if (unshare(CLONE_NEWNET) < 0) {
                free(f);
                return 0;               /* the tests say that they are skipped */
        }

        f->sender = packet_socket(0);
        f->receiver = packet_socket(ETHER_TYPE);
        assert_return_code(ioctl(f->sender, SIOCSIFFLAGS, &request), errno);
        assert_return_code(frame_ring_new(f->receiver, FRAME_MAX, &f->ring), 0);
        listen_to_frames(f->receiver);
        for (unsigned i = 0; i < BURST; i++)
                assert_return_code(packet_new(FRAME_MAX, &f->packets[i]), 0);

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        if (!f)
                return 0;

        for (unsigned i = 0; i < BURST; i++)
                packet_free(f->packets[i]);
        frame_ring_free(f->ring);
        (void) close(f->receiver);
        (void) close(f->sender);
        free(f);
        return 0;
}

static Fixture *fixture(void **state) {
        if (!*state) {
                print_message("No right to make a network namespace.\n");
                skip();
        }

        return *state;
}

/* A frame to everybody that says its number, in as many bytes. */
static void send_frame(Fixture *f, uint32_t number, size_t size) {
        uint8_t frame[2 * FRAME_MAX];

        assert_true(size >= HEADER_BYTES + sizeof(number) && size <= sizeof(frame));
        memset(frame, 0xff, 6);
        memcpy(frame + 6, "\2\0\0\0\0\1\x88\xb5", 8);
        memset(frame + HEADER_BYTES, (int) (number & 0xff), size - HEADER_BYTES);
        memcpy(frame + HEADER_BYTES, &number, sizeof(number));
        assert_int_equal(send(f->sender, frame, size, 0), size);
        f->n_sent++;
}

/* A busy kernel may hand over late what was sent. */
static void settle(Fixture *f) {
        for (unsigned tries = 0; f->n_seen < f->n_sent && tries < 10000; tries++) {
                struct tpacket_stats stats = {};

                assert_return_code(getsockopt(f->receiver, SOL_PACKET, PACKET_STATISTICS, &stats,
                                              &(socklen_t) { sizeof(stats) }),
                                   errno);
                f->n_seen += stats.tp_packets;
                f->n_dropped += stats.tp_drops;
                if (f->n_seen < f->n_sent)
                        (void) usleep(1000);
        }

        assert_int_equal(f->n_seen, f->n_sent);
}

static unsigned read_frames(Fixture *f, unsigned n, unsigned *ret_cut) {
        settle(f);
        return frame_ring_read(f->ring, f->packets, n, ret_cut);
}

static void check_frame(const Packet *p, uint32_t number, size_t size) {
        uint32_t found;

        assert_int_equal(packet_size(p), size);
        assert_memory_equal(p->head, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x88\xb5", HEADER_BYTES);
        memcpy(&found, p->head + HEADER_BYTES, sizeof(found));
        assert_int_equal(found, number);
        for (size_t i = HEADER_BYTES + sizeof(found); i < size; i++)
                assert_int_equal(p->head[i], number & 0xff);
}

static void nothing_waits(void **state) {
        Fixture *f = fixture(state);
        unsigned n_cut;

        assert_int_equal(read_frames(f, BURST, &n_cut), 0);
        assert_int_equal(n_cut, 0);
}

static void sizes(void **state) {
        static const size_t size_table[] = { 18, 60, 61, 64, 1400, FRAME_MAX - 1, FRAME_MAX };
        Fixture *f = fixture(state);
        unsigned n_cut;

        for (uint32_t i = 0; i < ELEMENTSOF(size_table); i++)
                send_frame(f, i, size_table[i]);

        assert_int_equal(read_frames(f, BURST, &n_cut), ELEMENTSOF(size_table));
        assert_int_equal(n_cut, 0);
        for (uint32_t i = 0; i < ELEMENTSOF(size_table); i++)
                check_frame(f->packets[i], i, size_table[i]);
}

/* No more than asked for, in their order, and what is left waits. */
static void part_of_a_burst(void **state) {
        Fixture *f = fixture(state);
        unsigned n_cut;

        for (uint32_t i = 0; i < 10; i++)
                send_frame(f, i, 100);

        assert_int_equal(read_frames(f, 3, &n_cut), 3);
        check_frame(f->packets[2], 2, 100);
        assert_int_equal(read_frames(f, BURST, &n_cut), 7);
        check_frame(f->packets[0], 3, 100);
        check_frame(f->packets[6], 9, 100);
}

/* A frame that is too large is passed over, and no end of them keeps the reader. */
static void too_large(void **state) {
        Fixture *f = fixture(state);
        unsigned n_cut;

        send_frame(f, 1, 200);
        send_frame(f, 2, FRAME_MAX + 200);
        send_frame(f, 3, 200);
        assert_int_equal(read_frames(f, BURST, &n_cut), 2);
        assert_int_equal(n_cut, 1);
        check_frame(f->packets[0], 1, 200);
        check_frame(f->packets[1], 3, 200);

        for (uint32_t i = 0; i < BURST + 5; i++)
                send_frame(f, i, FRAME_MAX + 200);
        assert_int_equal(read_frames(f, BURST, &n_cut), 0);
        assert_int_equal(n_cut, BURST);
        assert_int_equal(read_frames(f, BURST, &n_cut), 0);
        assert_int_equal(n_cut, 5);
}

/* Several times round all blocks. */
static void round_and_round(void **state) {
        Fixture *f = fixture(state);
        unsigned n_cut;

        for (uint32_t i = 0; i < 4000; i += 20) {
                for (uint32_t k = 0; k < 20; k++)
                        send_frame(f, i + k, 64 + (i + k) % 1000);
                assert_int_equal(read_frames(f, BURST, &n_cut), 20);
                for (uint32_t k = 0; k < 20; k++)
                        check_frame(f->packets[k], i + k, 64 + (i + k) % 1000);
        }
}

/* While nobody reads, 900 frames wait; what finds no slot is counted by the kernel, and reading goes on behind. */
static void more_than_fit(void **state) {
        Fixture *f = fixture(state);
        uint32_t n_read = 0;
        unsigned n, n_cut;

        for (uint32_t i = 0; i < 2000; i++)
                send_frame(f, i, 500);

        while ((n = read_frames(f, BURST, &n_cut)) > 0)
                for (unsigned i = 0; i < n; i++)
                        check_frame(f->packets[i], n_read++, 500);

        assert_in_range(n_read, 900, 1999);
        assert_int_equal(f->n_dropped, 2000 - n_read);

        send_frame(f, 7, 500);
        assert_int_equal(read_frames(f, BURST, &n_cut), 1);
        check_frame(f->packets[0], 7, 500);
}

static void limits(void **state) {
        static const struct {
                size_t frame_max;
                int result;
        } table[] = {
                { 60, 0 },
                { 9014, 0 },
                { 65535, 0 },
                { FRAME_RING_BLOCK_BYTES, -EMSGSIZE },
                { SIZE_MAX, -EMSGSIZE },
        };

        (void) fixture(state);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(frame_ring_freep) FrameRing *ring = NULL;
                int fd = packet_socket(ETHER_TYPE);

                assert_int_equal(frame_ring_new(fd, table[i].frame_max, &ring), table[i].result);
                ring = frame_ring_free(ring);
                (void) close(fd);
        }

        assert_int_equal(frame_ring_new(-1, FRAME_MAX, &(FrameRing *) { NULL }), -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(nothing_waits, setup, teardown),
                cmocka_unit_test_setup_teardown(sizes, setup, teardown),
                cmocka_unit_test_setup_teardown(part_of_a_burst, setup, teardown),
                cmocka_unit_test_setup_teardown(too_large, setup, teardown),
                cmocka_unit_test_setup_teardown(round_and_round, setup, teardown),
                cmocka_unit_test_setup_teardown(more_than_fit, setup, teardown),
                cmocka_unit_test_setup_teardown(limits, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
