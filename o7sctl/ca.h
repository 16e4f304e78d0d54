/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Certificates of a small authority: made, issued, revoked, looked at. Text in PEM comes in and goes out, the time and
 * serial numbers are given; files are ca-store.c's. This is the only part of o7sctl that knows GnuTLS.
 */

#include "basic/enum.h"
#include "basic/string.h"

#define CA_SERIAL_BYTES 16U
#define CA_SERIAL_CHARS (2 * CA_SERIAL_BYTES)
#define CA_PEM_BYTES_MAX (256U * 1024U)
#define CA_CERTIFICATES_MAX 256U        /* in one file */
#define CA_COMMON_NAME_BYTES_MAX 64U    /* of X.520 */
#define CA_SUBJECT_BYTES_MAX 256U

/* "This identity always speaks the o7s extension": not critical, so others pass over it. */
#define CA_OID_PROMISES_O7S "1.3.6.1.4.1.59999.7.1"
#define CA_NAME_URI_PREFIX "o7s:name:"

typedef enum KeyType {
        KEY_P256,               /* the default: every peer of the wire can check it */
        KEY_P384,
        KEY_P521,
        KEY_ED25519,
        KEY_ED448,
        KEY_RSA,                /* 3072 bits */
        _KEY_TYPE_MAX,
        _KEY_TYPE_INVALID = -EINVAL,
} KeyType;

DECLARE_ENUM_NAMES(key_type, KeyType);

typedef struct CaPair {
        char *certificate;      /* PEM; owned */
        char *key;              /* PEM, PKCS #8; owned, wiped */
} CaPair;

void ca_pair_done(CaPair *pair);

/* Of what is to be signed. */
typedef struct CaTerms {
        const char *name;       /* of the authority; of a leaf: the flow name that it proves */
        KeyType key_type;
        unsigned days;
        bool client;            /* of a leaf: for calling; else for serving */
        const char *layer;      /* of a leaf: of a member of this layer, whose name it proves too, serving and
                                 * calling; NULL */
        bool promises_o7s;      /* of a leaf: CA_OID_PROMISES_O7S */
        uint64_t now_sec;       /* CLOCK_REALTIME */
        uint8_t serial[CA_SERIAL_BYTES];        /* the first byte 0x01 to 0x7f: positive, and of full length */
} CaTerms;

/* A self-signed authority that signs leaves only. Returns: 0; -EOPNOTSUPP: the library refuses; -ENOMEM. */
int ca_make(const CaTerms *terms, CaPair *ret);

/* A leaf: SAN URI o7s:name:NAME, dNSName where it looks like one (both for the layer, too), CN where it fits. It
 * never outlives its issuer. Returns: 0, *ret_expiry_sec; -EBADMSG: the authority is none; -EKEYEXPIRED: it has
 * expired; -EOPNOTSUPP, -ENOMEM. */
int ca_issue(const CaPair *authority, const CaTerms *terms, CaPair *ret, uint64_t *ret_expiry_sec);

typedef struct CaRevoked {
        char serial[CA_SERIAL_CHARS + 1];
        uint64_t when_sec;
} CaRevoked;

typedef struct CaListTerms {
        uint64_t number;        /* higher than that of the one before */
        unsigned days;          /* how long it counts, as far as the authority does */
        uint64_t now_sec;
} CaListTerms;

/* A revocation list of all of these. Returns: as ca_issue(). */
int ca_make_revocation_list(const CaPair *authority, const CaRevoked *revoked, size_t n, const CaListTerms *terms,
                            char **ret);

/* What people see of one. */
typedef struct CaList {
        char issuer[CA_SUBJECT_BYTES_MAX];      /* CN, clean */
        uint64_t expiry_sec;                    /* 0: it does not say */
        unsigned days;                          /* that it was written for; 0: it does not say */
        unsigned n_revoked;
} CaList;

/* The first list of a PEM text. Returns: 0; -EBADMSG; -ENOMEM. */
int ca_read_list(const char *text, CaList *ret);

/* What people see of a certificate. Text is clean: no control characters. */
typedef struct CaCertificate {
        char subject[CA_SUBJECT_BYTES_MAX];     /* its o7s name, else another SAN, else its CN */
        char issuer[CA_SUBJECT_BYTES_MAX];      /* CN */
        char serial[2 * 20 + 1];
        char pin[STRLEN("sha256:") + 64 + 1];   /* of its public key */
        const char *key;                        /* "ECDSA", static */
        uint64_t from_sec;
        uint64_t expiry_sec;
        bool authority;
        bool server, client;                    /* its purposes; both where it has none */
        bool promises_o7s;
} CaCertificate;

/* All certificates of a PEM or DER file. Returns: how many, at most CA_CERTIFICATES_MAX; -EBADMSG: not (only)
 * certificates; -E2BIG; -ENOMEM. *ret is the caller's to free. */
int ca_read_certificates(const char *data, size_t size, CaCertificate **ret);

/* Whether the key, unencrypted PEM, is that of the (first) certificate. Returns: 0; -EKEYREJECTED: of another;
 * -EBADMSG: the certificate is none; -ENOKEY: the key is none that can be used; -ENOMEM. */
int ca_check_pair(const CaPair *pair);

/* Whether a revocation list in PEM is the authority's own and says this serial is revoked. Returns: 1, 0; -EBADMSG. */
int ca_is_revoked(const char *list, const CaPair *authority, const char *serial);

/* Whether it can be a dNSName: letters, digits, hyphens and at least one dot. */
bool ca_looks_like_dns(const char *name);
