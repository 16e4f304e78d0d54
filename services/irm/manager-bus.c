/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager's object: its vtable, properties and the methods about the IRM itself. */

#include <sys/stat.h>

#include "libo7s/bus-names.h"
#include "libo7s/error.h"
#include "services/irm/bus-call.h"
#include "services/irm/describe.h"
#include "services/irm/manager-bus.h"

#define VERIFY_BYTES_MAX CONF_FILE_BYTES_MAX
#define PROTOCOL_VERSION 1U             /* of the wire: Ouroboros 0.23 with the o7s extension */

/* -- properties -- */

static int property_features(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "as", 3, "oap-close", "local-flows", "polkit");
}

static int property_u32(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Manager *m = userdata;
        uint32_t value;

        if (streq(property, "NLayers"))
                value = (uint32_t) map_size(m->layers);
        else if (streq(property, "NNames"))
                value = (uint32_t) map_size(m->names);
        else if (streq(property, "NFlows"))
                value = (uint32_t) map_size(m->flows);
        else if (streq(property, "MaxFlows"))
                value = m->quota.limits.flows;
        else
                value = PROTOCOL_VERSION;

        return sd_bus_message_append(reply, "u", value);
}

static int property_need_reload(sd_bus *bus, const char *path, const char *interface, const char *property,
                                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", (int) manager_needs_reload(userdata));
}

/* A layer that is down is worth a look: it makes the whole "degraded". */
static const Layer *first_unwell(const Manager *m) {
        size_t position;
        const Layer *l;

        map_for_each(l, m->layers, position)
                if (l->state != LAYER_ONLINE && l->state != LAYER_CREATED)
                        return l;

        return NULL;
}

static int property_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", first_unwell(userdata) ? "degraded" : "running");
}

static int property_state_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
                                 sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Layer *l = first_unwell(userdata);
        char text[ALLOCATION_TEXT_MAX + LAYER_TEXT_BYTES_MAX] = "All layers that were started are online";

        if (l)
                (void) snprintf(text, sizeof(text), "Layer %s is %s: %s", l->name, layer_state_to_string(l->state),
                                l->reason);

        return sd_bus_message_append(reply, "s", text);
}

/* Who else asked for which name is for root, here as in the journal: polkit cannot be asked about a property. */
static bool root_asks(sd_bus *bus) {
        sd_bus_message *message = sd_bus_get_current_message(bus);
        uid_t uid;

        return message && bus_caller_uid(message, &uid, NULL) >= 0 && uid == 0;
}

/* Of flows that were refused, by kind: how many, how long ago the last one was, and what it was. */
static int property_refusals(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Manager *m = userdata;
        bool tell = root_asks(bus);
        usec_t now = time_now();
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(stts)");
        for (AuditKind kind = 0; r >= 0 && kind < _AUDIT_KIND_MAX; kind++)
                if (m->audit[kind].n_total > 0)
                        r = sd_bus_message_append(reply, "(stts)", audit_kind_to_string(kind), m->audit[kind].n_total,
                                                  usec_sub(now, m->audit[kind].last),
                                                  tell ? m->audit[kind].text : "");

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", O7S_VERSION);
}

/* -- methods -- */

static int method_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = describe_manager(userdata, &text);
        return r < 0 ? r : sd_bus_reply_method_return(message, "s", text);
}

static int method_explain(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const ErrorRow *row;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;

        row = error_row_by_name(name);
        if (!row)
                return bus_error_set(error, -EINVAL, "There is no error '%s' of ours", name);

        return sd_bus_reply_method_return(message, "sas", row->sentence, 1, strempty(row->hint));
}

/* Rules see that a file is read anew; whoever may write it may do this, too. */
static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        int r;

        r = bus_authorize(m, message, POLKIT_RELOAD, NULL, NULL, "reload", error);
        if (r <= 0)
                return r < 0 ? r : 1;

        (void) sd_bus_emit_signal(m->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Reloading", "b", true);
        r = manager_reload(m);
        (void) sd_bus_emit_signal(m->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Reloading", "b", false);
        if (r < 0)
                return bus_error_set(error, r, "Cannot read the configuration: %s", strerror(-r));

        return sd_bus_reply_method_return(message, NULL);
}

static int read_regular_file(int fd, char **ret, size_t *ret_size, sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        struct stat st;
        ssize_t n;

        /* Anything else could keep us waiting. */
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return bus_error_set(error, -EINVAL, "This is not a regular file");
        if (st.st_size > (off_t) VERIFY_BYTES_MAX)
                return bus_error_set(error, -EINVAL, "This file is longer than %u bytes", VERIFY_BYTES_MAX);

        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;

        n = pread(fd, text, (size_t) st.st_size, 0);
        if (n < 0)
                return bus_error_set(error, -errno, "Cannot read the file: %s", strerror(errno));

        text[n] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = (size_t) n;
        return 0;
}

static int reply_messages(sd_bus_message *message, const ConfFile *conf) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const ConfMessage *messages;
        size_t n;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(usus)");

        messages = conf_messages(conf, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "(usus)", messages[i].place.line,
                                          messages[i].severity == CONF_ERROR ? "error" : "warning",
                                          messages[i].place.column, messages[i].text);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* The same code that reads the files: path says what kind of file it is, the descriptor has the text. */
static int method_verify(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(layer_file_freep) LayerFile *layer = NULL;
        _cleanup_(name_file_freep) NameFile *name = NULL;
        _cleanup_free_ char *text = NULL, *stem = NULL;
        const char *path, *base;
        size_t size = 0;
        int fd, r;

        r = sd_bus_message_read(message, "sh", &path, &fd);
        if (r >= 0)
                r = read_regular_file(fd, &text, &size, error);
        if (r < 0)
                return r;

        base = strrchr(path, '/');
        base = base ? base + 1 : path;
        stem = strndup(base, strlen(base) - (endswith(base, LAYER_FILE_SUFFIX) ? STRLEN(LAYER_FILE_SUFFIX)
                                              : endswith(base, NAME_FILE_SUFFIX) ? STRLEN(NAME_FILE_SUFFIX) : 0));
        if (!stem)
                return -ENOMEM;

        if (endswith(base, LAYER_FILE_SUFFIX))
                r = layer_file_parse(stem, path, text, size, &layer);
        else if (endswith(base, NAME_FILE_SUFFIX))
                r = name_file_parse(stem, path, text, size, &name);
        else
                return bus_error_set(error, -EINVAL,
                                     "'%s' is neither a " LAYER_FILE_SUFFIX " nor a " NAME_FILE_SUFFIX " file", path);

        if (layer)
                return reply_messages(message, layer->conf);
        if (name)
                return reply_messages(message, name->conf);

        return bus_error_set(error, r, "Cannot check the file: %s", strerror(-r));
}

static int method_subscribe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        int r;

        r = sd_bus_track_add_sender(m->subscribers, message);
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

static int method_unsubscribe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        int r;

        r = sd_bus_track_remove_sender(m->subscribers, message);
        if (r < 0 && r != -EUNATCH)
                return r;

        return sd_bus_reply_method_return(message, NULL);
}

#define CHANGES SD_BUS_VTABLE_UNPRIVILEGED      /* whatever changes something asks polkit itself */

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ProtocolVersion", "u", property_u32, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Features", "as", property_features, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StartTimestamp", "t", NULL, offsetof(Manager, started), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_state, 0, 0),
        SD_BUS_PROPERTY("StateReason", "s", property_state_reason, 0, 0),
        SD_BUS_PROPERTY("NeedReload", "b", property_need_reload, 0, 0),
        SD_BUS_PROPERTY("NLayers", "u", property_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NNames", "u", property_u32, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("NFlows", "u", property_u32, 0, 0),
        SD_BUS_PROPERTY("MaxFlows", "u", property_u32, 0, 0),
        SD_BUS_PROPERTY("FlowsTotal", "t", NULL, offsetof(Manager, flows_total), 0),
        SD_BUS_PROPERTY("FlowsFailedTotal", "t", NULL, offsetof(Manager, flows_failed_total), 0),
        SD_BUS_PROPERTY("Refusals", "a(stts)", property_refusals, 0, 0),

        SD_BUS_METHOD_WITH_ARGS("ListLayers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssssso)", layers), method_list_layers,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("GetLayer", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", layer), method_get_layer,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("GetLayerByPID", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("o", layer),
                                method_get_layer_by_pid,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("CreateLayer", SD_BUS_ARGS("s", name, "a{sv}", config, "t", flags),
                                SD_BUS_RESULT("o", layer),
                                method_create_layer, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("RemoveLayer", SD_BUS_ARGS("s", name, "t", flags), SD_BUS_NO_RESULT,
                                method_remove_layer, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("StartLayer", SD_BUS_ARGS("s", name, "t", flags), SD_BUS_RESULT("o", operation),
                                method_start_layer, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("StopLayer", SD_BUS_ARGS("s", name, "t", flags), SD_BUS_RESULT("o", operation),
                                method_stop_layer, CHANGES),

        SD_BUS_METHOD_WITH_ARGS("ListNames", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssuuuo)", names), method_list_names,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("GetName", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", path), method_get_name, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("CreateName", SD_BUS_ARGS("s", name, "a{sv}", options, "t", flags),
                                SD_BUS_RESULT("o", path),
                                method_create_name, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("RemoveName", SD_BUS_ARGS("s", name, "t", flags), SD_BUS_NO_RESULT, method_remove_name,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("BindUnit", SD_BUS_ARGS("s", name, "s", unit, "a{sv}", options, "t", flags),
                                SD_BUS_NO_RESULT,
                                method_bind_unit, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("BindUser", SD_BUS_ARGS("s", name, "s", user, "t", flags), SD_BUS_NO_RESULT,
                                method_bind_user,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("BindProgram", SD_BUS_ARGS("s", name, "s", path, "as", argv, "a{sv}", options, "t",
                                                           flags),
                                SD_BUS_NO_RESULT, method_bind_program, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("BindProcess", SD_BUS_ARGS("s", name, "u", pid, "t", flags), SD_BUS_NO_RESULT,
                                method_bind_process, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("BindPidFD", SD_BUS_ARGS("s", name, "h", pidfd, "t", flags), SD_BUS_NO_RESULT,
                                method_bind_pidfd, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Unbind", SD_BUS_ARGS("s", name, "s", kind, "s", id, "t", flags), SD_BUS_NO_RESULT,
                                method_unbind,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Register", SD_BUS_ARGS("s", name, "s", layer, "a{sv}", options, "t", flags),
                                SD_BUS_NO_RESULT,
                                method_register, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Unregister", SD_BUS_ARGS("s", name, "s", layer, "t", flags), SD_BUS_NO_RESULT,
                                method_unregister, CHANGES),

        /* settings: keys of [Server] and [Client] with their values, until the name goes; "" is the default of the
         * key. */
        SD_BUS_METHOD_WITH_ARGS("SetNameSecurity", SD_BUS_ARGS("s", name, "s", side, "a{ss}", settings, "t", flags),
                                SD_BUS_NO_RESULT,
                                method_set_name_security, CHANGES),
        /* Columns: result (0: good), what it is about, a sentence, when it expires (CLOCK_REALTIME in us; 0: never). */
        SD_BUS_METHOD_WITH_ARGS("TestSecurity", SD_BUS_ARGS("s", name, "s", side), SD_BUS_RESULT("a(isst)", findings),
                                method_test_security, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("ReloadSecurity", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload_security, CHANGES),

        SD_BUS_METHOD_WITH_ARGS("Resolve", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("a(ssxa{sv})", results), method_resolve, CHANGES),

        /* Columns: id, name, layer ("" between two programs of this host), peer, state, uid and pid (of the asking
         * side where that is here, else of the serving one), SinceUSec (CLOCK_REALTIME; 0 while pending), LaneBytes
         * (of both), details. */
        SD_BUS_METHOD_WITH_ARGS("ListFlows", SD_BUS_ARGS("a{sv}", filter, "t", cursor, "u", limit),
                                SD_BUS_RESULT("a(tssssuutta{sv})", flows, "t", next), method_list_flows, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("GetFlow", SD_BUS_ARGS("t", id), SD_BUS_RESULT("a{sv}", flow), method_get_flow,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("CloseFlow", SD_BUS_ARGS("t", id, "s", reason, "t", flags), SD_BUS_NO_RESULT,
                                method_close_flow,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("ListClients", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(uussu)", clients), method_list_clients,
                                CHANGES),

        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_subscribe, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_unsubscribe, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", json), method_describe, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Verify", SD_BUS_ARGS("s", path, "h", fd), SD_BUS_RESULT("a(usus)", messages),
                                method_verify,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", error_name), SD_BUS_RESULT("s", text, "as", hints),
                                method_explain,
                                CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload, CHANGES),

        SD_BUS_SIGNAL_WITH_ARGS("LayerNew", SD_BUS_ARGS("s", name, "o", layer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("LayerRemoved", SD_BUS_ARGS("s", name, "o", layer), 0),
        SD_BUS_SIGNAL_WITH_ARGS("NameNew", SD_BUS_ARGS("s", name, "o", path), 0),
        SD_BUS_SIGNAL_WITH_ARGS("NameRemoved", SD_BUS_ARGS("s", name, "o", path), 0),
        SD_BUS_SIGNAL_WITH_ARGS("FlowNew", SD_BUS_ARGS("t", id, "a{sv}", info), 0),
        SD_BUS_SIGNAL_WITH_ARGS("FlowRemoved", SD_BUS_ARGS("t", id, "s", reason, "a{sv}", totals), 0),
        SD_BUS_SIGNAL_WITH_ARGS("OperationRemoved",
                                SD_BUS_ARGS("o", operation, "s", result, "s", error_name, "s", message), 0),
        SD_BUS_SIGNAL_WITH_ARGS("CertificateExpiring", SD_BUS_ARGS("s", name, "s", text, "t", expiry), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Reloading", SD_BUS_ARGS("b", active), 0),

        SD_BUS_VTABLE_END,
};

int manager_bus_export(Manager *m) {
        sd_bus *bus = m->bus;
        int r;

        r = sd_bus_track_new(bus, &m->subscribers, NULL, NULL);
        if (r >= 0)
                r = sd_bus_add_object_manager(bus, NULL, BUS_PATH_IRM);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, manager_vtable, m);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_PATH_LAYER, BUS_INTERFACE_LAYER, layer_vtable,
                                               layer_find_object, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_PATH_LAYER, layer_list_objects, m);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_PATH_NAME, BUS_INTERFACE_NAME, name_vtable,
                                               name_find_object, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_PATH_NAME, name_list_objects, m);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_PATH_OPERATION, BUS_INTERFACE_OPERATION, operation_vtable,
                                               operation_find_object, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_PATH_OPERATION, operation_list_objects, m);

        return r;
}
