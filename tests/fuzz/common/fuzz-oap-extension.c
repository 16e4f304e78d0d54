/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The o7s extension from a stranger, read as a request's and as a response's. What is read points into the message,
 * survives being written and read again, and cannot be read any more once a byte of it is missing.
 */

#include "services/common/oap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

static bool same(const OapExtension *a, const OapExtension *b) {
        return a->capabilities == b->capabilities && a->have_token == b->have_token &&
               a->have_replaced == b->have_replaced && a->have_destination == b->have_destination &&
               a->have_binding == b->have_binding && a->have_nonce == b->have_nonce && a->have_epoch == b->have_epoch &&
               a->have_confirmation == b->have_confirmation && a->have_reset == b->have_reset &&
               a->n_suites == b->n_suites && a->share_size == b->share_size &&
               memcmp(a->token, b->token, sizeof(a->token)) == 0 &&
               memcmp(a->replaced, b->replaced, sizeof(a->replaced)) == 0 &&
               memcmp(a->destination, b->destination, sizeof(a->destination)) == 0 &&
               memcmp(a->binding, b->binding, sizeof(a->binding)) == 0 &&
               memcmp(a->suites, b->suites, sizeof(a->suites)) == 0 &&
               memcmp(a->nonce, b->nonce, sizeof(a->nonce)) == 0 && memcmp(a->epoch, b->epoch, sizeof(a->epoch)) == 0 &&
               memcmp(a->confirmation, b->confirmation, sizeof(a->confirmation)) == 0 &&
               memcmp(a->reset, b->reset, sizeof(a->reset)) == 0 &&
               (a->share_size == 0 || memcmp(a->share, b->share, a->share_size) == 0);
}

static void check(const uint8_t *data, size_t size, bool response) {
        OapExtension extension = {}, again;
        uint8_t packed[OAP_EXTENSION_BYTES_MAX];
        ssize_t n;
        int r;

        r = oap_extension_parse(data, size, response, &extension);
        require(r == 0 || ((r == -EBADMSG || r == -EOPNOTSUPP) && !extension.present));
        if (!extension.present)
                return;

        require(extension.n_suites <= (response ? 1U : OAP_SUITES_MAX) && extension.share_size <= OAP_SHARE_BYTES_MAX);
        if (extension.share_size > 0)
                require(extension.share >= data && extension.share + extension.share_size <= data + size);
        if (extension.have_confirmation)
                require(extension.confirmation_place >= data &&
                        extension.confirmation_place + OAP_DIGEST_BYTES <= data + size);

        n = oap_extension_pack(&extension, response, packed, sizeof(packed));
        require(n > 0 && oap_extension_parse(packed, (size_t) n, response, &again) == 0);
        require(again.present && same(&extension, &again));
        require(oap_extension_pack(&extension, response, packed, (size_t) n - 1) == -ENOBUFS);
        require(oap_extension_parse(data, size - 1, response, &again) == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check(data, size, false);
        check(data, size, true);
        return 0;
}
