/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two hosts, each with an o7s-irm, an o7s-auth and an o7s-keyd of its own, all real. One asks for flows to the name
 * "web.example", the other serves it; between them is a layer that the test plays, by a connection to each.
 */

#include "tests/support/handshake-side.h"
#include "tests/unit/irm/irm-fixture.h"

typedef struct HostPrograms {
        const char *irm;
        const char *auth;
        const char *keyd;
} HostPrograms;

typedef struct HostChild {
        pid_t pid;
        int fd;                 /* its listening socket */
} HostChild;

typedef struct Host {
        IrmFixture irm;
        HostChild auth;
        HostChild keyd;
        int layer;
} PairedHost;

typedef struct Pair {
        PairedHost asking;
        PairedHost asked;
        int listener;
} HostPair;

/* What a host has of the other: NULL is nothing. */
typedef struct Setup {
        const char *policy;                     /* of its side of the name */
        const TestIdentity *shows;
        const TestIdentity *trusts;
} HostSetup;

void host_pair_start(HostPair *pair, const HostPrograms *programs, const HostSetup *client, const HostSetup *server);
void host_pair_stop(HostPair *pair);

/* A certificate, from an hour ago until tomorrow. issuer: NULL for an authority. */
void host_pair_issue(TestIdentity *identity, const char *name, const TestIdentity *issuer);
