/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes of the echo component. What parses is built again into the very same bytes: there are no two ways to say it. */

#include "services/ipcp-unicast/echo-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t built[ECHO_MESSAGE_BYTES];
        EchoMessage message;

        if (echo_message_parse(data, size, &message) < 0)
                return 0;

        if (message.address == 0 || strlen(message.member) > CEP_MEMBER_BYTES_MAX)
                abort();

        echo_message_pack(&message, built);
        if (memcmp(built, data, sizeof(built)) != 0)
                abort();

        return 0;
}
