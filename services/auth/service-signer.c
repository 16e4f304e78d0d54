/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "services/auth/service-signer.h"

void signer_done(Signer *signer) {
        signer->fd = safe_close(signer->fd);
        signer->owed = false;
}

void signer_connect(Signer *signer, int fd) {
        int flags = fcntl(fd, F_GETFL);

        signer_done(signer);
        signer->fd = fd;

        /* Waiting is ours to do, since it has an end. */
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                signer_done(signer);
}

/* -- keys that do not answer -- */

static HeldKey *find_held(Signer *signer, const char *key) {
        for (unsigned i = 0; i < SIGNER_HELD_MAX; i++)
                if (streq(signer->held[i].key, key))
                        return signer->held + i;

        return NULL;
}

static void hold(Signer *signer, const char *key, usec_t now) {
        HeldKey *held = find_held(signer, key);

        if (!held) {
                held = signer->held + signer->n_held++ % SIGNER_HELD_MAX;
                *held = (HeldKey) { .hold = SIGNER_HOLD_USEC / 2 };
                (void) copy_string(held->key, sizeof(held->key), key);
        }

        held->hold = MIN(2 * held->hold, SIGNER_HOLD_USEC_MAX);
        held->until = usec_add(now, SIGNER_TIMEOUT_USEC + held->hold);
}

static void release(Signer *signer, const char *key) {
        HeldKey *held = find_held(signer, key);

        if (held)
                *held = (HeldKey) {};
}

/* Returns: 0; -ENOKEY. */
static int check_held(Signer *signer, const char *key, usec_t now, char text[AUTH_TEXT_BYTES_MAX]) {
        const HeldKey *held = isempty(key) ? NULL : find_held(signer, key);

        if (!held || held->until <= now)
                return 0;

        (void) snprintf(text, AUTH_TEXT_BYTES_MAX,
                        "The private key \"%.200s\" did not answer; it is asked again in %" PRIu64 " s, so that others "
                        "need not wait for it", key, (usec_sub(held->until, now) + USEC_PER_SEC - 1) / USEC_PER_SEC);
        return -ENOKEY;
}

/* Whether the answer has come that was waited for too long; nobody wants it any more. Returns: 0: none is owed;
 * -EAGAIN: it is; another errno: the connection is of no use. */
static int take_owed(Signer *signer) {
        KeyMessage late = {};
        int r;

        if (!signer->owed)
                return 0;

        r = key_message_receive(signer->fd, &late);
        if (r < 0)
                return r;

        key_message_done(&late);
        signer->owed = false;
        return 0;
}

/* -- questions -- */

/* Returns: 0: it is ready; -ETIMEDOUT; another errno of poll(). */
static int wait_for(int fd, short events, usec_t deadline) {
        for (;;) {
                struct pollfd p = { .fd = fd, .events = events };
                usec_t left = usec_sub(deadline, time_now());
                int r;

                if (left == 0)
                        return -ETIMEDOUT;

                r = poll(&p, 1, (int) (left / USEC_PER_MSEC) + 1);
                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
        }
}

/* Asks, and waits for the answer. Returns: 0; -ETIMEDOUT: the answer is owed; < 0: the connection can no longer be
 * used. */
static int exchange(int fd, const KeyMessage *question, KeyMessageType expected, KeyMessage *ret) {
        usec_t deadline = usec_add(time_now(), SIGNER_TIMEOUT_USEC);
        KeyMessage answer = {};
        int r;

        while ((r = key_message_send(fd, question)) == -EAGAIN) {
                r = wait_for(fd, POLLOUT, deadline);
                if (r < 0)
                        return r == -ETIMEDOUT ? -EPIPE : r;    /* it reads nothing: no answer is owed */
        }
        if (r < 0)
                return r;

        while ((r = key_message_receive(fd, &answer)) == -EAGAIN) {
                r = wait_for(fd, POLLIN, deadline);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (answer.type != expected) {
                key_message_done(&answer);
                return -EPROTO;
        }

        *ret = answer;
        return 0;
}

static int lose(Signer *signer, int error, char text[AUTH_TEXT_BYTES_MAX]) {
        (void) snprintf(text, AUTH_TEXT_BYTES_MAX, "The connection to o7s-keyd is broken: %s", strerror(-error));
        signer_done(signer);
        return -ENOTCONN;
}

/* Whether now is a time to ask. Returns: 0; -ENOTCONN; -ENOKEY. */
static int prepare(Signer *signer, const char *key, usec_t now, char text[AUTH_TEXT_BYTES_MAX]) {
        int r;

        if (signer->fd < 0) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX,
                                "There is no connection to o7s-keyd, which has the private keys");
                return -ENOTCONN;
        }

        r = check_held(signer, key, now, text);
        if (r < 0)
                return r;

        r = take_owed(signer);
        if (r == -EAGAIN) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX, "o7s-keyd is busy with a private key that does not answer");
                return -ENOKEY;
        }

        return r < 0 ? lose(signer, r, text) : 0;
}

/* Returns: 0: *ret is the answer, and it is good; -ENOTCONN; -ENOKEY. */
static int ask(Signer *signer, const KeyMessage *question, KeyMessageType expected, usec_t now, KeyMessage *ret,
               char text[AUTH_TEXT_BYTES_MAX]) {
        KeyMessage answer;
        int r;

        r = prepare(signer, question->key, now, text);
        if (r < 0)
                return r;

        r = exchange(signer->fd, question, expected, &answer);
        if (r == -EINVAL || r == -ENOBUFS) {            /* nothing was sent: our question cannot be asked */
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX,
                                "The message to be signed does not fit into a question to o7s-keyd");
                return -ENOKEY;
        }
        if (r == -ETIMEDOUT && !isempty(question->key)) {
                signer->owed = true;
                hold(signer, question->key, now);
                return check_held(signer, question->key, now, text);
        }
        if (r < 0)
                return lose(signer, r, text);

        release(signer, question->key);
        if (answer.result < 0) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX, "The private key \"%.200s\" cannot be used: %.200s",
                                question->key, isempty(answer.text) ? strerror(-answer.result) : answer.text);
                key_message_done(&answer);
                return -ENOKEY;
        }

        *ret = answer;
        return 0;
}

static bool set_key(KeyMessage *question, const char *key) {
        return !isempty(key) && copy_string(question->key, sizeof(question->key), key);
}

ssize_t signer_sign(Signer *signer, const char *key, const OapHeader *header, usec_t now,
                    uint8_t ret[KEY_SIGNATURE_BYTES_MAX], char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_(key_message_done) KeyMessage answer = {};
        KeyMessage question = { .type = KEY_SIGN, .header = *header };
        int r;

        if (!set_key(&question, key)) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX,
                                "There is a certificate, but no private key that belongs to it");
                return -ENOKEY;
        }

        r = ask(signer, &question, KEY_SIGNED, now, &answer, text);
        if (r < 0)
                return r;
        if (answer.signature_size == 0 || answer.signature_size > KEY_SIGNATURE_BYTES_MAX) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX, "o7s-keyd answered without a signature");
                return -ENOKEY;
        }

        memcpy(ret, answer.signature, answer.signature_size);
        return (ssize_t) answer.signature_size;
}

ssize_t signer_public(Signer *signer, const char *key, usec_t now, uint8_t ret[KEY_PUBLIC_BYTES_MAX],
                      char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_(key_message_done) KeyMessage answer = {};
        KeyMessage question = { .type = KEY_PUBLIC };
        int r;

        if (!set_key(&question, key)) {
                (void) snprintf(text, AUTH_TEXT_BYTES_MAX,
                                "There is a certificate, but no private key that belongs to it");
                return -ENOKEY;
        }

        r = ask(signer, &question, KEY_PUBLIC_IS, now, &answer, text);
        if (r < 0)
                return r;

        memcpy(ret, answer.public_key, MIN(answer.public_size, (size_t) KEY_PUBLIC_BYTES_MAX));
        return (ssize_t) MIN(answer.public_size, (size_t) KEY_PUBLIC_BYTES_MAX);
}

int signer_reload(Signer *signer, usec_t now, char text[AUTH_TEXT_BYTES_MAX]) {
        _cleanup_(key_message_done) KeyMessage answer = {};
        const KeyMessage question = { .type = KEY_RELOAD };

        memset(signer->held, 0, sizeof(signer->held));
        return ask(signer, &question, KEY_RELOADED, now, &answer, text);
}
