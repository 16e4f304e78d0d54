/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages on their way out: copied into our lane, made visible, the other side woken where it sleeps. */

#include "libo7s/flow.h"

static const char writing[] = "Writing to the flow";

/* What a failed write says, after a look at how the flow ended. */
static int write_failed(o7s_flow *flow, int r) {
        if (r == -EBADMSG)
                flow_end(flow, CLOSE_VIOLATION);

        return flow_fail(flow, r, writing);
}

/* The bytes of all parts. Returns: 0; -EINVAL: none, or too many parts; -EMSGSIZE. */
static int parts_check(const o7s_flow *flow, const struct iovec *parts, unsigned n, size_t *ret) {
        size_t size = 0;

        if ((!parts && n > 0) || n > FLOW_PARTS_MAX)
                return -EINVAL;

        for (unsigned i = 0; i < n; i++) {
                if (parts[i].iov_len > flow->message_max - size)
                        return -EMSGSIZE;
                size += parts[i].iov_len;
        }

        if (size == 0)
                return -EINVAL;

        *ret = size;
        return 0;
}

/* Before each write: may we, and is somebody there? */
static int write_check(o7s_flow *flow) {
        struct timespec now;
        int r;

        r = flow_check(flow, -EPIPE);
        if (r < 0)
                return r;
        if (flow->writer.reserved > 0)
                return -EBUSY;

        /* Reading this clock costs a few nanoseconds; it moves every few milliseconds. */
        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        if (now.tv_nsec != flow->writer.checked.tv_nsec || now.tv_sec != flow->writer.checked.tv_sec) {
                flow->writer.checked = now;
                flow_look_for_end(flow);
        }

        return flow_ended(flow) == FLOW_NOT_ENDED ? 0 : -EPIPE;
}

/* Waits for room. Returns: 0: try again; -EPIPE; -EAGAIN, -ETIMEDOUT. */
static int write_wait(o7s_flow *flow, size_t size, usec_t *deadline) {
        int r;

        flow->writer.slots_wanted = (uint32_t) ((size + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES);

        r = flow_wait(flow, FLOW_WRITING, flow_get(&flow->writer.timeout_usec), deadline);
        if (flow_ended(flow) != FLOW_NOT_ENDED)
                return -EPIPE;

        return r;
}

/* One message into the lane, not visible yet. */
static ssize_t write_push(o7s_flow *flow, const struct iovec *parts, unsigned n, bool may_wait) {
        usec_t deadline = 0;
        size_t size;
        int r;

        r = parts_check(flow, parts, n, &size);
        if (r < 0)
                return r;

        while ((r = channel_push(flow->channel, parts, n)) == -EAGAIN && may_wait) {
                r = write_wait(flow, size, &deadline);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        flow_count(&flow->writer.n_messages, 1);
        flow_count(&flow->writer.n_bytes, size);
        return (ssize_t) size;
}

/* Makes what was pushed visible. Only a ring can find that nobody is there; the message is lost then. */
static int write_publish(o7s_flow *flow) {
        int r;

        r = channel_publish(flow->channel);
        if (r == -EPIPE) {
                flow_look_for_end(flow);        /* it may have said why */
                flow_end(flow, CLOSE_PEER_DIED);
        }

        return r < 0 ? r : 0;
}

int o7s_flow_reserve(o7s_flow *flow, size_t size, void **ret) {
        usec_t deadline = 0;
        int r;

        if (!ret)
                return flow_fail(flow, -EINVAL, writing);

        r = write_check(flow);
        if (r >= 0 && size > flow->message_max)
                r = -EMSGSIZE;
        while (r >= 0 && (r = channel_reserve(flow->channel, size, ret)) == -EAGAIN)
                r = write_wait(flow, size, &deadline);
        if (r < 0)
                return write_failed(flow, r);

        flow->writer.reserved = size;
        return 0;
}

ssize_t o7s_flow_commit(o7s_flow *flow, size_t size) {
        int r;

        r = flow_check(flow, -EPIPE);
        if (r < 0)
                return flow_fail(flow, r, writing);
        if (flow->writer.reserved == 0 || size > flow->writer.reserved)
                return flow_fail(flow, -EINVAL, writing);

        flow->writer.reserved = 0;
        if (size == 0)
                return 0;       /* the slot is the next message's */

        r = channel_commit(flow->channel, size);
        if (r >= 0)
                r = write_publish(flow);
        if (r < 0)
                return write_failed(flow, r);

        flow_count(&flow->writer.n_messages, 1);
        flow_count(&flow->writer.n_bytes, size);
        return (ssize_t) size;
}

int o7s_flow_write_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        unsigned done;
        ssize_t r;

        r = write_check(flow);
        if (r >= 0 && !msgs && n > 0)
                r = -EINVAL;
        if (r < 0)
                return write_failed(flow, (int) r);

        for (done = 0; done < n; done++) {
                struct iovec part = { .iov_base = msgs[done].data, .iov_len = msgs[done].size };

                r = msgs[done].flags == 0 ? write_push(flow, &part, 1, done == 0) : -EINVAL;
                if (r < 0)
                        break;
        }

        if (done > 0 || n == 0)
                r = write_publish(flow);

        return r < 0 ? write_failed(flow, (int) r) : (int) done;
}

ssize_t o7s_flow_writev(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        ssize_t size;
        int r;

        r = write_check(flow);
        if (r < 0)
                return write_failed(flow, r);

        size = write_push(flow, parts, n, true);
        if (size < 0)
                return write_failed(flow, (int) size);

        r = write_publish(flow);
        return r < 0 ? write_failed(flow, r) : size;
}

ssize_t o7s_flow_write(o7s_flow *flow, const void *data, size_t size) {
        struct iovec part = { .iov_base = (void *) data, .iov_len = size };

        return o7s_flow_writev(flow, &part, 1);
}
