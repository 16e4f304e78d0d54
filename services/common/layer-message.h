/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What an IPCP and the IRM say to each other on /run/o7s/layer.sock (SEQPACKET, one message per record,
 * protobuf-encoded; layer.proto is private to layer-message.c). Which layer the IPCP serves follows from its
 * unit, o7s-ipcp@LAYER.service, which the IRM asks systemd for; the name in HELLO must agree.
 *
 * Flows on this socket have the IRM's flow_id. The IRM decides and authenticates, the IPCP carries bytes.
 *
 *   start        IPCP                                  IRM
 *                HELLO(type, hash, mtu, ...)       ->
 *                RESUME(flow_id, uid) for each flow ->     (after a restart of the IRM)
 *                REATTACH(flow_id, uid) + [our lane] ->    (after a restart of the IPCP) a flow whose application has
 *                                                          to attach again
 *                                                  <-      later ESTABLISHED(flow_id) + [application's lane,
 *                                                          doorbell], or CLOSE(flow_id)
 *                STATE(state, text, mtu)           ->      at any time
 *                                                  <-  WELCOME, then REGISTER(hash, name) for each name
 *   names                                          <-  REGISTER / UNREGISTER(hash, name)
 *                                                  <-  QUERY(query_id, hash)
 *                QUERY_DONE(query_id, result)      ->      0, -ENOENT, -ENETDOWN, ...
 *
 *   outgoing                                       <-  PREPARE(flow_id, attempt, hash, qos)
 *                takes the endpoint id that this attempt will have, finds who serves the name
 *                PREPARED(flow_id, attempt, result, binding)   ->  what of its request both hosts see alike and
 *                                                                  nobody may change on the way
 *                                                  <-  REQUEST(flow_id, attempt, hash, qos, lane_class, oap),
 *                                                      or ABORT
 *                sends FLOW_REQ with that endpoint id
 *                REPLY(flow_id, attempt, result, oap)  ->  on FLOW_REPLY, or a local failure; with [our lane] where
 *                                                          result is 0
 *                                                  <-  ESTABLISHED(flow_id, attempt, tokens, info) + [application's
 *                                                      lane, doorbell], or
 *                                                  <-  ABORT(flow_id, attempt, tokens): forget it; with a peer token:
 *                                                      send it a close
 *                Attempts are new requests of the IRM after 3 s without an answer. The endpoint id of an older
 *                attempt stays known until ABORT, so that its late reply reaches the IRM.
 *
 *                ESTABLISHED and ACCEPT also carry what authenticates messages about the flow (control), and what the
 *                peer's reset token fits.
 *
 *   incoming     INCOMING(reference, hash, qos, oap, binding, peer)   ->  on FLOW_REQ for a registered hash;
 *                                                                         reference is the IPCP's own number
 *                                                  <-  PREPARE(reference, flow_id, hash, qos): the IRM is about to
 *                                                      accept it
 *                takes the endpoint id that its side will have
 *                PREPARED(reference, flow_id, result, binding, reset)  ->  what its reply will say; what the token fits
 *                                                      by which it can end the flow after it lost it
 *                                                      (flow-control.h): no secret, the answer carries it
 *                                                  <-  ACCEPT(reference, flow_id, oap, tokens, lane_class), or
 *                                                  <-  REFUSE(reference, result, oap): result 0 = stay silent, as
 *                                                      towards everybody who has not proven who he is; else send
 *                                                      FLOW_REPLY with it
 *                after ACCEPT the IPCP takes an endpoint id, makes its lane, sends FLOW_REPLY
 *                REPLY(flow_id, result) + [our lane]   ->
 *                                                  <-  ESTABLISHED(flow_id, info) + [application's lane, doorbell]
 *                INCOMING_GONE(reference)          ->      a successor or a close replaced it, or it is too old
 *
 *   below                                          <-  LOWER(layer, type, state, text)   of each layer in Over=
 *                                                      that can be used, after WELCOME, and of each of them whenever
 *                                                      its state changes
 *
 *   ending       DOWN(flow_id, close_reason)       ->      the peer closed, timed out, or the application closed its
 *                                                          end
 *                                                  <-  CLOSE(flow_id, close_reason)   by the operator, or its owner
 *                                                      died
 *
 *   members                                        <-  ORDER(query_id, order, name, lower, components)   of an
 *                                                      operator; to show its packets: + [the writing end of a pipe]
 *                ORDER_DONE(query_id, result, text)  ->    once it is so, or cannot be, or takes too long
 *                NEIGHBOUR(name, lower, neighbour, text)  ->  at each change, and now and then for its counters
 */

#include "basic/record.h"
#include "basic/string.h"
#include "libo7s/lane.h"
#include "libo7s/o7s.h"
#include "services/common/layer-state.h"

#define LAYER_MESSAGE_BYTES_MAX 36864U
#define LAYER_TEXT_BYTES_MAX 512U
#define LAYER_HASH_BYTES_MAX 64U
#define LAYER_OAP_BYTES_MAX 32768U      /* the layer cuts it into pieces where it has to */
#define LAYER_PROTOCOL_VERSION 1U
#define CLOSE_TOKEN_BYTES 8U
#define LAYER_ID_BYTES 16U

typedef enum LayerMessageType {
        LAYER_HELLO,            /* layer, layer_type, hash_algorithm, mtu, oap_max, pid comes from the kernel */
        LAYER_STATE,            /* state, text, mtu, address, layer_id */
        LAYER_QUERY_DONE,       /* query_id, result, text */
        LAYER_REPLY,            /* flow_id, attempt, result, oap, binding as the reply says, qos as granted; one
                                 * descriptor: the IPCP's lane, iff result == 0 */
        LAYER_INCOMING,         /* reference, hash, qos, oap, peer */
        LAYER_INCOMING_GONE,    /* reference */
        LAYER_DOWN,             /* flow_id, close_reason */
        LAYER_RESUME,           /* flow_id, uid as in ESTABLISHED: proof of whose it is, should the IRM have lost its
                                 * state */
        LAYER_WELCOME,          /* */
        LAYER_REGISTER,         /* hash, name */
        LAYER_UNREGISTER,       /* hash, name */
        LAYER_QUERY,            /* query_id, hash, name */
        LAYER_REQUEST,          /* flow_id, attempt, hash, qos, lane_class, oap */
        LAYER_ABORT,            /* flow_id, attempt, tokens */
        LAYER_ACCEPT,           /* reference, flow_id, oap, tokens, lane_class */
        LAYER_REFUSE,           /* reference, result, oap */
        LAYER_ESTABLISHED,      /* flow_id, attempt, tokens, qos, uid of the application, of_layer: it is a layer
                                 * itself; two descriptors: the application's lane, the doorbell */
        LAYER_CLOSE,            /* flow_id, close_reason */
        LAYER_LOWER,            /* layer, layer_type, state, text: of a layer below */
        LAYER_ORDER,            /* query_id, order, name, lower, components, mtu, text: see LayerOrder; one descriptor
                                 * iff it is CAPTURE */
        LAYER_ORDER_DONE,       /* query_id, result, text: a sentence */
        LAYER_NEIGHBOUR,        /* neighbour, name, lower, text: why it is as it is */
        LAYER_PREPARE,          /* flow_id, hash, qos; attempt of an outgoing flow, or reference of an incoming one
                                 * (else 0) */
        LAYER_PREPARED,         /* the same, result, binding, reset */
        LAYER_REATTACH,         /* flow_id, uid as in RESUME; one descriptor: the IPCP's new lane */
        _LAYER_MESSAGE_TYPE_MAX,
        _LAYER_MESSAGE_TYPE_INVALID = -EINVAL,
} LayerMessageType;

/* Numbers of wire.md 1. */
typedef enum LayerType {
        LAYER_UNICAST = 1,
        LAYER_BROADCAST = 2,
        LAYER_ETH_LLC = 3,
        LAYER_ETH_DIX = 4,
        LAYER_UDP4 = 5,
        LAYER_UDP6 = 6,
        _LAYER_TYPE_MAX,
        _LAYER_TYPE_INVALID = -EINVAL,
} LayerType;

DECLARE_ENUM_NAMES(layer_type, LayerType);

/* What an operator may ask of a member. */
typedef enum LayerOrder {
        LAYER_ORDER_BOOTSTRAP,          /* be the first member, with what the file says */
        LAYER_ORDER_ENROLL,             /* through name, over lower; each may be empty: as the file says */
        LAYER_ORDER_CONNECT,            /* have name as a neighbour, over lower (empty: whichever reaches it) */
        LAYER_ORDER_DISCONNECT,
        LAYER_ORDER_RESET_STATISTICS,   /* all counters back to 0; of a layer of any type */
        LAYER_ORDER_SET_PROPERTIES,     /* mtu: largest packet of flows, text: log level; 0 and "": as it is. Of any
                                         * type, too */
        LAYER_ORDER_CAPTURE,            /* show packets, mtu bytes of each (0: all), as pcapng through the pipe. Of
                                         * any type, too */
        _LAYER_ORDER_MAX,
        _LAYER_ORDER_INVALID = -EINVAL,
} LayerOrder;

DECLARE_ENUM_NAMES(layer_order, LayerOrder);

/* What two members have between them. */
#define LAYER_COMPONENT_MANAGEMENT (1U << 0)
#define LAYER_COMPONENT_DATA (1U << 1)
#define LAYER_COMPONENTS_ALL (LAYER_COMPONENT_MANAGEMENT | LAYER_COMPONENT_DATA)

typedef enum LayerNeighbourState {
        LAYER_NEIGHBOUR_DOWN,           /* forget the key */
        LAYER_NEIGHBOUR_TRYING,
        LAYER_NEIGHBOUR_UP,
        _LAYER_NEIGHBOUR_STATE_MAX,
        _LAYER_NEIGHBOUR_STATE_INVALID = -EINVAL,
} LayerNeighbourState;

DECLARE_ENUM_NAMES(layer_neighbour_state, LayerNeighbourState);         /* "down", "trying", "up" */

typedef struct LayerNeighbour {
        uint64_t key;                   /* of the IPCP; never used twice in its life, never 0 */
        LayerNeighbourState state;
        uint32_t components;            /* that are there */
        uint64_t address;               /* 0: not known */
        uint64_t rtt_usec;              /* 0: not known */
        uint64_t since_usec;            /* CLOCK_REALTIME */
        uint64_t tx_bytes;
        uint64_t rx_bytes;
        uint32_t cost;                  /* of the link, for routing */
} LayerNeighbour;

/* What closes a flow between two o7s hosts: ours is what the peer must show, theirs is what we show. */
typedef struct CloseTokens {
        bool have_own;
        bool have_peer;                                 /* only where the peer showed the capability */
        uint8_t own[CLOSE_TOKEN_BYTES];
        uint8_t peer[CLOSE_TOKEN_BYTES];
} CloseTokens;

#define LAYER_BINDING_BYTES_MAX 512U
#define LAYER_RESET_BYTES 16U
#define LAYER_CONTROL_KEY_BYTES 32U

/* What authenticates messages of one o7s host to the other about a flow of theirs. */
typedef struct LayerControl {
        bool present;
        uint8_t send[LAYER_CONTROL_KEY_BYTES];
        uint8_t receive[LAYER_CONTROL_KEY_BYTES];
} LayerControl;

typedef struct LayerMessage {
        LayerMessageType type;
        uint64_t flow_id;
        uint64_t reference;
        uint64_t query_id;
        uint32_t attempt;                               /* from 0 */
        int32_t result;
        uint32_t version;
        LayerType layer_type;
        LayerState state;
        uint32_t hash_algorithm;                        /* HashAlgorithm of wire.md 1 */
        uint32_t mtu;                                   /* largest message of a flow, in bytes */
        uint32_t oap_max;                               /* largest OAP message that fits one frame */
        uint32_t close_reason;
        LaneClass lane_class;
        uint32_t uid;
        bool of_layer;
        uint64_t address;                               /* of the member; 0: it is none */
        bool have_layer_id;
        uint8_t layer_id[LAYER_ID_BYTES];               /* see LayerConfig */
        LayerOrder order;
        uint32_t components;                            /* LAYER_COMPONENT_* */
        LayerNeighbour neighbour;
        CloseTokens tokens;
        o7s_qos qos;
        char layer[LAYER_NAME_BYTES_MAX + 1];
        char lower[LAYER_NAME_BYTES_MAX + 1];           /* a layer below */
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        char peer[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* the other host as the layer knows it, such as a MAC
                                                         * address */
        char text[LAYER_TEXT_BYTES_MAX];
        LayerControl control;
        bool have_reset;
        uint8_t reset[LAYER_RESET_BYTES];
        size_t binding_size;
        uint8_t binding[LAYER_BINDING_BYTES_MAX];
        size_t hash_size;
        uint8_t hash[LAYER_HASH_BYTES_MAX];
        size_t oap_size;
        uint8_t oap[LAYER_OAP_BYTES_MAX];
} LayerMessage;

/* As irm_message_*(), with the same errors. */
ssize_t layer_message_pack(const LayerMessage *message, void *buffer, size_t size);
int layer_message_parse(const void *data, size_t size, LayerMessage *ret);
int layer_message_send(int socket_fd, const LayerMessage *message, const int *fds, unsigned n_fds);

#define LAYER_FDS_MAX RECORD_FDS_MAX
int layer_message_receive(int socket_fd, LayerMessage *ret, int ret_fds[LAYER_FDS_MAX]);
