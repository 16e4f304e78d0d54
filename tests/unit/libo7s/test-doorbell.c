/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Doorbells: records, hang-up, and a peer that misuses its end. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "libo7s/doorbell.h"
#include "tests/support/channel-pair.h"

/* Sent before the peer hangs up, so that a row also says what follows the record. */
static void test_records(void **state) {
        static const struct {
                const char *name;
                const char *record;
                size_t size;
                int r;
                CloseReason reason;
                unsigned rings;
        } cases[] = {
                { "ring, then death",    "\x01",             1, -EPIPE,   _CLOSE_REASON_INVALID, 1 },
                { "closed normally",     "\x02\x00\x00",     3, 1,        CLOSE_NORMAL,          0 },
                { "closed by operator",  "\x02\x00\x06",     3, 1,        CLOSE_BY_OPERATOR,     0 },
                { "unknown reason",      "\x02\x00\x07",     3, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "reason high byte",    "\x02\x01\x00",     3, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "closed, short",       "\x02\x00",         2, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "closed, long",        "\x02\x00\x00\x00", 4, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "ring, long",          "\x01\x00",         2, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "unknown record",      "\x05",             1, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "path, of no layer",   "\x04\x00\x00\x00\x05\xdc", 6, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "zero",                "\x00",             1, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "outcome comes late",  "\x03xyz",          4, -EBADMSG, _CLOSE_REASON_INVALID, 0 },
                { "far too long",        "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", 12, -EBADMSG,
                  _CLOSE_REASON_INVALID, 0 },
                { "empty is an end",     "",                 0, -EPIPE,   _CLOSE_REASON_INVALID, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                CloseReason reason = _CLOSE_REASON_INVALID;
                unsigned rings;
                int fds[2];

                print_message("%s\n", cases[i].name);
                assert_int_equal(doorbell_pair(fds), 0);
                assert_int_equal(send(fds[1], cases[i].record, cases[i].size, 0), cases[i].size);
                assert_int_equal(close(fds[1]), 0);

                assert_int_equal(doorbell_drain_counted(fds[0], &rings, &reason), cases[i].r);
                assert_int_equal(reason, cases[i].reason);
                assert_int_equal(rings, cases[i].rings);
                assert_int_equal(close(fds[0]), 0);
        }
}

/* What a layer says of the path, behind a ring. What was known before is 1000 bytes, up. */
static void test_path_records(void **state) {
        static const struct {
                const char *name;
                const char *record;
                size_t size;
                int r;
                PathState path;
        } cases[] = {
                { "up, 1500 bytes",      "\x04\x00\x00\x00\x05\xdc",     6, 0,        { false, 1500 } },
                { "down, size not known", "\x04\x01\x00\x00\x00\x00",    6, 0,        { true, 0 } },
                { "down, one byte",      "\x04\x01\x00\x00\x00\x01",     6, 0,        { true, 1 } },
                { "largest",             "\x04\x00\x00\x01\x00\x00",     6, 0,        { false, DOORBELL_PACKET_MAX } },
                { "larger than any",     "\x04\x00\x00\x01\x00\x01",     6, -EBADMSG, { false, 1000 } },
                { "far larger",          "\x04\x00\xff\xff\xff\xff",     6, -EBADMSG, { false, 1000 } },
                { "neither up nor down", "\x04\x02\x00\x00\x05\xdc",     6, -EBADMSG, { false, 1000 } },
                { "short",               "\x04\x00\x00\x00\x05",         5, -EBADMSG, { false, 1000 } },
                { "its type alone",      "\x04",                         1, -EBADMSG, { false, 1000 } },
                { "long",                "\x04\x00\x00\x00\x05\xdc\x00", 7, -EBADMSG, { false, 1000 } },
                { "ring",                "\x01",                         1, 0,        { false, 1000 } },
                { "unknown",             "\x05\x00\x00\x00\x05\xdc",     6, -EBADMSG, { false, 1000 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PathState path = { .packet_max = 1000 };
                unsigned rings;
                int fds[2];

                print_message("%s\n", cases[i].name);
                assert_int_equal(doorbell_pair(fds), 0);
                assert_int_equal(doorbell_ring(fds[1]), 0);
                assert_int_equal(send(fds[1], cases[i].record, cases[i].size, 0), cases[i].size);
                assert_int_equal(doorbell_drain_path(fds[0], &rings, &path, NULL), cases[i].r);
                assert_int_equal(rings, cases[i].r == 0 ? 2 : 1);       /* each is a reason to look at the lanes */
                assert_int_equal(path.down, cases[i].path.down);
                assert_int_equal(path.packet_max, cases[i].path.packet_max);
                assert_int_equal(close(fds[0]), 0);
                assert_int_equal(close(fds[1]), 0);
        }
}

/* However much a layer had to say, the newest counts, also when it closes behind that. */
static void test_path_newest(void **state) {
        CloseReason reason = _CLOSE_REASON_INVALID;
        PathState path = {};
        int fds[2], r;

        assert_int_equal(doorbell_pair(fds), 0);
        for (uint32_t i = 1; i <= 100; i++)
                assert_int_equal(doorbell_tell_path(fds[1], &(PathState) { .down = i % 2, .packet_max = i }), 0);
        assert_int_equal(doorbell_tell_path(fds[1], &(PathState) { .packet_max = UINT32_MAX }), 0);
        doorbell_close(fds[1], CLOSE_LAYER_DOWN);

        do
                r = doorbell_drain_path(fds[0], NULL, &path, &reason);
        while (r == 0);
        assert_int_equal(r, 1);
        assert_int_equal(reason, CLOSE_LAYER_DOWN);
        assert_false(path.down);
        assert_int_equal(path.packet_max, DOORBELL_PACKET_MAX);

        assert_int_equal(close(fds[0]), 0);
        assert_int_equal(doorbell_tell_path(fds[1], &path), -EPIPE);
        assert_int_equal(close(fds[1]), 0);
}

static void test_ring(void **state) {
        unsigned rings;
        int fds[2];

        assert_int_equal(doorbell_pair(fds), 0);
        assert_int_equal(doorbell_drain(fds[0], NULL), 0);

        assert_int_equal(doorbell_ring(fds[1]), 0);
        assert_int_equal(doorbell_ring(fds[1]), 0);
        assert_int_equal(poll(&(struct pollfd) { .fd = fds[0], .events = POLLIN }, 1, 0), 1);
        assert_int_equal(doorbell_drain_counted(fds[0], &rings, NULL), 0);
        assert_int_equal(rings, 2);
        assert_int_equal(poll(&(struct pollfd) { .fd = fds[0], .events = POLLIN }, 1, 0), 0);

        assert_int_equal(close(fds[0]), 0);
        assert_int_equal(doorbell_ring(fds[1]), -EPIPE);
        doorbell_close(fds[1], CLOSE_NORMAL);           /* nobody there: nothing happens */
        assert_int_equal(close(fds[1]), 0);
}

static void test_close(void **state) {
        for (CloseReason sent = 0; sent < _CLOSE_REASON_MAX; sent++) {
                CloseReason reason = _CLOSE_REASON_INVALID;
                int fds[2];

                assert_int_equal(doorbell_pair(fds), 0);
                doorbell_close(fds[1], sent);
                assert_int_equal(doorbell_drain(fds[0], &reason), 1);
                assert_int_equal(reason, sent);
                assert_non_null(close_reason_to_string(reason));
                (void) close(fds[0]);
                (void) close(fds[1]);
        }

        assert_null(close_reason_to_string(_CLOSE_REASON_MAX));
        assert_null(close_reason_to_string(_CLOSE_REASON_INVALID));
}

/* The kernel says ECONNRESET, once, where the other end closed with records of ours unread. What it said before
 * it closed must not be lost over that. */
static void test_closed_with_rings_unread(void **state) {
        CloseReason reason = _CLOSE_REASON_INVALID;
        int fds[2];

        assert_int_equal(doorbell_pair(fds), 0);
        assert_int_equal(doorbell_ring(fds[0]), 0);
        doorbell_close(fds[1], CLOSE_LAYER_DOWN);
        assert_int_equal(close(fds[1]), 0);

        assert_int_equal(doorbell_drain(fds[0], &reason), 1);
        assert_int_equal(reason, CLOSE_LAYER_DOWN);
        assert_int_equal(close(fds[0]), 0);
}

static void test_peer_never_reads(void **state) {
        int fds[2];

        assert_int_equal(doorbell_pair(fds), 0);

        /* It may even take O_NONBLOCK off: what we call says so itself each time. */
        assert_int_equal(fcntl(fds[0], F_SETFL, 0), 0);
        (void) alarm(10);
        for (unsigned i = 0; i < 5000; i++)
                assert_int_equal(doorbell_ring(fds[0]), 0);
        doorbell_close(fds[0], CLOSE_NORMAL);
        assert_int_equal(doorbell_drain(fds[0], NULL), 0);
        (void) alarm(0);

        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void test_flood_is_bounded(void **state) {
        unsigned sent = 0, received = 0, rings, n_drains = 0;
        int fds[2];

        assert_int_equal(doorbell_pair(fds), 0);
        while (send(fds[1], "\x01", 1, MSG_DONTWAIT) == 1)
                sent++;
        assert_true(sent > 100);

        do {
                assert_int_equal(doorbell_drain_counted(fds[0], &rings, NULL), 0);
                assert_true(rings <= 64);               /* what one call takes, however much there is */
                received += rings;
                n_drains++;
        } while (rings > 0);

        assert_int_equal(received, sent);
        assert_true(n_drains > 2);

        (void) close(fds[0]);
        (void) close(fds[1]);
}

/* Descriptors hidden in a record: a violation, and none of them stays open here. */
static void test_descriptors(void **state) {
        static const struct {
                const char *name;
                const char *record;
                size_t size;
                unsigned n_fds;
        } cases[] = {
                { "in a ring",             "\x01",         1, 1 },
                { "in a closed record",    "\x02\x00\x00", 3, 1 },
                { "with an outcome",       "\x03xyz",      4, 1 },
                { "with a path",           "\x04\x00\x00\x00\x05\xdc", 6, 1 },
                { "as many as we look at", "\x01",         1, 16 },
                { "more than we look at",  "\x01",         1, 17 },
                { "as many as there can be", "\x01",       1, 253 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                CloseReason reason = _CLOSE_REASON_INVALID;
                int fds[2], pipe_fds[2], many[253];
                uint8_t byte;

                print_message("%s\n", cases[i].name);
                assert_int_equal(doorbell_pair(fds), 0);
                assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);

                for (unsigned j = 0; j < cases[i].n_fds; j++)
                        many[j] = pipe_fds[1];
                assert_int_equal(send_with_fds(fds[1], cases[i].record, cases[i].size, many, cases[i].n_fds), 0);
                assert_int_equal(close(pipe_fds[1]), 0);

                assert_int_equal(read(pipe_fds[0], &byte, 1), -1);      /* under way: the pipe has a writer */
                assert_int_equal(errno, EAGAIN);
                assert_int_equal(doorbell_drain(fds[0], &reason), -EBADMSG);
                assert_int_equal(reason, _CLOSE_REASON_INVALID);
                assert_int_equal(read(pipe_fds[0], &byte, 1), 0);       /* closed: it has none */

                (void) close(pipe_fds[0]);
                (void) close(fds[0]);
                (void) close(fds[1]);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_records),
                cmocka_unit_test(test_path_records),
                cmocka_unit_test(test_path_newest),
                cmocka_unit_test(test_ring),
                cmocka_unit_test(test_close),
                cmocka_unit_test(test_closed_with_rings_unread),
                cmocka_unit_test(test_peer_never_reads),
                cmocka_unit_test(test_flood_is_bounded),
                cmocka_unit_test(test_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
