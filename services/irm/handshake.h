/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a flow through a layer has of its authentication, from the moment its first step is taken until both ends are
 * told: then it is wiped, and nothing of it stays with the IRM. The steps of a flow that is asked for here are
 * connect-*.c's, those of one that is asked for elsewhere admission.c's and accept.c's; what is right and
 * wrong in a handshake is for the authentication service to say.
 *
 * Where the policy is plain, or the other host asked in a plain way and may, the service has no part in it and there
 * is only the OAP of before.
 */

#include "services/irm/allocation.h"
#include "services/irm/auth-link.h"
#include "services/irm/layer.h"

typedef struct Flow Flow;
typedef struct Handshake Handshake;

/* One request of ours. Each has an endpoint id of its own in its layer, and a session of its own. */
typedef struct Attempt {
        Handshake *handshake;           /* not owned */
        OapRequest request;             /* plain: what the answer has to match; else only id and token */
        bool prepared;                  /* the layer has said what it will say */
        bool sent;                      /* and has the request */
        uint64_t question;              /* to the service, under way; 0: none */
        AuthSession session;
        int lane;                       /* the layer's, while its answer is checked; -1 */
        CloseTokens tokens;             /* by which it is closed meanwhile */
        o7s_qos qos;                    /* as the layer grants it */
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];
} Attempt;

struct Handshake {
        Flow *flow;                     /* not owned */
        bool plain;
        SecurityPolicy policy;          /* of a flow that is asked for here */
        Attempt attempts[ALLOCATION_ATTEMPTS_MAX];      /* through the current layer */
        uint32_t n_attempts;
        AuthSession session;            /* of a flow that is asked for elsewhere */
        uint64_t question;              /* likewise */
        SealKeys keys;                  /* for the application */
        LayerControl control;           /* for the layer */
        bool have_reset;
        uint8_t reset[LAYER_RESET_BYTES];
};

/* Returns: 0; -ENOMEM. */
int handshake_new(Flow *f, Handshake **ret);
Handshake *handshake_free(Handshake *h);        /* whatever is under way is not wanted any more */

/* Those through a layer that is left. */
void handshake_forget_attempts(Handshake *h);

/* For both ends, as the service says. */
void handshake_keep(Handshake *h, AuthMessage *answer);

/* A question about the flow to name; emptied by auth_link_ask(), or by auth_message_done(). Binding: of message.
 * policy: NULL, or copied. Returns: 0; -ENOMEM. */
int handshake_question(AuthMessageType type, const char *name, const SecurityPolicy *policy,
                       const LayerMessage *message, AuthMessage *ret);

/* What the layer sees of the other host's word, to the service. Returns: 0; -ENOMEM. */
int handshake_add_oap(AuthMessage *question, const uint8_t *oap, size_t size);

/* What a program is told where the service or the other host has failed. */
int handshake_error(int result);

/* The extension as the service read it, for what both ends agree on. */
OapExtension handshake_extension_of(const AuthMessage *answer);

/* Who the peer is and how the flow is protected, for people. */
void handshake_take_peer(Flow *f, const AuthPeer *peer);
