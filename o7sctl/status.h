/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pages of "label: text" lines, as status shows them. */

#include <json-c/json.h>

#include "o7sctl/o7sctl.h"

/* "     Unit: " */
void status_label(const char *text);

void status_print_state(const char *state, const char *reason);

/* What Describe() of an object says. Complains by itself. Returns: 0; the exit status. */
int status_describe(Ctl *ctl, const char *path, const char *interface, json_object **ret);

/* The page of one object; where JSON is asked for, nothing is printed and *ret is set. Returns: the exit status. */
int status_of_layer(Ctl *ctl, const char *path, json_object **ret);
int status_of_name(Ctl *ctl, const char *path, json_object **ret);
