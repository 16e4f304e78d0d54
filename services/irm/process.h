/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A process that has connections or flows: pid and user as the kernel says, a pidfd that tells its end, its
 * unit once somebody asked, and polkit's word on open-flow. Exists while anything refers to it and it lives.
 */

#include "services/irm/manager.h"

typedef struct Flow Flow;
typedef struct Process Process;

typedef struct ProcessKey {
        pid_t pid;
        uid_t uid;              /* two connections made under different users are two */
} ProcessKey;

typedef enum Permission {
        PERMISSION_UNKNOWN,
        PERMISSION_ASKED,
        PERMISSION_GRANTED,
        PERMISSION_REFUSED,
        PERMISSION_BUSY,                /* could not be asked; the next flow tries again */
} Permission;

struct Process {
        Manager *manager;               /* not owned */
        ProcessKey key;
        int pidfd;
        sd_event_source *exit_source;
        char *unit;                     /* NULL: not known (yet) */
        bool unit_known;                /* asked, also where the answer was "none" */
        sd_bus_slot *unit_slot;
        PolkitQuery *open_flow_query;
        Permission open_flow;
        uint64_t open_flow_generation;  /* Manager.polkit_generation of the answer */
        List clients;                   /* Client.by_process */
        List links;                     /* LayerLink.by_process */
        uint32_t n_layers;              /* Layer.process that point here */
        List called_flows;              /* Flow.by_caller */
        List accepted_flows;            /* Flow.by_acceptor */
};

/* Finds or makes the process. pidfd: of SO_PEERPIDFD, or -1; taken, also on failure. Returns: 0; -ESRCH: it is gone. */
int process_get(Manager *m, pid_t pid, uid_t uid, int pidfd, Process **ret);

/* Who is at the other end of a connected socket, by the kernel's word. */
int process_of_socket(Manager *m, int fd, Process **ret);

/* For the last of its things that went: frees it where nothing is left. */
void process_settle(Process *p);

Process *process_free(Process *p);

bool process_is_alive(const Process *p);

/* Asks systemd for the unit if that is not known, then has process_unit_known() called on each of its clients.
 * Returns: 1: known already; 0: asked. */
int process_ask_unit(Process *p);

/* Whether it may open flows. PERMISSION_ASKED: the flows that wait are told by process_permission_known(). */
Permission process_may_open_flows(Process *p);

/* What an answer of polkit_check_process(), or its failure, means. A machine without polkit goes on: the default of the
 * action is yes, and no rule of an administrator can be meant there. But a polkit that is there and was not asked, or
 * had no time, says nothing: taking that for a yes would let whoever floods it get round a rule that refuses. */
Permission permission_from_answer(int answer);

/* Lets a flow go on, or ends it with a reason. */
void permission_tell_flow(Permission permission, Flow *f);
