/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of certificates and of revocation lists: PEM, any number of blocks with text around them, or DER, one behind
 * the other. A block of another kind makes the file bad: half of a file is not what somebody meant who put it there.
 */

#include "basic/string.h"
#include "services/auth/certificate-internal.h"
#include "services/common/der.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

static const uint8_t *find(const uint8_t *from, const uint8_t *end, const char *text) {
        return memmem(from, (size_t) (end - from), text, strlen(text));
}

static const char *label_at(const uint8_t *p, const uint8_t *end, const char *const *labels, size_t n_labels) {
        for (size_t i = 0; i < n_labels; i++) {
                size_t length = strlen(labels[i]);

                if ((size_t) (end - p) >= length + STRLEN(DASHES) && memcmp(p, labels[i], length) == 0 &&
                    memcmp(p + length, DASHES, STRLEN(DASHES)) == 0)
                        return labels[i];
        }

        return NULL;
}

/* block: from "-----BEGIN" to behind "-----END". */
static int decode(const uint8_t *block, size_t size, const char *label, pem_found_t found, void *userdata) {
        /* text is only read */
        gnutls_datum_t text = { .data = (uint8_t *) (uintptr_t) block, .size = (unsigned) size }, der = {};
        int r;

        r = gnutls_pem_base64_decode2(label, &text, &der);
        if (r < 0)
                return certificate_error(r);

        r = found(userdata, der.data, der.size);
        gnutls_free(der.data);
        return r;
}

static int each_block(const uint8_t *data, size_t size, const char *const *labels, size_t n_labels, pem_found_t found,
                      void *userdata) {
        const uint8_t *end = data + size, *begin;
        int n = 0;

        for (const uint8_t *p = data; (begin = find(p, end, BEGIN)); n++) {
                const char *label = label_at(begin + STRLEN(BEGIN), end, labels, n_labels);
                const uint8_t *last, *next = find(begin + 1, end, BEGIN);
                int r;

                last = label ? find(begin, next ? next : end, END) : NULL;
                if (!last || label_at(last + STRLEN(END), end, labels, n_labels) != label)
                        return -EBADMSG;

                p = last + STRLEN(END) + strlen(label) + STRLEN(DASHES);
                r = decode(begin, (size_t) (p - begin), label, found, userdata);
                if (r < 0)
                        return r;
        }

        return n > 0 ? n : -EBADMSG;
}

static int each_sequence(const uint8_t *data, size_t size, pem_found_t found, void *userdata) {
        Cursor c = cursor_from(data, size);
        int n = 0;

        for (; c.left > 0; n++) {
                DerElement element = der_next(&c);
                int r;

                if (c.bad || element.tag != DER_SEQUENCE)
                        return -EBADMSG;

                r = found(userdata, element.whole, element.whole_size);
                if (r < 0)
                        return r;
        }

        return n > 0 ? n : -EBADMSG;
}

int pem_each(const void *data, size_t size, const char *const *labels, size_t n_labels, pem_found_t found,
             void *userdata) {
        if (size == 0 || size > INT32_MAX)
                return -EBADMSG;
        if (find(data, (const uint8_t *) data + size, BEGIN))
                return each_block(data, size, labels, n_labels, found, userdata);

        return each_sequence(data, size, found, userdata);
}

int pem_each_certificate(const void *data, size_t size, pem_found_t found, void *userdata) {
        static const char *const labels[] = { "CERTIFICATE", "X509 CERTIFICATE" };

        return pem_each(data, size, labels, ELEMENTSOF(labels), found, userdata);
}
