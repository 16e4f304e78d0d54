/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Revocation lists: made of what the authority knows, and looked at. */

#include "o7sctl/ca-internal.h"

static void list_deinitp(gnutls_x509_crl_t *list) {
        if (*list)
                gnutls_x509_crl_deinit(*list);
}

static int add_revoked(gnutls_x509_crl_t list, const CaRevoked *revoked) {
        uint8_t serial[CA_SERIAL_BYTES];
        size_t n = sizeof(serial);
        gnutls_datum_t text = { (unsigned char *) (uintptr_t) revoked->serial, (unsigned) strlen(revoked->serial) };
        int r;

        r = gnutls_hex_decode(&text, serial, &n);
        if (r < 0)
                return r;

        return gnutls_x509_crl_set_crt_serial(list, serial, n, (time_t) revoked->when_sec);
}

/* Never beyond the authority: nothing that it signed counts then. */
static uint64_t last_day_of(gnutls_x509_crt_t issuer, const CaListTerms *terms) {
        return MIN(terms->now_sec + (uint64_t) terms->days * CA_DAY_SEC,
                   (uint64_t) gnutls_x509_crt_get_expiration_time(issuer));
}

static int fill_list(gnutls_x509_crl_t list, gnutls_x509_crt_t issuer, const CaListTerms *terms) {
        uint64_t number = terms->number, now_sec = terms->now_sec;
        uint8_t id[CA_KEY_ID_BYTES_MAX], digits[8];
        size_t id_size = sizeof(id);
        int r;

        for (unsigned i = 0; i < sizeof(digits); i++)
                digits[i] = (uint8_t) (number >> (56 - 8 * i));
        digits[0] &= 0x7f;

        r = gnutls_x509_crl_set_version(list, 2);
        if (r >= 0)
                r = gnutls_x509_crl_set_this_update(list,
                                                    (time_t) (now_sec - MIN(now_sec, (uint64_t) CA_BACKDATE_SEC)));
        if (r >= 0)
                r = gnutls_x509_crl_set_next_update(list, (time_t) last_day_of(issuer, terms));
        if (r >= 0)
                r = gnutls_x509_crt_get_subject_key_id(issuer, id, &id_size, NULL);
        if (r >= 0)
                r = gnutls_x509_crl_set_authority_key_id(list, id, id_size);
        if (r >= 0)
                r = gnutls_x509_crl_set_number(list, digits, sizeof(digits));

        return r;
}

int ca_make_revocation_list(const CaPair *authority, const CaRevoked *revoked, size_t n, const CaListTerms *terms,
                            char **ret) {
        _cleanup_(certificate_deinitp) gnutls_x509_crt_t issuer = NULL;
        _cleanup_(key_deinitp) gnutls_x509_privkey_t key = NULL;
        _cleanup_(signer_deinitp) gnutls_privkey_t signer = NULL;
        _cleanup_(list_deinitp) gnutls_x509_crl_t list = NULL;
        _cleanup_(datum_wipep) gnutls_datum_t datum = {};
        int r;

        r = ca_open_authority(authority, &issuer, &key);
        if (r < 0)
                return r;
        if ((uint64_t) gnutls_x509_crt_get_expiration_time(issuer) <= terms->now_sec)
                return -EKEYEXPIRED;

        r = gnutls_x509_crl_init(&list);
        if (r >= 0)
                r = fill_list(list, issuer, terms);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_revoked(list, &revoked[i]);
        if (r >= 0)
                r = gnutls_privkey_init(&signer);
        if (r >= 0)
                r = gnutls_privkey_import_x509(signer, key, GNUTLS_PRIVKEY_IMPORT_COPY);
        if (r >= 0)
                r = gnutls_x509_crl_privkey_sign(list, issuer, signer, 0, 0);
        if (r >= 0)
                r = gnutls_x509_crl_export2(list, GNUTLS_X509_FMT_PEM, &datum);

        return r < 0 ? ca_library_error(r) : ca_take_text(&datum, ret);
}

static bool list_has(gnutls_x509_crl_t list, const char *serial) {
        int n = gnutls_x509_crl_get_crt_count(list);

        for (int i = 0; i < n; i++) {
                uint8_t bytes[64];
                size_t size = sizeof(bytes);
                char text[2 * sizeof(bytes) + 1];
                time_t when;

                if (gnutls_x509_crl_get_crt_serial(list, (unsigned) i, bytes, &size, &when) < 0)
                        continue;
                if (streq(hex_encode(text, bytes, size), serial))
                        return true;
        }

        return false;
}

int ca_is_revoked(const char *text, const CaPair *authority, const char *serial) {
        _cleanup_(ca_certificates_done) Certificates certificates = {};
        _cleanup_(list_deinitp) gnutls_x509_crl_t list = NULL;
        gnutls_datum_t datum = { (unsigned char *) (uintptr_t) text, (unsigned) strlen(text) };
        /* Whose it is does not depend on the time. GNUTLS_CERT_INVALID comes with each of the others. */
        const unsigned time_problems = GNUTLS_CERT_INVALID | GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE |
                                       GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED;
        unsigned problems = 0;
        int r;

        r = ca_parse_certificates(authority->certificate, strlen(authority->certificate), &certificates);
        if (r < 0)
                return r;

        if (gnutls_x509_crl_init(&list) < 0)
                return -ENOMEM;
        if (gnutls_x509_crl_import(list, &datum, GNUTLS_X509_FMT_PEM) < 0 ||
            gnutls_x509_crl_verify(list, certificates.items, 1, 0, &problems) < 0 || (problems & ~time_problems) != 0)
                return -EBADMSG;

        return list_has(list, serial);
}

int ca_read_list(const char *text, CaList *ret) {
        _cleanup_(list_deinitp) gnutls_x509_crl_t list = NULL;
        gnutls_datum_t datum = { (unsigned char *) (uintptr_t) text, (unsigned) strlen(text) };
        size_t size = sizeof(ret->issuer);
        CaList read = {};
        time_t since, until;
        int n;

        if (gnutls_x509_crl_init(&list) < 0)
                return -ENOMEM;
        if (gnutls_x509_crl_import(list, &datum, GNUTLS_X509_FMT_PEM) < 0)
                return -EBADMSG;

        if (gnutls_x509_crl_get_issuer_dn_by_oid(list, GNUTLS_OID_X520_COMMON_NAME, 0, 0, read.issuer, &size) < 0)
                read.issuer[0] = '\0';
        ca_clean(read.issuer);

        until = gnutls_x509_crl_get_next_update(list);
        since = gnutls_x509_crl_get_this_update(list);
        read.expiry_sec = until > 0 ? (uint64_t) until : 0;
        if (since >= 0 && until > since)
                read.days = (unsigned) MIN((uint64_t) (until - since) / CA_DAY_SEC, (uint64_t) UINT_MAX);
        n = gnutls_x509_crl_get_crt_count(list);
        read.n_revoked = (unsigned) MAX(n, 0);
        *ret = read;
        return 0;
}
