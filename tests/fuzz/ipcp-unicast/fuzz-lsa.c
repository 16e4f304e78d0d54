/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes of a link-state message. One that parses must be written again to the same bytes. */

#include "services/ipcp-unicast/lsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t again[LSA_BYTES_MAX];
        Lsa lsa;

        if (lsa_parse(data, size, &lsa) < 0)
                return 0;

        if (lsa_write(&lsa, again) != size || memcmp(again, data, size) != 0)
                abort();

        return 0;
}
