/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An IRM in a thread, for tests and benches of the library: it joins whoever asks for a name with whoever
 * listens on it, and knows nothing of layers, names' owners or rights. Some names are played differently:
 *
 *   "refused"           the outcome is -ECONNREFUSED, with the text IRM_THREAD_REFUSAL
 *   "in-progress"       the outcome is -EINPROGRESS, which is none
 *   "denied"            the reply itself is -EPERM
 *   "silent"            there never is an outcome
 *   "bad-lane"          the peer's lane is a memfd of the right size without seals
 *   "no-doorbell"       the reply is 0 and brings none
 *   "wrong-reply"       the reply is an OFFER
 *   "ring-first"        the doorbell rings before it tells the outcome
 *   "died"              the doorbell is hung up instead of an outcome
 *   "short-mtu"         as any other, with an mtu of 100
 *   "ordered"           as over a layer that loses nothing, to a host of the 0.23.0 protocol: the lanes are joined,
 *                       not local
 *   "extended"          the same, to another o7s: extended FRCT; checksums and streams as asked for
 *   "layered"           through a layer, which the test plays: irm_thread_set_layer(). Where there is none, as any
 *                       other
 *
 * With O7S_TEST_SEAL in the environment (an irm_thread_suite() but "none") flows that are not local are protected,
 * and raw flows are not local, so that the tests of flows run over protected ones too.
 */

#include "libo7s/irm-message.h"
#include "tests/support/irm-layer.h"

#define IRM_THREAD_REFUSAL "the baker said no"

typedef struct IrmThread IrmThread;

typedef struct IrmThreadCounts {
        unsigned n_messages[_IRM_MESSAGE_TYPE_MAX];
        unsigned n_cancelled;           /* doorbells hung up by those who had asked */
} IrmThreadCounts;

/* Serves at an address of its own, to which it points O7S_SOCKET. */
int irm_thread_start(IrmThread **ret);

/* The layer's, before the first flow to "layered". Stays the caller's. */
void irm_thread_set_layer(IrmThread *irm, IrmLayer *layer);

/* Ends: connections hang up. irm_thread_resume() serves again at the same address, with nothing remembered. */
void irm_thread_pause(IrmThread *irm);
int irm_thread_resume(IrmThread *irm);

IrmThread *irm_thread_free(IrmThread *irm);
DEFINE_CLEANUP(IrmThread, irm_thread_free);

/* In a forked child: closes what was inherited. The thread exists in the parent only. */
void irm_thread_forget(IrmThread *irm);

IrmThreadCounts irm_thread_counts(IrmThread *irm);

/* What a handshake would leave to one end: made up, fitting the other end's. suite: "none", "reference", "o7s",
 * "o7s-mac"; NULL: that of the environment, or "none". number: another flow has others. */
void irm_thread_keys(const char *suite, bool client, uint8_t number, SealKeys *ret);

/* Byte i of the secret towards the server (0), towards the client (1), for later agreements (2; reference: the only
 * one). */
uint8_t irm_thread_key_byte(unsigned which, uint8_t number, unsigned i);

/* Of the environment; "none" where it says nothing. */
const char *irm_thread_suite(void);
bool irm_thread_protects(void);

/* What packets grow by, and, where a checksum is asked for, that too. */
size_t irm_thread_overhead(bool checksum);
