/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Carries bytes between two descriptors and a flow until one of the ends is reached. Nothing is kept longer than it
 * has to be: what was read from one side is written to the other before more is read, so a side that does not take its
 * bytes holds up who sends them, and only that direction.
 *
 * How a flow ends: whoever closes it first ends both directions (there is no closing of one direction in <o7s.h>). So
 * the end of input closes the flow only where quit_usec says so; otherwise the other side is waited for.
 */

#include "apps/common.h"

typedef struct NcRelay {
        o7s_flow *flow;         /* not owned */
        int in_fd;              /* not owned, as the others */
        int out_fd;
        int signal_fd;
        bool messages;          /* lines of in_fd are messages; messages are lines on out_fd */
        uint64_t quit_usec;     /* after the end of input, the flow is closed; UINT64_MAX: never */

        int flow_fd;            /* the flow's */
        bool in_ended;
        bool flow_ended;
        bool flow_down;         /* it has ended, and may still have something to read */
        bool read_unarmed;      /* the flow does not tell when it can be read, as there is no place for more */
        bool write_armed;       /* it tells when it can be written */
        bool cut;               /* input was left over when the flow ended */
        uint64_t close_nsec;    /* when quit_usec is over; UINT64_MAX: not yet known */
        size_t chunk_bytes;     /* largest message */
        size_t capacity;        /* of both buffers */
        uint8_t *in;            /* owned; what is still to be written to the flow: in_size bytes from in_start */
        size_t in_start;
        size_t in_size;
        uint8_t *out;           /* owned; what is still to be written to out_fd */
        size_t out_start;
        size_t out_end;
        uint64_t n_sent;        /* bytes */
        uint64_t n_received;
} NcRelay;

/* The rest of what *relay has is filled in by the caller before. Returns: 0; a negative errno. */
int nc_relay_init(NcRelay *relay);
void nc_relay_done(NcRelay *relay);

/* Until the end. The flow is closed where we are those who end it. Returns: 0: in order; a negative errno: -ECANCELED:
 * a signal; -ECONNRESET: the other side was gone before it had everything, or without closing; -EMSGSIZE: a line is
 * too long; -EPIPE: nobody reads out_fd. */
int nc_relay_run(NcRelay *relay);
