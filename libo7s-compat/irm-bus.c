/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls of org.o7s.irm1 about names. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ouroboros/errno.h>

#include "libo7s/bus-names.h"
#include "libo7s-compat/irm-bus-call.h"

int irm_bus_create_name(IrmBus *bus, const char *name, const char *balance) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "CreateName", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "sa{sv}t", name, 1, "LoadBalance", "s", balance, (uint64_t) 0);
        return irm_bus_call_send(bus, call, r, NULL);
}

int irm_bus_remove_name(IrmBus *bus, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "RemoveName", &call);
        if (r < 0)
                return r;

        return irm_bus_call_send(bus, call, sd_bus_message_append(call, "st", name, (uint64_t) 0), NULL);
}

int irm_bus_set_security(IrmBus *bus, const char *name, const char *side, const char *certificate, const char *key) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "SetNameSecurity", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "ssa{ss}t", name, side, 2, "Certificate", certificate, "PrivateKey", key,
                                  (uint64_t) 0);
        return irm_bus_call_send(bus, call, r, NULL);
}

int irm_bus_bind_program(IrmBus *bus, const char *name, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "BindProgram", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "ssasa{sv}t", name, path, 0, 0, (uint64_t) 0);
        return irm_bus_call_send(bus, call, r, NULL);
}

int irm_bus_bind_process(IrmBus *bus, const char *name, pid_t pid) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "BindProcess", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "sut", name, (uint32_t) pid, (uint64_t) 0);
        return irm_bus_call_send(bus, call, r, NULL);
}

int irm_bus_unbind(IrmBus *bus, const char *name, const char *kind, const char *id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "Unbind", &call);
        if (r < 0)
                return r;

        return irm_bus_call_send(bus, call, sd_bus_message_append(call, "ssst", name, kind, id, (uint64_t) 0), NULL);
}

int irm_bus_register(IrmBus *bus, const char *name, const char *layer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "Register", &call);
        if (r < 0)
                return r;

        r = sd_bus_message_append(call, "ssa{sv}t", name, layer, 0, (uint64_t) 0);
        return irm_bus_call_send(bus, call, r, NULL);
}

int irm_bus_unregister(IrmBus *bus, const char *name, const char *layer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = irm_bus_call_new(bus, "Unregister", &call);
        if (r < 0)
                return r;

        return irm_bus_call_send(bus, call, sd_bus_message_append(call, "sst", name, layer, (uint64_t) 0), NULL);
}

int irm_bus_layer_of(IrmBus *bus, pid_t pid, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *path;
        int r;

        r = irm_bus_call_new(bus, "GetLayerByPID", &call);
        if (r < 0)
                return r;

        r = irm_bus_call_send(bus, call, sd_bus_message_append(call, "u", (uint32_t) pid), &reply);
        if (r < 0)
                return r;

        if (sd_bus_message_read(reply, "o", &path) < 0)
                return -EIRMD;

        r = sd_bus_path_decode(path, BUS_PATH_LAYER, ret);
        return r < 0 ? -ENOMEM : r == 0 ? -EIRMD : 0;
}

/* -- lists -- */

Row *rows_free(Row *rows) {
        for (size_t i = 0; rows && rows[i].first; i++) {
                free(rows[i].first);
                free(rows[i].second);
        }

        free(rows);
        return NULL;
}

static void rows_freep(Row **rows) {
        *rows = rows_free(*rows);
}

/* Makes the list one row longer. */
static int rows_add(Row **rows, size_t n, const char *first, const char *second) {
        Row *more, row = {};

        more = realloc(*rows, (n + 2) * sizeof(*more));
        if (!more)
                return -ENOMEM;

        *rows = more;
        more[n] = more[n + 1] = (Row) {};

        row = (Row) { strdup(first), strdup(second) };
        if (!row.first || !row.second) {
                free(row.first);
                free(row.second);
                return -ENOMEM;
        }

        more[n] = row;
        return 0;
}

/* The first two columns, both strings, of an array of structures. */
static ssize_t rows_read(sd_bus_message *message, const char *contents, const char *rest, Row **ret) {
        _cleanup_(rows_freep) Row *rows = NULL;
        const char *first, *second;
        size_t n = 0;
        int r;

        rows = calloc(1, sizeof(*rows));
        if (!rows)
                return -ENOMEM;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, NULL);
        if (r <= 0)
                return -EIRMD;

        while ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_STRUCT, contents)) > 0) {
                if (sd_bus_message_read(message, "ss", &first, &second) < 0 || sd_bus_message_skip(message, rest) < 0 ||
                    sd_bus_message_exit_container(message) < 0)
                        return -EIRMD;

                r = rows_add(&rows, n, first, second);
                if (r < 0)
                        return r;
                n++;
        }
        if (r < 0)
                return -EIRMD;

        *ret = rows;
        rows = NULL;
        return (ssize_t) n;
}

ssize_t irm_bus_list_names(IrmBus *bus, Row **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = irm_bus_call_new(bus, "ListNames", &call);
        if (r < 0)
                return r;

        r = irm_bus_call_send(bus, call, 0, &reply);
        return r < 0 ? r : rows_read(reply, "ssuuuo", "uuuo", ret);
}

ssize_t irm_bus_list_bindings(IrmBus *bus, const char *name, Row **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char *path = NULL;
        int r;

        r = sd_bus_path_encode(BUS_PATH_NAME, name, &path);
        if (r < 0)
                return -ENOMEM;

        r = sd_bus_get_property(bus->bus, BUS_NAME_IRM, path, BUS_INTERFACE_NAME, "Bindings", &error, &reply, "a(sss)");
        free(path);
        if (r < 0 && (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
                      sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_INTERFACE)))
                return -ENAME;

        return r < 0 ? irm_bus_error_number(&error, r) : rows_read(reply, "sss", "s", ret);
}
