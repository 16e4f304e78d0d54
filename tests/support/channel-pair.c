/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Flows without an IRM: see channel-pair.h. */

#include <sys/socket.h>

#include "tests/support/channel-pair.h"

#define FDS_MAX 253U    /* what the kernel passes at once */

int raw_peer_new(LaneClass class, RawPeer *ret, Lane **ret_own, Lane **ret_peer, int *ret_doorbell) {
        _cleanup_(lane_freep) Lane *own = NULL, *peer = NULL, *raw_own = NULL, *raw_other = NULL;
        _cleanup_close_ int own_fd = -1, raw_fd = -1;
        int fds[2], r;

        r = lane_new(class, &own, &own_fd);
        if (r < 0)
                return r;
        r = lane_new(class, &raw_own, &raw_fd);
        if (r < 0)
                return r;
        r = lane_open(class, raw_fd, &peer);
        if (r < 0)
                return r;
        r = lane_open(class, own_fd, &raw_other);
        if (r < 0)
                return r;
        r = doorbell_pair(fds);
        if (r < 0)
                return r;

        *ret = (RawPeer) { .own = TAKE_PTR(raw_own), .other = TAKE_PTR(raw_other), .doorbell = fds[1] };
        *ret_own = TAKE_PTR(own);
        *ret_peer = TAKE_PTR(peer);
        *ret_doorbell = fds[0];
        return 0;
}

void raw_peer_done(RawPeer *peer) {
        peer->own = lane_free(peer->own);
        peer->other = lane_free(peer->other);
        peer->doorbell = safe_close(peer->doorbell);
}

int channel_pair_new(LaneClass class, Channel **ret_left, Channel **ret_right) {
        _cleanup_(channel_freep) Channel *left = NULL;
        RawPeer raw;
        Lane *own, *peer;
        int doorbell, r;

        r = raw_peer_new(class, &raw, &own, &peer, &doorbell);
        if (r < 0)
                return r;

        r = channel_new(class, own, peer, doorbell, &left);
        if (r < 0) {
                raw_peer_done(&raw);
                return r;
        }

        r = channel_new(class, raw.own, raw.other, raw.doorbell, ret_right);
        if (r < 0)
                return r;

        *ret_left = TAKE_PTR(left);
        return 0;
}

int send_with_fds(int socket_fd, const void *data, size_t size, const int *fds, unsigned n_fds) {
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control = {};
        struct iovec part = { .iov_base = (void *) (uintptr_t) data, .iov_len = size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        assert(n_fds <= FDS_MAX);

        if (n_fds > 0) {
                struct cmsghdr *c = &control.align;

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }

        return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_fd(int socket_fd, int *ret) {
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(sizeof(int))];
        } control = {};
        uint8_t byte;
        struct iovec part = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *c;

        if (recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC) != 1)
                return -EPIPE;

        c = CMSG_FIRSTHDR(&message);
        if (!c || c->cmsg_type != SCM_RIGHTS)
                return -EBADMSG;

        memcpy(ret, CMSG_DATA(c), sizeof(*ret));
        return 0;
}

int lane_exchange(int socket_fd, LaneClass class, Lane **ret_own, Lane **ret_peer) {
        _cleanup_(lane_freep) Lane *own = NULL;
        _cleanup_close_ int own_fd = -1, peer_fd = -1;
        int r;

        r = lane_new(class, &own, &own_fd);
        if (r < 0)
                return r;
        r = send_with_fds(socket_fd, "", 1, &own_fd, 1);
        if (r < 0)
                return r;
        r = receive_fd(socket_fd, &peer_fd);
        if (r < 0)
                return r;
        r = lane_open(class, peer_fd, ret_peer);
        if (r < 0)
                return r;

        *ret_own = TAKE_PTR(own);
        return 0;
}
