/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Getting a flow from the IRM. Two steps, so that nobody has to wait for the other side: the request is
 * answered at once with an id, a lane class and our end of the doorbell; we hand in our lane. What becomes
 * of it is told on the doorbell itself, together with the peer's lane, so that a pending flow needs no
 * descriptor beyond the one that it will have anyway, and closing that cancels.
 */

#include <poll.h>

#include "libo7s/flow.h"
#include "libo7s/irm-client.h"
#include "libo7s/qos.h"

#define ALLOC_FLAGS ((uint64_t) (O7S_TRUNCATE | O7S_LINGER | O7S_STREAM | O7S_BULK | O7S_THIN))

/* The IRM watches the time-out too, and knows better what was missing: its word is waited for a little
 * longer. */
#define OUTCOME_GRACE_USEC (250 * USEC_PER_MSEC)

static const char opening[] = "Opening a flow to";

/* Returns: 0; -EINVAL, with *ret_why where there is more to say than the table does. */
static int request_check(const char *name, const o7s_qos *qos, uint64_t flags, const char **ret_why) {
        if (!name || !flow_name_is_valid_on_wire(name)) {
                *ret_why = "A name has 1 to 255 bytes";
                return -EINVAL;
        }

        if ((flags & ~ALLOC_FLAGS) || (flags & (O7S_BULK | O7S_THIN)) == (O7S_BULK | O7S_THIN)) {
                *ret_why = "These flags are unknown or exclude each other";
                return -EINVAL;
        }

        if (qos_check(qos) < 0) {
                *ret_why = "A field of the QoS is out of range";
                return -EINVAL;
        }

        if ((flags & O7S_STREAM) && !qos_is_reliable(qos)) {
                *ret_why =
                        "A byte stream is ordered and without gaps: ask for it with in_order = 1 and loss = 0, as in "
                        "O7S_QOS_DATA";
                return -EINVAL;
        }

        return 0;
}

int flow_send_lane(o7s_flow *flow) {
        IrmMessage message = { .type = IRM_LANE, .flow_id = flow->handle.flow_id };
        _cleanup_close_ int fd = -1;
        int r;

        r = lane_new(flow->lane_class, &flow->own_lane, &fd);
        if (r < 0)
                return r;

        return process_notify(&message, &fd, 1);
}

/* Asks for the flow. ret_text: the IRM's words where it says no. */
static int flow_request(o7s_flow *flow, const char *layer, uint64_t timeout_usec, char ret_text[IRM_TEXT_BYTES_MAX]) {
        IrmMessage request = {
                .type = IRM_ALLOCATE,
                .version = IRM_PROTOCOL_VERSION,
                .flags = flow->flags,
                .timeout_usec = timeout_usec,
                .info.qos = flow->qos_asked,
        };
        IrmMessage reply;
        int r;

        (void) copy_string(request.info.name, sizeof(request.info.name), flow->info.name);
        (void) copy_string(request.info.layer, sizeof(request.info.layer), strempty(layer));
        (void) copy_string(request.program, sizeof(request.program), program_invocation_short_name);
        if (!utf8_is_valid(request.program, strlen(request.program)))
                request.program[0] = '\0';

        /* Entered before it has anything, and the doorbell goes straight into it, under the lock that fork() takes too:
         * so a child that another thread makes never keeps a copy, which would hide our death from the peer. */
        r = process_add(&flow->handle);
        if (r < 0)
                return r;

        r = process_request(&request, &reply, &flow->doorbell_fd);
        if (r < 0)
                return r;
        if (reply.result < 0) {
                memcpy(ret_text, reply.text, sizeof(reply.text));
                return reply.result;
        }
        if (flow->doorbell_fd < 0)
                return -EPROTO;

        flow->lane_class = reply.lane_class;
        process_set_flow_id(&flow->handle, reply.flow_id);
        return flow_send_lane(flow);
}

int flow_alloc_start_over(const char *layer, const char *name, const o7s_qos *qos, uint64_t flags,
                          uint64_t timeout_usec, o7s_flow **ret) {
        _cleanup_(o7s_flow_unrefp) o7s_flow *flow = NULL;
        char text[IRM_TEXT_BYTES_MAX] = "";
        const o7s_qos best_effort = O7S_QOS_BEST_EFFORT;
        const char *why = NULL;
        int r;

        if (!ret)
                return process_fail(-EINVAL, opening, name, NULL, NULL, NULL);
        if (!qos)
                qos = &best_effort;

        r = request_check(name, qos, flags, &why);
        if (r < 0)
                return process_fail(r, opening, name, NULL, NULL, why);

        r = flow_new(flags, qos, &flow);
        if (r < 0)
                return process_fail(r, opening, name, NULL, NULL, NULL);

        (void) copy_string(flow->info.name, sizeof(flow->info.name), name);

        r = flow_request(flow, layer, timeout_usec, text);
        if (r < 0)
                return process_fail(r, opening, name, NULL, NULL, text);

        *ret = TAKE_PTR(flow);
        return 0;
}

/* -- the outcome -- */

static int flow_set_failed(o7s_flow *flow, int error, const char *text) {
        flow->error = error;
        (void) copy_string(flow->text, sizeof(flow->text), text);
        flow_set_state(flow, FLOW_FAILED);
        process_remove(&flow->handle);
        return 0;
}

/* Joins our lane and the peer's. */
static int flow_join(o7s_flow *flow, int lane_fd, const IrmMessage *outcome) {
        IrmFlowInfo known = outcome->info;
        Lane *peer;
        int r;

        r = lane_open(flow->lane_class, lane_fd, &peer);
        if (r < 0) {
                doorbell_close(flow->doorbell_fd, CLOSE_VIOLATION);
                return r;
        }

        /* The name is what was asked for, whatever comes back. */
        (void) copy_string(known.name, sizeof(known.name), flow->info.name);

        r = flow_need_transfer(flow, &known, &outcome->keys);
        if (r < 0) {
                lane_free(peer);
                return r;
        }

        /* On its way into the channel the doorbell is in no handle. */
        process_hold_forks();
        r = flow_set_up(flow, TAKE_PTR(flow->own_lane), peer, TAKE_FD(flow->doorbell_fd), &known);
        process_release_forks();
        return r;
}

int flow_receive_outcome(o7s_flow *flow) {
        _cleanup_(irm_message_wipe) IrmMessage outcome = {};
        _cleanup_close_ int lane_fd = -1;
        int r;

        assert(flow->state == FLOW_PENDING);

        r = irm_message_receive_outcome(flow->doorbell_fd, &outcome, &lane_fd);
        if (r == -EAGAIN)
                return -EINPROGRESS;

        flow->up_untold = true;
        if (r == -EPIPE)
                return flow_set_failed(flow, -EHOSTDOWN,
                                       "The IRM went away while the flow was being opened. Try again");
        if (r < 0)
                return flow_set_failed(flow, r, "");
        if (outcome.result == -EINPROGRESS)
                return flow_set_failed(flow, -EPROTO, "");      /* an outcome is none that would be waited for */
        if (outcome.result < 0)
                return flow_set_failed(flow, outcome.result, outcome.text);

        r = flow_join(flow, lane_fd, &outcome);
        if (r == -EOPNOTSUPP)
                return flow_set_failed(flow, r,
                                       "The flow is to be protected with a cipher that this host does not have");

        return r < 0 ? flow_set_failed(flow, r, "") : 0;
}

/* Takes the outcome where it is there. Returns: 0: decided; -EINPROGRESS; why it failed. */
static int alloc_take(o7s_flow *flow) {
        int r = 0;

        (void) pthread_mutex_lock(&flow->mutex);
        if (flow->state == FLOW_PENDING)
                r = flow_receive_outcome(flow);
        if (r >= 0 && flow->state == FLOW_UP)
                flow->up_untold = false;
        (void) pthread_mutex_unlock(&flow->mutex);

        return r;
}

/* Finishes where the outcome is there. Returns: 0: up; -EINPROGRESS; why it failed. */
static int alloc_finish(o7s_flow *flow) {
        int r;

        if (handle_is_foreign(&flow->handle))
                return -ECHILD;

        r = alloc_take(flow);
        if (r == -EINPROGRESS) {
                /* The descriptor is readable at first, and would be for as long as nobody asks for events. Who asks
                 * takes an outcome that came meanwhile off the doorbell, which then never rings for it again. */
                (void) flow_events(flow);
                r = alloc_take(flow);
        }

        if (r >= 0)
                r = flow_check(flow, -ENOTCONN);
        if (r >= 0)
                flow_settle(flow);
        return r;
}

int o7s_flow_alloc_start(const char *name, const o7s_qos *qos, uint64_t flags, uint64_t timeout_usec,
                         o7s_flow **ret) {
        return flow_alloc_start_over(NULL, name, qos, flags, timeout_usec, ret);
}

int o7s_flow_alloc_finish(o7s_flow *flow) {
        int r;

        r = flow ? alloc_finish(flow) : -EINVAL;
        return r < 0 ? flow_fail(flow, r, opening) : 0;
}

int o7s_flow_alloc(const char *name, const o7s_qos *qos, uint64_t flags, uint64_t timeout_usec, o7s_flow **ret) {
        usec_t deadline = usec_add(time_now(), timeout_usec);
        _cleanup_(o7s_flow_unrefp) o7s_flow *flow = NULL;
        int r;

        if (!ret)
                return process_fail(-EINVAL, opening, name, NULL, NULL, NULL);

        r = flow_alloc_start_over(NULL, name, qos, flags, timeout_usec, &flow);
        if (r < 0)
                return r;

        deadline = timeout_usec == 0 ? 0 : usec_add(deadline, OUTCOME_GRACE_USEC);

        while ((r = alloc_finish(flow)) == -EINPROGRESS) {
                r = wait_for_fd(flow->doorbell_fd, POLLIN, deadline);
                if (r == -ETIMEDOUT)
                        return process_fail(timeout_usec == 0 ? -EAGAIN : r, opening, name, NULL, NULL, NULL);
                if (r < 0)
                        return process_fail(r, opening, name, NULL, NULL, NULL);
        }

        if (r < 0)
                return flow_fail(flow, r, opening);

        *ret = TAKE_PTR(flow);
        return 0;
}
