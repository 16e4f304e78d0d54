/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hostile-client ATTACK: a connection, or many, to the IRM by somebody who does not keep to its protocol.
 *
 *   garbage    records of random bytes, and good messages with a bit turned: 64 connections, each until it is closed
 *   server     a message that only the IRM sends
 *   passing    a request with more descriptors than it may have
 *   flood      good messages at full speed, for ever
 *   mute       asks, and never reads what it is answered
 *   half-open  1000 allocations that are begun on connections of their own, and never gone on with
 *   NAME       of half-open: who is to be reached
 *
 * Prints what became of it. Ends with 0 if each connection was closed in time, or, half-open, if the allocations
 * beyond the quota were refused.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/time.h"
#include "libo7s/irm-client.h"

#define PATIENCE_USEC (10 * USEC_PER_SEC)
#define N_CONNECTIONS 64U
#define N_HALF_OPEN 1000U
#define PASSED_MAX 8U

static uint64_t random_next(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* A message that the IRM can do nothing with but answer. */
static IrmMessage listen_message(void) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION + 1 };

        (void) copy_string(message.info.name, sizeof(message.info.name), "nobody.example");
        return message;
}

static size_t make_garbage(uint64_t *seed, uint8_t *buffer, size_t size) {
        IrmMessage message = listen_message();
        ssize_t n;

        n = random_next(seed) % 2 == 0 ? irm_message_pack(&message, buffer, size) : -1;
        if (n > 0) {
                buffer[random_next(seed) % (size_t) n] ^= (uint8_t) (1U << random_next(seed) % 8);
                return (size_t) n;
        }

        n = (ssize_t) (1 + random_next(seed) % (size - 1));
        for (ssize_t i = 0; i < n; i++)
                buffer[i] = (uint8_t) (random_next(seed) >> 32);
        return (size_t) n;
}

/* Reads what there is. Returns: whether the connection goes on. */
static bool drain(int fd) {
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
        ssize_t n;

        do
                n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        while (n > 0);

        return n < 0 && errno == EAGAIN;
}

static bool wait_for_hangup(int fd, usec_t deadline) {
        while (drain(fd))
                if (wait_for_fd(fd, POLLIN, deadline) == -ETIMEDOUT)
                        return false;

        return true;
}

static int garbage_once(uint64_t seed) {
        usec_t deadline = usec_add(time_now(), PATIENCE_USEC);
        uint8_t buffer[2 * IRM_MESSAGE_BYTES_MAX];
        _cleanup_close_ int fd = -1;
        int r;

        r = irm_connect(&fd);
        if (r < 0)
                return r;

        while (time_now() < deadline) {
                size_t size = make_garbage(&seed, buffer, sizeof(buffer));

                if (send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
                        return 0;
                if (!drain(fd))
                        return 0;
        }

        return -ETIMEDOUT;
}

static int attack_garbage(const char *name) {
        for (uint64_t i = 1; i <= N_CONNECTIONS; i++) {
                int r = garbage_once(i * UINT64_C(0x9e3779b97f4a7c15));

                if (r < 0)
                        return r;
        }

        (void) printf("garbage: %u connections closed\n", N_CONNECTIONS);
        return 0;
}

static int attack_server(const char *name) {
        IrmMessage message = { .type = IRM_WITHDRAWN, .flow_id = 1 };
        usec_t deadline = usec_add(time_now(), PATIENCE_USEC);
        _cleanup_close_ int fd = -1;
        int r;

        r = irm_connect(&fd);
        if (r < 0)
                return r;
        r = irm_send(fd, &message, NULL, 0, deadline);
        if (r < 0)
                return r;
        if (!wait_for_hangup(fd, deadline))
                return -ETIMEDOUT;

        (void) printf("server: closed\n");
        return 0;
}

static int attack_passing(const char *name) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
        } control = {};
        IrmMessage request = listen_message();
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
        struct iovec part = { .iov_base = buffer };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        usec_t deadline = usec_add(time_now(), PATIENCE_USEC);
        _cleanup_close_ int fd = -1;
        int passed[PASSED_MAX], r;
        ssize_t n;

        r = irm_connect(&fd);
        if (r < 0)
                return r;
        n = irm_message_pack(&request, buffer, sizeof(buffer));
        if (n < 0)
                return (int) n;

        for (unsigned i = 0; i < PASSED_MAX; i++)
                passed[i] = fd;                 /* itself: nobody but the kernel could ever close these */
        part.iov_len = (size_t) n;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(passed));
        memcpy(CMSG_DATA(&control.header), passed, sizeof(passed));

        if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
                return -errno;
        if (!wait_for_hangup(fd, deadline))
                return -ETIMEDOUT;

        (void) printf("passing: closed\n");
        return 0;
}

/* Sends one message again and again. Returns: 0: hung up; -ETIMEDOUT: the IRM bears it. */
static int repeat(const char *attack, const IrmMessage *message, bool read) {
        usec_t deadline = usec_add(time_now(), PATIENCE_USEC);
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX];
        _cleanup_close_ int fd = -1;
        uint64_t n_sent = 0;
        ssize_t size;
        int r;

        r = irm_connect(&fd);
        if (r < 0)
                return r;
        size = irm_message_pack(message, buffer, sizeof(buffer));
        if (size < 0)
                return (int) size;

        while (time_now() < deadline) {
                if (send(fd, buffer, (size_t) size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        n_sent++;
                else if (errno != EAGAIN)
                        break;
                if (read && !drain(fd))
                        break;
        }
        if (time_now() >= deadline)
                return -ETIMEDOUT;

        (void) printf("%s: closed after %" PRIu64 " messages\n", attack, n_sent);
        return 0;
}

static int attack_flood(const char *name) {
        return repeat("flood", &(IrmMessage) { .type = IRM_DEALLOCATE, .flow_id = 1 }, true);
}

static int attack_mute(const char *name) {
        IrmMessage message = listen_message();

        return repeat("mute", &message, false);
}

/* -- half-open -- */

typedef struct HalfOpen {
        int connections[N_HALF_OPEN];
        int doorbells[N_HALF_OPEN];
        unsigned n;
} HalfOpen;

static void half_open_done(HalfOpen *h) {
        for (unsigned i = 0; i < h->n; i++) {
                h->connections[i] = safe_close(h->connections[i]);
                h->doorbells[i] = safe_close(h->doorbells[i]);
        }
}

/* One more. Returns: 0; -EDQUOT: refused; what connecting says. */
static int half_open_add(HalfOpen *h, const IrmMessage *request) {
        unsigned i = h->n;
        IrmMessage reply;
        int r;

        r = irm_connect(&h->connections[i]);
        if (r < 0)
                return r;

        h->doorbells[i] = -1;
        h->n++;

        r = irm_request(h->connections[i], request, &reply, &h->doorbells[i]);
        return r < 0 ? r : reply.result;
}

static int attack_half_open(const char *name) {
        _cleanup_(half_open_done) HalfOpen h = { .n = 0 };
        IrmMessage request = {
                .type = IRM_ALLOCATE,
                .version = IRM_PROTOCOL_VERSION,
                .timeout_usec = O7S_FOREVER,
                .info.qos = O7S_QOS_RAW,
        };
        unsigned n_pending = 0, n_refused = 0;

        (void) copy_string(request.info.name, sizeof(request.info.name), name);

        for (unsigned i = 0; i < N_HALF_OPEN; i++) {
                int r = half_open_add(&h, &request);

                if (r == 0)
                        n_pending++;
                else if (r == -EDQUOT)
                        n_refused++;
                else
                        return r;
        }

        (void) printf("half-open: %u pending, %u refused\n", n_pending, n_refused);
        (void) fflush(stdout);

        /* Others try to work meanwhile. */
        (void) poll(NULL, 0, 2000);
        return n_refused > 0 ? 0 : -EPROTO;
}

static const struct {
        const char *name;
        int (*run)(const char *name);
} attacks[] = {
        { "garbage", attack_garbage },
        { "server", attack_server },
        { "passing", attack_passing },
        { "flood", attack_flood },
        { "mute", attack_mute },
        { "half-open", attack_half_open },
};

int main(int argc, char *argv[]) {
        if (argc == 2 || argc == 3)
                for (size_t i = 0; i < ELEMENTSOF(attacks); i++) {
                        int r;

                        if (!streq(argv[1], attacks[i].name))
                                continue;

                        r = attacks[i].run(argc == 3 ? argv[2] : "nobody.example");
                        if (r < 0)
                                (void) fprintf(stderr, "%s: %s\n", attacks[i].name, strerror(-r));
                        return r < 0 ? 1 : 0;
                }

        (void) fprintf(stderr, "hostile-client ATTACK [NAME]\n");
        return 2;
}
