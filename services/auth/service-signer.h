/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The way to o7s-keyd: one question at a time over a connection that the IRM made. A question waits for its answer, for
 * at most SIGNER_TIMEOUT_USEC; after anything but a proper answer the connection is closed, since nobody knows what
 * would come next, and everything is -ENOTCONN until there is another one.
 *
 * While a question waits nothing else of this process goes on, so that a token that hangs must not be waited for more
 * than once in a while:
 *
 *   the answer that did not come in time is still owed. Until it is there, or the connection ends since o7s-keyd was
 *   started anew, every other question is refused at once
 *   the key that was asked for is held off, for half a minute first, then for twice as long each time. Other keys are
 *   asked for as ever
 */

#include "basic/time.h"
#include "services/common/auth-message.h"
#include "services/common/key-message.h"

#define SIGNER_TIMEOUT_USEC (2 * USEC_PER_SEC)
#define SIGNER_HOLD_USEC (30 * USEC_PER_SEC)
#define SIGNER_HOLD_USEC_MAX (600 * USEC_PER_SEC)
#define SIGNER_HELD_MAX 8U              /* keys; then the one that was first goes */

typedef struct HeldKey {
        char key[KEY_URL_BYTES_MAX];    /* "": an empty entry */
        usec_t hold;                    /* how long, the last time */
        usec_t until;
} HeldKey;

typedef struct Signer {
        int fd;                         /* owned; -1: there is none */
        bool owed;                      /* an answer that came too late, or never comes */
        unsigned n_held;                /* ever */
        HeldKey held[SIGNER_HELD_MAX];
} Signer;

#define SIGNER_INIT { .fd = -1 }

void signer_done(Signer *signer);

/* Takes the descriptor, in place of the one that it had. Keys that are held off still are. */
void signer_connect(Signer *signer, int fd);

/* Signs a handshake message. Returns: bytes of the signature; -ENOTCONN: no o7s-keyd; -ENOKEY: it does not sign with
 * this key, or has not answered. text says why. */
ssize_t signer_sign(Signer *signer, const char *key, const OapHeader *header, usec_t now,
                    uint8_t ret[KEY_SIGNATURE_BYTES_MAX], char text[AUTH_TEXT_BYTES_MAX]);

/* The public key as SubjectPublicKeyInfo. Returns: its bytes; otherwise as signer_sign(). */
ssize_t signer_public(Signer *signer, const char *key, usec_t now, uint8_t ret[KEY_PUBLIC_BYTES_MAX],
                      char text[AUTH_TEXT_BYTES_MAX]);

/* Keys are read again, and none is held off any more. Returns: 0; otherwise as signer_sign(). */
int signer_reload(Signer *signer, usec_t now, char text[AUTH_TEXT_BYTES_MAX]);
