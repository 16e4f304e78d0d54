/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds of key exchanges behind one face: each makes a pair of keys from random bytes, and a shared secret from
 * its private key and a peer's public one. */

#include <gmp.h>

#include "services/auth/key-exchange.h"
#include "services/auth/spki.h"

#define PRIVATE_BYTES_MAX 72U           /* 66 of P-521 */
#define PUBLIC_BYTES_MAX 512U           /* of ffdhe4096 */

struct KeyExchange {
        OapKeyExchange kex;
        size_t private_size;
        uint8_t private_key[PRIVATE_BYTES_MAX];         /* big-endian, or as X25519 and X448 have it */
        size_t spki_size;
        uint8_t spki[SPKI_BYTES_MAX];
};

/* Fill private_key; the public key goes to ret, *ret_size bytes as in Spki. Return: 0; -EOPNOTSUPP. */
typedef int (*KeyExchangeGenerate)(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                                   uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size);
/* Return: bytes of the secret; -EBADMSG. */
typedef ssize_t (*KeyExchangeDerive)(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]);

int key_exchange_x_generate(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                            uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size);
ssize_t key_exchange_x_derive(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]);

int key_exchange_ec_generate(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                             uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size);
ssize_t key_exchange_ec_derive(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]);

int key_exchange_ffdhe_generate(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                                uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size);
ssize_t key_exchange_ffdhe_derive(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]);

/* For _cleanup_: numbers that may be secret leave nothing behind. */
void number_done(mpz_t *number);

/* Big-endian, of just this many bytes. */
void number_get(const mpz_t number, uint8_t *ret, size_t size);
void number_set(mpz_t ret, const uint8_t *bytes, size_t size);
