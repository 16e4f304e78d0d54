/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Talking to o7s-irm. These functions complain by themselves; they return 0, or the exit status (> 0) that the
 * program should end with, so that a verb only has to pass it on.
 */

#include <json-c/json.h>

#include "o7sctl/o7sctl.h"

#define BUS_REPLY_FREE _cleanup_(sd_bus_message_unrefp)

/* Method flags of org.o7s.irm1. */
#define BUS_FLAG_PERSIST 1U
#define BUS_FLAG_NO_WAIT 2U
#define BUS_FLAG_FORCE 4U
#define BUS_FLAG_DRY_RUN 8U

/* Connects at the first call. */
int bus_open(Ctl *ctl);

/* A call to be filled in; then bus_send() it. */
int bus_prepare(Ctl *ctl, const char *path, const char *interface, const char *member, sd_bus_message **ret);

/* Sends and waits. "what" begins the complaint: "Cannot start layer 'lan'". ret may be NULL. */
int bus_send(Ctl *ctl, sd_bus_message *call, sd_bus_message **ret, const char *what, ...) _printf_(4, 5);

/* The same without a complaint: for calls whose failure means something. *error is the caller's to free.
 * Returns: 0; a negative errno. */
int bus_try(Ctl *ctl, sd_bus_message *call, sd_bus_error *error, sd_bus_message **ret);

/* Says why a call failed, with what to do. Returns: the exit status. */
int bus_complain(Ctl *ctl, const sd_bus_error *error, int r, const char *what, ...) _printf_(4, 5);

/* An answer that cannot be read, or a call that could not be built. Returns: the exit status. */
int bus_complain_message(int r);

/* The exit status for an error by its D-Bus name. */
int bus_exit_status(const char *error_name);

/* All properties of an object as a JSON object. The reference is the caller's. */
int bus_properties(Ctl *ctl, const char *path, const char *interface, json_object **ret);

/* The same of any service, without a complaint: for what is nice to know. Returns: 0; a negative errno. */
int bus_try_properties(Ctl *ctl, const char *service, const char *path, const char *interface, json_object **ret);

/* The counters of a layer, from its IPCP; without a complaint, as it may not run. Returns: 0; a negative errno. */
int bus_try_counters(Ctl *ctl, const char *service, json_object **ret);

/* Where an object of that name is: "/org/o7s/irm1/layer" and "udp-0". Returns: 0; -ENOMEM. */
int bus_path_of(const char *prefix, const char *name, char **ret);

/* Starts an agent that can ask for a password on the terminal, once, where one may be needed. */
void agent_open(Ctl *ctl);
void agent_close(Ctl *ctl);
