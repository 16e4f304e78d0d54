/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is asked of one certificate, wherever it stands in a chain. The lists are of what is good: an algorithm, a
 * curve or a critical extension that nobody wrote down here is refused, whatever the library or its system-wide
 * configuration thinks of it.
 */

#include "services/auth/certificate-internal.h"

#define RSA_BITS_MIN 2048U
#define RSA_BITS_MAX 16384U
#define PURPOSES_MAX 32U
#define OBJECT_TEXT_BYTES_MAX 128U
#define USAGE "2.5.29.15"
#define NAMES "2.5.29.17"
#define CONSTRAINTS "2.5.29.19"
#define NAME_CONSTRAINTS "2.5.29.30"
#define PURPOSES "2.5.29.37"
#define NSEC_PER_SECOND 1000000000ULL

/* -- strength -- */

static bool curve_is_good(gnutls_x509_crt_t crt) {
        gnutls_ecc_curve_t curve;
        gnutls_datum_t x = {}, y = {};
        int r;

        r = gnutls_x509_crt_get_pk_ecc_raw(crt, &curve, &x, &y);
        gnutls_free(x.data);
        gnutls_free(y.data);

        return r >= 0 && (curve == GNUTLS_ECC_CURVE_SECP256R1 || curve == GNUTLS_ECC_CURVE_SECP384R1 ||
                          curve == GNUTLS_ECC_CURVE_SECP521R1);
}

/* With an exponent of 1 everybody signs. */
static bool exponent_is_good(gnutls_x509_crt_t crt) {
        gnutls_datum_t modulus = {}, exponent = {};
        bool good = false;

        if (gnutls_x509_crt_get_pk_rsa_raw(crt, &modulus, &exponent) < 0)
                return false;

        for (unsigned i = 0; i + 1 < exponent.size; i++)
                good = good || exponent.data[i] != 0;
        good = exponent.size > 0 && (good || exponent.data[exponent.size - 1] >= 3) &&
               exponent.data[exponent.size - 1] & 1;

        gnutls_free(modulus.data);
        gnutls_free(exponent.data);
        return good;
}

int trust_check_key(gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX];
        unsigned bits = 0;
        int algorithm;

        algorithm = gnutls_x509_crt_get_pk_algorithm(crt, &bits);
        switch (algorithm) {
        case GNUTLS_PK_RSA:
        case GNUTLS_PK_RSA_PSS:
                if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
                        return trust_refuse(text, "The RSA key of %s has %u bits; 2048 to 16384 are accepted",
                                            trust_subject(crt, subject), bits);
                /* Not to be had of an RSA-PSS key, which has one reader less. */
                if (algorithm == GNUTLS_PK_RSA && !exponent_is_good(crt))
                        return trust_refuse(text, "The RSA key of %s has no sane exponent",
                                            trust_subject(crt, subject));
                return 0;
        case GNUTLS_PK_ECDSA:
                if (!curve_is_good(crt))
                        return trust_refuse(text, "The key of %s is on none of the curves P-256, P-384 and P-521",
                                            trust_subject(crt, subject));
                return 0;
        case GNUTLS_PK_EDDSA_ED25519:
        case GNUTLS_PK_EDDSA_ED448:
                return 0;
        default:
                return trust_refuse(
                        text, "The key of %s is of a kind that is not accepted; RSA, ECDSA, Ed25519 and Ed448 are",
                        trust_subject(crt, subject));
        }
}

int trust_check_signature_algorithm(int algorithm, gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]) {
        static const int good[] = {
                GNUTLS_SIGN_RSA_SHA256, GNUTLS_SIGN_RSA_SHA384, GNUTLS_SIGN_RSA_SHA512,
                GNUTLS_SIGN_RSA_SHA3_256, GNUTLS_SIGN_RSA_SHA3_384, GNUTLS_SIGN_RSA_SHA3_512,
                GNUTLS_SIGN_RSA_PSS_SHA256, GNUTLS_SIGN_RSA_PSS_SHA384, GNUTLS_SIGN_RSA_PSS_SHA512,
                GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512,
                GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_SIGN_ECDSA_SHA384, GNUTLS_SIGN_ECDSA_SHA512,
                GNUTLS_SIGN_ECDSA_SHA3_256, GNUTLS_SIGN_ECDSA_SHA3_384, GNUTLS_SIGN_ECDSA_SHA3_512,
                GNUTLS_SIGN_EDDSA_ED25519, GNUTLS_SIGN_EDDSA_ED448,
        };
        char subject[TRUST_SUBJECT_BYTES_MAX];
        const char *name;

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (algorithm == good[i])
                        return 0;

        name = algorithm > 0 ? gnutls_sign_get_name((gnutls_sign_algorithm_t) algorithm) : NULL;
        return trust_refuse(text,
                            "What is signed for %s is signed with %s, which is not accepted; SHA-256 is the least",
                            trust_subject(crt, subject), name ? name : "an unknown algorithm");
}

/* -- time -- */

int trust_check_time(gnutls_x509_crt_t crt, uint64_t now_realtime_nsec, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX], when[TRUST_TIME_BYTES_MAX], now[TRUST_TIME_BYTES_MAX];
        int64_t seconds = (int64_t) (now_realtime_nsec / NSEC_PER_SECOND);
        int64_t not_before = gnutls_x509_crt_get_activation_time(crt),
                not_after = gnutls_x509_crt_get_expiration_time(crt);

        if (not_before == -1 || not_after == -1)
                return trust_refuse(text, "The certificate of %s does not say from when to when it is valid",
                                    trust_subject(crt, subject));
        if (seconds < not_before)
                return trust_refuse(text, "The certificate of %s is valid from %s on; the clock of this host says %s",
                                    trust_subject(crt, subject), trust_time(not_before, when),
                                    trust_time(seconds, now));
        if (seconds > not_after)
                return trust_refuse(text, "The certificate of %s expired at %s; the clock of this host says %s",
                                    trust_subject(crt, subject), trust_time(not_after, when),
                                    trust_time(seconds, now));

        return 0;
}

/* -- purpose -- */

static bool extension_is_understood(const char *object, bool issuer) {
        static const char *const understood[] = { USAGE, NAMES, CONSTRAINTS, PURPOSES };

        for (size_t i = 0; i < ELEMENTSOF(understood); i++)
                if (streq(object, understood[i]))
                        return true;

        return issuer && streq(object, NAME_CONSTRAINTS);
}

int trust_check_extensions(gnutls_x509_crt_t crt, bool issuer, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX], object[OBJECT_TEXT_BYTES_MAX];

        for (unsigned i = 0;; i++) {
                size_t size = sizeof(object);
                unsigned critical = 0;
                int r;

                r = gnutls_x509_crt_get_extension_info(crt, i, object, &size, &critical);
                if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return 0;
                if (r < 0 || i == CERTIFICATE_EXTENSIONS_MAX)
                        return trust_refuse(text, "The certificate of %s has extensions that cannot be read",
                                            trust_subject(crt, subject));
                if (critical && !extension_is_understood(object, issuer))
                        return trust_refuse(
                                text,
                                "The certificate of %s has the critical extension %s, which is not understood here",
                                trust_subject(crt, subject), object);
        }
}

static bool has_extension(gnutls_x509_crt_t crt, const char *object) {
        gnutls_datum_t value = {};
        unsigned critical;
        int r;

        r = gnutls_x509_crt_get_extension_by_oid2(crt, object, 0, &value, &critical);
        gnutls_free(value.data);
        return r != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

/* An extension of purposes says what the key is for, and nothing else. Without one it is for everything. */
static bool serves_purpose(gnutls_x509_crt_t crt, bool server) {
        const char *wanted = server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;

        if (!has_extension(crt, PURPOSES))
                return true;

        for (unsigned i = 0; i < PURPOSES_MAX; i++) {
                char object[OBJECT_TEXT_BYTES_MAX];
                size_t size = sizeof(object);
                unsigned critical;
                int r;

                r = gnutls_x509_crt_get_key_purpose_oid(crt, i, object, &size, &critical);
                if (r < 0)
                        return false;
                if (streq(object, wanted))
                        return true;
        }

        return false;
}

/* Returns: whether the usage, where one is given, has this bit. */
static bool may_be_used(gnutls_x509_crt_t crt, unsigned wanted) {
        unsigned usage = 0, critical;
        int r;

        r = gnutls_x509_crt_get_key_usage(crt, &usage, &critical);
        return r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE || (r >= 0 && usage & wanted);
}

int trust_check_leaf(gnutls_x509_crt_t crt, bool server, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX];
        unsigned critical, authority = 0;
        int r, length;

        (void) trust_subject(crt, subject);
        r = gnutls_x509_crt_get_basic_constraints(crt, &critical, &authority, &length);
        if (r < 0 && r != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                return trust_refuse(text, "The certificate of %s has constraints that cannot be read", subject);
        if (authority)
                return trust_refuse(text, "The certificate of %s is that of an authority, not of a peer", subject);
        if (!may_be_used(crt, GNUTLS_KEY_DIGITAL_SIGNATURE))
                return trust_refuse(text, "The key of %s may not be used for signatures (key usage)", subject);
        if (!serves_purpose(crt, server))
                return trust_refuse(text, "The certificate of %s is not for a %s (extended key usage)", subject,
                                    server ? "server" : "client");

        return 0;
}

int trust_check_issuer(gnutls_x509_crt_t crt, bool server, unsigned below, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX];
        unsigned critical, authority = 0;
        int r, length = -1;

        (void) trust_subject(crt, subject);
        r = gnutls_x509_crt_get_basic_constraints(crt, &critical, &authority, &length);
        if (r < 0 || !authority)
                return trust_refuse(text, "%s has issued a certificate, and is no authority (basic constraints)",
                                    subject);
        if (length >= 0 && below > (unsigned) length)
                return trust_refuse(text, "Below %s stand more authorities than its certificate allows", subject);
        if (!may_be_used(crt, GNUTLS_KEY_KEY_CERT_SIGN))
                return trust_refuse(text, "The key of %s may not be used for issuing certificates (key usage)",
                                    subject);
        if (!serves_purpose(crt, server))
                return trust_refuse(text, "%s may not issue certificates for a %s (extended key usage)", subject,
                                    server ? "server" : "client");

        return 0;
}
