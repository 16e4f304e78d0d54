/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The component that o7s-trace asks, between o7s members only. */

#include "services/ipcp-unicast/unicast.h"

/* A packet for EID_ECHO. */
void echo_receive(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now);

/* receive.c: a packet for EID_ECHO of another member, whose TTL ended here. */
void echo_expired(Unicast *u, const uint8_t *data, size_t size, const LowerFlow *from, usec_t now);
