/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What protecting a packet costs, and opening it, against the library's bare call for as many bytes and a copy of
 * them: the cipher that is the default, in memory that is in the cache. The bare call authenticates as many
 * associated bytes as we do.
 *
 *   seal.cost.N          protect
 *   seal.open.N          open, each packet once: against the library's, the same way
 *   seal.reference.N     protect, reference suite: nothing associated; its baseline has the library's random nonce
 */

#include <gnutls/crypto.h>
#include <stdio.h>

#include "libo7s/seal-packet.h"
#include "tests/bench/bench.h"

#define REPEAT_NSEC 20e6
#define BURST 32U
#define CONTENT_MAX 9000U

typedef struct Bench {
        size_t size;
        Seal *ends[2], *reference;
        gnutls_aead_cipher_hd_t handle;
        uint8_t content[CONTENT_MAX], copy[CONTENT_MAX];
        uint8_t packets[BURST][CONTENT_MAX + SEAL_OVERHEAD_MAX];
        size_t n[BURST];
        uint64_t counter;
} Bench;

/* Time of one of a burst's packets. */
static double repeat(Bench *b, int (*prepare)(Bench *b), int (*burst)(Bench *b)) {
        double spent = 0;
        unsigned n = 0;

        while (spent < REPEAT_NSEC) {
                double start;

                if (prepare && prepare(b) < 0)
                        return -1;
                start = bench_nsec();
                if (burst(b) < 0)
                        return -1;
                spent += bench_nsec() - start;
                n += BURST;
        }

        return spent / n;
}

/* -- the library -- */

static void make_nonce(Bench *b, uint8_t nonce[SEAL_NONCE_BYTES]) {
        memset(nonce, 0, SEAL_NONCE_BYTES);
        memcpy(nonce, &b->counter, sizeof(b->counter));
        b->counter++;
}

static int encrypt_burst(Bench *b) {
        const uint8_t associated[SEAL_ASSOCIATED_BYTES] = {};

        for (unsigned i = 0; i < BURST; i++) {
                uint8_t nonce[SEAL_NONCE_BYTES];
                size_t n = CONTENT_MAX + SEAL_TAG_BYTES;

                make_nonce(b, nonce);
                if (gnutls_aead_cipher_encrypt(b->handle, nonce, sizeof(nonce), associated, sizeof(associated),
                                               SEAL_TAG_BYTES, b->content,
                                               b->size, b->packets[i] + SEAL_HEADER_BYTES, &n) < 0)
                        return -EIO;
                memcpy(b->copy, b->content, b->size);
                __asm__ volatile("" ::"r"(b->copy) : "memory");
        }

        return 0;
}

static int encrypt_random_burst(Bench *b) {
        for (unsigned i = 0; i < BURST; i++) {
                size_t n = CONTENT_MAX + SEAL_TAG_BYTES;

                if (gnutls_rnd(GNUTLS_RND_NONCE, b->packets[i], SEAL_NONCE_BYTES) < 0 ||
                    gnutls_aead_cipher_encrypt(b->handle, b->packets[i], SEAL_NONCE_BYTES, NULL, 0, SEAL_TAG_BYTES,
                                               b->content, b->size, b->packets[i] + SEAL_NONCE_BYTES, &n) < 0)
                        return -EIO;
                memcpy(b->copy, b->content, b->size);
                __asm__ volatile("" ::"r"(b->copy) : "memory");
        }

        return 0;
}

static int rewind_nonces(Bench *b) {
        uint64_t first = b->counter;

        if (encrypt_burst(b) < 0)
                return -EIO;

        b->counter = first;
        return 0;
}

static int decrypt_burst(Bench *b) {
        const uint8_t associated[SEAL_ASSOCIATED_BYTES] = {};

        for (unsigned i = 0; i < BURST; i++) {
                uint8_t nonce[SEAL_NONCE_BYTES];
                size_t n = CONTENT_MAX;

                make_nonce(b, nonce);
                if (gnutls_aead_cipher_decrypt(b->handle, nonce, sizeof(nonce), associated, sizeof(associated),
                                               SEAL_TAG_BYTES, b->packets[i] + SEAL_HEADER_BYTES,
                                               b->size + SEAL_TAG_BYTES, b->content, &n) < 0)
                        return -EIO;
                memcpy(b->copy, b->content, b->size);
                __asm__ volatile("" ::"r"(b->copy) : "memory");
        }

        return 0;
}

static double bare_encrypt(void *context) {
        return repeat(context, NULL, encrypt_burst);
}

static double bare_encrypt_random(void *context) {
        return repeat(context, NULL, encrypt_random_burst);
}

static double bare_decrypt(void *context) {
        return repeat(context, rewind_nonces, decrypt_burst);
}

/* -- ours -- */

static int protect_with(Bench *b, Seal *seal) {
        for (unsigned i = 0; i < BURST; i++) {
                ssize_t n = seal_protect(seal, NSEC_PER_SEC, b->content, b->size, b->packets[i], sizeof(b->packets[i]));

                if (n < 0)
                        return (int) n;
                b->n[i] = (size_t) n;
        }

        return 0;
}

static int protect_burst(Bench *b) {
        return protect_with(b, b->ends[0]);
}

static int protect_reference_burst(Bench *b) {
        return protect_with(b, b->reference);
}

static int open_burst(Bench *b) {
        for (unsigned i = 0; i < BURST; i++)
                if (seal_open(b->ends[1], NSEC_PER_SEC, b->packets[i], b->n[i], b->copy, sizeof(b->copy)) < 0)
                        return -EBADMSG;

        return 0;
}

static double protect(void *context) {
        return repeat(context, NULL, protect_burst);
}

static double protect_reference(void *context) {
        return repeat(context, NULL, protect_reference_burst);
}

static double open_each(void *context) {
        Bench *b = context;

        seal_free(b->ends[1]);          /* so that it does not have to look for where the other end has got to */
        seal_free(b->ends[0]);
        b->ends[0] = b->ends[1] = NULL;
        for (unsigned i = 0; i < 2; i++) {
                SealKeys keys = { .suite = SEAL_O7S, .cipher = SEAL_AES_128_GCM, .client = i == 0 };
                const uint8_t seed[SEAL_SEED_BYTES] = {};

                if (seal_new(&keys, NULL, seed, NSEC_PER_SEC, &b->ends[i]) < 0)
                        return -1;
        }

        return repeat(b, protect_burst, open_burst);
}

static Bench *bench_free(Bench *b) {
        if (!b)
                return NULL;

        seal_free(b->ends[0]);
        seal_free(b->ends[1]);
        seal_free(b->reference);
        if (b->handle)
                gnutls_aead_cipher_deinit(b->handle);
        return mfree(b);
}

DEFINE_CLEANUP(Bench, bench_free);

static int bench_new(size_t size, Bench **ret) {
        _cleanup_(bench_freep) Bench *b = NULL;
        SealKeys keys = { .suite = SEAL_O7S, .cipher = SEAL_AES_128_GCM, .client = true };
        const SealKeys reference = { .suite = SEAL_REFERENCE, .cipher = SEAL_AES_128_GCM };
        const uint8_t seed[SEAL_SEED_BYTES] = {};
        gnutls_datum_t key = { keys.send, 16 };

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;

        b->size = size;
        if (seal_new(&keys, NULL, seed, NSEC_PER_SEC, &b->ends[0]) < 0 ||
            seal_new(&reference, NULL, seed, 0, &b->reference) < 0 ||
            gnutls_aead_cipher_init(&b->handle, GNUTLS_CIPHER_AES_128_GCM, &key) < 0)
                return -ENOMEM;

        *ret = TAKE_PTR(b);
        return 0;
}

static void measure(Bench *b) {
        const struct {
                const char *name, *baseline_name;
                BenchFunction subject, baseline;
        } figures[] = {
                { "seal.cost", "gnutls_aead_cipher_encrypt+memcpy", protect, bare_encrypt },
                { "seal.open", "gnutls_aead_cipher_decrypt+memcpy", open_each, bare_decrypt },
                { "seal.reference", "gnutls_rnd+gnutls_aead_cipher_encrypt+memcpy", protect_reference,
                  bare_encrypt_random },
        };

        for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
                char name[64];

                (void) snprintf(name, sizeof(name), "%s.%zu", figures[i].name, b->size);
                bench_figure(&(BenchFigure) {
                        .name = name,
                        .unit = "ns",
                        .baseline_name = figures[i].baseline_name,
                        .subject = figures[i].subject,
                        .baseline = figures[i].baseline,
                        .context = b,
                });
        }
}

int main(void) {
        static const size_t sizes[] = { 64, 1400, 9000 };

        bench_pin(BENCH_CPU_LEFT);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_(bench_freep) Bench *b = NULL;

                if (bench_new(sizes[i], &b) < 0)
                        return EXIT_FAILURE;

                measure(b);
        }

        return EXIT_SUCCESS;
}
