/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes of a hello. What parses is built again into the very same bytes, and its interval is one that we can wait
 * for. */

#include "services/ipcp-unicast/unicast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t built[HELLO_MESSAGE_BYTES];
        HelloMessage message;

        if (hello_message_parse(data, size, &message) < 0)
                return 0;

        if (message.interval_msec < HELLO_INTERVAL_MSEC_MIN || message.interval_msec > HELLO_INTERVAL_MSEC_MAX)
                abort();

        hello_message_pack(&message, built);
        if (memcmp(built, data, sizeof(built)) != 0)
                abort();

        return 0;
}
