/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ephemeral key exchange: X25519, X448, P-256, P-384, P-521, ffdhe2048/3072/4096, each public key as the DER
 * SubjectPublicKeyInfo of the wire. Pure: randomness comes as an argument, in constant time where nettle is.
 */

#include "basic/macro.h"
#include "services/common/oap-algorithm.h"

#define KEY_EXCHANGE_SPKI_MAX 1100U
#define KEY_EXCHANGE_SECRET_MAX 512U
#define KEY_EXCHANGE_RANDOM_BYTES 80U   /* enough for each of them, without bias that matters */

typedef struct KeyExchange KeyExchange;

/* Once, at the start of a program that makes keys: the library of numbers, and nettle which takes its memory from it,
 * wipes what it gives back. */
void key_exchange_wipe_memory(void);

/* Returns: 0; -EOPNOTSUPP: not one of ours; -ENOMEM. */
int key_exchange_new(OapKeyExchange kex, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES], KeyExchange **ret);

/* Wipes the private key. */
KeyExchange *key_exchange_free(KeyExchange *x);
DEFINE_CLEANUP(KeyExchange, key_exchange_free);

/* Ours, as it goes out; lives as long as x. */
const uint8_t *key_exchange_spki(const KeyExchange *x, size_t *ret_size);

/* Which one a peer's key is for. Returns: an OapKeyExchange; -EBADMSG: no public key, or not on its curve's or
 * group's list; -EOPNOTSUPP. */
int key_exchange_of_spki(const uint8_t *spki, size_t size);

/* The shared secret as the wire has it (wire: leading zeros only stripped with ffdhe). The caller wipes it. Returns:
 * its bytes; -EBADMSG: the peer's key is malformed, of another exchange, of small order, or not on the curve. */
ssize_t key_exchange_derive(const KeyExchange *x, const uint8_t *spki, size_t size,
                            uint8_t ret[KEY_EXCHANGE_SECRET_MAX]);
