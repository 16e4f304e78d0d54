/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See certificate-maker.h. */

#include <gnutls/crypto.h>
#include <stdio.h>
#include <time.h>

#include "services/common/der.h"
#include "tests/unit/auth/certificate-maker.h"

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

                blob_add_object(&pair, letter == 'O' ? "2.5.4.10" : "2.5.4.3");
                blob_add_element(&pair,
                            letter == 'P'   ? 0x13
                            : letter == 'I' ? 0x16
                            : letter == 'T' ? 0x14
                            : letter == 'B' ? 0x1e
                                            : 0x0c,
                            text.data, text.size);
                blob_wrap(&pair, DER_SEQUENCE);
                blob_add_blob(&parts, DER_SET, &pair);
        }

        blob_add_blob(to, DER_SEQUENCE, &parts);
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
                maker_require(found, "no such kind of name");
                if (letter == 'N') {
                        _cleanup_(blob_done) Blob directory = {};

                        add_subject(&directory, "C:web.example");
                        blob_done(&text);
                        text = directory;
                        directory = (Blob) {};
                }
                blob_add_element(to, tags[found - letters], text.data, text.size);
        }
}

/* -- extensions -- */

static void add_extension(Blob *to, const char *object, bool critical, const Blob *value) {
        _cleanup_(blob_done) Blob extension = {};

        blob_add_object(&extension, object);
        if (critical)
                blob_add_element(&extension, DER_BOOLEAN, "\xff", 1);
        blob_add_element(&extension, DER_OCTET_STRING, value->data, value->size);
        blob_add_blob(to, DER_SEQUENCE, &extension);
}

static bool is_authority(const Recipe *r) {
        return r->constraints == CONSTRAINTS_AUTHORITY;
}

static void add_constraints(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        if (r->constraints == CONSTRAINTS_NONE)
                return;
        if (is_authority(r))
                blob_add_element(&value, DER_BOOLEAN, "\xff", 1);
        if (r->path_length > 0)
                blob_add_integer(&value, r->path_length - 1);
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
        blob_add_element(&value, DER_BIT_STRING, bits, usage & USAGE_EMPTY ? 1 : 2);
        add_extension(to, "2.5.29.15", true, &value);
}

static void add_purposes(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob value = {};

        if (!r->purposes)
                return;
        if (strstr(r->purposes, "code"))
                blob_add_object(&value, "1.3.6.1.5.5.7.3.3");
        if (strstr(r->purposes, "any"))
                blob_add_object(&value, "2.5.29.37.0");
        if (strstr(r->purposes, "server"))
                blob_add_object(&value, "1.3.6.1.5.5.7.3.1");
        if (strstr(r->purposes, "client"))
                blob_add_object(&value, "1.3.6.1.5.5.7.3.2");
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
                blob_add_blob(&subtrees, DER_SEQUENCE, &one);
                p = *end == '|' ? end + 1 : end;
        }
        blob_add_blob(to, tag, &subtrees);
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

        blob_add_element(&value, 0x05, NULL, 0);
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
                maker_require(gnutls_hash_fast(GNUTLS_DIG_SHA256, spki.data, spki.size, id) >= 0, "no hash");
                blob_add_element(&value, i == 0 ? DER_OCTET_STRING : 0x80, id, 20);
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
        blob_add_blob(to, 0xa3, &extensions);
}

/* -- the whole -- */

static void add_time(Blob *to, int64_t seconds) {
        time_t time = (time_t) seconds;
        struct tm broken;
        char text[32];
        bool late;

        maker_require(gmtime_r(&time, &broken), "no such time");
        late = broken.tm_year >= 150 || broken.tm_year < 50;    /* beyond what two digits of a year can say */
        (void) strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &broken);
        blob_add_element(to, late ? 0x18 : 0x17, late ? text : text + 2, strlen(text) - (late ? 0 : 2));
}

static void add_validity(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob validity = {};
        bool usual = r->from == 0 && r->until == 0;

        if (r->null_times) {
                blob_add_element(&validity, 0x17, "991399000000Z", 13);
                blob_add_element(&validity, 0x17, "notatimeatall", 13);
        } else {
                add_time(&validity, MAKER_NOW + (usual ? DAYS(-1) : r->from));
                add_time(&validity, MAKER_NOW + (usual ? DAYS(30) : r->until));
        }
        blob_add_blob(to, DER_SEQUENCE, &validity);
}

static void add_key(Blob *to, const Recipe *r) {
        _cleanup_(blob_done) Blob spki = {};
        uint8_t *at;

        maker_public_key(r->key, r->key_number, &spki);
        if (r->odd_key) {
                at = memmem(spki.data, spki.size, "\x06", 1);           /* the kind's object identifier */
                maker_require(at, "no key");
                at[2] ^= 0x11;
        }
        if (r->exponent_one) {
                at = memmem(spki.data, spki.size, "\x02\x03\x01\x00\x01", 5);
                maker_require(at, "no exponent");
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
        object = maker_signature_object(issuer->key, r->signature, &algorithm);

        if (r->version != 1) {
                blob_add_integer(&version, r->version == 0 ? 2 : r->version - 1);
                blob_add_blob(&tbs, 0xa0, &version);
        }
        blob_add_integer(&tbs, r->serial > 0 ? r->serial : 1);
        maker_add_algorithm(&tbs, issuer->key, object);
        add_subject(&tbs, r->issuer ? r->issuer : subject_of(issuer));
        add_validity(&tbs, r);
        add_subject(&tbs, subject_of(r));
        add_key(&tbs, r);
        add_extensions(&tbs, r, issuer);
        maker_finish(&tbs, issuer->key, issuer->key_number, r->signature);

        *ret = tbs;
        tbs = (Blob) {};
}

void maker_list(const ListRecipe *l, const Recipe *issuer, const Recipe *signer, Blob *ret) {
        _cleanup_(blob_done) Blob tbs = {}, revoked = {}, extensions = {}, none = {};
        gnutls_sign_algorithm_t algorithm;

        if (!signer)
                signer = issuer;

        blob_add_integer(&tbs, 1);
        maker_add_algorithm(&tbs, signer->key, maker_signature_object(signer->key, l->signature, &algorithm));
        add_subject(&tbs, subject_of(issuer));
        add_time(&tbs, MAKER_NOW + (l->until == 0 && l->from == 0 ? DAYS(-1) : l->from));
        add_time(&tbs, MAKER_NOW + (l->until == 0 ? DAYS(1) : l->until));

        for (size_t i = 0; i < ELEMENTSOF(l->revoked) && l->revoked[i] > 0; i++) {
                _cleanup_(blob_done) Blob one = {};

                blob_add_integer(&one, l->revoked[i]);
                add_time(&one, MAKER_NOW + DAYS(-2));
                blob_add_blob(&revoked, DER_SEQUENCE, &one);
        }
        if (revoked.size > 0)
                blob_add_blob(&tbs, DER_SEQUENCE, &revoked);

        if (l->critical) {
                blob_add_element(&none, DER_SEQUENCE, NULL, 0);
                add_extension(&extensions, "2.5.29.28", true, &none);
                blob_wrap(&extensions, DER_SEQUENCE);
                blob_add_blob(&tbs, 0xa0, &extensions);
        }

        maker_finish(&tbs, signer->key, signer->key_number, l->signature);
        *ret = tbs;
        tbs = (Blob) {};
}

void maker_pem(const char *label, const Blob *der, Blob *ret) {
        gnutls_datum_t data = { .data = der->data, .size = (unsigned) der->size }, text;

        maker_require(gnutls_pem_base64_encode2(label, &data, &text) >= 0, "no PEM");
        blob_add(ret, text.data, text.size);
        gnutls_free(text.data);
}
