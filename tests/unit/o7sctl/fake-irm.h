/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A private bus with a small o7s-irm on it, whose answers are fixed and known to the tests:
 *
 *   layers      lan, home (online, their IPCPs are there too), lab (degraded, without one), far (failed)
 *   names       web.example
 *   flows       1, 2 and 2^60, in two pages
 *   StartLayer  lan, lab: done after a while; broken: fails; slow: never ends; denied: not allowed; others: unknown
 *   security    web.example requires encryption where it is served, and that is in order; all else is not
 *   Subscribe   brings StateChanged of lan, FlowNew and FlowRemoved of flow 2^60, CertificateExpiring at once
 *   Describe    of the manager: every call that changes something, in order
 */

#include <stdbool.h>
#include <sys/types.h>

typedef struct FakeIrm {
        char directory[64];
        pid_t daemon;           /* dbus-daemon */
        pid_t service;
} FakeIrm;

/* Starts both and points DBUS_SYSTEM_BUS_ADDRESS at the bus. Returns: 0; -ENOENT: there is no dbus-daemon; other
 * errors. */
int fake_irm_start(FakeIrm *fake);
/* Only the service, as if it had crashed. */
void fake_irm_stop_service(FakeIrm *fake);

void fake_irm_stop(FakeIrm *fake);
