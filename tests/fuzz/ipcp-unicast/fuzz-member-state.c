/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a killed member is said to have left. What is believed has one spelling: packed again it is the same bytes. */

#include <stdlib.h>

#include "services/ipcp-unicast/member-state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t bytes[MEMBER_STATE_BYTES_MAX];
        MemberState state;

        if (member_state_parse(data, size, &state) < 0)
                return 0;
        if (member_state_pack(&state, bytes) != size || memcmp(bytes, data, size) != 0)
                abort();

        return 0;
}
