/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Serving names: what the IRM may send to a listener, in any order, and what the application sees of it. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "basic/time.h"
#include "libo7s/doorbell.h"
#include "tests/support/flow-pair.h"

/* -- with an IRM that works -- */

static void test_mistakes(void **state) {
        _cleanup_(irm_thread_freep) IrmThread *irm = NULL;
        o7s_listener *listener = NULL;
        o7s_flow *flow;
        char name[202];

        memset(name, 'x', 201);
        name[201] = '\0';

        assert_int_equal(irm_thread_start(&irm), 0);
        assert_int_equal(o7s_listen("denied", 0, &listener), -EPERM);
        assert_int_equal(o7s_listen("", 0, &listener), -EINVAL);
        assert_int_equal(o7s_listen("a/b", 0, &listener), -EINVAL);
        assert_int_equal(o7s_listen(name, 0, &listener), -EINVAL);
        assert_int_equal(o7s_listen("echo", O7S_STREAM, &listener), -EINVAL);
        assert_int_equal(o7s_listen("echo", O7S_BULK | O7S_THIN, &listener), -EINVAL);
        assert_int_equal(o7s_listen("echo", 0, NULL), -EINVAL);
        assert_null(listener);
        assert_int_equal(o7s_flow_accept(NULL, 0, &flow), -EINVAL);

        assert_int_equal(o7s_listen("echo", 0, &listener), 0);
        assert_int_equal(o7s_flow_accept(listener, 0, &flow), -EAGAIN);
        assert_int_equal(o7s_flow_accept(listener, 1000, &flow), -ETIMEDOUT);
        assert_null(o7s_listener_unref(listener));
        assert_null(o7s_listener_unref(NULL));

        assert_int_equal(o7s_listen("echo", O7S_THIN, &listener), 0);
        assert_null(o7s_listener_unref(listener));

        irm = irm_thread_free(irm);
        assert_int_equal(o7s_listen("echo", 0, &listener), -EHOSTDOWN);
}

static void test_flags_are_inherited(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_flow *asking, *serving;
        uint64_t flags;

        flow_pair_open(&pair, 0);
        o7s_listener_unref(pair.listener);
        assert_int_equal(o7s_listen("echo", O7S_TRUNCATE, &pair.listener), 0);
        flow_pair_more(&pair, "echo", 0, &asking, &serving);
        assert_int_equal(o7s_flow_get_flags(serving, &flags), 0);
        assert_int_equal(flags, O7S_TRUNCATE);
        o7s_flow_unref(asking);
        o7s_flow_unref(serving);
}

static void *accept_some(void *userdata) {
        for (unsigned i = 0; i < 25; i++) {
                o7s_flow *flow;

                if (o7s_flow_accept(userdata, TEST_TIMEOUT_USEC, &flow) < 0)
                        return userdata;
                o7s_flow_unref(flow);
        }

        return NULL;
}

/* Four threads share one listener, each flow goes to one of them. */
static void test_threads(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        pthread_t threads[4];

        flow_pair_open(&pair, 0);
        for (unsigned t = 0; t < 4; t++)
                assert_int_equal(pthread_create(&threads[t], NULL, accept_some, pair.listener), 0);

        for (unsigned i = 0; i < 100; i++) {
                o7s_flow *flow;

                assert_int_equal(o7s_flow_alloc("echo", &O7S_QOS_RAW, 0, TEST_TIMEOUT_USEC, &flow), 0);
                o7s_flow_unref(flow);
        }

        for (unsigned t = 0; t < 4; t++) {
                void *failed;

                assert_int_equal(pthread_join(threads[t], &failed), 0);
                assert_null(failed);
        }
}

/* Those who gave up before we accepted are never seen. */
static void test_withdrawn(void **state) {
        _cleanup_flow_pair_ FlowPair pair;
        o7s_flow *gone[5], *flow;

        flow_pair_open(&pair, 0);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(o7s_flow_alloc_start("echo", &O7S_QOS_RAW, 0, O7S_FOREVER, &gone[i]), 0);
        for (unsigned i = 0; i < 5; i++)
                o7s_flow_unref(gone[i]);
        while (irm_thread_counts(pair.irm).n_cancelled < 5)
                sched_yield();

        assert_int_equal(o7s_flow_accept(pair.listener, 1000, &flow), -ETIMEDOUT);
}

/* -- against an IRM played record by record -- */

typedef struct Stage {
        int listen_fd;
        int fd;                         /* the listener's connection */
        o7s_listener *listener;
        pthread_t thread;
} Stage;

static void *stage_listen(void *userdata) {
        Stage *s = userdata;

        return o7s_listen("echo", 0, &s->listener) < 0 ? s : NULL;
}

/* Waits for one message of this type. The caller closes *ret_fd where there is one. */
static IrmMessage stage_expect(Stage *s, IrmMessageType type, int *ret_fd) {
        struct pollfd p = { .fd = s->fd, .events = POLLIN };
        int fds[IRM_FDS_MAX] = { -1, -1 };
        IrmMessage message = {};

        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(irm_message_receive(s->fd, &message, fds), 0);
        assert_int_equal(message.type, type);
        if (ret_fd)
                *ret_fd = fds[0];
        return message;
}

static void stage_accept_listener(Stage *s, int result) {
        IrmMessage reply = { .type = IRM_REPLY, .result = result };

        s->fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(s->fd >= 0);
        assert_string_equal(stage_expect(s, IRM_LISTEN, NULL).info.name, "echo");
        assert_int_equal(irm_message_send(s->fd, &reply, NULL, 0), 0);
}

static void stage_open(Stage *s) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char name[64];
        void *failed;

        *s = (Stage) { .fd = -1 };
        (void) snprintf(name, sizeof(name), "@o7s-stage-%d-%p", getpid(), (void *) s);
        memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
        assert_int_equal(setenv("O7S_SOCKET", name, true), 0);

        s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s->listen_fd, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
        assert_int_equal(listen(s->listen_fd, 8), 0);

        assert_int_equal(pthread_create(&s->thread, NULL, stage_listen, s), 0);
        stage_accept_listener(s, 0);
        assert_int_equal(pthread_join(s->thread, &failed), 0);
        assert_null(failed);
}

static void stage_close(Stage *s) {
        (void) safe_close(s->fd);
        (void) safe_close(s->listen_fd);
        s->listener = o7s_listener_unref(s->listener);
}

#define _cleanup_stage_ _cleanup_(stage_close)

static void stage_offer(Stage *s, uint64_t id, o7s_qos qos) {
        IrmMessage offer = { .type = IRM_OFFER, .flow_id = id, .lane_class = LANE_THIN, .info.qos = qos };

        assert_int_equal(irm_message_send(s->fd, &offer, NULL, 0), 0);
}

/* The asking side's half. doorbell_fd: where to keep its end. */
static void stage_establish(Stage *s, uint64_t id, LaneClass class, int *ret_doorbell_fd) {
        IrmMessage message = { .type = IRM_ESTABLISHED, .flow_id = id };
        _cleanup_(lane_freep) Lane *lane = NULL;
        int bell[2], fds[2];

        assert_int_equal(doorbell_pair(bell), 0);
        assert_int_equal(lane_new(class, &lane, &fds[0]), 0);
        fds[1] = bell[1];
        assert_int_equal(irm_message_send(s->fd, &message, fds, 2), 0);
        (void) close(fds[0]);
        (void) close(fds[1]);
        *ret_doorbell_fd = bell[0];
}

static unsigned n_open_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 512; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* Everything that is not a flow for us leaves no trace: no error, no descriptor. */
static void test_hostile_irm(void **state) {
        _cleanup_stage_ Stage stage;
        IrmMessage unknown = { .type = IRM_WITHDRAWN, .flow_id = 99 }, odd = { .type = IRM_RESUME };
        o7s_qos nonsense = O7S_QOS_RAW;
        int bell = -1, lane = -1;
        unsigned before;
        o7s_flow *flow;

        stage_open(&stage);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        before = n_open_fds();

        /* established without an offer; withdrawn without one; a type that only we send */
        stage_establish(&stage, 1, LANE_THIN, &bell);
        assert_int_equal(irm_message_send(stage.fd, &unknown, NULL, 0), 0);
        assert_int_equal(irm_message_send(stage.fd, &odd, NULL, 0), 0);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        (void) close(bell);
        assert_int_equal(n_open_fds(), before);

        /* a QoS that is out of range gets no lane */
        nonsense.availability_nines = 9;
        stage_offer(&stage, 2, nonsense);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);

        /* an offer answered, then established with a lane of another class */
        stage_offer(&stage, 3, O7S_QOS_RAW);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        assert_int_equal(stage_expect(&stage, IRM_LANE, &lane).flow_id, 3);
        (void) close(lane);
        stage_establish(&stage, 3, LANE_BULK, &bell);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        (void) close(bell);
        assert_int_equal(n_open_fds(), before);

        /* and the listener still works */
        stage_offer(&stage, 4, O7S_QOS_RAW);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        assert_int_equal(stage_expect(&stage, IRM_LANE, &lane).flow_id, 4);
        (void) close(lane);
        stage_establish(&stage, 4, LANE_THIN, &bell);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), 0);
        (void) close(bell);
        assert_int_equal(o7s_flow_read(flow, &lane, sizeof(lane)), -ENOTCONN);
        assert_int_equal(o7s_flow_events(flow), O7S_DOWN | O7S_PEER_GONE);
        o7s_flow_unref(flow);
}

/* Lanes are made for so many offers and no more; the rest get theirs as the first come to an end. */
static void test_many_offers(void **state) {
        _cleanup_stage_ Stage stage;
        unsigned n_lanes = 0, first_round;
        struct pollfd p = { .events = POLLIN };
        o7s_flow *flow;

        stage_open(&stage);
        for (uint64_t id = 1; id <= 200; id++)
                stage_offer(&stage, id, O7S_QOS_RAW);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);

        p.fd = stage.fd;
        for (; poll(&p, 1, 0) == 1; n_lanes++) {
                int lane;

                stage_expect(&stage, IRM_LANE, &lane);
                (void) close(lane);
        }
        assert_in_range(n_lanes, 1, 100);
        first_round = n_lanes;

        for (uint64_t id = 1; id <= first_round; id++) {
                IrmMessage withdrawn = { .type = IRM_WITHDRAWN, .flow_id = id };

                assert_int_equal(irm_message_send(stage.fd, &withdrawn, NULL, 0), 0);
        }
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        for (; poll(&p, 1, 0) == 1; n_lanes++) {
                int lane;

                assert_true(stage_expect(&stage, IRM_LANE, &lane).flow_id > first_round);
                (void) close(lane);
        }
        assert_int_equal(n_lanes, 2 * first_round);
}

/* Several are established while nobody looks: the descriptor stays readable until all are accepted. */
static void test_descriptor(void **state) {
        _cleanup_stage_ Stage stage;
        struct pollfd p = { .events = POLLIN };
        int bells[3];
        o7s_flow *flow;

        stage_open(&stage);
        p.fd = o7s_listener_fd(stage.listener);
        assert_int_equal(o7s_listener_fd(stage.listener), p.fd);
        assert_int_equal(poll(&p, 1, 0), 0);

        for (uint64_t id = 0; id < 3; id++)
                stage_offer(&stage, id, O7S_QOS_RAW);
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), -EAGAIN);
        assert_int_equal(poll(&p, 1, 0), 0);

        for (uint64_t id = 0; id < 3; id++) {
                int lane;

                stage_expect(&stage, IRM_LANE, &lane);
                (void) close(lane);
                stage_establish(&stage, id, LANE_THIN, &bells[id]);
        }
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(poll(&p, 1, 0), 1);
                assert_int_equal(o7s_flow_accept(stage.listener, 0, &flow), 0);
                o7s_flow_unref(flow);
                (void) close(bells[i]);
        }
        assert_int_equal(poll(&p, 1, 0), 0);
}

static void *stage_accept(void *userdata) {
        Stage *s = userdata;
        o7s_flow *flow;

        return o7s_flow_accept(s->listener, TEST_TIMEOUT_USEC, &flow) == -EPERM ? NULL : s;
}

/* The connection is lost: the library listens again by itself, and is told that the name is another's now. */
static void test_lost_connection(void **state) {
        _cleanup_stage_ Stage stage;
        void *failed;
        int control;

        stage_open(&stage);
        assert_int_equal(pthread_create(&stage.thread, NULL, stage_accept, &stage), 0);
        stage.fd = safe_close(stage.fd);
        stage_accept_listener(&stage, -EPERM);

        /* it also opens its control connection, to tell of its flows */
        control = accept4(stage.listen_fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(control >= 0);
        assert_int_equal(pthread_join(stage.thread, &failed), 0);
        assert_null(failed);
        (void) close(control);
}

static void *stage_accept_briefly(void *userdata) {
        Stage *s = userdata;
        o7s_flow *flow;

        return o7s_flow_accept(s->listener, USEC_PER_SEC / 2, &flow) == -ETIMEDOUT ? NULL : s;
}

/* An IRM that takes each connection and hangs up on it without a word is asked again, but not without end. */
static void test_hangs_up(void **state) {
        _cleanup_stage_ Stage stage;
        unsigned n_connections = 0;
        usec_t end;
        void *failed;

        stage_open(&stage);
        stage.fd = safe_close(stage.fd);
        assert_int_equal(pthread_create(&stage.thread, NULL, stage_accept_briefly, &stage), 0);

        for (end = time_now() + USEC_PER_SEC; time_now() < end;) {
                struct pollfd p = { .fd = stage.listen_fd, .events = POLLIN };

                if (poll(&p, 1, 10) <= 0)
                        continue;

                p.fd = accept4(stage.listen_fd, NULL, NULL, SOCK_CLOEXEC);
                (void) poll(&p, 1, 1);          /* what it has to say */
                (void) close(p.fd);
                n_connections++;
        }

        assert_int_equal(pthread_join(stage.thread, &failed), 0);
        assert_null(failed);
        assert_in_range(n_connections, 2, 50);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_flags_are_inherited),
                cmocka_unit_test(test_threads),
                cmocka_unit_test(test_withdrawn),
                cmocka_unit_test(test_hostile_irm),
                cmocka_unit_test(test_many_offers),
                cmocka_unit_test(test_descriptor),
                cmocka_unit_test(test_lost_connection),
                cmocka_unit_test(test_hangs_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
