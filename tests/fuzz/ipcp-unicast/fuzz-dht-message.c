/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bytes of a directory message; the first byte chooses the size of ids. What parses must be packed again, and what is
 * packed must parse to the same.
 */

#include "services/ipcp-unicast/dht-message.h"
#include "services/ipcp-unicast/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const size_t id_sizes[] = { 32, 28, 48, 64 };
        uint8_t buffer[DIRECTORY_MESSAGE_BYTES_MAX];
        DhtMessage m, again;
        size_t id_size;
        ssize_t n;

        if (size == 0)
                return 0;

        id_size = id_sizes[data[0] & 3];
        if (dht_message_parse(data + 1, size - 1, id_size, &m) < 0)
                return 0;

        n = dht_message_pack(&m, id_size, buffer, sizeof(buffer));
        if (n < 0 || dht_message_parse(buffer, (size_t) n, id_size, &again) < 0)
                abort();
        if (m.code != again.code || m.cookie != again.cookie || m.value != again.value || m.expires != again.expires ||
            m.n_contacts != again.n_contacts || m.n_values != again.n_values || memcmp(m.key, again.key, id_size) != 0)
                abort();

        return 0;
}
