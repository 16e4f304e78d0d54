/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One end of a flow in a simulation: an Frct, the shell around it (trailer, keepalives, close of the layer), and a
 * program that writes and reads messages whose every byte follows from the seed, so that whatever the other end reads
 * can be told right from wrong.
 */

#include "libo7s/frct.h"
#include "services/common/liveness.h"
#include "tests/sim/frct-path.h"
#include "tests/sim/verdict.h"

typedef enum FrctTamper {
        FRCT_TAMPER_NOTHING,
        FRCT_TAMPER_ACKNOWLEDGEMENT,    /* of what was never sent, now and then */
        FRCT_TAMPER_ACKNOWLEDGEMENTS,   /* always */
        FRCT_TAMPER_WINDOW,             /* one that shrinks, now and then */
} FrctTamper;

typedef struct FrctEndOptions {
        FrctConfig config;
        bool checksum;
        uint32_t timeout_ms;            /* of keepalives; 0: none */
        nsec_t tick;                    /* of its timers; 0: exact */
        nsec_t late;                    /* a busy host: whatever happens, the program runs only up to so much later */
        double busy;                    /* the layer takes no packet at once, now and then */
        FrctTamper tamper;

        uint64_t n_messages;            /* to write; of a stream: writes */
        size_t message_min, message_max;
        nsec_t start, gap;              /* between writes */
        bool finish;                    /* when everything is written, and what the peer has to say was read */
        bool impatient;                 /* or not even that */
        bool never_reads;
        nsec_t read_gap;                /* 0: reads whatever arrives at once */
        size_t read_max;                /* bytes per read; 0: whole messages */
        bool look;                      /* peeks, and skips now and then */
} FrctEndOptions;

typedef struct FrctEnd FrctEnd;

struct FrctEnd {
        FrctEndOptions options;
        unsigned index;
        FrctEnd *peer;                  /* not owned */
        FrctPath *path;                 /* not owned; what is sent goes there */
        FrctAir *air;                   /* not owned */
        Verdict *verdict;               /* not owned */
        Dice dice;
        uint64_t seed;                  /* of what it writes */

        Frct *frct;
        Liveness liveness;
        nsec_t wake;
        nsec_t slot;                    /* when the host lets it run next, or let it last */
        Dice late_dice;
        nsec_t blocked_until;
        unsigned n_spins;

        uint64_t n_written;
        uint64_t bytes_written;         /* what was accepted */
        size_t unwritten;               /* of a stream's write: what was not */
        nsec_t write_at;
        bool finished;
        bool refused;                   /* the peer finished, and does not want more */

        uint64_t n_read;                /* messages of the peer; lossy: the number of the next one at least */
        uint64_t n_got;                 /* those that arrived */
        uint64_t bytes_read;
        nsec_t read_at;
        uint8_t *message;               /* that is being read, or written */
        size_t message_size, n_allocated;

        int error;                      /* why the flow is over for this end; 0: it is not */
        bool ended;                     /* the peer's end of data was read */
        nsec_t error_at;
        nsec_t heard_at;
        nsec_t progress_at;             /* when the peer last acknowledged more, or there was nothing to */
        uint64_t acknowledged;
        uint64_t n_packets, n_garbled;
        bool exceeded;                  /* what it may keep; said once */
};

/* The seed of what it writes must be another one for each end. Returns: 0; -ENOMEM; -EINVAL. */
int frct_end_init(FrctEnd *e, const FrctEndOptions *options, unsigned index, uint64_t seed, nsec_t now);
void frct_end_done(FrctEnd *e);

/* When it runs, where something happens now. */
nsec_t frct_end_slot(FrctEnd *e, nsec_t now);

int frct_end_receive(FrctEnd *e, const FrctPacket *packet, nsec_t now);
/* Timers, the program, and whatever is to be sent. */
int frct_end_run(FrctEnd *e, nsec_t now);

/* All that it had to write is written, and acknowledged as far as that is done. */
bool frct_end_is_done_writing(const FrctEnd *e);
