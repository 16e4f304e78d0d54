/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See certificate-maker.h. What fails here is a mistake of the tests: it aborts. */

#include <gnutls/crypto.h>
#include <stdio.h>
#include <time.h>

#include "services/common/der.h"
#include "tests/unit/auth/certificate-maker.h"

#define KEYS_PER_KIND 16U

static void require(bool condition, const char *what) {
        if (condition)
                return;

        fprintf(stderr, "certificate-maker: %s\n", what);
        abort();
}

/* -- bytes -- */

void blob_done(Blob *blob) {
        blob->data = mfree(blob->data);
        blob->size = 0;
}

void blob_add(Blob *blob, const void *data, size_t size) {
        blob->data = realloc(blob->data, blob->size + size + 1);
        require(blob->data, "no memory");
        if (size > 0)
                memcpy(blob->data + blob->size, data, size);
        blob->size += size;
}

void blob_wrap(Blob *blob, uint8_t tag) {
        uint8_t head[6] = { tag };
        size_t n = 1, length = blob->size;
        Blob whole = {};

        if (length < 0x80)
                head[n++] = (uint8_t) length;
        else {
                unsigned bytes = length > 0xffff ? 3 : length > 0xff ? 2 : 1;

                head[n++] = (uint8_t) (0x80 | bytes);
                for (unsigned i = bytes; i > 0; i--)
                        head[n++] = (uint8_t) (length >> (8 * (i - 1)));
        }

        blob_add(&whole, head, n);
        blob_add(&whole, blob->data, blob->size);
        blob_done(blob);
        *blob = whole;
}

static void add_element(Blob *to, uint8_t tag, const void *data, size_t size) {
        _cleanup_(blob_done) Blob element = {};

        blob_add(&element, data, size);
        blob_wrap(&element, tag);
        blob_add(to, element.data, element.size);
}

static void add_blob(Blob *to, uint8_t tag, Blob *content) {
        blob_wrap(content, tag);
        blob_add(to, content->data, content->size);
        blob_done(content);
}

static void add_object(Blob *to, const char *object) {
        unsigned long numbers[16];
        _cleanup_(blob_done) Blob content = {};
        unsigned n = 0;
        char *end;

        for (const char *p = object; n < ELEMENTSOF(numbers); p = end + 1) {
                numbers[n++] = strtoul(p, &end, 10);
                if (*end != '.')
                        break;
        }
        require(n >= 2, "no object identifier");

        numbers[1] += numbers[0] * 40;
        for (unsigned i = 1; i < n; i++)
                for (int shift = 28; shift >= 0; shift -= 7) {
                        uint8_t byte = (uint8_t) (numbers[i] >> shift & 0x7f);

                        if (shift > 0 && numbers[i] >> shift == 0)
                                continue;
                        byte |= shift > 0 ? 0x80 : 0;
                        blob_add(&content, &byte, 1);
                }

        add_blob(to, DER_OBJECT, &content);
}

static void add_integer(Blob *to, uint32_t value) {
        uint8_t bytes[5] = { 0, (uint8_t) (value >> 24), (uint8_t) (value >> 16), (uint8_t) (value >> 8),
                             (uint8_t) value };
        unsigned skip = 0;

        while (skip < 4 && bytes[skip] == 0 && bytes[skip + 1] < 0x80)
                skip++;
        add_element(to, DER_INTEGER, bytes + skip, sizeof(bytes) - skip);
}

/* -- keys -- */

static struct {
        gnutls_privkey_t keys[_MAKER_KEY_MAX][KEYS_PER_KIND];
} maker;

static const struct {
        gnutls_pk_algorithm_t algorithm;
        unsigned bits;
} kinds[_MAKER_KEY_MAX] = {
        [MAKER_P256] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
        [MAKER_P384] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
        [MAKER_P521] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1) },
        [MAKER_P192] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP192R1) },
        [MAKER_P224] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP224R1) },
        [MAKER_ED25519] = { GNUTLS_PK_EDDSA_ED25519, 0 },
        [MAKER_ED448] = { GNUTLS_PK_EDDSA_ED448, 0 },
        [MAKER_RSA_1024] = { GNUTLS_PK_RSA, 1024 },
        [MAKER_RSA_2047] = { GNUTLS_PK_RSA, 2040 },
        [MAKER_RSA_2048] = { GNUTLS_PK_RSA, 2048 },
        [MAKER_RSA_3072] = { GNUTLS_PK_RSA, 3072 },
        [MAKER_DSA] = { GNUTLS_PK_DSA, 1024 },
};

gnutls_privkey_t maker_key(MakerKey kind, unsigned number) {
        gnutls_privkey_t *key;

        require(kind < _MAKER_KEY_MAX && number < KEYS_PER_KIND, "no such key");
        key = &maker.keys[kind][number];
        if (!*key) {
                require(gnutls_privkey_init(key) >= 0, "no memory");
                require(gnutls_privkey_generate(*key, kinds[kind].algorithm, kinds[kind].bits, 0) >= 0,
                        "cannot make a key");
        }

        return *key;
}

void maker_done(void) {
        for (unsigned kind = 0; kind < _MAKER_KEY_MAX; kind++)
                for (unsigned i = 0; i < KEYS_PER_KIND; i++)
                        if (maker.keys[kind][i]) {
                                gnutls_privkey_deinit(maker.keys[kind][i]);
                                maker.keys[kind][i] = NULL;
                        }
}

void maker_public_key(MakerKey kind, unsigned number, Blob *ret) {
        gnutls_pubkey_t key;
        gnutls_datum_t der;

        require(gnutls_pubkey_init(&key) >= 0, "no memory");
        require(gnutls_pubkey_import_privkey(key, maker_key(kind, number), 0, 0) >= 0, "no public key");
        require(gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der) >= 0, "no public key");
        blob_add(ret, der.data, der.size);
        gnutls_free(der.data);
        gnutls_pubkey_deinit(key);
}

/* -- signatures -- */

static const char *signature_object(MakerKey key, MakerSignature signature, gnutls_sign_algorithm_t *ret) {
        switch (kinds[key].algorithm) {
        case GNUTLS_PK_EDDSA_ED25519:
                *ret = GNUTLS_SIGN_EDDSA_ED25519;
                return "1.3.101.112";
        case GNUTLS_PK_EDDSA_ED448:
                *ret = GNUTLS_SIGN_EDDSA_ED448;
                return "1.3.101.113";
        case GNUTLS_PK_ECDSA:
                *ret = signature == SIGNED_SHA384 ? GNUTLS_SIGN_ECDSA_SHA384
                     : signature == SIGNED_SHA512 ? GNUTLS_SIGN_ECDSA_SHA512
                     : signature == SIGNED_SHA1   ? GNUTLS_SIGN_ECDSA_SHA1
                                                  : GNUTLS_SIGN_ECDSA_SHA256;
                return signature == SIGNED_SHA384 ? "1.2.840.10045.4.3.3"
                     : signature == SIGNED_SHA512 ? "1.2.840.10045.4.3.4"
                     : signature == SIGNED_SHA1   ? "1.2.840.10045.4.1"
                                                  : "1.2.840.10045.4.3.2";
        case GNUTLS_PK_RSA:
                *ret = signature == SIGNED_SHA384 ? GNUTLS_SIGN_RSA_SHA384
                     : signature == SIGNED_SHA512 ? GNUTLS_SIGN_RSA_SHA512
                     : signature == SIGNED_SHA1   ? GNUTLS_SIGN_RSA_SHA1
                     : signature == SIGNED_MD5    ? GNUTLS_SIGN_RSA_MD5
                                                  : GNUTLS_SIGN_RSA_SHA256;
                return signature == SIGNED_SHA384 ? "1.2.840.113549.1.1.12"
                     : signature == SIGNED_SHA512 ? "1.2.840.113549.1.1.13"
                     : signature == SIGNED_SHA1   ? "1.2.840.113549.1.1.5"
                     : signature == SIGNED_MD5    ? "1.2.840.113549.1.1.4"
                                                  : "1.2.840.113549.1.1.11";
        default:
                *ret = GNUTLS_SIGN_DSA_SHA256;
                return "2.16.840.1.101.3.4.3.2";
        }
}

static void add_algorithm(Blob *to, MakerKey key, const char *object) {
        _cleanup_(blob_done) Blob algorithm = {};

        add_object(&algorithm, object);
        if (kinds[key].algorithm == GNUTLS_PK_RSA)
                add_element(&algorithm, 0x05, NULL, 0);
        add_blob(to, DER_SEQUENCE, &algorithm);
}

void maker_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, const void *data, size_t size, Blob *ret) {
        gnutls_datum_t signed_data = { .data = (uint8_t *) (uintptr_t) data, .size = (unsigned) size }, signature;

        require(gnutls_privkey_sign_data2(key, algorithm, 0, &signed_data, &signature) >= 0, "cannot sign");
        blob_add(ret, signature.data, signature.size);
        gnutls_free(signature.data);
}

/* tbs becomes the whole, signed. */
static void finish(Blob *tbs, MakerKey key, unsigned number, MakerSignature how) {
        _cleanup_(blob_done) Blob signature = {}, outer = {};
        gnutls_sign_algorithm_t algorithm;
        const char *object;

        object = signature_object(key, how, &algorithm);
        blob_wrap(tbs, DER_SEQUENCE);

        blob_add(&signature, "", 1);            /* no unused bits */
        if (how != SIGNED_NOT)
                maker_sign(maker_key(key, number), algorithm, tbs->data, tbs->size, &signature);
        if (how == SIGNED_BADLY)
                signature.data[signature.size - 1] ^= 1;
        if (how == SIGNED_AS_ANOTHER)
                object = "1.2.840.10045.4.3.4";

        blob_add(&outer, tbs->data, tbs->size);
        add_algorithm(&outer, key, object);
        add_blob(&outer, DER_BIT_STRING, &signature);
        blob_wrap(&outer, DER_SEQUENCE);

        blob_done(tbs);
        *tbs = outer;
        outer = (Blob) {};
}

/* -- names -- */

static unsigned digit_of(char c) {
        return c <= '9' ? (unsigned) (c - '0') : (unsigned) (c - 'a' + 10);
}

/* One item of a list, its escapes resolved; *p moves on. Returns: its letter, or 0. */
static char next_item(const char **p, Blob *ret) {
        char letter = **p;

        if (letter == '\0')
                return 0;

        *p += 2;
        while (**p != '\0' && **p != '|') {
                uint8_t byte = (uint8_t) *(*p)++;

                if (byte == '\\' && **p == 'x') {
                        byte = (uint8_t) (digit_of((*p)[1]) << 4 | digit_of((*p)[2]));
                        *p += 3;
                }
                blob_add(ret, &byte, 1);
        }

        if (**p == '|')
                (*p)++;
        return letter;
}

static void add_subject(Blob *to, const char *subject) {
        _cleanup_(blob_done) Blob parts = {};

        for (const char *p = subject;;) {
                _cleanup_(blob_done) Blob text = {}, pair = {};
                char letter = next_item(&p, &text);

                if (letter == 0)
                        break;

                add_object(&pair, letter == 'O' ? "2.5.4.10" : "2.5.4.3");
                add_element(&pair,
                            letter == 'P'   ? 0x13
                            : letter == 'I' ? 0x16
                            : letter == 'T' ? 0x14
                            : letter == 'B' ? 0x1e
                                            : 0x0c,
                            text.data, text.size);
                blob_wrap(&pair, DER_SEQUENCE);
                add_blob(&parts, DER_SET, &pair);
        }

        add_blob(to, DER_SEQUENCE, &parts);
}

static void add_alternatives(Blob *to, const char *names) {
        static const char letters[] = "OEDNUIRX";
        static const uint8_t tags[] = { 0xa0, 0x81, 0x82, 0xa4, 0x86, 0x87, 0x88, 0x8f };

        for (const char *p = names;;) {
                _cleanup_(blob_done) Blob text = {};
                char letter = next_item(&p, &text);
                const char *found;

                if (letter == 0)
                        return;

                found = strchr(letters, letter);
                require(found, "no such kind of name");
                if (letter == 'N') {
                        _cleanup_(blob_done) Blob directory = {};

                        add_subject(&directory, "C:web.example");
                        blob_done(&text);
                        text = directory;
                        directory = (Blob) {};
                }
                add_element(to, tags[found - letters], text.data, text.size);
        }
}

/* -- extensions -- */

static void add_extension(Blob *to, const char *object, bool critical, const Blob *value) {
        _cleanup_(blob_done) Blob extension = {};

        add_object(&extension, object);
        if (critical)
                add_element(&extension, DER_BOOLEAN, "\xff", 1);
        add_element(&extension, DER_OCTET_STRING, value->data, value->size);
        add_blob(to, DER_SEQUENCE, &extension);
}

static bool is_authority(const Recipe *r) {
        return r->constraints == CONSTRAINTS_AUTHORITY;
}

static void add_constraints(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        if (r->constraints == CONSTRAINTS_NONE)
                return;
        if (is_authority(r))
                add_element(&value, DER_BOOLEAN, "\xff", 1);
        if (r->path_length > 0)
                add_integer(&value, r->path_length - 1);
        blob_wrap(&value, r->constraints == CONSTRAINTS_ODD ? 0x13 : DER_SEQUENCE);
        add_extension(to, "2.5.29.19", true, &value);
}

static void add_usage(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};
        unsigned usage = r->usage > 0 ? r->usage : is_authority(r) ? USAGE_CERTIFICATES | USAGE_LISTS : USAGE_SIGNATURE;
        uint8_t bits[2] = { 0, (uint8_t) usage };

        if (usage & USAGE_ABSENT)
                return;
        while (bits[1] != 0 && !(bits[1] >> bits[0] & 1))       /* unused bits at the end */
                bits[0]++;
        add_element(&value, DER_BIT_STRING, bits, usage & USAGE_EMPTY ? 1 : 2);
        add_extension(to, "2.5.29.15", true, &value);
}

static void add_purposes(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        if (!r->purposes)
                return;
        if (strstr(r->purposes, "code"))
                add_object(&value, "1.3.6.1.5.5.7.3.3");
        if (strstr(r->purposes, "any"))
                add_object(&value, "2.5.29.37.0");
        if (strstr(r->purposes, "server"))
                add_object(&value, "1.3.6.1.5.5.7.3.1");
        if (strstr(r->purposes, "client"))
                add_object(&value, "1.3.6.1.5.5.7.3.2");
        blob_wrap(&value, DER_SEQUENCE);
        add_extension(to, "2.5.29.37", false, &value);
}

static void add_names(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        if (!r->names)
                return;
        add_alternatives(&value, r->names);
        blob_wrap(&value, DER_SEQUENCE);
        add_extension(to, "2.5.29.17", r->names_critical, &value);
}

static void add_subtrees(Blob *to, uint8_t tag, const char *names) {
        _cleanup_(blob_done) Blob subtrees = {};

        if (!names)
                return;

        for (const char *p = names; *p != '\0';) {
                _cleanup_(blob_done) Blob one = {};
                char single[128] = "";
                const char *end = strchrnul(p, '|');

                (void) snprintf(single, sizeof(single), "%.*s", (int) (end - p), p);
                add_alternatives(&one, single);
                add_blob(&subtrees, DER_SEQUENCE, &one);
                p = *end == '|' ? end + 1 : end;
        }
        add_blob(to, tag, &subtrees);
}

static void add_name_constraints(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        if (!r->permitted && !r->excluded)
                return;
        add_subtrees(&value, 0xa0, r->permitted);
        add_subtrees(&value, 0xa1, r->excluded);
        blob_wrap(&value, DER_SEQUENCE);
        add_extension(to, "2.5.29.30", true, &value);
}

static void add_more(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        add_element(&value, 0x05, NULL, 0);
        if (r->extension_promise)
                add_extension(to, "1.3.6.1.4.1.59999.7.1", r->extension_critical, &value);
        for (unsigned i = 0; i < r->many_extensions; i++) {
                char object[32];

                (void) snprintf(object, sizeof(object), "1.3.6.1.4.1.59999.9.%u", i);
                add_extension(to, object, false, &value);
        }
        for (unsigned i = 0; i < r->extension_padding; i++)
                blob_add(&value, "x", 1);
        if (r->extension)
                add_extension(to, r->extension, r->extension_critical, &value);
}

static void add_key_ids(Blob *to, const Recipe *r, const Recipe *issuer) {
        uint8_t id[32];

        for (int i = 0; i < 2; i++) {
                const Recipe *of = i == 0 ? r : issuer;
                _cleanup_(blob_done) Blob spki = {}, value = {};

                maker_public_key(of->key, of->key_number, &spki);
                require(gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, id) >= 0, "no hash");
                add_element(&value, i == 0 ? DER_OCTET_STRING : 0x80, id, 20);
                if (i == 1)
                        blob_wrap(&value, DER_SEQUENCE);
                add_extension(to, i == 0 ? "2.5.29.14" : "2.5.29.35", false, &value);
        }
}

static void add_extensions(Blob *to, const Recipe *r, const Recipe *issuer) {
        static const struct {
                const char *name;
                void (*add)(Blob *to, const Recipe *r);
        } parts[] = {
                { "constraints", add_constraints }, { "usage", add_usage },      { "purposes", add_purposes },
                { "names", add_names },             { "permitted", add_name_constraints }, { "extension", add_more },
        };
        _cleanup_(blob_done) Blob extensions = {};

        if (r->version != 0)
                return;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                parts[i].add(&extensions, r);
                if (r->twice && streq(r->twice, parts[i].name))
                        parts[i].add(&extensions, r);
        }
        if (!r->without_key_ids)
                add_key_ids(&extensions, r, issuer);

        blob_wrap(&extensions, DER_SEQUENCE);
        add_blob(to, 0xa3, &extensions);
}

/* -- the whole -- */

static void add_time(Blob *to, int64_t seconds) {
        time_t time = (time_t) seconds;
        struct tm broken;
        char text[32];
        bool late;

        require(gmtime_r(&time, &broken), "no such time");
        late = broken.tm_year >= 150 || broken.tm_year < 50;    /* beyond what two digits of a year can say */
        (void) strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &broken);
        add_element(to, late ? 0x18 : 0x17, late ? text : text + 2, strlen(text) - (late ? 0 : 2));
}

static void add_validity(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob validity = {};
        bool usual = r->from == 0 && r->until == 0;

        if (r->null_times) {
                add_element(&validity, 0x17, "991399000000Z", 13);
                add_element(&validity, 0x17, "notatimeatall", 13);
        } else {
                add_time(&validity, MAKER_NOW + (usual ? DAYS(-1) : r->from));
                add_time(&validity, MAKER_NOW + (usual ? DAYS(30) : r->until));
        }
        add_blob(to, DER_SEQUENCE, &validity);
}

static void add_key(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob spki = {};
        uint8_t *at;

        maker_public_key(r->key, r->key_number, &spki);
        if (r->odd_key) {
                at = memmem(spki.data, spki.size, "\x06", 1);           /* the kind's object identifier */
                require(at, "no key");
                at[2] ^= 0x11;
        }
        if (r->exponent_one) {
                at = memmem(spki.data, spki.size, "\x02\x03\x01\x00\x01", 5);
                require(at, "no exponent");
                memcpy(at, "\x02\x03\x00\x00\x01", 5);
        }
        blob_add(to, spki.data, spki.size);
}

static const char *subject_of(const Recipe *r) {
        return r->subject ? r->subject : "C:somebody";
}

void maker_certificate(const Recipe *r, const Recipe *issuer, Blob *ret) {
        _cleanup_(blob_done) Blob tbs = {}, version = {};
        gnutls_sign_algorithm_t algorithm;
        const char *object;

        if (!issuer)
                issuer = r;
        object = signature_object(issuer->key, r->signature, &algorithm);

        if (r->version != 1) {
                add_integer(&version, r->version == 0 ? 2 : r->version - 1);
                add_blob(&tbs, 0xa0, &version);
        }
        add_integer(&tbs, r->serial > 0 ? r->serial : 1);
        add_algorithm(&tbs, issuer->key, object);
        add_subject(&tbs, r->issuer ? r->issuer : subject_of(issuer));
        add_validity(&tbs, r);
        add_subject(&tbs, subject_of(r));
        add_key(&tbs, r);
        add_extensions(&tbs, r, issuer);
        finish(&tbs, issuer->key, issuer->key_number, r->signature);

        *ret = tbs;
        tbs = (Blob) {};
}

void maker_list(const ListRecipe *l, const Recipe *issuer, const Recipe *signer, Blob *ret) {
        _cleanup_(blob_done) Blob tbs = {}, revoked = {}, extensions = {}, none = {};
        gnutls_sign_algorithm_t algorithm;

        if (!signer)
                signer = issuer;

        add_integer(&tbs, 1);
        add_algorithm(&tbs, signer->key, signature_object(signer->key, l->signature, &algorithm));
        add_subject(&tbs, subject_of(issuer));
        add_time(&tbs, MAKER_NOW + (l->until == 0 && l->from == 0 ? DAYS(-1) : l->from));
        add_time(&tbs, MAKER_NOW + (l->until == 0 ? DAYS(1) : l->until));

        for (size_t i = 0; i < ELEMENTSOF(l->revoked) && l->revoked[i] > 0; i++) {
                _cleanup_(blob_done) Blob one = {};

                add_integer(&one, l->revoked[i]);
                add_time(&one, MAKER_NOW + DAYS(-2));
                add_blob(&revoked, DER_SEQUENCE, &one);
        }
        if (revoked.size > 0)
                add_blob(&tbs, DER_SEQUENCE, &revoked);

        if (l->critical) {
                add_element(&none, DER_SEQUENCE, NULL, 0);
                add_extension(&extensions, "2.5.29.28", true, &none);
                blob_wrap(&extensions, DER_SEQUENCE);
                add_blob(&tbs, 0xa0, &extensions);
        }

        finish(&tbs, signer->key, signer->key_number, l->signature);
        *ret = tbs;
        tbs = (Blob) {};
}

void maker_pem(const char *label, const Blob *der, Blob *ret) {
        gnutls_datum_t data = { .data = der->data, .size = (unsigned) der->size }, text;

        require(gnutls_pem_base64_encode2(label, &data, &text) >= 0, "no PEM");
        blob_add(ret, text.data, text.size);
        gnutls_free(text.data);
}
