/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records on the layer socket. What parses must pack again, and parse to what packs into the same bytes. */

#include "services/common/layer-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ LayerMessage *message = calloc(1, sizeof(*message));
        _cleanup_free_ uint8_t *first = malloc(LAYER_MESSAGE_BYTES_MAX), *second = malloc(LAYER_MESSAGE_BYTES_MAX);
        ssize_t n, m;

        if (!message || !first || !second || layer_message_parse(data, size, message) < 0)
                return 0;

        n = layer_message_pack(message, first, LAYER_MESSAGE_BYTES_MAX);
        if (n <= 0 || layer_message_parse(first, (size_t) n, message) < 0)
                abort();

        m = layer_message_pack(message, second, LAYER_MESSAGE_BYTES_MAX);
        if (m != n || memcmp(first, second, (size_t) n) != 0)
                abort();

        return 0;
}
