/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether keys are gone when they should be: all memory of this process that can be written is searched for them.
 * What is looked for is kept with all bits turned round, so that the search does not find itself; that it does find
 * keys is shown while they are in use.
 */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "libo7s/seal-schedule.h"
#include "tests/support/seal-pair.h"

#define CHUNK (64U * 1024)
#define KEY_BYTES 16U                   /* that are looked for */

typedef struct Wanted {
        const char *name;
        uint8_t turned[KEY_BYTES];
} Wanted;

typedef struct Search {
        Wanted wanted[16];
        size_t n;
        unsigned found[16];
        uint8_t *chunk;                 /* of memory that no seal ever had */
} Search;

static void want(Search *s, const char *name, const uint8_t *key) {
        assert_true(s->n < ELEMENTSOF(s->wanted));
        s->wanted[s->n].name = name;
        for (size_t i = 0; i < KEY_BYTES; i++)
                s->wanted[s->n].turned[i] = (uint8_t) ~key[i];
        s->n++;
}

static bool is_at(const Wanted *w, const uint8_t *at) {
        for (size_t i = 0; i < KEY_BYTES; i++)
                if ((at[i] ^ w->turned[i]) != 0xff)
                        return false;

        return true;
}

static void search_region(Search *s, int fd, uint64_t start, uint64_t end) {
        for (uint64_t at = start; at < end; at += CHUNK - KEY_BYTES) {
                ssize_t n = pread(fd, s->chunk, (size_t) MIN(end - at, (uint64_t) CHUNK), (off_t) at);

                for (ssize_t i = 0; i + (ssize_t) KEY_BYTES <= n; i++) {
                        uint64_t word;

                        memcpy(&word, s->chunk + i, sizeof(word));
                        if (word == 0) {                /* most of memory, and of no key */
                                i += 7;
                                continue;
                        }
                        for (size_t w = 0; w < s->n; w++)
                                s->found[w] += is_at(&s->wanted[w], s->chunk + i);
                }
        }
        explicit_bzero(s->chunk, CHUNK);
}

/* How often each key is in memory; the memory of the search itself is not looked at. */
static void search(Search *s) {
        FILE *maps = fopen("/proc/self/maps", "re");
        int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        char line[512];

        assert_non_null(maps);
        assert_true(fd >= 0);
        memset(s->found, 0, sizeof(s->found));
        while (fgets(line, sizeof(line), maps)) {
                unsigned long long start, end;
                char mode[5];

                assert_int_equal(sscanf(line, "%llx-%llx %4s", &start, &end, mode), 3);
                if (mode[0] == 'r' && mode[1] == 'w' && end - start < UINT64_C(1) << 30)
                        search_region(s, fd, start, end);
        }
        (void) close(fd);
        (void) fclose(maps);
}

static void expect(Search *s, const char *name, bool there) {
        for (size_t w = 0; w < s->n; w++)
                if (streq(s->wanted[w].name, name)) {
                        if ((s->found[w] > 0) != there)
                                fail_msg("%s: %u times in memory", name, s->found[w]);
                        return;
                }
        fail_msg("nobody looks for %s", name);
}

static void search_init(Search *s) {
        *s = (Search) {};
        s->chunk = malloc(CHUNK);
        assert_non_null(s->chunk);
}

/* Deep stacks leave shallow ones' bytes behind: a call that overwrites them. */
static __attribute__((noinline)) void scrub_stack(void) {
        uint8_t bytes[65536];

        explicit_bzero(bytes, sizeof(bytes));
}

/* Names the first epochs of what the first end sends. */
static __attribute__((noinline)) void want_epochs(Search *s, const SealKeys *keys, SealCipher cipher) {
        static const char *const names[] = { "secret 0", "key 0", "secret 1", "key 1", "secret 2", "key 2" };
        uint8_t secret[SEAL_SECRET_BYTES], key[SEAL_SECRET_BYTES];

        memcpy(secret, keys[0].send, sizeof(secret));
        for (unsigned epoch = 0; epoch < 3; epoch++) {
                want(s, names[2 * epoch], secret);
                seal_schedule_expand(secret, "o7s key", key, seal_cipher_key_bytes(cipher));
                want(s, names[2 * epoch + 1], key);
                seal_schedule_epoch(secret);
        }
        want(s, "agreement", keys[0].agreement);
        explicit_bzero(secret, sizeof(secret));
        explicit_bzero(key, sizeof(key));
}

static __attribute__((noinline)) void make_pair(SealPair *p, Search *s, SealSuite suite, SealCipher cipher,
                                                const SealLimits *limits) {
        SealKeys keys[2];

        seal_pair_keys(suite, cipher, false, keys);
        for (unsigned i = 0; i < SEAL_SECRET_BYTES; i++)        /* as no other bytes of this program */
                for (unsigned k = 0; k < 2; k++) {
                        keys[k].send[i] = (uint8_t) (keys[k].send[i] * 37 + 11);
                        keys[k].receive[i] = (uint8_t) (keys[k].receive[i] * 37 + 11);
                        keys[k].agreement[i] = (uint8_t) (i * 53 + 7);
                }
        if (suite == SEAL_O7S)
                want_epochs(s, keys, cipher);
        else
                want(s, "first", keys[0].send);
        seal_pair_init(p, keys, limits);
        explicit_bzero(keys, sizeof(keys));
}

static const SealCipher ciphers[] = { SEAL_AES_128_GCM, SEAL_AES_256_GCM, SEAL_CHACHA20_POLY1305 };

/* In use, an epoch on, and after its time; then all of it. */
static void test_o7s(void **state) {
        const SealLimits limits = { .epoch_packets = 4 };

        for (size_t c = 0; c < ELEMENTSOF(ciphers); c++) {
                uint8_t packet[64];
                Search s;
                SealPair p;

                print_message("%s\n", seal_cipher_name(ciphers[c]));
                search_init(&s);
                make_pair(&p, &s, SEAL_O7S, ciphers[c], &limits);
                assert_int_equal(seal_pair_pass(&p, 0, 100), 100);
                scrub_stack();
                search(&s);
                expect(&s, "agreement", true);
                expect(&s, "secret 0", false);          /* nobody needs it any more */
                expect(&s, "secret 1", true);
                expect(&s, "key 0", true);              /* a part of what the library made of it */

                for (unsigned n = 0; n < 5; n++)
                        assert_int_equal(seal_pair_pass(&p, 0, 100), 100);
                scrub_stack();
                search(&s);
                expect(&s, "secret 1", false);
                expect(&s, "secret 2", true);
                expect(&s, "key 0", true);              /* for three seconds, by who receives */
                expect(&s, "key 1", true);

                p.now += 3 * NSEC_PER_SEC;
                (void) seal_transmit(p.ends[1], p.now, (uint8_t[SEAL_SECRET_BYTES]) {}, packet, sizeof(packet));
                scrub_stack();
                search(&s);
                expect(&s, "key 0", false);

                seal_pair_done(&p);
                scrub_stack();
                search(&s);
                for (size_t w = 0; w < s.n; w++)
                        expect(&s, s.wanted[w].name, false);
                free(s.chunk);
        }
}

/* Whoever learns everything now learns nothing of the generation before. */
static void test_generation(void **state) {
        Search s;
        SealPair p;

        search_init(&s);
        make_pair(&p, &s, SEAL_O7S, SEAL_AES_128_GCM, NULL);
        assert_int_equal(seal_pair_pass(&p, 0, 100), 100);
        p.now += 600 * NSEC_PER_SEC;
        assert_int_equal(seal_pair_pass(&p, 0, 100), 100);
        (void) seal_pair_talk(&p, 0, 10 * NSEC_PER_SEC);
        assert_int_equal(seal_pair_pass(&p, 0, 100), 100);
        assert_int_equal(seal_pair_pass(&p, 1, 100), 100);
        scrub_stack();
        search(&s);
        for (size_t w = 0; w < s.n; w++)
                expect(&s, s.wanted[w].name, false);
        seal_pair_done(&p);
        free(s.chunk);
}

static void test_reference(void **state) {
        for (size_t c = 0; c < ELEMENTSOF(ciphers); c++) {
                Search s;
                SealPair p;

                search_init(&s);
                make_pair(&p, &s, SEAL_REFERENCE, ciphers[c], NULL);
                assert_int_equal(seal_pair_pass(&p, 0, 100), 100);
                scrub_stack();
                search(&s);
                expect(&s, "first", true);
                seal_pair_done(&p);
                scrub_stack();
                search(&s);
                expect(&s, "first", false);
                free(s.chunk);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_o7s),
                cmocka_unit_test(test_generation),
                cmocka_unit_test(test_reference),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
