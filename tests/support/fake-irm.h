/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An IRM in a thread, for tests and benches of the library: it joins whoever asks for a name with whoever listens on it, and knows
 * nothing of layers, names' owners or rights. Some names are played differently:
 *
 *   "refused"           the outcome is -ECONNREFUSED, with the text FAKE_IRM_REFUSAL
 *   "denied"            the reply itself is -EPERM
 *   "silent"            there never is an outcome
 *   "bad-lane"          the peer's lane is a memfd of the right size without seals
 *   "no-doorbell"       the reply is 0 and brings none
 *   "wrong-reply"       the reply is an OFFER
 *   "ring-first"        the doorbell rings before it tells the outcome
 *   "died"              the doorbell is hung up instead of an outcome
 *   "short-mtu"         as any other, with an mtu of 100
 */

#include "libo7s/irm-message.h"

#define FAKE_IRM_REFUSAL "the baker said no"

typedef struct FakeIrm FakeIrm;

typedef struct FakeIrmCounts {
        unsigned n_messages[_IRM_MESSAGE_TYPE_MAX];
        unsigned n_cancelled;           /* doorbells hung up by those who had asked */
} FakeIrmCounts;

/* Serves at an address of its own, to which it points O7S_SOCKET. */
int fake_irm_start(FakeIrm **ret);

/* Ends: connections hang up. fake_irm_resume() serves again at the same address, with nothing remembered. */
void fake_irm_pause(FakeIrm *irm);
int fake_irm_resume(FakeIrm *irm);

FakeIrm *fake_irm_free(FakeIrm *irm);
DEFINE_CLEANUP(FakeIrm, fake_irm_free);

/* In a forked child: closes what was inherited. The thread exists in the parent only. */
void fake_irm_forget(FakeIrm *irm);

FakeIrmCounts fake_irm_counts(FakeIrm *irm);
