/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See irm-fixture.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "basic/time.h"
#include "tests/unit/irm/irm-fixture.h"

#define WAIT_MSEC 60000
#define QUIET_MSEC 50

static int bound_socket(const IrmFixture *f, const char *name, int type) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", f->directory, name);
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

void fixture_start(IrmFixture *f, const char *program) {
        char path[128];

        *f = (IrmFixture) { .program = program };
        (void) snprintf(f->directory, sizeof(f->directory), "/tmp/test-irm.XXXXXX");
        assert_non_null(mkdtemp(f->directory));

        f->irm_fd = bound_socket(f, "irm.sock", SOCK_SEQPACKET);
        f->layer_fd = bound_socket(f, "layer.sock", SOCK_SEQPACKET);
        f->notify_fd = bound_socket(f, "notify.sock", SOCK_DGRAM);
        assert_int_equal(listen(f->irm_fd, 128), 0);
        assert_int_equal(listen(f->layer_fd, 128), 0);

        (void) snprintf(path, sizeof(path), "%s/irm.sock", f->directory);
        assert_int_equal(setenv("O7S_SOCKET", path, 1), 0);
}

void fixture_write(IrmFixture *f, const char *path, const char *text) {
        char whole[256];
        FILE *file;

        (void) snprintf(whole, sizeof(whole), "%s/etc/o7s/%s", f->directory, path);
        for (char *slash = whole + strlen(f->directory) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }

        file = fopen(whole, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

void fixture_write_name(IrmFixture *f, const char *name) {
        char path[64], text[128];

        (void) snprintf(path, sizeof(path), "names/%s.name", name);
        (void) snprintf(text, sizeof(text), "[Name]\nLayer=lan\n[Bind]\nUser=%u\n", geteuid());
        fixture_write(f, path, text);
}

void fixture_plain(IrmFixture *f) {
        fixture_write(f, "names/far.example.name", "[Name]\nLocal=no\n[Client]\nEncryption=no\nAuthentication=none\n");
        fixture_write(f, "names/here.name.d/50-plain.conf",
                      "[Server]\nEncryption=no\nAuthentication=none\n[Client]\nEncryption=no\nAuthentication=none\n");
}

/* -- the service manager -- */

static void store_take(IrmFixture *f, const char *name, int fd) {
        assert_true(f->n_stored < FIXTURE_STORED_MAX);
        (void) snprintf(f->stored[f->n_stored].name, sizeof(f->stored[0].name), "%s", name);
        f->stored[f->n_stored++].fd = fd;
}

static void store_drop(IrmFixture *f, const char *name) {
        for (size_t i = 0; i < f->n_stored;)
                if (streq(f->stored[i].name, name)) {
                        (void) close(f->stored[i].fd);
                        f->stored[i] = f->stored[--f->n_stored];
                } else
                        i++;
}

/* Returns: whether there was a message; *ret_ready is set by READY=1. */
static bool collect_one(IrmFixture *f, bool *ret_ready) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int))];
        } control;
        char text[4096], name[64] = "";
        struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
        struct msghdr header = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
        };
        const struct cmsghdr *c;
        const char *named;
        int fd = -1;
        ssize_t n;

        n = recvmsg(f->notify_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return false;
        text[n] = '\0';

        c = CMSG_FIRSTHDR(&header);
        if (c && c->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));

        named = strstr(text, "FDNAME=");
        if (named)
                (void) sscanf(named, "FDNAME=%63[^\n]", name);

        if (strstr(text, "FDSTOREREMOVE=1"))
                store_drop(f, name);
        else if (strstr(text, "FDSTORE=1") && fd >= 0) {
                store_take(f, name, fd);
                fd = -1;
        }
        if (strstr(text, "READY=1"))
                *ret_ready = true;
        if (fd >= 0)
                (void) close(fd);

        return true;
}

void fixture_collect(IrmFixture *f) {
        bool ready = false;

        while (collect_one(f, &ready))
                ;
}

/* In the child: descriptors from 3 on, and their names. */
static void exec_daemon(const IrmFixture *f) {
        char names[FIXTURE_STORED_MAX * 64] = "irm:layer", text[128], auth[128], key[128];
        int fds[FIXTURE_STORED_MAX + 2] = { f->irm_fd, f->layer_fd };
        size_t n = 2;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);      /* a test that fails leaves nobody behind */
        for (size_t i = 0; i < f->n_stored; i++) {
                (void) snprintf(names + strlen(names), sizeof(names) - strlen(names), ":%s", f->stored[i].name);
                fds[n++] = f->stored[i].fd;
        }

        /* First out of the way, then into place. */
        for (size_t i = 0; i < n; i++)
                fds[i] = fcntl(fds[i], F_DUPFD, 200);
        for (size_t i = 0; i < n; i++) {
                (void) dup2(fds[i], 3 + (int) i);
                (void) close(fds[i]);
        }

        (void) snprintf(text, sizeof(text), "%zu", n);
        (void) setenv("LISTEN_FDS", text, 1);
        (void) snprintf(text, sizeof(text), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", text, 1);
        (void) setenv("LISTEN_FDNAMES", names, 1);
        (void) snprintf(text, sizeof(text), "%s/notify.sock", f->directory);
        (void) setenv("NOTIFY_SOCKET", text, 1);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", f->bus ? f->bus : "unix:path=/nonexistent", 1);
        (void) snprintf(text, sizeof(text), "--root=%s", f->directory);

        (void) snprintf(auth, sizeof(auth), "--auth-socket=%s/auth.sock", f->directory);
        (void) snprintf(key, sizeof(key), "--key-socket=%s/keyd.sock", f->directory);

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);        /* a test that fails in the middle leaves nobody */
        execl(f->program, f->program, text, auth, key, NULL);
        _exit(127);
}

void fixture_run(IrmFixture *f) {
        usec_t deadline = usec_add(time_now(), WAIT_MSEC * USEC_PER_MSEC);
        bool ready = false;

        f->pid = fork();
        assert_true(f->pid >= 0);
        if (f->pid == 0)
                exec_daemon(f);

        while (!ready) {
                struct pollfd pfd = { .fd = f->notify_fd, .events = POLLIN };

                assert_true(time_now() < deadline);
                (void) poll(&pfd, 1, QUIET_MSEC);
                while (collect_one(f, &ready))
                        ;
        }
}

void fixture_kill(IrmFixture *f) {
        fixture_collect(f);
        assert_int_equal(kill(f->pid, SIGKILL), 0);
        assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
        f->pid = 0;
        fixture_collect(f);
}

/* It must have been well to the end: a sanitizer's complaint is an exit status. */
void fixture_stop(IrmFixture *f) {
        char command[128];
        int status, r;

        /* What it says on its way out must be heard: a full socket would hold it up. */
        assert_int_equal(kill(f->pid, SIGTERM), 0);
        while ((r = waitpid(f->pid, &status, WNOHANG)) == 0) {
                struct pollfd pfd = { .fd = f->notify_fd, .events = POLLIN };

                (void) poll(&pfd, 1, 1);
                fixture_collect(f);
        }
        assert_int_equal(r, f->pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);

        while (f->n_stored > 0)
                (void) close(f->stored[--f->n_stored].fd);
        (void) close(f->irm_fd);
        (void) close(f->layer_fd);
        (void) close(f->notify_fd);
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", f->directory);
        assert_int_equal(system(command), 0);
}

/* -- a program -- */

int fixture_connect_client(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("O7S_SOCKET"));
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

int fixture_make_lane(void) {
        return fixture_make_lane_of(LANE_NORMAL);
}

int fixture_make_lane_of(LaneClass class) {
        Lane *lane;
        int fd;

        assert_int_equal(lane_new(class, &lane, &fd), 0);
        lane_free(lane);
        return fd;
}

void fixture_client_hear(int fd, IrmMessageType type, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int none[IRM_FDS_MAX];

        assert_int_equal(poll(&pfd, 1, WAIT_MSEC), 1);
        assert_int_equal(irm_message_receive(fd, ret, ret_fds ? ret_fds : none), 0);
        assert_int_equal(ret->type, type);
}

int fixture_client_listen(const char *name) {
        IrmMessage message = { .type = IRM_LISTEN, .version = IRM_PROTOCOL_VERSION };
        int fd = fixture_connect_client();

        (void) snprintf(message.info.name, sizeof(message.info.name), "%s", name);
        assert_int_equal(irm_message_send(fd, &message, NULL, 0), 0);
        fixture_client_hear(fd, IRM_REPLY, &message, NULL);
        assert_int_equal(message.result, 0);
        return fd;
}

void fixture_client_hears_nothing(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, 50), 0);
}

int fixture_hear_outcome(int doorbell, IrmMessage *ret) {
        struct pollfd pfd = { .fd = doorbell, .events = POLLIN };
        int lane = -1;

        assert_int_equal(poll(&pfd, 1, 2 * WAIT_MSEC), 1);
        assert_int_equal(irm_message_receive_outcome(doorbell, ret, &lane), 0);
        assert_int_equal(lane >= 0, ret->result == 0);
        if (lane >= 0)
                (void) close(lane);
        (void) close(doorbell);
        return ret->result;
}

int fixture_finish(o7s_flow *flow) {
        int r;

        while ((r = o7s_flow_alloc_finish(flow)) == -EINPROGRESS) {
                struct pollfd pfd = { .fd = o7s_flow_fd(flow), .events = POLLIN };

                assert_int_equal(poll(&pfd, 1, WAIT_MSEC), 1);
        }

        return r;
}

/* -- a layer -- */

int fixture_connect_layer(IrmFixture *f) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/layer.sock", f->directory);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

void layer_say(int fd, const LayerMessage *message, const int *fds, unsigned n_fds) {
        assert_int_equal(layer_message_send(fd, message, fds, n_fds), 0);
}

void layer_hear(int fd, LayerMessageType type, LayerMessage *ret, int ret_fds[LAYER_FDS_MAX]) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int none[LAYER_FDS_MAX];

        assert_int_equal(poll(&pfd, 1, WAIT_MSEC), 1);
        assert_int_equal(layer_message_receive(fd, ret, ret_fds ? ret_fds : none), 0);
        assert_int_equal(ret->type, type);
}

void layer_hears_nothing(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, QUIET_MSEC), 0);
}

void layer_drain(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int fds[LAYER_FDS_MAX];
        LayerMessage message;

        while (poll(&pfd, 1, QUIET_MSEC) > 0) {
                assert_int_equal(layer_message_receive(fd, &message, fds), 0);
                for (unsigned i = 0; i < LAYER_FDS_MAX; i++)
                        if (fds[i] >= 0)
                                (void) close(fds[i]);
        }
}

void layer_come_online(int fd, const char *name) {
        LayerMessage hello = {
                .type = LAYER_HELLO,
                .version = LAYER_PROTOCOL_VERSION,
                .layer_type = LAYER_ETH_DIX,
                .hash_algorithm = 1,
                .mtu = 1482,
                .oap_max = 1388,
        };
        LayerMessage online = { .type = LAYER_STATE, .state = LAYER_ONLINE, .mtu = 1482 };
        LayerMessage welcome;

        (void) snprintf(hello.layer, sizeof(hello.layer), "%s", name);
        (void) snprintf(online.text, sizeof(online.text), "serving a test");
        layer_say(fd, &hello, NULL, 0);
        layer_hear(fd, LAYER_WELCOME, &welcome, NULL);
        layer_say(fd, &online, NULL, 0);
}

int fixture_online_layer(IrmFixture *f, unsigned n_names) {
        int layer = fixture_connect_layer(f);
        LayerMessage message;

        layer_come_online(layer, "lan");
        for (unsigned i = 0; i < n_names; i++)
                layer_hear(layer, LAYER_REGISTER, &message, NULL);
        return layer;
}

void layer_answer_query(int fd, const char *name, int result) {
        LayerMessage query, done = { .type = LAYER_QUERY_DONE, .result = result };

        layer_hear(fd, LAYER_QUERY, &query, NULL);
        if (name)
                assert_string_equal(query.name, name);
        done.query_id = query.query_id;
        layer_say(fd, &done, NULL, 0);
}
