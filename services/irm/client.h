/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One connection of a process on irm.sock: its control connection, or one per listener. Who is behind it is
 * the kernel's word. A client that sends garbage or floods loses its connection; one that does not read has
 * a bounded queue.
 */

#include "libo7s/irm-message.h"
#include "services/irm/outbox.h"
#include "services/irm/process.h"

#define CLIENT_BURST_MAX 32U            /* messages per turn of the loop */
#define CLIENT_RATE_MAX 20000U          /* messages per second, beyond which it floods */
#define CLIENT_OUTBOX_MAX 256U
#define CLIENT_STORED_MAX 480U          /* connections kept by systemd, of its 512; the rest is reserve */

typedef struct Client Client;

typedef enum ClientRole {
        CLIENT_CONTROL,
        CLIENT_LISTENER,
} ClientRole;

struct Client {
        Manager *manager;               /* not owned */
        Process *process;               /* not owned; the process outlives its clients */
        int fd;
        sd_event_source *io;
        Outbox outbox;
        bool doomed;                    /* shut down: goes when the loop turns */
        ClientRole role;
        bool listening;                 /* LISTEN was granted */
        bool listen_pending;            /* LISTEN waits for the unit or for polkit */
        char listen_name[FLOW_NAME_WIRE_BYTES_MAX + 1];        /* "" = every name bound to it */
        uint32_t flow_flags;            /* O7S_THIN, O7S_BULK: for the flows that it accepts */
        char program[FLOW_NAME_WIRE_BYTES_MAX + 1];
        PolkitQuery *listen_query;
        List acceptors;                 /* Acceptor.by_client: one per name that it serves, owned */
        uint32_t n_messages;            /* in the current second */
        usec_t second_started;
        uint32_t state_slot;            /* STATE_NO_SLOT where it is not kept */
        ListNode by_manager;            /* Manager.clients */
        ListNode by_process;            /* Process.clients */
        ListNode by_wildcard;           /* Manager.wildcard_listeners */
};

/* Takes fd, also on failure. Returns: 0; -ESRCH: the peer is gone; -EDQUOT; -ENOMEM. */
int client_new(Manager *m, int fd, Client **ret);
Client *client_free(Client *c);
DEFINE_CLEANUP(Client, client_free);

/* Never fails for the caller: one that cannot be sent to loses its connection, later. */
void client_send(Client *c, const IrmMessage *message, const int *fds, unsigned n_fds);

/* Ends it, for no fault of its own. Deferred, as below. */
void client_hang_up(Client *c);

/* Ends it, with one line in the log. Deferred: the client stays valid until the loop turns. */
void client_punish(Client *c, const char *why);

/* A connection that systemd kept: a new client with that slot of the state. Takes fd, also on failure. */
int client_restore(Manager *m, int fd, uint32_t slot, Client **ret);

/* Writes down who it is, for the next life. */
void client_remember(Client *c);

/* The connection of a listening socket: accepts a burst. */
int client_accept_all(sd_event_source *s, int fd, uint32_t revents, void *userdata);

/* client-request.c: one message. */
void client_request(Client *c, const IrmMessage *message, int fds[IRM_FDS_MAX]);

/* client-request.c: the unit of its process is known now: a LISTEN that waits goes on. */
void client_unit_known(Client *c);

/* client-request.c: becomes a listener without asking anybody, after a restart. */
int client_resume_listening(Client *c, const StateClient *record);
