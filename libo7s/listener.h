/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A listener, as a set sees it. */

#include "libo7s/o7s.h"

/* The descriptor for event loops. Stays the listener's. */
int listener_fd(const o7s_listener *listener);

/* O7S_READABLE where an accept would not wait, else 0. */
uint32_t listener_events(o7s_listener *listener);

bool listener_is_foreign(const o7s_listener *listener);
