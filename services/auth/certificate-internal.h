/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of certificate*.c and trust*.c know of each other's objects. */

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdarg.h>

#include "basic/string.h"
#include "services/auth/trust.h"

#define CERTIFICATE_NAMES_MAX 64U
#define CERTIFICATE_EXTENSIONS_MAX 64U
#define CHAIN_MAX 8U                    /* certificates from the leaf to the anchor, both counted */

typedef enum IdentityKind {
        IDENTITY_URI,                   /* SAN, as it stands */
        IDENTITY_DNS,                   /* SAN, in lower case */
        IDENTITY_COMMON_NAME,           /* "CN=" and the text */
} IdentityKind;

typedef struct Identity {
        IdentityKind kind;
        char *text;
} Identity;

struct Certificate {
        gnutls_x509_crt_t crt;
        gnutls_pubkey_t key;
        bool has_alternatives;          /* a SAN extension, whatever is in it */
        bool promises_o7s;
        Identity *names;                /* of the SAN, those that can be an identity */
        unsigned n_names;
        unsigned n_common_names;
        Identity common_name;           /* of the first; text NULL: none, or not one that we would compare */
        time_t not_before;
        time_t not_after;
};

struct Trust {
        unsigned n_references;
        gnutls_x509_crt_t *anchors, *intermediates;
        unsigned n_anchors, n_intermediates;
        gnutls_x509_crl_t *revocations;
        unsigned n_revocations;
        uint8_t content[TRUST_CONTENT_BYTES];           /* digest of all that was added, in order */
};

/* An errno for what GnuTLS says of input: -ENOMEM, or -EBADMSG. */
int certificate_error(int gnutls_result);

/* -- certificate-name.c -- */

int certificate_read_names(Certificate *certificate);

/* UTF-8 without anything that people cannot see: control characters, changes of direction, NUL. */
bool identity_text_is_clean(const void *text, size_t size);

/* Letters, digits and hyphens in labels, at least one dot, not an address. */
bool name_is_dns_like(const char *name);

/* -- trust-name.c -- */

/* By which of its names the certificate is what it must be, and whether that one may. *ret_identity lives as long as
 * the certificate. Returns: 0; -EKEYREJECTED; -EACCES: denied or not allowed, *ret_identity is who, if the rest is
 * good. */
int trust_check_names(const Certificate *certificate, const Expectation *expected, const Identity **ret_identity,
                      char text[AUTH_TEXT_BYTES_MAX]);

/* -- trust-chain.c -- */

/* From the certificate to an anchor, every rule of chains in between. Returns: 0; -EKEYREJECTED. */
int trust_check_chain(const Trust *trust, const Certificate *certificate, const Expectation *expected,
                      const Identity *identity, char text[AUTH_TEXT_BYTES_MAX]);

/* -- trust-rule.c: what is asked of one certificate, each without a chain -- */

/* Keys of at least this strength, of kinds that we know. */
int trust_check_key(gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]);
int trust_check_time(gnutls_x509_crt_t crt, uint64_t now_realtime_nsec, char text[AUTH_TEXT_BYTES_MAX]);
int trust_check_extensions(gnutls_x509_crt_t crt, bool issuer, char text[AUTH_TEXT_BYTES_MAX]);
int trust_check_signature_algorithm(int algorithm, gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]);
int trust_check_leaf(gnutls_x509_crt_t crt, bool server, char text[AUTH_TEXT_BYTES_MAX]);

/* below: how many certificates that are not self-issued stand between it and the leaf. */
int trust_check_issuer(gnutls_x509_crt_t crt, bool server, unsigned below, char text[AUTH_TEXT_BYTES_MAX]);

/* -- trust-signature.c: by bytes and key alone; whether he may, and with this algorithm, is asked elsewhere -- */

bool trust_signs_certificate(gnutls_x509_crt_t issuer, gnutls_x509_crt_t crt);
bool trust_signs_list(gnutls_x509_crt_t issuer, gnutls_x509_crl_t crl);

/* -- trust-revocation.c -- */

int trust_check_revocation(const Trust *trust, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer,
                           uint64_t now_realtime_nsec, char text[AUTH_TEXT_BYTES_MAX]);

/* For a key that is pinned: any list that names its certificate counts, whoever issued it. */
int trust_check_revocation_of_pinned(const Trust *trust, gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]);

/* -- trust-text.c -- */

#define TRUST_SUBJECT_BYTES_MAX 96U
#define TRUST_TIME_BYTES_MAX 32U

/* Its subject, for sentences: cut, and nothing in it that a terminal would obey. */
const char *trust_subject(gnutls_x509_crt_t crt, char ret[TRUST_SUBJECT_BYTES_MAX]);
const char *trust_issuer(gnutls_x509_crt_t crt, char ret[TRUST_SUBJECT_BYTES_MAX]);
const char *trust_time(int64_t seconds, char ret[TRUST_TIME_BYTES_MAX]);

/* Also the name that is called is any bytes: what is not to be shown becomes '?'. */
void trust_clean(char *text);

/* Writes a sentence. */
void trust_say(char text[AUTH_TEXT_BYTES_MAX], const char *format, ...) _printf_(2, 3);

/* The same, of a refusal. Returns: -EKEYREJECTED. */
int trust_refuse(char text[AUTH_TEXT_BYTES_MAX], const char *format, ...) _printf_(2, 3);

/* -- pem.c -- */

typedef int (*pem_found_t)(void *userdata, const uint8_t *der, size_t size);

/* Each DER object of a file, be it PEM with these labels (and nothing else) or DER, one behind the other. Returns:
 * how many; -EBADMSG; what found() says. */
int pem_each(const void *data, size_t size, const char *const *labels, size_t n_labels, pem_found_t found,
             void *userdata);
int pem_each_certificate(const void *data, size_t size, pem_found_t found, void *userdata);
