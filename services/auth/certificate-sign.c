/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether a signature is that of a certificate; by which algorithm, oap-signature.h says. */

#include "services/auth/certificate-internal.h"
#include "services/common/oap-signature.h"

#define ED25519_SIGNATURE_BYTES 64U
#define ED448_SIGNATURE_BYTES 114U

int certificate_check_signature(const Certificate *certificate, uint16_t digest, const void *data, size_t size,
                                const void *signature, size_t signature_size) {
        /* both only read */
        gnutls_datum_t signed_data = { .data = (uint8_t *) (uintptr_t) data, .size = (unsigned) size };
        gnutls_datum_t signature_data = { .data = (uint8_t *) (uintptr_t) signature,
                                          .size = (unsigned) signature_size };
        char text[AUTH_TEXT_BYTES_MAX];
        int algorithm, r;

        assert(certificate);
        assert(data || size == 0);
        assert(signature || signature_size == 0);

        if (signature_size == 0 || size > UINT32_MAX || signature_size > UINT16_MAX)
                return -EKEYREJECTED;

        r = trust_check_key(certificate->crt, text);
        if (r < 0)
                return r;

        algorithm = oap_signature_algorithm(gnutls_pubkey_get_pk_algorithm(certificate->key, NULL), digest);
        if (algorithm < 0)
                return algorithm;
        if ((algorithm == GNUTLS_SIGN_EDDSA_ED25519 && signature_size != ED25519_SIGNATURE_BYTES) ||
            (algorithm == GNUTLS_SIGN_EDDSA_ED448 && signature_size != ED448_SIGNATURE_BYTES))
                return -EKEYREJECTED;

        r = gnutls_pubkey_verify_data2(certificate->key, (gnutls_sign_algorithm_t) algorithm, 0, &signed_data,
                                       &signature_data);
        return r < 0 ? -EKEYREJECTED : 0;
}

int certificate_digest(const Certificate *certificate, uint16_t wanted) {
        int key = gnutls_pubkey_get_pk_algorithm(certificate->key, NULL);
        int algorithm;

        if (key == GNUTLS_PK_EDDSA_ED25519 || key == GNUTLS_PK_EDDSA_ED448)
                return 0;

        algorithm = oap_signature_algorithm(key, wanted);
        return algorithm < 0 ? algorithm : (int) wanted;
}
