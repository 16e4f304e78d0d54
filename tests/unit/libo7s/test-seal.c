/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets of both suites: what goes through is what was sent, once, and nothing else goes through. Whatever was
 * refused is not shown, and leaves everything as it was. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/wait.h>

#include <cmocka.h>

#include "tests/support/seal-pair.h"

#define MARK 0x5a                       /* where nothing was written */

static const struct {
        const char *name;
        SealSuite suite;
        SealCipher cipher;
        bool mac_only;
        size_t overhead;
        const char *protection;
        int r;
} kinds[] = {
        { "o7s, aes-128-gcm", SEAL_O7S, SEAL_AES_128_GCM, false, 21, "aes-128-gcm", 0 },
        { "o7s, aes-256-gcm", SEAL_O7S, SEAL_AES_256_GCM, false, 21, "aes-256-gcm", 0 },
        { "o7s, chacha20-poly1305", SEAL_O7S, SEAL_CHACHA20_POLY1305, false, 21, "chacha20-poly1305", 0 },
        { "o7s, readable", SEAL_O7S, SEAL_AES_128_GCM, true, 21, "mac", 0 },
        { "o7s, readable, chacha20-poly1305", SEAL_O7S, SEAL_CHACHA20_POLY1305, true, 21, "mac", 0 },
        { "reference, aes-128-gcm", SEAL_REFERENCE, SEAL_AES_128_GCM, false, 28, "aes-128-gcm", 0 },
        { "reference, aes-192-gcm", SEAL_REFERENCE, SEAL_AES_192_GCM, false, 28, "aes-192-gcm", 0 },
        { "reference, aes-256-gcm", SEAL_REFERENCE, SEAL_AES_256_GCM, false, 28, "aes-256-gcm", 0 },
        { "reference, chacha20-poly1305", SEAL_REFERENCE, SEAL_CHACHA20_POLY1305, false, 28, "chacha20-poly1305", 0 },
        { "o7s, aes-192-gcm", SEAL_O7S, SEAL_AES_192_GCM, false, 0, "aes-192-gcm", -EOPNOTSUPP },
        { "reference, aes-128-ctr", SEAL_REFERENCE, (SealCipher) 904, false, 0, "unknown", -EOPNOTSUPP },
        { "reference, no cipher", SEAL_REFERENCE, (SealCipher) 0, false, 0, "unknown", -EOPNOTSUPP },
        { "none", SEAL_NONE, SEAL_AES_128_GCM, false, 0, "none", -EINVAL },
        { "invalid", _SEAL_SUITE_INVALID, SEAL_AES_128_GCM, false, 0, "none", -EINVAL },
};

static void test_kinds(void **state) {
        static const size_t sizes[] = { 0, 1, 15, 16, 17, 64, 1400, 1999 };

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                const uint8_t seed[SEAL_SEED_BYTES] = {};
                SealKeys keys[2];
                SealPair p;

                print_message("%s\n", kinds[i].name);
                seal_pair_keys(kinds[i].suite, kinds[i].cipher, kinds[i].mac_only, keys);
                assert_string_equal(seal_protection(keys), kinds[i].protection);
                if (kinds[i].r < 0) {
                        Seal *seal = NULL;

                        assert_int_equal(seal_new(keys, NULL, seed, 0, &seal), kinds[i].r);
                        assert_null(seal);
                        continue;
                }

                seal_pair_init(&p, keys, NULL);
                assert_int_equal(seal_overhead(p.ends[0]), kinds[i].overhead);
                for (size_t n = 0; n < ELEMENTSOF(sizes); n++)
                        for (unsigned from = 0; from < 2; from++)
                                assert_int_equal(seal_pair_pass(&p, from, sizes[n]), sizes[n]);
                seal_pair_done(&p);
        }
}

static const struct {
        const char *name;
        SealSuite suite;
        SealLimits limits;
} bad_limits[] = {
        { "more packets in an epoch than counters", SEAL_O7S, { .epoch_packets = (1U << 24) + 1 } },
        { "reference: no power of two", SEAL_REFERENCE, { .epoch_packets = 48 } },
        { "reference: too few", SEAL_REFERENCE, { .epoch_packets = 2 } },
};

static void test_limits(void **state) {
        const uint8_t seed[SEAL_SEED_BYTES] = {};
        SealKeys keys[2];
        Seal *seal = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad_limits); i++) {
                print_message("%s\n", bad_limits[i].name);
                seal_pair_keys(bad_limits[i].suite, SEAL_AES_128_GCM, false, keys);
                assert_int_equal(seal_new(keys, &bad_limits[i].limits, seed, 0, &seal), -EINVAL);
        }

        seal_pair_keys(SEAL_REFERENCE, SEAL_AES_128_GCM, false, keys);
        keys[0].receive[0] ^= 1;                /* it has one key */
        assert_int_equal(seal_new(keys, NULL, seed, 0, &seal), -EINVAL);
        assert_null(seal);
        assert_null(seal_free(NULL));
}

/* -- what is not what was sent -- */

static void refuse(SealPair *p, unsigned at, const uint8_t *packet, size_t size, int r) {
        uint8_t content[SEAL_PAIR_PACKET];

        memset(content, MARK, sizeof(content));
        assert_int_equal(seal_open(p->ends[at], p->now, packet, size, content, sizeof(content)), r);
        for (size_t i = 0; i < sizeof(content); i++)
                assert_true(content[i] == MARK || content[i] == 0);
}

/* Each bit of a packet, then each of its lengths but its own; then the packet itself still opens. */
static void test_changed(void **state) {
        static const uint8_t secret[] = "what nobody else may read, nor change";

        for (size_t i = 0; i < ELEMENTSOF(kinds) && kinds[i].r == 0; i++) {
                uint8_t packet[SEAL_PAIR_PACKET], longer[SEAL_PAIR_PACKET] = {}, content[SEAL_PAIR_PACKET];
                SealKeys keys[2];
                SealPair p;
                ssize_t n;
                uint64_t n_refused = 0;

                print_message("%s\n", kinds[i].name);
                seal_pair_keys(kinds[i].suite, kinds[i].cipher, kinds[i].mac_only, keys);
                seal_pair_init(&p, keys, NULL);
                n = seal_protect(p.ends[0], p.now, secret, sizeof(secret), packet, sizeof(packet));
                assert_int_equal(n, sizeof(secret) + kinds[i].overhead);
                assert_int_equal(memmem(packet, (size_t) n, secret, sizeof(secret)) != NULL, kinds[i].mac_only);

                for (size_t bit = 0; bit < (size_t) n * 8; bit++) {
                        /* Another epoch or generation may also be called an old one. */
                        bool is_label = kinds[i].suite == SEAL_O7S && bit < 16;
                        ssize_t r;

                        memset(content, MARK, sizeof(content));
                        packet[bit / 8] ^= (uint8_t) (1U << bit % 8);
                        r = seal_open(p.ends[1], p.now, packet, (size_t) n, content, sizeof(content));
                        packet[bit / 8] ^= (uint8_t) (1U << bit % 8);
                        assert_true(r == -EBADMSG || (is_label && r == -EALREADY));
                        assert_null(memmem(content, sizeof(content), secret, 8));
                        n_refused++;
                }
                memcpy(longer, packet, (size_t) n);
                for (size_t size = 1; size < (size_t) n + 40; size++)
                        if (size != (size_t) n) {
                                refuse(&p, 1, longer, size, -EBADMSG);
                                n_refused++;
                        }
                assert_int_equal(seal_counters(p.ends[1])->n_forged + seal_counters(p.ends[1])->n_replayed, n_refused);
                assert_int_equal(seal_counters(p.ends[1])->n_opened, 0);

                assert_int_equal(seal_open(p.ends[1], p.now, packet, (size_t) n, content, sizeof(content)),
                                 sizeof(secret));
                assert_memory_equal(content, secret, sizeof(secret));
                seal_pair_done(&p);
        }
}

static void test_room(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds) && kinds[i].r == 0; i++) {
                uint8_t packet[100 + SEAL_OVERHEAD_MAX], content[100] = {};
                size_t size = sizeof(content) + kinds[i].overhead;
                SealKeys keys[2];
                SealPair p;

                seal_pair_keys(kinds[i].suite, kinds[i].cipher, kinds[i].mac_only, keys);
                seal_pair_init(&p, keys, NULL);
                assert_int_equal(seal_protect(p.ends[0], p.now, content, sizeof(content), packet, size - 1), -ENOBUFS);
                assert_int_equal(seal_protect(p.ends[0], p.now, content, sizeof(content), packet, 10), -ENOBUFS);
                assert_int_equal(seal_protect(p.ends[0], p.now, content, sizeof(content), packet, size), size);
                assert_int_equal(seal_open(p.ends[1], p.now, packet, size, content, sizeof(content) - 1), -ENOBUFS);
                assert_int_equal(seal_open(p.ends[1], p.now, packet, size, content, sizeof(content)), sizeof(content));
                seal_pair_done(&p);
        }
}

/* -- again, and back -- */

static void test_replayed(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(kinds) && kinds[i].r == 0; i++) {
                uint8_t packets[16][64], content[64] = { 1, 2, 3 };
                SealKeys keys[2];
                SealPair p;
                ssize_t n = 0;

                print_message("%s\n", kinds[i].name);
                seal_pair_keys(kinds[i].suite, kinds[i].cipher, kinds[i].mac_only, keys);
                seal_pair_init(&p, keys, NULL);
                for (size_t k = 0; k < ELEMENTSOF(packets); k++)
                        n = seal_protect(p.ends[0], p.now, content, 20, packets[k], sizeof(packets[k]));
                for (size_t k = 0; k < ELEMENTSOF(packets); k++) {
                        const uint8_t *packet = packets[k * 7 % ELEMENTSOF(packets)];   /* in any order */

                        assert_int_equal(seal_open(p.ends[1], p.now, packet, (size_t) n, content, sizeof(content)), 20);
                        refuse(&p, 1, packet, (size_t) n, -EALREADY);
                }
                for (size_t k = 0; k < ELEMENTSOF(packets); k++)
                        refuse(&p, 1, packets[k], (size_t) n, -EALREADY);

                /* Back to who sent it. */
                for (size_t k = 0; k < ELEMENTSOF(packets); k++)
                        refuse(&p, 0, packets[k], (size_t) n, kinds[i].suite == SEAL_O7S ? -EBADMSG : -EALREADY);
                assert_int_equal(seal_counters(p.ends[1])->n_replayed, 2 * ELEMENTSOF(packets));
                assert_int_equal(seal_counters(p.ends[1])->n_opened, ELEMENTSOF(packets));
                assert_int_equal(seal_counters(p.ends[0])->n_protected, ELEMENTSOF(packets));
                assert_int_equal(seal_counters(p.ends[0])->n_opened, 0);
                seal_pair_done(&p);
        }
}

/* As late as the window is long, and one later. */
static void test_window(void **state) {
        const SealLimits limits = { .epoch_packets = 1U << 20 };
        uint8_t early[2][64], packet[64], content[64] = {};
        SealKeys keys[2];
        SealPair p;
        ssize_t n = 0;

        seal_pair_keys(SEAL_O7S, SEAL_AES_128_GCM, false, keys);
        seal_pair_init(&p, keys, &limits);
        for (size_t i = 0; i < 8192 + 2; i++) {
                n = seal_protect(p.ends[0], p.now, content, 10, i < 2 ? early[i] : packet, sizeof(packet));
                if (i >= 2 && i < 8192)
                        assert_int_equal(seal_open(p.ends[1], p.now, packet, (size_t) n, content, sizeof(content)), 10);
        }

        /* Counter 8193 was the last: 1 would be in, but the packet of 8192 was lost, and 8193 comes first. */
        assert_int_equal(seal_open(p.ends[1], p.now, packet, (size_t) n, content, sizeof(content)), 10);
        refuse(&p, 1, early[1], (size_t) n, -EALREADY);
        refuse(&p, 1, early[0], (size_t) n, -EALREADY);
        seal_pair_done(&p);

        seal_pair_init(&p, keys, &limits);
        for (size_t i = 0; i < 8192; i++)
                n = seal_protect(p.ends[0], p.now, content, 10, i < 1 ? early[i] : packet, sizeof(packet));
        assert_int_equal(seal_open(p.ends[1], p.now, packet, (size_t) n, content, sizeof(content)), 10);
        assert_int_equal(seal_open(p.ends[1], p.now, early[0], (size_t) n, content, sizeof(content)), 10);
        refuse(&p, 1, early[0], (size_t) n, -EALREADY);
        seal_pair_done(&p);
}

/* -- other flows -- */

static const struct {
        const char *name;
        size_t offset;                  /* of a byte of the keys that differs at the server */
} differences[] = {
        { "label, first byte", offsetof(SealKeys, label) },
        { "label, last byte", offsetof(SealKeys, label) + SEAL_LABEL_BYTES - 1 },
        { "key", offsetof(SealKeys, receive) },
        { "readable or not", offsetof(SealKeys, mac_only) },
};

static void test_other_flow(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(differences); i++)
                for (unsigned mac_only = 0; mac_only < 2; mac_only++) {
                        uint8_t packet[128], content[64] = {};
                        SealKeys keys[2];
                        SealPair p;
                        ssize_t n;

                        print_message("%s\n", differences[i].name);
                        seal_pair_keys(SEAL_O7S, SEAL_AES_128_GCM, mac_only, keys);
                        ((uint8_t *) &keys[1])[differences[i].offset] ^= 1;
                        seal_pair_init(&p, keys, NULL);
                        n = seal_protect(p.ends[0], p.now, content, sizeof(content), packet, sizeof(packet));
                        refuse(&p, 1, packet, (size_t) n, -EBADMSG);
                        seal_pair_done(&p);
                }
}

/* A packet of nothing: the reference's keepalive, which says nothing; ours is as authentic as the others. */
static void test_empty(void **state) {
        uint8_t packet[64], content[1];
        SealKeys keys[2];
        SealPair p;

        seal_pair_keys(SEAL_REFERENCE, SEAL_AES_128_GCM, false, keys);
        seal_pair_init(&p, keys, NULL);
        assert_int_equal(seal_protect(p.ends[0], p.now, NULL, 0, packet, sizeof(packet)), 0);
        assert_int_equal(seal_open(p.ends[1], p.now, packet, 0, content, 0), 0);
        assert_int_equal(seal_counters(p.ends[1])->n_opened, 0);
        seal_pair_done(&p);

        seal_pair_keys(SEAL_O7S, SEAL_AES_128_GCM, false, keys);
        seal_pair_init(&p, keys, NULL);
        assert_int_equal(seal_protect(p.ends[0], p.now, NULL, 0, packet, sizeof(packet)), 21);
        refuse(&p, 1, packet, 0, -EBADMSG);
        refuse(&p, 1, packet, 20, -EBADMSG);
        assert_int_equal(seal_open(p.ends[1], p.now, packet, 21, content, 0), 0);
        refuse(&p, 1, packet, 21, -EALREADY);
        seal_pair_done(&p);
}

/* A child has none of it: it would use the same counters for other content. */
static void test_child(void **state) {
        static const SealSuite suites[] = { SEAL_O7S, SEAL_REFERENCE };

        for (size_t i = 0; i < ELEMENTSOF(suites); i++) {
                SealKeys keys[2];
                SealPair p;
                int status;
                pid_t child;

                seal_pair_keys(suites[i], SEAL_AES_128_GCM, false, keys);
                seal_pair_init(&p, keys, NULL);
                child = fork();
                assert_true(child >= 0);
                if (child == 0) {
                        uint8_t packet[100] = {}, content[100];

                        if (seal_protect(p.ends[0], p.now, "x", 1, packet, sizeof(packet)) != -EKEYEXPIRED)
                                _exit(1);
                        if (seal_open(p.ends[0], p.now, packet, sizeof(packet), content, sizeof(content)) != -EBADMSG)
                                _exit(2);
                        if (seal_next(p.ends[0]) != NSEC_INFINITY)
                                _exit(3);
                        seal_pair_done(&p);
                        _exit(0);
                }
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
                assert_int_equal(seal_pair_pass(&p, 0, 30), 30);        /* its parent has everything */
                seal_pair_done(&p);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_changed),
                cmocka_unit_test(test_room),
                cmocka_unit_test(test_replayed),
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_other_flow),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_child),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
