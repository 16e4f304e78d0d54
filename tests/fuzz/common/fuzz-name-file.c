/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text of a NAME.name: whatever it is, the result says whether its messages hold an error. */

#include "services/common/file-check.h"
#include "services/common/name-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(name_file_freep) NameFile *file = NULL;
        int r;

        r = name_file_parse("fuzz", "/fuzz.name", (const char *) data, size, &file);
        if (r >= 0 || r == -EBADMSG)
                if (!file || check_has_errors(file->conf) != (r < 0))
                        abort();

        return 0;
}
