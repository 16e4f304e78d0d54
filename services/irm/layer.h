/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A layer: known by its file, by CreateLayer, or because its IPCP is connected. Which layer an IPCP serves is
 * decided by its unit. A lost connection is not yet a lost layer: its flows go on while its process lives,
 * and it reports them again when it comes back.
 */

#include "services/common/layer-file.h"
#include "services/common/layer-message.h"
#include "services/irm/name.h"
#include "services/irm/operation.h"
#include "services/irm/outbox.h"

#define LAYERS_MAX 256U
#define LAYER_BURST_MAX 64U             /* messages per turn of the loop */
/* a process that dies may take 4 096 flows with it, all in one turn of the loop */
#define LAYER_OUTBOX_MAX 8192U

/* A connection on layer.sock before and after it said which layer it is. */
typedef struct LayerLink {
        Manager *manager;               /* not owned */
        Layer *layer;                   /* not owned; NULL until HELLO was believed */
        Process *process;               /* not owned; the process outlives its links */
        int fd;
        sd_event_source *io;
        Outbox outbox;
        LayerMessage *hello;            /* waits for the unit */
        bool doomed;                    /* shut down: goes when the loop turns */
        ListNode by_process;            /* Process.links */
} LayerLink;

struct Layer {
        Manager *manager;               /* not owned */
        char name[LAYER_NAME_BYTES_MAX + 1];
        uint64_t key;                   /* of the connection; 0: none */
        LayerLink *link;                /* owned; NULL: no IPCP is connected */
        Process *process;               /* not owned: of the last connection, until it ends */
        LayerFile *file;                /* owned; NULL where there is none */
        bool file_is_bad;               /* what it says cannot be relied on */
        uint64_t file_stamp;            /* of its files when they were read */
        LayerState state;
        char *reason;                   /* one sentence, never NULL */
        char *said;                     /* the part of it that does not come from .problem; NULL: all of it */
        char *problem;                  /* of its names on this host, one clause; NULL: none */
        LayerType type;                 /* _LAYER_TYPE_INVALID until HELLO */
        HashAlgorithm hash;
        uint32_t mtu;
        uint32_t oap_max;
        bool resuming;                  /* it names its flows; its first STATE ends that */
        uint32_t n_incoming;            /* requests of other hosts that wait, see incoming.h */
        List admissions;                /* Admission.by_layer: requests that are being authenticated */
        uint32_t n_admissions;
        uint32_t n_flows;
        List flows;                     /* Flow.by_layer */
        uint64_t address;               /* of the member; 0: it is none */
        bool have_id;
        uint8_t id[LAYER_ID_BYTES];     /* of the layer, as its members agree; 0 where there is none */
        List neighbours;                /* NeighbourRow.by_layer */
        unsigned n_neighbours;
        unsigned n_neighbours_up;
};

/* Finds or makes. Returns: 0; -EINVAL: not a name of a layer; -E2BIG; -ENOMEM. */
int layer_get(Manager *m, const char *name, Layer **ret);
Layer *layer_find(Manager *m, const char *name);
Layer *layer_free(Layer *l);

/* Reads its file again. */
void layer_reload_file(Layer *l);

/* Whether its files are others than those that were read. */
bool layer_needs_reload(const Layer *l);

/* One that no file describes and that nothing serves is no layer any more: frees it. */
void layer_settle(Layer *l);

/* Takes a connection of layer.sock. */
int layer_accept_all(sd_event_source *s, int fd, uint32_t revents, void *userdata);
LayerLink *layer_link_free(LayerLink *link);

/* Whether it can be asked. */
static inline bool layer_is_usable(const Layer *l) {
        return l->link && (l->state == LAYER_ONLINE || l->state == LAYER_DEGRADED);
}

bool layer_lists_name(const Layer *l, const char *name);        /* Register= of its file */
const char *layer_kind_name(const Layer *l);

void layer_set_state(Layer *l, LayerState state, const char *format, ...) _printf_(3, 4);

/* What its reason has to say besides; takes it. NULL: nothing (any more). */
void layer_set_problem(Layer *l, char *problem);

void layer_set_address(Layer *l, uint64_t address);

/* NULL: none. */
void layer_set_id(Layer *l, const uint8_t id[LAYER_ID_BYTES]);

/* Never fails for the caller: a link that cannot be sent to is lost, later. */
void layer_send(Layer *l, const LayerMessage *message, const int *fds, unsigned n_fds);

/* LAYER_REGISTER or LAYER_UNREGISTER, where the layer is connected. */
void layer_send_registration(Layer *l, LayerMessageType type, const Name *name);

/* LAYER_QUERY: whether the layer reaches the name. One that cannot be asked says nothing, as one that does not know. */
void layer_send_query(Layer *l, uint64_t query_id, const char *name);

/* The process of the IPCP has ended: so have its flows. */
void layer_process_died(Layer *l);

/* layer-request.c: one message of an IPCP that is believed. */
void layer_request(LayerLink *link, LayerMessage *message, int fds[LAYER_FDS_MAX]);

/* layer-request.c: HELLO, and again when the unit of the process is known. */
void layer_hello(LayerLink *link, const LayerMessage *message);
void layer_link_unit_known(LayerLink *link);

void layer_link_punish(LayerLink *link, const char *why);
