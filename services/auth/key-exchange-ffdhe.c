/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Finite fields (RFC 7919). Each prime p is 2q + 1 with a prime q, and 2 generates the q squares: so a public key y
 * of 2 to p - 2 that is a square is in the group, and nothing smaller can be. The secret loses its leading zeros,
 * which is what the wire has here, and only here.
 */

#include "services/auth/key-exchange-internal.h"

#define GENERATOR 2U

/* Bytes of a private key: twice the strength of the group and more (RFC 7919, Appendix A asks for 225, 275 and 325
 * bits). */
static size_t exponent_bytes(OapKeyExchange kex) {
        return kex == OAP_FFDHE2048 ? 32 : kex == OAP_FFDHE3072 ? 40 : 48;
}

static void set_prime(mpz_t ret, OapKeyExchange kex) {
        const uint8_t *prime;
        size_t size = 0;

        prime = spki_prime(kex, &size);
        number_set(ret, prime, size);
}

int key_exchange_ffdhe_generate(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                                uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size) {
        _cleanup_(number_done) mpz_t p;
        _cleanup_(number_done) mpz_t exponent;
        _cleanup_(number_done) mpz_t y;

        mpz_init(p);
        mpz_init(exponent);
        mpz_init_set_ui(y, GENERATOR);

        /* All of one length, which is public; the time of the power depends on it. */
        x->private_size = exponent_bytes(x->kex);
        memcpy(x->private_key, random, x->private_size);
        x->private_key[0] |= 0x80;

        set_prime(p, x->kex);
        number_set(exponent, x->private_key, x->private_size);
        mpz_powm_sec(y, y, exponent, p);

        *ret_size = (mpz_sizeinbase(y, 2) + 7) / 8;
        number_get(y, ret, *ret_size);
        return 0;
}

/* 2 to p - 2, and a square. */
static bool is_in_group(const mpz_t y, const mpz_t p) {
        _cleanup_(number_done) mpz_t last;

        mpz_init(last);
        mpz_sub_ui(last, p, 1);
        return mpz_cmp_ui(y, 1) > 0 && mpz_cmp(y, last) < 0 && mpz_jacobi(y, p) == 1;
}

ssize_t key_exchange_ffdhe_derive(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]) {
        _cleanup_(number_done) mpz_t p;
        _cleanup_(number_done) mpz_t exponent;
        _cleanup_(number_done) mpz_t y;
        size_t size;

        mpz_init(p);
        mpz_init(exponent);
        mpz_init(y);

        set_prime(p, x->kex);
        number_set(y, peer->key, peer->key_size);
        if (!is_in_group(y, p))
                return -EBADMSG;

        number_set(exponent, x->private_key, x->private_size);
        mpz_powm_sec(y, y, exponent, p);

        size = (mpz_sizeinbase(y, 2) + 7) / 8;
        number_get(y, ret, size);
        return (ssize_t) size;
}
