/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Asynchronous authorisation by polkit.
 *
 * For methods: polkit_authorize() returns 0 the first time and keeps the message; when polkit has answered,
 * the message is rewound and dispatched again, and the same call then returns 1 or an error. So nothing may
 * have changed before it. Root, and nobody else, is let through where polkit is not there.
 *
 * For clients of a socket: polkit_check_process(), whose answer the caller keeps until polkit says Changed.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "basic/macro.h"

#define POLKIT_PENDING_MAX 256U         /* questions open at a time, all callers together */
#define POLKIT_PENDING_PER_SENDER_MAX 16U

typedef struct Polkit Polkit;
typedef struct PolkitQuery PolkitQuery;

/* The bus must be attached to an event loop. */
int polkit_new(sd_bus *bus, Polkit **ret);
Polkit *polkit_free(Polkit *polkit);
DEFINE_CLEANUP(Polkit, polkit_free);

/* details: key, value, key, value, ..., NULL; rules see them as action.lookup("key").
 * Returns: 1: authorised; 0: asked, the handler returns 1 and will be called again; < 0: refused, with error set
 * (AccessDenied, or InteractiveAuthorizationRequired where a person could authorise). */
int polkit_authorize(Polkit *polkit, sd_bus_message *message, const char *action, const char *const *details,
                     sd_bus_error *error);

/* answer: > 0 authorised, -EACCES refused, -EPERM a person would have to authorise, -EBUSY: it is there and has no
 * time, other errors: polkit is not there. */
typedef void (*polkit_answer_t)(PolkitQuery *query, int answer, void *userdata);

/* Asks about a process. The query lives until its answer function has returned (which does not free it), or until it is
 * cancelled with polkit_query_free(). Returns: 0; -EBUSY: too many questions are open; -ENOMEM. */
int polkit_check_process(Polkit *polkit, pid_t pid, uid_t uid, const char *action, const char *const *details,
                         polkit_answer_t answer, void *userdata, PolkitQuery **ret);
PolkitQuery *polkit_query_free(PolkitQuery *query);

/* Called when rules or sessions changed, so that kept answers are stale. */
void polkit_set_changed(Polkit *polkit, void (*changed)(void *userdata), void *userdata);
