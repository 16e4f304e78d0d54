/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/common/daemon.h"
#include "services/common/layer-irm.h"

typedef struct QueuedMessage {
        ListNode by_queue;
        int fd;                         /* a duplicate of ours; -1: none */
        LayerMessage message;
} QueuedMessage;

static void queue_drop(LayerIrm *irm, QueuedMessage *queued) {
        list_unlink(&queued->by_queue);
        irm->n_queued--;
        (void) safe_close(queued->fd);
        free(queued);
}

static void disconnect(LayerIrm *irm) {
        QueuedMessage *queued, *following;

        irm->io = sd_event_source_disable_unref(irm->io);
        irm->fd = safe_close(irm->fd);
        irm->broken = false;

        list_for_each_safe(queued, following, &irm->queue, by_queue)
                queue_drop(irm, queued);
}

static void retry_later(LayerIrm *irm) {
        (void) sd_event_source_set_time_relative(irm->retry, irm->retry_usec);
        (void) sd_event_source_set_enabled(irm->retry, SD_EVENT_ONESHOT);
        irm->retry_usec = MIN(irm->retry_usec * 2, LAYER_IRM_RETRY_MAX_USEC);
}

/* A restarted IRM is usually back within milliseconds, and its socket never went away: try at once. */
static void connection_lost(LayerIrm *irm) {
        disconnect(irm);
        irm->lost(irm->userdata);
        irm->retry_usec = 0;
        retry_later(irm);
        irm->retry_usec = LAYER_IRM_RETRY_USEC;
}

static int send_now(LayerIrm *irm, const LayerMessage *message, int fd) {
        return layer_message_send(irm->fd, message, &fd, fd >= 0 ? 1 : 0);
}

static void flush_queue(LayerIrm *irm) {
        QueuedMessage *queued;

        while ((queued = list_first(&irm->queue, QueuedMessage, by_queue))) {
                int r = send_now(irm, &queued->message, queued->fd);

                if (r == -EAGAIN)
                        return;
                if (r < 0)
                        irm->broken = true;
                queue_drop(irm, queued);
                if (irm->broken)
                        return;
        }

        (void) sd_event_source_set_io_events(irm->io, EPOLLIN);
}

static int socket_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        LayerIrm *irm = userdata;

        if (revents & EPOLLOUT)
                flush_queue(irm);

        for (unsigned i = 0; i < LAYER_IRM_BURST_MAX && !irm->broken; i++) {
                int fds[LAYER_FDS_MAX] = { -1, -1 }, r;
                LayerMessage message;

                r = layer_message_receive(irm->fd, &message, fds);
                if (r == -EAGAIN)
                        break;
                if (r == -EPROTO)
                        continue;       /* a newer IRM says something that we do not know */
                if (r < 0) {
                        if (r != -EPIPE)
                                log_warning_errno(r, "The IRM said something malformed, connecting anew: %m");
                        irm->broken = true;
                        break;
                }

                irm->received(irm->userdata, &message, fds);
                explicit_bzero(&message.control, sizeof(message.control));
        }

        if (irm->broken)
                connection_lost(irm);
        return 0;
}

static int connect_now(LayerIrm *irm) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        if (strlen(irm->path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, irm->path, strlen(irm->path));

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        r = sd_event_add_io(irm->event, &irm->io, fd, EPOLLIN, socket_ready, irm);
        if (r < 0)
                return r;

        irm->fd = TAKE_FD(fd);
        return 0;
}

static int retry_elapsed(sd_event_source *source, uint64_t usec, void *userdata) {
        LayerIrm *irm = userdata;
        int r;

        r = connect_now(irm);
        if (r < 0) {
                log_debug_errno(r, "Failed to connect to the IRM at %s, trying again: %m", irm->path);
                retry_later(irm);
                return 0;
        }

        irm->retry_usec = LAYER_IRM_RETRY_USEC;
        irm->connected(irm->userdata);
        return 0;
}

int layer_irm_init(LayerIrm *irm, sd_event *event, const char *path) {
        int r;

        *irm = (LayerIrm) { .fd = -1, .retry_usec = LAYER_IRM_RETRY_USEC };
        list_init(&irm->queue);

        if (!path)
                path = getenv("O7S_LAYER_SOCKET");
        irm->path = strdup(path ? path : O7S_SOCKET_LAYER);
        if (!irm->path)
                return -ENOMEM;

        r = sd_event_add_time_relative(event, &irm->retry, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, retry_elapsed, irm);
        if (r < 0)
                return r;

        irm->event = sd_event_ref(event);
        return sd_event_source_set_enabled(irm->retry, SD_EVENT_OFF);
}

void layer_irm_done(LayerIrm *irm) {
        if (irm->event)
                disconnect(irm);
        irm->retry = sd_event_source_disable_unref(irm->retry);
        irm->event = sd_event_unref(irm->event);
        irm->path = mfree(irm->path);
}

int layer_irm_start(LayerIrm *irm) {
        return sd_event_source_set_enabled(irm->retry, SD_EVENT_ONESHOT);
}

static int enqueue(LayerIrm *irm, const LayerMessage *message, int fd) {
        QueuedMessage *queued;
        int copy = -1;

        if (irm->n_queued >= LAYER_IRM_QUEUE_MAX)
                return -ENOBUFS;

        queued = malloc(sizeof(*queued));
        if (!queued)
                return -ENOMEM;

        if (fd >= 0) {
                copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (copy < 0) {
                        free(queued);
                        return -errno;
                }
        }

        queued->fd = copy;
        queued->message = *message;
        list_append(&irm->queue, &queued->by_queue);
        irm->n_queued++;
        return sd_event_source_set_io_events(irm->io, EPOLLIN | EPOLLOUT);
}

void layer_irm_send(LayerIrm *irm, const LayerMessage *message, int fd) {
        int r = -EAGAIN;

        if (irm->fd < 0 || irm->broken)
                return;

        if (list_is_empty(&irm->queue))
                r = send_now(irm, message, fd);
        if (r == -EAGAIN)
                r = enqueue(irm, message, fd);
        if (r >= 0)
                return;

        if (r != -EPIPE)
                log_warning_errno(r, "Failed to send to the IRM, connecting anew: %m");

        /* The caller is in the middle of something: hang up, which brings the event loop here by itself. */
        irm->broken = true;
        (void) shutdown(irm->fd, SHUT_RDWR);
}
