/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The folder's part about certificates, in the order in which one of a peer is looked at:
 *
 *   certificate.c           from bytes to an object, once; what two readers could read in two ways is not read at all
 *   certificate-name.c      its names
 *   certificate-sign.c      whether a signature is its
 *   trust.c pem.c           anchors, intermediates and revocation lists of this host
 *   trust-name.c            is it the name that was called? is the peer allowed? is its key one of the pinned?
 *   trust-rule.c            what is asked of each single certificate: time, strength, purpose, extensions
 *   trust-chain.c           from the leaf to an anchor
 *   trust-revocation.c      nobody on the way was revoked
 *   credentials*.c          all of this in files
 *
 * A peer's bytes decide neither how much stack nor, but for the copy that GnuTLS makes, how much memory is used. That
 * GnuTLS accepts a certificate means little here: each rule is checked by name.
 */

#include "services/auth/certificate-internal.h"
#include "services/common/der.h"

#define PROMISE "1.3.6.1.4.1.59999.7.1"
#define OBJECT_TEXT_BYTES_MAX 128U

int certificate_error(int gnutls_result) {
        return gnutls_result == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
}

Certificate *certificate_free(Certificate *certificate) {
        if (!certificate)
                return NULL;

        if (certificate->crt)
                gnutls_x509_crt_deinit(certificate->crt);
        if (certificate->key)
                gnutls_pubkey_deinit(certificate->key);
        for (unsigned i = 0; i < certificate->n_names; i++)
                free(certificate->names[i].text);
        free(certificate->names);
        free(certificate->common_name.text);
        return mfree(certificate);
}

/* Two extensions of one kind: whoever reads the first and whoever reads the last see two certificates. */
static int check_extensions(Certificate *certificate) {
        char seen[CERTIFICATE_EXTENSIONS_MAX][OBJECT_TEXT_BYTES_MAX];

        for (unsigned i = 0;; i++) {
                char object[OBJECT_TEXT_BYTES_MAX];
                size_t size = sizeof(object);
                unsigned critical;
                int r;

                r = gnutls_x509_crt_get_extension_info(certificate->crt, i, object, &size, &critical);
                if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                        return 0;
                if (r < 0)
                        return certificate_error(r);
                if (i == CERTIFICATE_EXTENSIONS_MAX)
                        return -EBADMSG;

                for (unsigned k = 0; k < i; k++)
                        if (streq(seen[k], object))
                                return -EBADMSG;
                memcpy(seen[i], object, sizeof(object));
                certificate->promises_o7s = certificate->promises_o7s || (streq(object, PROMISE) && !critical);
        }
}

static int import_key(Certificate *certificate) {
        int r;

        r = gnutls_pubkey_init(&certificate->key);
        if (r < 0)
                return certificate_error(r);

        r = gnutls_pubkey_import_x509(certificate->key, certificate->crt, 0);
        return r < 0 ? certificate_error(r) : 0;
}

static int import_times(Certificate *certificate) {
        certificate->not_before = gnutls_x509_crt_get_activation_time(certificate->crt);
        certificate->not_after = gnutls_x509_crt_get_expiration_time(certificate->crt);

        return certificate->not_before == (time_t) -1 || certificate->not_after == (time_t) -1 ? -EBADMSG : 0;
}

int certificate_parse(const void *der, size_t size, Certificate **ret) {
        _cleanup_(certificate_freep) Certificate *certificate = NULL;
        gnutls_datum_t datum = { .data = (uint8_t *) (uintptr_t) der, .size = (unsigned) size };        /* only read */
        int r;

        assert(der || size == 0);
        assert(ret);

        if (size == 0 || size > CERTIFICATE_BYTES_MAX || !der_is_one(der, size, DER_SEQUENCE))
                return -EBADMSG;

        certificate = calloc(1, sizeof(*certificate));
        if (!certificate)
                return -ENOMEM;

        r = gnutls_x509_crt_init(&certificate->crt);
        if (r < 0)
                return certificate_error(r);

        r = gnutls_x509_crt_import(certificate->crt, &datum, GNUTLS_X509_FMT_DER);
        if (r < 0)
                return certificate_error(r);

        r = check_extensions(certificate);
        if (r < 0)
                return r;

        r = import_times(certificate);
        if (r < 0)
                return r;

        r = import_key(certificate);
        if (r < 0)
                return r;

        r = certificate_read_names(certificate);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(certificate);
        return 0;
}

bool certificate_promises_o7s(const Certificate *certificate) {
        return certificate->promises_o7s;
}

uint64_t certificate_expiry_usec(const Certificate *certificate) {
        return certificate->not_after > 0 ? (uint64_t) certificate->not_after * 1000 * 1000 : 0;
}
