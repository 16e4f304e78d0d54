/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The address of a member: flat and random. That another member has the same is seen where it would do harm: a
 * neighbour that shows our own address in CEP, or a link of "ours" in the link-state database that we never made and
 * that keeps coming back. Who finds out draws a new one and joins again.
 */

#include "basic/time.h"

#define ADDRESS_NONE 0U

/* From 64 random bits; never 0, never one that needs more than "bytes" bytes. */
uint64_t address_from_random(uint64_t random, unsigned bytes);
