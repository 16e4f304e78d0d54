/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file of the mark, of anybody's making: 16 bytes mean one thing, all others nothing. */

#include <stdlib.h>

#include "basic/cursor.h"
#include "services/auth/service-mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t stamp = 1;
        uint8_t again[MARK_FILE_BYTES];
        Writer w = writer_to(again, sizeof(again));

        if (mark_parse(data, size, &stamp) < 0) {
                if (stamp != 1)
                        abort();
                return 0;
        }

        writer_bytes(&w, "O7sm\0\0\0\1", 8);
        writer_be64(&w, stamp);
        if (size != sizeof(again) || memcmp(data, again, size) != 0)
                abort();
        return 0;
}
