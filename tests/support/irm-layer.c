/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/support/irm-layer.h"

struct IrmLayer {
        pthread_mutex_t mutex;
        pthread_cond_t attached;
        IrmLayerMode mode;
        IrmFlowInfo info;
        SealKeys keys;                  /* until they are told */
        LaneClass class;
        uint64_t flow_id;
        int doorbell_fd;                /* ours, until the flow is attached */
        int lane_fd;                    /* the application's */
        Channel *channel;               /* until the test takes it */
};

int irm_layer_new(IrmLayer **ret) {
        IrmLayer *layer = calloc(1, sizeof(*layer));

        if (!layer)
                return -ENOMEM;

        layer->doorbell_fd = layer->lane_fd = -1;
        layer->info.qos = O7S_QOS_RAW;
        (void) pthread_mutex_init(&layer->mutex, NULL);
        (void) pthread_cond_init(&layer->attached, NULL);
        *ret = layer;
        return 0;
}

static void forget(IrmLayer *layer) {
        layer->doorbell_fd = safe_close(layer->doorbell_fd);
        layer->lane_fd = safe_close(layer->lane_fd);
}

IrmLayer *irm_layer_free(IrmLayer *layer) {
        if (!layer)
                return NULL;

        forget(layer);
        channel_free(layer->channel);
        (void) pthread_cond_destroy(&layer->attached);
        (void) pthread_mutex_destroy(&layer->mutex);
        return mfree(layer);
}

static void tell(IrmLayer *layer, int result, int lane_fd) {
        IrmMessage outcome = {
                .type = IRM_OUTCOME,
                .flow_id = layer->flow_id,
                .result = result,
                .info = layer->info,
        };

        if (result == 0) {
                outcome.keys = layer->keys;
                layer->keys = (SealKeys) {};
        }
        (void) copy_string(outcome.info.name, sizeof(outcome.info.name), "layered");
        (void) copy_string(outcome.info.layer, sizeof(outcome.info.layer), "lan");
        (void) copy_string(outcome.info.peer, sizeof(outcome.info.peer), "02:00:00:00:00:01");
        (void) irm_message_send_outcome(layer->doorbell_fd, &outcome, lane_fd);
}

static void attach(IrmLayer *layer) {
        _cleanup_close_ int fd = -1;
        Lane *own, *peer;

        if (lane_new(layer->class, &own, &fd) < 0 || lane_open(layer->class, layer->lane_fd, &peer) < 0)
                abort();

        tell(layer, 0, fd);
        layer->lane_fd = safe_close(layer->lane_fd);
        channel_free(layer->channel);
        if (channel_new(layer->class, own, peer, TAKE_FD(layer->doorbell_fd), &layer->channel) < 0)
                abort();
        (void) pthread_cond_broadcast(&layer->attached);
}

static void tell_bad_lane(IrmLayer *layer) {
        _cleanup_close_ int fd = memfd_create("bad", MFD_CLOEXEC);

        tell(layer, 0, fd);
        forget(layer);
}

/* Mutex held. */
static void go_on(IrmLayer *layer) {
        if (layer->lane_fd < 0)
                return;

        switch (layer->mode) {
        case IRM_LAYER_PRESENT:
                return attach(layer);
        case IRM_LAYER_AWAY:
                return;
        case IRM_LAYER_GONE:
                tell(layer, -ENETDOWN, -1);
                return forget(layer);
        case IRM_LAYER_HOSTILE:
                return tell_bad_lane(layer);
        case IRM_LAYER_FORGETFUL:
                layer->mode = IRM_LAYER_PRESENT;
                return forget(layer);
        }
}

int irm_layer_ask(IrmLayer *layer, LaneClass class, uint64_t flow_id, int *ret_doorbell) {
        int fds[2], r = 0;

        (void) pthread_mutex_lock(&layer->mutex);
        if (layer->mode == IRM_LAYER_GONE)
                r = -ESTALE;
        else if (doorbell_pair(fds) < 0)
                r = -EMFILE;
        else {
                forget(layer);
                layer->class = class;
                layer->flow_id = flow_id;
                layer->doorbell_fd = fds[0];
                *ret_doorbell = fds[1];
        }
        (void) pthread_mutex_unlock(&layer->mutex);

        return r;
}

bool irm_layer_take_lane(IrmLayer *layer, uint64_t flow_id, int fd) {
        bool ours;

        (void) pthread_mutex_lock(&layer->mutex);
        ours = layer->doorbell_fd >= 0 && layer->flow_id == flow_id;
        if (ours) {
                (void) safe_close(layer->lane_fd);
                layer->lane_fd = fd;
                go_on(layer);
        }
        (void) pthread_mutex_unlock(&layer->mutex);

        return ours;
}

void irm_layer_set(IrmLayer *layer, IrmLayerMode mode) {
        (void) pthread_mutex_lock(&layer->mutex);
        layer->mode = mode;
        go_on(layer);
        (void) pthread_mutex_unlock(&layer->mutex);
}

void irm_layer_set_info(IrmLayer *layer, const IrmFlowInfo *info) {
        (void) pthread_mutex_lock(&layer->mutex);
        layer->info = *info;
        (void) pthread_mutex_unlock(&layer->mutex);
}

void irm_layer_set_keys(IrmLayer *layer, const SealKeys *keys) {
        (void) pthread_mutex_lock(&layer->mutex);
        layer->keys = *keys;
        (void) pthread_mutex_unlock(&layer->mutex);
}

Channel *irm_layer_take_channel(IrmLayer *layer) {
        struct timespec until;
        Channel *channel;
        int r = 0;

        (void) clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 2;

        (void) pthread_mutex_lock(&layer->mutex);
        while (!layer->channel && r == 0)
                r = pthread_cond_timedwait(&layer->attached, &layer->mutex, &until);
        channel = TAKE_PTR(layer->channel);
        (void) pthread_mutex_unlock(&layer->mutex);

        return channel;
}
