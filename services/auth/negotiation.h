/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What one side of a handshake wants, asks for and takes: the policy of the name, what its files say where the policy
 * leaves it open, and defaults after that. Pure.
 *
 * A list of the policy is an order and a floor at once: its first entry is asked for, nothing outside is taken. A
 * value of enc.conf is asked for, and what ranks lower is not taken, as the reference has it. Without either, the
 * default is asked for, and all that we have is taken.
 */

#include "services/auth/credentials.h"
#include "services/common/oap-algorithm.h"

typedef struct Negotiation {
        int authentication;                     /* never a default any more */
        int encryption;
        int peer;
        bool show;                              /* our certificate, if we have one */
        bool want_peer;                         /* the peer must prove who it is */
        OapKeyExchange key_exchange;            /* asked for */
        const OapAlgorithm *cipher;
        const OapAlgorithm *derivation;
        const OapAlgorithm *digest;
        uint32_t key_exchanges;                 /* taken: a bit for each OapKeyExchange */
        uint32_t ciphers;                       /* for each rank */
        uint32_t derivations;
        uint32_t digests;
        uint16_t suites[OAP_SUITES_MAX];        /* between o7s hosts, by preference */
        unsigned n_suites;
} Negotiation;

/* Returns: 0; -EOPNOTSUPP: what is asked for is not to be had here; -ENOKEY: we would have to show a certificate, and
 * have none. */
int negotiation_init(const SecurityPolicy *policy, const Credentials *credentials, bool server, Negotiation *ret,
                     char text[AUTH_TEXT_BYTES_MAX]);

bool negotiation_takes_key_exchange(const Negotiation *n, OapKeyExchange kex);
bool negotiation_takes_cipher(const Negotiation *n, const OapAlgorithm *cipher);
bool negotiation_takes_derivation(const Negotiation *n, const OapAlgorithm *derivation);
bool negotiation_takes_digest(const Negotiation *n, const OapAlgorithm *digest);

/* Whoever is asked: the weakest of ours that ranks below neither what the peer asked for nor what we would have. id
 * 0: it asked for none. NULL: there is none. */
const OapAlgorithm *negotiation_cipher(const Negotiation *n, uint16_t id);
const OapAlgorithm *negotiation_derivation(const Negotiation *n, uint16_t id);

/* Whoever is asked, by another o7s host: the first of its suites that we take. header: the key exchange is in the
 * header, which says that content is encrypted. Returns: a suite; 0: none. */
uint16_t negotiation_suite(const Negotiation *n, const uint16_t *suites, unsigned n_suites, bool header);
