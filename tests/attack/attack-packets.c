/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On the packets of protected flows: somebody on the path reads, alters, repeats, reflects, keeps back and invents
 * them, and loses so many that keys are changed unseen. Both suites, and flows that are only authenticated.
 */

#include <stdio.h>

#include "libo7s/seal.h"
#include "tests/attack/attack.h"

#define CONTENT_BYTES 64U
#define PACKET_BYTES (CONTENT_BYTES + SEAL_OVERHEAD_MAX)
#define KEPT_MAX 1024U

typedef struct Flow {
        Attack *attack;
        const SealKeys *keys;
        Seal *ends[2];                  /* who asked, who was asked */
        nsec_t now;
} Flow;

static const struct {
        const char *name;
        SealSuite suite;
        SealCipher cipher;
        bool mac_only;
} suites[] = {
        { "o7s", SEAL_O7S, SEAL_AES_128_GCM, false },
        { "o7s, ChaCha20", SEAL_O7S, SEAL_CHACHA20_POLY1305, false },
        { "o7s, MAC only", SEAL_O7S, SEAL_AES_256_GCM, true },
        { "reference", SEAL_REFERENCE, SEAL_AES_256_GCM, false },
};

#define N_SUITES ELEMENTSOF(suites)

static void flow_done(Flow *f) {
        f->ends[0] = seal_free(f->ends[0]);
        f->ends[1] = seal_free(f->ends[1]);
}

static void make_keys(Attack *attack, size_t suite, SealKeys keys[2]) {
        keys[0] = (SealKeys) {
                .suite = suites[suite].suite,
                .cipher = suites[suite].cipher,
                .mac_only = suites[suite].mac_only,
                .client = true,
        };
        attack_random_bytes(attack, keys[0].label, sizeof(keys[0].label));
        attack_random_bytes(attack, keys[0].send, sizeof(keys[0].send));
        attack_random_bytes(attack, keys[0].receive, sizeof(keys[0].receive));
        attack_random_bytes(attack, keys[0].agreement, sizeof(keys[0].agreement));
        if (suites[suite].suite == SEAL_REFERENCE)
                memcpy(keys[0].receive, keys[0].send, sizeof(keys[0].send));

        keys[1] = keys[0];
        keys[1].client = false;
        memcpy(keys[1].send, keys[0].receive, sizeof(keys[0].send));
        memcpy(keys[1].receive, keys[0].send, sizeof(keys[0].send));
}

static int flow_init(Flow *f, Attack *attack, const SealKeys keys[2], const SealLimits *limits) {
        *f = (Flow) { .attack = attack, .now = NSEC_PER_SEC };

        for (unsigned i = 0; i < 2; i++) {
                uint8_t seed[SEAL_SEED_BYTES];
                int r;

                attack_random_bytes(attack, seed, sizeof(seed));
                r = seal_new(keys + i, limits, seed, f->now, f->ends + i);
                if (r < 0)
                        return r;
        }

        return 0;
}

typedef struct Caught {
        size_t size;
        uint8_t bytes[PACKET_BYTES];
} Caught;

/* A packet with a number in it. Returns: whether there is one. */
static bool flow_send(Flow *f, unsigned from, uint64_t number, Caught *ret) {
        uint8_t content[CONTENT_BYTES];
        ssize_t n;

        for (size_t i = 0; i < sizeof(content); i++)
                content[i] = (uint8_t) (number >> 8 * (i % 8));

        n = seal_protect(f->ends[from], f->now, content, sizeof(content), ret->bytes, sizeof(ret->bytes));
        if (n <= 0)
                return false;

        ret->size = (size_t) n;
        return true;
}

/* Whether it was delivered, as which number. */
static bool flow_take(Flow *f, unsigned to, const Caught *packet, uint64_t *ret) {
        uint8_t content[PACKET_BYTES];
        uint64_t number = 0;

        if (seal_open(f->ends[to], f->now, packet->bytes, packet->size, content, sizeof(content)) <
            (ssize_t) CONTENT_BYTES)
                return false;

        for (unsigned i = 0; i < 8; i++)
                number |= (uint64_t) content[i] << 8 * i;
        if (ret)
                *ret = number;
        return true;
}

/* What ends of a flow tell each other by themselves. */
static void flow_control(Flow *f, unsigned loss_percent) {
        for (unsigned from = 0; from < 2; from++)
                while (seal_next(f->ends[from]) <= f->now) {
                        uint8_t random[SEAL_SECRET_BYTES], content[PACKET_BYTES * 4];
                        uint8_t packet[PACKET_BYTES * 4];
                        ssize_t n;

                        attack_random_bytes(f->attack, random, sizeof(random));
                        n = seal_transmit(f->ends[from], f->now, random, packet, sizeof(packet));
                        if (n <= 0)
                                break;
                        if (attack_random(f->attack) % 100 >= loss_percent)
                                (void) seal_open(f->ends[!from], f->now, packet, (size_t) n, content, sizeof(content));
                }
}

/* -- what is invented or altered never arrives -- */

static bool forge_one_suite(Attack *attack, size_t suite, uint64_t *ret_tried) {
        unsigned n = attack_rounds(attack, 100000, 10000000);
        SealKeys keys[2];
        Caught packet;
        Flow f;

        make_keys(attack, suite, keys);
        if (flow_init(&f, attack, keys, NULL) < 0)
                return attack_broken(attack, "%s: no flow", suites[suite].name);

        /* Every bit of a genuine packet, and every shorter packet. */
        (void) flow_send(&f, 0, 0, &packet);
        for (size_t bit = 0; bit < packet.size * 8; bit++, ++*ret_tried) {
                Caught forged = packet;

                forged.bytes[bit / 8] ^= (uint8_t) (1U << bit % 8);
                if (flow_take(&f, 1, &forged, NULL)) {
                        flow_done(&f);
                        return attack_broken(attack, "%s: a packet with bit %zu changed is delivered",
                                             suites[suite].name, bit);
                }
        }
        for (size_t size = 0; size < packet.size; size++, ++*ret_tried) {
                Caught forged = { .size = size };

                memcpy(forged.bytes, packet.bytes, size);
                if (flow_take(&f, 1, &forged, NULL)) {
                        flow_done(&f);
                        return attack_broken(attack, "%s: the first %zu bytes of a packet are delivered",
                                             suites[suite].name, size);
                }
        }

        /* Random ones, half of them with a header as it is. */
        for (unsigned i = 0; i < n; i++, ++*ret_tried) {
                Caught forged = packet;
                size_t keep = attack_random(attack) % 2 ? 5 : 0;

                forged.size = keep + attack_random(attack) % (sizeof(forged.bytes) - keep);
                attack_random_bytes(attack, forged.bytes + keep, forged.size - keep);
                if (flow_take(&f, 1, &forged, NULL)) {
                        flow_done(&f);
                        return attack_broken(attack, "%s: an invented packet is delivered", suites[suite].name);
                }
        }

        /* None of it has harmed the flow: the packet itself, and the next one. */
        if (!flow_take(&f, 1, &packet, NULL) || !flow_send(&f, 0, 1, &packet) || !flow_take(&f, 1, &packet, NULL)) {
                flow_done(&f);
                return attack_broken(attack, "%s: the flow does not go on", suites[suite].name);
        }

        flow_done(&f);
        return true;
}

static bool attack_forgery(Attack *attack) {
        uint64_t n_tried = 0;
        bool held = true;

        for (size_t i = 0; i < N_SUITES; i++)
                held = forge_one_suite(attack, i, &n_tried) && held;

        attack_figure(attack, "%" PRIu64 " packets altered, cut or invented, of 4 suites: 0 delivered, flows go on",
                      n_tried);
        return held;
}

/* -- R-22, CRY-4: nothing is delivered twice, nothing comes back -- */

static bool replay_one_suite(Attack *attack, size_t suite, unsigned n, uint64_t *ret_replays,
                             uint64_t *ret_reflections) {
        const SealLimits limits = { .epoch_packets = 4096 };
        _cleanup_free_ Caught *kept = calloc(KEPT_MAX, sizeof(*kept));
        SealKeys keys[2];
        Flow f;

        make_keys(attack, suite, keys);
        if (!kept || flow_init(&f, attack, keys, &limits) < 0)
                return attack_broken(attack, "%s: no flow", suites[suite].name);

        for (uint64_t i = 0; i < n; i++) {
                unsigned from = (unsigned) (attack_random(attack) % 2);
                Caught *slot = kept + i % KEPT_MAX;
                bool good;

                f.now += NSEC_PER_MSEC;
                if (i % 5000 == 4999)
                        f.now += 600 * NSEC_PER_SEC;    /* idle for long, then on */
                good = flow_send(&f, from, i, slot) && flow_take(&f, !from, slot, NULL);
                flow_control(&f, 0);
                if (!good) {
                        flow_done(&f);
                        return attack_broken(attack, "%s: packet %" PRIu64 " is not delivered", suites[suite].name, i);
                }

                /* Something of before once more, to both. */
                slot = kept + attack_random(attack) % MIN(i + 1, (uint64_t) KEPT_MAX);
                ++*ret_replays;
                ++*ret_reflections;
                if (flow_take(&f, 0, slot, NULL) || flow_take(&f, 1, slot, NULL)) {
                        flow_done(&f);
                        return attack_broken(attack, "%s: after packet %" PRIu64 " an old one is delivered",
                                             suites[suite].name, i);
                }
        }

        flow_done(&f);
        return true;
}

static bool attack_replay(Attack *attack) {
        unsigned n = attack_rounds(attack, 50000, 2000000);
        uint64_t n_replays = 0, n_reflections = 0;
        bool held = true;

        for (size_t i = 0; i < N_SUITES; i++)
                held = replay_one_suite(attack, i, n, &n_replays, &n_reflections) && held;

        attack_figure(attack,
                      "%" PRIu64 " replays and %" PRIu64
                      " reflections across epochs and after idling, of 4 suites: 0 delivered",
                      n_replays, n_reflections);
        return held;
}

/* -- CRY-2: keys change under loss, and no packet that arrives is unreadable -- */

static bool attack_rotation_loss(Attack *attack) {
        static const unsigned losses[] = { 5, 10, 20, 30 };
        unsigned n = attack_rounds(attack, 1000000, 10000000);
        uint64_t n_arrived = 0, n_epochs = 0, n_generations = 0;

        for (size_t i = 0; i < ELEMENTSOF(losses); i++) {
                const SealLimits limits = { .epoch_packets = 4096 };
                SealKeys keys[2];
                Flow f;

                make_keys(attack, 0, keys);
                if (flow_init(&f, attack, keys, &limits) < 0)
                        return attack_broken(attack, "no flow");

                for (uint64_t k = 0; k < n / ELEMENTSOF(losses); k++) {
                        unsigned from = (unsigned) (k % 2);
                        uint64_t number = 0;
                        Caught packet;

                        f.now += 10 * NSEC_PER_MSEC;
                        if (!flow_send(&f, from, k, &packet)) {
                                flow_done(&f);
                                return attack_broken(attack, "%u %% loss: packet %" PRIu64 " cannot be sent", losses[i],
                                                     k);
                        }
                        flow_control(&f, losses[i]);
                        if (attack_random(attack) % 100 < losses[i])
                                continue;
                        n_arrived++;
                        if (!flow_take(&f, !from, &packet, &number) || number != k) {
                                flow_done(&f);
                                return attack_broken(attack, "%u %% loss: packet %" PRIu64 " arrived and is unreadable",
                                                     losses[i], k);
                        }
                }

                n_epochs += seal_counters(f.ends[0])->n_epochs;
                n_generations += seal_counters(f.ends[0])->n_generations;
                flow_done(&f);
        }

        attack_figure(attack,
                      "%" PRIu64 " packets arrived at 5 to 30 %% loss over %" PRIu64 " epochs and %" PRIu64
                      " key agreements: 0 unreadable",
                      n_arrived, n_epochs, n_generations);
        return n_epochs > 0 && n_generations > 0;
}

/* -- CRY-3: who has no keys cannot make anybody change them -- */

static bool attack_rotation_forged(Attack *attack) {
        unsigned n = attack_rounds(attack, 50000, 2000000);

        for (size_t suite = 0; suite < N_SUITES; suite++) {
                /* No end has a reason of its own. */
                const SealLimits limits = {
                        .epoch_packets = UINT64_C(1) << 23,
                        .epoch_nsec = NSEC_INFINITY,
                        .generation_packets = UINT64_C(1) << 40,
                        .generation_nsec = NSEC_INFINITY,
                };
                SealKeys keys[2];
                uint64_t n_epochs;
                Caught packet;
                Flow f;

                make_keys(attack, suite, keys);
                if (flow_init(&f, attack, keys, suites[suite].suite == SEAL_O7S ? &limits : NULL) < 0)
                        return attack_broken(attack, "%s: no flow", suites[suite].name);
                n_epochs = seal_counters(f.ends[1])->n_epochs;

                for (unsigned i = 0; i < n; i++) {
                        Caught forged;

                        /* The fields that say which keys, in a packet that is genuine but for them. */
                        f.now += NSEC_PER_MSEC;
                        if (!flow_send(&f, 0, i, &packet)) {
                                flow_done(&f);
                                return attack_broken(attack, "%s: packet %u cannot be sent", suites[suite].name, i);
                        }
                        forged = packet;
                        forged.bytes[i % 2] ^= (uint8_t) (1U + attack_random(attack) % 255);
                        if (flow_take(&f, 1, &forged, NULL) || !flow_take(&f, 1, &packet, NULL)) {
                                flow_done(&f);
                                return attack_broken(attack, "%s: after forged epochs packet %u is not what counts",
                                                     suites[suite].name, i);
                        }
                        flow_control(&f, 0);
                }

                if (seal_counters(f.ends[1])->n_epochs != n_epochs) {
                        flow_done(&f);
                        return attack_broken(attack, "%s: forged packets began an epoch", suites[suite].name);
                }
                flow_done(&f);
        }

        attack_figure(attack,
                      "%u forged epochs, generations and phases in each of 4 suites: 0 followed, every genuine packet "
                      "delivered",
                      n);
        return true;
}

static Attack attacks[] = {
        { .id = "R-4", .run = attack_forgery },
        { .id = "R-22", .run = attack_replay },
        { .id = "CRY-2", .run = attack_rotation_loss },
        { .id = "CRY-3", .run = attack_rotation_forged },
        { .id = "CRY-4", .run = attack_replay },
};

int main(int argc, char *argv[]) {
        return attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
}
