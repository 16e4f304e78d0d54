/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* irm.conf with its drop-ins, and which .name and .layer files there are. */

#include "basic/conf.h"
#include "services/irm/quota.h"

#define CONFIG_FILE "irm.conf"

typedef struct Config {
        char *root;             /* "" or a directory that stands for /, for tests */
        QuotaLimits limits;
        char *log_level;        /* NULL: as the environment says */
} Config;

int config_init(Config *config, const char *root);
void config_done(Config *config);

/* Reads irm.conf; complaints are logged. What is wrong keeps its default. Returns: 0, also without a file; -ENOMEM. */
int config_load(Config *config);

/* The same for one text, for tests and fuzzers. Returns: 0; -EBADMSG: there were errors. */
int config_parse(Config *config, const char *path, const char *text, size_t size);

/* Logs what a file's checks had to say, each message once. */
void config_log_messages(const ConfFile *file);

/* The names of all files directory/NAMEsuffix in the configuration roots, each once. */
int config_list(const Config *config, const char *directory, const char *suffix, ConfStrings *ret);
