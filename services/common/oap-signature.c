/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See oap-signature.h. */

#include <gnutls/gnutls.h>

#include "services/common/oap-signature.h"
#include "services/common/oap.h"

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

int oap_signature_algorithm(int key, uint16_t digest) {
        int hash;

        if (key == GNUTLS_PK_EDDSA_ED25519)
                return digest == 0 ? (int) GNUTLS_SIGN_EDDSA_ED25519 : -EOPNOTSUPP;
        if (key == GNUTLS_PK_EDDSA_ED448)
                return digest == 0 ? (int) GNUTLS_SIGN_EDDSA_ED448 : -EOPNOTSUPP;
        if (key != GNUTLS_PK_RSA && key != GNUTLS_PK_ECDSA)
                return -EOPNOTSUPP;

        /* Where no digest is said, requests are hashed with SHA-384, and signatures made with SHA-256. */
        hash = digest == 0 ? (int) HASH_SHA256 : oap_digest_to_hash(digest);
        for (size_t i = 0; i < ELEMENTSOF(algorithms); i++)
                if (algorithms[i].hash == hash)
                        return (int) (key == GNUTLS_PK_RSA ? algorithms[i].rsa : algorithms[i].ecdsa);

        return -EOPNOTSUPP;
}
