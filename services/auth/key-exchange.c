/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One key pair, used once. key-exchange-x.c has the Montgomery curves, key-exchange-ec.c the NIST ones,
 * key-exchange-ffdhe.c the finite fields, spki.c how public keys are written.
 */

#include "services/auth/key-exchange-internal.h"

static const struct {
        KeyExchangeGenerate generate;
        KeyExchangeDerive derive;
} kinds[_OAP_KEY_EXCHANGE_OURS_MAX] = {
        [OAP_FFDHE2048] = { key_exchange_ffdhe_generate, key_exchange_ffdhe_derive },
        [OAP_P256]      = { key_exchange_ec_generate,    key_exchange_ec_derive },
        [OAP_X25519]    = { key_exchange_x_generate,     key_exchange_x_derive },
        [OAP_FFDHE3072] = { key_exchange_ffdhe_generate, key_exchange_ffdhe_derive },
        [OAP_P384]      = { key_exchange_ec_generate,    key_exchange_ec_derive },
        [OAP_FFDHE4096] = { key_exchange_ffdhe_generate, key_exchange_ffdhe_derive },
        [OAP_X448]      = { key_exchange_x_generate,     key_exchange_x_derive },
        [OAP_P521]      = { key_exchange_ec_generate,    key_exchange_ec_derive },
};

static void *wiping_realloc(void *memory, size_t before, size_t after) {
        void *fresh;

        fresh = malloc(after);
        if (!fresh)
                abort();                /* as GMP itself does: its functions cannot fail */

        memcpy(fresh, memory, MIN(before, after));
        explicit_bzero(memory, before);
        free(memory);
        return fresh;
}

static void wiping_free(void *memory, size_t size) {
        explicit_bzero(memory, size);
        free(memory);
}

void key_exchange_wipe_memory(void) {
        mp_set_memory_functions(NULL, wiping_realloc, wiping_free);
}

int key_exchange_new(OapKeyExchange kex, const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES], KeyExchange **ret) {
        _cleanup_(key_exchange_freep) KeyExchange *x = NULL;
        uint8_t public_key[PUBLIC_BYTES_MAX];
        Spki spki = { .kex = kex, .key = public_key };
        ssize_t n;
        int r;

        assert(random);
        assert(ret);

        if (oap_key_exchange_refusal(kex))
                return -EOPNOTSUPP;

        x = malloc(sizeof(*x));
        if (!x)
                return -ENOMEM;

        *x = (KeyExchange) { .kex = kex };
        r = kinds[kex].generate(x, random, public_key, &spki.key_size);
        if (r < 0)
                return r;

        n = spki_pack(&spki, x->spki, sizeof(x->spki));
        if (n < 0)
                return (int) n;
        x->spki_size = (size_t) n;

        *ret = TAKE_PTR(x);
        return 0;
}

KeyExchange *key_exchange_free(KeyExchange *x) {
        if (!x)
                return NULL;

        explicit_bzero(x, sizeof(*x));
        return mfree(x);
}

const uint8_t *key_exchange_spki(const KeyExchange *x, size_t *ret_size) {
        assert(x);
        assert(ret_size);

        *ret_size = x->spki_size;
        return x->spki;
}

int key_exchange_of_spki(const uint8_t *spki, size_t size) {
        Spki parsed;
        int r;

        r = spki_parse(spki, size, &parsed);
        return r < 0 ? r : (int) parsed.kex;
}

ssize_t key_exchange_derive(const KeyExchange *x, const uint8_t *spki, size_t size,
                            uint8_t ret[KEY_EXCHANGE_SECRET_MAX]) {
        Spki peer;
        int r;

        assert(x);
        assert(ret);

        r = spki_parse(spki, size, &peer);
        if (r < 0)
                return -EBADMSG;
        if (peer.kex != x->kex)
                return -EBADMSG;

        return kinds[x->kex].derive(x, &peer, ret);
}

void number_done(mpz_t *number) {
        size_t n = mpz_size(*number);

        if (n > 0)
                explicit_bzero(mpz_limbs_write(*number, (mp_size_t) n), n * sizeof(mp_limb_t));
        mpz_limbs_finish(*number, 0);
        mpz_clear(*number);
}

void number_get(const mpz_t number, uint8_t *ret, size_t size) {
        size_t n = (mpz_sizeinbase(number, 2) + 7) / 8;

        assert(n <= size);

        memset(ret, 0, size);
        if (mpz_sgn(number) != 0)
                mpz_export(ret + size - n, NULL, 1, 1, 1, 0, number);
}

void number_set(mpz_t ret, const uint8_t *bytes, size_t size) {
        mpz_import(ret, size, 1, 1, 1, 0, bytes);
}
