/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What proves that a message about a flow comes from its peer: a counter and a tag, HMAC-SHA-256 cut to 16 bytes,
 * under a key for each direction that the handshake agreed on. Counters rise strictly, so that nothing counts twice,
 * and what was overtaken does not count either: whoever needs an answer repeats himself under a new counter. Pure;
 * wiped by its owner.
 *
 * The other half of this page is for hosts that have lost a flow, with its keys: the reset token of an endpoint id
 * follows from a key of the layer, and what the peer was given in the handshake is a lock, the digest of the token.
 * So who saw the handshake cannot end the flow.
 */

#include "basic/cursor.h"
#include "libo7s/drop.h"
#include "services/common/hash.h"
#include "services/common/layer-message.h"

#define FLOW_CONTROL_TAG_BYTES 16U
#define FLOW_CONTROL_PROOF_BYTES (8U + FLOW_CONTROL_TAG_BYTES)
#define FLOW_CONTROL_CONTENT_BYTES_MAX 64U
#define FLOW_RESET_KEY_BYTES 32U
#define FLOW_RESET_BYTES LAYER_RESET_BYTES

typedef struct FlowControl {
        bool present;
        bool wiped;                     /* there were keys: nothing proves anything any more */
        bool confirmed;                 /* the peer has the keys: what it says without them does not count any more */
        uint8_t send[LAYER_CONTROL_KEY_BYTES];
        uint8_t receive[LAYER_CONTROL_KEY_BYTES];
        uint64_t sent;                  /* counter of the last message; 0: none yet */
        uint64_t received;
} FlowControl;

/* What follows the content of a message. */
typedef struct FlowControlProof {
        uint64_t counter;
        uint8_t tag[FLOW_CONTROL_TAG_BYTES];
} FlowControlProof;

/* What a tag is over. */
typedef struct FlowControlText {
        uint8_t code;
        uint64_t sender;                /* endpoint ids, as in the message */
        uint64_t receiver;
        const uint8_t *content;
        size_t content_size;
} FlowControlText;

void flow_control_init(FlowControl *control, const LayerControl *keys, bool confirmed);
void flow_control_wipe(FlowControl *control);

/* For the next message. Returns: 0; -EOVERFLOW: counters are used up; -EOPNOTSUPP. */
int flow_control_prove(FlowControl *control, const FlowControlText *text, FlowControlProof *ret);

/* Of a message that came, with a proof or (NULL) without. Returns: 0: it counts, and the peer has the keys; -EBADMSG:
 * forged; -EALREADY: genuine, but not newer than what came before; -ESTALE: the keys are gone; -ENOKEY: there never
 * were any; -EOPNOTSUPP. */
int flow_control_check(FlowControl *control, const FlowControlText *text, const FlowControlProof *proof);

/* The same of a close, for which the token does where it is not certain that the peer has keys. token_fits: it is the
 * one that we gave, and the peer means this flow. Also -EKEYREJECTED: neither proof nor token. */
int flow_control_check_close(FlowControl *control, const FlowControlText *text, const FlowControlProof *proof,
                             bool token_fits);

/* What a message counts as that one of these refused. */
DropReason flow_control_drop_reason(int r);

void flow_control_proof_write(Writer *w, const FlowControlProof *proof);
void flow_control_proof_read(Cursor *c, FlowControlProof *ret);

/* Takes the same time whatever differs. */
bool flow_control_equal(const uint8_t *a, const uint8_t *b, size_t size);

/* -- resets -- */

/* By which a host ends a flow that it lost. peer: who has it, as the layer knows him. Returns: 0; -EOPNOTSUPP. */
int flow_reset_token(const uint8_t key[FLOW_RESET_KEY_BYTES], uint64_t endpoint, const uint8_t *peer, size_t peer_size,
                     uint64_t peer_endpoint, uint8_t ret[FLOW_RESET_BYTES]);

/* What opens to that token and to no other; and for a flow of ours at once. */
int flow_reset_lock(const uint8_t token[FLOW_RESET_BYTES], uint8_t ret[FLOW_RESET_BYTES]);
int flow_reset_own_lock(const uint8_t key[FLOW_RESET_KEY_BYTES], uint64_t endpoint, const uint8_t *peer,
                        size_t peer_size, uint64_t peer_endpoint, uint8_t ret[FLOW_RESET_BYTES]);
bool flow_reset_fits(const uint8_t lock[FLOW_RESET_BYTES], const uint8_t token[FLOW_RESET_BYTES]);
