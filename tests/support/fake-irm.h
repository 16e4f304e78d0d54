/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The IRM's end of a layer's connection, for tests of layers: it listens, takes one connection, and lets the test send
 * orders and wait for what the layer says. Blocking, with a limit.
 */

#include "libo7s/channel.h"
#include "services/common/layer-message.h"

typedef struct FakeIrm {
        int listener;
        int fd;                         /* -1: no layer is connected */
        char path[108];
        bool of_layer;                  /* whose application fake_irm_establish() says that it is */
} FakeIrm;

/* Listens at path; an older socket there goes. Returns: 0; -errno. */
int fake_irm_init(FakeIrm *irm, const char *path);
void fake_irm_done(FakeIrm *irm);

/* Waits for the layer to connect. */
int fake_irm_accept(FakeIrm *irm);

/* Hangs up, as a crash would. */
void fake_irm_crash(FakeIrm *irm);

/* Waits for the next message of this type and skips others. *ret_fd: its descriptor or -1, the caller's.
 * Returns: 0; -ETIMEDOUT after two seconds; what layer_message_receive() says. */
int fake_irm_expect(FakeIrm *irm, LayerMessageType type, LayerMessage *ret, int *ret_fd);

int fake_irm_send(FakeIrm *irm, const LayerMessage *message);

#define FAKE_IRM_UID 4711U      /* of the application */

/* Makes the application's end for a layer's reply with its lane, and tells the layer. */
int fake_irm_establish(FakeIrm *irm, const LayerMessage *reply, int lane_fd, LaneClass class, const CloseTokens *tokens,
                       Channel **ret);
