/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An application that breaks the rules of shared memory. First each rule by itself, as a table: what the peer wrote,
 * which call of ours finds out. Then a process with an application's rights that scribbles on all it may write, at
 * full speed, while an endpoint of ours serves it. It must cost its own channel and nothing else.
 */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "libo7s/channel-internal.h"
#include "libo7s/endpoint.h"
#include "tests/support/channel-pair.h"

#define N_PACKETS 32U
#define N_PROCESSES 32U

/* Long enough to catch a double fetch, short enough for every test run. */
#define SCRIBBLE_USEC (USEC_PER_SEC / 4)

/* By when at the latest, on a busy machine, the others have broken a rule and been found out. */
#define FOUND_OUT_USEC (10 * USEC_PER_SEC)

#define MORE LANE_DESCRIPTOR_MORE

typedef enum Finder {
        BY_READ,
        BY_PEEK,
        BY_ARM_READ,
        BY_PUSH_WHEN_FULL,
        BY_ARM_WRITE,
} Finder;

typedef struct Violation {
        const char *name;
        Finder finder;
        uint32_t head, tail;
        uint64_t descriptors[LANE_SLOTS_MAX];
        int r;
} Violation;

static int find(Channel *c, Finder finder) {
        static uint8_t buffer[65536];
        const void *data;
        size_t size;
        int r;

        switch (finder) {
        case BY_READ:
                r = (int) channel_read(c, buffer, sizeof(buffer), NULL);
                return r > 0 ? 0 : r;
        case BY_PEEK:
                return channel_peek(c, &data, &size);
        case BY_ARM_READ:
                return channel_arm_read(c);
        case BY_PUSH_WHEN_FULL:
                do
                        r = channel_push(c, &(struct iovec) { .iov_base = buffer, .iov_len = 1 }, 1);
                while (r == 0);
                return r;
        case BY_ARM_WRITE:
                return channel_arm_write(c);
        }

        return -EINVAL;
}

/* The victim's lane is of 16 slots, it has published 4 messages and consumed none. */
static void test_rules(void **state) {
        static const Violation cases[] = {
                { "an honest message",            BY_READ,     1,  0, { 100 }, 0 },
                { "an honest chain",              BY_READ,     2,  0, { 2048 | MORE, 1 }, 0 },
                { "an honest full lane",          BY_READ,     16, 4, { 100 }, 0 },
                { "the largest message",          BY_READ,     8,  0,
                  { 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 },
                  0 },
                { "head beyond the lane",         BY_READ,     17, 0, { 100 }, -EBADMSG },
                { "head far beyond",              BY_READ,     0x80000000, 0, { 100 }, -EBADMSG },
                { "head before the start",        BY_READ,     UINT32_MAX, 0, { 100 }, -EBADMSG },
                { "the same, found on sleeping",  BY_ARM_READ, 17, 0, { 100 }, -EBADMSG },
                { "the same, found on peeking",   BY_PEEK,     17, 0, { 100 }, -EBADMSG },
                { "a message of nothing",         BY_READ,     1,  0, { 0 }, -EBADMSG },
                { "longer than a slot",           BY_READ,     1,  0, { 2049 }, -EBADMSG },
                { "the longest length",           BY_READ,     1,  0, { 0xffffff }, -EBADMSG },
                { "every flag that there is",     BY_READ,     1,  0, { 100 | LANE_DESCRIPTOR_FLAGS }, 0 },
                { "flags at the end of a chain",  BY_READ,     2,  0, { 2048 | MORE, 1 | LANE_DESCRIPTOR_MARKED }, 0 },
                { "flags before the end of one",  BY_READ,     2,  0, { 2048 | MORE | LANE_DESCRIPTOR_MARKED, 1 },
                  -EBADMSG },
                { "an unknown flag",              BY_READ,     1,  0, { 100 | UINT64_C(0x10000000) }, -EBADMSG },
                { "another unknown flag",         BY_READ,     1,  0, { 100 | UINT64_C(0x80000000) }, -EBADMSG },
                { "a bit that is to be zero",     BY_READ,     1,  0, { 100 | UINT64_C(1) << 63 }, -EBADMSG },
                { "peeking at that",              BY_PEEK,     1,  0, { 100 | UINT64_C(1) << 32 }, -EBADMSG },
                { "more, and the slot not full",  BY_READ,     2,  0, { 2047 | MORE, 1 }, -EBADMSG },
                { "more of nothing",              BY_READ,     2,  0, { 0 | MORE, 1 }, -EBADMSG },
                { "a chain without its end",      BY_READ,     1,  0, { 2048 | MORE, 1 }, -EBADMSG },
                { "a chain that ends in nothing", BY_READ,     2,  0, { 2048 | MORE, 0 }, -EBADMSG },
                { "a chain with a bad end",       BY_READ,     2,  0, { 2048 | MORE, 2049 }, -EBADMSG },
                { "one byte too much in all",     BY_READ,     9,  0,
                  { 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE,
                    2048 | MORE, 1 }, -EBADMSG },
                { "an endless chain",             BY_READ,     16, 0,
                  { 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE,
                    2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE, 2048 | MORE,
                    2048 | MORE, 2048 | MORE }, -EBADMSG },
                { "tail as it should be",         BY_PUSH_WHEN_FULL, 0, 4, {}, -EAGAIN },
                { "tail beyond what there is",    BY_PUSH_WHEN_FULL, 0, 5, {}, -EBADMSG },
                { "tail far beyond",              BY_PUSH_WHEN_FULL, 0, 0x80000000, {}, -EBADMSG },
                { "tail before the start",        BY_PUSH_WHEN_FULL, 0, UINT32_MAX, {}, -EBADMSG },
                { "tail over published only",     BY_PUSH_WHEN_FULL, 0, 16, {}, -EBADMSG },
                { "the same, found on sleeping",  BY_ARM_WRITE,      0, 17, {}, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(channel_freep) Channel *c = NULL;
                const Violation *v = cases + i;
                Lane *own, *peer;
                int doorbell;
                RawPeer raw;

                print_message("%s\n", v->name);
                assert_int_equal(raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell), 0);
                assert_int_equal(channel_new(LANE_THIN, own, peer, doorbell, &c), 0);

                for (unsigned j = 0; j < 4; j++)
                        assert_int_equal(channel_push(c, &(struct iovec) { .iov_base = (char[]) { 'x' }, .iov_len = 1 },
                                                      1), 0);
                assert_int_equal(channel_publish(c), 0);
                if (v->finder == BY_ARM_WRITE)          /* else it has no reason to look */
                        while (channel_push(c, &(struct iovec) { .iov_base = (char[]) { 'x' }, .iov_len = 1 }, 1) == 0)
                                ;

                memcpy(raw.own->memory->descriptors, v->descriptors, sizeof(v->descriptors));
                raw.own->memory->tail = v->tail;
                raw.own->memory->head = v->head;

                assert_int_equal(find(c, v->finder), v->r);
                if (v->r == -EBADMSG) {
                        /* Amends come too late. */
                        raw.own->memory->tail = raw.own->memory->head = 0;
                        for (Finder finder = 0; finder <= BY_ARM_WRITE; finder++)
                                assert_int_equal(find(c, finder), -EBADMSG);
                        assert_int_equal(channel_publish(c), -EBADMSG);
                        assert_int_equal(channel_release(c), -EBADMSG);
                        assert_true(channel_readable(c));
                }

                raw_peer_done(&raw);
        }
}

static void test_indices_that_go_back(void **state) {
        _cleanup_(channel_freep) Channel *c = NULL, *d = NULL;
        uint8_t byte;
        Lane *own, *peer;
        int doorbell;
        RawPeer raw;

        assert_int_equal(raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell), 0);
        assert_int_equal(channel_new(LANE_THIN, own, peer, doorbell, &c), 0);

        for (unsigned i = 0; i < 8; i++)
                raw.own->memory->descriptors[i] = 1;
        raw.own->memory->head = 8;
        assert_int_equal(channel_pending(c), 8);
        assert_int_equal(channel_read(c, &byte, 1, NULL), 1);
        assert_int_equal(channel_release(c), 0);
        raw.own->memory->head = 7;
        assert_int_equal(channel_arm_read(c), -EBADMSG);
        raw_peer_done(&raw);

        assert_int_equal(raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell), 0);
        assert_int_equal(channel_new(LANE_THIN, own, peer, doorbell, &d), 0);
        assert_int_equal(find(d, BY_PUSH_WHEN_FULL), -EAGAIN);
        assert_int_equal(channel_publish(d), 0);
        raw.own->memory->tail = 8;
        assert_int_equal(channel_queued(d), 8);
        raw.own->memory->tail = 7;
        assert_int_equal(find(d, BY_PUSH_WHEN_FULL), -EBADMSG);
        raw_peer_done(&raw);
}

/* What a message says of itself is read once: changing it afterwards changes nothing. */
static void test_descriptor_is_read_once(void **state) {
        _cleanup_(channel_freep) Channel *c = NULL;
        uint8_t buffer[4096];
        const void *data;
        size_t size;
        Lane *own, *peer;
        int doorbell;
        RawPeer raw;

        assert_int_equal(raw_peer_new(LANE_THIN, &raw, &own, &peer, &doorbell), 0);
        assert_int_equal(channel_new(LANE_THIN, own, peer, doorbell, &c), 0);

        raw.own->memory->descriptors[0] = 10;
        raw.own->memory->descriptors[1] = 20;
        raw.own->memory->head = 2;
        assert_int_equal(channel_peek(c, &data, &size), 0);
        assert_int_equal(size, 10);

        raw.own->memory->descriptors[0] = 0xffffffff;
        raw.own->memory->head = UINT32_MAX;
        assert_int_equal(channel_peek(c, &data, &size), 0);
        assert_int_equal(size, 10);
        assert_int_equal(channel_read(c, buffer, sizeof(buffer), NULL), 10);
        assert_int_equal(channel_read(c, buffer, sizeof(buffer), NULL), 20);
        assert_int_equal(channel_read(c, buffer, sizeof(buffer), NULL), -EBADMSG);
        raw_peer_done(&raw);
}

/* -- the process -- */

static uint64_t scribble_next(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* Mostly a little wrong, so that the reader gets far before it notices. */
static void scribble(LaneMemory *m, uint32_t *head, uint64_t *seed) {
        uint64_t x = scribble_next(seed);
        uint32_t slot = (uint32_t) (x >> 8) % LANE_SLOTS_MAX;

        switch (x % 8) {
        case 0:
                lane_store_release(&m->head, *head += (uint32_t) (x >> 32) % 4);
                break;
        case 1:
                lane_store_release(&m->tail, (uint32_t) (x >> 32) % 64);
                break;
        case 2:
                lane_store(&m->armed_read, (uint32_t) (x >> 32));
                lane_store(&m->armed_write, (uint32_t) (x >> 16));
                break;
        case 3:
                lane_store_descriptor(m->descriptors + slot, scribble_next(seed));
                break;
        case 4:
                memset(m->slots[slot % 64], (int) x, LANE_SLOT_BYTES);
                break;
        default:
                /* A flicker around what is legal: what a double fetch falls over. */
                lane_store_descriptor(m->descriptors + slot, 1 + (x >> 16) % 2048);
                lane_store_descriptor(m->descriptors + slot, LANE_SLOT_BYTES | MORE);
                lane_store_descriptor(m->descriptors + slot, 0xffffff);
                lane_store_descriptor(m->descriptors + slot, 1 + (x >> 24) % 2048);
        }
}

/* Keeps to the rules of the head alone, so that its channel lives long, or breaks every rule there is. */
static void hostile_process(int control, int doorbell, uint64_t seed, bool polite) {
        _cleanup_(lane_freep) Lane *own = NULL, *other = NULL;
        uint32_t head = 0;

        /* A test that fails must not leave this behind. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || lane_exchange(control, LANE_NORMAL, &own, &other) < 0)
                _exit(1);

        /* The polite one writes its descriptors in no order: each has to be one of a message from the first on. */
        for (unsigned slot = 0; polite && slot < 64; slot++)
                lane_store_descriptor(own->memory->descriptors + slot, 1);

        for (;;) {
                bool ring = true;

                if (polite) {
                        uint32_t slot = (uint32_t) scribble_next(&seed) % 64;

                        lane_store_descriptor(own->memory->descriptors + slot, 1 + (seed >> 16) % 2048);
                        memset(own->memory->slots[slot], (int) seed, 1 + (seed >> 16) % 2048);

                        /* Rings for nothing are a violation, too: many are for one that nobody serves for a while. */
                        ring = head - lane_load_acquire(&other->memory->tail) < 64;
                        if (ring)
                                lane_store_release(&own->memory->head, ++head);
                } else
                        scribble(own->memory, &head, &seed);

                if (ring && seed % 512 == 0)
                        (void) send(doorbell, "\x01", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
}

typedef struct Hostile {
        Endpoint *endpoint;
        pid_t pid;
} Hostile;

static void hostile_start(Hostile *h, uint64_t seed, bool polite) {
        int control[2], bell[2];
        Lane *own, *peer;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
        assert_int_equal(doorbell_pair(bell), 0);

        h->pid = fork();
        assert_true(h->pid >= 0);
        if (h->pid == 0)
                hostile_process(control[1], bell[1], seed, polite);

        (void) close(control[1]);
        (void) close(bell[1]);
        assert_int_equal(lane_exchange(control[0], LANE_NORMAL, &own, &peer), 0);
        assert_int_equal(endpoint_new(LANE_NORMAL, own, peer, bell[0], &h->endpoint), 0);
        (void) close(control[0]);
}

static void hostile_stop(Hostile *h) {
        int status;

        assert_int_equal(kill(h->pid, SIGKILL), 0);
        assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        h->endpoint = endpoint_free(h->endpoint);
}

/* What a layer does at each turn. Returns: 0; -EBADMSG: time to close this flow. */
static int serve(Endpoint *e, Packet **packets, uint64_t *n_bytes) {
        int r, n;

        r = endpoint_drain(e, time_now(), NULL);
        if (r == -EBADMSG)
                return r;

        n = endpoint_take(e, packets, N_PACKETS);
        if (n < 0)
                return n;

        for (int i = 0; i < n; i++) {
                assert_in_range(packet_size(packets[i]), 1, 65536);
                for (const uint8_t *p = packets[i]->head; p < packets[i]->tail; p++)
                        *n_bytes += *p & 1;             /* under the sanitizer: every byte of it is ours */
        }

        if (n > 0)
                r = endpoint_deliver(e, packets, (unsigned) n, false);
        else
                r = endpoint_arm(e);
        return r == -EBADMSG ? r : 0;
}

/* A round trip on the channel of somebody who did nothing wrong. */
static void serve_innocent(Endpoint *e, Channel *app, Packet **packets, uint32_t number) {
        uint32_t echo;
        int n;

        assert_int_equal(channel_push(app, &(struct iovec) { .iov_base = &number, .iov_len = sizeof(number) }, 1), 0);
        assert_true(channel_publish(app) >= 0);

        n = endpoint_take(e, packets, N_PACKETS);
        assert_int_equal(n, 1);
        assert_int_equal(endpoint_deliver(e, packets, 1, false), 0);
        assert_int_equal(channel_read(app, &echo, sizeof(echo), NULL), sizeof(echo));
        assert_int_equal(echo, number);
        assert_true(channel_release(app) >= 0);
}

static void test_scribbling_process(void **state) {
        _cleanup_(endpoint_freep) Endpoint *innocent = NULL;
        _cleanup_(channel_freep) Channel *app = NULL;
        unsigned n_dead = 0;
        uint32_t number = 0;
        uint64_t n_bytes = 0;
        Packet *packets[N_PACKETS];
        Lane *own, *peer;
        int doorbell;
        RawPeer raw;

        for (unsigned i = 0; i < N_PACKETS; i++)
                assert_int_equal(packet_new(65536, packets + i), 0);
        assert_int_equal(raw_peer_new(LANE_NORMAL, &raw, &own, &peer, &doorbell), 0);
        assert_int_equal(endpoint_new(LANE_NORMAL, own, peer, doorbell, &innocent), 0);
        assert_int_equal(channel_new(LANE_NORMAL, raw.own, raw.other, raw.doorbell, &app), 0);

        for (uint64_t seed = 1; seed <= N_PROCESSES; seed++) {
                bool polite = seed % 8 == 0;
                usec_t end = time_now() + (polite ? SCRIBBLE_USEC : FOUND_OUT_USEC);
                Hostile h;
                int r = 0;

                hostile_start(&h, seed * UINT64_C(0x9e3779b97f4a7c15), polite);

                while (time_now() < end && r == 0) {
                        r = serve(h.endpoint, packets, &n_bytes);
                        serve_innocent(innocent, app, packets, number++);
                }

                assert_int_equal(r, polite ? 0 : -EBADMSG);
                if (r < 0) {
                        assert_int_equal(endpoint_counters(h.endpoint)->drops[DROP_HOSTILE], 1);
                        assert_int_equal(endpoint_take(h.endpoint, packets, N_PACKETS), -EBADMSG);
                        assert_int_equal(endpoint_deliver(h.endpoint, packets, 1, false), -EBADMSG);
                        assert_int_equal(endpoint_counters(h.endpoint)->drops[DROP_HOSTILE], 1);
                        endpoint_close(h.endpoint, CLOSE_VIOLATION);
                        n_dead++;
                }
                hostile_stop(&h);
        }

        print_message("%u of %u channels found out, %u round trips beside them\n", n_dead, N_PROCESSES, number);
        assert_true(n_bytes > 0);                       /* some of it was taken for messages */
        assert_int_equal(endpoint_counters(innocent)->drops[DROP_HOSTILE], 0);
        assert_int_equal(endpoint_counters(innocent)->tx_packets, number);

        for (unsigned i = 0; i < N_PACKETS; i++)
                packet_free(packets[i]);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rules),
                cmocka_unit_test(test_indices_that_go_back),
                cmocka_unit_test(test_descriptor_is_read_once),
                cmocka_unit_test(test_scribbling_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
