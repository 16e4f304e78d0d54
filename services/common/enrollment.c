/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The exchange of an enrollment on one flow, from both sides. See enrollment.h for who says what.
 *
 * Any number of exchanges run at once, each with its own flow, id and deadline; none of them waits for anybody longer
 * than ENROLLMENT_TIMEOUT_USEC. What cannot be read changes nothing: below is a datagram flow, which may bring a
 * message of CEP twice. It fails by its deadline then.
 */

#include "services/common/enrollment.h"

static int fail(Enrollment *e, int error, const char *problem) {
        e->state = ENROLLMENT_FAILED;
        e->problem = problem;
        return error;
}

int enrollment_start(Enrollment *e, const uint8_t id[ENROLLMENT_ID_BYTES], usec_t now,
                     uint8_t message[ENROLLMENT_MESSAGE_BYTES_MAX], size_t *ret_size) {
        EnrollmentRequest request;
        ssize_t n;

        *e = (Enrollment) {
                .state = ENROLLMENT_REQUESTED,
                .started = now,
                .deadline = usec_add(now, ENROLLMENT_TIMEOUT_USEC),
        };
        memcpy(e->id, id, sizeof(e->id));
        memcpy(request.id, id, sizeof(request.id));

        n = enrollment_request_pack(&request, message, ENROLLMENT_MESSAGE_BYTES_MAX);
        if (n < 0)
                return fail(e, (int) n, "its request could not be made");

        *ret_size = (size_t) n;
        return 0;
}

void enrollment_expect(Enrollment *e, usec_t now) {
        *e = (Enrollment) {
                .state = ENROLLMENT_EXPECTED,
                .started = now,
                .deadline = usec_add(now, ENROLLMENT_TIMEOUT_USEC),
        };
}

/* -- the enrollee -- */

static void make_ack(const Enrollment *e, int32_t result, uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX],
                     size_t *ret_size) {
        EnrollmentAck ack = { .result = result };
        ssize_t n;

        memcpy(ack.id, e->id, sizeof(ack.id));
        n = enrollment_ack_pack(&ack, answer, ENROLLMENT_MESSAGE_BYTES_MAX);
        *ret_size = n < 0 ? 0 : (size_t) n;
}

/* The peer's clock was read somewhere between our request and now: in the middle, as far as anybody knows. */
static int64_t clock_offset(const Enrollment *e, uint64_t peer_nsec, uint64_t own_nsec) {
        int64_t own_usec = (int64_t) (own_nsec / NSEC_PER_USEC), peer_usec = (int64_t) (peer_nsec / NSEC_PER_USEC);

        return peer_usec - (own_usec - (int64_t) (e->rtt_usec / 2));
}

static int check_config(const LayerConfig *config, const LayerConfig *own, const char **ret_problem) {
        if (config->type != own->type) {
                *ret_problem = "its layer is of another type";
                return -EPROTO;
        }

        return layer_config_check(config, ret_problem) < 0 ? -EOPNOTSUPP : 0;
}

static int response_received(Enrollment *e, const void *data, size_t size, const LayerConfig *own,
                             uint64_t realtime_nsec, usec_t now, uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX],
                             size_t *ret_size) {
        EnrollmentResponse response;
        const char *problem = NULL;
        int r;

        r = enrollment_response_parse(data, size, &response);
        if (r == -EOPNOTSUPP)
                return fail(e, r, "its routing or directory is of a kind that we do not have");
        if (r < 0)
                return r;
        if (memcmp(response.id, e->id, sizeof(e->id)) != 0)
                return fail(e, -EPROTO, "its answer was for another request");

        e->rtt_usec = usec_sub(now, e->started);
        if (response.result < 0) {
                e->result = response.result;
                return fail(e, -ECONNREFUSED, "it refused");
        }

        r = check_config(&response.config, own, &problem);
        make_ack(e, r, answer, ret_size);
        if (r < 0)
                return fail(e, r, problem);

        e->config = response.config;
        e->clock_offset_usec = clock_offset(e, response.time_nsec, realtime_nsec);
        e->state = ENROLLMENT_DONE;
        return 0;
}

/* -- the enroller -- */

static int request_received(Enrollment *e, const void *data, size_t size, const LayerConfig *own,
                            uint64_t realtime_nsec, usec_t now, uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX],
                            size_t *ret_size) {
        EnrollmentResponse response = { .time_nsec = realtime_nsec };
        EnrollmentRequest request;
        ssize_t n;
        int r;

        r = enrollment_request_parse(data, size, &request);
        if (r < 0)
                return r;

        memcpy(e->id, request.id, sizeof(e->id));
        memcpy(response.id, request.id, sizeof(response.id));
        if (own) {
                response.has_config = true;
                response.config = *own;
        } else
                response.result = -EAGAIN;

        n = enrollment_response_pack(&response, answer, ENROLLMENT_MESSAGE_BYTES_MAX);
        if (n < 0)
                return fail(e, -EPROTO, "its answer could not be made");

        *ret_size = (size_t) n;
        if (!own)
                return fail(e, -ECONNREFUSED, "we are no member ourselves");

        e->state = ENROLLMENT_ANSWERED;
        e->deadline = usec_add(now, ENROLLMENT_TIMEOUT_USEC);
        return 0;
}

static int ack_received(Enrollment *e, const void *data, size_t size, usec_t now) {
        EnrollmentAck ack;
        int r;

        r = enrollment_ack_parse(data, size, &ack);
        if (r < 0)
                return r;
        if (memcmp(ack.id, e->id, sizeof(e->id)) != 0)
                return fail(e, -EPROTO, "its acknowledgement was for another request");

        e->rtt_usec = usec_sub(now, usec_sub(e->deadline, ENROLLMENT_TIMEOUT_USEC));
        if (ack.result < 0) {
                e->result = ack.result;
                return fail(e, -ECONNREFUSED, "it cannot be in our layer");
        }

        e->state = ENROLLMENT_DONE;
        return 0;
}

/* -- both -- */

int enrollment_receive(Enrollment *e, const void *data, size_t size, const LayerConfig *own, uint64_t realtime_nsec,
                       usec_t now, uint8_t answer[ENROLLMENT_MESSAGE_BYTES_MAX], size_t *ret_size) {
        *ret_size = 0;

        switch (e->state) {

        case ENROLLMENT_REQUESTED:
                return response_received(e, data, size, own, realtime_nsec, now, answer, ret_size);

        case ENROLLMENT_EXPECTED:
                return request_received(e, data, size, own, realtime_nsec, now, answer, ret_size);

        case ENROLLMENT_ANSWERED:
                return ack_received(e, data, size, now);

        case ENROLLMENT_DONE:
        case ENROLLMENT_FAILED:
                return -EPROTO;
        }

        return -EPROTO;
}
