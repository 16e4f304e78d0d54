/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On what is encoded in handshakes: public keys of kinds that nobody has, points that are on no curve, numbers that
 * are no secrets, and certificates that are larger, deeper and stranger than any that an authority issues. They are
 * looked at on a small stack, so that what recurses into them shows.
 */

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>

#include "basic/time.h"
#include "tests/attack/hands.h"
#include "tests/unit/auth/corpus.h"

#define KEY_BYTES_MAX 1400U
#define STACK_BYTES (256U << 10)
#define MONSTER_BYTES_MAX 16000U

static Hands hands;

/* -- DER, as wrong as somebody likes -- */

static void add_header(Writer *w, uint8_t tag, size_t size) {
        writer_u8(w, tag);
        if (size < 128)
                writer_u8(w, (uint8_t) size);
        else if (size < 256) {
                writer_u8(w, 0x81);
                writer_u8(w, (uint8_t) size);
        } else {
                writer_u8(w, 0x82);
                writer_be16(w, (uint16_t) size);
        }
}

static size_t header_bytes(size_t size) {
        return size < 128 ? 2 : size < 256 ? 3 : 4;
}

typedef struct Text {
        const char *bytes;
        size_t size;
} Text;

#define TEXT(literal) { literal, sizeof(literal) - 1 }

/* Algorithms: those of key exchanges that are not ours, those of signatures, those of nobody. */
static const Text algorithms[] = {
        TEXT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"),           /* RSA */
        TEXT("\x2a\x86\x48\xce\x38\x04\x01"),                   /* DSA */
        TEXT("\x2a\x86\x48\xce\x3e\x02\x01"),                   /* X9.42 DH */
        TEXT("\x2b\x65\x70"),                                   /* Ed25519 */
        TEXT("\x2b\x65\x71"),                                   /* Ed448 */
        TEXT("\x60\x86\x48\x01\x65\x03\x04\x04\x01"),           /* ML-KEM-512 */
        TEXT("\x60\x86\x48\x01\x65\x03\x04\x04\x02"),           /* ML-KEM-768 */
        TEXT("\x60\x86\x48\x01\x65\x03\x04\x03\x12"),           /* ML-DSA-65 */
        TEXT("\x2b\x06\x01\x04\x01\x82\x37\x2a"),               /* a company's */
        TEXT(""), TEXT("\x00"), TEXT("\x80\x80\x80\x80\x01"), TEXT("\xff\xff\xff\xff\xff\xff\xff\xff"),
};

static const Text parameters[] = {
        TEXT(""), TEXT("\x05\x00"), TEXT("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),   /* P-256 */
        TEXT("\x06\x05\x2b\x81\x04\x00\x0a"),                                           /* secp256k1 */
        TEXT("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"),                           /* brainpoolP256r1 */
        TEXT("\x06\x08\x2a\x81\x1c\xcf\x55\x01\x82\x2d"),                               /* SM2 */
        TEXT("\x30\x06\x02\x01\x17\x02\x01\x05"), TEXT("\x30\x00"), TEXT("\x30\x80\x00\x00"),
};

static const size_t key_sizes[] = { 0, 1, 31, 32, 33, 56, 57, 64, 65, 97, 133, 256, 384, 800, 1184 };

static size_t make_spki(const Text *algorithm, const Text *parameter, const uint8_t *key, size_t key_size,
                        uint8_t ret[KEY_BYTES_MAX]) {
        size_t inner = header_bytes(algorithm->size) + algorithm->size + parameter->size, bits = key_size + 1;
        Writer w = writer_to(ret, KEY_BYTES_MAX);

        add_header(&w, 0x30, header_bytes(inner) + inner + header_bytes(bits) + bits);
        add_header(&w, 0x30, inner);
        add_header(&w, 0x06, algorithm->size);
        writer_bytes(&w, algorithm->bytes, algorithm->size);
        writer_bytes(&w, parameter->bytes, parameter->size);
        add_header(&w, 0x03, bits);
        writer_u8(&w, 0);
        writer_bytes(&w, key, key_size);
        return w.bad ? 0 : w.written;
}

/* -- OAP-2 -- */

/* In the place of the peer's, in a request and in a response; where nobody signs, or who tries it does. Returns:
 * whether one of them was accepted. */
static bool key_is_accepted(const uint8_t *key, size_t size) {
        _cleanup_(test_side_done) TestSide client = {};
        _cleanup_(test_side_done) TestSide server = {};
        _cleanup_(test_side_done) TestSide other = {};
        HandsMessage request, altered, response;
        OapHeader header;
        size_t hash_size;
        ssize_t n;

        if (!hands_ask(&hands, &client, HANDS_KEYS, 1, &request) ||
            oap_header_parse(request.bytes, request.size, 0, &header) < 0)
                return true;

        header.key_exchange = key;
        header.key_exchange_size = size;
        n = oap_header_pack(&header, altered.bytes, sizeof(altered.bytes));
        if (n < 0)
                return false;
        altered.size = (size_t) n;
        if (hands_answer(&hands, &other, HANDS_KEYS, 2, &altered, &response) >= 0 && size > 0)
                return true;

        if (hands_answer(&hands, &server, HANDS_KEYS, 2, &request, &response) < 0)
                return true;
        hash_size = hands_hash_size(&request);
        if (oap_header_parse(response.bytes, response.size, hash_size, &header) < 0)
                return true;
        header.key_exchange = key;
        header.key_exchange_size = size;
        n = oap_header_pack(&header, altered.bytes, sizeof(altered.bytes));
        return n > 0 && test_side_check_response(&client, altered.bytes, (size_t) n) >= 0;
}

/* Right in form, and no secret comes of them: RFC 7748, 6 and 7; infinity, zero, and points of no curve. */
static unsigned try_small_keys(Attack *attack, unsigned *ret_tried) {
        static const Text x25519 = TEXT("\x2b\x65\x6e"), x448 = TEXT("\x2b\x65\x6f"), none = TEXT(""),
                          ec = TEXT("\x2a\x86\x48\xce\x3d\x02\x01"),
                          p256 = TEXT("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
        static const uint8_t order_8[32] = {
                0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
                0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8,
        };
        uint8_t key[133] = {}, spki[KEY_BYTES_MAX];
        unsigned n_accepted = 0;

        for (unsigned last = 0; last < 2; last++) {             /* 0 and 1 */
                key[0] = (uint8_t) last;
                n_accepted += key_is_accepted(spki, make_spki(&x25519, &none, key, 32, spki));
                n_accepted += key_is_accepted(spki, make_spki(&x448, &none, key, 56, spki));
                *ret_tried += 2;
        }
        n_accepted += key_is_accepted(spki, make_spki(&x25519, &none, order_8, 32, spki));
        memset(key, 0xff, sizeof(key));
        for (unsigned first = 0xec; first <= 0xee; first++) {   /* p - 1, p, p + 1 */
                key[0] = (uint8_t) first;
                key[31] = 0x7f;
                n_accepted += key_is_accepted(spki, make_spki(&x25519, &none, key, 32, spki));
        }
        *ret_tried += 4;
        for (unsigned form = 0; form < 8; form++) {             /* infinity, compressed, hybrid, and on no curve */
                size_t size = form == 0 ? 1 : form < 4 ? 33 : 65;

                attack_random_bytes(attack, key, sizeof(key));
                key[0] = (uint8_t) form;
                n_accepted += key_is_accepted(spki, make_spki(&ec, &p256, key, size, spki));
                ++*ret_tried;
        }

        return n_accepted;
}

static bool attack_keys(Attack *attack) {
        unsigned n_random = attack_rounds(attack, 500, 50000), n_tried = 0, n_accepted = 0;
        uint8_t key[KEY_BYTES_MAX], spki[KEY_BYTES_MAX];

        for (size_t a = 0; a < ELEMENTSOF(algorithms); a++)
                for (size_t p = 0; p < ELEMENTSOF(parameters); p++) {
                        size_t size = key_sizes[attack->full ? 0 : attack_random(attack) % ELEMENTSOF(key_sizes)];

                        for (size_t k = 0; k < (attack->full ? ELEMENTSOF(key_sizes) : 1); k++, n_tried++) {
                                if (attack->full)
                                        size = key_sizes[k];
                                attack_random_bytes(attack, key, size);
                                n_accepted += key_is_accepted(
                                        spki, make_spki(algorithms + a, parameters + p, key, size, spki));
                        }
                }
        n_accepted += try_small_keys(attack, &n_tried);
        for (unsigned i = 0; i < n_random; i++, n_tried++) {
                size_t size = 1 + attack_random(attack) % (KEY_BYTES_MAX - 1);

                attack_random_bytes(attack, key, size);
                if (i % 2) {            /* with a beginning that makes sense */
                        key[0] = 0x30;
                        key[1] = (uint8_t) (size - 2);
                }
                n_accepted += key_is_accepted(key, size);
        }

        attack_figure(attack,
                      "%u public keys in requests and responses: RSA to ML-KEM, curves of others, "
                      "points of small order and of no curve, noise: %u accepted",
                      n_tried, n_accepted);
        return n_accepted == 0;
}

/* -- OAP-5g -- */

typedef struct Look {
        Attack *attack;
        Corpus corpus;
        const Blob *genuine;
        unsigned n, n_read, n_accepted;
} Look;

/* A certificate with something in it that no authority puts there. */
static size_t make_monster(Look *look, unsigned i, uint8_t ret[MONSTER_BYTES_MAX]) {
        size_t size = look->genuine->size, at;
        Writer w = writer_to(ret, MONSTER_BYTES_MAX);

        switch (i % 4) {

        case 0:         /* nothing but depth */
                for (size = MONSTER_BYTES_MAX; size > 4; size -= header_bytes(size - 4))
                        add_header(&w, i % 8 ? 0x30 : 0xa3, size - 4);
                return w.bad ? MONSTER_BYTES_MAX : w.written;

        case 1:         /* lengths that are too long, anywhere */
                memcpy(ret, look->genuine->data, size);
                for (unsigned k = 0; k < 3; k++) {
                        at = attack_random(look->attack) % (size - 4);
                        ret[at] = 0x80 | (uint8_t) (1 + attack_random(look->attack) % 4);
                        ret[at + 1] = (uint8_t) attack_random(look->attack);
                }
                return size;

        case 2:         /* a piece of it again and again, inside */
                at = attack_random(look->attack) % size;
                memcpy(ret, look->genuine->data, at);
                for (size_t k = at; k < MONSTER_BYTES_MAX; k++)
                        ret[k] = look->genuine->data[at + (k - at) % (size - at)];
                return MONSTER_BYTES_MAX;

        default:        /* bytes that are others */
                memcpy(ret, look->genuine->data, size);
                for (unsigned k = 0; k <= attack_random(look->attack) % 8; k++)
                        ret[attack_random(look->attack) % size] = (uint8_t) attack_random(look->attack);
                return size;
        }
}

static void *look_at_monsters(void *userdata) {
        static const SecurityPolicy policy;
        const Expectation expected = {
                .name = CORPUS_NAME,
                .policy = &policy,
                .server = true,
                .now_realtime_nsec = MAKER_NOW * NSEC_PER_SEC,
        };
        Look *look = userdata;

        for (unsigned i = 0; i < look->n; i++) {
                _cleanup_(certificate_freep) Certificate *certificate = NULL;
                _cleanup_free_ uint8_t *bytes = malloc(MONSTER_BYTES_MAX);
                char identity[AUTH_IDENTITY_BYTES_MAX], text[AUTH_TEXT_BYTES_MAX];
                size_t size;

                if (!bytes)
                        break;
                size = make_monster(look, i, bytes);
                if (certificate_parse(bytes, size, &certificate) < 0)
                        continue;
                look->n_read++;
                look->n_accepted += (size != look->genuine->size || memcmp(bytes, look->genuine->data, size) != 0) &&
                                    trust_verify(look->corpus.trust, certificate, &expected, identity, text) >= 0;
        }

        return NULL;
}

static bool attack_certificates(Attack *attack) {
        static const CorpusRow row = { .made.names = "U:o7s:name:" CORPUS_NAME };
        _cleanup_(blob_done) Blob genuine = {};
        static Look look;
        pthread_attr_t attributes;
        pthread_t thread;
        bool ran;

        look = (Look) { .attack = attack, .genuine = &genuine, .n = attack_rounds(attack, 4000, 400000) };
        corpus_init(&look.corpus);
        corpus_make(&row, &genuine);

        ran = pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
              pthread_create(&thread, &attributes, look_at_monsters, &look) == 0 && pthread_join(thread, NULL) == 0;
        look.corpus.trust = trust_free(look.corpus.trust);

        attack_figure(attack,
                      "%u certificates of any depth, with lengths that lie, pieces repeated and "
                      "bytes altered, on a stack of %u KiB: %u could be read, %u accepted, no crash",
                      look.n, STACK_BYTES >> 10, look.n_read, look.n_accepted);
        return ran && look.n_read > 0 && look.n_accepted == 0;
}

static Attack attacks[] = {
        { .id = "OAP-2", .run = attack_keys },
        { .id = "OAP-5g", .run = attack_certificates },
};

int main(int argc, char *argv[]) {
        int r = EXIT_FAILURE;

        if (hands_init(&hands))
                r = attack_main(argc, argv, attacks, ELEMENTSOF(attacks));
        hands_done(&hands);
        return r;
}
