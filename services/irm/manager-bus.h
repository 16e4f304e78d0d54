/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.o7s.irm1 on the bus. Four kinds of objects, each with one interface: the manager, and below it layers,
 * names and operations. The vtables are in manager-bus.c, layer-bus.c, name-bus.c and operation-bus.c; the
 * manager's many methods in manager-layers-bus.c, manager-names-bus.c, manager-security-bus.c and manager-flows-bus.c.
 */

#include "services/common/security-policy.h"
#include "services/irm/manager.h"

extern const sd_bus_vtable manager_vtable[];
extern const sd_bus_vtable layer_vtable[];
extern const sd_bus_vtable name_vtable[];
extern const sd_bus_vtable operation_vtable[];

int manager_bus_export(Manager *m);

/* Lookups for the vtables of paths below a prefix. */
int layer_find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                      sd_bus_error *error);
int layer_list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error);
int name_find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                     sd_bus_error *error);
int name_list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error);
int operation_find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                          sd_bus_error *error);
int operation_list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error);

/* manager-layers-bus.c */
int method_list_layers(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_get_layer(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_get_layer_by_pid(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_create_layer(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_remove_layer(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_start_layer(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_stop_layer(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* layer-members-bus.c */
int method_layer_bootstrap(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_layer_enroll(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_layer_connect(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_layer_disconnect(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_layer_list_neighbours(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* layer-control-bus.c */
int method_layer_reset_statistics(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_layer_set_properties(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_layer_capture(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* manager-names-bus.c */
int method_list_names(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_get_name(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_create_name(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_remove_name(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_bind_unit(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_bind_user(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_bind_program(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_bind_process(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_bind_pidfd(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_unbind(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_register(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_unregister(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_resolve(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* manager-security-bus.c */
int method_set_name_security(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_test_security(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_reload_security(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* As "a{ss}": its keys and values. NULL: none. */
int policy_append(sd_bus_message *reply, const SecurityPolicy *policy);

/* manager-flows-bus.c */
int method_list_flows(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_get_flow(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_close_flow(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_list_clients(sd_bus_message *message, void *userdata, sd_bus_error *error);
