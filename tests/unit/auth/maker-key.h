/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keys of every kind that a certificate may have, and what they sign. */

#include <gnutls/abstract.h>

#include "tests/unit/auth/blob.h"

typedef enum MakerKey {
        MAKER_P256,
        MAKER_P384,
        MAKER_P521,
        MAKER_P192,
        MAKER_P224,
        MAKER_ED25519,
        MAKER_ED448,
        MAKER_RSA_1024,
        MAKER_RSA_2047,
        MAKER_RSA_2048,
        MAKER_RSA_3072,
        MAKER_DSA,
        _MAKER_KEY_MAX,
} MakerKey;

/* One key of a kind and number; made at its first use, and kept until maker_done(). */
gnutls_privkey_t maker_key(MakerKey kind, unsigned number);
void maker_done(void);

/* As DER SubjectPublicKeyInfo. */
void maker_public_key(MakerKey kind, unsigned number, Blob *ret);

typedef enum MakerSignature {
        SIGNED_AS_USUAL,                /* SHA-256, or what the key brings */
        SIGNED_SHA384,
        SIGNED_SHA512,
        SIGNED_SHA1,
        SIGNED_MD5,
        SIGNED_BADLY,                   /* one bit is wrong */
        SIGNED_NOT,                     /* no bits */
        SIGNED_AS_ANOTHER,              /* inside another algorithm is named than outside */
} MakerSignature;

/* Signs as OAP does. */
void maker_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, const void *data, size_t size, Blob *ret);

/* The object identifier of a signature, and what GnuTLS calls it. */
const char *maker_signature_object(MakerKey key, MakerSignature signature, gnutls_sign_algorithm_t *ret);

/* As AlgorithmIdentifier. */
void maker_add_algorithm(Blob *to, MakerKey key, const char *object);

/* tbs becomes the whole, signed. */
void maker_finish(Blob *tbs, MakerKey key, unsigned number, MakerSignature how);
