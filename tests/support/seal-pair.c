/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/support/seal-pair.h"

void seal_pair_keys(SealSuite suite, SealCipher cipher, bool mac_only, SealKeys ret[2]) {
        for (unsigned i = 0; i < 2; i++) {
                ret[i] = (SealKeys) { .suite = suite, .cipher = cipher, .mac_only = mac_only, .client = i == 0 };
                memset(ret[i].label, 0x11, sizeof(ret[i].label));
                memset(ret[i].agreement, 0x22, sizeof(ret[i].agreement));
                for (uint8_t b = 0; b < SEAL_SECRET_BYTES; b++) {
                        ret[i].send[b] = (uint8_t) (b + (suite == SEAL_O7S ? 0x40 * i : 0));
                        ret[i].receive[b] = (uint8_t) (b + (suite == SEAL_O7S ? 0x40 * !i : 0));
                }
        }
}

void seal_pair_init(SealPair *p, const SealKeys keys[2], const SealLimits *limits) {
        *p = (SealPair) { .now = NSEC_PER_SEC };
        for (unsigned i = 0; i < 2; i++) {
                const uint8_t seed[SEAL_SEED_BYTES] = { (uint8_t) (i + 1) };

                if (seal_new(&keys[i], limits, seed, p->now, &p->ends[i]) < 0)
                        abort();
        }
}

void seal_pair_done(SealPair *p) {
        for (unsigned i = 0; i < 2; i++)
                p->ends[i] = seal_free(p->ends[i]);
}

ssize_t seal_pair_pass(SealPair *p, unsigned from, size_t size) {
        uint8_t content[SEAL_PAIR_PACKET], packet[SEAL_PAIR_PACKET + SEAL_OVERHEAD_MAX], opened[SEAL_PAIR_PACKET];
        ssize_t n;

        for (size_t i = 0; i < size; i++)
                content[i] = (uint8_t) (i * 7 + from);
        n = seal_protect(p->ends[from], p->now, content, size, packet, sizeof(packet));
        if (n < 0)
                return n;

        n = seal_open(p->ends[!from], p->now, packet, (size_t) n, opened, sizeof(opened));
        return n < 0 || ((size_t) n == size && memcmp(opened, content, size) == 0) ? n : -EIO;
}

ssize_t seal_pair_control(SealPair *p, unsigned from, uint8_t packet[SEAL_CONTROL_MAX]) {
        uint8_t random[SEAL_SECRET_BYTES];

        if (seal_next(p->ends[from]) > p->now)
                return 0;

        memset(random, p->random++, sizeof(random));
        return seal_transmit(p->ends[from], p->now, random, packet, SEAL_CONTROL_MAX);
}

unsigned seal_pair_talk(SealPair *p, uint32_t lost, nsec_t patience) {
        nsec_t end = p->now + patience;
        unsigned n_sent = 0;

        for (;;) {
                nsec_t next = MIN(seal_next(p->ends[0]), seal_next(p->ends[1]));

                if (next > end)
                        return n_sent;

                p->now = MAX(p->now, next);
                for (unsigned from = 0; from < 2; from++) {
                        uint8_t packet[SEAL_CONTROL_MAX], content[SEAL_CONTROL_MAX];
                        ssize_t n = seal_pair_control(p, from, packet);

                        if (n <= 0)
                                continue;
                        if (n_sent++ < 32 && lost >> (n_sent - 1) & 1)
                                continue;
                        if (seal_open(p->ends[!from], p->now, packet, (size_t) n, content, sizeof(content)) != 0)
                                abort();
                }
        }
}
