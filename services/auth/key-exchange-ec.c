/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * P-256, P-384 and P-521 by nettle, whose multiplication takes the same time for all scalars. These curves have a
 * prime order: a point that is on the curve, and the point at infinity cannot be written, has it, so that there is
 * nothing of small order to look for.
 */

#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>
#include <nettle/sha3.h>

#include "services/auth/key-exchange-internal.h"

#define COORDINATE_BYTES_MAX 66U

static const struct ecc_curve *curve_of(OapKeyExchange kex) {
        return kex == OAP_P256   ? nettle_get_secp_256r1()
               : kex == OAP_P384 ? nettle_get_secp_384r1()
                                 : nettle_get_secp_521r1();
}

static void scalar_done(struct ecc_scalar *scalar) {
        explicit_bzero(scalar->p, (size_t) ecc_size(scalar->ecc) * sizeof(mp_limb_t));
        ecc_scalar_clear(scalar);
}

static void point_done(struct ecc_point *point) {
        explicit_bzero(point->p, (size_t) ecc_size_a(point->ecc) * sizeof(mp_limb_t));
        ecc_point_clear(point);
}

typedef struct Stretched {
        const uint8_t *random;
        uint8_t n_drawn;
} Stretched;

/* nettle draws until a number is below the order, which hardly ever takes a second time: SHAKE256(random || how
 * often). */
static void stretch(void *context, size_t size, uint8_t *to) {
        Stretched *stretched = context;
        struct sha3_256_ctx hash;

        sha3_256_init(&hash);
        sha3_256_update(&hash, KEY_EXCHANGE_RANDOM_BYTES, stretched->random);
        sha3_256_update(&hash, 1, &stretched->n_drawn);
        sha3_256_shake(&hash, size, to);
        stretched->n_drawn++;
        explicit_bzero(&hash, sizeof(hash));
}

/* X || Y. */
static void get_point(const struct ecc_point *point, uint8_t *ret, size_t size) {
        _cleanup_(number_done) mpz_t x;
        _cleanup_(number_done) mpz_t y;

        mpz_init(x);
        mpz_init(y);
        ecc_point_get(point, x, y);
        number_get(x, ret, size);
        number_get(y, ret + size, size);
}

int key_exchange_ec_generate(KeyExchange *x, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES],
                             uint8_t ret[PUBLIC_BYTES_MAX], size_t *ret_size) {
        _cleanup_(scalar_done) struct ecc_scalar scalar;
        _cleanup_(point_done) struct ecc_point point;
        _cleanup_(number_done) mpz_t number;
        Stretched stretched = { .random = random };

        mpz_init(number);
        ecc_scalar_init(&scalar, curve_of(x->kex));
        ecc_point_init(&point, curve_of(x->kex));

        ecc_scalar_random(&scalar, &stretched, stretch);
        ecc_scalar_get(&scalar, number);
        x->private_size = spki_field_bytes(x->kex);
        number_get(number, x->private_key, x->private_size);

        ecc_point_mul_g(&point, &scalar);
        get_point(&point, ret, x->private_size);
        *ret_size = 2 * x->private_size;
        return 0;
}

/* nettle refuses coordinates that are not below the prime, and points off the curve. */
static int set_point(struct ecc_point *point, const uint8_t *coordinates, size_t size) {
        _cleanup_(number_done) mpz_t x;
        _cleanup_(number_done) mpz_t y;

        mpz_init(x);
        mpz_init(y);
        number_set(x, coordinates, size);
        number_set(y, coordinates + size, size);
        return ecc_point_set(point, x, y) ? 0 : -EBADMSG;
}

ssize_t key_exchange_ec_derive(const KeyExchange *x, const Spki *peer, uint8_t ret[KEY_EXCHANGE_SECRET_MAX]) {
        size_t size = x->private_size;
        uint8_t coordinates[2 * COORDINATE_BYTES_MAX];
        _cleanup_(scalar_done) struct ecc_scalar scalar;
        _cleanup_(point_done) struct ecc_point point;
        _cleanup_(number_done) mpz_t number;
        int r;

        mpz_init(number);
        ecc_scalar_init(&scalar, curve_of(x->kex));
        ecc_point_init(&point, curve_of(x->kex));

        number_set(number, x->private_key, size);
        if (!ecc_scalar_set(&scalar, number))
                return -EBADMSG;
        r = set_point(&point, peer->key, size);
        if (r < 0)
                return r;

        ecc_point_mul(&point, &scalar, &point);
        get_point(&point, coordinates, size);
        memcpy(ret, coordinates, size);
        explicit_bzero(coordinates, sizeof(coordinates));
        return (ssize_t) size;
}
