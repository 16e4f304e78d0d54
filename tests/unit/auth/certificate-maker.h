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

#include "tests/unit/auth/maker-key.h"

#define MAKER_NOW INT64_C(1780272000)   /* 2026-06-01 00:00:00 UTC */
#define DAYS(n) ((n) * INT64_C(86400))

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

/* PEM of DER. */
void maker_pem(const char *label, const Blob *der, Blob *ret);
