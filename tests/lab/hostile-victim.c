/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A flow without the library: from ALLOCATE to the end, see hostile-victim.h. */

#include <poll.h>
#include <stdio.h>

#include "libo7s/irm-client.h"
#include "tests/lab/hostile-victim.h"

#define ALLOCATION_USEC (5 * USEC_PER_SEC)
#define PATIENCE_USEC (10 * USEC_PER_SEC)

/* How often an attack is repeated before it looks whether it was found out. */
#define BURST 256U

void victim_done(Victim *v) {
        v->own = lane_free(v->own);
        v->peer = lane_free(v->peer);
        v->doorbell = safe_close(v->doorbell);
}

static int send_lane(Victim *v, int irm, victim_hand_in_t hand_in) {
        IrmMessage message = { .type = IRM_LANE, .flow_id = v->flow_id };
        _cleanup_close_ int fd = -1;
        int r;

        if (hand_in) {
                fd = r = hand_in(v);
                if (r < 0)
                        return r;
        } else {
                r = lane_new(v->class, &v->own, &fd);
                if (r < 0)
                        return r;
        }

        return irm_send(irm, &message, &fd, 1, usec_add(time_now(), ALLOCATION_USEC));
}

/* The IRM's word, and the other side's lane. */
static int receive_outcome(Victim *v) {
        usec_t deadline = usec_add(time_now(), 2 * ALLOCATION_USEC);
        _cleanup_close_ int fd = -1;
        IrmMessage outcome;
        int r;

        while ((r = irm_message_receive_outcome(v->doorbell, &outcome, &fd)) == -EAGAIN) {
                r = wait_for_fd(v->doorbell, POLLIN, deadline);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (outcome.result < 0) {
                (void) fprintf(stderr, "%s\n", outcome.text);
                return outcome.result;
        }

        return lane_open(v->class, fd, &v->peer);
}

int victim_open(Victim *v, int irm, const char *name, victim_hand_in_t hand_in) {
        IrmMessage request = {
                .type = IRM_ALLOCATE,
                .version = IRM_PROTOCOL_VERSION,
                .timeout_usec = ALLOCATION_USEC,
                .info.qos = O7S_QOS_RAW,
        };
        IrmMessage reply;
        int r;

        (void) copy_string(request.info.name, sizeof(request.info.name), name);

        r = irm_request(irm, &request, &reply, &v->doorbell);
        if (r < 0)
                return r;
        if (reply.result < 0) {
                (void) fprintf(stderr, "%s\n", reply.text);
                return reply.result;
        }

        v->flow_id = reply.flow_id;
        v->class = reply.lane_class;

        r = send_lane(v, irm, hand_in);
        return r < 0 ? r : receive_outcome(v);
}

int victim_attack(Victim *v, victim_repeat_t repeat, CloseReason *ret_reason) {
        usec_t end = usec_add(time_now(), PATIENCE_USEC);

        while (time_now() < end) {
                int r;

                if (repeat)
                        for (unsigned i = 0; i < BURST; i++)
                                repeat(v);
                else
                        (void) wait_for_fd(v->doorbell, POLLIN, end);

                r = doorbell_drain(v->doorbell, ret_reason);
                if (r == -EPIPE)
                        *ret_reason = CLOSE_PEER_DIED;
                if (r != 0)
                        return 1;
        }

        return -ETIMEDOUT;
}
