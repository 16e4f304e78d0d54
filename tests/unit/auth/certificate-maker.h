/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Certificates and revocation lists as a table wants them, right and wrong ones: DER is written here byte by byte,
 * since no library would make most of the wrong ones, and GnuTLS only signs.
 *
 * Names are lists with "|" between: subjects "C:common name|O:organisation" (P:, I:, T:, B: a common name as
 * PrintableString, IA5String, T61String, BMPString), alternatives
 * "U:uri|D:dns|E:mail|I:address|N:directory|R:number|O:other|X:no such kind". "\xNN" is a byte.
 */

#include <gnutls/abstract.h>

#include "basic/macro.h"

#define MAKER_NOW INT64_C(1780272000)   /* 2026-06-01 00:00:00 UTC */
#define DAYS(n) ((n) * INT64_C(86400))

typedef struct Blob {
        uint8_t *data;
        size_t size;
} Blob;

void blob_done(Blob *blob);
void blob_add(Blob *blob, const void *data, size_t size);
void blob_wrap(Blob *blob, uint8_t tag);        /* all of it becomes the content of one element */

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

typedef enum MakerConstraints {
        CONSTRAINTS_NONE,
        CONSTRAINTS_LEAF,               /* CA:FALSE, said */
        CONSTRAINTS_AUTHORITY,
        CONSTRAINTS_ODD,                /* no DER inside */
} MakerConstraints;

#define USAGE_SIGNATURE 0x80U
#define USAGE_ENCIPHERMENT 0x20U
#define USAGE_AGREEMENT 0x08U
#define USAGE_CERTIFICATES 0x04U
#define USAGE_LISTS 0x02U
#define USAGE_ABSENT 0x100U
#define USAGE_EMPTY 0x200U

typedef struct Recipe {
        MakerKey key;                   /* of the subject */
        unsigned key_number;
        const char *subject;            /* NULL: "C:somebody" */
        const char *issuer;             /* NULL: its authority's */
        const char *names;              /* NULL: no such extension */
        bool names_critical;
        int64_t from, until;            /* seconds from now; both 0: from yesterday for a month */
        uint32_t serial;                /* 0: 1 */
        unsigned version;               /* 0: version 3 */
        MakerSignature signature;
        MakerConstraints constraints;
        unsigned path_length;           /* + 1; 0: none */
        unsigned usage;                 /* 0: what is usual for a leaf or an authority */
        const char *purposes;           /* NULL: no such extension; "server|client|code|any|" */
        const char *permitted, *excluded;       /* name constraints, as alternatives */
        const char *extension;          /* "1.2.3.4" of one more, with value NULL */
        bool extension_critical;
        bool extension_promise;         /* the o7s one */
        unsigned extension_padding;     /* bytes in it */
        unsigned many_extensions;       /* so many more */
        const char *twice;              /* "names", "constraints", "usage", "purposes", "extension": that extension
                                         * twice */
        bool without_key_ids;
        bool null_times;                /* times that are none */
        bool odd_key;                   /* a key of an unknown kind */
        bool exponent_one;              /* of an RSA key */
} Recipe;

/* issuer: of whom it is signed, NULL: of itself. */
void maker_certificate(const Recipe *recipe, const Recipe *issuer, Blob *ret);

typedef struct ListRecipe {
        int64_t from, until;            /* until 0: tomorrow */
        MakerSignature signature;
        uint32_t revoked[4];
        bool critical;                  /* with an extension that changes its meaning */
} ListRecipe;

/* signer: whose key it is signed with, if not the issuer's. */
void maker_list(const ListRecipe *recipe, const Recipe *issuer, const Recipe *signer, Blob *ret);

/* Signs as OAP does. */
void maker_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, const void *data, size_t size, Blob *ret);

/* PEM of DER. */
void maker_pem(const char *label, const Blob *der, Blob *ret);
