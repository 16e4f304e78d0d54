/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets between FRCT and the lanes. Who sees to it when is transfer-wait.c. */

#include <sys/socket.h>

#include "basic/random.h"
#include "libo7s/checksum.h"
#include "libo7s/transfer.h"

#define MPL_DEFAULT_MSEC 100U           /* layers that do not say have this */
#define RECEIVE_BURST 256U              /* packets per pump: others want the mutex too */
#define PUBLISH_BURST 16U               /* packets that the layer may begin with while we make the next */

/* -- lifecycle -- */

bool transfer_is_needed(const IrmFlowInfo *info) {
        return !info->local && (info->qos.in_order || info->qos.ber == 0);
}

/* First numbers of runs: a peer that guesses them can disturb a flow. Where the kernel has none, the clock is hard enough. */
static uint32_t random_number(void *userdata) {
        uint32_t number;

        return random_bytes(&number, sizeof(number)) >= 0 ? number : (uint32_t) (time_now_nsec() * UINT64_C(2654435761));
}

static size_t layer_packet_max(const Transfer *t, size_t layer_max) {
        size_t trailer = t->checksum ? CHECKSUM_BYTES : 0;

        return layer_max > trailer ? layer_max - trailer : 0;
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

        return frct_new(&config, time_now_nsec(), &t->frct);
}

static int transfer_init(Transfer *t, const IrmFlowInfo *info) {
        int r;

        t->packet = malloc(t->packet_size);
        if (!t->packet)
                return -ENOMEM;

        if (!info->qos.in_order) {
                t->content = malloc(t->packet_size);
                return t->content ? 0 : -ENOMEM;
        }

        r = frct_make(t, info);
        if (r < 0)
                return r;

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

int transfer_new(o7s_flow *flow, const IrmFlowInfo *info, Transfer **ret) {
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
                .checksum = info->qos.ber == 0 || agreed,
                .packet_size = lane_class_message_max(flow->lane_class),
                .engine_fd = -1,
                .due = NSEC_INFINITY,
                .engine.run = transfer_run,
        };
        t->bare_unchecked = info->qos.in_order && !t->extended && !agreed;
        (void) pthread_mutex_init(&t->mutex, NULL);
        condition_init(&t->condition);

        r = transfer_init(t, info);
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
                (void) pthread_cond_destroy(&t->condition);
                (void) pthread_mutex_destroy(&t->mutex);
        }
        free(t->packet);
        free(t->content);
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

/* -- in -- */

/* Returns the packet's size without its trailer; -EBADMSG. */
static ssize_t packet_check(Transfer *t, const uint8_t *packet, size_t size) {
        if (!t->checksum || (t->bare_unchecked && size == FRCT_HEADER_BYTES))
                return (ssize_t) size;
        if (checksum_is_good(packet, size))
                return (ssize_t) (size - CHECKSUM_BYTES);

        t->n_unchecked++;
        return -EBADMSG;
}

/* One out of the peer's lane. Returns: its size without trailer; 0: dropped; -EAGAIN; -EBADMSG: of the lane. */
static ssize_t packet_receive(Transfer *t, uint8_t *packet, bool *ret_marked) {
        o7s_flow *flow = t->flow;
        bool more = false;
        ssize_t size;

        do
                size = channel_read(flow->reader.channel, packet, t->packet_size, &more);
        while (size < 0 && flow_reader_follow(flow));
        if (size < 0)
                return size;

        t->moved = true;
        *ret_marked = channel_flags(flow->reader.channel) & CHANNEL_MARKED;
        if (more) {
                channel_skip(flow->reader.channel);
                t->n_too_large++;
                return 0;
        }

        size = packet_check(t, packet, (size_t) size);
        return MAX(size, (ssize_t) 0);
}

static void receive(Transfer *t, nsec_t now) {
        bool marked;

        for (unsigned i = 0; i < RECEIVE_BURST; i++) {
                ssize_t size;

                if (!t->frct && t->content_size > 0)
                        break;                          /* the lane is the queue */

                size = packet_receive(t, t->frct ? t->packet : t->content, &marked);
                if (size == -EBADMSG)
                        flow_end(t->flow, CLOSE_VIOLATION);
                if (size < 0)
                        break;
                if (size == 0)
                        continue;

                if (t->frct) {
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

static void transmit(Transfer *t, nsec_t now) {
        size_t room = layer_packet_max(t, t->packet_size), size;
        unsigned n_pushed = 0;

        (void) flow_writer_follow(t->flow);
        t->lane_full = false;

        while ((size = frct_transmit(t->frct, t->packet, room, now)) > 0) {
                struct iovec part = { .iov_base = t->packet, .iov_len = size };
                int r;

                if (t->checksum) {
                        checksum_write(t->packet + size, checksum_add(0, t->packet, size));
                        part.iov_len += CHECKSUM_BYTES;
                }

                r = channel_push(t->flow->writer.channel, &part, 1);
                if (r == -EAGAIN) {
                        frct_untransmit(t->frct, now);
                        t->lane_full = true;
                        break;
                }
                if (r < 0) {
                        flow_end(t->flow, CLOSE_VIOLATION);
                        break;
                }
                if (++n_pushed % PUBLISH_BURST == 0)
                        publish(t);
        }

        if (n_pushed % PUBLISH_BURST != 0)
                publish(t);
}

int transfer_push(Transfer *t, const struct iovec *parts, unsigned n_parts) {
        struct iovec all[FLOW_PARTS_MAX + 1];
        uint8_t trailer[CHECKSUM_BYTES];
        int r;

        assert(n_parts <= FLOW_PARTS_MAX);

        checksum_write(trailer, checksum_parts(parts, n_parts));
        memcpy(all, parts, n_parts * sizeof(*parts));
        all[n_parts] = (struct iovec) { .iov_base = trailer, .iov_len = sizeof(trailer) };

        (void) flow_writer_follow(t->flow);
        r = channel_push(t->flow->writer.channel, all, n_parts + 1);
        t->lane_full = r == -EAGAIN;
        return r;
}

/* -- both -- */

bool transfer_has_ended(const Transfer *t) {
        return flow_ended(t->flow) != FLOW_NOT_ENDED;
}

/* The flow cannot go on: the layer is told, which tells the peer, and whoever polls is woken. */
static void give_up(Transfer *t, int error) {
        o7s_flow *flow = t->flow;

        t->moved = true;
        __atomic_store_n(&t->gave_up, error, __ATOMIC_RELAXED);
        flow_end(flow, error == -ETIMEDOUT ? CLOSE_PEER_TIMEOUT : CLOSE_VIOLATION);

        (void) pthread_mutex_lock(&flow->mutex);
        channel_close(flow->channel, CLOSE_NORMAL);
        (void) shutdown(flow_doorbell(flow), SHUT_RDWR);
        (void) pthread_mutex_unlock(&flow->mutex);
}

void transfer_pump(Transfer *t) {
        nsec_t now;
        int r;

        /* Without FRCT the poller may have asked for no message, while there was one: see arm(). */
        if (!t->polling || !t->frct)
                receive(t, time_now_nsec());
        if (!t->frct) {
                publish(t);
                return;
        }
        if (transfer_has_ended(t))
                return;

        now = time_now_nsec();
        frct_expire(t->frct, now);
        transmit(t, now);

        r = frct_ended(t->frct);
        if (r < 0 && r != -ENOTCONN && t->gave_up == 0)
                give_up(t, r);
}

/* -- what is the case -- */

bool transfer_is_readable(const Transfer *t) {
        return t->frct ? frct_readable(t->frct) : t->content_size > 0;
}

static bool lane_has_room(Transfer *t) {
        uint32_t n_slots = lane_class_slots(t->flow->lane_class), wanted;

        wanted = (uint32_t) ((t->wanted + CHECKSUM_BYTES + LANE_SLOT_BYTES - 1) / LANE_SLOT_BYTES);
        return n_slots - channel_queued(t->flow->writer.channel) >= MAX(wanted, n_slots / 4);
}

bool transfer_is_flushed(Transfer *t) {
        if (t->reliable)
                return frct_is_flushed(t->frct);

        return !t->lane_full && channel_queued(t->flow->writer.channel) == 0;
}

bool transfer_is_ready(Transfer *t, FlowSide side) {
        if (transfer_has_ended(t) || flow_state(t->flow) != FLOW_UP)
                return true;
        if (side == FLOW_READING)
                return transfer_is_readable(t) || (t->frct && frct_ended(t->frct) < 0);
        if (t->wanted == 0)
                return transfer_is_flushed(t);
        if (!t->frct)
                return lane_has_room(t);

        return frct_ended(t->frct) < 0 || frct_writable(t->frct, t->wanted);
}

/* For the largest message; without FRCT that is half of the lane, and the writer then waits for as much. */
static bool is_writable(Transfer *t) {
        uint32_t n_slots = lane_class_slots(t->flow->lane_class);

        if (t->frct)
                return frct_writable(t->frct, flow_message_max(t->flow));

        t->lane_full = channel_queued(t->flow->writer.channel) > n_slots / 2;
        return !t->lane_full;
}

uint32_t transfer_events_now(Transfer *t) {
        const o7s_flow *flow = t->flow;
        uint32_t ended = flow_ended(flow), events = 0;

        if (flow->reader.end_pending || flow->reader.held || transfer_is_readable(t))
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
