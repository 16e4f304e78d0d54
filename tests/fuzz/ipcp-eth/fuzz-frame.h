/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "services/ipcp-eth/frame.h"

/* Parses the bytes with one framing and builds them again; aborts where they differ. Returns 0. */
int fuzz_frame(const FrameOps *ops, const uint8_t *data, size_t size);
