/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flows between two programs of one host, against a unix SEQPACKET socket between the same two processors.
 *
 *   bench-flow          throughput and round trips, joined by an IRM in a thread: it is not on the path of packets
 *   bench-flow real     the same through the IRM of this host; the name "bench" must be bound to us
 *   bench-flow alloc    flows opened and closed again per second, through the IRM of this host, same name
 *
 * The baseline moves one message per call, as programs do that have no flows. So does the subject; figures
 * named ".batch" use o7s_flow_write_batch() and o7s_flow_read_batch(), which such a socket has no equal of.
 * In "crosscore" both sides are asleep when a request comes; in "stream" requests follow each other and
 * neither gets to sleep.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "libo7s/lane.h"
#include "libo7s/o7s.h"
#include "tests/bench/bench.h"
#include "tests/support/irm-thread.h"

#define NAME "bench"
#define MESSAGE_MAX 9000U
#define BATCH 32U
#define GIVE_UP_USEC (10 * UINT64_C(1000000))

/* The first byte of a message. */
enum {
        MESSAGE_DATA,
        MESSAGE_ECHO,                   /* is sent back */
};

/* The two sides have a flow and a socket. */
typedef struct Pair {
        pid_t peer;
        o7s_flow *flow;
        int socket;
        size_t size;
        unsigned n;                     /* messages of a measurement */
        useconds_t pause;               /* before each request */
        bool batch;
} Pair;

/* -- the peer -- */

static void peer_flow(o7s_flow *flow, bool batch) {
        static uint8_t bytes[BATCH][MESSAGE_MAX + 1];
        o7s_msg msgs[BATCH];
        int n;

        for (unsigned i = 0; i < BATCH; i++)
                msgs[i] = (o7s_msg) { .data = bytes[i], .capacity = sizeof(bytes[i]) };

        while ((n = o7s_flow_read_batch(flow, msgs, batch ? BATCH : 1)) > 0)
                for (int i = 0; i < n; i++)
                        if (bytes[i][0] == MESSAGE_ECHO && o7s_flow_write(flow, bytes[i], msgs[i].size) < 0)
                                return;
}

static void peer_socket(int fd) {
        static uint8_t bytes[MESSAGE_MAX];
        ssize_t n;

        while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
                if (bytes[0] == MESSAGE_ECHO && send(fd, bytes, (size_t) n, 0) < 0)
                        return;
}

/* One process echoes both: while one is measured the other sleeps. */
static _Noreturn void peer_run(int ready_fd, int socket_fd, int cpu, bool batch) {
        o7s_listener *listener;
        o7s_flow *flow;
        pid_t other;

        bench_pin(cpu);
        other = fork();
        if (other == 0) {
                peer_socket(socket_fd);
                _exit(0);
        }
        (void) close(socket_fd);

        if (o7s_listen(NAME, 0, &listener) < 0 || write(ready_fd, "", 1) != 1)
                _exit(1);
        (void) close(ready_fd);
        if (o7s_flow_accept(listener, GIVE_UP_USEC, &flow) < 0)
                _exit(1);

        peer_flow(flow, batch);
        (void) waitpid(other, NULL, 0);
        _exit(0);
}

static int complain(const char *what, int r) {
        o7s_error e = { .size = sizeof(e) };

        (void) o7s_last_error(&e);
        (void) fprintf(stderr, "%s: %s\n", what, e.error == r ? e.text : o7s_strerror(r));
        return r;
}

static int pair_open(IrmThread *irm, int cpu, bool batch, Pair *ret) {
        int sockets[2], ready[2], r;
        char byte;

        *ret = (Pair) { .batch = batch };
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0 || pipe(ready) < 0)
                return -errno;

        ret->peer = fork();
        if (ret->peer == 0) {
                if (irm)
                        irm_thread_forget(irm);
                (void) close(sockets[0]);
                (void) close(ready[0]);
                peer_run(ready[1], sockets[1], cpu, batch);
        }

        (void) close(sockets[1]);
        (void) close(ready[1]);
        ret->socket = sockets[0];
        r = read(ready[0], &byte, 1) == 1 ? 0 : -EPERM;
        (void) close(ready[0]);
        if (r < 0)
                return complain("The peer may not serve the name " NAME, r);

        r = o7s_flow_alloc(NAME, &O7S_QOS_RAW, O7S_BULK, GIVE_UP_USEC, &ret->flow);
        return r < 0 ? complain("Opening the flow", r) : 0;
}

static void pair_close(Pair *pair) {
        o7s_flow_unref(pair->flow);
        (void) close(pair->socket);
        (void) waitpid(pair->peer, NULL, 0);
}

/* -- measurements -- */

/* Writes n messages, the last of which comes back. Returns: messages per second. */
static double throughput_flow(void *context) {
        static uint8_t bytes[BATCH][MESSAGE_MAX + 1];
        Pair *pair = context;
        double begin = bench_nsec();
        o7s_msg msgs[BATCH];

        for (unsigned i = 0; i < BATCH; i++) {
                bytes[i][0] = MESSAGE_DATA;
                msgs[i] = (o7s_msg) { .data = bytes[i], .size = pair->size };
        }

        for (unsigned i = 0; i + 1 < pair->n;) {
                unsigned want = pair->batch ? MIN(BATCH, pair->n - 1 - i) : 1;
                int n = pair->batch ? o7s_flow_write_batch(pair->flow, msgs, want)
                                    : (int) (o7s_flow_write(pair->flow, bytes[0], pair->size) > 0);

                if (n <= 0)
                        return -1;
                i += (unsigned) n;
        }

        bytes[0][0] = MESSAGE_ECHO;
        if (o7s_flow_write(pair->flow, bytes[0], pair->size) < 0 ||
            o7s_flow_read(pair->flow, bytes[0], sizeof(bytes[0])) != (ssize_t) pair->size)
                return -1;

        return pair->n / (bench_nsec() - begin) * 1e9;
}

static double throughput_socket(void *context) {
        static uint8_t bytes[MESSAGE_MAX];
        Pair *pair = context;
        double begin = bench_nsec();

        bytes[0] = MESSAGE_DATA;
        for (unsigned i = 0; i + 1 < pair->n; i++)
                if (send(pair->socket, bytes, pair->size, 0) < 0)
                        return -1;

        bytes[0] = MESSAGE_ECHO;
        if (send(pair->socket, bytes, pair->size, 0) < 0 || recv(pair->socket, bytes, sizeof(bytes), 0) < 0)
                return -1;

        return pair->n / (bench_nsec() - begin) * 1e9;
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* n round trips, one after the other. Returns: the median in microseconds. */
static double round_trips(Pair *pair, bool flow) {
        _cleanup_free_ double *values = calloc(pair->n, sizeof(*values));
        uint8_t bytes[128] = { MESSAGE_ECHO };

        if (!values)
                return -1;

        for (unsigned i = 0; i < pair->n; i++) {
                double begin;
                bool fine;

                if (pair->pause > 0)
                        (void) usleep(pair->pause);

                begin = bench_nsec();
                if (flow)
                        fine = o7s_flow_write(pair->flow, bytes, pair->size) > 0 &&
                               o7s_flow_read(pair->flow, bytes, sizeof(bytes)) > 0;
                else
                        fine = send(pair->socket, bytes, pair->size, 0) > 0 &&
                               recv(pair->socket, bytes, sizeof(bytes), 0) > 0;
                if (!fine)
                        return -1;
                values[i] = (bench_nsec() - begin) / 1e3;
        }

        qsort(values, pair->n, sizeof(*values), compare_doubles);
        return values[pair->n / 2];
}

static double round_trip_flow(void *context) {
        return round_trips(context, true);
}

static double round_trip_socket(void *context) {
        return round_trips(context, false);
}

static int bench_throughput(IrmThread *irm) {
        static const struct {
                const char *name;
                size_t size;
                unsigned n;
                bool batch;
        } rows[] = {
                { "flow.local.pps.64",         64,   200000, false },
                { "flow.local.pps.1400",       1400, 200000, false },
                { "flow.local.pps.9000",       9000, 50000,  false },
                { "flow.local.pps.64.batch",   64,   200000, true },
                { "flow.local.pps.1400.batch", 1400, 200000, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Pair pair;
                int r;

                r = pair_open(irm, BENCH_CPU_RIGHT, rows[i].batch, &pair);
                if (r < 0)
                        return r;

                pair.size = rows[i].size;
                pair.n = rows[i].n;
                bench_figure(&(BenchFigure) {
                        .name = rows[i].name,
                        .unit = "pps",
                        .baseline_name = "unix-seqpacket",
                        .subject = throughput_flow,
                        .baseline = throughput_socket,
                        .context = &pair,
                });
                pair_close(&pair);
        }

        return 0;
}

static int bench_round_trips(IrmThread *irm) {
        static const struct {
                const char *name;
                int cpu;
                unsigned n;
                useconds_t pause;
        } rows[] = {
                { "flow.local.rtt.samecore",  BENCH_CPU_LEFT,  5000,  0 },
                { "flow.local.rtt.crosscore", BENCH_CPU_RIGHT, 500,   1000 },
                { "flow.local.rtt.stream",    BENCH_CPU_RIGHT, 20000, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Pair pair;
                int r;

                r = pair_open(irm, rows[i].cpu, false, &pair);
                if (r < 0)
                        return r;

                pair.size = 64;
                pair.n = rows[i].n;
                pair.pause = rows[i].pause;
                bench_figure(&(BenchFigure) {
                        .name = rows[i].name,
                        .unit = "us",
                        .baseline_name = "unix-seqpacket",
                        .subject = round_trip_flow,
                        .baseline = round_trip_socket,
                        .context = &pair,
                });
                pair_close(&pair);
        }

        return 0;
}

/* -- allocation -- */

#define ALLOCATIONS 500U

static double allocations(void *context) {
        double begin = bench_nsec();

        (void) context;
        for (unsigned i = 0; i < ALLOCATIONS; i++) {
                o7s_flow *flow;
                int r;

                r = o7s_flow_alloc(NAME, &O7S_QOS_RAW, 0, GIVE_UP_USEC, &flow);
                if (r < 0)
                        return complain("Opening a flow", r);
                o7s_flow_unref(flow);
        }

        return ALLOCATIONS / (bench_nsec() - begin) * 1e9;
}

/* Makes one memfd of a lane's size with memory in it, and passes it through the socket. */
static bool pass_memory(int sockets[2]) {
        size_t size = lane_class_bytes(LANE_NORMAL);
        _cleanup_close_ int fd = -1, received = -1;
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int))];
        } control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        struct iovec part = { (char *) "x", 1 };
        struct msghdr message = { NULL, 0, &part, 1, &control, sizeof(control), 0 };
        char byte;
        struct iovec into = { &byte, 1 };
        void *memory;

        fd = memfd_create("bench", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                return false;

        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (memory == MAP_FAILED)
                return false;
        (void) munmap(memory, size);

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        if (sendmsg(sockets[0], &message, 0) != 1)
                return false;

        message.msg_iov = &into;
        message.msg_controllen = sizeof(control);
        if (recvmsg(sockets[1], &message, MSG_CMSG_CLOEXEC) != 1)
                return false;

        memcpy(&received, CMSG_DATA(&control.header), sizeof(received));
        return true;
}

static double memory_passed(void *context) {
        double begin = bench_nsec();

        for (unsigned i = 0; i < ALLOCATIONS; i++)
                if (!pass_memory(context) || !pass_memory(context))
                        return -1;

        return ALLOCATIONS / (bench_nsec() - begin) * 1e9;
}

static _Noreturn void accept_and_close(int ready_fd) {
        o7s_listener *listener;
        o7s_flow *flow;

        bench_pin(BENCH_CPU_RIGHT);
        if (o7s_listen(NAME, 0, &listener) < 0 || write(ready_fd, "", 1) != 1)
                _exit(1);

        while (o7s_flow_accept(listener, O7S_FOREVER, &flow) >= 0)
                o7s_flow_unref(flow);
        _exit(1);
}

static int bench_allocations(void) {
        int sockets[2], ready[2], r = 0;
        char byte;
        pid_t peer;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0 || pipe(ready) < 0)
                return -errno;

        peer = fork();
        if (peer == 0) {
                (void) close(ready[0]);
                accept_and_close(ready[1]);
        }
        (void) close(ready[1]);

        if (read(ready[0], &byte, 1) == 1)
                bench_figure(&(BenchFigure) {
                        .name = "flow.local.alloc",
                        .unit = "per-s",
                        .baseline_name = "two-memfds-passed",
                        .subject = allocations,
                        .baseline = memory_passed,
                        .context = sockets,
                });
        else
                r = complain("The peer may not serve the name " NAME, -EPERM);

        (void) kill(peer, SIGTERM);
        (void) waitpid(peer, NULL, 0);
        (void) close(ready[0]);
        (void) close(sockets[0]);
        (void) close(sockets[1]);
        return r;
}

int main(int argc, char **argv) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        int r = 0;

        bench_pin(BENCH_CPU_LEFT);
        if (argc > 1 && streq(argv[1], "alloc"))
                return bench_allocations() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        if (argc > 1 && !streq(argv[1], "real")) {
                (void) fprintf(stderr, "Usage: %s [real|alloc]\n", argv[0]);
                return 2;
        }

        if (argc == 1)
                r = irm_thread_start(&irm);
        if (r >= 0)
                r = bench_throughput(irm);
        if (r >= 0)
                r = bench_round_trips(irm);

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
