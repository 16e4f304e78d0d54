/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls of the bus that the authentication service answers: TestSecurity and ReloadSecurity wait here meanwhile.
 * Each costs it a walk through files, so only so many are open at a time, of one user and of all.
 */

#include <systemd/sd-bus.h>

#include "services/irm/manager.h"

#define SECURITY_CALLS_MAX 32U
#define SECURITY_CALLS_PER_USER_MAX 4U

typedef struct SecurityCall SecurityCall;

SecurityCall *security_call_free(SecurityCall *call);

/* Empties *question; answers the message, later. Returns: 0; -EDQUOT: too many are open; -ENOMEM and errors of
 * auth_link_ask(). */
int security_call_start(Manager *m, sd_bus_message *message, AuthMessage *question, uid_t uid);

/* All of them, in the end. */
void security_calls_free(Manager *m);
