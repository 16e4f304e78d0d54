/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is signed. Whoever has taken over o7s-auth can ask for signatures: he gets only such as o7s-auth could have
 * had, for handshakes of now, in the name of a certificate of just this key. So a signature is of no use in another
 * protocol, nor later:
 *
 *   the bytes are written here, from parts; read back they must be one message without a signature
 *   the certificate in it has this very public key (found with a few steps through its DER: no parser of certificates
 *   runs here) the time in it is that of this host's clock
 *   data is nothing, or the o7s extension; the request's hash is one, or there is none
 *   the digest is one that goes with the key
 */

#include "services/common/der.h"
#include "services/common/oap-signature.h"
#include "services/keyd/key.h"

#define STAMP_TOLERANCE_NSEC (60ULL * 1000 * 1000 * 1000)
#define VERSION_TAG DER_CONTEXT_CONSTRUCTED(0)

/* Certificate ::= SEQUENCE { SEQUENCE { [0] version, serial, algorithm, issuer, validity, subject, key, ... }, ... } */
static bool certificate_is_of(const OapHeader *header, const Key *key) {
        Cursor c = cursor_from(header->certificate, header->certificate_size), outer, inner;
        DerElement element;

        outer = der_enter(&c, DER_SEQUENCE);
        inner = der_enter(&outer, DER_SEQUENCE);
        element = der_next(&inner);
        if (element.tag == VERSION_TAG)
                element = der_next(&inner);             /* the serial number */
        if (element.tag != DER_INTEGER)
                return false;

        for (unsigned i = 0; i < 5; i++)
                element = der_next(&inner);

        return !c.bad && c.left == 0 && !outer.bad && !inner.bad && element.tag == DER_SEQUENCE &&
               element.whole_size == key->public_size && memcmp(element.whole, key->public_key, key->public_size) == 0;
}

static bool hash_size_is_possible(size_t size) {
        return size == 0 || size == 32 || size == 48 || size == 64;
}

static bool data_is_extension(const OapHeader *header) {
        OapExtension extension = {};

        if (header->data_size == 0)
                return true;

        return oap_extension_parse(header->data, header->data_size, header->request_hash_size > 0, &extension) == 0 &&
               extension.present;
}

static bool stamp_is_now(uint64_t stamp, uint64_t now) {
        return (stamp > now ? stamp - now : now - stamp) <= STAMP_TOLERANCE_NSEC;
}

static int check_header(const Key *key, const OapHeader *header, uint64_t now_realtime_nsec,
                        char text[KEY_TEXT_BYTES_MAX]) {
        if (header->signature_size > 0)
                return key_fail(text, -EBADMSG, "What is to be signed has a signature already");
        if (!certificate_is_of(header, key))
                return key_fail(text, -EKEYREJECTED,
                                "The certificate in the handshake is not that of the private key %s", key->name);
        if (!hash_size_is_possible(header->request_hash_size))
                return key_fail(text, -EBADMSG, "What is to be signed has a request hash of %zu bytes",
                                header->request_hash_size);
        if (!data_is_extension(header))
                return key_fail(text, -EBADMSG, "What is to be signed carries data that are not the o7s extension");
        if (!stamp_is_now(header->timestamp, now_realtime_nsec))
                return key_fail(text, -EBADMSG, "What is to be signed is not of now");

        return 0;
}

/* The whole message without its signature. The caller frees it. */
static int write_message(const OapHeader *header, uint8_t **ret, size_t *ret_size, char text[KEY_TEXT_BYTES_MAX]) {
        _cleanup_free_ uint8_t *buffer = NULL;
        OapHeader again;
        ssize_t n;
        int r;

        buffer = malloc(KEY_MESSAGE_BYTES_MAX);
        if (!buffer)
                return key_fail(text, -ENOMEM, "There is no memory for a signature");

        n = oap_header_pack(header, buffer, KEY_MESSAGE_BYTES_MAX);
        if (n < 0)
                return key_fail(text, -EBADMSG, "What is to be signed is too long for a handshake");

        r = oap_header_parse(buffer, (size_t) n, header->request_hash_size, &again);
        if (r < 0 || again.signature_size > 0)
                return key_fail(text, -EBADMSG, "What is to be signed is no handshake");

        *ret = TAKE_PTR(buffer);
        *ret_size = (size_t) n;
        return 0;
}

static int sign(const Key *key, int algorithm, const uint8_t *message, size_t size,
                uint8_t ret[KEY_SIGNATURE_BYTES_MAX], size_t *ret_size, char text[KEY_TEXT_BYTES_MAX]) {
        /* data is only read */
        gnutls_datum_t data = { .data = (uint8_t *) (uintptr_t) message, .size = (unsigned) size }, signature = {};
        int r;

        token_begin(key);
        r = gnutls_privkey_sign_data2(key->private_key, (gnutls_sign_algorithm_t) algorithm, 0, &data, &signature);
        token_end(key);
        key_memory_wipe_stack();
        if (r < 0 && key_is_on_token(key))
                return token_fail(key, r, text);
        if (r < 0)
                return key_fail(text, r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EOPNOTSUPP,
                                "The private key %s does not sign: %s", key->name, gnutls_strerror(r));

        if (signature.size > KEY_SIGNATURE_BYTES_MAX) {
                gnutls_free(signature.data);
                return key_fail(text, -EOPNOTSUPP, "The signature of %s is too long", key->name);
        }

        memcpy(ret, signature.data, signature.size);
        *ret_size = signature.size;
        gnutls_free(signature.data);
        return 0;
}

int key_sign(const Key *key, const OapHeader *header, uint64_t now_realtime_nsec, uint8_t ret[KEY_SIGNATURE_BYTES_MAX],
             size_t *ret_size, char text[KEY_TEXT_BYTES_MAX]) {
        _cleanup_free_ uint8_t *message = NULL;
        int algorithm, r;
        size_t size = 0;

        r = check_header(key, header, now_realtime_nsec, text);
        if (r < 0)
                return r;

        r = write_message(header, &message, &size, text);
        if (r < 0)
                return r;

        algorithm = oap_signature_algorithm(key->algorithm, header->digest);
        if (algorithm < 0)
                return key_fail(text, algorithm, "The private key %s does not sign with the digest %u", key->name,
                                header->digest);

        return sign(key, algorithm, message, size, ret, ret_size, text);
}
