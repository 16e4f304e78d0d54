/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "services/common/flow-path.h"

void flow_path_forget(FlowPath *path) {
        *path = (FlowPath) {};
}

static void begin(FlowPath *path, uint64_t address, uint64_t random) {
        *path = (FlowPath) {
                .active = true,
                .address = address,
                .challenge = random != 0 ? random : 1,  /* 0 on the wire is no challenge */
        };
}

bool flow_path_named(FlowPath *path, uint64_t address, uint64_t shown, size_t bytes, uint64_t random, usec_t now) {
        if (!path->active || path->address != address)
                begin(path, address, random);
        else if (shown == path->challenge) {
                flow_path_forget(path);
                return true;
        }

        path->heard_bytes += bytes;
        path->until = usec_add(now, FLOW_PATH_KEEP_USEC);
        return false;
}

uint64_t flow_path_towards(FlowPath *path, uint64_t known, size_t bytes) {
        if (!path->active || path->sent_bytes + bytes > FLOW_PATH_AMPLIFICATION * path->heard_bytes)
                return known;

        path->sent_bytes += bytes;
        return path->address;
}

bool flow_path_expire(FlowPath *path, usec_t now) {
        if (!path->active || now < path->until)
                return false;

        flow_path_forget(path);
        return true;
}
