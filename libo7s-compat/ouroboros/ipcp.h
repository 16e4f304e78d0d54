/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef OUROBOROS_IPCP_H
#define OUROBOROS_IPCP_H

/* IPCPs as the calls of <ouroboros/irm.h> see them. Configurations are not known here: layers of o7s are described by
 * files. */

#include <sys/types.h>

enum ipcp_type {
        IPCP_LOCAL,
        IPCP_UNICAST,
        IPCP_BROADCAST,
        IPCP_ETH_LLC,
        IPCP_ETH_DIX,
        IPCP_UDP4,
        IPCP_UDP6,
        IPCP_INVALID
};

struct ipcp_config;

struct ipcp_list_info {
        pid_t pid;
        enum ipcp_type type;
        char name[256];
        char layer[256];                /* "Not enrolled.": it is a member of none */
};

#endif
