/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connection of a layer to the IRM: connects, connects again, sends in order also where the socket is full for a
 * moment, and hands every message that arrives to its owner.
 */

#include <systemd/sd-event.h>

#include "basic/list.h"
#include "basic/time.h"
#include "services/common/layer-message.h"

/* Messages waiting for the socket; beyond, the connection starts anew. */
#define LAYER_IRM_QUEUE_MAX 8192U
#define LAYER_IRM_BURST_MAX 64U
#define LAYER_IRM_RETRY_USEC (50 * USEC_PER_MSEC)
#define LAYER_IRM_RETRY_MAX_USEC USEC_PER_SEC

typedef struct LayerIrm {
        sd_event *event;
        char *path;
        int fd;                         /* -1: not connected */
        sd_event_source *io;
        sd_event_source *retry;
        usec_t retry_usec;
        List queue;                     /* QueuedMessage.by_queue */
        unsigned n_queued;
        bool broken;                    /* to be torn down at the next turn, not inside a send */

        void (*connected)(void *userdata);
        /* fds belong to the callee; unused ones are -1. */
        void (*received)(void *userdata, const LayerMessage *message, int fds[LAYER_FDS_MAX]);
        void (*lost)(void *userdata);
        void *userdata;
} LayerIrm;

/* path NULL: O7S_LAYER_SOCKET of the environment, or the usual one. The callbacks are to be set before starting. */
int layer_irm_init(LayerIrm *irm, sd_event *event, const char *path);
void layer_irm_done(LayerIrm *irm);

/* Connects, or keeps trying. */
int layer_irm_start(LayerIrm *irm);

/* Without a connection the message is dropped: RESUME and STATE tell what counts. The descriptor stays the caller's. */
void layer_irm_send(LayerIrm *irm, const LayerMessage *message, int fd);
