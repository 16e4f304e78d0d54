/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages on their way out: copied into our lane, made visible, the other side woken where it sleeps. */

#include <limits.h>

#include "libo7s/flow-local.h"
#include "libo7s/transfer.h"

static const char writing[] = "Writing to the flow";

/* What a failed write says, after a look at how the flow ended. */
static int write_failed(o7s_flow *flow, int r) {
        if (r == -EBADMSG)
                flow_end(flow, CLOSE_VIOLATION);

        return flow_fail(flow, r, writing);
}

/* The bytes of all parts. Returns: 0; -EINVAL: none, or too many parts; -EMSGSIZE. */
static int parts_check(const o7s_flow *flow, const struct iovec *parts, unsigned n, size_t *ret) {
        size_t size = 0, max = flow_is_local_stream(flow) ? SSIZE_MAX : flow_message_max(flow);

        if ((!parts && n > 0) || n > FLOW_PARTS_MAX)
                return -EINVAL;

        for (unsigned i = 0; i < n; i++) {
                if (parts[i].iov_len > max - size)
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
        if (flow->transfer)
                return 0;

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

/* From here to writer_unlock() what is written cannot be moved to another channel. Returns the current one. */
static Channel *writer_lock(o7s_flow *flow) {
        for (;;) {
                (void) flow_writer_follow(flow);
                (void) pthread_mutex_lock(&flow->writer.mutex);
                if (flow->writer.channel == flow_channel(flow))
                        return flow->writer.channel;
                (void) pthread_mutex_unlock(&flow->writer.mutex);
        }
}

static void writer_unlock(o7s_flow *flow) {
        (void) pthread_mutex_unlock(&flow->writer.mutex);
}

/* What the flow is after publishing. Only a ring can find that nobody is there. Through a layer that is not the end,
 * and the message is not lost: it stays in our lane until that is copied. */
static int write_published(o7s_flow *flow, int r) {
        if (r != -EPIPE)
                return MIN(r, 0);

        flow_look_for_end(flow);                /* it may have said why */
        if (flow_may_reattach(flow))
                return 0;

        flow_end(flow, CLOSE_PEER_DIED);
        return -EPIPE;
}

static void count_written(o7s_flow *flow, size_t size) {
        flow_count(&flow->writer.n_messages, 1);
        flow_count(&flow->writer.n_bytes, size);
}

/* One message into the lane, and visible. Waits for room. */
static ssize_t write_message(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        usec_t deadline = 0;
        size_t size;
        int r;

        r = parts_check(flow, parts, n, &size);
        if (r < 0)
                return r;
        if (flow->local)
                return local_write(flow, parts, n, size);

        for (;;) {
                Channel *channel = writer_lock(flow);
                int published = 0;

                r = channel_push(channel, parts, n);
                if (r >= 0)
                        published = channel_publish(channel);
                writer_unlock(flow);

                if (r >= 0) {
                        r = write_published(flow, published);
                        break;
                }
                if (r == -EAGAIN)
                        r = write_wait(flow, size, &deadline);
                if (r >= 0)
                        r = parts_check(flow, parts, n, &size);         /* the layer may take less by now */
                if (r < 0)
                        break;
        }
        if (r < 0)
                return r;

        count_written(flow, size);
        return (ssize_t) size;
}

/* As many as find room now. Returns: how many, 0 to n; < 0: the first could not be sent. */
static int write_burst(o7s_flow *flow, const o7s_msg *msgs, unsigned n) {
        Channel *channel = writer_lock(flow);
        int r = 0, published = 0;
        unsigned done;

        for (done = 0; done < n; done++) {
                struct iovec part = { .iov_base = msgs[done].data, .iov_len = msgs[done].size };
                size_t size;

                r = msgs[done].flags == 0 ? parts_check(flow, &part, 1, &size) : -EINVAL;
                if (r >= 0)
                        r = channel_push(channel, &part, 1);
                if (r < 0)
                        break;

                count_written(flow, size);
        }
        if (done > 0)
                published = channel_publish(channel);
        writer_unlock(flow);

        if (done == 0)
                return r == -EAGAIN ? 0 : r;

        r = write_published(flow, published);
        return r < 0 ? r : (int) done;
}

int o7s_flow_reserve(o7s_flow *flow, size_t size, void **ret) {
        usec_t deadline = 0;
        int r;

        if (!ret)
                return flow_fail(flow, -EINVAL, writing);

        r = write_check(flow);
        if (r >= 0 && size > flow_message_max(flow))
                r = -EMSGSIZE;
        if (r >= 0 && flow->transfer) {
                r = transfer_reserve(flow, size, ret);
                if (r >= 0)
                        flow->writer.reserved = size;
                return r < 0 ? write_failed(flow, r) : 0;
        }

        while (r >= 0) {
                r = channel_reserve(writer_lock(flow), size, ret);
                writer_unlock(flow);
                if (r != -EAGAIN)
                        break;
                r = write_wait(flow, size, &deadline);
        }
        if (r < 0)
                return write_failed(flow, r);

        flow->writer.reserved = size;
        flow->writer.slot = *ret;
        return 0;
}

/* What was handed out lies in the lane of that time; the writer has not left it yet. */
static int commit(o7s_flow *flow, size_t size) {
        struct iovec part = { .iov_base = flow->writer.slot, .iov_len = size };
        Channel *channel;
        int r;

        (void) pthread_mutex_lock(&flow->writer.mutex);
        channel = flow->channel;
        r = channel == flow->writer.channel ? channel_commit(channel, size) : channel_push(channel, &part, 1);
        if (r >= 0)
                r = channel_publish(channel);
        (void) pthread_mutex_unlock(&flow->writer.mutex);

        return write_published(flow, r);
}

ssize_t o7s_flow_commit(o7s_flow *flow, size_t size) {
        int r;

        r = flow_check(flow, -EPIPE);
        if (r < 0)
                return flow_fail(flow, r, writing);
        if (flow->writer.reserved == 0 || size > flow->writer.reserved)
                return flow_fail(flow, -EINVAL, writing);
        if (size > flow_message_max(flow))
                return flow_fail(flow, -EMSGSIZE, writing);     /* the path takes less than when it was reserved */

        flow->writer.reserved = 0;
        if (size == 0)
                return 0;       /* the slot is the next message's */
        if (flow->transfer) {
                ssize_t done = transfer_commit(flow, size);

                return done < 0 ? write_failed(flow, (int) done) : done;
        }

        r = commit(flow, size);
        if (r < 0)
                return write_failed(flow, r);

        count_written(flow, size);
        return (ssize_t) size;
}

/* One that no lane takes at once goes by itself. */
static int write_large(o7s_flow *flow, o7s_msg *msg) {
        struct iovec part = { .iov_base = msg->data, .iov_len = msg->size };
        ssize_t size = -EINVAL;

        if (msg->flags == 0)
                size = write_message(flow, &part, 1);
        if (size < 0)
                return (int) size;

        msg->size = (size_t) size;              /* of a stream perhaps less */
        return 1;
}

static int write_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        usec_t deadline = 0;
        int r;

        r = write_check(flow);
        if (r < 0 || n == 0)
                return r;
        if (!msgs)
                return -EINVAL;
        if (flow->transfer)
                return transfer_write_batch(flow, msgs, n);
        if (n > 0 && flow->local && msgs[0].size > channel_message_max(flow->writer.channel))
                return write_large(flow, &msgs[0]);

        while ((r = write_burst(flow, msgs, n)) == 0) {
                r = write_wait(flow, msgs[0].size, &deadline);
                if (r < 0)
                        break;
        }

        return r;
}

int o7s_flow_write_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        int r;

        r = write_batch(flow, msgs, n);
        return r < 0 ? write_failed(flow, r) : r;
}

ssize_t o7s_flow_writev(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        ssize_t size;
        int r;

        r = write_check(flow);
        if (r < 0)
                size = r;
        else
                size = flow->transfer ? transfer_write(flow, parts, n) : write_message(flow, parts, n);
        return size < 0 ? write_failed(flow, (int) size) : size;
}

ssize_t o7s_flow_write(o7s_flow *flow, const void *data, size_t size) {
        struct iovec part = { .iov_base = (void *) data, .iov_len = size };

        return o7s_flow_writev(flow, &part, 1);
}
