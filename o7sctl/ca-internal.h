/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of ca.h share: GnuTLS's objects, freed as ours are. */

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "o7sctl/ca.h"
#include "o7sctl/file.h"

#define CA_BACKDATE_SEC 3600U
#define CA_DAY_SEC 86400U
#define CA_KEY_ID_BYTES_MAX 64U

static inline void certificate_deinitp(gnutls_x509_crt_t *certificate) {
        if (*certificate)
                gnutls_x509_crt_deinit(*certificate);
}

static inline void key_deinitp(gnutls_x509_privkey_t *key) {
        if (*key)
                gnutls_x509_privkey_deinit(*key);
}

static inline void signer_deinitp(gnutls_privkey_t *signer) {
        if (*signer)
                gnutls_privkey_deinit(*signer);
}

/* What the library gave us, keys among it. */
static inline void datum_wipep(gnutls_datum_t *datum) {
        if (datum->data)
                gnutls_memset(datum->data, 0, datum->size);
        gnutls_free(datum->data);
}

typedef struct Certificates {
        gnutls_x509_crt_t *items;
        unsigned n;
} Certificates;

static inline void ca_certificates_done(Certificates *certificates) {
        for (unsigned i = 0; i < certificates->n; i++)
                gnutls_x509_crt_deinit(certificates->items[i]);
        gnutls_free(certificates->items);
}

/* An errno for what the library says. */
int ca_library_error(int r);

/* PEM from the library as a string of ours. Returns: 0; -ENOMEM. */
int ca_take_text(const gnutls_datum_t *datum, char **ret);

/* Both halves of an authority, which must belong together. Returns: 0; -EBADMSG; -ENOMEM. */
int ca_open_authority(const CaPair *authority, gnutls_x509_crt_t *ret_certificate, gnutls_x509_privkey_t *ret_key);

/* What others wrote comes to a terminal: nothing of it may steer that. */
void ca_clean(char *text);

/* PEM or DER. Returns: 0; -EBADMSG; -E2BIG; -ENOMEM. */
int ca_parse_certificates(const char *data, size_t size, Certificates *ret);
