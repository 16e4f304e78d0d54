/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What o7s-irm does about certificates and policies. */

#include "o7sctl/bus-json.h"
#include "o7sctl/bus.h"

/* Has certificates and policies read again, after files were written; where nothing runs there is nothing to do. With
 * --root= neither. Complains. Returns: 0; the exit status. */
int security_reload(Ctl *ctl, bool names);

/* SetNameSecurity with the settings of the command line. Complains. Returns: 0; the exit status. */
int security_set(Ctl *ctl, const char *name, const char *side);

/* The policy of a name as o7s-irm has it: an object of strings, the reference is the caller's. Returns: 0, *ret NULL:
 * it has no such name; the exit status after a complaint. */
int security_get(Ctl *ctl, const char *name, const char *side, json_object **ret);

/* What TestSecurity says: rows of result, subject, text, expiry in µs. Without a complaint. Returns: 0; a negative
 * errno, *error is the caller's to free. */
int security_try_test(Ctl *ctl, const char *name, const char *side, sd_bus_error *error, json_object **ret);
