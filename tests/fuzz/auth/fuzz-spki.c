/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A public key from a stranger. DER has one form for each value: what is read and written again is the same, but for
 * the length of a private key that DH may carry. It is then used: whatever it is, a secret of the right size comes
 * out, or none.
 */

#include "services/auth/key-exchange.h"
#include "services/auth/spki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t random[KEY_EXCHANGE_RANDOM_BYTES] = { 1, 2, 3 };
        _cleanup_(key_exchange_freep) KeyExchange *x = NULL;
        uint8_t packed[SPKI_BYTES_MAX], secret[KEY_EXCHANGE_SECRET_MAX];
        Spki spki = {};
        ssize_t n;
        int r;

        r = spki_parse(data, size, &spki);
        require(r == 0 || r == -EBADMSG || r == -EOPNOTSUPP);
        require(key_exchange_of_spki(data, size) == (r < 0 ? r : (int) spki.kex));
        if (r < 0)
                return 0;

        require(spki.key >= data && spki.key_size > 0 && spki.key + spki.key_size <= data + size);
        n = spki_pack(&spki, packed, sizeof(packed));
        require(n > 0);
        if ((size_t) n == size)
                require(memcmp(packed, data, size) == 0);
        else
                require((size_t) n < size);

        if (key_exchange_new(spki.kex, random, &x) < 0)
                return 0;
        n = key_exchange_derive(x, data, size, secret);
        require(n == -EBADMSG || (n > 0 && n <= (ssize_t) KEY_EXCHANGE_SECRET_MAX));
        if (spki.kex == OAP_X25519 || spki.kex == OAP_X448)
                require(n == -EBADMSG || (size_t) n == spki_field_bytes(spki.kex));
        return 0;
}
