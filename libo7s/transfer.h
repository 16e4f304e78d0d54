/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Between a flow and its lanes, where more is wanted than the layer gives: FRCT (in_order), protection (a handshake
 * left keys), a checksum (ber == 0). Packets that FRCT makes are protected, get their trailer and go into our lane;
 * those of the peer's lane lose it, are opened and go into FRCT. Everything here holds transfer.mutex: the
 * application's threads and the process's engine (engine.h) drive it alike, whoever comes by.
 *
 *   o7s_flow_write ─► frct ─► seal ─► checksum ─► our lane
 *   o7s_flow_read  ◄─ frct ◄─ seal ◄─ checksum ◄─ the peer's lane       transfer_pump(): both ways, as far as it goes
 *
 * A local flow (two programs of one host) loses nothing and has none of them; see flow-send.c. A flow without FRCT
 * keeps one message, that is checked and opened, until it is read. With a checksum alone it has no timers and no need
 * of the engine. Between two o7s it has: the seal agrees on new keys now and then, in packets of its own. Then the
 * engine sees to it as to FRCT, but leaves the doorbell to the event loop where there is one.
 *
 * Who takes care of it:
 *
 *  - A thread inside a call pumps. Where it has to wait it looks for a while, then polls the doorbell itself, until
 *    then or until FRCT wants something (the "poller"). A second thread sleeps on the condition meanwhile, and nobody
 *    but the poller reads the peer's lane: a ring is for whoever polls, and a message costs one wake-up. Without FRCT
 *    that holds for what the poller waits for, a message or room; the other direction is everybody's.
 *  - When no thread has been inside for TRANSFER_TAKE_OVER, the engine takes the doorbell over, until a thread polls
 *    again. Until then the engine looks in once, and only where FRCT has something to send very soon does it do so at
 *    that time. So a flow in use costs the engine a look now and then, an idle one nothing.
 *  - Event loops rely on the doorbell, which is in theirs, for what arrives, and on the engine for the rest: whoever
 *    pumped tells them (flow_signal(), flow_unsignal()), so what they see is always what is the case.
 *
 * Order of locks: transfer.mutex, the flow's, the writer's or the set's, the engine's.
 */

#include "libo7s/engine.h"
#include "libo7s/flow.h"
#include "libo7s/frct.h"
#include "libo7s/seal.h"

typedef struct Transfer Transfer;

#define TRANSFER_TAKE_OVER ((nsec_t) 10 * NSEC_PER_MSEC)

struct Transfer {
        pthread_mutex_t mutex;          /* guards all of it, and both sides of the flow's channels */
        pthread_cond_t condition;       /* something moved, or the poller left; on the monotonic clock */
        o7s_flow *flow;                 /* not owned: it owns us */

        Frct *frct;                     /* NULL: messages are packets */
        bool reliable;
        bool extended;
        bool stream;                    /* where it is not extended, of messages that are cut and joined here */
        bool checksum;                  /* every packet that we send has a trailer */
        bool bare_unchecked;            /* the peer's packets of a header alone have none */

        bool protected;                 /* nothing goes in or out without the seal */
        Seal *seal;                     /* NULL: not protected, or closed and the keys are gone */
        SealCounters seal_counters;     /* what it had counted by then */
        nsec_t seal_not_before;         /* when its own packets are tried again */

        /* One piece of memory, without FRCT from the first packet on: most flows are quiet. */
        uint8_t *packet;                /* one, on its way in or out */
        uint8_t *sealed;                /* protected: the same, as it is in the lanes, trailer included */
        size_t packet_size;             /* room in each: the lane's largest message */
        uint8_t *content;               /* without FRCT: the message that was checked, perhaps with its trailer */
        size_t content_size;            /* of the message; 0: none */
        size_t content_offset;          /* of it that was read */
        uint8_t *reserved;              /* what reserve handed out; kept for the next */

        bool polling;                   /* there is a poller */
        FlowSide poller;                /* what it waits for */
        unsigned n_sleepers;            /* on the condition */
        bool moved;                     /* since they were last woken */
        bool lane_full;                 /* something waits for room in our lane */
        int gave_up;                    /* atomic; why the flow cannot go on, once that was told */
        struct timespec looked;         /* when the doorbell was last looked at by a call; on the coarse clock */

        EngineFlow engine;
        bool in_engine;
        int engine_fd;                  /* the doorbell while the engine has it, else -1 */
        nsec_t due;                     /* what the engine knows, or later */
        nsec_t left;                    /* when a thread was last inside */
        nsec_t poll_until;              /* what the poller sees to by itself */
        nsec_t take_over_from;          /* the doorbell could not be watched: not tried again before */

        bool afterlife;                 /* the last reference is gone, see transfer_outlive() */
        nsec_t afterlife_end;

        uint64_t n_unchecked;           /* packets whose checksum was wrong or missing */
        uint64_t n_too_large;           /* that cannot be any of ours */
        uint64_t n_unread;              /* that had to make way for new keys */
        size_t packet_max_told;         /* of the path, to the program; 0: none yet */
};

/* Whether a flow like this needs one. */
bool transfer_is_needed(const IrmFlowInfo *info, const SealKeys *keys);

/* For a flow that is about to come up; its lane class is known. The keys are copied. Enters the engine, where there is
 * something to do for it. Returns: 0; -ENOMEM, -EMFILE, -EAGAIN; -EINVAL, -EOPNOTSUPP: keys that we cannot use. */
int transfer_new(o7s_flow *flow, const IrmFlowInfo *info, const SealKeys *keys, Transfer **ret);

/* It is in the engine no more. foreign: in a forked child, where what others worked on is left behind as it was. */
Transfer *transfer_free(Transfer *t, bool foreign);

/* The lanes are there. */
void transfer_begin(Transfer *t);

/* The largest message where packets of the layer have this size; tells FRCT. Mutex held, or not yet shared. */
size_t transfer_set_packet_max(Transfer *t, size_t layer_max);

/* The link below is up again. Mutex held. */
void transfer_link_is_back(Transfer *t);

void transfer_lock(Transfer *t);

/* Every call ends here: the engine, event loops and sleeping threads know what they have to. drain: also the doorbell
 * is emptied where nothing is left for watchers: by the reading side. */
void transfer_unlock(Transfer *t, bool drain);

/* From here on: mutex held. */

/* There is room for packets. Returns: 0; -ENOMEM. */
int transfer_make_room(Transfer *t);

/* As far as it goes, both ways. */
void transfer_pump(Transfer *t);

/* Whether the poller sees to this direction: another who looked there would take the ring that it sleeps for. */
static inline bool transfer_is_pollers(const Transfer *t, FlowSide side) {
        return t->polling && side == (t->frct ? FLOW_READING : t->poller);
}

/* Nothing will be sent any more, nor arrive but for what is in the peer's lane. */
bool transfer_has_ended(const Transfer *t);

/* Messages, or parts of them, that can be read without waiting. */
bool transfer_is_readable(const Transfer *t);

/* All that was written has arrived, or, on flows that are not reliable, has left. */
bool transfer_is_flushed(Transfer *t);

/* Whether it is worth coming back to a side that waits. wanted: bytes to be written; 0: until all is acknowledged. */
bool transfer_is_ready(Transfer *t, FlowSide side, size_t wanted);

/* Whether the path takes packets of another size: news to who was told of one. */
void transfer_look_at_path(Transfer *t);

/* What watchers should see. */
uint32_t transfer_events_now(Transfer *t);

/* Waits for one side. The deadline is made from its time-out at the first wait (0 before).
 * Returns: 0: look again; -EAGAIN, -ETIMEDOUT. */
int transfer_wait(Transfer *t, FlowSide side, size_t wanted, usec_t timeout, usec_t *deadline);

/* Takes records off the doorbell, unless a poller does. */
void transfer_drain(Transfer *t);

/* Empties the doorbell where nothing is left to be told, and asks to be rung where anybody relies on that. */
void transfer_settle(Transfer *t, bool drain);

/* One packet without FRCT, protected and with its trailer. Returns: 0; -EAGAIN: no room; -EBADMSG; -EPIPE: it was given
 * up; -ENOMEM. */
int transfer_push(Transfer *t, const struct iovec *parts, unsigned n_parts);

/* The flow's doorbell will be another one. */
void transfer_unwatch(Transfer *t, int fd);

/* The engine's turn; no lock held. */
void transfer_run(EngineFlow *engine);

/* -- protection, transfer-seal.c; mutex held, or not yet shared -- */

/* Where there are keys: from here on packets are protected. Returns: 0; -ENOMEM; as seal_new(). */
int transfer_seal_begin(Transfer *t, const SealKeys *keys);

/* The keys are wiped; what arrives from now on is dropped, and nothing leaves. */
void transfer_seal_end(Transfer *t);

size_t transfer_seal_overhead(const Transfer *t);

/* → .sealed. Returns: bytes; -EAGAIN: there is no room in our lane; -EPIPE: the keys are gone; -EKEYEXPIRED. */
ssize_t transfer_protect(Transfer *t, const void *packet, size_t size, nsec_t now);

/* .sealed, of this size → content, which takes packet_size bytes. Returns: bytes; 0: nothing for anybody. */
ssize_t transfer_open(Transfer *t, size_t size, uint8_t *content, nsec_t now);

/* What the seal has to say by itself goes into our lane. Returns whether there was something. */
bool transfer_seal_transmit(Transfer *t, nsec_t now);
nsec_t transfer_seal_next(const Transfer *t);

void transfer_seal_stats(const Transfer *t, struct o7s_flow_stats *ret);

/* -- the end; no lock held -- */

/* The last reference is gone. Returns whether the engine delivers what is left, and then frees the flow. */
bool transfer_outlive(Transfer *t);

/* The engine forgets it. */
void transfer_stop(Transfer *t);

/* -- what public calls do on flows that have one, flow-transfer*.c; the flow is up -- */

ssize_t transfer_read(o7s_flow *flow, const struct iovec *parts, unsigned n);
int transfer_read_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n);
int transfer_peek(o7s_flow *flow, const void **ret, size_t *ret_size);
void transfer_release(o7s_flow *flow);
ssize_t transfer_write(o7s_flow *flow, const struct iovec *parts, unsigned n);
int transfer_write_batch(o7s_flow *flow, o7s_msg *msgs, unsigned n);
int transfer_reserve(o7s_flow *flow, size_t size, void **ret);
ssize_t transfer_commit(o7s_flow *flow, size_t size);
int transfer_flush(o7s_flow *flow, bool finish, uint64_t timeout_usec);
uint32_t transfer_events(o7s_flow *flow);
void transfer_stats(o7s_flow *flow, struct o7s_flow_stats *ret);

/* Why it gave up, for people; NULL: it did not. */
const char *transfer_why(const Transfer *t);
