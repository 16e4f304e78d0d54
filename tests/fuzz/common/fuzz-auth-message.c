/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A record between the IRM and the authentication service. What is taken can be packed again, and then reads the
 * same. */

#include "services/common/auth-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(auth_message_done) AuthMessage m = {}, back = {};
        _cleanup_free_ uint8_t *packed = malloc(2 * AUTH_MESSAGE_BYTES_MAX);
        _cleanup_free_ uint8_t *again = malloc(2 * AUTH_MESSAGE_BYTES_MAX);
        ssize_t n, n_again;

        if (!packed || !again || auth_message_parse(data, size, &m) < 0)
                return 0;

        /* Fixed fields that were missing may make it longer than it came. */
        n = auth_message_pack(&m, packed, 2 * AUTH_MESSAGE_BYTES_MAX);
        if (n < 0)
                abort();
        if ((size_t) n > AUTH_MESSAGE_BYTES_MAX)
                return 0;

        if (auth_message_parse(packed, (size_t) n, &back) < 0)
                abort();
        n_again = auth_message_pack(&back, again, 2 * AUTH_MESSAGE_BYTES_MAX);
        if (n_again != n || memcmp(packed, again, (size_t) n) != 0)
                abort();

        return 0;
}
