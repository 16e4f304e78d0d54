/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The service on sockets: takes connections of the IRM (and of nobody else), reads one message after the other, sends
 * the answers. A reader that is slow waits for himself: nothing is read of a connection while an answer of it waits.
 * Looks for certificates that end soon.
 */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "services/auth/service.h"

#define SERVER_CLIENTS_MAX 8U
#define SERVER_BURST_MAX 16U            /* messages of one connection at once */

typedef struct Client Client;

typedef struct Server {
        sd_event *event;                /* not owned */
        Service *service;               /* not owned */
        uid_t client_uid;               /* besides root */
        int listen_fd;                  /* owned */
        sd_event_source *listen_source;
        sd_event_source *expiry_timer;
        sd_event_source *warning_timer;
        sd_event_source *reload_signal;
        List clients;
        unsigned n_clients;
} Server;

#define SERVER_INIT(server)                                                                                       \
        {                                                                                                         \
                .listen_fd = -1, .clients = LIST_INIT((server).clients),                                          \
        }

/* listen_fd: taken over, also where it fails; -1: connections come through server_add_client() only. SIGHUP is blocked
 * and watched. Returns: 0; or what sd-event says. */
int server_init(Server *server, sd_event *event, Service *service, int listen_fd, uid_t client_uid);
void server_done(Server *server);

/* A connection, taken over whatever happens. Returns: 0; -EPERM: not of a user who may ask; -EMFILE: there are too
 * many; -ENOMEM. */
int server_add_client(Server *server, int fd);
