/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/support/fake-irm.h"

#define PATIENCE_MS 2000

int fake_irm_init(FakeIrm *irm, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *irm = (FakeIrm) { .fd = -1 };
        (void) snprintf(irm->path, sizeof(irm->path), "%s", path);
        memcpy(address.sun_path, irm->path, sizeof(irm->path));
        (void) unlink(path);

        irm->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (irm->listener < 0)
                return -errno;
        if (bind(irm->listener, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(irm->listener, 8) < 0)
                return -errno;

        return 0;
}

void fake_irm_crash(FakeIrm *irm) {
        irm->fd = safe_close(irm->fd);
}

void fake_irm_done(FakeIrm *irm) {
        fake_irm_crash(irm);
        irm->listener = safe_close(irm->listener);
        (void) unlink(irm->path);
}

static int wait_readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r;

        r = poll(&p, 1, PATIENCE_MS);
        if (r < 0)
                return -errno;
        return r == 0 ? -ETIMEDOUT : 0;
}

int fake_irm_accept(FakeIrm *irm) {
        int r;

        r = wait_readable(irm->listener);
        if (r < 0)
                return r;

        irm->fd = accept4(irm->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return irm->fd < 0 ? -errno : 0;
}

int fake_irm_expect(FakeIrm *irm, LayerMessageType type, LayerMessage *ret, int *ret_fd) {
        for (;;) {
                int fds[LAYER_FDS_MAX] = { -1, -1 }, r;

                r = wait_readable(irm->fd);
                if (r < 0)
                        return r;

                r = layer_message_receive(irm->fd, ret, fds);
                if (r == -EAGAIN)
                        continue;
                if (r < 0)
                        return r;
                (void) safe_close(fds[1]);

                if (ret->type == type) {
                        if (ret_fd)
                                *ret_fd = fds[0];
                        else
                                (void) safe_close(fds[0]);
                        return 0;
                }

                (void) safe_close(fds[0]);
        }
}

int fake_irm_send(FakeIrm *irm, const LayerMessage *message) {
        return layer_message_send(irm->fd, message, NULL, 0);
}

int fake_irm_establish(FakeIrm *irm, const LayerMessage *reply, int lane_fd, LaneClass class, const CloseTokens *tokens,
                       Channel **ret) {
        _cleanup_(lane_freep) Lane *own = NULL, *peer = NULL;
        _cleanup_close_ int own_fd = -1, near = -1, far = -1;
        const LayerMessage message = {
                .type = LAYER_ESTABLISHED,
                .flow_id = reply->flow_id,
                .attempt = reply->attempt,
                .tokens = *tokens,
                .uid = FAKE_IRM_UID,
                .of_layer = irm->of_layer,
        };
        int pair[2], fds[2], r;

        r = lane_open(class, lane_fd, &peer);
        if (r < 0)
                return r;

        r = lane_new(class, &own, &own_fd);
        if (r < 0)
                return r;

        r = doorbell_pair(pair);
        if (r < 0)
                return r;
        near = pair[0];
        far = pair[1];

        fds[0] = own_fd;
        fds[1] = far;
        r = layer_message_send(irm->fd, &message, fds, 2);
        if (r < 0)
                return r;

        return channel_new(class, TAKE_PTR(own), TAKE_PTR(peer), TAKE_FD(near), ret);
}
