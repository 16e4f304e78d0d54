/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first byte chooses the dialect, the rest is a packet. What is read keeps its promises, and is written to the
 * very same bytes: there are no two ways to say it (of 12 bytes: but for flags that mean nothing there). */

#include "libo7s/frct-header.h"
#include "libo7s/frct.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t built[FRCT_HEADER_EXTENDED_BYTES + 12 + 8 * FRCT_RANGES_MAX];
        Cursor c = cursor_from(data, size);
        Writer w = writer_to(built, sizeof(built));
        bool extended = cursor_u8(&c) & 1;
        const uint8_t *packet = c.p;
        FrctHeader header;

        if (frct_header_read(&c, extended, &header) < 0)
                return 0;

        if (header.n_ranges > FRCT_RANGES_MAX || header.window > FRCT_WINDOW_MASK)
                abort();
        for (unsigned i = 0; i < header.n_ranges; i++)
                if (!frct_before(header.acknowledgement, header.ranges[i].begin) ||
                    !frct_before(header.ranges[i].begin, header.ranges[i].end))
                        abort();

        frct_header_write(&w, extended, &header);
        if (w.bad || packet + w.written != c.p || w.written != frct_header_size(extended, &header))
                abort();
        if (memcmp(built + 1, packet + 1, w.written - 1) != 0 ||
            (extended ? built[0] != packet[0] : built[0] & ~packet[0]))
                abort();

        return 0;
}
