/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signatures as OAP makes them: RSA with PKCS#1 v1.5, ECDSA in DER, Ed25519 and Ed448 by themselves. The kind follows from the key, the
 * digest from the message; EdDSA brings its own and has none in the message. RSA-PSS keys have no place in OAP.
 */

#include "services/auth/certificate-internal.h"

#define ED25519_SIGNATURE_BYTES 64U
#define ED448_SIGNATURE_BYTES 114U

static const struct {
        int hash;               /* HashAlgorithm */
        gnutls_sign_algorithm_t rsa;
        gnutls_sign_algorithm_t ecdsa;
} algorithms[] = {
        { HASH_SHA256,   GNUTLS_SIGN_RSA_SHA256,   GNUTLS_SIGN_ECDSA_SHA256   },
        { HASH_SHA384,   GNUTLS_SIGN_RSA_SHA384,   GNUTLS_SIGN_ECDSA_SHA384   },
        { HASH_SHA512,   GNUTLS_SIGN_RSA_SHA512,   GNUTLS_SIGN_ECDSA_SHA512   },
        { HASH_SHA3_256, GNUTLS_SIGN_RSA_SHA3_256, GNUTLS_SIGN_ECDSA_SHA3_256 },
        { HASH_SHA3_384, GNUTLS_SIGN_RSA_SHA3_384, GNUTLS_SIGN_ECDSA_SHA3_384 },
        { HASH_SHA3_512, GNUTLS_SIGN_RSA_SHA3_512, GNUTLS_SIGN_ECDSA_SHA3_512 },
};

static int algorithm_of(gnutls_pk_algorithm_t key, uint16_t digest) {
        int hash;

        if (key == GNUTLS_PK_EDDSA_ED25519)
                return digest == 0 ? (int) GNUTLS_SIGN_EDDSA_ED25519 : -EOPNOTSUPP;
        if (key == GNUTLS_PK_EDDSA_ED448)
                return digest == 0 ? (int) GNUTLS_SIGN_EDDSA_ED448 : -EOPNOTSUPP;
        if (key != GNUTLS_PK_RSA && key != GNUTLS_PK_ECDSA)
                return -EOPNOTSUPP;

        hash = digest == 0 ? (int) HASH_SHA256 : oap_digest_to_hash(digest);
        for (size_t i = 0; i < ELEMENTSOF(algorithms); i++)
                if (algorithms[i].hash == hash)
                        return (int) (key == GNUTLS_PK_RSA ? algorithms[i].rsa : algorithms[i].ecdsa);

        return -EOPNOTSUPP;
}

int certificate_check_signature(const Certificate *certificate, uint16_t digest, const void *data, size_t size, const void *signature,
                                size_t signature_size) {
        gnutls_datum_t signed_data = { .data = (uint8_t *) (uintptr_t) data, .size = (unsigned) size };         /* both only read */
        gnutls_datum_t signature_data = { .data = (uint8_t *) (uintptr_t) signature, .size = (unsigned) signature_size };
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

        algorithm = algorithm_of((gnutls_pk_algorithm_t) gnutls_pubkey_get_pk_algorithm(certificate->key, NULL), digest);
        if (algorithm < 0)
                return algorithm;
        if ((algorithm == GNUTLS_SIGN_EDDSA_ED25519 && signature_size != ED25519_SIGNATURE_BYTES) ||
            (algorithm == GNUTLS_SIGN_EDDSA_ED448 && signature_size != ED448_SIGNATURE_BYTES))
                return -EKEYREJECTED;

        r = gnutls_pubkey_verify_data2(certificate->key, (gnutls_sign_algorithm_t) algorithm, 0, &signed_data, &signature_data);
        return r < 0 ? -EKEYREJECTED : 0;
}

int certificate_digest(const Certificate *certificate, uint16_t wanted) {
        gnutls_pk_algorithm_t key = (gnutls_pk_algorithm_t) gnutls_pubkey_get_pk_algorithm(certificate->key, NULL);
        int algorithm;

        if (key == GNUTLS_PK_EDDSA_ED25519 || key == GNUTLS_PK_EDDSA_ED448)
                return 0;

        algorithm = algorithm_of(key, wanted);
        return algorithm < 0 ? algorithm : (int) wanted;
}
