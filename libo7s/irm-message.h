/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an application and the IRM say to each other on /run/o7s/irm.sock (SEQPACKET, one message per
 * record, protobuf-encoded; irm.proto is private to irm-message.c). Who the client is comes from the
 * kernel, never from a message.
 *
 * A process has one control connection, shared by its threads: each request is answered at once, in
 * order, by IRM_REPLY. A listener has a connection of its own, on which offers arrive.
 *
 *   allocation   app                              IRM
 *                ALLOCATE                     ->
 *                                             <-  REPLY(result, flow_id, class) + [doorbell]
 *                makes its lane of that class
 *                LANE(flow_id) + [lane]       ->  (no reply)
 *                                             <-  on the doorbell: record 03 + OUTCOME(result, info) + [peer's lane]
 *                Closing the doorbell cancels.
 *
 *   serving      LISTEN(name or "")           ->
 *                                             <-  REPLY(result)
 *                                             <-  OFFER(flow_id, class, name, qos)
 *                makes its lane of that class
 *                LANE(flow_id) + [lane]       ->  (no reply)
 *                                             <-  ESTABLISHED(flow_id, info) + [peer's lane, doorbell], or
 *                                             <-  WITHDRAWN(flow_id): the asking side gave up, or we were too slow
 *                A listener that wants no more closes its connection; unaccepted offers go to others.
 *
 *   re-attaching REATTACH(flow_id)            ->  the doorbell hung up without a closed record, and the flow is not
 *                                                 local
 *                                             <-  REPLY(result, class) + [doorbell]
 *                makes a new lane of that class
 *                LANE(flow_id) + [lane]       ->  (no reply)
 *                                             <-  on the new doorbell: record 03 + OUTCOME(result, info) + [the
 *                                                 layer's new lane]
 *
 *   ending       DEALLOCATE(flow_id)          ->  (no reply) after channel_close(); on the control connection
 *
 *   after a restart of the IRM the library connects again and sends RESUME(flow_id) for each flow that it
 *   still has (REPLY: 0 or -ESTALE, the flow goes on either way), and LISTEN for each listener.
 */

#include "basic/record.h"
#include "basic/string.h"
#include "libo7s/lane.h"
#include "libo7s/o7s.h"
#include "libo7s/seal-keys.h"

#define IRM_MESSAGE_BYTES_MAX 4096U
#define IRM_TEXT_BYTES_MAX 512U
#define IRM_PROTOCOL_VERSION 1U

typedef enum IrmMessageType {
        IRM_ALLOCATE,           /* name, qos, flags, timeout_usec; layer ("" = any that may be asked) */
        IRM_LANE,               /* flow_id; one descriptor: the lane */
        IRM_LISTEN,             /* name ("" = every name bound to the caller), flags (lane class of what it accepts) */
        IRM_DEALLOCATE,         /* flow_id, close_reason */
        IRM_RESUME,             /* flow_id */
        IRM_REPLY,              /* result, text, flow_id, lane_class; with a doorbell after ALLOCATE and REATTACH */
        IRM_OUTCOME,            /* result, text, info */
        IRM_OFFER,              /* flow_id, lane_class, info (name, qos) */
        IRM_ESTABLISHED,        /* flow_id, info */
        IRM_WITHDRAWN,          /* flow_id, result */
        IRM_REATTACH,           /* flow_id: the layer's process hung up without closing */
        _IRM_MESSAGE_TYPE_MAX,
        _IRM_MESSAGE_TYPE_INVALID = -EINVAL,
} IrmMessageType;

/* What is known of a flow; becomes o7s_flow_info. */
typedef struct IrmFlowInfo {
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char layer[LAYER_NAME_BYTES_MAX + 1];           /* "" between two programs of one host */
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* who is at the other end, as far as known; see .verified */
        o7s_qos qos;                                    /* as granted */
        uint32_t mtu;                                   /* largest message in bytes; 0: as the lane says */
        bool local;
        uint32_t transfer;                              /* IRM_TRANSFER_: what both ends agreed on, in_order or ber ==
                                                         * 0 given */
        uint32_t mpl_ms;                                /* longest life of a packet in the layer */
        bool verified;                                  /* .peer was proven */
        char protection[32];                            /* "none" (or ""), "mac", or a cipher; for people */
        char key_exchange[32];                          /* likewise: "X25519" */
} IrmFlowInfo;

#define IRM_TRANSFER_EXTENDED (UINT32_C(1) << 0)        /* both speak the extended FRCT */
#define IRM_TRANSFER_CHECKSUM (UINT32_C(1) << 1)        /* every packet carries a checksum, also on reliable flows */
#define IRM_TRANSFER_STREAM (UINT32_C(1) << 2)          /* a byte stream, as the asking side wanted */

typedef struct IrmMessage {
        IrmMessageType type;
        uint64_t flow_id;
        int32_t result;                                 /* 0 or a negative errno */
        LaneClass lane_class;
        uint64_t flags;                                 /* O7S_BULK, O7S_THIN, ... */
        uint64_t timeout_usec;
        uint32_t close_reason;
        uint32_t version;                               /* IRM_PROTOCOL_VERSION, in ALLOCATE, LISTEN and RESUME */
        char program[FLOW_NAME_WIRE_BYTES_MAX + 1];     /* LISTEN, ALLOCATE: selects among what the caller may do */
        char text[IRM_TEXT_BYTES_MAX];                  /* a sentence for the person in front of the screen */
        SealKeys keys;                                  /* OUTCOME, ESTABLISHED: of a flow that is protected; whoever
                                                         * handed it on wipes it */
        IrmFlowInfo info;                               /* .name and .qos carry those of ALLOCATE and LISTEN, .layer
                                                         * the one that ALLOCATE wants */
} IrmMessage;

/* The secrets of a message; everything else stays. For _cleanup_, too. */
static inline void irm_message_wipe(IrmMessage *message) {
        explicit_bzero(&message->keys, sizeof(message->keys));
}

/* Returns: bytes written; -ENOBUFS; -EINVAL: a field is out of range. */
ssize_t irm_message_pack(const IrmMessage *message, void *buffer, size_t size);

/* Checks every range and every string (UTF-8 where shown to people, no embedded NUL). Keys come with a flow, or not
 * at all; of those nothing stays behind but *ret.
 * Returns: 0; -EBADMSG; -EPROTO: unknown type. */
int irm_message_parse(const void *data, size_t size, IrmMessage *ret);

/* One record with up to n_fds descriptors (the caller's, not closed). Returns: 0; -EAGAIN; -EPIPE; other errno. */
int irm_message_send(int socket_fd, const IrmMessage *message, const int *fds, unsigned n_fds);

#define IRM_FDS_MAX RECORD_FDS_MAX

/* One record. Descriptors beyond those that the type allows are closed and make the message bad. *ret_fds are
 * the caller's to close; unused entries are -1. Returns: 0; -EAGAIN; -EPIPE: end; -EBADMSG, -EPROTO. */
int irm_message_receive(int socket_fd, IrmMessage *ret, int ret_fds[IRM_FDS_MAX]);

/* The outcome of an allocation, as record 03 of a doorbell. lane_fd: the peer's lane (the caller's, not closed), -1
 * where the allocation failed. Returns: as irm_message_send(). */
int irm_message_send_outcome(int doorbell_fd, const IrmMessage *message, int lane_fd);

/* The other end of it. *ret_lane_fd is the caller's to close, or -1. Returns: as irm_message_receive(). */
int irm_message_receive_outcome(int doorbell_fd, IrmMessage *ret, int *ret_lane_fd);
