/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Large messages and streams between two programs of one host, see flow-local.h. */

#include <limits.h>

#include "libo7s/flow-local.h"

#define CAPACITY_MIN 65536U

bool local_is_needed(const IrmFlowInfo *info) {
        return info->local && info->qos.in_order;
}

int local_new(const IrmFlowInfo *info, LocalFlow **ret) {
        LocalFlow *local;

        local = malloc(sizeof(*local));
        if (!local)
                return -ENOMEM;

        *local = (LocalFlow) { .stream = info->transfer & IRM_TRANSFER_STREAM };
        *ret = local;
        return 0;
}

LocalFlow *local_free(LocalFlow *local) {
        if (!local)
                return NULL;

        free(local->reader.content);
        free(local->writer.torn);
        return mfree(local);
}

/* -- reading -- */

static void reader_drop(LocalReader *reader) {
        reader->size = reader->offset = 0;
        reader->complete = false;
}

/* Room for this many bytes more. */
static int reader_reserve(LocalReader *reader, size_t size) {
        size_t capacity = MAX(reader->capacity, (size_t) CAPACITY_MIN);
        uint8_t *content;

        while (capacity < reader->size + size)
                capacity *= 2;
        if (capacity == reader->capacity)
                return 0;

        content = realloc(reader->content, capacity);
        if (!content)
                return -ENOMEM;

        reader->content = content;
        reader->capacity = capacity;
        return 0;
}

/* Takes the message of the lane that is in front, which is part of a larger one. */
static int reader_append(LocalReader *reader, Channel *channel, size_t size, ChannelFlags flags) {
        ssize_t n;
        int r;

        if (size > LOCAL_MESSAGE_MAX - reader->size)
                return channel_condemn(channel);

        r = reader_reserve(reader, size);
        if (r < 0)
                return r;

        n = channel_read(channel, reader->content + reader->size, size, NULL);
        if (n < 0)
                return (int) n;

        reader->size += (size_t) n;
        reader->complete = !(flags & CHANNEL_PART);

        /* The writer waits for room in the middle of its message. */
        (void) channel_release(channel);
        return 0;
}

/* Puts together what is in the lane until a whole message is there: in .content, or, a small one, in front of the lane.
 * Returns: 0; -EAGAIN; -EBADMSG, -ENOMEM. */
static int reader_gather(LocalFlow *local, Channel *channel) {
        LocalReader *reader = &local->reader;

        while (!reader->complete) {
                ChannelFlags flags;
                size_t size;
                int r;

                r = channel_front(channel, &size, &flags);
                if (r < 0)
                        return r;

                /* Marks are a layer's, pieces a message's, and a rest needs a beginning. */
                if ((flags & CHANNEL_MARKED) || (flags != 0 && local->stream) ||
                    ((flags & CHANNEL_REST) && reader->size == 0))
                        return channel_condemn(channel);

                if (!(flags & CHANNEL_REST))
                        reader_drop(reader);                    /* its writer gave up */
                if (flags == 0)
                        return 0;

                r = reader_append(reader, channel, size, flags);
                if (r < 0)
                        return r;
        }

        return 0;
}

static ssize_t read_content(LocalReader *reader, void *data, size_t size, bool *ret_more) {
        size_t n = MIN(size, reader->size - reader->offset);

        memcpy(data, reader->content + reader->offset, n);
        reader->offset += n;
        *ret_more = reader->offset < reader->size;
        if (!*ret_more)
                reader_drop(reader);

        return (ssize_t) n;
}

static ssize_t read_stream(LocalFlow *local, Channel *channel, uint8_t *data, size_t size, bool *ret_more) {
        size_t done = 0;
        ssize_t n = 0;

        while (done < size) {
                n = reader_gather(local, channel);
                if (n >= 0)
                        n = channel_read(channel, data + done, size - done, NULL);
                if (n < 0)
                        break;
                done += (size_t) n;
        }

        *ret_more = done == size;
        return done > 0 ? (ssize_t) done : n;
}

ssize_t local_read(o7s_flow *flow, void *data, size_t size, bool *ret_more) {
        Channel *channel = flow->reader.channel;
        LocalFlow *local = flow->local;
        int r;

        if (local->stream)
                return read_stream(local, channel, data, size, ret_more);

        r = reader_gather(local, channel);
        if (r < 0)
                return r;

        return local->reader.complete ? read_content(&local->reader, data, size, ret_more)
                                      : channel_read(channel, data, size, ret_more);
}

void local_skip(o7s_flow *flow) {
        if (flow->local->reader.complete)
                reader_drop(&flow->local->reader);
        else
                channel_skip(flow->reader.channel);
}

int local_peek(o7s_flow *flow, const void **ret, size_t *ret_size) {
        LocalReader *reader = &flow->local->reader;
        int r;

        r = reader_gather(flow->local, flow->reader.channel);
        if (r < 0)
                return r;
        if (!reader->complete)
                return channel_peek(flow->reader.channel, ret, ret_size);

        *ret = reader->content + reader->offset;
        *ret_size = reader->size - reader->offset;
        return 0;
}

bool local_readable(o7s_flow *flow) {
        return reader_gather(flow->local, flow->reader.channel) != -EAGAIN;
}

/* -- writing -- */

/* Part of the parts: size bytes, after the first "from" of them. Returns how many entries. */
static unsigned parts_slice(const struct iovec *parts, unsigned n, size_t from, size_t size,
                            struct iovec slice[FLOW_PARTS_MAX]) {
        unsigned n_slice = 0;

        for (unsigned i = 0; i < n && size > 0; i++) {
                size_t length = parts[i].iov_len, skip = MIN(from, length), part = MIN(length - skip, size);

                from -= skip;
                size -= part;
                if (part > 0)
                        slice[n_slice++] = (struct iovec) {
                                .iov_base = (uint8_t *) parts[i].iov_base + skip,
                                .iov_len = part,
                        };
        }

        return n_slice;
}

static bool parts_equal(const struct iovec *parts, unsigned n, const uint8_t *data) {
        for (unsigned i = 0; i < n; i++) {
                if (parts[i].iov_len > 0 && memcmp(parts[i].iov_base, data, parts[i].iov_len) != 0)
                        return false;
                data += parts[i].iov_len;
        }

        return true;
}

/* How much of this message is in the lane already. What was torn before is over, one way or the other. */
static size_t writer_resume(o7s_flow *flow, const struct iovec *parts, unsigned n, size_t size) {
        LocalWriter *writer = &flow->local->writer;
        size_t done = 0;

        if (!writer->torn)
                return 0;

        if (writer->size == size && writer->n_messages == flow_get(&flow->writer.n_messages) &&
            parts_equal(parts, n, writer->torn))
                done = writer->done;
        writer->torn = mfree(writer->torn);
        return done;
}

/* Without memory for the copy the message begins anew when it is written again. */
static void writer_tear(o7s_flow *flow, const struct iovec *parts, unsigned n, size_t size, size_t done) {
        LocalWriter *writer = &flow->local->writer;
        uint8_t *at;

        *writer = (LocalWriter) { .size = size, .done = done, .n_messages = flow_get(&flow->writer.n_messages) };
        writer->torn = at = malloc(size);
        if (!at)
                return;

        for (unsigned i = 0; i < n; i++) {
                memcpy(at, parts[i].iov_base, parts[i].iov_len);
                at += parts[i].iov_len;
        }
}

/* Waits for room for so many bytes, or half of the lane. Returns: 0; -EPIPE; -EAGAIN, -ETIMEDOUT. */
static int room_wait(o7s_flow *flow, size_t size, usec_t *deadline) {
        int r;

        size = MIN(size, channel_message_max(flow->writer.channel));
        flow->writer.slots_wanted = (uint32_t) ((size + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES);
        r = flow_wait(flow, FLOW_WRITING, flow_get(&flow->writer.timeout_usec), deadline);
        return flow_ended(flow) != FLOW_NOT_ENDED ? -EPIPE : r;
}

/* Puts as much as there is room for into the lane, of what comes after "done". Returns: bytes; -EAGAIN, -EPIPE,
 * -EBADMSG. */
static ssize_t piece_push(o7s_flow *flow, const struct iovec *parts, unsigned n, size_t done, size_t size) {
        Channel *channel = flow->writer.channel;
        size_t piece = MIN(size - done, channel_room(channel));
        struct iovec slice[FLOW_PARTS_MAX];
        ChannelFlags flags = 0;
        int r;

        /* What a lane takes at once is not cut: most messages never need putting together. */
        if (piece == 0 || (!flow->local->stream && done == 0 && piece < size && size <= channel_message_max(channel)))
                return -EAGAIN;
        if (!flow->local->stream)
                flags = (done > 0 ? CHANNEL_REST : 0) | (done + piece < size ? CHANNEL_PART : 0);

        n = parts_slice(parts, n, done, piece, slice);
        r = channel_push_flagged(channel, slice, n, flags);
        if (r < 0)
                return r;

        r = channel_publish(channel);
        if (r == -EPIPE) {
                flow_look_for_end(flow);        /* it may have said why */
                flow_end(flow, CLOSE_PEER_DIED);
        }
        return r < 0 ? r : (ssize_t) piece;
}

ssize_t local_write(o7s_flow *flow, const struct iovec *parts, unsigned n, size_t size) {
        bool stream = flow->local->stream;
        size_t done = stream ? 0 : writer_resume(flow, parts, n, size);
        usec_t deadline = 0;
        ssize_t r = 0;

        while (done < size) {
                r = piece_push(flow, parts, n, done, size);
                if (r >= 0)
                        done += (size_t) r;
                else if (r == -EAGAIN)
                        r = room_wait(flow, size - done, &deadline);
                if (r < 0)
                        break;
        }

        if (done == size || (stream && done > 0)) {
                flow_count(&flow->writer.n_messages, 1);
                flow_count(&flow->writer.n_bytes, done);
                return (ssize_t) done;
        }

        if (done > 0 && (r == -EAGAIN || r == -ETIMEDOUT))
                writer_tear(flow, parts, n, size, done);
        return r;
}
