/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes between two descriptors and a flow. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/nc-relay.h"
#include "apps/units.h"
#include "apps/wait.h"

#define BUFFER_BYTES 65536U
#define FLUSH_USEC 20000U
#define CLOSE_USEC (5 * USEC_PER_SEC)

int nc_relay_init(NcRelay *r) {
        struct o7s_flow_info info = { .size = sizeof(info) };
        int error;

        error = o7s_flow_info(r->flow, &info);
        if (error < 0)
                return error;

        r->flow_fd = o7s_flow_fd(r->flow);
        if (r->flow_fd < 0)
                return r->flow_fd;

        (void) o7s_flow_set_timeout(r->flow, O7S_TIMEOUT_READ, 0);
        (void) o7s_flow_set_timeout(r->flow, O7S_TIMEOUT_WRITE, 0);

        /* A line and its end, a message and the byte that shows that it has ended. */
        r->chunk_bytes = r->messages || info.mtu < BUFFER_BYTES ? info.mtu : BUFFER_BYTES;
        r->capacity = (info.mtu > BUFFER_BYTES ? info.mtu : BUFFER_BYTES) + 2;
        r->close_nsec = UINT64_MAX;
        r->in = malloc(r->capacity);
        r->out = malloc(r->capacity);
        return r->in && r->out ? 0 : -ENOMEM;
}

void nc_relay_done(NcRelay *r) {
        free(r->in);
        free(r->out);
        r->in = r->out = NULL;
}

/* -- from in_fd to the flow -- */

static int take_input(NcRelay *r) {
        ssize_t n;

        (void) memmove(r->in, r->in + r->in_start, r->in_size);
        r->in_start = 0;

        n = read(r->in_fd, r->in + r->in_size, r->capacity - r->in_size);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0) {
                r->in_ended = true;
                if (r->quit_usec != UINT64_MAX)
                        r->close_nsec = clock_nsec() + r->quit_usec * NSEC_PER_USEC;
                return 0;
        }

        r->in_size += (size_t) n;
        return 0;
}

/* The next message that is there as a whole. Returns how many bytes of the input it takes, 0: there is none; *ret_size
 * are to be sent, 0 for an empty line, as messages are never empty; -EMSGSIZE. */
static ssize_t next_chunk(const NcRelay *r, size_t *ret_size) {
        const uint8_t *in = r->in + r->in_start, *end;

        if (!r->messages) {
                *ret_size = r->in_size < r->chunk_bytes ? r->in_size : r->chunk_bytes;
                return (ssize_t) *ret_size;
        }

        end = memchr(in, '\n', r->in_size);
        if (!end && (!r->in_ended || r->in_size == 0))
                return r->in_size > r->chunk_bytes ? -EMSGSIZE : 0;

        *ret_size = end ? (size_t) (end - in) : r->in_size;
        if (*ret_size > r->chunk_bytes)
                return -EMSGSIZE;
        return (ssize_t) *ret_size + (end ? 1 : 0);
}

/* Writes what can be written now. Returns: > 0: the flow takes no more now; 0; a negative errno. */
static int give_flow(NcRelay *r) {
        while (r->in_size > 0) {
                size_t size = 0;
                ssize_t taken, n;

                taken = next_chunk(r, &size);
                if (taken <= 0)
                        return (int) taken;

                n = size == 0 ? 0 : o7s_flow_write(r->flow, r->in + r->in_start, size);
                if (n == -EAGAIN)
                        return 1;
                if (n < 0)
                        return (int) n;

                r->n_sent += (uint64_t) n;
                if ((size_t) n < size)          /* a stream may take a part */
                        taken = n;
                r->in_size -= (size_t) taken;
                r->in_start += (size_t) taken;
        }

        return 0;
}

/* -- from the flow to out_fd -- */

/* Returns: 0, also where there is nothing; a negative errno: -ENOTCONN: the flow has ended, and that was all of it. */
static int take_flow(NcRelay *r) {
        size_t room = r->capacity - 1;
        ssize_t n;

        n = o7s_flow_read(r->flow, r->out, room);
        if (n < 0)
                return n == -EAGAIN ? 0 : (int) n;

        r->n_received += (uint64_t) n;
        r->out_start = 0;
        r->out_end = (size_t) n;
        if (r->messages && (size_t) n < room)
                r->out[r->out_end++] = '\n';
        return 0;
}

/* Out descriptors are left as they are, as others may share them; a pipe that poll() calls writable takes PIPE_BUF
 * bytes. */
static int give_output(NcRelay *r) {
        size_t size = r->out_end - r->out_start;
        ssize_t n;

        n = write(r->out_fd, r->out + r->out_start, size < PIPE_BUF ? size : PIPE_BUF);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;

        r->out_start += (size_t) n;
        return 0;
}

/* -- both -- */

/* What the flow's descriptor is to tell of: that there is something to read while there is a place for it, that it can
 * be written while something waits for that. Its end shows otherwise, too: -EPIPE. */
static int arm(NcRelay *r, bool reads, bool writes) {
        int error = 0;

        if (r->read_unarmed == reads) {
                error = o7s_flow_arm_read(r->flow, reads);
                if (error >= 0)
                        r->read_unarmed = !reads;
        }
        if (error >= 0 && r->write_armed != writes) {
                error = o7s_flow_arm_write(r->flow, writes);
                if (error >= 0)
                        r->write_armed = writes;
        }

        return error == -EPIPE ? 0 : error;
}

/* While out_fd holds us up nobody reads the flow, which is how else it would be seen why its descriptor woke us. */
static int look_at_flow(NcRelay *r) {
        int events = o7s_flow_events(r->flow);

        if (events < 0)
                return events;

        r->flow_down = events & O7S_DOWN;
        return 0;
}

/* Sleeps until something can be done. Once the flow is down its descriptor is readable for good: while out_fd holds us
 * up there is nothing more to learn from it then. */
static int relay_wait(NcRelay *r, bool blocked) {
        bool holding = r->out_start < r->out_end;
        struct pollfd polled[] = {
                { .fd = r->signal_fd, .events = POLLIN },
                { .fd = r->in_ended || blocked || r->in_size == r->capacity ? -1 : r->in_fd, .events = POLLIN },
                { .fd = holding ? r->out_fd : -1, .events = POLLOUT },
                { .fd = r->flow_ended || (holding && r->flow_down) ? -1 : r->flow_fd, .events = POLLIN },
        };
        int error = 0;

        if (!r->flow_ended)
                error = arm(r, !holding, blocked);
        if (error < 0)
                return error;

        error = wait_until(polled, ELEMENTSOF(polled), r->in_size == 0 ? r->close_nsec : UINT64_MAX);
        if (error < 0)
                return error;
        if (polled[0].revents != 0)
                return -ECANCELED;
        if (polled[1].revents != 0)
                error = take_input(r);
        if (error >= 0 && polled[2].revents != 0)
                error = give_output(r);
        if (error >= 0 && holding && polled[3].revents != 0)
                error = look_at_flow(r);
        return error;
}

/* The end of our input is the end of the flow: everything has to arrive first. What comes meanwhile is taken, too.
 * Returns: > 0: closed; 0: not all of it has arrived; a negative errno. */
static int relay_close(NcRelay *r) {
        int error;

        error = o7s_flow_flush(r->flow, FLUSH_USEC);
        if (error == -ETIMEDOUT || error == -EAGAIN)
                return 0;
        if (error < 0)
                return error == -EPIPE ? -ECONNRESET : error;

        error = o7s_flow_close(r->flow, CLOSE_USEC);
        if (error < 0 && error != -EPIPE)       /* -EPIPE: the other side closed, too, after it had everything */
                return error;
        return 1;
}

/* The flow has ended, from the other side, and out_fd has everything. */
static int relay_ended(const NcRelay *r) {
        struct o7s_flow_stats stats = { .size = sizeof(stats) };
        int events;

        if (r->cut || r->in_size > 0)
                return -ECONNRESET;

        /* Where we were about to end it ourselves, all of our input was meant to arrive. */
        if (r->in_ended && r->quit_usec != UINT64_MAX && o7s_flow_stats(r->flow, &stats) >= 0 &&
            (stats.tx_queued > 0 || stats.unacknowledged_bytes > 0))
                return -ECONNRESET;

        events = o7s_flow_events(r->flow);
        return events >= 0 && (events & O7S_PEER_GONE) ? -ECONNRESET : 0;
}

/* One turn in both directions. Returns: > 0: done; 0; a negative errno. */
static int relay_step(NcRelay *r) {
        int blocked = 0, error;

        if (!r->flow_ended && r->in_size > 0) {
                blocked = give_flow(r);
                if (blocked == -EPIPE) {
                        r->cut = true;          /* read on: what arrived before is still there */
                        r->in_size = 0;
                        r->in_ended = true;
                        blocked = 0;
                }
                if (blocked < 0)
                        return blocked;
        }

        if (!r->flow_ended && r->out_start == r->out_end) {
                error = take_flow(r);
                if (error == -ENOTCONN)
                        r->flow_ended = true;
                else if (error < 0)
                        return error;
        }

        if (r->out_start == r->out_end) {
                if (r->flow_ended)
                        return relay_ended(r) ?: 1;
                if (r->in_ended && r->in_size == 0 && clock_nsec() >= r->close_nsec) {
                        error = relay_close(r);
                        if (error != 0)
                                return error;
                }
        }

        return relay_wait(r, blocked > 0);
}

int nc_relay_run(NcRelay *r) {
        for (;;) {
                int done;

                done = relay_step(r);
                if (done != 0)
                        return done < 0 ? done : 0;
        }
}
