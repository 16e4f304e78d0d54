/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A plain allocation, from both sides: request and response, each built and checked next to the other. Who
 * is asked knows a request by its id and refuses it when its time stamp is old; who asked knows the answer
 * by the digest of its own request in it.
 *
 *   request   36 + data     id, stamp, all else zero
 *   response  84 + data     the same id, another stamp, all else zero, digest of the request
 */

#include <gnutls/gnutls.h>

#include "services/common/oap.h"

#define EXTENSION_BYTES_MAX 64U

ssize_t oap_request_build(const uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES], uint64_t now_realtime_nsec,
                          uint32_t wishes, const OapRequest *replaced, void *buffer, size_t size, OapRequest *ret) {
        OapExtension extension = {
                .capabilities = OAP_CAPABILITIES_OF_HOST | wishes,
                .have_token = true,
                .have_replaced = replaced,
        };
        uint8_t data[EXTENSION_BYTES_MAX];
        OapHeader header = { .data = data };
        OapRequest request = {};
        ssize_t n, hash_bytes;

        assert(random);
        assert((wishes & ~OAP_CAPABILITIES_OF_FLOW) == 0);
        assert(ret);

        memcpy(request.id, random, OAP_ID_BYTES);
        memcpy(request.token, random + OAP_ID_BYTES, OAP_TOKEN_BYTES);
        memcpy(extension.token, request.token, OAP_TOKEN_BYTES);
        if (replaced)
                memcpy(extension.replaced, replaced->id, OAP_ID_BYTES);

        n = oap_extension_pack(&extension, false, data, sizeof(data));
        if (n < 0)
                return n;

        /* Backdated, since the other side hardly tolerates stamps from its future and clocks differ. */
        memcpy(header.id, request.id, OAP_ID_BYTES);
        header.timestamp = now_realtime_nsec > OAP_BACKDATE_NSEC ? now_realtime_nsec - OAP_BACKDATE_NSEC : 0;
        header.data_size = (size_t) n;

        n = oap_header_pack(&header, buffer, size);
        if (n < 0)
                return n;

        hash_bytes = hash_compute(HASH_SHA384, buffer, (size_t) n, request.hash);
        if (hash_bytes < 0)
                return hash_bytes;
        request.hash_size = (size_t) hash_bytes;

        *ret = request;
        return n;
}

/* Without arithmetic that a hostile stamp could wrap. */
bool oap_stamp_is_timely(uint64_t stamp, uint64_t now) {
        return stamp <= now ? now - stamp <= OAP_WINDOW_PAST_NSEC : stamp - now <= OAP_WINDOW_FUTURE_NSEC;
}

int oap_request_parse(const void *data, size_t size, uint64_t now_realtime_nsec, OapHeader *ret_header,
                      OapExtension *ret_extension) {
        OapExtension extension = {};
        OapHeader header;
        int r;

        assert(ret_header);
        assert(ret_extension);

        r = oap_header_parse(data, size, 0, &header);
        if (r < 0)
                return r;
        if (!oap_stamp_is_timely(header.timestamp, now_realtime_nsec))
                return -ETIME;
        if (header.certificate_size > 0 || header.key_exchange_size > 0)
                return -EOPNOTSUPP;

        /* The answer would carry this digest of the request. */
        if (oap_digest_to_hash(header.digest) < 0)
                return -EOPNOTSUPP;

        /* A broken extension makes its sender a stranger, not the request a bad one: the field is free for
         * all. */
        r = oap_extension_parse(header.data, header.data_size, false, &extension);
        if (r == -EOPNOTSUPP)
                return r;

        *ret_header = header;
        *ret_extension = extension;
        return 0;
}

ssize_t oap_response_build(const void *request, size_t request_size, const uint8_t token[OAP_TOKEN_BYTES],
                           uint32_t grants, uint64_t now_realtime_nsec, void *buffer, size_t size) {
        OapExtension extension = { .capabilities = OAP_CAPABILITIES_OF_HOST | grants, .have_token = true };
        uint8_t data[EXTENSION_BYTES_MAX], hash[HASH_BYTES_MAX];
        OapHeader header = { .timestamp = now_realtime_nsec, .data = data, .request_hash = hash };
        OapHeader asked;
        ssize_t n;
        int r;

        assert(token);
        assert((grants & ~OAP_CAPABILITIES_OF_FLOW) == 0);

        r = oap_header_parse(request, request_size, 0, &asked);
        if (r < 0)
                return r;

        r = oap_digest_to_hash(asked.digest);
        if (r < 0)
                return r;

        n = hash_compute((HashAlgorithm) r, request, request_size, hash);
        if (n < 0)
                return n;
        header.request_hash_size = (size_t) n;

        memcpy(extension.token, token, OAP_TOKEN_BYTES);
        n = oap_extension_pack(&extension, true, data, sizeof(data));
        if (n < 0)
                return n;
        header.data_size = (size_t) n;

        memcpy(header.id, asked.id, OAP_ID_BYTES);
        return oap_header_pack(&header, buffer, size);
}

int oap_response_parse(const OapRequest *request, const void *data, size_t size, OapHeader *ret_header,
                       OapExtension *ret_extension) {
        OapExtension extension = {};
        OapHeader header;
        int r;

        assert(request);
        assert(ret_header);
        assert(ret_extension);

        r = oap_header_parse(data, size, request->hash_size, &header);
        if (r < 0)
                return r;

        if (gnutls_memcmp(header.id, request->id, OAP_ID_BYTES) != 0 ||
            gnutls_memcmp(header.request_hash, request->hash, request->hash_size) != 0)
                return -EBADE;

        r = oap_extension_parse(header.data, header.data_size, true, &extension);
        if (r == -EOPNOTSUPP)
                return -EPROTO;         /* asks for what we do not know, and did not offer */

        *ret_header = header;
        *ret_extension = extension;
        return 0;
}
