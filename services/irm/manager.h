/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * o7s-irm, the IPC resource manager of a host. It keeps names and who may serve them, knows the layers,
 * and joins the two ends of every flow; it never sees a packet. Reading order:
 *
 *   flow-state, allocation, incoming, balance, quota     the decisions: pure, told events and the time
 *   client, client-request       a connection of an application, and what it may ask
 *   process                      who is behind it: pidfd, user, unit; its end ends what it had
 *   layer, layer-request         a connection of an IPCP, and what it reports
 *   name, binding                names of this host, who may serve them, where they are registered
 *   flow                         one flow; feeds the table of flow-state and does what it says
 *   connect*                     a flow that is asked for here
 *   admission, accept            one that is asked for elsewhere or offered
 *   policy, handshake, auth-*    who may, and how it is protected: the service that knows, and what a flow has of it
 *   state, restore               what survives a crash, in a memfd that systemd keeps
 *   config, systemd, operation   irm.conf and .name files; units; long work on the bus
 *   *-bus, describe              what the bus sees
 *
 * The Manager owns the tables below and nothing else of interest: objects look after themselves.
 */

#include "basic/list.h"
#include "basic/map.h"
#include "services/common/daemon.h"
#include "services/common/oap.h"
#include "services/common/polkit.h"
#include "services/irm/audit.h"
#include "services/irm/auth-link.h"
#include "services/irm/config.h"
#include "services/irm/incoming.h"
#include "services/irm/quota.h"
#include "services/irm/state.h"

/* Ids start at the time of day times this, so that they are new after every restart. */
#define FLOW_IDS_PER_SECOND 1024U

typedef struct Manager Manager;

struct Manager {
        Daemon *daemon;                 /* not owned */
        sd_event *event;                /* the daemon's */
        sd_bus *bus;                    /* the daemon's; NULL without a bus */
        Polkit *polkit;                 /* NULL without a bus */
        sd_bus_track *subscribers;      /* of signals about flows */
        sd_bus_slot *jobs_slot;
        Config config;
        Quota quota;
        State *state;
        OapReplay *replay;
        uint64_t newest_stamp;          /* of a request by somebody proven: in the state, for the next IRM */
        uint64_t stamp_of_before;       /* the same, of the IRM before this one; 0: there was none */
        uint32_t stamp_slot;
        IncomingTable incoming;
        AuthLink *auth;
        uint32_t n_admissions;          /* of all layers, see admission.h */
        List security_calls;            /* SecurityCall.by_manager, owned */
        AuditCounter audit[_AUDIT_KIND_MAX];
        ConfStrings bad_name_files;     /* names whose file cannot be read: no new flows */

        Map *processes;                 /* ProcessKey -> Process, owned */
        Map *names;                     /* string -> Name, owned */
        Map *name_hashes[_HASH_DIRECTORY_MAX];  /* digest -> Name, one map per algorithm */
        Map *layers;                    /* string -> Layer, owned */
        Map *flows;                     /* id -> Flow, owned */
        Map *operations;                /* id -> Operation, owned */
        Map *resolves;                  /* id -> Resolve, owned */
        List clients;                   /* Client.by_manager, owned */
        List wildcard_listeners;        /* Client.by_wildcard: serve every name bound to them */

        int irm_fd;                     /* listening, for applications */
        int layer_fd;                   /* listening, for IPCPs */
        sd_event_source *irm_source;
        sd_event_source *layer_source;
        sd_event_source *status_source; /* STATUS=, a little after something changed */

        uint64_t config_stamp;          /* of irm.conf when it was read */
        uint64_t names_stamp;           /* of all .name files */
        uint64_t layers_stamp;          /* of all .layer files, with those that were read one by one since */
        bool need_reload;               /* as it was found at need_reload_checked */
        usec_t need_reload_checked;

        bool stopping;                  /* being freed: what survives in the store stays there */
        uint64_t next_flow_id;
        uint64_t next_layer_key;
        uint64_t next_operation_id;
        uint64_t flows_total;
        uint64_t flows_failed_total;
        uint64_t polkit_generation;     /* counts up when rules change: kept answers of an older one are stale */
        usec_t started;                 /* CLOCK_REALTIME */
};

/* Where things are; tests have others. */
typedef struct ManagerPaths {
        const char *root;               /* of the configuration; "" */
        const char *auth_socket;
        const char *key_socket;
} ManagerPaths;

int manager_new(Daemon *daemon, const ManagerPaths *paths, Manager **ret);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager, manager_free);

/* Takes over sockets and what survived of an earlier life, reads the configuration, listens. */
int manager_start(Manager *m);

/* Reads the files again: new names appear, changed ones change, removed ones go. */
int manager_reload(Manager *m);

/* Whether any of those files is another than the one that was read. Looked into once a second at most. */
bool manager_needs_reload(Manager *m);

/* Something that STATUS= shows has changed. */
void manager_changed(Manager *m);

/* There is a descriptor again: whoever waits outside, of either kind, may come in. */
void manager_admit(Manager *m);

/* An id that no flow of this host had before, also across restarts. */
uint64_t manager_next_flow_id(Manager *m);
