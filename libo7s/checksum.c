/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CRC-32 by slices of eight bytes. Entry b of table k is the remainder of byte b followed by k zero bytes. It is
 * linear in the bits of b, so the remainders of the eight single bits give a whole table, and the compiler can build
 * it.
 */

#include "libo7s/checksum.h"

#define BITS1(x, a) (x), (x) ^ (a)
#define BITS2(x, a, b) BITS1(x, a), BITS1((x) ^ (b), a)
#define BITS3(x, a, b, c) BITS2(x, a, b), BITS2((x) ^ (c), a, b)
#define BITS4(x, a, b, c, d) BITS3(x, a, b, c), BITS3((x) ^ (d), a, b, c)
#define BITS5(x, a, b, c, d, e) BITS4(x, a, b, c, d), BITS4((x) ^ (e), a, b, c, d)
#define BITS6(x, a, b, c, d, e, f) BITS5(x, a, b, c, d, e), BITS5((x) ^ (f), a, b, c, d, e)
#define BITS7(x, a, b, c, d, e, f, g) BITS6(x, a, b, c, d, e, f), BITS6((x) ^ (g), a, b, c, d, e, f)
#define BITS8(x, a, b, c, d, e, f, g, h) BITS7(x, a, b, c, d, e, f, g), BITS7((x) ^ (h), a, b, c, d, e, f, g)
#define TABLE(a, b, c, d, e, f, g, h) { BITS8(0x00000000U, a, b, c, d, e, f, g, h) }

/* Remainders of the bits 0x01, 0x02, ... 0x80 modulo 0xedb88320 (reflected). */
static const uint32_t tables[8][256] = {
        TABLE(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320),
        TABLE(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b),
        TABLE(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80),
        TABLE(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b),
        TABLE(0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1, 0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092),
        TABLE(0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d, 0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8),
        TABLE(0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67, 0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2),
        TABLE(0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5, 0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da),
};

uint32_t checksum_add(uint32_t checksum, const void *data, size_t size) {
        const uint8_t *p = data;
        uint32_t c = ~checksum;

        for (; size >= 8; p += 8, size -= 8)
                c = tables[7][(c ^ p[0]) & 0xff] ^ tables[6][(c >> 8 ^ p[1]) & 0xff] ^
                    tables[5][(c >> 16 ^ p[2]) & 0xff] ^ tables[4][c >> 24 ^ p[3]] ^ tables[3][p[4]] ^ tables[2][p[5]] ^
                    tables[1][p[6]] ^ tables[0][p[7]];

        for (; size > 0; p++, size--)
                c = c >> 8 ^ tables[0][(c ^ *p) & 0xff];

        return ~c;
}

uint32_t checksum_parts(const struct iovec *parts, unsigned n_parts) {
        uint32_t checksum = 0;

        for (unsigned i = 0; i < n_parts; i++)
                checksum = checksum_add(checksum, parts[i].iov_base, parts[i].iov_len);

        return checksum;
}

void checksum_write(uint8_t trailer[CHECKSUM_BYTES], uint32_t checksum) {
        trailer[0] = (uint8_t) (checksum >> 24);
        trailer[1] = (uint8_t) (checksum >> 16);
        trailer[2] = (uint8_t) (checksum >> 8);
        trailer[3] = (uint8_t) checksum;
}

bool checksum_is_good(const uint8_t *packet, size_t size) {
        uint8_t trailer[CHECKSUM_BYTES];

        if (size < CHECKSUM_BYTES)
                return false;

        checksum_write(trailer, checksum_add(0, packet, size - CHECKSUM_BYTES));
        return memcmp(trailer, packet + size - CHECKSUM_BYTES, CHECKSUM_BYTES) == 0;
}
