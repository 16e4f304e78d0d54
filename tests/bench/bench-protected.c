/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a message costs a program whose flow is protected, against the same flow plain and the cipher's bare call: a
 * program that did nothing but what both have to would reach 1. The layer is played here, and takes and brings packets
 * while nothing is measured, so this is the library alone, in processor time of the calling thread.
 *
 *   flow.protected.write.N   flow.protected.read.N     one message per call
 *   ....batch                                          32 per call
 */

#include <gnutls/crypto.h>
#include <stdio.h>

#include "libo7s/seal-packet.h"
#include "tests/bench/bench.h"
#include "tests/support/irm-thread.h"

#define BURST 32U
#define MEASURE_NSEC 20e6
#define CONTENT_MAX 1400U
#define GIVE_UP_USEC (10 * UINT64_C(1000000))
#define KEYS 2U                         /* of irm_thread_keys(): those of AES-128-GCM */

typedef struct Side {
        IrmLayer *layer;
        Channel *channel;               /* the layer's end */
        o7s_flow *flow;
        Seal *peer;                     /* NULL: the flow is plain */
} Side;

typedef struct Bench {
        IrmThread *irm;
        Side plain, protected;
        gnutls_aead_cipher_hd_t handle;
        uint64_t counter;
        size_t size;
        bool batch;
        uint8_t content[BURST][CONTENT_MAX + 1];
        uint8_t packets[BURST][CONTENT_MAX + SEAL_OVERHEAD_MAX];
        size_t packet_sizes[BURST];
} Bench;

static double thread_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

/* -- the layer, and the peer behind it -- */

static int layer_take(Side *side) {
        uint8_t packet[CONTENT_MAX + SEAL_OVERHEAD_MAX];

        while (channel_read(side->channel, packet, sizeof(packet), NULL) > 0)
                ;
        return channel_release(side->channel);
}

static int layer_bring(Bench *b, Side *side) {
        for (unsigned i = 0; i < BURST; i++) {
                struct iovec part = { .iov_base = b->content[i], .iov_len = b->size };
                ssize_t n;

                if (side->peer) {
                        n = seal_protect(side->peer, time_now_nsec(), b->content[i], b->size, b->packets[i],
                                         sizeof(b->packets[i]));
                        if (n < 0)
                                return (int) n;
                        part = (struct iovec) { .iov_base = b->packets[i], .iov_len = (size_t) n };
                }
                if (channel_push(side->channel, &part, 1) < 0)
                        return -EAGAIN;
        }

        return channel_publish(side->channel);
}

/* -- what is measured: one burst -- */

static int write_burst(Bench *b, Side *side) {
        o7s_msg msgs[BURST];

        if (!b->batch) {
                for (unsigned i = 0; i < BURST; i++)
                        if (o7s_flow_write(side->flow, b->content[i], b->size) < 0)
                                return -EIO;
                return 0;
        }

        for (unsigned i = 0; i < BURST; i++)
                msgs[i] = (o7s_msg) { .data = b->content[i], .size = b->size };
        return o7s_flow_write_batch(side->flow, msgs, BURST) == (int) BURST ? 0 : -EIO;
}

static int read_burst(Bench *b, Side *side) {
        o7s_msg msgs[BURST];

        if (!b->batch) {
                for (unsigned i = 0; i < BURST; i++)
                        if (o7s_flow_read(side->flow, b->content[i], sizeof(b->content[i])) < 0)
                                return -EIO;
                return 0;
        }

        for (unsigned i = 0; i < BURST; i++)
                msgs[i] = (o7s_msg) { .data = b->content[i], .capacity = sizeof(b->content[i]) };
        return o7s_flow_read_batch(side->flow, msgs, BURST) == (int) BURST ? 0 : -EIO;
}

static void make_nonce(Bench *b, uint8_t nonce[SEAL_NONCE_BYTES]) {
        memset(nonce, 0, SEAL_NONCE_BYTES);
        memcpy(nonce, &b->counter, sizeof(b->counter));
        b->counter++;
}

static int encrypt_burst(Bench *b) {
        const uint8_t associated[SEAL_ASSOCIATED_BYTES] = {};

        for (unsigned i = 0; i < BURST; i++) {
                uint8_t nonce[SEAL_NONCE_BYTES];

                b->packet_sizes[i] = sizeof(b->packets[i]);
                make_nonce(b, nonce);
                if (gnutls_aead_cipher_encrypt(b->handle, nonce, sizeof(nonce), associated, sizeof(associated),
                                               SEAL_TAG_BYTES, b->content[i], b->size, b->packets[i],
                                               &b->packet_sizes[i]) < 0)
                        return -EIO;
        }

        return 0;
}

static int decrypt_burst(Bench *b) {
        const uint8_t associated[SEAL_ASSOCIATED_BYTES] = {};

        for (unsigned i = 0; i < BURST; i++) {
                uint8_t nonce[SEAL_NONCE_BYTES];
                size_t n = sizeof(b->content[i]);

                make_nonce(b, nonce);
                if (gnutls_aead_cipher_decrypt(b->handle, nonce, sizeof(nonce), associated, sizeof(associated),
                                               SEAL_TAG_BYTES, b->packets[i], b->packet_sizes[i], b->content[i],
                                               &n) < 0)
                        return -EIO;
        }

        return 0;
}

/* -- figures: nanoseconds per message -- */

static double written(Bench *b, Side *side) {
        double spent = 0;
        unsigned n = 0;

        for (; spent < MEASURE_NSEC; n += BURST) {
                double start = thread_nsec();

                if (write_burst(b, side) < 0)
                        return -1;
                spent += thread_nsec() - start;
                if (layer_take(side) < 0)
                        return -1;
        }

        return spent / n;
}

static double was_read(Bench *b, Side *side) {
        double spent = 0;
        unsigned n = 0;

        for (; spent < MEASURE_NSEC; n += BURST) {
                double start;

                if (layer_bring(b, side) < 0)
                        return -1;
                start = thread_nsec();
                if (read_burst(b, side) < 0)
                        return -1;
                spent += thread_nsec() - start;
        }

        return spent / n;
}

static double bare(Bench *b, bool decrypt) {
        double spent = 0;
        unsigned n = 0;

        for (; spent < MEASURE_NSEC; n += BURST) {
                double start = thread_nsec();

                if (encrypt_burst(b) < 0)
                        return -1;
                if (decrypt) {
                        b->counter -= BURST;
                        start = thread_nsec();
                        if (decrypt_burst(b) < 0)
                                return -1;
                }
                spent += thread_nsec() - start;
        }

        return spent / n;
}

static double protected_written(void *context) {
        Bench *b = context;

        return written(b, &b->protected);
}

static double protected_was_read(void *context) {
        Bench *b = context;

        return was_read(b, &b->protected);
}

static double plain_written_and_encrypted(void *context) {
        Bench *b = context;
        double flow = written(b, &b->plain), cipher = bare(b, false);

        return flow < 0 || cipher < 0 ? -1 : flow + cipher;
}

static double plain_was_read_and_decrypted(void *context) {
        Bench *b = context;
        double flow = was_read(b, &b->plain), cipher = bare(b, true);

        return flow < 0 || cipher < 0 ? -1 : flow + cipher;
}

/* -- both flows -- */

static int side_open(Bench *b, Side *side, const char *suite) {
        const uint8_t seed[SEAL_SEED_BYTES] = { 1 };
        SealKeys keys;
        int r;

        r = irm_layer_new(&side->layer);
        if (r < 0)
                return r;

        irm_thread_set_layer(b->irm, side->layer);
        irm_thread_keys(suite, true, KEYS, &keys);
        irm_layer_set_keys(side->layer, &keys);
        r = o7s_flow_alloc("layered", &O7S_QOS_RAW, O7S_BULK, GIVE_UP_USEC, &side->flow);
        if (r < 0)
                return r;

        side->channel = irm_layer_take_channel(side->layer);
        if (!side->channel)
                return -ETIMEDOUT;
        if (keys.suite == SEAL_NONE)
                return 0;

        irm_thread_keys(suite, false, KEYS, &keys);
        return seal_new(&keys, NULL, seed, time_now_nsec(), &side->peer);
}

static void side_close(Side *side) {
        if (side->channel)
                channel_close(side->channel, CLOSE_NORMAL);
        side->flow = o7s_flow_unref(side->flow);
        side->channel = channel_free(side->channel);
        side->peer = seal_free(side->peer);
}

static int bench_open(Bench *b) {
        uint8_t bytes[16] = {};
        gnutls_datum_t key = { bytes, sizeof(bytes) };
        int r;

        if (gnutls_aead_cipher_init(&b->handle, GNUTLS_CIPHER_AES_128_GCM, &key) < 0)
                return -EOPNOTSUPP;

        r = irm_thread_start(&b->irm);
        if (r >= 0)
                r = side_open(b, &b->plain, "none");
        if (r >= 0)
                r = side_open(b, &b->protected, "o7s");
        return r;
}

static Bench *bench_free(Bench *b) {
        side_close(&b->plain);
        side_close(&b->protected);
        irm_thread_free(b->irm);
        irm_layer_free(b->plain.layer);
        irm_layer_free(b->protected.layer);
        if (b->handle)
                gnutls_aead_cipher_deinit(b->handle);
        return mfree(b);
}

static void measure(Bench *b) {
        static const struct {
                const char *name;
                size_t size;
                bool batch;
                BenchFunction subject, baseline;
        } figures[] = {
                { "flow.protected.write.64",         64,   false, protected_written,  plain_written_and_encrypted },
                { "flow.protected.write.1400",       1400, false, protected_written,  plain_written_and_encrypted },
                { "flow.protected.write.1400.batch", 1400, true,  protected_written,  plain_written_and_encrypted },
                { "flow.protected.read.64",          64,   false, protected_was_read, plain_was_read_and_decrypted },
                { "flow.protected.read.1400",        1400, false, protected_was_read, plain_was_read_and_decrypted },
                { "flow.protected.read.1400.batch",  1400, true,  protected_was_read, plain_was_read_and_decrypted },
        };

        for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
                b->size = figures[i].size;
                b->batch = figures[i].batch;
                bench_figure(&(BenchFigure) {
                        .name = figures[i].name,
                        .unit = "ns",
                        .baseline_name = "plain-flow+bare-cipher",
                        .subject = figures[i].subject,
                        .baseline = figures[i].baseline,
                        .context = b,
                });
        }
}

int main(void) {
        Bench *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return EXIT_FAILURE;

        r = bench_open(b);
        if (r < 0)
                (void) fprintf(stderr, "Failed to open the flows: %s\n", strerror(-r));
        else
                measure(b);

        bench_free(b);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
