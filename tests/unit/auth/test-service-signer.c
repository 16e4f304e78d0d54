/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The way to an o7s-keyd that does not answer. The test is the other end: what it is going to answer is in the socket
 * before it is asked, and time is the test's; only the waiting itself, where there is nothing, is real.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "services/auth/service-signer.h"

#define STUCK "pkcs11:token=a;object=stuck"
#define GOOD "credential:good"
#define START (1000 * USEC_PER_SEC)
#define HELD (SIGNER_TIMEOUT_USEC + SIGNER_HOLD_USEC)

typedef struct Keyd {
        Signer signer;
        int fd;                         /* its end */
} Keyd;

static void connect_keyd(Keyd *k) {
        int fds[2];

        k->fd = safe_close(k->fd);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        k->fd = fds[0];
        signer_connect(&k->signer, fds[1]);
        assert_true(k->signer.fd >= 0);
}

static int setup(void **state) {
        Keyd *k = calloc(1, sizeof(*k));

        assert_non_null(k);
        k->signer = (Signer) SIGNER_INIT;
        k->fd = -1;
        connect_keyd(k);
        *state = k;
        return 0;
}

static int teardown(void **state) {
        Keyd *k = *state;

        signer_done(&k->signer);
        k->fd = safe_close(k->fd);
        free(k);
        return 0;
}

static void answer(const Keyd *k, int result) {
        const KeyMessage message = {
                .type = KEY_PUBLIC_IS,
                .result = result,
                .public_size = result == 0,
                .text = "no",
        };

        assert_int_equal(key_message_send(k->fd, &message), 0);
}

/* Returns: how many questions came. */
static unsigned count_questions(const Keyd *k) {
        unsigned n = 0;

        for (;; n++) {
                KeyMessage question;
                int r;

                r = key_message_receive(k->fd, &question);
                if (r == -EAGAIN)
                        return n;
                assert_int_equal(r, 0);
                key_message_done(&question);
        }
}

static void ask(Keyd *k, const char *key, usec_t now, int wanted, const char *says) {
        uint8_t public_key[KEY_PUBLIC_BYTES_MAX];
        char text[AUTH_TEXT_BYTES_MAX] = "";
        ssize_t r;

        r = signer_public(&k->signer, key, now, public_key, text);
        if (r != wanted || !strstr(text, says))
                fail_msg("%s: %zd, \"%s\"", key, r, text);
}

static void ask_good(Keyd *k, const char *key, usec_t now) {
        answer(k, 0);
        ask(k, key, now, 1, "");
        assert_int_equal(count_questions(k), 1);
}

/* Nothing comes: waited for once. */
static void ask_stuck(Keyd *k, usec_t now, const char *says) {
        ask(k, STUCK, now, -ENOKEY, says);
        assert_int_equal(count_questions(k), 1);
}

static void test_others_go_on(void **state) {
        Keyd *k = *state;

        ask_good(k, GOOD, START);
        ask_stuck(k, START, "asked again in 32 s");

        /* Until the answer is there, nobody is asked anything, and nobody waits. */
        for (unsigned i = 0; i < 1000; i++) {
                ask(k, GOOD, START + i * USEC_PER_SEC / 100, -ENOKEY, "busy");
                ask(k, STUCK, START + i * USEC_PER_SEC / 100, -ENOKEY, "asked again in");
        }
        assert_int_equal(count_questions(k), 0);

        /* Then all go on but this one, whose answer is not taken for another's. */
        answer(k, -EIO);
        for (unsigned i = 0; i < 1000; i++) {
                ask_good(k, GOOD, START + i * USEC_PER_SEC / 100);
                ask(k, STUCK, START + i * USEC_PER_SEC / 100, -ENOKEY, "asked again in");
        }
        assert_int_equal(count_questions(k), 0);

        /* It gets its chance. */
        ask(k, STUCK, START + HELD - 1, -ENOKEY, "in 1 s");
        ask_good(k, STUCK, START + HELD);
        ask_good(k, STUCK, START + HELD);
}

static void test_holds_longer(void **state) {
        Keyd *k = *state;
        usec_t now = START;

        ask_stuck(k, now, "asked again in 32 s");
        answer(k, 0);
        now += HELD;
        ask_stuck(k, now, "asked again in 62 s");
        answer(k, 0);

        /* Whoever answers starts anew, also with a refusal. */
        now += HELD + SIGNER_HOLD_USEC;
        answer(k, -EACCES);
        ask(k, STUCK, now, -ENOKEY, "cannot be used");
        assert_int_equal(count_questions(k), 1);
        ask_stuck(k, now, "asked again in 32 s");
}

/* The watchdog, or its own alarm clock, has ended it. */
static void test_started_anew(void **state) {
        Keyd *k = *state;

        ask_stuck(k, START, "asked again in 32 s");
        k->fd = safe_close(k->fd);
        ask(k, GOOD, START, -ENOTCONN, "broken");
        ask(k, GOOD, START, -ENOTCONN, "no connection");

        connect_keyd(k);
        ask_good(k, GOOD, START);
        ask(k, STUCK, START, -ENOKEY, "asked again in 32 s");
        ask_good(k, STUCK, START + HELD);
}

/* People have mended it, and say so. */
static void test_reload(void **state) {
        const KeyMessage reloaded = { .type = KEY_RELOADED };
        char text[AUTH_TEXT_BYTES_MAX] = "";
        Keyd *k = *state;

        ask_stuck(k, START, "asked again in 32 s");
        answer(k, 0);
        assert_int_equal(key_message_send(k->fd, &reloaded), 0);
        assert_int_equal(signer_reload(&k->signer, START, text), 0);
        assert_int_equal(count_questions(k), 1);
        ask_good(k, STUCK, START);
}

/* As if there were no end to keys that hang: the table stays as large as it is. */
static void test_many(void **state) {
        Keyd *k = *state;

        for (unsigned i = 0; i < 3 * SIGNER_HELD_MAX; i++) {
                HeldKey *held = k->signer.held + k->signer.n_held++ % SIGNER_HELD_MAX;

                *held = (HeldKey) { .hold = SIGNER_HOLD_USEC, .until = START + HELD };
                (void) snprintf(held->key, sizeof(held->key), "credential:%u", i);
        }

        ask_good(k, "credential:0", START);             /* it was the first */
        ask(k, "credential:23", START, -ENOKEY, "asked again in");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_others_go_on), TEST(test_holds_longer), TEST(test_started_anew), TEST(test_reload),
                TEST(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
