/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A SubjectPublicKeyInfo is
 *
 *   SEQUENCE { SEQUENCE { OID, parameters }, BIT STRING key }
 *
 *              OID                      parameters                        key
 *   X25519     1.3.101.110              none                              32 bytes
 *   X448       1.3.101.111              none                              56 bytes
 *   curves     1.2.840.10045.2.1        OID of the curve                  04 || X || Y
 *   ffdhe      1.2.840.113549.1.3.1     SEQUENCE { p, g [, length] }      INTEGER y
 *
 * The writer puts together from the inside out what the reader takes apart from the outside in.
 */

#include <gnutls/gnutls.h>

#include "basic/cursor.h"
#include "services/auth/spki.h"

#define POINT_UNCOMPRESSED 0x04U
#define GENERATOR 2U

enum {
        DER_INTEGER = 0x02,
        DER_BIT_STRING = 0x03,
        DER_OID = 0x06,
        DER_SEQUENCE = 0x30,
};

typedef struct Oid {
        const uint8_t *bytes;
        size_t size;
} Oid;

#define OID(literal) { (const uint8_t *) (literal), STRLEN(literal) }

static const Oid oid_curve_key = OID("\x2a\x86\x48\xce\x3d\x02\x01");
static const Oid oid_dh_key = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01");

static const struct {
        size_t field_bytes;
        Oid oid;                        /* of the algorithm, or of the curve; ffdhe: none */
        bool curve;
} kinds[_OAP_KEY_EXCHANGE_OURS_MAX] = {
        [OAP_FFDHE2048] = { 256 },
        [OAP_P256]      = { 32, OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"), true },
        [OAP_X25519]    = { 32, OID("\x2b\x65\x6e") },
        [OAP_FFDHE3072] = { 384 },
        [OAP_P384]      = { 48, OID("\x2b\x81\x04\x00\x22"), true },
        [OAP_FFDHE4096] = { 512 },
        [OAP_X448]      = { 56, OID("\x2b\x65\x6f") },
        [OAP_P521]      = { 66, OID("\x2b\x81\x04\x00\x23"), true },
};

size_t spki_field_bytes(OapKeyExchange kex) {
        if ((int) kex < 0 || kex >= _OAP_KEY_EXCHANGE_OURS_MAX)
                return 0;

        return kinds[kex].field_bytes;
}

const uint8_t *spki_prime(OapKeyExchange kex, size_t *ret_size) {
        const gnutls_datum_t *prime;

        assert(ret_size);

        switch ((int) kex) {

        case OAP_FFDHE2048:
                prime = &gnutls_ffdhe_2048_group_prime;
                break;

        case OAP_FFDHE3072:
                prime = &gnutls_ffdhe_3072_group_prime;
                break;

        case OAP_FFDHE4096:
                prime = &gnutls_ffdhe_4096_group_prime;
                break;

        default:
                return NULL;
        }

        *ret_size = prime->size;
        return prime->data;
}

/* -- reading -- */

static bool oid_equals(const Oid *oid, const Cursor *value) {
        return oid->size > 0 && oid->size == value->left && memcmp(oid->bytes, value->p, oid->size) == 0;
}

/* The next element's content; none, and a poisoned cursor, where it is not of this tag or not DER. */
static Cursor der_take(Cursor *c, uint8_t tag) {
        const uint8_t *content;
        size_t length;
        uint8_t found;

        found = cursor_u8(c);
        length = cursor_u8(c);
        if (length == 0x81) {
                length = cursor_u8(c);
                c->bad |= length < 0x80;
        } else if (length == 0x82) {
                length = cursor_be16(c);
                c->bad |= length < 0x100;
        } else if (length >= 0x80)
                c->bad = true;
        if (found != tag)
                c->bad = true;

        content = cursor_bytes(c, length);
        return cursor_from(content, content ? length : 0);
}

/* A number that is not negative, without the zero in front of a set sign bit. Zero itself has no bytes then. */
static Cursor der_take_number(Cursor *c) {
        Cursor value = der_take(c, DER_INTEGER);

        if (c->bad || value.left == 0 || value.p[0] >= 0x80 ||
            (value.left > 1 && value.p[0] == 0 && value.p[1] < 0x80)) {
                c->bad = true;
                return (Cursor) {};
        }
        if (value.p[0] == 0)
                (void) cursor_bytes(&value, 1);

        return value;
}

static int parse_raw(OapKeyExchange kex, Cursor *key, Spki *ret) {
        if (key->left != kinds[kex].field_bytes)
                return -EBADMSG;

        *ret = (Spki) { kex, key->p, key->left };
        return 0;
}

static int parse_curve(Cursor *parameters, Cursor *key, Spki *ret) {
        Cursor curve = der_take(parameters, DER_OID);
        uint8_t form = cursor_u8(key);

        if (parameters->bad || parameters->left > 0 || key->bad)
                return -EBADMSG;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                if (!kinds[i].curve || !oid_equals(&kinds[i].oid, &curve))
                        continue;
                if (form != POINT_UNCOMPRESSED || key->left != 2 * kinds[i].field_bytes)
                        return -EBADMSG;

                *ret = (Spki) { (OapKeyExchange) i, key->p, key->left };
                return 0;
        }

        return -EOPNOTSUPP;
}

/* Which group, by its prime and generator. Returns: an OapKeyExchange; -EOPNOTSUPP. */
static int find_group(const Cursor *prime, const Cursor *generator) {
        static const OapKeyExchange groups[] = { OAP_FFDHE2048, OAP_FFDHE3072, OAP_FFDHE4096 };

        if (generator->left != 1 || generator->p[0] != GENERATOR)
                return -EOPNOTSUPP;

        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                const uint8_t *bytes;
                size_t size = 0;

                bytes = spki_prime(groups[i], &size);
                if (prime->left == size && memcmp(prime->p, bytes, size) == 0)
                        return (int) groups[i];
        }

        return -EOPNOTSUPP;
}

static int parse_ffdhe(Cursor *parameters, Cursor *key, Spki *ret) {
        Cursor group, prime, generator, y;
        int kex;

        group = der_take(parameters, DER_SEQUENCE);
        prime = der_take_number(&group);
        generator = der_take_number(&group);
        if (group.left > 0)
                (void) der_take_number(&group);         /* how long the private key is: its owner's business */
        y = der_take_number(key);
        if (parameters->bad || parameters->left > 0 || group.bad || group.left > 0 || key->bad || key->left > 0)
                return -EBADMSG;

        kex = find_group(&prime, &generator);
        if (kex < 0)
                return kex;
        if (y.left == 0 || y.left > kinds[kex].field_bytes)
                return -EBADMSG;

        *ret = (Spki) { (OapKeyExchange) kex, y.p, y.left };
        return 0;
}

int spki_parse(const uint8_t *data, size_t size, Spki *ret) {
        Cursor all = cursor_from(data, size), info, algorithm, oid, key;
        uint8_t unused_bits;

        assert(data || size == 0);
        assert(ret);

        info = der_take(&all, DER_SEQUENCE);
        algorithm = der_take(&info, DER_SEQUENCE);
        oid = der_take(&algorithm, DER_OID);
        key = der_take(&info, DER_BIT_STRING);
        unused_bits = cursor_u8(&key);
        if (all.bad || all.left > 0 || info.bad || info.left > 0 || algorithm.bad || key.bad || unused_bits != 0)
                return -EBADMSG;

        if (oid_equals(&oid_curve_key, &oid))
                return parse_curve(&algorithm, &key, ret);
        if (oid_equals(&oid_dh_key, &oid))
                return parse_ffdhe(&algorithm, &key, ret);
        if (oid_equals(&kinds[OAP_X25519].oid, &oid))
                return algorithm.left > 0 ? -EBADMSG : parse_raw(OAP_X25519, &key, ret);
        if (oid_equals(&kinds[OAP_X448].oid, &oid))
                return algorithm.left > 0 ? -EBADMSG : parse_raw(OAP_X448, &key, ret);

        return -EOPNOTSUPP;
}

/* -- writing -- */

static size_t header_bytes(size_t length) {
        return length < 0x80 ? 2 : length < 0x100 ? 3 : 4;
}

static size_t element_bytes(size_t length) {
        return header_bytes(length) + length;
}

static size_t number_bytes(const uint8_t *number, size_t size) {
        return size + (number[0] >= 0x80 ? 1 : 0);
}

static void write_header(Writer *w, uint8_t tag, size_t length) {
        writer_u8(w, tag);
        if (length >= 0x100) {
                writer_u8(w, 0x82);
                writer_be16(w, (uint16_t) length);
                return;
        }
        if (length >= 0x80)
                writer_u8(w, 0x81);
        writer_u8(w, (uint8_t) length);
}

static void write_oid(Writer *w, const Oid *oid) {
        write_header(w, DER_OID, oid->size);
        writer_bytes(w, oid->bytes, oid->size);
}

static void write_number(Writer *w, const uint8_t *number, size_t size) {
        write_header(w, DER_INTEGER, number_bytes(number, size));
        if (number[0] >= 0x80)
                writer_u8(w, 0);
        writer_bytes(w, number, size);
}

static void write_info(Writer *w, size_t algorithm, size_t key) {
        write_header(w, DER_SEQUENCE, element_bytes(algorithm) + element_bytes(1 + key));
        write_header(w, DER_SEQUENCE, algorithm);
}

static void write_key_header(Writer *w, size_t key) {
        write_header(w, DER_BIT_STRING, 1 + key);
        writer_u8(w, 0);                /* no unused bits */
}

static void pack_ffdhe(Writer *w, const Spki *spki, const uint8_t *prime, size_t prime_size) {
        static const uint8_t generator = GENERATOR;
        size_t group = element_bytes(number_bytes(prime, prime_size)) + element_bytes(1);
        size_t key = element_bytes(number_bytes(spki->key, spki->key_size));

        write_info(w, element_bytes(oid_dh_key.size) + element_bytes(group), key);
        write_oid(w, &oid_dh_key);
        write_header(w, DER_SEQUENCE, group);
        write_number(w, prime, prime_size);
        write_number(w, &generator, 1);
        write_key_header(w, key);
        write_number(w, spki->key, spki->key_size);
}

static void pack_curve(Writer *w, const Spki *spki) {
        const Oid *curve = &kinds[spki->kex].oid;

        write_info(w, element_bytes(oid_curve_key.size) + element_bytes(curve->size), 1 + spki->key_size);
        write_oid(w, &oid_curve_key);
        write_oid(w, curve);
        write_key_header(w, 1 + spki->key_size);
        writer_u8(w, POINT_UNCOMPRESSED);
        writer_bytes(w, spki->key, spki->key_size);
}

static void pack_raw(Writer *w, const Spki *spki) {
        const Oid *oid = &kinds[spki->kex].oid;

        write_info(w, element_bytes(oid->size), spki->key_size);
        write_oid(w, oid);
        write_key_header(w, spki->key_size);
        writer_bytes(w, spki->key, spki->key_size);
}

ssize_t spki_pack(const Spki *spki, void *buffer, size_t size) {
        Writer w = writer_to(buffer, size);
        const uint8_t *prime;
        size_t prime_size = 0;

        assert(spki);
        assert((size_t) spki->kex < ELEMENTSOF(kinds));
        assert(spki->key_size > 0);

        prime = spki_prime(spki->kex, &prime_size);
        if (prime)
                pack_ffdhe(&w, spki, prime, prime_size);
        else if (kinds[spki->kex].curve)
                pack_curve(&w, spki);
        else
                pack_raw(&w, spki);

        return w.bad ? -ENOBUFS : (ssize_t) w.written;
}
