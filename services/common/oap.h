/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * OAP, the flow allocation protocol: what two IRMs say to each other inside a flow request and its reply.
 * Here: the header codec, the extension in its data field, the request hash, the time window and the replay
 * cache: everything that the plain case needs, pure. Certificates, key exchange and signatures are bytes to
 * these files.
 *
 *   offset size  field
 *        0   16  id             random per attempt, echoed by the response
 *       16    8  timestamp      sender's CLOCK_REALTIME in ns; requests are backdated by 2 s
 *       24    2  cipher         0 = none
 *       26    2  kdf            0 = none
 *       28    2  digest         0 = none (request hash: SHA-384)
 *       30    2  certificate length
 *       32    2  key exchange: F 0x8000, R 0x4000, length in the low 14 bits
 *       34    2  data length
 *       36       certificate, key exchange, data, request hash (response only), signature (the rest)
 *
 *   data     "O7sX" | version u8 = 1 | flags u8 = 0 | length u16 | { type u16 | length u16 | value }*
 */

#include "basic/cursor.h"
#include "basic/siphash.h"
#include "services/common/hash.h"

#define OAP_ID_BYTES 16U
#define OAP_HEADER_BYTES 36U
#define OAP_TOKEN_BYTES 8U
#define OAP_BACKDATE_NSEC (2ULL * 1000 * 1000 * 1000)
#define OAP_WINDOW_PAST_NSEC (20ULL * 1000 * 1000 * 1000)
#define OAP_WINDOW_FUTURE_NSEC (100ULL * 1000 * 1000)

/* Capabilities, TLV 03 and 82. */
#define OAP_CAPABILITY_CLOSE (UINT32_C(1) << 0)
#define OAP_CAPABILITY_FRCT (UINT32_C(1) << 1)          /* the extended FRCT */
/* request: a reliable flow without bit errors is wanted; response: granted */
#define OAP_CAPABILITY_CHECKSUM (UINT32_C(1) << 2)
#define OAP_CAPABILITY_STREAM (UINT32_C(1) << 3)        /* request: a byte stream is wanted; response: granted */

/* What each host of ours can, and what one flow is asked for and given. */
#define OAP_CAPABILITIES_OF_HOST (OAP_CAPABILITY_CLOSE | OAP_CAPABILITY_FRCT)
#define OAP_CAPABILITIES_OF_FLOW (OAP_CAPABILITY_CHECKSUM | OAP_CAPABILITY_STREAM)

/* Errors on the wire (wire.md 10.9). */
#define OAP_WIRE_ERROR_NOT_ALLOCATED (-1000)
#define OAP_WIRE_ERROR_NAME (-1007)
#define OAP_WIRE_ERROR_CRYPTO (-1008)
#define OAP_WIRE_ERROR_AUTHENTICATION (-1009)

typedef struct OapHeader {
        uint8_t id[OAP_ID_BYTES];
        uint64_t timestamp;
        uint16_t cipher;
        uint16_t kdf;
        uint16_t digest;
        bool key_exchange_raw;          /* F */
        bool client_encapsulates;       /* R */
        /* The parts, in the parsed buffer (not owned). */
        const uint8_t *certificate;
        size_t certificate_size;
        const uint8_t *key_exchange;
        size_t key_exchange_size;
        const uint8_t *data;
        size_t data_size;
        const uint8_t *request_hash;    /* response only */
        size_t request_hash_size;
        const uint8_t *signature;
        size_t signature_size;
} OapHeader;

/* The extension of o7s peers. Types ascend; 00-7f in requests, 80-ff in responses. Bit 15 set: whoever does not know
 * the type must refuse. */
#define OAP_DIGEST_BYTES 32U            /* bindings and confirmations: SHA-256 */
#define OAP_NONCE_BYTES 32U
#define OAP_EPOCH_BYTES 16U
#define OAP_RESET_BYTES 16U
#define OAP_SUITES_MAX 8U
#define OAP_SHARE_BYTES_MAX 1100U
#define OAP_EXTENSION_BYTES_MAX 2048U   /* of all that we write */
#define OAP_SUITE_MAC_ONLY 0x8000U      /* beside a cipher's id */

typedef struct OapExtension {
        bool present;                   /* the magic was there and all of it parsed */
        uint32_t capabilities;          /* TLV 03 or 82 */
        bool have_token;
        uint8_t token[OAP_TOKEN_BYTES]; /* TLV 08 or 88 */
        bool have_replaced;
        uint8_t replaced[OAP_ID_BYTES]; /* TLV 09, request only: the id of the request that this one replaces */
        bool have_destination;
        uint8_t destination[OAP_DIGEST_BYTES];          /* TLV 01, request only: the name that is called */
        bool have_binding;
        uint8_t binding[OAP_DIGEST_BYTES];              /* TLV 02 or 81: what the layer's message said */
        unsigned n_suites;
        uint16_t suites[OAP_SUITES_MAX];                /* TLV 04, by preference; TLV 87: the one chosen */
        bool have_nonce;
        uint8_t nonce[OAP_NONCE_BYTES];                 /* TLV 05, request only */
        const uint8_t *share;                           /* TLV 06 or 83: a public key, where the header has none; in
                                                         * the parsed buffer */
        size_t share_size;
        bool have_epoch;
        uint8_t epoch[OAP_EPOCH_BYTES];                 /* TLV 84, response only: of the server's host since it
                                                         * started */
        bool have_confirmation;
        uint8_t confirmation[OAP_DIGEST_BYTES];         /* TLV 85, response only: that the server has the keys. Zero
                                                         * while it is made */
        const uint8_t *confirmation_place;              /* where it is in the parsed buffer */
        bool have_reset;
        uint8_t reset[OAP_RESET_BYTES];                 /* TLV 86, response only */
} OapExtension;

/* hash_size is 0 for a request, else the length of the response's request hash.
 * Returns: 0; -EBADMSG: lengths; -EPROTO: unknown cipher, kdf or digest id. */
int oap_header_parse(const void *data, size_t size, size_t hash_size, OapHeader *ret);

/* Returns: bytes written; -ENOBUFS; -EINVAL: a part is longer than its length field can say, or there is a
 * signature without a certificate. */
ssize_t oap_header_pack(const OapHeader *header, void *buffer, size_t size);

/* The algorithm behind a digest id; 0 stands for the default. Returns: a HashAlgorithm; -EPROTO: no such id;
 * -EOPNOTSUPP: not in our libraries. */
int oap_digest_to_hash(uint16_t digest);

/* Whether a time stamp lies within the window. */
bool oap_stamp_is_timely(uint64_t stamp, uint64_t now_realtime_nsec);

/* Unknown types are skipped, unless bit 15 says that this may not be (-EOPNOTSUPP: refuse the message); duplicates,
 * descending types, overruns, another version and unknown flags reject the whole extension (-EBADMSG; a plain message
 * itself is still good, its peer is then "not known to be o7s"). No magic: 0 with present = false. */
int oap_extension_parse(const uint8_t *data, size_t size, bool response, OapExtension *ret);
ssize_t oap_extension_pack(const OapExtension *extension, bool response, void *buffer, size_t size);

/* What a client keeps of its request. */
typedef struct OapRequest {
        uint8_t id[OAP_ID_BYTES];
        uint8_t token[OAP_TOKEN_BYTES];
        uint8_t hash[HASH_BYTES_MAX];   /* of the request's bytes */
        size_t hash_size;
} OapRequest;

/* Plain request: fresh id and token from the caller's random bytes, stamp now_realtime_nsec backdated.
 * wishes: of OAP_CAPABILITIES_OF_FLOW. replaced: the request that this one follows, or NULL.
 * Returns: bytes written; -ENOBUFS. */
ssize_t oap_request_build(const uint8_t random[OAP_ID_BYTES + OAP_TOKEN_BYTES], uint64_t now_realtime_nsec,
                          uint32_t wishes, const OapRequest *replaced, void *buffer, size_t size, OapRequest *ret);

/* Server: parses and checks the window, not the replay cache. Returns: 0; -EBADMSG, -EPROTO; -ETIME: outside the
 * window; -EOPNOTSUPP: asks for what needs the authentication service (certificate or key exchange), or for a digest
 * that is not in our libraries. */
int oap_request_parse(const void *data, size_t size, uint64_t now_realtime_nsec, OapHeader *ret_header,
                      OapExtension *ret_extension);

/* Server: the plain response to a request of these bytes. grants: of OAP_CAPABILITIES_OF_FLOW. Returns: bytes
 * written; -ENOBUFS; -EBADMSG, -EPROTO: no request; -EOPNOTSUPP: its digest is not in our libraries. */
ssize_t oap_response_build(const void *request, size_t request_size, const uint8_t token[OAP_TOKEN_BYTES],
                           uint32_t grants, uint64_t now_realtime_nsec, void *buffer, size_t size);

/* Client: id and request hash must be ours (compared in constant time). Returns: 0; -EBADMSG; -EPROTO;
 * -EBADE: not an answer to this request. */
int oap_response_parse(const OapRequest *request, const void *data, size_t size, OapHeader *ret_header,
                       OapExtension *ret_extension);

/* Replay cache: remembers (timestamp, id) until the stamp leaves the window; fixed number of entries, oldest-expiring
 * evicted only once it has expired; full of live entries refuses (-EBUSY). The last quarter is for requests of those
 * who have proven who they are: whoever has not can neither push them out nor keep them out. */
#define OAP_REPLAY_ENTRIES_MAX 131072U
#define OAP_REPLAY_UNPROVEN_MAX (OAP_REPLAY_ENTRIES_MAX / 4U * 3U)
#define OAP_REPLAY_STEP_NSEC (120ULL * 1000 * 1000 * 1000)
typedef struct OapReplay OapReplay;

/* key: random, for its hash table. Returns: 0; -ENOMEM. */
int oap_replay_new(const uint8_t key[SIPHASH_KEY_BYTES], OapReplay **ret);
OapReplay *oap_replay_free(OapReplay *replay);
DEFINE_CLEANUP(OapReplay, oap_replay_free);
/* Returns: 0: new, remembered; -EEXIST: seen before, or as old as what was forgotten before the clock was set back;
 * -EBUSY: full; -ETIME: outside the window. */
int oap_replay_check(OapReplay *replay, const OapHeader *header, bool proven, uint64_t now_realtime_nsec);
