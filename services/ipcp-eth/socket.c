/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "basic/time.h"
#include "services/common/daemon.h"
#include "services/ipcp-eth/socket-ring.h"
#include "services/ipcp-eth/socket.h"

/* A device that takes nothing (its queue is full, it has no carrier) says so for the frame, while the socket itself has
 * room all the time: EPOLLOUT would come back at once, again and again. */
#define RETRY_USEC USEC_PER_MSEC
#define RETRY_ACCURACY_USEC 100U

/* Where frames of one cube leave. */
typedef struct FrameQueue {
        FrameSocket *socket;
        int fd;
        sd_event_source *room;          /* on while the socket is full */
        sd_event_source *retry;         /* armed while the device takes nothing */
} FrameQueue;

struct FrameSocket {
        int fd;                         /* frames come in here, */
        FrameRing *ring;                /* into this */
        sd_event_source *io;
        FrameQueue queues[_CUBE_MAX];
        const FrameSocketEvents *events;
        void *userdata;
        Packet *packets[FRAME_SOCKET_BURST_MAX];
};

/* As tc-prio(8) and the kernel's table of priorities to bands name them: best effort, interactive bulk, interactive. No
 * privilege is needed for these. */
static const int priority_table[_CUBE_MAX] = {
        [CUBE_BEST_EFFORT] = 0,
        [CUBE_VIDEO] = 4,
        [CUBE_VOICE] = 6,
};

/* What a frame that is for us looks like to the kernel: sent to this host or to everybody. The hardware address is
 * checked again by the core, since it can change while this filter stands. */
static const struct sock_filter filter_dix[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t) (SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_BROADCAST, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct sock_filter filter_llc[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t) (SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_BROADCAST, 6, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 16),                 /* control: unnumbered information */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x03, 0, 4),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 14),                 /* DSAP and SSAP: ours have the low two bits clear */
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x0303, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
};

static int set_option(int fd, int level, int option, int value) {
        return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int attach_filter(int fd, Framing framing) {
        const struct sock_fprog program = {
                .len = (unsigned short) (framing == FRAMING_LLC ? ELEMENTSOF(filter_llc) : ELEMENTSOF(filter_dix)),
                .filter = (struct sock_filter *) (uintptr_t) (framing == FRAMING_LLC ? filter_llc : filter_dix),
        };

        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static int bind_to(int fd, int ifindex, uint16_t protocol) {
        const struct sockaddr_ll address = {
                .sll_family = AF_PACKET,
                .sll_protocol = htons(protocol),
                .sll_ifindex = ifindex,
        };

        return bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0;
}

/* The filter stands before the socket is bound, so that nothing else ever gets in. */
static int open_receiver(FrameSocket *s, int ifindex, Framing framing, uint16_t ether_type, size_t frame_max) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        r = attach_filter(fd, framing);
        if (r < 0)
                return r;

        r = set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
        if (r < 0)
                return r;

        r = frame_ring_new(fd, frame_max, &s->ring);
        if (r < 0)
                return r;

        r = bind_to(fd, ifindex, framing == FRAMING_LLC ? ETH_P_802_2 : ether_type);
        if (r < 0)
                return r;

        s->fd = TAKE_FD(fd);
        return 0;
}

/* Bound to no protocol: nothing comes in here, and the frames say themselves what they are. Frames go through the
 * queue discipline of the interface, which is the operator's, and which holds us back when the link is slower. */
static int open_sender(int ifindex, Cube cube) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        r = set_option(fd, SOL_SOCKET, SO_PRIORITY, priority_table[cube]);
        if (r < 0)
                return r;

        r = bind_to(fd, ifindex, 0);
        if (r < 0)
                return r;

        return TAKE_FD(fd);
}

/* Returns how many frames were taken out of the ring. */
static unsigned receive_burst(FrameSocket *s) {
        unsigned n_cut, n = frame_ring_read(s->ring, s->packets, FRAME_SOCKET_BURST_MAX, &n_cut);

        if (n > 0)
                s->events->received(s->userdata, s->packets, n);
        if (n_cut > 0)
                s->events->cut(s->userdata, n_cut);

        return n + n_cut;
}

bool frame_socket_look(FrameSocket *socket) {
        return receive_burst(socket) > 0;
}

static int socket_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        FrameSocket *s = userdata;

        for (unsigned i = 0; i < FRAME_SOCKET_BURSTS_PER_TURN; i++)
                if (receive_burst(s) < FRAME_SOCKET_BURST_MAX)
                        break;

        if (revents & EPOLLERR) {
                int error;

                /* Taking the error (the interface went down) is what makes the descriptor quiet again. */
                (void) getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t) { sizeof(error) });
        }

        return 0;
}

static int queue_has_room(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        FrameQueue *q = userdata;

        q->socket->events->writable(q->socket->userdata);
        return 0;
}

static int retry_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        FrameQueue *q = userdata;

        q->socket->events->writable(q->socket->userdata);
        return 0;
}

/* Has writable() called when another try is worth it. */
static void wait_for_room(FrameQueue *q, int error) {
        if (error == EAGAIN) {
                (void) sd_event_source_set_enabled(q->room, SD_EVENT_ONESHOT);
                return;
        }

        (void) sd_event_source_set_time_relative(q->retry, RETRY_USEC);
        (void) sd_event_source_set_enabled(q->retry, SD_EVENT_ONESHOT);
}

unsigned frame_socket_send(FrameSocket *socket, Cube cube, Packet *const *frames, unsigned n, unsigned *ret_failed) {
        FrameQueue *q = &socket->queues[cube];
        struct mmsghdr messages[FRAME_SOCKET_BURST_MAX];
        struct iovec parts[FRAME_SOCKET_BURST_MAX];
        unsigned done = 0;

        assert(n <= FRAME_SOCKET_BURST_MAX);

        *ret_failed = 0;
        memset(messages, 0, n * sizeof(messages[0]));
        for (unsigned i = 0; i < n; i++) {
                parts[i] = (struct iovec) { .iov_base = frames[i]->head, .iov_len = packet_size(frames[i]) };
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
        }

        while (done < n) {
                int sent = sendmmsg(q->fd, messages + done, n - done, MSG_DONTWAIT);

                if (sent > 0) {
                        done += (unsigned) sent;
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno == EAGAIN || errno == ENOBUFS) {
                        wait_for_room(q, errno);
                        break;
                }

                done++;                 /* too long for the link, or the link is gone: this one will never go */
                (*ret_failed)++;
        }

        return done;
}

uint32_t frame_socket_lost(FrameSocket *socket) {
        struct tpacket_stats stats = {};

        if (getsockopt(socket->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &(socklen_t) { sizeof(stats) }) < 0)
                return 0;

        return stats.tp_drops;
}

FrameSocket *frame_socket_free(FrameSocket *socket) {
        if (!socket)
                return NULL;

        for (unsigned i = 0; i < FRAME_SOCKET_BURST_MAX; i++)
                packet_free(socket->packets[i]);

        for (Cube cube = 0; cube < _CUBE_MAX; cube++) {
                FrameQueue *q = &socket->queues[cube];

                sd_event_source_disable_unref(q->retry);
                sd_event_source_disable_unref(q->room);
                (void) safe_close(q->fd);
        }

        sd_event_source_disable_unref(socket->io);
        frame_ring_free(socket->ring);
        (void) safe_close(socket->fd);
        return mfree(socket);
}

static int queue_init(FrameQueue *q, FrameSocket *socket, sd_event *event, int ifindex, Cube cube) {
        int r;

        q->socket = socket;
        q->fd = open_sender(ifindex, cube);
        if (q->fd < 0)
                return q->fd;

        r = sd_event_add_io(event, &q->room, q->fd, EPOLLOUT, queue_has_room, q);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(q->room, SD_EVENT_OFF);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(q->room, DAEMON_PRIORITY_DATA);
        if (r < 0)
                return r;

        r = sd_event_add_time(event, &q->retry, CLOCK_MONOTONIC, 0, RETRY_ACCURACY_USEC, retry_elapsed, q);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(q->retry, SD_EVENT_OFF);
        if (r < 0)
                return r;

        return sd_event_source_set_priority(q->retry, DAEMON_PRIORITY_DATA);
}

int frame_socket_new(sd_event *event, int ifindex, Framing framing, uint16_t ether_type, size_t frame_max,
                     const FrameSocketEvents *events, void *userdata, FrameSocket **ret) {
        _cleanup_(frame_socket_freep) FrameSocket *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->events = events;
        s->userdata = userdata;
        s->fd = -1;
        for (Cube cube = 0; cube < _CUBE_MAX; cube++)
                s->queues[cube].fd = -1;

        for (unsigned i = 0; i < FRAME_SOCKET_BURST_MAX; i++) {
                r = packet_new(frame_max, &s->packets[i]);
                if (r < 0)
                        return r;
        }

        for (Cube cube = 0; cube < _CUBE_MAX; cube++) {
                r = queue_init(&s->queues[cube], s, event, ifindex, cube);
                if (r < 0)
                        return r;
        }

        r = open_receiver(s, ifindex, framing, ether_type, frame_max);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &s->io, s->fd, EPOLLIN, socket_ready, s);
        if (r < 0)
                return r;

        r = sd_event_source_set_priority(s->io, DAEMON_PRIORITY_DATA);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}
