/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signatures as OAP makes them: RSA with PKCS#1 v1.5, ECDSA in DER, Ed25519 and Ed448 by themselves. The kind follows
 * from the key, the digest from the message; EdDSA brings its own and has none in the message. RSA-PSS keys have no
 * place in OAP. Who signs and who verifies must read this table alike, so there is one.
 */

#include "basic/macro.h"

/* key: a gnutls_pk_algorithm_t; digest: an id of OAP, 0: SHA-256, and for EdDSA the only one. Returns: a
 * gnutls_sign_algorithm_t; -EOPNOTSUPP. */
int oap_signature_algorithm(int key, uint16_t digest);
