/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the programs of all IPCPs are the same in: their command line, the layer file that it names, and the name on the
 * bus. main.c fills in who it is and says what happens in which order.
 *
 *   o7s-ipcp-TYPE LAYER              serve the layer that LAYER.layer describes
 *   o7s-ipcp-TYPE --bus-introspect   print its bus interfaces as XML
 */

#include "services/common/daemon.h"
#include "services/common/layer-file.h"

typedef struct LayerProgram {
        const char *name;               /* o7s-ipcp-TYPE */
        const char *type;               /* as in Type= */
        LayerKind kind;

        /* from the command line; not owned */
        const char *layer;
        const char *root;
        bool no_bus;
        bool introspect;                /* nothing but the interfaces is wanted; layer is NULL */
} LayerProgram;

/* Says what is wrong, and answers --help and --version. Returns: > 0: go on; 0: that was all; -EINVAL. */
int layer_program_parse(LayerProgram *program, int argc, char *argv[]);

/* Says what is wrong. Returns: 0; -EINVAL, -EBADMSG, …: not a file that this program can serve; -ENOMEM. */
int layer_program_load(const LayerProgram *program, LayerFile **ret);

/* The layer's own name on the bus; nothing where --no-bus is given. Says what went wrong. */
int layer_program_connect_bus(const LayerProgram *program, Daemon *daemon);
