/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What anybody on the host can send to the IRM: parsed or refused; what parses can be packed, and parses to the
 * same. */

#include "libo7s/irm-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t buffer[IRM_MESSAGE_BYTES_MAX], again[IRM_MESSAGE_BYTES_MAX];
        IrmMessage message, back;
        ssize_t n;

        if (irm_message_parse(data, size, &message) < 0)
                return 0;

        n = irm_message_pack(&message, buffer, sizeof(buffer));
        if (n < 0)
                abort();
        if (irm_message_parse(buffer, (size_t) n, &back) < 0)
                abort();
        if (irm_message_pack(&back, again, sizeof(again)) != n || memcmp(buffer, again, (size_t) n) != 0)
                abort();

        return 0;
}
