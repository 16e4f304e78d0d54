/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HKDF (RFC 5869) over each digest that our libraries carry, SHA-3 included, and what both protocols make of it.
 * Callers wipe what they get. */

#include "libo7s/seal-keys.h"
#include "services/common/auth-message.h"

#define DERIVATION_INFO_EXCHANGE "o7s-ossl-dhe"

/* HMAC (RFC 2104) over any of them. Returns: bytes of the MAC; -EOPNOTSUPP: not in our libraries. */
ssize_t hmac_compute(HashAlgorithm hash, const void *key, size_t key_size, const void *data, size_t size,
                     uint8_t ret[HASH_BYTES_MAX]);

/* Returns: 0; -EOPNOTSUPP: not in our libraries; -EINVAL: too long. */
int hkdf_extract(HashAlgorithm hash, const void *salt, size_t salt_size, const void *ikm, size_t ikm_size,
                 uint8_t ret[HASH_BYTES_MAX]);
int hkdf_expand(HashAlgorithm hash, const void *prk, size_t prk_size, const void *info, size_t info_size, void *ret,
                size_t size);

/* The flow key of the reference protocol: both public keys as transmitted, in any order. */
int derive_reference_key(HashAlgorithm hash, const void *secret, size_t secret_size, const void *spki_a, size_t size_a,
                         const void *spki_b, size_t size_b, uint8_t ret[SEAL_SECRET_BYTES]);

/* All keys of a flow between two o7s hosts, from the shared secret and the digest of the transcript (request,
 * response without its confirmation, both bindings). confirmation: what the response proves. */
typedef struct FlowSecrets {
        SealKeys seal;
        ControlKeys control;
        uint8_t confirmation[SEAL_SECRET_BYTES];
        uint8_t exporter[SEAL_SECRET_BYTES];
} FlowSecrets;

/* The suite is SEAL_O7S; the cipher is left to the caller. Returns: 0; -EOPNOTSUPP. */
int derive_flow_secrets(HashAlgorithm hash, const void *secret, size_t secret_size, const void *transcript,
                        size_t transcript_size, bool client, FlowSecrets *ret);

/* What the response proves with: HMAC-SHA-256 over the transcript. Returns: 0; -EOPNOTSUPP. */
int derive_confirmation(const FlowSecrets *secrets, const void *transcript, size_t transcript_size,
                        uint8_t ret[OAP_DIGEST_BYTES]);
