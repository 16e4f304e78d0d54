/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The layer's interface, watched through rtnetlink: it may be missing when we start, go down, lose its carrier,
 * change its address or MTU, be renamed, disappear and come back under another index. It is always the one that has
 * the configured name.
 */

#include <systemd/sd-event.h>

#include "services/ipcp-eth/frame.h"

typedef enum LinkProblem {
        LINK_GOOD,
        LINK_MISSING,
        LINK_RENAMED,                   /* the one that we used has another name now */
        LINK_NOT_ETHERNET,
        LINK_DOWN,
        LINK_NO_CARRIER,
        _LINK_PROBLEM_MAX,
        _LINK_PROBLEM_INVALID = -EINVAL,
} LinkProblem;

typedef struct LinkInfo {
        int ifindex;                    /* 0: no such interface */
        bool ethernet;
        bool up;
        bool carrier;
        FrameAddress address;
        uint32_t mtu;
        char renamed_to[16];            /* what became of the one that had our name; "" */
} LinkInfo;

LinkProblem link_problem(const LinkInfo *info);

/* "waiting for interface eth7: no such interface", or NULL where nothing is wrong. Returns: 0; -ENOMEM. */
int link_describe_problem(const LinkInfo *info, const char *interface, char **ret);

typedef struct Link Link;

/* Asks for the first state at once; changed() is called with it and with every change. */
int link_new(sd_event *event, const char *interface, void (*changed)(void *userdata, const LinkInfo *info),
             void *userdata, Link **ret);
Link *link_free(Link *link);
DEFINE_CLEANUP(Link, link_free);

/* One rtnetlink message, for link.c and its test. *info is updated. Returns: 1: it changed; 0: of no interest; 2: our
 * interface went, perhaps another has its name: all are to be asked for; -EBADMSG. */
int link_parse(const void *message, size_t size, const char *interface, LinkInfo *info);
