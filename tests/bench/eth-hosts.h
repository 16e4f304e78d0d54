/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two hosts for a benchmark: network namespaces with a virtual Ethernet between them, a running o7s-ipcp-eth in each,
 * and one flow between them. The benchmark stands in for both IRMs, which are not on the packet path, and has the
 * applications' ends of the flow. Needs root and the program "ip".
 */

#include "tests/support/fake-irm.h"

#define ETH_HOST_INTERFACE "o7s0"

typedef struct EthHost {
        char name[32];                  /* of the namespace */
        FakeIrm irm;
        pid_t pid;                      /* of the IPCP; 0: none */
        Channel *channel;               /* the application's end */
} EthHost;

typedef struct EthHosts {
        EthHost left, right;
        char directory[64];             /* configuration and sockets */
} EthHosts;

/* Starts everything; program is o7s-ipcp-eth. On failure what was made is for eth_hosts_done(). Returns: 0; -errno. */
int eth_hosts_start(EthHosts *hosts, const char *program);
void eth_hosts_done(EthHosts *hosts);

/* A packet socket in a host's namespace, bound to its interface for EtherType 0x88B5, which IEEE leaves to
 * experiments. */
int eth_host_socket(const EthHost *host);

/* CPU time of both IPCPs so far, in seconds. */
double eth_hosts_cpu(const EthHosts *hosts);
