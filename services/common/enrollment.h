/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Enrollment: a new member learns what the layer is from one that is in it (docs/WIRE.md). Three messages after CEP:
 *
 *   enrollee                    enroller
 *   request(id)            ->
 *                          <-   response(id, its clock, result, configuration)
 *   acknowledgement(id, 0) ->
 *
 * enrollment-message.c is the codec (protobuf), enrollment.c the exchange on one flow, both sides. Pure.
 */

#include "basic/time.h"
#include "services/common/layer-config.h"

#define ENROLLMENT_ID_BYTES 8U
#define ENROLLMENT_MESSAGE_BYTES_MAX 1024U
#define ENROLLMENT_TIMEOUT_USEC USEC_PER_SEC            /* for each message that is waited for */
#define ENROLLMENT_SKEW_WARN_USEC (20 * USEC_PER_MSEC)

typedef struct EnrollmentRequest {
        uint8_t id[ENROLLMENT_ID_BYTES];
} EnrollmentRequest;

typedef struct EnrollmentResponse {
        uint8_t id[ENROLLMENT_ID_BYTES];
        uint64_t time_nsec;             /* sender's CLOCK_REALTIME */
        int32_t result;                 /* 0; < 0: refused */
        bool has_config;
        LayerConfig config;
} EnrollmentResponse;

typedef struct EnrollmentAck {
        uint8_t id[ENROLLMENT_ID_BYTES];
        int32_t result;
} EnrollmentAck;

/* Returns: bytes; -ENOBUFS; -EINVAL. */
ssize_t enrollment_request_pack(const EnrollmentRequest *message, void *buffer, size_t size);
ssize_t enrollment_response_pack(const EnrollmentResponse *message, void *buffer, size_t size);
ssize_t enrollment_ack_pack(const EnrollmentAck *message, void *buffer, size_t size);

/* Returns: 0; -EBADMSG: malformed, a missing part, a text that is too long or holds NUL; -EOPNOTSUPP (response):
 * routing or a directory of a kind that we do not have. A refusal carries no configuration, or one that nobody looks
 * at. */
int enrollment_request_parse(const void *data, size_t size, EnrollmentRequest *ret);
int enrollment_response_parse(const void *data, size_t size, EnrollmentResponse *ret);
int enrollment_ack_parse(const void *data, size_t size, EnrollmentAck *ret);

typedef enum EnrollmentState {
        ENROLLMENT_REQUESTED,           /* enrollee: the response is awaited */
        ENROLLMENT_EXPECTED,            /* enroller: the request is awaited */
        ENROLLMENT_ANSWERED,            /* enroller: the acknowledgement is awaited; its loss harms nobody */
        ENROLLMENT_DONE,
        ENROLLMENT_FAILED,
} EnrollmentState;

typedef struct Enrollment {
        EnrollmentState state;
        uint8_t id[ENROLLMENT_ID_BYTES];        /* in every log line, as 16 hexadecimal digits */
        usec_t started;
        usec_t deadline;
        LayerConfig config;                     /* enrollee, when done */
        int32_t result;                         /* of the peer, where it refused */
        const char *problem;                    /* failed: why, one clause (static) */
        int64_t clock_offset_usec;              /* enrollee: the peer's clock minus ours, half a round trip allowed
                                                 * for */
        usec_t rtt_usec;
} Enrollment;

/* As enrollee: *ret_size bytes of message are to be sent now. id: random. */
int enrollment_start(Enrollment *e, const uint8_t id[ENROLLMENT_ID_BYTES], usec_t now,
                     uint8_t message[ENROLLMENT_MESSAGE_BYTES_MAX], size_t *ret_size);

/* As enroller. */
void enrollment_expect(Enrollment *e, usec_t now);

/* A message of the peer; *ret_size bytes of answer are to be sent, 0: nothing, also where it failed. As enroller own
 * is the configuration to hand out (NULL: we are no member ourselves, and refuse), realtime_nsec our clock. As
 * enrollee own->type says what we are.
 * Returns: 0: go on, or done (see state); -EBADMSG: not what is awaited, the exchange goes on; else it failed, and
 * problem says why: -EPROTO: id or type do not agree, or it was over already; -ECONNREFUSED; -EOPNOTSUPP: a layer
 * that we cannot be in. */
int enrollment_receive(Enrollment *e, const void *data, size_t size, const LayerConfig *own, uint64_t realtime_nsec,
                       usec_t now, uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX], size_t *ret_size);
