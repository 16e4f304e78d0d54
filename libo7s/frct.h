/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * FRCT, flow and retransmission control: what makes an ordered or reliable flow out of packets that may be lost,
 * late, twice there or out of order. One object is one end of a flow. Pure: packets, time and a random source go in,
 * packets and the time of the next call come out; no descriptor, clock, lock or thread in it. docs/WIRE.md, "FRCT".
 *
 *      frct_write() ──► sender (segments kept until acknowledged) ──► frct_transmit() ──► packets out
 *                         ▲ acknowledged, windows   │ pace, congestion window
 *                       rtt · congestion · mtu ◄────┘
 *                         ▲
 *      frct_read() ◄── assembly (messages) ◄── receiver (run, reorder, acknowledge) ◄── frct_receive() ◄── packets in
 *
 * The nouns, a file each: frct-header (bytes), frct-rtt, frct-congestion, frct-mtu, frct-sender, frct-receiver,
 * frct-assembly; of lossy flows frct-hold (who waits for whom) and frct-pacer; frct.c puts them together.
 *
 * Towards a peer of the 0.23.0 protocol it speaks 12-byte headers; messages are one packet, numbers stay within a
 * window of 256. Towards another o7s (.extended, agreed at allocation) headers are 20 bytes and messages up to
 * FRCT_MESSAGE_MAX, and there are selective acknowledgements, pacing by a model of the path, path MTU discovery and
 * an end of data that is acknowledged.
 *
 * The driver's loop, after every call that may change something:
 *      while ((n = frct_transmit(f, buffer, size, now)) > 0) send it;    stop where the network takes no more
 *      sleep until frct_next(f, now) or something arrives; then frct_expire(f, now), and again.
 */

#include <sys/uio.h>

#include "basic/time.h"

#define FRCT_MESSAGE_MAX ((size_t) 1 << 20)
#define FRCT_HEADER_BYTES 12U
#define FRCT_HEADER_EXTENDED_BYTES 20U
#define FRCT_RETRANSMIT_MAX ((nsec_t) 120 * NSEC_PER_SEC)          /* R: then the flow is given up */
#define FRCT_ACKNOWLEDGE_MAX ((nsec_t) 10 * NSEC_PER_SEC)          /* A */

typedef struct Frct Frct;

typedef struct FrctConfig {
        bool reliable;                  /* loss == 0: retransmit; else ordered, and gaps are skipped */
        bool extended;                  /* the peer is o7s and has shown the capability */
        bool stream;                    /* bytes without boundaries: a read may return any number of them */
        size_t packet_max;              /* largest packet that the layer takes, header included; for a new flow */
        nsec_t mpl;                     /* longest life of a packet in the layer */
        nsec_t hold_max;                /* lossy, extended: how long a packet waits at most for those that are late */
        nsec_t spread;                  /* lossy: what is written at once leaves within that; 0: all at once */
        uint64_t rate;                  /* bytes per second, and faster than that if it may; 0: it may not */
        size_t send_max;                /* bytes kept at most for the peer; 0: FRCT_BUFFER_MAX */
        size_t receive_max;             /* bytes kept at most for the application; 0: FRCT_BUFFER_MAX */
        uint32_t (*random)(void *userdata);     /* first numbers of runs; unpredictable */
        void *userdata;
} FrctConfig;

#define FRCT_BUFFER_MAX ((size_t) 32 << 20)

typedef struct FrctStats {
        nsec_t rtt;                     /* smoothed; 0: not measured */
        nsec_t rtt_variance;
        nsec_t rto;
        uint64_t segments_sent;         /* first transmissions */
        uint64_t retransmitted;         /* segments sent again */
        uint64_t lost;                  /* segments that were declared lost; lossy flows: gaps seen by the receiver */
        uint64_t duplicates;            /* received twice, or behind the window; lossy: or too late */
        uint64_t reordered;             /* lossy: received late, and put where they belong */
        uint64_t out_of_window;
        uint64_t malformed;             /* headers and fragments that make no sense */
        uint64_t marked;                /* received with a congestion mark */
        uint64_t bytes_acknowledged;    /* of what was written */
        uint64_t send_rate;             /* pace, bytes per second; 0: not paced */
        uint64_t delivery_rate;         /* estimate of the path's, bytes per second */
        size_t bytes_unacknowledged;    /* accepted by frct_write(), not acknowledged */
        size_t bytes_readable;
        uint32_t messages_unacknowledged;
        uint32_t window;                /* packets that the peer still takes */
        size_t packet_max;              /* as now known of the path */
} FrctStats;

/* Returns: 0; -EINVAL: the config makes no sense; -ENOMEM. */
int frct_new(const FrctConfig *config, nsec_t now, Frct **ret);
Frct *frct_free(Frct *f);
DEFINE_CLEANUP(Frct, frct_free);

/* -- the application's side -- */

/* Largest message (reads and writes of it are whole). */
size_t frct_message_max(const Frct *f);

/* Takes a message, all of it or nothing; of a stream as much as there is room for. Returns: bytes; -EAGAIN: no room
 * now; -EMSGSIZE; -EINVAL: empty; -EPIPE: finished, or the peer ended, see frct_ended(); -ENOMEM. */
ssize_t frct_write(Frct *f, const struct iovec *parts, unsigned n_parts, nsec_t now);

/* Whether a message of this size would be taken now. */
bool frct_writable(const Frct *f, size_t size);

/* Copies out (part of) the next message; what does not fit stays, *ret_more tells. Returns: bytes; -EAGAIN: nothing;
 * -ENOTCONN: the peer finished and everything was read; -ETIMEDOUT and others of frct_ended(), after all that had
 * arrived. */
ssize_t frct_read(Frct *f, void *data, size_t size, bool *ret_more, nsec_t now);
/* Drops the rest of a message that was read in part, or the next one. */
void frct_skip(Frct *f, nsec_t now);
/* The first bytes of the next message, as far as they lie in one piece; whole if *ret_whole. Valid until the next
 * call. */
int frct_peek(Frct *f, const uint8_t **ret, size_t *ret_size, bool *ret_whole);
bool frct_readable(const Frct *f);

/* No more will be written: the peer is told behind the last byte (extended), and acknowledges that too. */
void frct_finish(Frct *f, nsec_t now);
/* Everything written (and the finish) is acknowledged; always so on flows that are not reliable. */
bool frct_is_flushed(const Frct *f);

/* Why nothing moves any more: 0: it does; -ENOTCONN: the peer finished; -ETIMEDOUT: not acknowledged within R;
 * -EPROTO: the peer breaks the rules so that the flow cannot go on. */
int frct_ended(const Frct *f);

/* -- the network's side -- */

/* A packet arrived, trailer and encryption removed. marked: it met congestion. Never fails: what makes no sense is
 * counted. */
void frct_receive(Frct *f, const uint8_t *packet, size_t size, bool marked, nsec_t now);

/* The next packet, if one is due and the pace allows. buffer takes packet_max bytes. Returns: bytes; 0: none now. */
size_t frct_transmit(Frct *f, uint8_t *buffer, size_t size, nsec_t now);

/* What was returned last by frct_transmit() could not be sent now: it is due again. */
void frct_untransmit(Frct *f, nsec_t now);

/* When frct_expire() and frct_transmit() have to be called again if nothing happens before. NSEC_INFINITY: an idle
 * flow. */
nsec_t frct_next(const Frct *f, nsec_t now);
void frct_expire(Frct *f, nsec_t now);

/* Nothing will arrive any more: what waits for packets that are late can be read. */
void frct_hang_up(Frct *f, nsec_t now);

/* The layer's largest packet is now another one. */
void frct_set_packet_max(Frct *f, size_t packet_max, nsec_t now);

/* Packets get through again, which for a while none did: what waits for a time-out that has grown long is tried now. */
void frct_path_is_back(Frct *f);

/* The largest packet that the path is known to take: packet_max of the stats. */
size_t frct_path_max(const Frct *f);

void frct_stats(const Frct *f, FrctStats *ret);
