/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two processes, one channel, both directions at once: messages of random sizes, written in random parts, published
 * in random bursts, read in random pieces. Each process sleeps whenever it can do nothing. Sizes and bytes follow
 * from a seed, so that each side knows what the other sends. A wake-up that is lost shows as a sleep without end.
 */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "basic/time.h"
#include "tests/support/channel-pair.h"

/* Of each class; all together stay well below the two seconds that this test may cost. */
#define RUN_USEC (USEC_PER_SEC / 2)

/* Far beyond any scheduling delay: nobody is coming. */
#define LOST_MSEC 20000

#define MESSAGE_BYTES_MAX (64U * 1024U)
#define PUSHES_MAX 8U

typedef struct Side {
        Channel *channel;
        usec_t end;

        uint64_t write_seed;            /* of what we send */
        uint32_t n_written;
        bool last_written;
        uint8_t out[MESSAGE_BYTES_MAX];

        uint64_t read_seed;             /* of what the other sends */
        uint32_t n_read;
        bool last_read;
        uint8_t in[MESSAGE_BYTES_MAX];
        size_t expected, done;          /* of the message that is being read; 0 between two */

        uint64_t dice;                  /* for what the other side need not know */
        unsigned n_sleeps;
} Side;

static uint64_t dice(uint64_t *seed) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *seed >> 33;
}

/* Mostly small, sometimes as large as can be. */
static size_t message_size(uint64_t *seed, size_t max) {
        uint64_t kind = dice(seed) % 8;

        return 1 + dice(seed) % (kind == 0 ? max : kind < 3 ? 6000 : 200);
}

/* The first byte says whether it is the last message. */
static void message_fill(uint8_t *to, size_t size, uint32_t number, bool last) {
        for (size_t i = 1; i < size; i++)
                to[i] = (uint8_t) (number * 31 + i);
        to[0] = last;
}

/* Returns: whether something was written. */
static bool side_write(Side *s) {
        unsigned n = 0, want = 1 + (unsigned) (dice(&s->dice) % PUSHES_MAX);

        for (; n < want && !s->last_written; n++) {
                uint64_t seed = s->write_seed;
                size_t size = message_size(&seed, channel_message_max(s->channel)), cut = dice(&s->dice) % size;
                bool last = time_now() >= s->end;
                struct iovec parts[] = {
                        { .iov_base = s->out,       .iov_len = cut },
                        { .iov_base = s->out + cut, .iov_len = size - cut },
                };

                message_fill(s->out, size, s->n_written, last);
                if (channel_push(s->channel, parts, 2) < 0)
                        break;

                s->write_seed = seed;
                s->n_written++;
                s->last_written = last;
        }

        (void) channel_publish(s->channel);
        return n > 0;
}

/* Returns: 1: something was read; 0: nothing there; -EBADMSG: not what was sent. */
static int side_read(Side *s) {
        size_t room = 1 + dice(&s->dice) % 10000;
        bool more = false;
        ssize_t n;

        if (s->expected == 0) {
                s->expected = message_size(&s->read_seed, channel_message_max(s->channel));
                s->done = 0;
        }

        n = channel_read(s->channel, s->in + s->done, MIN(room, MESSAGE_BYTES_MAX - s->done), &more);
        if (n == -EAGAIN)
                return 0;
        if (n < 0)
                return (int) n;

        s->done += (size_t) n;
        if (more != (s->done < s->expected))
                return -EBADMSG;
        if (more)
                return 1;

        message_fill(s->out, s->expected, s->n_read, s->in[0]);
        if (memcmp(s->in, s->out, s->expected) != 0)
                return -EBADMSG;

        s->last_read = s->in[0];
        s->n_read++;
        s->expected = 0;
        if (dice(&s->dice) % 4 == 0)
                (void) channel_release(s->channel);
        return 1;
}

/* Sleeps until there is something to do. Returns: 0; -ETIMEDOUT: nobody woke us. */
static int side_sleep(Side *s) {
        if (channel_arm_read(s->channel) == 0)
                return 0;
        if (!s->last_written && channel_arm_write(s->channel) == 0)
                return 0;

        s->n_sleeps++;
        if (poll(&(struct pollfd) { .fd = channel_fd(s->channel), .events = POLLIN }, 1, LOST_MSEC) <= 0)
                return -ETIMEDOUT;

        (void) channel_drain(s->channel, NULL);
        channel_disarm_write(s->channel);
        return 0;
}

static int side_run(Side *s) {
        while (!s->last_written || !s->last_read) {
                bool wrote = side_write(s);
                int r = 0;

                if (!s->last_read)
                        r = side_read(s);
                if (r == 0 && !wrote)
                        r = side_sleep(s);
                if (r < 0)
                        return r;
        }

        /* The other side may still wait for the room. */
        (void) channel_release(s->channel);
        return 0;
}

static int side_new(LaneClass class, int control, int doorbell, uint64_t write_seed, uint64_t read_seed, Side **ret) {
        Lane *own, *peer;
        Side *s;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        r = lane_exchange(control, class, &own, &peer);
        if (r < 0)
                return r;

        s->write_seed = s->dice = write_seed;
        s->read_seed = read_seed;
        s->end = time_now() + RUN_USEC;
        *ret = s;
        return channel_new(class, own, peer, doorbell, &s->channel);
}

static void test_two_processes(void **state) {
        for (LaneClass class = 0; class < _LANE_CLASS_MAX; class++) {
                int control[2], bell[2], status;
                Side *side = NULL;
                pid_t pid;

                assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
                assert_int_equal(doorbell_pair(bell), 0);

                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        (void) close(bell[0]);
                        if (side_new(class, control[1], bell[1], 1, 2, &side) < 0)
                                _exit(2);
                        _exit(side_run(side) < 0);
                }

                (void) close(bell[1]);
                assert_int_equal(side_new(class, control[0], bell[0], 2, 1, &side), 0);
                assert_int_equal(side_run(side), 0);

                /* Our end stays open until the other side is through. */
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(status, 0);

                print_message("%u slots: %u messages out, %u in, %u sleeps\n", lane_class_slots(class),
                              side->n_written, side->n_read, side->n_sleeps);
                assert_true(side->n_written > 10);
                assert_true(side->n_read > 10);

                channel_free(side->channel);
                free(side);
                (void) close(control[0]);
                (void) close(control[1]);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_two_processes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
