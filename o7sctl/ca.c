/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the authority signs: itself and leaves. Revocation lists are ca-revoke.c's, reading certificates is ca-read.c's.
 *
 * A leaf has its name as SAN URI, which alone counts between hosts running o7s, and as CN, which is what the reference
 * implementation looks at. Certificates begin an hour before they are made, as clocks of hosts differ.
 */

#include "o7sctl/ca-internal.h"

#define RSA_BITS 3072U
#define OID_ALTERNATIVE_NAMES "2.5.29.17"

static const char *const key_type_table[_KEY_TYPE_MAX] = {
        [KEY_P256] = "p256",       [KEY_P384] = "p384",   [KEY_P521] = "p521",
        [KEY_ED25519] = "ed25519", [KEY_ED448] = "ed448", [KEY_RSA] = "rsa",
};
DEFINE_ENUM_NAMES(key_type, KeyType);

static const struct {
        gnutls_pk_algorithm_t algorithm;
        unsigned bits;
} key_algorithms[_KEY_TYPE_MAX] = {
        [KEY_P256] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
        [KEY_P384] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
        [KEY_P521] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1) },
        [KEY_ED25519] = { GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519) },
        [KEY_ED448] = { GNUTLS_PK_EDDSA_ED448, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED448) },
        [KEY_RSA] = { GNUTLS_PK_RSA, RSA_BITS },
};

void ca_pair_done(CaPair *pair) {
        secret_freep(&pair->key);
        pair->certificate = mfree(pair->certificate);
}

int ca_library_error(int r) {
        return r >= 0                          ? 0
               : r == GNUTLS_E_MEMORY_ERROR    ? -ENOMEM
               : r == GNUTLS_E_RANDOM_FAILED   ? -EIO
               : r == GNUTLS_E_INVALID_REQUEST ? -EINVAL
                                               : -EOPNOTSUPP;
}

int ca_take_text(const gnutls_datum_t *datum, char **ret) {
        char *text = calloc(1, (size_t) datum->size + 1);

        if (!text)
                return -ENOMEM;

        memcpy(text, datum->data, datum->size);
        *ret = text;
        return 0;
}

static int export_certificate(gnutls_x509_crt_t certificate, char **ret) {
        _cleanup_(datum_wipep) gnutls_datum_t datum = {};
        int r;

        r = ca_library_error(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &datum));
        return r < 0 ? r : ca_take_text(&datum, ret);
}

static int export_key(gnutls_x509_privkey_t key, char **ret) {
        _cleanup_(datum_wipep) gnutls_datum_t datum = {};
        int r;

        r = ca_library_error(
                gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &datum));
        return r < 0 ? r : ca_take_text(&datum, ret);
}

static int make_key(KeyType type, gnutls_x509_privkey_t *ret) {
        _cleanup_(key_deinitp) gnutls_x509_privkey_t key = NULL;
        int r;

        if ((int) type < 0 || type >= _KEY_TYPE_MAX)
                return -EINVAL;

        r = gnutls_x509_privkey_init(&key);
        if (r >= 0)
                r = gnutls_x509_privkey_generate(key, key_algorithms[type].algorithm, key_algorithms[type].bits, 0);
        if (r < 0)
                return ca_library_error(r);

        *ret = TAKE_PTR(key);
        return 0;
}

bool ca_looks_like_dns(const char *name) {
        bool dot = false;

        if (strlen(name) > 253)
                return false;

        for (const char *label = name; ; ) {
                size_t n = strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

                if (n == 0 || n > 63 || label[0] == '-' || label[n - 1] == '-')
                        return false;
                if (label[n] == '\0')
                        return dot;
                if (label[n] != '.')
                        return false;

                dot = true;
                label += n + 1;
        }
}

/* What an authority and a leaf have alike. */
static int fill_common(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const CaTerms *terms,
                       uint64_t expiry_sec) {
        uint8_t id[CA_KEY_ID_BYTES_MAX];
        size_t id_size = sizeof(id);
        int r;

        r = gnutls_x509_crt_set_version(certificate, 3);
        if (r >= 0)
                r = gnutls_x509_crt_set_serial(certificate, terms->serial, sizeof(terms->serial));
        if (r >= 0)
                r = gnutls_x509_crt_set_key(certificate, key);
        if (r >= 0)
                r = gnutls_x509_crt_set_activation_time(
                        certificate, (time_t) (terms->now_sec - MIN(terms->now_sec, (uint64_t) CA_BACKDATE_SEC)));
        if (r >= 0)
                r = gnutls_x509_crt_set_expiration_time(certificate, (time_t) expiry_sec);
        if (r >= 0)
                r = gnutls_x509_crt_get_key_id(certificate, 0, id, &id_size);
        if (r >= 0)
                r = gnutls_x509_crt_set_subject_key_id(certificate, id, id_size);
        if (r >= 0 && strlen(terms->name) <= CA_COMMON_NAME_BYTES_MAX)
                r = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, terms->name,
                                                  (unsigned) strlen(terms->name));

        return r;
}

static int sign(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t key) {
        _cleanup_(signer_deinitp) gnutls_privkey_t signer = NULL;
        int r;

        r = gnutls_privkey_init(&signer);
        if (r >= 0)
                r = gnutls_privkey_import_x509(signer, key, GNUTLS_PRIVKEY_IMPORT_COPY);
        if (r >= 0)     /* digest 0: the one that goes with the key */
                r = gnutls_x509_crt_privkey_sign(certificate, issuer, signer, 0, 0);

        return r;
}

int ca_make(const CaTerms *terms, CaPair *ret) {
        _cleanup_(certificate_deinitp) gnutls_x509_crt_t certificate = NULL;
        _cleanup_(key_deinitp) gnutls_x509_privkey_t key = NULL;
        _cleanup_(ca_pair_done) CaPair pair = {};
        int r;

        r = make_key(terms->key_type, &key);
        if (r < 0)
                return r;

        r = gnutls_x509_crt_init(&certificate);
        if (r >= 0)
                r = fill_common(certificate, key, terms, terms->now_sec + (uint64_t) terms->days * CA_DAY_SEC);
        if (r >= 0)     /* it signs leaves: nobody can make an authority of them */
                r = gnutls_x509_crt_set_basic_constraints(certificate, 1, 0);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
        if (r >= 0)
                r = sign(certificate, certificate, key);
        if (r < 0)
                return ca_library_error(r);

        r = export_certificate(certificate, &pair.certificate);
        if (r >= 0)
                r = export_key(key, &pair.key);
        if (r < 0)
                return r;

        *ret = pair;
        pair = (CaPair) {};
        return 0;
}

int ca_open_authority(const CaPair *authority, gnutls_x509_crt_t *ret_certificate, gnutls_x509_privkey_t *ret_key) {
        _cleanup_(certificate_deinitp) gnutls_x509_crt_t certificate = NULL;
        _cleanup_(key_deinitp) gnutls_x509_privkey_t key = NULL;
        gnutls_datum_t certificate_text, key_text;
        int r;

        certificate_text = (gnutls_datum_t) {
                (unsigned char *) authority->certificate, (unsigned) strlen(authority->certificate),
        };
        key_text = (gnutls_datum_t) { (unsigned char *) authority->key, (unsigned) strlen(authority->key) };

        if (gnutls_x509_crt_init(&certificate) < 0 || gnutls_x509_privkey_init(&key) < 0)
                return -ENOMEM;
        if (gnutls_x509_crt_import(certificate, &certificate_text, GNUTLS_X509_FMT_PEM) < 0 ||
            gnutls_x509_privkey_import(key, &key_text, GNUTLS_X509_FMT_PEM) < 0)
                return -EBADMSG;
        if (gnutls_x509_crt_get_ca_status(certificate, NULL) <= 0)
                return -EBADMSG;

        r = ca_check_pair(authority);
        if (r < 0)
                return -EBADMSG;

        *ret_certificate = TAKE_PTR(certificate);
        *ret_key = TAKE_PTR(key);
        return 0;
}

/* A tag and a length below 2^16, in the shortest form as DER wants it. Returns: where what it is about begins. */
static uint8_t *put_header(uint8_t *to, uint8_t tag, size_t size) {
        *to++ = tag;
        if (size > 0x7f)
                *to++ = size > 0xff ? 0x82 : 0x81;
        if (size > 0xff)
                *to++ = (uint8_t) (size >> 8);
        *to++ = (uint8_t) size;
        return to;
}

/* One GeneralName. Returns: where the next one begins. */
static uint8_t *put_general_name(uint8_t *to, uint8_t tag, const char *prefix, const char *name) {
        size_t n_prefix = strlen(prefix), n = strlen(name);

        to = put_header(to, tag, n_prefix + n);
        memcpy(to, prefix, n_prefix);
        memcpy(to + n_prefix, name, n);
        return to + n_prefix + n;
}

static uint8_t *put_name(uint8_t *to, const char *name) {
        to = put_general_name(to, 0x86, CA_NAME_URI_PREFIX, name);
        return ca_looks_like_dns(name) ? put_general_name(to, 0x82, "", name) : to;
}

/*
 * The alternative names, as DER of our own:
 *
 *   SEQUENCE { [6] "o7s:name:NAME"  [2] "NAME" (where it looks like one of DNS), and the same for its layer }
 *
 * GnuTLS writes only URIs of printable ASCII, while flow names are UTF-8, and compared byte by byte.
 */
static int set_names(gnutls_x509_crt_t certificate, const char *name, const char *layer) {
        uint8_t names[4 * (4 + STRLEN(CA_NAME_URI_PREFIX) + FLOW_NAME_BYTES_MAX)], der[4 + sizeof(names)], *p, *end;

        if (strlen(name) > FLOW_NAME_BYTES_MAX || (layer && strlen(layer) > FLOW_NAME_BYTES_MAX))
                return GNUTLS_E_INVALID_REQUEST;

        p = put_name(names, name);
        if (layer)
                p = put_name(p, layer);

        end = put_header(der, 0x30, (size_t) (p - names));
        memcpy(end, names, (size_t) (p - names));

        return gnutls_x509_crt_set_extension_by_oid(certificate, OID_ALTERNATIVE_NAMES, der,
                                                    (size_t) (end - der + (p - names)), 0);
}

/* SAN, purpose and what else only a leaf has. */
static int fill_leaf(gnutls_x509_crt_t certificate, const CaTerms *terms) {
        static const uint8_t der_null[] = { 0x05, 0x00 };
        int r;

        r = gnutls_x509_crt_set_basic_constraints(certificate, 0, -1);
        if (r >= 0)
                r = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE);
        if (r >= 0 && (terms->client || terms->layer))
                r = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0);
        if (r >= 0 && (!terms->client || terms->layer))
                r = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
        if (r >= 0)
                r = set_names(certificate, terms->name, terms->layer);
        if (r >= 0 && terms->promises_o7s)
                r = gnutls_x509_crt_set_extension_by_oid(certificate, CA_OID_PROMISES_O7S, der_null, sizeof(der_null),
                                                         0);

        return r;
}

int ca_issue(const CaPair *authority, const CaTerms *terms, CaPair *ret, uint64_t *ret_expiry_sec) {
        _cleanup_(certificate_deinitp) gnutls_x509_crt_t issuer = NULL, certificate = NULL;
        _cleanup_(key_deinitp) gnutls_x509_privkey_t issuer_key = NULL, key = NULL;
        _cleanup_(ca_pair_done) CaPair pair = {};
        uint64_t expiry_sec, last_sec;
        uint8_t id[CA_KEY_ID_BYTES_MAX];
        size_t id_size = sizeof(id);
        int r;

        r = ca_open_authority(authority, &issuer, &issuer_key);
        if (r < 0)
                return r;

        last_sec = (uint64_t) gnutls_x509_crt_get_expiration_time(issuer);
        if (last_sec <= terms->now_sec)
                return -EKEYEXPIRED;
        expiry_sec = MIN(terms->now_sec + (uint64_t) terms->days * CA_DAY_SEC, last_sec);

        r = make_key(terms->key_type, &key);
        if (r < 0)
                return r;

        r = gnutls_x509_crt_init(&certificate);
        if (r >= 0)
                r = fill_common(certificate, key, terms, expiry_sec);
        if (r >= 0)
                r = fill_leaf(certificate, terms);
        if (r >= 0)
                r = gnutls_x509_crt_get_subject_key_id(issuer, id, &id_size, NULL);
        if (r >= 0)
                r = gnutls_x509_crt_set_authority_key_id(certificate, id, id_size);
        if (r >= 0)
                r = sign(certificate, issuer, issuer_key);
        if (r < 0)
                return ca_library_error(r);

        r = export_certificate(certificate, &pair.certificate);
        if (r >= 0)
                r = export_key(key, &pair.key);
        if (r < 0)
                return r;

        *ret = pair;
        *ret_expiry_sec = expiry_sec;
        pair = (CaPair) {};
        return 0;
}
