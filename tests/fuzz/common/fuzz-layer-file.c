/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text of a NAME.layer: whatever it is, the result says whether its messages hold an error. */

#include "services/common/file-check.h"
#include "services/common/layer-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(layer_file_freep) LayerFile *file = NULL;
        int r;

        r = layer_file_parse("fuzz", "/fuzz.layer", (const char *) data, size, &file);
        if (r >= 0 || r == -EBADMSG)
                if (!file || check_has_errors(file->conf) != (r < 0))
                        abort();

        return 0;
}
