/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writing to flows that have a transfer, under its mutex, and waiting until all of it is acknowledged. The handle was
 * checked in flow-send.c. */

#include <limits.h>

#include "libo7s/irm-client.h"
#include "libo7s/transfer.h"

/* A stream's writer is woken for as much as this. */
#define STREAM_WRITE_BYTES 65536U

/* May we go on? */
static int writing_check(const Transfer *t) {
        return transfer_has_ended(t) || flow_state(t->flow) != FLOW_UP ? -EPIPE : 0;
}

/* At most once per tick of the coarse clock: an end is known without a system call per write. */
static void look_for_end(Transfer *t) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        if (now.tv_nsec == t->looked.tv_nsec && now.tv_sec == t->looked.tv_sec)
                return;

        t->looked = now;
        transfer_drain(t);
}

/* Bytes taken; -EAGAIN: no room now. */
static ssize_t push(Transfer *t, const struct iovec *parts, unsigned n, size_t size) {
        int r;

        if (t->frct)
                return frct_write(t->frct, parts, n, time_now_nsec());

        r = size > flow_message_max(t->flow) ? -EMSGSIZE : transfer_push(t, parts, n);
        return r < 0 ? r : (ssize_t) size;
}

static int writing_wait(Transfer *t, size_t wanted, usec_t *deadline) {
        int r;

        if (t->stream)
                wanted = MIN(wanted, MIN((size_t) STREAM_WRITE_BYTES, flow_message_max(t->flow)));

        r = transfer_wait(t, FLOW_WRITING, wanted, flow_get(&t->flow->writer.timeout_usec), deadline);
        return writing_check(t) < 0 ? -EPIPE : r;
}

/* Leaves out the first bytes. */
static void parts_advance(struct iovec **parts, unsigned *n, size_t size) {
        while (*n > 0 && size >= (*parts)->iov_len) {
                size -= (*parts)->iov_len;
                (*parts)++;
                (*n)--;
        }

        if (*n > 0) {
                (*parts)->iov_base = (uint8_t *) (*parts)->iov_base + size;
                (*parts)->iov_len -= size;
        }
}

/* The first bytes of a stream, as many as one message takes. Returns how many parts that is. */
static unsigned parts_limit(const Transfer *t, const struct iovec *parts, unsigned n, struct iovec *ret,
                            size_t *ret_size) {
        size_t left = flow_message_max(t->flow);
        unsigned n_ret = 0;

        *ret_size = 0;
        for (unsigned i = 0; i < n && left > 0; i++) {
                ret[n_ret] = parts[i];
                ret[n_ret].iov_len = MIN(parts[i].iov_len, left);
                left -= ret[n_ret].iov_len;
                *ret_size += ret[n_ret].iov_len;
                n_ret++;
        }

        return n_ret;
}

static ssize_t stream_push(Transfer *t, const struct iovec *parts, unsigned n) {
        struct iovec limited[FLOW_PARTS_MAX];
        size_t size;

        n = parts_limit(t, parts, n, limited, &size);
        return push(t, limited, n, size);
}

/* A message at once, a stream in as many pieces as there is room for. Returns: bytes; errors of a write where there
 * are none. */
static ssize_t write_all(Transfer *t, const struct iovec *parts, unsigned n, size_t size) {
        struct iovec copy[FLOW_PARTS_MAX], *left = copy;
        usec_t deadline = 0;
        size_t done = 0;
        ssize_t r;

        memcpy(copy, parts, n * sizeof(*parts));
        r = writing_check(t);

        while (r >= 0 && done < size) {
                r = t->stream ? stream_push(t, left, n) : push(t, left, n, size);
                if (r > 0) {
                        done += (size_t) r;
                        parts_advance(&left, &n, (size_t) r);
                }
                transfer_pump(t);
                if (r == -EAGAIN || (r >= 0 && done < size))
                        r = writing_wait(t, size - done, &deadline);
        }

        return done > 0 ? (ssize_t) done : r;
}

/* Returns: 0; -EINVAL: nothing, or too many parts; -EMSGSIZE. */
static int parts_check(const Transfer *t, const struct iovec *parts, unsigned n, size_t *ret) {
        size_t max = t->stream ? SSIZE_MAX : flow_message_max(t->flow), size = 0;

        if ((!parts && n > 0) || n > FLOW_PARTS_MAX)
                return -EINVAL;

        for (unsigned i = 0; i < n; i++) {
                if (parts[i].iov_len > max - size)
                        return -EMSGSIZE;
                size += parts[i].iov_len;
        }

        *ret = size;
        return size == 0 ? -EINVAL : 0;
}

static void count_written(o7s_flow *flow, size_t size) {
        flow_count(&flow->writer.n_messages, 1);
        flow_count(&flow->writer.n_bytes, size);
}

/* Mutex held. */
static ssize_t write_parts(Transfer *t, const struct iovec *parts, unsigned n) {
        ssize_t done;
        size_t size;
        int r;

        r = parts_check(t, parts, n, &size);
        if (r < 0)
                return r;

        look_for_end(t);
        done = write_all(t, parts, n, size);
        if (done > 0)
                count_written(t->flow, (size_t) done);
        return done;
}

ssize_t transfer_write(o7s_flow *flow, const struct iovec *parts, unsigned n) {
        Transfer *t = flow->transfer;
        ssize_t size;

        transfer_lock(t);
        size = write_parts(t, parts, n);
        transfer_unlock(t, false);
        return size;
}

/* As many as find room now, each whole. Returns: how many; < 0: why the first does not go. */
static int write_burst(Transfer *t, const o7s_msg *msgs, unsigned n) {
        ssize_t r = writing_check(t);
        unsigned done;

        for (done = 0; done < n && r >= 0; done++) {
                struct iovec part = { .iov_base = msgs[done].data, .iov_len = msgs[done].size };
                size_t size;

                r = msgs[done].flags == 0 ? parts_check(t, &part, 1, &size) : -EINVAL;
                if (r >= 0 && t->stream && (size > flow_message_max(t->flow) || !frct_writable(t->frct, size)))
                        r = -EAGAIN;
                if (r >= 0)
                        r = push(t, &part, 1, size);
                if (r < 0)
                        break;
                count_written(t->flow, size);
        }

        transfer_pump(t);
        return done == 0 && r < 0 ? (int) r : (int) done;
}

/* The first of them waits for its room. Of a stream part of it may go; its size then says how much. */
static int write_after_wait(Transfer *t, o7s_msg *msgs, unsigned n) {
        struct iovec part = { .iov_base = msgs[0].data, .iov_len = msgs[0].size };
        ssize_t size;
        int more;

        size = write_all(t, &part, 1, part.iov_len);
        if (size < 0)
                return (int) size;

        count_written(t->flow, (size_t) size);
        if ((size_t) size < msgs[0].size) {
                msgs[0].size = (size_t) size;
                return 1;
        }

        more = write_burst(t, msgs + 1, n - 1);
        return 1 + MAX(more, 0);
}

int transfer_write_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n) {
        Transfer *t = flow->transfer;
        int r;

        transfer_lock(t);

        look_for_end(t);
        r = write_burst(t, msgs, n);
        if (r == -EAGAIN)
                r = write_after_wait(t, msgs, n);

        transfer_unlock(t, false);
        return r;
}

/* -- in place: in memory of ours, for FRCT decides late what a packet is -- */

/* Waits until there is room, as a write does. Mutex held. */
static int reserve_wait(Transfer *t, size_t size) {
        usec_t deadline = 0;
        int r;

        for (;;) {
                transfer_pump(t);
                r = writing_check(t);
                if (r < 0 || transfer_is_ready(t, FLOW_WRITING, size))
                        return r;

                t->lane_full = !t->frct;
                r = writing_wait(t, size, &deadline);
                if (r < 0)
                        return r;
        }
}

int transfer_reserve(o7s_flow *flow, size_t size, void **ret) {
        Transfer *t = flow->transfer;
        int r;

        if (size == 0)
                return -EINVAL;
        if (size > LANE_SLOT_BYTES)
                return -EMSGSIZE;

        transfer_lock(t);
        if (!t->reserved)
                t->reserved = malloc(LANE_SLOT_BYTES);
        r = t->reserved ? reserve_wait(t, size) : -ENOMEM;
        transfer_unlock(t, false);
        if (r < 0)
                return r;

        *ret = t->reserved;
        return 0;
}

ssize_t transfer_commit(o7s_flow *flow, size_t size) {
        struct iovec part = { .iov_base = flow->transfer->reserved, .iov_len = size };

        return transfer_write(flow, &part, 1);
}

/* -- flushing -- */

/* What ended the flow may have been the peer's close, which acknowledges the data before but not our own end. */
static bool is_acknowledged(Transfer *t) {
        FrctStats stats;

        if (!t->reliable)
                return transfer_is_flushed(t);

        frct_stats(t->frct, &stats);
        return stats.bytes_unacknowledged == 0;
}

static int flush(Transfer *t, bool finish, usec_t timeout) {
        usec_t deadline = 0, nap = 20, until = usec_add(time_now(), timeout);

        if (finish && t->frct)
                frct_finish(t->frct, time_now_nsec());

        for (;;) {
                int r;

                transfer_pump(t);
                if (transfer_is_flushed(t))
                        return 0;
                if (writing_check(t) < 0 || (t->frct && frct_ended(t->frct) < 0))
                        return is_acknowledged(t) ? 0 : -EPIPE;

                if (t->reliable || timeout == 0) {
                        r = transfer_wait(t, FLOW_WRITING, 0, timeout, &deadline);
                        if (r < 0)
                                return r;
                        continue;
                }

                /* Until the lane is empty: an armed writer is rung when it is half so, the rest has no bell. */
                if (time_now() >= until)
                        return -ETIMEDOUT;
                transfer_unlock(t, false);
                (void) wait_for_fd(-1, 0, MIN(until, usec_add(time_now(), nap)));
                transfer_lock(t);
                look_for_end(t);
                nap = MIN(2 * nap, USEC_PER_MSEC);
        }
}

int transfer_flush(o7s_flow *flow, bool finish, uint64_t timeout_usec) {
        Transfer *t = flow->transfer;
        int r;

        transfer_lock(t);
        r = flush(t, finish, timeout_usec);
        transfer_unlock(t, false);
        return r;
}
