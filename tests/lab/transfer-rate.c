/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * transfer-rate: flows beside what the kernel's protocols do, with the same loop around both. Prints one number.
 *
 *   transfer-rate serve KIND TARGET             the other side of both, until it is killed
 *   transfer-rate rate KIND TARGET SIZE SECONDS   bytes per second that the other side has received, in writes of SIZE
 *   transfer-rate rtt KIND TARGET SECONDS         median round trip of 64 bytes, ns
 *
 * KIND and TARGET: tcp, udp and ADDRESS:PORT; data, best-effort, raw (flows of that quality) and NAME. TCP_CONGESTION
 * in the environment: the algorithm of tcp.
 *
 * The first byte of a message says what it is: data is counted, a question for the count is answered with it and
 * begins anew, a ping comes back. TCP has no messages, so there the first byte of a connection says it for all: what
 * comes is counted until the other side has ended, or comes back.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <o7s.h>

#include "basic/macro.h"

#define SIZE_MAX_BYTES ((size_t) 1 << 20)
#define SAMPLES_MAX 1000000U
#define OPEN_USEC UINT64_C(10000000)
#define ANSWER_USEC UINT64_C(100000)
#define ASK_MAX 200U
#define NSEC 1000000000ULL

enum {
        DATA = 'd',
        COUNT = 'c',
        PING = 'p',
};

/* One end of a conversation in messages. */
typedef struct Talk {
        int fd;                         /* udp */
        o7s_flow *flow;
        bool reliable;                  /* what was sent arrives; elsewhere a question may be lost, and is asked again
                                         * soon */
        struct sockaddr_in peer;        /* udp: who spoke last */
} Talk;

static uint64_t now_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NSEC + (uint64_t) now.tv_nsec;
}

static int compare_numbers(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static int address_parse(const char *text, struct sockaddr_in *ret) {
        char address[64];
        const char *colon = strchr(text, ':');

        *ret = (struct sockaddr_in) { .sin_family = AF_INET };
        if (!colon || (size_t) (colon - text) >= sizeof(address))
                return -EINVAL;

        (void) snprintf(address, sizeof(address), "%.*s", (int) (colon - text), text);
        ret->sin_port = htons((uint16_t) atoi(colon + 1));
        return inet_pton(AF_INET, address, &ret->sin_addr) == 1 ? 0 : -EINVAL;
}

/* -- messages: flows and UDP -- */

/* Returns whether it is a kind of flow. */
static bool kind_qos(const char *kind, o7s_qos *ret) {
        const struct {
                const char *kind;
                o7s_qos qos;
        } kinds[] = {
                { "raw", O7S_QOS_RAW },
                { "best-effort", O7S_QOS_BEST_EFFORT },
                { "data", O7S_QOS_DATA },
        };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kind, kinds[i].kind)) {
                        *ret = kinds[i].qos;
                        return true;
                }

        return false;
}

static ssize_t talk_send(Talk *t, const void *data, size_t size) {
        ssize_t n;

        if (t->flow)
                return o7s_flow_write(t->flow, data, size);

        n = sendto(t->fd, data, size, 0, (struct sockaddr *) &t->peer, sizeof(t->peer));
        return n < 0 ? -errno : n;
}

static ssize_t talk_receive(Talk *t, void *data, size_t size, uint64_t timeout_usec) {
        struct pollfd p = { .fd = t->fd, .events = POLLIN };
        socklen_t length = sizeof(t->peer);
        ssize_t n;

        if (t->flow) {
                (void) o7s_flow_set_timeout(t->flow, O7S_TIMEOUT_READ, timeout_usec);
                return o7s_flow_read(t->flow, data, size);
        }

        if (timeout_usec != O7S_FOREVER && poll(&p, 1, (int) (timeout_usec / 1000)) == 0)
                return -ETIMEDOUT;
        n = recvfrom(t->fd, data, size, 0, (struct sockaddr *) &t->peer, &length);
        return n < 0 ? -errno : n;
}

static int talk_open(Talk *t, const char *kind, const char *target) {
        o7s_qos qos;
        int r;

        *t = (Talk) { .fd = -1 };
        if (kind_qos(kind, &qos)) {
                t->reliable = qos.in_order && qos.loss == 0;
                return o7s_flow_alloc(target, &qos, O7S_BULK, OPEN_USEC, &t->flow);
        }
        if (!streq(kind, "udp"))
                return -EINVAL;

        r = address_parse(target, &t->peer);
        if (r < 0)
                return r;
        t->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return t->fd < 0 ? -errno : 0;
}

static void talk_done(Talk *t) {
        o7s_flow_unref(t->flow);
        (void) safe_close(t->fd);
}

/* Answers until the other side has gone. */
static void talk_serve(Talk *t) {
        uint8_t *buffer = malloc(SIZE_MAX_BYTES);
        uint64_t n_bytes = 0;
        ssize_t n;

        while (buffer && (n = talk_receive(t, buffer, SIZE_MAX_BYTES, O7S_FOREVER)) >= 0) {
                if (n == 0)
                        continue;
                if (buffer[0] == DATA)
                        n_bytes += (uint64_t) n;
                else if (buffer[0] == PING)
                        (void) talk_send(t, buffer, (size_t) n);
                else if (buffer[0] == COUNT)
                        (void) talk_send(t, &n_bytes, sizeof(n_bytes));
        }

        free(buffer);
}

static int talk_rate(Talk *t, size_t size, uint64_t seconds) {
        uint8_t *data = calloc(1, size);
        uint64_t begun = now_nsec(), sent, n_bytes = 0;
        uint8_t question = COUNT;
        ssize_t n = data ? 0 : -ENOMEM;

        if (data)
                data[0] = DATA;
        while (n >= 0 && now_nsec() - begun < seconds * NSEC)
                n = talk_send(t, data, size);
        sent = now_nsec();
        free(data);

        /* What is under way on a reliable flow arrives before the question; elsewhere it is lost or there. */
        for (unsigned i = 0; n >= 0 && i < ASK_MAX; i++) {
                n = talk_send(t, &question, 1);
                if (n >= 0)
                        n = talk_receive(t, &n_bytes, sizeof(n_bytes), ANSWER_USEC * (t->reliable ? 300 : 1));
                if (n == sizeof(n_bytes)) {
                        uint64_t end = t->reliable ? now_nsec() : sent;

                        (void) printf("%.0f\n", (double) n_bytes * 1e9 / (double) (end - begun));
                        return 0;
                }
                if (n == -ETIMEDOUT)
                        n = 0;
        }

        return n < 0 ? (int) n : -ETIMEDOUT;
}

static int print_median(uint64_t *samples, size_t n) {
        if (n == 0)
                return -ETIMEDOUT;

        qsort(samples, n, sizeof(*samples), compare_numbers);
        (void) printf("%" PRIu64 "\n", samples[n / 2]);
        return 0;
}

typedef struct Ping {
        uint8_t what;
        uint8_t zero[7];
        uint64_t number;
        uint8_t rest[48];
} Ping;

/* Answers to earlier questions may be late. There is room for more than an answer: after a message that fills the
 * buffer comes an empty read, and would be taken for the next answer. */
static ssize_t talk_answer(Talk *t, uint64_t number) {
        Ping pong[2];
        ssize_t n;

        do
                n = talk_receive(t, pong, sizeof(pong), ANSWER_USEC);
        while (n == sizeof(pong[0]) && pong[0].number != number);

        return n;
}

static int talk_rtt(Talk *t, uint64_t seconds) {
        _cleanup_free_ uint64_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
        uint64_t end = now_nsec() + seconds * NSEC;
        Ping ping = { .what = PING };
        size_t n = 0;

        while (samples && n < SAMPLES_MAX && now_nsec() < end) {
                uint64_t begun = now_nsec();

                ping.number++;
                if (talk_send(t, &ping, sizeof(ping)) < 0)
                        return -EIO;
                if (talk_answer(t, ping.number) == sizeof(ping))
                        samples[n++] = now_nsec() - begun;
        }

        return samples ? print_median(samples, n) : -ENOMEM;
}

/* -- TCP -- */

static void tcp_set_up(int fd) {
        const char *congestion = getenv("TCP_CONGESTION");
        int on = 1;

        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (congestion)
                (void) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t) strlen(congestion));
}

static int tcp_write_all(int fd, const uint8_t *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = send(fd, data + done, size - done, MSG_NOSIGNAL);

                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }

        return 0;
}

static void tcp_serve_one(int fd) {
        uint8_t *buffer = malloc(SIZE_MAX_BYTES);
        uint64_t n_bytes = 0;
        uint8_t mode = 0;
        ssize_t n;

        tcp_set_up(fd);
        if (!buffer || recv(fd, &mode, 1, 0) != 1) {
                free(buffer);
                return;
        }

        while ((n = recv(fd, buffer, SIZE_MAX_BYTES, 0)) > 0) {
                n_bytes += (uint64_t) n;
                if (mode == PING && tcp_write_all(fd, buffer, (size_t) n) < 0)
                        break;
        }
        if (mode == DATA)
                (void) tcp_write_all(fd, (const uint8_t *) &n_bytes, sizeof(n_bytes));
        free(buffer);
}

static int tcp_connect(const char *target) {
        struct sockaddr_in address;
        int fd, r;

        r = address_parse(target, &address);
        if (r < 0)
                return r;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        tcp_set_up(fd);
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                r = -errno;
                (void) close(fd);
                return r;
        }

        return fd;
}

static int tcp_rate(const char *target, size_t size, uint64_t seconds) {
        _cleanup_close_ int fd = tcp_connect(target);
        _cleanup_free_ uint8_t *data = calloc(1, size);
        uint64_t begun = now_nsec(), n_bytes;
        uint8_t mode = DATA;
        int r;

        if (fd < 0 || !data)
                return fd < 0 ? fd : -ENOMEM;

        r = tcp_write_all(fd, &mode, 1);
        while (r >= 0 && now_nsec() - begun < seconds * NSEC)
                r = tcp_write_all(fd, data, size);
        if (r < 0)
                return r;

        (void) shutdown(fd, SHUT_WR);
        if (recv(fd, &n_bytes, sizeof(n_bytes), MSG_WAITALL) != sizeof(n_bytes))
                return -EIO;
        (void) printf("%.0f\n", (double) n_bytes * 1e9 / (double) (now_nsec() - begun));
        return 0;
}

static int tcp_rtt(const char *target, uint64_t seconds) {
        _cleanup_free_ uint64_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
        _cleanup_close_ int fd = tcp_connect(target);
        uint64_t end = now_nsec() + seconds * NSEC;
        uint8_t ping[64] = { PING };
        size_t n = 0;

        if (fd < 0 || !samples || tcp_write_all(fd, ping, 1) < 0)
                return fd < 0 ? fd : -EIO;

        while (n < SAMPLES_MAX && now_nsec() < end) {
                uint64_t begun = now_nsec();

                if (tcp_write_all(fd, ping, sizeof(ping)) < 0 ||
                    recv(fd, ping, sizeof(ping), MSG_WAITALL) != sizeof(ping))
                        return -EIO;
                samples[n++] = now_nsec() - begun;
        }

        return print_median(samples, n);
}

/* -- serving: a thread for each conversation -- */

static void *serve_flow(void *userdata) {
        Talk t = { .fd = -1, .flow = userdata };

        talk_serve(&t);
        talk_done(&t);
        return NULL;
}

static void *serve_tcp(void *userdata) {
        int fd = (int) (intptr_t) userdata;

        tcp_serve_one(fd);
        (void) close(fd);
        return NULL;
}

static int serve_apart(void *(*function)(void *userdata), void *userdata) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, function, userdata);

        return r == 0 ? pthread_detach(thread) : -r;
}

static int serve_flows(const char *name) {
        o7s_listener *listener;
        o7s_flow *flow;
        int r;

        r = o7s_listen(name, O7S_BULK, &listener);
        if (r < 0)
                return r;

        (void) printf("serving\n");
        (void) fflush(stdout);
        while ((r = o7s_flow_accept(listener, O7S_FOREVER, &flow)) >= 0)
                (void) serve_apart(serve_flow, flow);
        return r;
}

static int serve_socket(const char *kind, const char *target) {
        int type = streq(kind, "tcp") ? SOCK_STREAM : SOCK_DGRAM, on = 1, fd;
        struct sockaddr_in address;
        int r;

        r = address_parse(target, &address);
        if (r < 0)
                return r;

        fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        (void) printf("serving\n");
        (void) fflush(stdout);
        if (type == SOCK_DGRAM) {
                Talk t = { .fd = fd };

                talk_serve(&t);
                return -EIO;
        }

        if (listen(fd, 64) < 0)
                return -errno;
        for (;;) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

                if (client >= 0)
                        (void) serve_apart(serve_tcp, (void *) (intptr_t) client);
        }
}

static int run(int argc, char *argv[]) {
        const char *what = argc > 3 ? argv[1] : "", *kind = argc > 3 ? argv[2] : "", *target = argc > 3 ? argv[3] : "";
        bool rate = streq(what, "rate") && argc == 6, rtt = streq(what, "rtt") && argc == 5;
        size_t size = rate ? (size_t) atol(argv[4]) : 0;
        uint64_t seconds = rate ? (uint64_t) atol(argv[5]) : rtt ? (uint64_t) atol(argv[4]) : 0;
        o7s_qos qos;
        Talk t;
        int r;

        if (streq(what, "serve"))
                return kind_qos(kind, &qos) ? serve_flows(target) : serve_socket(kind, target);
        if ((!rate && !rtt) || (rate && (size == 0 || size > SIZE_MAX_BYTES)))
                return -EINVAL;
        if (streq(kind, "tcp"))
                return rate ? tcp_rate(target, size, seconds) : tcp_rtt(target, seconds);

        r = talk_open(&t, kind, target);
        if (r >= 0)
                r = rate ? talk_rate(&t, size, seconds) : talk_rtt(&t, seconds);
        talk_done(&t);
        return r;
}

int main(int argc, char *argv[]) {
        int r = run(argc, argv);

        if (r < 0)
                (void) fprintf(stderr, "transfer-rate: %s; the comment in transfer-rate.c says what it takes\n",
                               o7s_strerror(r));
        return r < 0;
}
