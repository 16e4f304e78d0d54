/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/fuzz/ipcp-eth/fuzz-frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        return fuzz_frame(&frame_ops_dix, data, size);
}
