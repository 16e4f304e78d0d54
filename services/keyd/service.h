/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * o7s-keyd on its socket: who may connect, questions, answers. A connection is opened by the IRM, which may hand it
 * on: who may ask was decided when it was opened. The tour is in key.h.
 */

#include "services/common/daemon.h"
#include "services/keyd/key.h"

#define SERVICE_CONNECTIONS_MAX 32U
#define SERVICE_QUESTIONS_PER_SECOND 4000U
#define SERVICE_QUESTIONS_BURST 8000U

typedef struct Service Service;

/* user: whom it answers, besides root. Takes the sockets that the service manager passed. Returns: 0; -ENOENT: none
 * was passed; -ENOMEM; other errno. */
int service_new(Daemon *daemon, KeyStore *keys, uid_t user, Service **ret);

/* Closes all connections; the keys are their owner's. */
Service *service_free(Service *service);
DEFINE_CLEANUP(Service, service_free);
