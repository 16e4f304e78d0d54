/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets through the pipes of readers: all of them, too many, with a reader that goes, and at our own end. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>

#include "services/common/capture.h"

#define BLOCK_SECTION 0x0A0D0D0AU
#define BLOCK_INTERFACE 1U
#define BLOCK_STATISTICS 5U
#define BLOCK_PACKET 6U
#define STREAM_BYTES_MAX (8U * 1024U * 1024U)

static const PcapngInterface interfaces[] = {
        { PCAPNG_LINK_USER0, "", "Data" },
        { PCAPNG_LINK_USER0, "-management", "Management" },
};

typedef struct Fixture {
        sd_event *event;
        Capture *capture;
        Capture *watched;               /* as told */
        Packet *packet;
        uint8_t *bytes;                 /* what one reader got */
        size_t size;
} Fixture;

static void watch(void *userdata, Capture *capture) {
        ((Fixture *) userdata)->watched = capture;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        (void) signal(SIGPIPE, SIG_IGN);        /* as daemons do */
        assert_true(sd_event_new(&f->event) >= 0);
        assert_int_equal(capture_new(f->event, "home", interfaces, ELEMENTSOF(interfaces), watch, f, &f->capture), 0);
        assert_int_equal(packet_new(1500, &f->packet), 0);
        f->bytes = malloc(STREAM_BYTES_MAX);
        assert_non_null(f->bytes);

        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        capture_free(f->capture);
        packet_free(f->packet);
        sd_event_unref(f->event);
        free(f->bytes);
        free(f);
        return 0;
}

static int add_reader(Fixture *f, uint32_t snap, int *ret_reader) {
        int ends[2], r;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_true(fcntl(ends[0], F_SETFL, O_NONBLOCK) >= 0);
        r = capture_add(f->capture, ends[1], snap);
        if (r < 0)
                (void) close(ends[0]);
        else
                *ret_reader = ends[0];
        return r;
}

/* As much as there is. Returns whether that was the end of the stream. */
static bool read_all(Fixture *f, int reader) {
        for (;;) {
                ssize_t n = read(reader, f->bytes + f->size, STREAM_BYTES_MAX - f->size);

                if (n <= 0)
                        return n == 0;
                f->size += (size_t) n;
        }
}

static void pump(Fixture *f, int reader) {
        while (sd_event_run(f->event, 0) > 0)
                if (reader >= 0)
                        (void) read_all(f, reader);
}

static void show(Fixture *f, unsigned interface, bool outgoing, size_t size, uint8_t mark) {
        packet_reset(f->packet);
        memset(packet_append(f->packet, size), mark, size);
        capture_packets(f->capture, interface, outgoing, &f->packet, 1);
}

typedef struct Seen {
        unsigned n_sections, n_interfaces, n_packets, n_statistics;
        uint64_t n_lost;                /* as packets tell */
        uint64_t received, dropped;     /* as the last statistics of interface 0 tell */
        uint32_t kept, original;        /* of the last packet */
        uint8_t mark;
        uint32_t flags;
} Seen;

static void see_options(Cursor *c, Seen *seen, bool packet) {
        while (c->left > 0) {
                uint16_t code = cursor_be16(c), size = cursor_be16(c);
                Cursor value = cursor_from(cursor_bytes(c, (size + 3U) & ~3U), size);

                if (packet && code == 2)
                        seen->flags = cursor_be32(&value);
                else if (packet && code == 4)
                        seen->n_lost += cursor_be64(&value);
                else if (!packet && code == 4)
                        seen->received = cursor_be64(&value);
                else if (!packet && code == 5)
                        seen->dropped = cursor_be64(&value);
        }
        assert_false(c->bad);
}

static void see_packet(Cursor *c, Seen *seen) {
        const uint8_t *data;

        (void) cursor_bytes(c, 12);
        seen->kept = cursor_be32(c);
        seen->original = cursor_be32(c);
        data = cursor_bytes(c, (seen->kept + 3U) & ~3U);
        assert_non_null(data);
        seen->mark = data[0];
        seen->n_packets++;
        see_options(c, seen, true);
}

static void see_statistics(Cursor *c, Seen *seen) {
        uint32_t interface = cursor_be32(c);
        Seen other = {};

        (void) cursor_bytes(c, 8);
        seen->n_statistics++;
        see_options(c, interface == 0 ? seen : &other, false);
}

/* Every block of what was read, whole. */
static void see(const Fixture *f, Seen *ret) {
        Cursor c = cursor_from(f->bytes, f->size);

        *ret = (Seen) {};
        while (c.left > 0) {
                uint32_t type = cursor_be32(&c), length = cursor_be32(&c);
                Cursor body;

                assert_true(length >= 12 && length % 4 == 0);
                body = cursor_from(cursor_bytes(&c, length - 12), length - 12);
                assert_int_equal(cursor_be32(&c), length);
                assert_false(c.bad);

                if (type == BLOCK_PACKET)
                        see_packet(&body, ret);
                else if (type == BLOCK_STATISTICS)
                        see_statistics(&body, ret);
                ret->n_sections += type == BLOCK_SECTION;
                ret->n_interfaces += type == BLOCK_INTERFACE;
        }
}

static void test_stream(void **state) {
        Fixture *f = *state;
        int reader = -1;
        Seen seen;

        assert_null(f->watched);
        assert_int_equal(add_reader(f, 100, &reader), 0);
        assert_ptr_equal(f->watched, f->capture);

        show(f, 0, false, 60, 'a');
        show(f, 1, true, 1400, 'b');
        pump(f, reader);
        see(f, &seen);
        assert_int_equal(seen.n_sections, 1);
        assert_int_equal(seen.n_interfaces, 2);
        assert_int_equal(seen.n_packets, 2);
        assert_int_equal(seen.original, 1400);
        assert_int_equal(seen.kept, 100);
        assert_int_equal(seen.mark, 'b');
        assert_int_equal(seen.flags, 2);
        assert_int_equal(seen.n_statistics, 0);         /* there is nothing to tell yet */

        /* The reader goes, and that is the end of it. */
        (void) close(reader);
        pump(f, -1);
        assert_null(f->watched);
}

/* Nobody reads: packets are lost, and told of as soon as somebody does; what was kept is whole. */
static void test_losses(void **state) {
        const unsigned n = CAPTURE_BUFFER_BYTES / 1000;         /* and each takes more than that */
        Fixture *f = *state;
        int reader = -1;
        Seen seen;

        assert_int_equal(add_reader(f, 0, &reader), 0);
        for (unsigned i = 0; i < 2 * n; i++)
                show(f, 0, false, 1000, 'x');

        pump(f, reader);
        see(f, &seen);
        assert_true(seen.n_packets > n / 2 && seen.n_packets < n);
        assert_int_equal(seen.n_statistics, 2);                 /* one for each interface */
        assert_int_equal(seen.received, 2 * n);
        assert_int_equal(seen.dropped, 2 * n - seen.n_packets);
        assert_int_equal(seen.n_lost, 0);

        show(f, 0, false, 10, 'y');                             /* the first one to be kept says it, too */
        show(f, 0, false, 10, 'z');
        pump(f, reader);
        see(f, &seen);
        assert_int_equal(seen.mark, 'z');
        assert_int_equal(seen.n_lost, 2 * n + 2 - seen.n_packets);
        (void) close(reader);
}

/* A reader that is always behind: what waits moves through the buffer, and stays whole. */
static void test_slow_reader(void **state) {
        unsigned n_shown = 0;
        Fixture *f = *state;
        int reader = -1;
        Seen seen;

        assert_int_equal(add_reader(f, 0, &reader), 0);
        for (unsigned i = 0; i < 100; i++) {
                ssize_t n;

                for (unsigned k = 0; k < 60; k++, n_shown++)
                        show(f, 0, true, 500 + (i * 7 + k) % 900, (uint8_t) k);
                (void) sd_event_run(f->event, 0);
                n = read(reader, f->bytes + f->size, 30000);
                assert_true(n > 0);
                f->size += (size_t) n;
        }

        pump(f, reader);
        see(f, &seen);
        assert_true(seen.dropped > 0);
        assert_int_equal(seen.n_packets + seen.dropped, n_shown);
        (void) close(reader);
}

static void test_many(void **state) {
        int readers[CAPTURE_STREAMS_MAX + 1];
        Fixture *f = *state;

        for (unsigned i = 0; i < CAPTURE_STREAMS_MAX; i++)
                assert_int_equal(add_reader(f, 0, &readers[i]), 0);
        assert_int_equal(add_reader(f, 0, &readers[CAPTURE_STREAMS_MAX]), -EBUSY);

        /* One that goes makes place, and takes nobody with it. */
        (void) close(readers[0]);
        pump(f, -1);
        assert_ptr_equal(f->watched, f->capture);
        assert_int_equal(add_reader(f, 0, &readers[0]), 0);

        show(f, 0, false, 20, 'm');
        pump(f, -1);
        for (unsigned i = 0; i < CAPTURE_STREAMS_MAX; i++) {
                Seen seen;

                f->size = 0;
                assert_false(read_all(f, readers[i]));
                see(f, &seen);
                assert_int_equal(seen.n_packets, 1);
                (void) close(readers[i]);
        }
}

/* An orderly end of ours: the statistics, and the end of the stream. */
static void test_end(void **state) {
        Fixture *f = *state;
        int reader = -1;
        Seen seen;

        assert_int_equal(add_reader(f, 0, &reader), 0);
        show(f, 0, false, 20, 'e');
        f->capture = capture_free(f->capture);

        assert_true(read_all(f, reader));
        see(f, &seen);
        assert_int_equal(seen.n_packets, 1);
        assert_int_equal(seen.n_statistics, 2);
        assert_int_equal(seen.received, 1);
        assert_int_equal(seen.dropped, 0);
        (void) close(reader);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
                cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
