/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading from flows that have a transfer, under its mutex. Handle and arguments were checked in flow-recv.c. */

#include <limits.h>

#include "libo7s/transfer.h"

/* Why there never will be anything more to read. */
static int reading_ended(const Transfer *t) {
        int r;

        if (!t->frct || flow_state(t->flow) != FLOW_UP)
                return -ENOTCONN;

        /* A reliable flow that ends well says so itself, where the peer can: anything else is a loss. */
        r = frct_ended(t->frct);
        if (r == 0 || r == -ENOTCONN)
                return r == 0 && t->reliable && t->extended ? -ECONNRESET : -ENOTCONN;

        return -ECONNRESET;
}

/* Part of the message that was checked, without FRCT. */
static ssize_t content_read(Transfer *t, void *data, size_t size, bool *ret_more) {
        size_t n = MIN(size, t->content_size - t->content_offset);

        if (t->content_size == 0)
                return -EAGAIN;

        memcpy(data, t->content + t->content_offset, n);
        t->content_offset += n;
        *ret_more = t->content_offset < t->content_size;
        if (!*ret_more)
                t->content_size = 0;
        return (ssize_t) n;
}

static ssize_t part_read(Transfer *t, void *data, size_t size, bool *ret_more) {
        ssize_t n;

        *ret_more = false;
        if (!t->frct)
                return content_read(t, data, size, ret_more);

        n = frct_read(t->frct, data, size, ret_more, time_now_nsec());
        return n < 0 && n != -EAGAIN ? reading_ended(t) : n;
}

static void rest_skip(Transfer *t) {
        if (t->frct)
                frct_skip(t->frct, time_now_nsec());
        else
                t->content_size = 0;
}

/* Of a stream as much as is there. */
static ssize_t stream_copy(Transfer *t, const struct iovec *parts, unsigned n) {
        ssize_t total = 0;

        for (unsigned i = 0; i < n; i++)
                for (size_t done = 0; done < parts[i].iov_len;) {
                        bool more;
                        ssize_t r;

                        r = part_read(t, (uint8_t *) parts[i].iov_base + done, parts[i].iov_len - done, &more);
                        if (r < 0)
                                return total > 0 ? total : r;
                        done += (size_t) r;
                        total += r;
                }

        return total;
}

/* Fills the parts from the message in front. Returns: bytes; -EAGAIN; reading_ended(). */
static ssize_t message_copy(Transfer *t, const struct iovec *parts, unsigned n, bool *ret_more) {
        ssize_t total = 0;
        bool more = true;

        for (unsigned i = 0; i < n && more; i++) {
                ssize_t r;

                if (parts[i].iov_len == 0)
                        continue;

                r = part_read(t, parts[i].iov_base, parts[i].iov_len, &more);
                if (r < 0)
                        return r;
                total += r;
        }

        *ret_more = more;
        return total;
}

/* Waits until a part of a message is there. Mutex held; another thread may close the flow meanwhile. */
static int reading_wait(Transfer *t, bool may_wait) {
        usec_t deadline = 0;

        for (;;) {
                /* The end is believed only if it was known before the look that found nothing. */
                bool ended = transfer_has_ended(t);
                int r;

                transfer_pump(t);
                if (transfer_is_readable(t))
                        return 0;
                if (ended || (t->frct && frct_ended(t->frct) < 0))
                        return reading_ended(t);
                if (!may_wait)
                        return -EAGAIN;

                r = transfer_wait(t, FLOW_READING, 0, flow_get(&t->flow->reader.timeout_usec), &deadline);
                if (r < 0)
                        return r;
        }
}

static ssize_t message_take(Transfer *t, const struct iovec *parts, unsigned n, bool may_wait, bool *ret_more) {
        o7s_flow *flow = t->flow;
        bool truncate;
        ssize_t size;

        *ret_more = false;
        size = reading_wait(t, may_wait);
        if (size >= 0)
                size = t->stream ? stream_copy(t, parts, n) : message_copy(t, parts, n, ret_more);
        if (size < 0)
                return size;

        truncate = *ret_more && (flow_get(&flow->flags) & O7S_TRUNCATE);
        if (truncate) {
                rest_skip(t);
                flow_count(&flow->reader.n_cut, 1);
        }

        flow_count(&flow->reader.n_messages, !*ret_more || truncate);
        flow_count(&flow->reader.n_bytes, (uint64_t) size);
        return size;
}

/* Every call of the reading side ends here. */
static void reading_done(Transfer *t, ssize_t r) {
        flow_note_read(t->flow, r);
        transfer_unlock(t, true);
}

static ssize_t read_parts(Transfer *t, const struct iovec *parts, unsigned n) {
        o7s_flow *flow = t->flow;
        bool more = false;
        size_t room = 0;
        ssize_t size;

        if (flow->reader.end_pending) {
                flow->reader.end_pending = false;
                return 0;
        }

        size = message_take(t, parts, n, true, &more);
        if (size < 0)
                return size;

        for (unsigned i = 0; i < n; i++)
                room += parts[i].iov_len;
        flow->reader.end_pending = (size_t) size == room && !more && !t->stream &&
                                   !(flow_get(&flow->flags) & O7S_TRUNCATE);
        return size;
}

ssize_t transfer_read(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        Transfer *t = flow->transfer;
        ssize_t size;

        transfer_lock(t);
        size = read_parts(t, parts, n);
        reading_done(t, size);
        return size;
}

/* Fills one entry. */
static int batch_entry(Transfer *t, o7s_msg *msg, bool may_wait) {
        struct iovec part = { .iov_base = msg->data, .iov_len = msg->capacity };
        bool more = false;
        ssize_t size;

        if (msg->capacity == 0 || msg->capacity > SSIZE_MAX)
                return -EINVAL;

        size = message_take(t, &part, 1, may_wait, &more);
        if (size < 0)
                return (int) size;

        msg->size = (size_t) size;
        msg->flags = !more ? 0 : flow_get(&t->flow->flags) & O7S_TRUNCATE ? O7S_MSG_TRUNCATED : O7S_MSG_MORE;
        return 0;
}

int transfer_read_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        Transfer *t = flow->transfer;
        unsigned done;
        int r = 0;

        transfer_lock(t);

        flow->reader.end_pending = false;               /* flags say it here */
        for (done = 0; done < n; done++) {
                r = batch_entry(t, &msgs[done], done == 0);
                if (r < 0)
                        break;
        }

        reading_done(t, done == 0 ? r : 0);
        return done == 0 ? r : (int) done;
}

/* The message in front, or what there is of a stream, into a copy: FRCT's own memory moves with the next packet. */
static int message_hold(Transfer *t) {
        FlowReader *reader = &t->flow->reader;
        size_t room = t->frct && t->extended ? FRCT_MESSAGE_MAX : t->packet_size;
        bool more;
        ssize_t n;
        int r;

        /* Most of it is never touched where messages are small. */
        if (!reader->copy) {
                reader->copy = malloc(room);
                if (!reader->copy)
                        return -ENOMEM;
        }

        r = reading_wait(t, true);
        if (r < 0)
                return r;

        n = part_read(t, reader->copy, room, &more);
        if (n < 0)
                return (int) n;

        reader->copy_size = (size_t) n;
        return 0;
}

int transfer_peek(o7s_flow *flow, const void **ret, size_t *ret_size) {
        FlowReader *reader = &flow->reader;
        Transfer *t = flow->transfer;
        int r;

        transfer_lock(t);

        reader->end_pending = false;
        r = message_hold(t);
        if (r >= 0) {
                *ret = reader->copy;
                *ret_size = reader->copy_size;
                reader->held = true;
                flow_count(&reader->n_messages, 1);
                flow_count(&reader->n_bytes, reader->copy_size);
        }

        reading_done(t, r);
        return r;
}

void transfer_release(o7s_flow *flow) {
        Transfer *t = flow->transfer;

        transfer_lock(t);
        flow->reader.held = false;
        flow->reader.copy_size = 0;
        reading_done(t, 0);
}
