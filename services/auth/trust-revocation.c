/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Revocation lists of this host. Where there is a list of an issuer it must be whole, its own, and of today: an
 * outdated one hides what was revoked since, and whoever can keep a new one away would profit. Where there is none,
 * nothing is asked.
 */

#include "services/auth/certificate-internal.h"

#define KEY_ID_BYTES_MAX 128U
#define NSEC_PER_SECOND 1000000000ULL

/* Lists of an issuer of the same name, but of another key of his, are not about this certificate. */
static bool is_of_another_key(gnutls_x509_crl_t crl, gnutls_x509_crt_t issuer) {
        uint8_t of_list[KEY_ID_BYTES_MAX], of_issuer[KEY_ID_BYTES_MAX];
        size_t list_size = sizeof(of_list), issuer_size = sizeof(of_issuer);

        if (gnutls_x509_crl_get_authority_key_id(crl, of_list, &list_size, NULL) < 0 ||
            gnutls_x509_crt_get_subject_key_id(issuer, of_issuer, &issuer_size, NULL) < 0)
                return false;

        return list_size != issuer_size || memcmp(of_list, of_issuer, list_size) != 0;
}

static bool may_sign_lists(gnutls_x509_crt_t issuer) {
        unsigned usage = 0, critical;
        int r;

        r = gnutls_x509_crt_get_key_usage(issuer, &usage, &critical);
        return r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE || (r >= 0 && usage & GNUTLS_KEY_CRL_SIGN);
}

static int check_list(gnutls_x509_crl_t crl, gnutls_x509_crt_t issuer, uint64_t now_realtime_nsec,
                      char text[AUTH_TEXT_BYTES_MAX]) {
        char name[TRUST_SUBJECT_BYTES_MAX], when[TRUST_TIME_BYTES_MAX];
        int64_t now = (int64_t) (now_realtime_nsec / NSEC_PER_SECOND);
        int64_t from = gnutls_x509_crl_get_this_update(crl), until = gnutls_x509_crl_get_next_update(crl);
        int r;

        (void) trust_subject(issuer, name);
        r = trust_check_signature_algorithm(gnutls_x509_crl_get_signature_algorithm(crl), issuer, text);
        if (r < 0)
                return r;

        if (!may_sign_lists(issuer) || !trust_signs_list(issuer, crl))
                return trust_refuse(text, "The revocation list of %s is not signed by it", name);

        if (from == -1 || from > now)
                return trust_refuse(text, "The revocation list of %s is from the future (%s)", name,
                                    trust_time(from, when));
        if (until != -1 && until < now)
                return trust_refuse(text,
                                    "The revocation list of %s is out of date since %s; a new one must be installed",
                                    name, trust_time(until, when));

        return 0;
}

static int refuse_revoked(gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX], issuer[TRUST_SUBJECT_BYTES_MAX];

        return trust_refuse(text, "The certificate of %s was revoked by %s", trust_subject(crt, subject),
                            trust_issuer(crt, issuer));
}

int trust_check_revocation(const Trust *trust, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer,
                           uint64_t now_realtime_nsec, char text[AUTH_TEXT_BYTES_MAX]) {
        for (unsigned i = 0; i < trust->n_revocations; i++) {
                gnutls_x509_crl_t crl = trust->revocations[i];
                int r;

                if (gnutls_x509_crl_check_issuer(crl, issuer) != 1 || is_of_another_key(crl, issuer))
                        continue;

                r = check_list(crl, issuer, now_realtime_nsec, text);
                if (r < 0)
                        return r;

                if (gnutls_x509_crt_check_revocation(crt, &crl, 1) != 0)
                        return refuse_revoked(crt, text);
        }

        return 0;
}

int trust_check_revocation_of_pinned(const Trust *trust, gnutls_x509_crt_t crt, char text[AUTH_TEXT_BYTES_MAX]) {
        if (trust->n_revocations == 0)
                return 0;
        if (gnutls_x509_crt_check_revocation(crt, trust->revocations, trust->n_revocations) != 0)
                return refuse_revoked(crt, text);

        return 0;
}
