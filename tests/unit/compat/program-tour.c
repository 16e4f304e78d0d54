/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything that <ouroboros/...> has for flows, as somebody would use it who knows what is documented of Ouroboros and
 * nothing of o7s: built with -louroboros-dev alone.
 *
 *   program-tour server           one thread that accepts, waits and answers, until a client says so
 *   program-tour client NAME      goes through all of the tour, with flows to NAME
 *
 * The first byte of a message says what the server is to do with it:
 *
 *   e  send it back
 *   q  send back the QoS of the flow
 *   s  keep silent, but count it
 *   c  send back how many were counted, and begin anew
 *   x  release the flow
 *   z  stop serving
 */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ouroboros/dev.h>
#include <ouroboros/errno.h>
#include <ouroboros/fccntl.h>
#include <ouroboros/fqueue.h>

#define BIG 100000
#define N_FLOWS 20
#define N_COUNTED 500

static const struct timespec patience = { 10, 0 };
static const struct timespec moment = { 0, 20000000 };
static const struct timespec nothing = { 0, 0 };

#define CHECK(what)                                                                             \
        do {                                                                                    \
                if (!(what)) {                                                                  \
                        fprintf(stderr, "%s, line %d: %s\n", __func__, __LINE__, #what);        \
                        exit(EXIT_FAILURE);                                                     \
                }                                                                               \
        } while (0)

/* -- the server -- */

typedef struct Server {
        fset_t *flows;
        fqueue_t *events;
        int n_counted;
        int stop;
        char buf[BIG];
} Server;

/* All that wait: accepting with no time at all never blocks the others. */
static void accept_all(Server *s) {
        int fd;

        while ((fd = flow_accept(NULL, &nothing)) >= 0) {
                CHECK(fccntl(fd, FLOWSFLAGS, FLOWFRDWR | FLOWFRNOBLOCK | FLOWFWNOPART) == 0);
                CHECK(fset_add(s->flows, fd) == 0);
        }
        CHECK(fd == -ETIMEDOUT);
}

static void release(Server *s, int fd) {
        fset_del(s->flows, fd);
        CHECK(flow_dealloc(fd) == 0);
}

static void answer(int fd, const void *buf, size_t len) {
        ssize_t n = flow_write(fd, buf, len);

        /* Who asked may be gone. */
        CHECK(n == (ssize_t) len || n == -EFLOWDOWN || n == -EFLOWPEER);
}

/* Returns: whether the flow is still ours. */
static int serve_message(Server *s, int fd, size_t len) {
        qosspec_t qs;

        switch (s->buf[0]) {
        case 'e':
                answer(fd, s->buf, len);
                return 1;
        case 'q':
                CHECK(fccntl(fd, FLOWGQOSSPEC, &qs) == 0);
                answer(fd, &qs, sizeof(qs));
                return 1;
        case 's':
                s->n_counted++;
                return 1;
        case 'c':
                answer(fd, &s->n_counted, sizeof(s->n_counted));
                s->n_counted = 0;
                return 1;
        case 'z':
                s->stop = 1;
                break;
        case 'x':
                break;
        default:
                CHECK(!"a message that makes sense");
        }

        release(s, fd);
        return 0;
}

static void serve_flow(Server *s, int fd) {
        ssize_t n;

        while ((n = flow_read(fd, s->buf, sizeof(s->buf))) > 0)
                if (!serve_message(s, fd, (size_t) n))
                        return;

        if (n == -EFLOWDOWN || n == -EFLOWPEER)
                release(s, fd);
        else
                CHECK(n == -EAGAIN || n == 0);
}

static int server(void) {
        static Server s;
        int fd;

        s.flows = fset_create();
        s.events = fqueue_create();
        CHECK(s.flows != NULL && s.events != NULL);
        accept_all(&s);
        printf("serving\n");
        fflush(stdout);

        while (!s.stop) {
                ssize_t n;

                accept_all(&s);
                n = fevent(s.flows, s.events, &moment);
                CHECK(n == 1 || n == -ETIMEDOUT);
                if (n < 0)
                        continue;

                while ((fd = fqueue_next(s.events)) >= 0)
                        if (fqueue_type(s.events) == FLOW_PKT)
                                serve_flow(&s, fd);
                        else
                                release(&s, fd);
                CHECK(fd == -EPERM);
        }

        fset_destroy(s.flows);
        fqueue_destroy(s.events);
        return EXIT_SUCCESS;
}

/* -- the client -- */

static const char *name;

static int connect_to(const qosspec_t *preset) {
        qosspec_t qs = preset ? *preset : qos_raw;
        int fd = flow_alloc(name, preset ? &qs : NULL, &patience);

        if (fd < 0)
                fprintf(stderr, "flow_alloc: %d\n", fd);
        CHECK(fd >= 64);
        CHECK(fccntl(fd, FLOWSRCVTIMEO, &patience) == 0);
        return fd;
}

static void echo(void) {
        int fd = connect_to(&qos_data), i;
        char in[64], out[64];

        for (i = 0; i < 200; i++) {
                int len = snprintf(out, sizeof(out), "e message %d", i);

                CHECK(flow_write(fd, out, (size_t) len) == len);
                CHECK(flow_read(fd, in, sizeof(in)) == len);
                CHECK(memcmp(in, out, (size_t) len) == 0);
        }
        CHECK(flow_dealloc(fd) == 0);
        CHECK(flow_dealloc(fd) == -ENOTALLOC);
        CHECK(flow_write(fd, out, 1) == -ENOTALLOC);
}

/* Reads with a buffer that is too short for a message lose nothing, and its end can be told. */
static void parts(void) {
        static const size_t sizes[] = { 1, 99, 100, 101, 300, 1000 };
        int fd = connect_to(&qos_data);
        char out[1000], in[1000];
        size_t i;

        memset(out, 'e', sizeof(out));
        for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                size_t got = 0;
                ssize_t n;

                CHECK(flow_write(fd, out, sizes[i]) == (ssize_t) sizes[i]);
                do {
                        n = flow_read(fd, in + got, got + 100 <= sizeof(in) ? 100 : 1);
                        CHECK(n >= 0);
                        got += (size_t) n;
                } while (n == 100);
                CHECK(got == sizes[i]);
        }
        CHECK(flow_dealloc(fd) == 0);
}

static void no_parts(void) {
        int fd = connect_to(&qos_data);
        char in[8];

        CHECK(fccntl(fd, FLOWSFLAGS, FLOWFRDWR | FLOWFRNOPART) == 0);
        CHECK(flow_write(fd, "e too long for it", 17) == 17);
        CHECK(flow_write(fd, "e fits", 6) == 6);
        CHECK(flow_read(fd, in, sizeof(in)) == -EMSGSIZE);
        CHECK(flow_read(fd, in, sizeof(in)) == 6);
        CHECK(flow_dealloc(fd) == 0);
}

static void big(void) {
        static char out[BIG], in[BIG];
        int fd = connect_to(&qos_data);

        memset(out, 'e', sizeof(out));
        out[sizeof(out) - 1] = '!';
        CHECK(flow_write(fd, out, sizeof(out)) == BIG);
        CHECK(flow_read(fd, in, sizeof(in)) == BIG);
        CHECK(memcmp(in, out, sizeof(out)) == 0);
        CHECK(flow_dealloc(fd) == 0);
}

static void nonblocking(void) {
        int fd = connect_to(&qos_data);
        uint32_t flags = 0;
        char in[8];
        ssize_t n;

        CHECK(fccntl(fd, FLOWGFLAGS, &flags) == 0);
        CHECK(flags == FLOWFDEFAULT);
        CHECK(fccntl(fd, FLOWSFLAGS, flags | FLOWFNONBLOCK) == 0);
        CHECK(flow_read(fd, in, sizeof(in)) == -EAGAIN);
        CHECK(flow_write(fd, "e", 1) == 1);
        while ((n = flow_read(fd, in, sizeof(in))) == -EAGAIN)
                ;
        CHECK(n == 1);

        CHECK(fccntl(fd, FLOWSFLAGS, FLOWFRDONLY) == 0);
        CHECK(flow_write(fd, "e", 1) == -EPERM);
        CHECK(flow_dealloc(fd) == 0);
}

static void timeouts(void) {
        static const int set[] = { FLOWSRCVTIMEO, FLOWSSNDTIMEO }, get[] = { FLOWGRCVTIMEO, FLOWGSNDTIMEO };
        struct timespec time = { 1, 500000000 }, got;
        int fd = connect_to(NULL), i;
        size_t queued = 1;
        char in[8];

        for (i = 0; i < 2; i++) {
                CHECK(fccntl(fd, set[i], &time) == 0);
                CHECK(fccntl(fd, get[i], &got) == 0);
                CHECK(got.tv_sec == 1 && got.tv_nsec == 500000000);
                CHECK(fccntl(fd, set[i], NULL) == 0);
                CHECK(fccntl(fd, get[i], &got) == -EPERM);
        }
        CHECK(fccntl(fd, FLOWSRCVTIMEO, &moment) == 0);
        CHECK(flow_read(fd, in, sizeof(in)) == -ETIMEDOUT);
        CHECK(fccntl(fd, FLOWGRXQLEN, &queued) == 0);
        CHECK(queued == 0);
        CHECK(fccntl(fd, 999, NULL) == -ENOTSUP);
        CHECK(flow_dealloc(fd) == 0);
}

/* Both sides see what the flow is, and FRCT has the flags that go with it. A layer may grant another delay than was
 * asked for. */
static void presets(void) {
        static const struct {
                const qosspec_t *qs;
                int frct;
        } cases[] = {
                { &qos_raw, -1 },
                { &qos_raw_no_errors, -1 },
                { &qos_best_effort, FRCTFRESCNTL },
                { &qos_video, FRCTFRESCNTL },
                { &qos_voice, FRCTFRESCNTL },
                { &qos_data, FRCTFRTX | FRCTFRESCNTL | FRCTFLINGER },
        };
        size_t i;

        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int fd = connect_to(cases[i].qs), r;
                qosspec_t ours, theirs;
                uint16_t flags = 0;
                unsigned tries;

                CHECK(fccntl(fd, FLOWGQOSSPEC, &ours) == 0);
                CHECK(ours.in_order == cases[i].qs->in_order && ours.loss == cases[i].qs->loss);

                r = fccntl(fd, FRCTGFLAGS, &flags);
                CHECK(cases[i].frct < 0 ? r == -EPERM : r == 0 && flags == cases[i].frct);
                if (r == 0) {
                        CHECK(fccntl(fd, FRCTSFLAGS, flags & ~FRCTFRESCNTL) == 0);
                        CHECK(fccntl(fd, FRCTGFLAGS, &flags) == 0);
                        CHECK(flags == (cases[i].frct & ~FRCTFRESCNTL));
                }

                /* Most of them may lose a message. */
                CHECK(fccntl(fd, FLOWSRCVTIMEO, &moment) == 0);
                for (tries = 0, r = -ETIMEDOUT; r == -ETIMEDOUT && tries < 500; tries++) {
                        CHECK(flow_write(fd, "q", 1) == 1);
                        r = (int) flow_read(fd, &theirs, sizeof(theirs));
                }
                CHECK(r == sizeof(theirs));
                CHECK(theirs.in_order == ours.in_order && theirs.loss == ours.loss);
                CHECK(flow_dealloc(fd) == 0);
        }
}

/* One set, one queue, used again and again. */
static void many_flows(void) {
        int fds[N_FLOWS], i, fd, n_answers = 0, n_released = 0;
        fqueue_t *events = fqueue_create();
        fset_t *flows = fset_create();
        char in[8];

        CHECK(flows != NULL && events != NULL);
        for (i = 0; i < N_FLOWS; i++) {
                fds[i] = connect_to(&qos_data);
                CHECK(fset_add(flows, fds[i]) == 0);
                CHECK(fset_add(flows, fds[i]) == -EPERM);
                CHECK(fset_has(flows, fds[i]));
                CHECK(flow_write(fds[i], "e", 1) == 1);
        }
        /* Whoever has answered is told to end the flow. */
        while (n_released < N_FLOWS) {
                CHECK(fevent(flows, events, &patience) == 1);
                while ((fd = fqueue_next(events)) >= 0)
                        if (fqueue_type(events) == FLOW_PKT) {
                                CHECK(flow_read(fd, in, sizeof(in)) == 1);
                                CHECK(flow_write(fd, "x", 1) == 1);
                                n_answers++;
                        } else {
                                CHECK(fqueue_type(events) == FLOW_DEALLOC);
                                CHECK(flow_read(fd, in, sizeof(in)) == -EFLOWDOWN);
                                CHECK(flow_write(fd, "e", 1) == -EFLOWDOWN);
                                fset_del(flows, fd);
                                CHECK(flow_dealloc(fd) == 0);
                                n_released++;
                        }
                CHECK(fd == -EPERM);
        }
        CHECK(n_answers == N_FLOWS);
        CHECK(fevent(flows, events, &nothing) == -ETIMEDOUT);
        fset_zero(flows);
        fset_destroy(flows);
        fqueue_destroy(events);
}

/* Nothing of a reliable flow is lost that is deallocated right after the last write. */
static void linger(void) {
        int fd = connect_to(&qos_data), i, n = 0, total = 0;

        for (i = 0; i < N_COUNTED; i++)
                CHECK(flow_write(fd, "s", 1) == 1);
        CHECK(flow_dealloc(fd) == 0);

        fd = connect_to(&qos_data);
        for (i = 0; i < 1000 && total < N_COUNTED; i++) {
                CHECK(flow_write(fd, "c", 1) == 1);
                CHECK(flow_read(fd, &n, sizeof(n)) == sizeof(n));
                CHECK(flow_read(fd, &n, sizeof(n)) == 0);       /* it filled the buffer */
                total += n;
        }
        CHECK(total == N_COUNTED);
        CHECK(flow_dealloc(fd) == 0);
}

static void *read_one(void *o) {
        static char in[8];
        int fd = *(int *) o;

        return (void *) (intptr_t) flow_read(fd, in, sizeof(in));
}

/* A thread that waits in a read hears of it when another one ends the flow, or marks it down. */
static void other_threads(void) {
        int fd = connect_to(&qos_data);
        pthread_t thread;
        void *result;
        char in[8];

        CHECK(fccntl(fd, FLOWSRCVTIMEO, NULL) == 0);
        CHECK(pthread_create(&thread, NULL, read_one, &fd) == 0);
        CHECK(fccntl(fd, FLOWSFLAGS, FLOWFDEFAULT | FLOWFDOWN) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK((intptr_t) result == -EFLOWDOWN);
        CHECK(flow_write(fd, "e", 1) == -EFLOWDOWN);
        CHECK(fccntl(fd, FLOWSFLAGS, FLOWFDEFAULT) == 0);
        CHECK(flow_write(fd, "e", 1) == 1);
        CHECK(flow_read(fd, in, sizeof(in)) == 1);

        CHECK(pthread_create(&thread, NULL, read_one, &fd) == 0);
        CHECK(flow_dealloc(fd) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK((intptr_t) result == -ENOTALLOC);
}

static void mistakes(void) {
        char in[8];

        CHECK(flow_read(-1, in, sizeof(in)) == -EBADF);
        CHECK(flow_read(4000, in, sizeof(in)) == -ENOTALLOC);
        CHECK(flow_dealloc(-1) == -EINVAL);
        CHECK(fset_add(NULL, 64) == -EINVAL);
        CHECK(fqueue_next(NULL) == -EINVAL);
}

static int client(void) {
        static const struct {
                const char *what;
                void (*go)(void);
        } tour[] = {
                { "echo", echo },         { "parts", parts },               { "no parts", no_parts },
                { "big", big },           { "non-blocking", nonblocking },  { "time-outs", timeouts },
                { "presets", presets },   { "many flows", many_flows },     { "linger", linger },
                { "threads", other_threads }, { "mistakes", mistakes },
        };
        size_t i;
        int fd;

        for (i = 0; i < sizeof(tour) / sizeof(tour[0]); i++) {
                printf("%s\n", tour[i].what);
                fflush(stdout);
                tour[i].go();
        }

        fd = connect_to(&qos_data);
        CHECK(flow_write(fd, "z", 1) == 1);
        CHECK(flow_dealloc(fd) == 0);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (argc > 1 && strcmp(argv[1], "server") == 0)
                return server();
        if (argc > 2 && strcmp(argv[1], "client") == 0) {
                name = argv[2];
                return client();
        }

        fprintf(stderr, "Usage: %s server | client NAME\n", argv[0]);
        return EXIT_FAILURE;
}
