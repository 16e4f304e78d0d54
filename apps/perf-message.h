/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the two ends of o7s-perf tell each other, on the flow under test itself. Big-endian, every message
 * begins with the same 32 bytes:
 *
 *    0         4    5    6         8                 16                24                32
 *   +---------+----+----+---------+-----------------+-----------------+-----------------+ - - -
 *   | "o7pf"  | 2  |type| zero    | test            | sequence        | time sent, ns   | body
 *   +---------+----+----+---------+-----------------+-----------------+-----------------+ - - -
 *
 *   type     body
 *   REQUEST  mode u32, size of a message u32, duration in us u64, rate in bits per second u64 (0: no limit),
 *            bytes u64 (0: by time)
 *   ACCEPT   none
 *   DATA     filling
 *   PROBE    filling; to be sent back at once ...
 *   ECHO     ... with this type and nothing else changed
 *   END      messages sent u64, packets sent again u64, round trip in ns u64
 *   REPORT   messages u64, bytes u64, out of order u64, first to last message in us u64, processor in us u64, and
 *            in 1/1000 of the time u64, packets that came twice u64, packets that met congestion u64
 *
 * A raw flow may lose any of these: REQUEST is repeated until ACCEPT (or data) comes, END until REPORT does. In a
 * stream of bytes they follow each other without gaps: all of them but DATA, PROBE and ECHO have one size, and these
 * have the one that REQUEST says.
 */

#include <stdint.h>
#include <stddef.h>

#define PERF_HEADER_BYTES 32U
#define PERF_CONTROL_BYTES_MAX 96U
#define PERF_MESSAGE_BYTES_MAX 1048576U
#define PERF_DURATION_USEC_MAX (3600ULL * 1000000ULL)

/* Bits of PerfRequest.mode, as the asking side sees them. */
#define PERF_FORWARD 1U         /* it sends */
#define PERF_REVERSE 2U         /* it receives */
#define PERF_LATENCY 4U         /* it sends one message at a time and has it sent back */
#define PERF_STREAM 8U          /* together with one of the above: the flow is a stream of bytes */

typedef enum PerfType {
        PERF_REQUEST = 1,
        PERF_ACCEPT,
        PERF_DATA,
        PERF_PROBE,
        PERF_ECHO,
        PERF_END,
        PERF_REPORT,
} PerfType;

typedef struct PerfRequest {
        uint32_t mode;
        uint32_t size;
        uint64_t duration_usec;
        uint64_t rate_bps;              /* 0: no limit */
        uint64_t n_bytes;               /* each sending side stops after these; 0: by time alone */
} PerfRequest;

typedef struct PerfEnd {
        uint64_t n_messages;            /* sent */
        uint64_t n_retransmitted;       /* packets, until now */
        uint64_t rtt_nsec;              /* 0: not known */
} PerfEnd;

typedef struct PerfReport {
        uint64_t n_messages;
        uint64_t n_bytes;
        uint64_t n_out_of_order;
        uint64_t duration_usec;
        uint64_t cpu_usec;
        uint64_t cpu_permille;
        uint64_t n_duplicates;          /* packets */
        uint64_t n_marked;              /* packets */
} PerfReport;

typedef struct PerfMessage {
        PerfType type;
        uint64_t test;
        uint64_t sequence;
        uint64_t sent_nsec;
        union {
                PerfRequest request;    /* PERF_REQUEST */
                PerfEnd end;            /* PERF_END */
                PerfReport report;      /* PERF_REPORT */
        };
} PerfMessage;

/* Bytes of a message of this type in a test with data messages of size bytes. */
size_t perf_message_bytes(PerfType type, size_t size);

/* The type alone, of what may not be there as a whole. Returns: 0; -EBADMSG: not such a message, or less than a
 * header. */
int perf_message_peek(const void *data, size_t size, PerfType *ret);

/* Writes header and body; buffer has room for PERF_CONTROL_BYTES_MAX. Returns: the bytes written. */
size_t perf_message_write(const PerfMessage *message, void *buffer);

/* Returns: 0; -EBADMSG: not such a message; -EPROTO: it asks for what cannot be. */
int perf_message_parse(const void *data, size_t size, PerfMessage *ret);
