/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * X25519 and X448 (RFC 7748). Any bytes are a private key and a public one; what a peer cannot send is a point of
 * small order: the secret would be zero whatever our key is.
 */

#include <gnutls/gnutls.h>
#include <nettle/curve25519.h>
#include <nettle/curve448.h>

#include "services/auth/key-exchange-internal.h"

int key_exchange_x_generate(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                            uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size) {
        x->private_size = spki_field_bytes(x->kex);
        memcpy(x->private_key, random, x->private_size);

        if (x->kex == OAP_X25519)
                curve25519_mul_g(ret, x->private_key);
        else
                curve448_mul_g(ret, x->private_key);

        *ret_size = x->private_size;
        return 0;
}

ssize_t key_exchange_x_derive(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]) {
        static const uint8_t zero[CURVE448_SIZE];

        if (x->kex == OAP_X25519)
                curve25519_mul(ret, x->private_key, peer->key);
        else
                curve448_mul(ret, x->private_key, peer->key);

        if (gnutls_memcmp(ret, zero, peer->key_size) == 0)
                return -EBADMSG;

        return (ssize_t) peer->key_size;
}
