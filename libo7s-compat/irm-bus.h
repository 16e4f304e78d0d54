/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What <ouroboros/irm.h> needs of o7s-irm, over D-Bus. All calls return 0 or a negative number of
 * <ouroboros/errno.h>: -EIRMD where nobody answers, -EPERM where polkit says no, -ENAME, -EIPCP, -ENOENT, -EINVAL,
 * -ENOMEM and what else their comments have.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct IrmBus IrmBus;

/* A connection of its own for each call of the application: no state is kept, and threads do not meet. */
int irm_bus_open(IrmBus **ret);
IrmBus *irm_bus_close(IrmBus *bus);

/* balance: as in files. -EEXIST. */
int irm_bus_create_name(IrmBus *bus, const char *name, const char *balance);
int irm_bus_remove_name(IrmBus *bus, const char *name);

/* What one side ("server", "client") shows: paths, both. */
int irm_bus_set_security(IrmBus *bus, const char *name, const char *side, const char *certificate, const char *key);

/* The name's binding to the program at path. */
int irm_bus_bind_program(IrmBus *bus, const char *name, const char *path);
int irm_bus_bind_process(IrmBus *bus, const char *name, pid_t pid);
int irm_bus_unbind(IrmBus *bus, const char *name, const char *kind, const char *id);

/* layer: as irm_bus_layer_of() says. */
int irm_bus_register(IrmBus *bus, const char *name, const char *layer);
int irm_bus_unregister(IrmBus *bus, const char *name, const char *layer);
int irm_bus_layer_of(IrmBus *bus, pid_t pid, char **ret);

/* Lists end with a row whose first member is NULL; rows_free() frees them. */
typedef struct Row {
        char *first;
        char *second;
} Row;

Row *rows_free(Row *rows);

/* Names, and how they balance. Returns: how many. */
ssize_t irm_bus_list_names(IrmBus *bus, Row **ret);

/* Kinds and ids of what a name is bound to. Returns: how many. */
ssize_t irm_bus_list_bindings(IrmBus *bus, const char *name, Row **ret);
