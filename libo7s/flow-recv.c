/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Messages on their way in: copied out of the peer's lane, then their slots given back.
 *
 * A message may be read in parts. That a part fills the buffer means "more to come", so where the end of a
 * message coincides with the end of the buffer, end_pending owes the reader a part of 0 bytes. (Batches say
 * it in a flag.)
 */

#include <limits.h>

#include "libo7s/flow-local.h"
#include "libo7s/transfer.h"

static const char reading[] = "Reading from the flow";

/* May we read? */
static int read_check(o7s_flow *flow) {
        int r;

        r = flow_check(flow, -ENOTCONN);
        if (r < 0)
                return r;

        return flow->reader.held ? -EBUSY : 0;
}

/* Every call of the reading side ends here. */
static ssize_t read_finish(o7s_flow *flow, ssize_t r) {
        if (r == -EBADMSG)
                flow_end(flow, CLOSE_VIOLATION);
        if (r != -EBUSY && !flow->transfer) {
                flow_note_read(flow, r);
                flow_settle(flow);
        }

        return r < 0 ? flow_fail(flow, (int) r, reading) : r;
}

/* Waits until there is something. Returns: 0: look again; -ENOTCONN: there never will be; -EAGAIN,
 * -ETIMEDOUT. */
static int read_wait(o7s_flow *flow, bool ended, usec_t *deadline) {
        /* The end is believed only if it was known before the look that found nothing. */
        if (ended)
                return -ENOTCONN;

        return flow_wait(flow, FLOW_READING, flow_get(&flow->reader.timeout_usec), deadline);
}

/* Part of the message in front. */
static ssize_t part_read(o7s_flow *flow, void *data, size_t size, bool *ret_more) {
        return flow->local ? local_read(flow, data, size, ret_more)
                           : channel_read(flow->reader.channel, data, size, ret_more);
}

/* Drops it. */
static void rest_skip(o7s_flow *flow) {
        if (flow->local)
                local_skip(flow);
        else
                channel_skip(flow->reader.channel);
}

/* Fills the parts from the message in front, or from the stream. Returns: bytes; -EAGAIN; -EBADMSG. */
static ssize_t message_copy(o7s_flow *flow, const struct iovec *parts, unsigned n, bool *ret_more) {
        ssize_t total = 0;
        bool more = true;

        for (unsigned i = 0; i < n && more; i++) {
                ssize_t r;

                if (parts[i].iov_len == 0)
                        continue;

                r = part_read(flow, parts[i].iov_base, parts[i].iov_len, &more);
                if (r < 0 && total > 0)
                        break;                          /* of a stream: that is all for now */
                if (r < 0)
                        return r;
                total += r;
        }

        *ret_more = more && !flow_is_local_stream(flow);
        return total;
}

/* The same, waiting for a message. */
static ssize_t message_take(o7s_flow *flow, const struct iovec *parts, unsigned n, bool may_wait, bool *ret_more) {
        usec_t deadline = 0;
        ssize_t size;

        for (;;) {
                bool ended = flow_ended(flow) != FLOW_NOT_ENDED;
                int r;

                size = message_copy(flow, parts, n, ret_more);
                if ((size == -EAGAIN || size == -EBADMSG) && flow_reader_follow(flow))
                        continue;               /* that was the last of a process that was killed */
                if (size != -EAGAIN || !may_wait)
                        break;

                r = read_wait(flow, ended, &deadline);
                if (r < 0)
                        return r;
        }
        if (size < 0)
                return size;

        if (*ret_more && (flow_get(&flow->flags) & O7S_TRUNCATE)) {
                rest_skip(flow);
                flow_count(&flow->reader.n_cut, 1);
        }

        flow_count(&flow->reader.n_messages, !*ret_more || (flow_get(&flow->flags) & O7S_TRUNCATE));
        flow_count(&flow->reader.n_bytes, (uint64_t) size);
        return size;
}

/* Bytes of room in all parts; -EINVAL: none, or too many parts. */
static ssize_t parts_check(const struct iovec *parts, unsigned n) {
        size_t size = 0;

        if (!parts || n > FLOW_PARTS_MAX)
                return -EINVAL;

        for (unsigned i = 0; i < n; i++)
                if (__builtin_add_overflow(size, parts[i].iov_len, &size))
                        return -EINVAL;

        return size == 0 || size > SSIZE_MAX ? -EINVAL : (ssize_t) size;
}

static ssize_t read_parts(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        bool more = false;
        ssize_t room, size;
        int r;

        r = read_check(flow);
        if (r < 0)
                return r;

        room = parts_check(parts, n);
        if (room < 0)
                return room;
        if (flow->transfer)
                return transfer_read(flow, parts, n);

        if (flow->reader.end_pending) {
                flow->reader.end_pending = false;
                return 0;
        }

        size = message_take(flow, parts, n, true, &more);
        if (size < 0)
                return size;

        flow->reader.end_pending = size == room && !more && !(flow_get(&flow->flags) & O7S_TRUNCATE) &&
                                   !flow_is_local_stream(flow);
        (void) channel_release(flow->reader.channel);          /* what it may find out, the next call will */
        return size;
}

ssize_t o7s_flow_readv(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        if (!flow)
                return flow_fail(NULL, -EINVAL, reading);

        return read_finish(flow, read_parts(flow, parts, n));
}

ssize_t o7s_flow_read(o7s_flow *flow, void *data, size_t size) {
        struct iovec part = { .iov_base = data, .iov_len = size };

        return o7s_flow_readv(flow, &part, 1);
}

/* Fills one entry. Returns: 0; what message_take() says. */
static int batch_entry(o7s_flow *flow, o7s_msg *msg, bool may_wait) {
        struct iovec part = { .iov_base = msg->data, .iov_len = msg->capacity };
        bool more = false;
        ssize_t size;

        if (msg->capacity == 0 || msg->capacity > SSIZE_MAX)
                return -EINVAL;

        size = message_take(flow, &part, 1, may_wait, &more);
        if (size < 0)
                return (int) size;

        msg->size = (size_t) size;
        msg->flags = !more ? 0 : flow_get(&flow->flags) & O7S_TRUNCATE ? O7S_MSG_TRUNCATED : O7S_MSG_MORE;
        return 0;
}

static int read_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        unsigned done;
        int r;

        r = read_check(flow);
        if (r < 0)
                return r;
        if ((!msgs && n > 0) || n > INT32_MAX)
                return -EINVAL;
        if (flow->transfer)
                return transfer_read_batch(flow, msgs, n);

        flow->reader.end_pending = false;               /* flags say it here */

        for (done = 0; done < n; done++) {
                r = batch_entry(flow, &msgs[done], done == 0);
                if (r < 0)
                        break;
        }

        if (done == 0 && n > 0)
                return r;

        (void) channel_release(flow->reader.channel);
        return (int) done;
}

int o7s_flow_read_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        if (!flow)
                return flow_fail(NULL, -EINVAL, reading);

        return (int) read_finish(flow, read_batch(flow, msgs, n));
}

/* -- in place -- */

/* A message that spans slots is not in one piece: a private copy is. */
static int peek_copy(o7s_flow *flow) {
        size_t max = channel_message_max(flow->reader.channel);
        ssize_t size;

        if (!flow->reader.copy) {
                flow->reader.copy = malloc(max);
                if (!flow->reader.copy)
                        return -ENOMEM;
        }

        size = channel_read(flow->reader.channel, flow->reader.copy, max, NULL);
        if (size < 0)
                return (int) size;

        flow->reader.copy_size = (size_t) size;
        return 0;
}

static int peek(o7s_flow *flow, const void **ret, size_t *ret_size) {
        usec_t deadline = 0;
        int r;

        r = read_check(flow);
        if (r < 0)
                return r;
        if (!ret || !ret_size)
                return -EINVAL;
        if (flow->transfer)
                return transfer_peek(flow, ret, ret_size);

        flow->reader.end_pending = false;
        flow->reader.copy_size = 0;

        for (;;) {
                bool ended = flow_ended(flow) != FLOW_NOT_ENDED;

                r = flow->local ? local_peek(flow, ret, ret_size) : channel_peek(flow->reader.channel, ret, ret_size);
                if ((r == -EAGAIN || r == -EBADMSG) && flow_reader_follow(flow))
                        continue;
                if (r != -EAGAIN)
                        break;

                r = read_wait(flow, ended, &deadline);
                if (r < 0)
                        return r;
        }

        if (r == -EMSGSIZE) {
                r = peek_copy(flow);
                if (r >= 0) {
                        *ret = flow->reader.copy;
                        *ret_size = flow->reader.copy_size;
                }
        }
        if (r < 0)
                return r;

        flow->reader.held = true;
        flow_count(&flow->reader.n_messages, 1);
        flow_count(&flow->reader.n_bytes, *ret_size);
        return 0;
}

int o7s_flow_peek(o7s_flow *flow, const void **ret, size_t *ret_size) {
        if (!flow)
                return flow_fail(NULL, -EINVAL, reading);

        return (int) read_finish(flow, peek(flow, ret, ret_size));
}

int o7s_flow_release(o7s_flow *flow) {
        int r;

        r = flow_check(flow, -ENOTCONN);
        if (r >= 0 && !flow->reader.held)
                r = -EINVAL;
        if (r < 0)
                return flow_fail(flow, r, reading);

        if (flow->transfer) {
                transfer_release(flow);
                return 0;
        }

        /* A copy is out of the lane already. */
        if (flow->reader.copy_size == 0)
                rest_skip(flow);

        flow->reader.held = false;
        flow->reader.copy_size = 0;
        (void) channel_release(flow->reader.channel);
        flow_settle(flow);
        return 0;
}
