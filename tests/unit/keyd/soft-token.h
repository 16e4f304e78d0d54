/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A token that SoftHSM makes in a directory of the test's, with keys of certificate-maker.h in it. */

#include "tests/unit/auth/certificate-maker.h"

#define SOFT_TOKEN_PIN "31415926"
#define SOFT_TOKEN "pkcs11:token=o7s%20keys"

typedef struct SoftToken {
        char directory[64];             /* credentials may be written there, too */
        bool missing;                   /* SoftHSM is not installed here, and there is no token */
} SoftToken;

/* From then on the token is there for this process and its children. */
void soft_token_make(SoftToken *t);
void soft_token_done(SoftToken *t);

void soft_token_add_key(const SoftToken *t, MakerKey kind, const char *label, const char *id);

/* Mode 0400, in place of one that was there. */
void soft_token_write(const SoftToken *t, const char *name, const void *data, size_t size);

/* Every other process that looks into it waits, as for a card that does not answer. */
void soft_token_hang(const SoftToken *t);
