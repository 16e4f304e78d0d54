/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A file of the reference, of anybody's making. What is read means something, and text that ends in the middle of
 * nowhere is no trap. */

#include "services/common/enc-conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *problem = NULL;
        unsigned line = 0;
        EncConf conf = {};
        int r;

        r = enc_conf_parse((const char *) data, size, &conf, &line, &problem);
        if (r < 0) {
                require(r == -EBADMSG && problem && line <= size + 1);
                require(!conf.cipher);
                return 0;
        }

        require(conf.cipher && conf.derivation && conf.digest);
        require(oap_key_exchange_to_string(conf.key_exchange));
        require(oap_cipher_by_id(conf.cipher->id) == conf.cipher && oap_digest_by_id(conf.digest->id) == conf.digest);
        return 0;
}
