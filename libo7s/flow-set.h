/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting on many flows and listeners: what the two have to know of the set that they are in. */

#include "libo7s/flow.h"

/* Something is the case at this member, or may be. Any thread; the flow's mutex may be held, no set's. */
void set_member_make_ready(SetMember *member);

/* The flow's doorbell is another one, or none for now. Any thread, the flow's mutex held. Returns: 0; -ENOMEM,
 * -ENOSPC. */
int set_member_watch(SetMember *member, int fd);
void set_member_unwatch(SetMember *member, int fd);
