/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program at an end: writes what it has to as soon as that is taken, reads, and compares each byte with what must
 * be there. */

#include "tests/sim/frct-end.h"

/* Returns: 0; -ENOMEM. */
int frct_program_run(FrctEnd *e, nsec_t now);

/* Nothing more will be written, and the peer was told if that is to be. */
bool frct_program_wrote_all(const FrctEnd *e);

/* When it wants to write or read again, unless something happens before. */
nsec_t frct_program_next(const FrctEnd *e, nsec_t now);
