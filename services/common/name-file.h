/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NAME.name: the schema, shared by the IRM, the generator and "o7sctl verify". */

#include "basic/conf.h"
#include "basic/enum.h"
#include "basic/string.h"
#include "services/common/security-policy.h"

typedef enum LoadBalance {
        BALANCE_ROUND_ROBIN,
        BALANCE_SPILL,          /* the first acceptor until its backlog is full, then the next */
        BALANCE_LEAST_FLOWS,
        _BALANCE_MAX,
        _BALANCE_INVALID = -EINVAL,
} LoadBalance;

DECLARE_ENUM_NAMES(load_balance, LoadBalance);

#define NAME_FILE_DIRECTORY "names"
#define NAME_FILE_SUFFIX ".name"

typedef struct NameFile {
        char name[FLOW_NAME_BYTES_MAX + 1];
        ConfFile *conf;                 /* owned */
        /* [Name] */
        int balance;                    /* LoadBalance */
        ConfStrings layers;             /* Layer=: register in these */
        uint32_t max_flows;             /* 0 = no limit of its own */
        ConfStrings allow_users;        /* AllowUser=: who may open flows; empty = everybody */
        bool local;                     /* Local=: reachable on this host without a layer */
        /* [Bind] */
        ConfStrings units;
        ConfStrings users;
        ConfStrings programs;           /* full paths: select, do not authorise */
        SecurityPolicy server;          /* [Server]: of flows that others open to it here */
        SecurityPolicy client;          /* [Client]: of flows that this host opens to it elsewhere */
} NameFile;

/* As layer_file_*(). */
int name_file_load(const char *root, const char *name, NameFile **ret);
int name_file_parse(const char *name, const char *path, const char *text, size_t size, NameFile **ret);
NameFile *name_file_free(NameFile *file);
DEFINE_CLEANUP(NameFile, name_file_free);
