/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See auth-fixture.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/time.h"
#include "tests/unit/irm/auth-fixture.h"

#define WAIT_MSEC 60000
#define QUIET_MSEC 50

static int listening_socket(const IrmFixture *f, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", f->directory, name);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

void auth_start(AuthFixture *a, const IrmFixture *f) {
        *a = (AuthFixture) { .fd = -1 };
        a->listening = listening_socket(f, "auth.sock");
        a->key_listening = listening_socket(f, "keyd.sock");
}

void auth_stop(AuthFixture *a) {
        auth_die(a);
        (void) close(a->listening);
        (void) close(a->key_listening);
}

void auth_die(AuthFixture *a) {
        if (a->fd >= 0)
                (void) close(a->fd);
        a->fd = -1;
}

static void wait_for(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, WAIT_MSEC), 1);
}

void auth_hear(AuthFixture *a, AuthMessageType type, AuthMessage *ret) {
        int fd;

        wait_for(a->fd);
        assert_int_equal(auth_message_receive(a->fd, ret, &fd), 0);
        assert_int_equal(fd, -1);
        assert_int_equal(ret->type, type);
}

void auth_hears_nothing(AuthFixture *a) {
        struct pollfd pfd = { .fd = a->fd, .events = POLLIN };

        assert_int_equal(poll(&pfd, 1, QUIET_MSEC), 0);
}

void auth_say(AuthFixture *a, const AuthMessage *message) {
        assert_int_equal(auth_message_send(a->fd, message, -1), 0);
}

/* What the descriptor is connected to is our o7s-keyd: a byte that is written there arrives. */
void auth_hear_keys(AuthFixture *a) {
        AuthMessage message;
        char byte = 0;
        int fd, other;

        wait_for(a->fd);
        assert_int_equal(auth_message_receive(a->fd, &message, &fd), 0);
        assert_int_equal(message.type, AUTH_KEYS);
        assert_true(fd >= 0);

        wait_for(a->key_listening);
        other = accept4(a->key_listening, NULL, NULL, SOCK_CLOEXEC);
        assert_true(other >= 0);
        assert_int_equal(send(fd, "k", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(recv(other, &byte, 1, 0), 1);
        assert_int_equal(byte, 'k');

        (void) close(fd);
        (void) close(other);
        auth_message_done(&message);
}

void auth_accept(AuthFixture *a) {
        AuthMessage message;

        auth_die(a);
        wait_for(a->listening);
        a->fd = accept4(a->listening, NULL, NULL, SOCK_CLOEXEC);
        assert_true(a->fd >= 0);

        auth_hear(a, AUTH_HELLO, &message);
        assert_int_equal(message.version, AUTH_PROTOCOL_VERSION);
        auth_message_done(&message);
}

bool auth_is_called(AuthFixture *a) {
        struct pollfd pfd = { .fd = a->listening, .events = POLLIN };

        return poll(&pfd, 1, QUIET_MSEC) > 0;
}

void auth_greet(AuthFixture *a) {
        const AuthMessage hello = { .type = AUTH_HELLO, .version = AUTH_PROTOCOL_VERSION };

        auth_accept(a);
        auth_say(a, &hello);
        auth_hear_keys(a);
}

void auth_hear_forget(AuthFixture *a, uint64_t session) {
        AuthMessage message;

        auth_hear(a, AUTH_FORGET, &message);
        assert_int_equal(message.session, session);
        auth_message_done(&message);
}

uint8_t *auth_make_oap(uint8_t id, size_t *ret_size) {
        OapHeader header = { .key_exchange = (const uint8_t *) "a public key", .key_exchange_size = 12 };
        uint8_t *oap = malloc(1024);
        ssize_t n;

        assert_non_null(oap);
        memset(header.id, id, sizeof(header.id));
        header.timestamp = time_realtime_nsec() - OAP_BACKDATE_NSEC;
        n = oap_header_pack(&header, oap, 1024);
        assert_true(n > 0);
        *ret_size = (size_t) n;
        return oap;
}
