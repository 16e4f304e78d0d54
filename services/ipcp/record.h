/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a drop-in was made from: the type of the layer and the identity of each file read. The generator writes it
 * into the drop-in, the launcher compares it with what is there now. Sandbox and user of a unit are as old as its
 * drop-in: a layer must not start with those of a file that has changed since.
 */

#include <sys/types.h>

#include "services/common/layer-file.h"

#define RECORD_SECTION "X-O7s"          /* systemd leaves sections with X- alone */

typedef struct FileIdentity {
        char *path;             /* without the root that it was read below */
        uint64_t size;
        int64_t mtime_nsec;
        uint64_t inode;
        uid_t uid;
        gid_t gid;
        mode_t mode;
} FileIdentity;

typedef struct Record {
        int kind;               /* LayerKind, or _LAYER_KIND_INVALID */
        FileIdentity *files;
        size_t n_files;
} Record;

/* Returns: 0; errors of stat(); -ENOMEM. */
int record_from_layer_file(Record *record, const char *root, const LayerFile *file);
void record_done(Record *record);

/* The first file that somebody besides the administrator and the resource manager could change, or NULL.
 * manager: who may own files below /run/o7s. */
const FileIdentity *record_untrusted(const Record *record, uid_t administrator, uid_t manager);

/* Who these two are on this system. */
void record_owners(const char *root, uid_t *ret_administrator, uid_t *ret_manager);

/* The lines of the section, header included. Returns: 0; -ENOMEM. */
int record_format(const Record *record, char **ret);

/* Whether the drop-in holds this very record. Returns: 0: it does; -ESTALE: *ret_difference says in words what
 * changed; -ENOMEM. */
int record_compare(const Record *record, const ConfFile *drop_in, char **ret_difference);
