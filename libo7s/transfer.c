/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets between FRCT and the lanes. Their protection is transfer-seal.c; who sees to it when is transfer-wait.c. */

#include <sys/socket.h>

#include "basic/random.h"
#include "libo7s/checksum.h"
#include "libo7s/transfer.h"

#define MPL_DEFAULT_MSEC 100U           /* layers that do not say have this */
#define RECEIVE_BURST 256U              /* packets per pump: others want the mutex too */
#define PUBLISH_BURST 16U               /* packets that the layer may begin with while we make the next */

/* However patient the application is: others wait behind those that do. */
#define HOLD_MAX (50 * NSEC_PER_MSEC)
#define SPREAD_MAX (10 * NSEC_PER_MSEC)

/* -- lifecycle -- */

bool transfer_is_needed(const IrmFlowInfo *info, const SealKeys *keys) {
        return !info->local && (info->qos.in_order || info->qos.ber == 0 || keys->suite != SEAL_NONE);
}

/* First numbers of runs: a peer that guesses them can disturb a flow. Where the kernel has none, the clock is hard
 * enough. */
static uint32_t random_number(void *userdata) {
        uint32_t number;

        if (random_bytes(&number, sizeof(number)) >= 0)
                return number;

        return (uint32_t) (time_now_nsec() * UINT64_C(2654435761));
}

/* What a packet grows by. */
static size_t overhead(const Transfer *t) {
        return transfer_seal_overhead(t) + (t->checksum ? CHECKSUM_BYTES : 0);
}

static size_t layer_packet_max(const Transfer *t, size_t layer_max) {
        return layer_max > overhead(t) ? layer_max - overhead(t) : 0;
}

/* Of a lossy flow: how late it may make packets, to have them in order and to send them evenly. Half of what the
 * application grants, and an eighth; nothing of that is a promise that the layer would have to keep. */
static void timing_of(const o7s_qos *qos, FrctConfig *config) {
        nsec_t least = MIN(qos->delay_ms, qos->max_gap_ms) * NSEC_PER_MSEC;

        config->hold_max = MIN(least / 2, HOLD_MAX);
        config->rate = qos->bandwidth_bps < UINT64_MAX ? qos->bandwidth_bps / 8 : 0;
        if (qos->delay_ms < UINT32_MAX || qos->bandwidth_bps > 0)
                config->spread = MIN(qos->delay_ms * NSEC_PER_MSEC / 8, SPREAD_MAX);
}

static int frct_make(Transfer *t, const IrmFlowInfo *info) {
        uint32_t mpl_msec = info->mpl_ms > 0 ? info->mpl_ms : MPL_DEFAULT_MSEC;
        size_t max = t->packet_size;
        FrctConfig config;

        if (info->mtu > 0)
                max = MIN(max, (size_t) info->mtu);

        config = (FrctConfig) {
                .reliable = t->reliable,
                .extended = t->extended,
                .stream = t->stream && t->extended,
                .packet_max = layer_packet_max(t, max),
                .mpl = mpl_msec * NSEC_PER_MSEC,
                .random = random_number,
        };
        timing_of(&info->qos, &config);

        return frct_new(&config, time_now_nsec(), &t->frct);
}

int transfer_make_room(Transfer *t) {
        uint8_t *memory;

        if (t->packet)
                return 0;

        memory = malloc((1U + t->protected + !t->frct) * t->packet_size);
        if (!memory)
                return -ENOMEM;

        t->packet = memory;
        t->sealed = t->protected ? memory + t->packet_size : NULL;
        t->content = t->frct ? NULL : memory + (1U + t->protected) * t->packet_size;
        return 0;
}

static int transfer_init(Transfer *t, const IrmFlowInfo *info, const SealKeys *keys) {
        int r;

        r = transfer_seal_begin(t, keys);
        if (r < 0)
                return r;

        if (info->qos.in_order) {
                r = frct_make(t, info);
                if (r >= 0)
                        r = transfer_make_room(t);
                if (r < 0)
                        return r;
        } else if (keys->suite != SEAL_O7S)
                return 0;                               /* nothing ever happens by itself */

        r = engine_add(process_engine(), &t->engine);
        if (r < 0)
                return r;

        t->in_engine = true;
        return 0;
}

static void condition_init(pthread_cond_t *condition) {
        pthread_condattr_t attributes;

        (void) pthread_condattr_init(&attributes);
        (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void) pthread_cond_init(condition, &attributes);
        (void) pthread_condattr_destroy(&attributes);
}

int transfer_new(o7s_flow *flow, const IrmFlowInfo *info, const SealKeys *keys, Transfer **ret) {
        bool agreed = info->transfer & IRM_TRANSFER_CHECKSUM;
        Transfer *t;
        int r;

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;

        *t = (Transfer) {
                .flow = flow,
                .reliable = info->qos.in_order && info->qos.loss == 0,
                .extended = info->transfer & IRM_TRANSFER_EXTENDED,
                .stream = info->transfer & IRM_TRANSFER_STREAM,
                .checksum = keys->suite != SEAL_O7S && (info->qos.ber == 0 || agreed),  /* else the tag is one */
                .packet_size = lane_class_message_max(flow->lane_class),
                .engine_fd = -1,
                .due = NSEC_INFINITY,
                .engine.run = transfer_run,
        };
        t->bare_unchecked = info->qos.in_order && !t->extended && !agreed;
        (void) pthread_mutex_init(&t->mutex, NULL);
        condition_init(&t->condition);

        r = transfer_init(t, info, keys);
        if (r < 0) {
                transfer_free(t, false);
                return r;
        }

        *ret = t;
        return 0;
}

Transfer *transfer_free(Transfer *t, bool foreign) {
        if (!t)
                return NULL;

        /* A thread that is not in this process may have been in the middle of it. */
        if (!foreign) {
                frct_free(t->frct);
                seal_free(t->seal);
                (void) pthread_cond_destroy(&t->condition);
                (void) pthread_mutex_destroy(&t->mutex);
        }
        free(t->packet);
        free(t->reserved);
        return mfree(t);
}

size_t transfer_set_packet_max(Transfer *t, size_t layer_max) {
        size_t max = layer_packet_max(t, layer_max);

        if (!t->frct)
                return max;

        frct_set_packet_max(t->frct, max, time_now_nsec());
        return frct_message_max(t->frct);
}

void transfer_link_is_back(Transfer *t) {
        if (t->frct)
                frct_path_is_back(t->frct);
}

/* -- in -- */

/* Returns the packet's size without its trailer; 0: that is wrong. */
static size_t packet_check(Transfer *t, const uint8_t *packet, size_t size) {
        if (!t->checksum || (t->bare_unchecked && size == FRCT_HEADER_BYTES + transfer_seal_overhead(t)))
                return size;
        if (checksum_is_good(packet, size))
                return size - CHECKSUM_BYTES;

        t->n_unchecked++;
        return 0;
}

/* One out of the peer's lane. now: 0 until there was one, for the clock costs more than a look that finds nothing.
 * Returns: its size, without what was added on the way; 0: dropped; -EAGAIN; -EBADMSG: of the lane. */
static ssize_t packet_receive(Transfer *t, uint8_t *packet, bool *ret_marked, nsec_t *now) {
        uint8_t *copy = t->protected ? t->sealed : packet;
        o7s_flow *flow = t->flow;
        bool more = false;
        ssize_t size;

        do
                size = channel_read(flow->reader.channel, copy, t->packet_size, &more);
        while (size < 0 && flow_reader_follow(flow));
        if (size < 0)
                return size;
        if (*now == 0)
                *now = time_now_nsec();

        t->moved = true;
        *ret_marked = channel_flags(flow->reader.channel) & CHANNEL_MARKED;
        if (more) {
                channel_skip(flow->reader.channel);
                t->n_too_large++;
                return 0;
        }

        size = (ssize_t) packet_check(t, copy, (size_t) size);
        return t->protected ? transfer_open(t, (size_t) size, packet, *now) : size;
}

/* Messages that nobody reads, without FRCT: they stay in the lane, which is the queue. But a program that only writes
 * must not lose its flow because new keys wait behind them: then they go. */
static bool must_leave_unread(const Transfer *t, nsec_t now) {
        return !t->seal || !seal_is_starving(t->seal, now > 0 ? now : time_now_nsec());
}

/* Whether there is room for what is in the lane. Returns: 0; -EAGAIN: it is empty; -ENOMEM; -EBADMSG: of the lane. */
static int receive_begin(Transfer *t) {
        ChannelFlags flags;
        size_t size;
        int r;

        if (t->packet)
                return 0;

        do
                r = channel_front(t->flow->reader.channel, &size, &flags);
        while (r < 0 && flow_reader_follow(t->flow));

        return r < 0 ? r : transfer_make_room(t);
}

static void receive(Transfer *t) {
        int r = receive_begin(t);
        nsec_t now = 0;
        bool marked;

        if (r == -EBADMSG)
                flow_end(t->flow, CLOSE_VIOLATION);
        if (r < 0)
                return;

        for (unsigned i = 0; i < RECEIVE_BURST; i++) {
                bool unread = !t->frct && t->content_size > 0;
                ssize_t size;

                if (unread && must_leave_unread(t, now))
                        break;

                size = packet_receive(t, t->frct || unread ? t->packet : t->content, &marked, &now);
                if (size == -EBADMSG)
                        flow_end(t->flow, CLOSE_VIOLATION);
                if (size < 0)
                        break;
                if (size == 0)
                        continue;

                if (unread) {
                        t->n_unread++;
                } else if (t->frct) {
                        frct_receive(t->frct, t->packet, (size_t) size, marked, now);
                } else {
                        t->content_size = (size_t) size;
                        t->content_offset = 0;
                }
        }

        (void) channel_release(t->flow->reader.channel);        /* what it may find out, the doorbell tells */
}

/* -- out -- */

/* Publishing finds that nobody is there: through a layer that is not the end, the doorbell will tell. */
static void publish(Transfer *t) {
        if (channel_publish(t->flow->writer.channel) == -EBADMSG)
                flow_end(t->flow, CLOSE_VIOLATION);
}

/* The flow cannot go on: the layer is told, which tells the peer, and whoever polls is woken. */
static void give_up(Transfer *t, int error) {
        o7s_flow *flow = t->flow;

        if (t->gave_up != 0)
                return;

        t->moved = true;
        __atomic_store_n(&t->gave_up, error, __ATOMIC_RELAXED);
        flow_end(flow, error == -EPROTO ? CLOSE_VIOLATION : CLOSE_PEER_TIMEOUT);

        (void) pthread_mutex_lock(&flow->mutex);
        channel_close(flow->channel, CLOSE_NORMAL);
        (void) shutdown(flow_doorbell(flow), SHUT_RDWR);
        (void) pthread_mutex_unlock(&flow->mutex);
}

/* What is not protected is in .packet, and gets its trailer there. Returns: 0; -EAGAIN: no room; what else ended the
 * flow. */
static int packet_push(Transfer *t, const void *packet, size_t size, nsec_t now) {
        struct iovec part = { .iov_base = t->packet, .iov_len = size };
        int r;

        assert(t->protected || packet == t->packet);

        if (t->protected) {
                ssize_t n = transfer_protect(t, packet, size, now);

                if (n == -EKEYEXPIRED)
                        give_up(t, (int) n);
                if (n < 0)
                        return (int) n;

                part = (struct iovec) { .iov_base = t->sealed, .iov_len = (size_t) n };
        }

        if (t->checksum) {
                uint8_t *bytes = part.iov_base;

                checksum_write(bytes + part.iov_len, checksum_add(0, bytes, part.iov_len));
                part.iov_len += CHECKSUM_BYTES;
        }

        r = channel_push(t->flow->writer.channel, &part, 1);
        if (r < 0 && r != -EAGAIN)
                flow_end(t->flow, CLOSE_VIOLATION);
        return r;
}

static void transmit(Transfer *t, nsec_t now) {
        size_t room = layer_packet_max(t, t->packet_size), size;
        unsigned n_pushed = 0;

        (void) flow_writer_follow(t->flow);
        t->lane_full = false;

        while ((size = frct_transmit(t->frct, t->packet, room, now)) > 0) {
                int r;

                r = packet_push(t, t->packet, size, now);
                if (r == -EAGAIN) {
                        frct_untransmit(t->frct, now);
                        t->lane_full = true;
                }
                if (r < 0)
                        break;
                if (++n_pushed % PUBLISH_BURST == 0)
                        publish(t);
        }

        if (n_pushed % PUBLISH_BURST != 0)
                publish(t);
}

/* What has its time. What is readable by that, nobody has been told. */
static void expire(Transfer *t, nsec_t now) {
        bool readable = frct_readable(t->frct);

        frct_expire(t->frct, now);
        t->moved = t->moved || readable != frct_readable(t->frct);
}

/* Nothing follows what is in the lane. */
static void hang_up(Transfer *t) {
        if (!channel_readable(t->flow->reader.channel))
                frct_hang_up(t->frct, time_now_nsec());
}

/* From where it is into our lane, with its trailer. */
static int parts_push(Transfer *t, const struct iovec *parts, unsigned n_parts) {
        struct iovec all[FLOW_PARTS_MAX + 1];
        uint8_t trailer[CHECKSUM_BYTES];

        assert(n_parts <= FLOW_PARTS_MAX);

        checksum_write(trailer, checksum_parts(parts, n_parts));
        memcpy(all, parts, n_parts * sizeof(*parts));
        all[n_parts] = (struct iovec) { .iov_base = trailer, .iov_len = sizeof(trailer) };

        return channel_push(t->flow->writer.channel, all, n_parts + 1);
}

/* A message in one part is not copied first. It may lie where others can write, in the lane of another flow, say: then
 * they choose what is sent, as they could before, and nothing else, for the tag is made of our packet. */
static int parts_protect_and_push(Transfer *t, const struct iovec *parts, unsigned n_parts) {
        size_t size = 0;
        int r;

        for (unsigned i = 0; i < n_parts && n_parts > 1; i++) {
                assert(parts[i].iov_len <= t->packet_size - size);

                if (parts[i].iov_len > 0)
                        memcpy(t->packet + size, parts[i].iov_base, parts[i].iov_len);
                size += parts[i].iov_len;
        }

        if (n_parts == 1)
                r = packet_push(t, parts[0].iov_base, parts[0].iov_len, time_now_nsec());
        else
                r = packet_push(t, t->packet, size, time_now_nsec());
        return r == -EKEYEXPIRED ? -EPIPE : r;
}

int transfer_push(Transfer *t, const struct iovec *parts, unsigned n_parts) {
        int r;

        r = t->protected ? transfer_make_room(t) : 0;
        if (r < 0)
                return r;

        (void) flow_writer_follow(t->flow);
        r = t->protected ? parts_protect_and_push(t, parts, n_parts) : parts_push(t, parts, n_parts);
        t->lane_full = r == -EAGAIN;
        return r;
}

/* -- both -- */

bool transfer_has_ended(const Transfer *t) {
        return flow_ended(t->flow) != FLOW_NOT_ENDED;
}

/* What the seal has to say goes first: what follows may need the keys that it is about. */
static void seal_speak(Transfer *t) {
        if (transfer_seal_next(t) == NSEC_INFINITY || transfer_has_ended(t))
                return;

        (void) flow_writer_follow(t->flow);
        if (transfer_seal_transmit(t, time_now_nsec()) && t->frct)
                publish(t);
}

void transfer_pump(Transfer *t) {
        nsec_t now;
        int r;

        if (!transfer_is_pollers(t, FLOW_READING))
                receive(t);
        if (!t->frct) {
                seal_speak(t);
                publish(t);
                return;
        }
        if (transfer_has_ended(t)) {
                hang_up(t);
                return;
        }

        seal_speak(t);
        now = time_now_nsec();
        expire(t, now);
        transmit(t, now);

        r = frct_ended(t->frct);
        if (r < 0 && r != -ENOTCONN)
                give_up(t, r);
}

/* -- what is the case -- */

bool transfer_is_readable(const Transfer *t) {
        return t->frct ? frct_readable(t->frct) : t->content_size > 0;
}

static bool lane_has_room(Transfer *t, size_t wanted) {
        uint32_t n_slots = lane_class_slots(t->flow->lane_class), slots;

        slots = (uint32_t) ((wanted + overhead(t) + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES);
        return n_slots - channel_queued(t->flow->writer.channel) >= MAX(slots, n_slots / 4);
}

bool transfer_is_flushed(Transfer *t) {
        if (t->reliable)
                return frct_is_flushed(t->frct);

        if (t->frct && !frct_is_flushed(t->frct))
                return false;

        return !t->lane_full && channel_queued(t->flow->writer.channel) == 0;
}

bool transfer_is_ready(Transfer *t, FlowSide side, size_t wanted) {
        if (transfer_has_ended(t) || flow_state(t->flow) != FLOW_UP)
                return true;
        if (side == FLOW_READING)
                return transfer_is_readable(t) || (t->frct && frct_ended(t->frct) < 0);
        if (wanted == 0)
                return transfer_is_flushed(t);
        if (!t->frct)
                return lane_has_room(t, wanted);

        return frct_ended(t->frct) < 0 || frct_writable(t->frct, wanted);
}

/* For the largest message; without FRCT that is half of the lane, and the writer then waits for as much. */
static bool is_writable(Transfer *t) {
        uint32_t n_slots = lane_class_slots(t->flow->lane_class);

        if (t->frct)
                return frct_writable(t->frct, flow_message_max(t->flow));

        t->lane_full = channel_queued(t->flow->writer.channel) > n_slots / 2;
        return !t->lane_full;
}

void transfer_look_at_path(Transfer *t) {
        size_t packet_max = t->frct ? frct_path_max(t->frct) : 0;

        if (t->packet_max_told != 0 && t->packet_max_told != packet_max)
                flow_change(t->flow);
        t->packet_max_told = packet_max;
}

uint32_t transfer_events_now(Transfer *t) {
        const o7s_flow *flow = t->flow;
        uint32_t ended = flow_ended(flow), events = 0;

        if (!flow_get_flag(&flow->read_unarmed) &&
            (flow->reader.end_pending || flow->reader.held || transfer_is_readable(t)))
                events |= O7S_READABLE;
        if (flow_get_flag(&flow->changed_untold))
                events |= O7S_CHANGED;
        if (ended != FLOW_NOT_ENDED || (t->frct && frct_ended(t->frct) < 0))
                events |= O7S_DOWN;
        if (ended == 1 + CLOSE_PEER_DIED || ended == 1 + CLOSE_PEER_TIMEOUT)
                events |= O7S_PEER_GONE;
        if (flow_get_flag(&flow->write_armed) && is_writable(t))
                events |= O7S_WRITABLE;

        return events;
}
