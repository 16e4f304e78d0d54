/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The trailer of packets of flows that are free of bit errors (ber == 0): CRC-32/ISO-HDLC, as zlib has it, of all
 * bytes before it, big-endian. "123456789" ends in cb f4 39 26. */

#include <sys/uio.h>

#include "basic/macro.h"

#define CHECKSUM_BYTES 4U

/* Goes on with a checksum over more bytes; 0 begins. */
uint32_t checksum_add(uint32_t checksum, const void *data, size_t size);
uint32_t checksum_parts(const struct iovec *parts, unsigned n_parts);

/* The trailer's bytes. */
void checksum_write(uint8_t trailer[CHECKSUM_BYTES], uint32_t checksum);

/* Whether the last bytes are the checksum of those before them. Less than a trailer is not. */
bool checksum_is_good(const uint8_t *packet, size_t size);
