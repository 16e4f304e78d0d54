/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Certificates and keys that are there already: files may hold anything. */

#include <gnutls/crypto.h>

#include "o7sctl/ca-internal.h"

static void public_deinitp(gnutls_pubkey_t *key) {
        if (*key)
                gnutls_pubkey_deinit(*key);
}

static void datum_freep(gnutls_datum_t *datum) {
        gnutls_free(datum->data);
}

int ca_parse_certificates(const char *data, size_t size, Certificates *ret) {
        gnutls_datum_t text = { (unsigned char *) (uintptr_t) data, (unsigned) size };
        bool pem = memmem(data, size, "-----BEGIN ", STRLEN("-----BEGIN ")) != NULL;
        Certificates certificates = {};
        int r;

        if (size == 0)
                return -EBADMSG;
        if (size > CA_PEM_BYTES_MAX)
                return -E2BIG;

        /* GnuTLS passes over blocks of other kinds; a private key among them would be shown to everybody. */
        if (pem && memmem(data, size, "PRIVATE KEY-----", STRLEN("PRIVATE KEY-----")))
                return -EBADMSG;

        r = gnutls_x509_crt_list_import2(&certificates.items, &certificates.n, &text,
                                         pem ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER, 0);
        if (r == GNUTLS_E_MEMORY_ERROR)
                return -ENOMEM;
        if (r < 0)
                return -EBADMSG;
        if (certificates.n == 0 || certificates.n > CA_CERTIFICATES_MAX) {
                r = certificates.n == 0 ? -EBADMSG : -E2BIG;
                ca_certificates_done(&certificates);
                return r;
        }

        *ret = certificates;
        return 0;
}

void ca_clean(char *text) {
        utf8_mend(text);
        for (char *p = text; *p; p++) {
                unsigned char byte = (unsigned char) p[0], next = (unsigned char) p[1];

                if (byte < 0x20 || byte == 0x7f)
                        p[0] = '?';
                if (byte == 0xc2 && next >= 0x80 && next < 0xa0)        /* C1, as terminals know them too */
                        p[0] = p[1] = '?';
        }
}

/* Keeps what is longer short rather than failing: it is only shown. */
static void read_common_name(gnutls_x509_crt_t certificate, bool issuer, char ret[CA_SUBJECT_BYTES_MAX]) {
        size_t size = CA_SUBJECT_BYTES_MAX;
        int r;

        r = issuer ? gnutls_x509_crt_get_issuer_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, ret, &size)
                   : gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, ret, &size);
        if (r < 0)
                ret[0] = '\0';
        ca_clean(ret);
}

/* The o7s name if there is one, else the first other, else the CN. */
static void read_subject(gnutls_x509_crt_t certificate, char ret[CA_SUBJECT_BYTES_MAX]) {
        char name[CA_SUBJECT_BYTES_MAX];
        bool found = false;

        for (unsigned i = 0; i < CA_CERTIFICATES_MAX; i++) {
                size_t size = sizeof(name) - 1;
                int kind;

                kind = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &size, NULL);
                if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        break;
                if (kind != GNUTLS_SAN_URI && kind != GNUTLS_SAN_DNSNAME)
                        continue;

                name[MIN(size, sizeof(name) - 1)] = '\0';
                if (kind == GNUTLS_SAN_URI && startswith(name, CA_NAME_URI_PREFIX)) {
                        (void) copy_string(ret, CA_SUBJECT_BYTES_MAX, name + STRLEN(CA_NAME_URI_PREFIX));
                        ca_clean(ret);
                        return;
                }
                if (!found)
                        (void) copy_string(ret, CA_SUBJECT_BYTES_MAX, name);
                found = true;
        }

        if (found)
                ca_clean(ret);
        else
                read_common_name(certificate, false, ret);
}

static void read_purposes(gnutls_x509_crt_t certificate, CaCertificate *ret) {
        char oid[128];
        unsigned i;

        for (i = 0; i < 32; i++) {
                size_t size = sizeof(oid);

                if (gnutls_x509_crt_get_key_purpose_oid(certificate, i, oid, &size, NULL) < 0)
                        break;
                ret->server |= streq(oid, GNUTLS_KP_TLS_WWW_SERVER) || streq(oid, GNUTLS_KP_ANY);
                ret->client |= streq(oid, GNUTLS_KP_TLS_WWW_CLIENT) || streq(oid, GNUTLS_KP_ANY);
        }

        if (i == 0)
                ret->server = ret->client = true;
}

static bool has_extension(gnutls_x509_crt_t certificate, const char *oid) {
        char value[64];
        size_t size = sizeof(value);

        return gnutls_x509_crt_get_extension_by_oid(certificate, oid, 0, value, &size, NULL) >= 0;
}

/* SHA-256 over the SubjectPublicKeyInfo. */
static int read_pin(gnutls_x509_crt_t certificate, char ret[STRLEN("sha256:") + 64 + 1]) {
        _cleanup_(public_deinitp) gnutls_pubkey_t key = NULL;
        _cleanup_(datum_freep) gnutls_datum_t der = {};
        uint8_t digest[32];
        int r;

        r = gnutls_pubkey_init(&key);
        if (r >= 0)
                r = gnutls_pubkey_import_x509(key, certificate, 0);
        if (r >= 0)
                r = gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);
        if (r >= 0)
                r = gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, digest);
        if (r < 0)
                return -EBADMSG;

        memcpy(ret, "sha256:", STRLEN("sha256:"));
        (void) hex_encode(ret + STRLEN("sha256:"), digest, sizeof(digest));
        return 0;
}

static int read_one(gnutls_x509_crt_t certificate, CaCertificate *ret) {
        uint8_t serial[(sizeof(ret->serial) - 1) / 2];
        size_t size = sizeof(serial);
        time_t from, expiry;
        int algorithm;

        algorithm = gnutls_x509_crt_get_pk_algorithm(certificate, NULL);
        *ret = (CaCertificate) { .key = strempty(gnutls_pk_get_name((gnutls_pk_algorithm_t) algorithm)) };

        from = gnutls_x509_crt_get_activation_time(certificate);
        expiry = gnutls_x509_crt_get_expiration_time(certificate);
        if (from == (time_t) -1 || expiry == (time_t) -1 || gnutls_x509_crt_get_serial(certificate, serial, &size) < 0)
                return -EBADMSG;

        ret->from_sec = from < 0 ? 0 : (uint64_t) from;
        ret->expiry_sec = expiry < 0 ? 0 : (uint64_t) expiry;
        (void) hex_encode(ret->serial, serial, size);
        read_subject(certificate, ret->subject);
        read_common_name(certificate, true, ret->issuer);
        read_purposes(certificate, ret);
        ret->authority = gnutls_x509_crt_get_ca_status(certificate, NULL) > 0;
        ret->promises_o7s = has_extension(certificate, CA_OID_PROMISES_O7S);
        return read_pin(certificate, ret->pin);
}

int ca_read_certificates(const char *data, size_t size, CaCertificate **ret) {
        _cleanup_(ca_certificates_done) Certificates certificates = {};
        _cleanup_free_ CaCertificate *items = NULL;
        int r;

        r = ca_parse_certificates(data, size, &certificates);
        if (r < 0)
                return r;

        items = calloc(certificates.n, sizeof(*items));
        if (!items)
                return -ENOMEM;

        for (unsigned i = 0; i < certificates.n; i++) {
                r = read_one(certificates.items[i], &items[i]);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(items);
        return (int) certificates.n;
}

int ca_check_pair(const CaPair *pair) {
        _cleanup_(ca_certificates_done) Certificates certificates = {};
        _cleanup_(key_deinitp) gnutls_x509_privkey_t key = NULL;
        gnutls_datum_t text = { (unsigned char *) pair->key, (unsigned) strlen(pair->key) };
        uint8_t ours[64], theirs[64];
        size_t ours_size = sizeof(ours), theirs_size = sizeof(theirs);
        int r;

        r = ca_parse_certificates(pair->certificate, strlen(pair->certificate), &certificates);
        if (r < 0)
                return r;

        if (gnutls_x509_privkey_init(&key) < 0)
                return -ENOMEM;
        if (gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0) < 0 ||
            gnutls_x509_privkey_get_key_id(key, 0, ours, &ours_size) < 0)
                return -ENOKEY;
        if (gnutls_x509_crt_get_key_id(certificates.items[0], 0, theirs, &theirs_size) < 0)
                return -EBADMSG;

        return ours_size == theirs_size && memcmp(ours, theirs, ours_size) == 0 ? 0 : -EKEYREJECTED;
}
