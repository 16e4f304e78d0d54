/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The way to o7s-keyd: one question at a time over a connection that the IRM made. A question waits for its answer, for
 * at most SIGNER_TIMEOUT_USEC; after anything but a proper answer the connection is closed, since nobody knows what
 * would come next, and everything is -ENOTCONN until there is another one.
 */

#include "basic/time.h"
#include "services/common/auth-message.h"
#include "services/common/key-message.h"

#define SIGNER_TIMEOUT_USEC (2 * USEC_PER_SEC)

typedef struct Signer {
        int fd;                         /* owned; -1: there is none */
} Signer;

#define SIGNER_INIT { .fd = -1 }

void signer_done(Signer *signer);

/* Takes the descriptor, in place of the one that it had. */
void signer_connect(Signer *signer, int fd);

/* Signs a handshake message. Returns: bytes of the signature; -ENOTCONN: no o7s-keyd; -ENOKEY: it does not sign with
 * this key. text says why. */
ssize_t signer_sign(Signer *signer, const char *key, const OapHeader *header, uint8_t ret[KEY_SIGNATURE_BYTES_MAX],
                    char text[AUTH_TEXT_BYTES_MAX]);

/* The public key as SubjectPublicKeyInfo. Returns: its bytes; otherwise as signer_sign(). */
ssize_t signer_public(Signer *signer, const char *key, uint8_t ret[KEY_PUBLIC_BYTES_MAX],
                      char text[AUTH_TEXT_BYTES_MAX]);

/* Keys are read again. Returns: 0; otherwise as signer_sign(). */
int signer_reload(Signer *signer, char text[AUTH_TEXT_BYTES_MAX]);
