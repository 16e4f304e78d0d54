/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * OAP bytes from a stranger. The first byte chooses the length of the request hash; the rest is the message,
 * read as request and as response. What is accepted must survive being written again, byte for byte.
 */

#include "services/common/oap.h"

#define MESSAGE_BYTES_MAX 65536U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
        if (!condition)
                abort();
}

static void check_header(const uint8_t *data, size_t size, size_t hash_size) {
        _cleanup_free_ uint8_t *copy = NULL;
        OapHeader header;
        int r;

        r = oap_header_parse(data, size, hash_size, &header);
        if (r < 0) {
                require(r == -EBADMSG || r == -EPROTO);
                return;
        }

        copy = malloc(size);
        require(copy);
        require(oap_header_pack(&header, copy, size) == (ssize_t) size);
        require(memcmp(copy, data, size) == 0);
        require(oap_header_pack(&header, copy, size - 1) == -ENOBUFS);
}

/* A server: what it accepts, it can answer, and the client that sent it takes the answer. */
static void check_request(const uint8_t *data, size_t size) {
        static const uint8_t token[OAP_TOKEN_BYTES] = { 1 };
        OapRequest request = {};
        OapExtension extension;
        uint8_t response[256];
        OapHeader header;
        uint64_t now = 0;
        ssize_t n;

        for (size_t i = OAP_ID_BYTES; i < OAP_ID_BYTES + 8 && i < size; i++)
                now = now << 8 | data[i];       /* the message's own stamp, so that it is timely */

        if (oap_request_parse(data, size, now, &header, &extension) < 0)
                return;
        require(header.certificate_size == 0 && header.key_exchange_size == 0 && header.signature_size == 0);

        n = oap_response_build(data, size, token, 0, now, response, sizeof(response));
        if (n == -EOPNOTSUPP)
                return;
        require(n > (ssize_t) OAP_HEADER_BYTES);

        memcpy(request.id, header.id, sizeof(request.id));
        n = hash_compute((HashAlgorithm) oap_digest_to_hash(header.digest), data, size, request.hash);
        require(n > 0);
        request.hash_size = (size_t) n;

        n = oap_response_build(data, size, token, 0, now, response, sizeof(response));
        require(oap_response_parse(&request, response, (size_t) n, &header, &extension) == 0);
        require(extension.present && memcmp(extension.token, token, sizeof(token)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        OapRequest request = {};
        OapExtension extension;
        OapHeader header;

        if (size < 1 || size > MESSAGE_BYTES_MAX)
                return 0;

        request.hash_size = data[0] % (HASH_BYTES_MAX + 1);
        data++;
        size--;

        check_header(data, size, 0);
        check_header(data, size, request.hash_size);
        check_request(data, size);
        (void) oap_response_parse(&request, data, size, &header, &extension);
        return 0;
}
