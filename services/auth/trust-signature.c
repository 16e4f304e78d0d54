/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether one authority has signed one object. What is signed is taken from the bytes themselves. The library's own
 * verdict over chains is not asked: it takes short cuts of its own through the certificates that it is given, and the
 * way that it went need not be the one that our rules were applied to; its verdict over lists asks the host's clock.
 */

#include "services/auth/certificate-internal.h"
#include "services/common/der.h"

/* object: SEQUENCE { what is signed, algorithm, BIT STRING }. */
static bool signature_holds(const gnutls_datum_t *object, gnutls_pubkey_t key, int algorithm) {
        Cursor c = cursor_from(object->data, object->size), parts, bits;
        gnutls_datum_t signed_data, signature;
        DerElement content;

        parts = der_enter(&c, DER_SEQUENCE);
        content = der_next(&parts);
        (void) der_enter(&parts, DER_SEQUENCE);
        bits = der_enter(&parts, DER_BIT_STRING);
        if (cursor_u8(&bits) != 0 || bits.bad || parts.bad || c.bad)
                return false;

        /* both only read */
        signed_data = (gnutls_datum_t) { .data = (uint8_t *) (uintptr_t) content.whole,
                                         .size = (unsigned) content.whole_size };
        signature = (gnutls_datum_t) { .data = (uint8_t *) (uintptr_t) bits.p, .size = (unsigned) bits.left };
        return gnutls_pubkey_verify_data2(key, (gnutls_sign_algorithm_t) algorithm, 0, &signed_data, &signature) >= 0;
}

static bool is_signed_by(const gnutls_datum_t *object, gnutls_x509_crt_t issuer, int algorithm) {
        gnutls_pubkey_t key;
        bool holds;

        if (gnutls_pubkey_init(&key) < 0)
                return false;

        holds = gnutls_pubkey_import_x509(key, issuer, 0) >= 0 && signature_holds(object, key, algorithm);
        gnutls_pubkey_deinit(key);
        return holds;
}

bool trust_signs_certificate(gnutls_x509_crt_t issuer, gnutls_x509_crt_t crt) {
        gnutls_datum_t object = {};
        bool holds;

        holds = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &object) >= 0 &&
                is_signed_by(&object, issuer, gnutls_x509_crt_get_signature_algorithm(crt));
        gnutls_free(object.data);
        return holds;
}

bool trust_signs_list(gnutls_x509_crt_t issuer, gnutls_x509_crl_t crl) {
        gnutls_datum_t object = {};
        bool holds;

        holds = gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_DER, &object) >= 0 &&
                is_signed_by(&object, issuer, gnutls_x509_crl_get_signature_algorithm(crl));
        gnutls_free(object.data);
        return holds;
}
