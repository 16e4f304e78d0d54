/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What this host trusts: three lists, and the verdict over a certificate. The checks run from the cheap to the
 * expensive, and all must hold; who the peer is comes out only at the end. Where to read on: certificate.c.
 */

#include "services/auth/certificate-internal.h"

#define CERTIFICATES_MAX 4096U          /* of each list */
#define REVOCATIONS_MAX 1024U

int trust_new(Trust **ret) {
        Trust *trust;

        trust = calloc(1, sizeof(*trust));
        if (!trust)
                return -ENOMEM;

        trust->n_references = 1;
        *ret = trust;
        return 0;
}

Trust *trust_ref(const Trust *trust) {
        Trust *counted = (Trust *) (uintptr_t) trust;           /* the number of references is no part of what it
                                                                 * says */

        if (counted)
                counted->n_references++;
        return counted;
}

Trust *trust_free(Trust *trust) {
        if (!trust || --trust->n_references > 0)
                return NULL;

        for (unsigned i = 0; i < trust->n_anchors; i++)
                gnutls_x509_crt_deinit(trust->anchors[i]);
        for (unsigned i = 0; i < trust->n_intermediates; i++)
                gnutls_x509_crt_deinit(trust->intermediates[i]);
        for (unsigned i = 0; i < trust->n_revocations; i++)
                gnutls_x509_crl_deinit(trust->revocations[i]);

        free(trust->anchors);
        free(trust->intermediates);
        free(trust->revocations);
        return mfree(trust);
}

unsigned trust_n_anchors(const Trust *trust) {
        return trust->n_anchors;
}

/* -- what is put in -- */

typedef struct CertificateList {
        gnutls_x509_crt_t **items;
        unsigned *n;
} CertificateList;

static int add_certificate(void *userdata, const uint8_t *der, size_t size) {
        CertificateList *list = userdata;
        gnutls_datum_t datum = { .data = (uint8_t *) (uintptr_t) der, .size = (unsigned) size };        /* only read */
        gnutls_x509_crt_t *items, crt;
        int r;

        if (*list->n == CERTIFICATES_MAX)
                return -E2BIG;

        items = reallocarray(*list->items, *list->n + 1, sizeof(crt));
        if (!items)
                return -ENOMEM;
        *list->items = items;

        r = gnutls_x509_crt_init(&crt);
        if (r < 0)
                return certificate_error(r);

        r = gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER);
        if (r < 0) {
                gnutls_x509_crt_deinit(crt);
                return certificate_error(r);
        }

        items[(*list->n)++] = crt;
        return 0;
}

/* kind: what it is added as. */
static int note_content(Trust *trust, uint8_t kind, const void *data, size_t size) {
        uint8_t key[TRUST_CONTENT_BYTES + 1];

        memcpy(key, trust->content, TRUST_CONTENT_BYTES);
        key[TRUST_CONTENT_BYTES] = kind;
        return hash_hmac(key, sizeof(key), data, size, trust->content);
}

void trust_content(const Trust *trust, uint8_t ret[TRUST_CONTENT_BYTES]) {
        memset(ret, 0, TRUST_CONTENT_BYTES);
        if (trust)
                memcpy(ret, trust->content, TRUST_CONTENT_BYTES);
}

int trust_add_anchors(Trust *trust, const void *data, size_t size) {
        CertificateList list = { &trust->anchors, &trust->n_anchors };
        int r;

        r = note_content(trust, 'a', data, size);
        if (r < 0)
                return r;

        r = pem_each_certificate(data, size, add_certificate, &list);
        return MIN(r, 0);
}

int trust_add_intermediates(Trust *trust, const void *data, size_t size) {
        CertificateList list = { &trust->intermediates, &trust->n_intermediates };
        int r;

        r = note_content(trust, 'i', data, size);
        if (r < 0)
                return r;

        r = pem_each_certificate(data, size, add_certificate, &list);
        return MIN(r, 0);
}

/* A critical extension changes what the list is about (a part of it, other issuers): such a list would be misread. */
static bool list_is_plain(gnutls_x509_crl_t crl) {
        for (unsigned i = 0;; i++) {
                char object[128];
                size_t size = sizeof(object);
                unsigned critical = 0;
                int r;

                r = gnutls_x509_crl_get_extension_info(crl, i, object, &size, &critical);
                if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return true;
                if (r < 0 || critical)
                        return false;
        }
}

static int add_revocations(void *userdata, const uint8_t *der, size_t size) {
        Trust *trust = userdata;
        gnutls_datum_t datum = { .data = (uint8_t *) (uintptr_t) der, .size = (unsigned) size };        /* only read */
        gnutls_x509_crl_t *items, crl;
        int r;

        if (trust->n_revocations == REVOCATIONS_MAX)
                return -E2BIG;

        items = reallocarray(trust->revocations, trust->n_revocations + 1, sizeof(crl));
        if (!items)
                return -ENOMEM;
        trust->revocations = items;

        r = gnutls_x509_crl_init(&crl);
        if (r < 0)
                return certificate_error(r);

        r = gnutls_x509_crl_import(crl, &datum, GNUTLS_X509_FMT_DER);
        if (r < 0 || !list_is_plain(crl)) {
                gnutls_x509_crl_deinit(crl);
                return certificate_error(r);
        }

        items[trust->n_revocations++] = crl;
        return 0;
}

int trust_add_revocations(Trust *trust, const void *data, size_t size) {
        static const char *const labels[] = { "X509 CRL" };
        int r;

        r = note_content(trust, 'r', data, size);
        if (r < 0)
                return r;

        r = pem_each(data, size, labels, ELEMENTSOF(labels), add_revocations, trust);
        return MIN(r, 0);
}

/* -- the verdict -- */

/* With pins, one of them must be the peer's. Returns: 1: it is; 0: there are no pins; -EKEYREJECTED. */
static int check_pins(const Certificate *certificate, const SecurityPolicy *policy, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX], pin[STRLEN("sha256:") + 2 * 32 + 1] = "sha256:";
        uint8_t digest[32];
        size_t size = sizeof(digest);

        if (policy->pins.n == 0)
                return 0;

        if (gnutls_x509_crt_get_key_id(certificate->crt, GNUTLS_KEYID_USE_SHA256, digest, &size) < 0 ||
            size != sizeof(digest))
                return trust_refuse(text, "The public key of the peer's certificate cannot be read");
        hex_encode(pin + STRLEN("sha256:"), digest, size);

        for (size_t i = 0; i < policy->pins.n; i++)
                if (strcasecmp(policy->pins.items[i], pin) == 0)
                        return 1;

        return trust_refuse(
                text, "The public key in the certificate of %s is none of those that are pinned; it would be Pin=%s",
                trust_subject(certificate->crt, subject), pin);
}

static int check_proof(const Trust *trust, const Certificate *certificate, const Expectation *expected,
                       const Identity *identity, char text[AUTH_TEXT_BYTES_MAX]) {
        char subject[TRUST_SUBJECT_BYTES_MAX];
        int r;

        r = check_pins(certificate, expected->policy, text);
        if (r < 0)
                return r;
        if (r > 0)
                return trust ? trust_check_revocation_of_pinned(trust, certificate->crt, text) : 0;

        if (!trust || trust->n_anchors == 0)
                return trust_refuse(
                        text,
                        "There is neither a trust anchor nor a pin by which the certificate of %s could be checked",
                        trust_subject(certificate->crt, subject));

        r = trust_check_leaf(certificate->crt, expected->server, text);
        if (r < 0)
                return r;

        return trust_check_chain(trust, certificate, expected, identity, text);
}

int trust_verify(const Trust *trust, const Certificate *certificate, const Expectation *expected,
                 char ret_identity[AUTH_IDENTITY_BYTES_MAX], char text[AUTH_TEXT_BYTES_MAX]) {
        char reason[AUTH_TEXT_BYTES_MAX] = "";
        const Identity *identity;
        int r, may;

        assert(certificate);
        assert(expected);
        assert(expected->policy);

        r = trust_check_time(certificate->crt, expected->now_realtime_nsec, text);
        if (r < 0)
                return r;

        r = trust_check_key(certificate->crt, text);
        if (r < 0)
                return r;

        r = trust_check_extensions(certificate->crt, false, text);
        if (r < 0)
                return r;

        may = trust_check_names(certificate, expected, &identity, reason);
        if (may < 0 && may != -EACCES) {
                (void) copy_string(text, AUTH_TEXT_BYTES_MAX, reason);
                return may;
        }

        r = check_proof(trust, certificate, expected, identity, text);
        if (r < 0)
                return r;

        (void) copy_string(ret_identity, AUTH_IDENTITY_BYTES_MAX, identity->text);
        utf8_mend(ret_identity);        /* one that is denied may be too long, and cut in a character */
        if (may < 0) {
                (void) copy_string(text, AUTH_TEXT_BYTES_MAX, reason);
                return -EKEYREJECTED;
        }

        return 0;
}
