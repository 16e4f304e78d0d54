/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sleeping until something happens. */

#include <poll.h>
#include <stdint.h>

#define WAIT_FOREVER UINT64_MAX

/* poll() until a time of CLOCK_MONOTONIC; at once where that has passed. An interruption counts as nothing having
 * happened. Returns: 0, with .revents set; a negative errno. */
int wait_until(struct pollfd *polled, unsigned n, uint64_t deadline_nsec);
