/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager of the small o7s-irm. */

#include "tests/unit/o7sctl/fake-irm-internal.h"

static int list_layers(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssso)");
        for (size_t i = 0; r >= 0 && i < FAKE_LAYERS; i++) {
                _cleanup_free_ char *path = NULL, *unit = NULL;

                (void) sd_bus_path_encode(BUS_PATH_LAYER, fake_layers[i].name, &path);
                (void) format_string(&unit, O7S_UNIT_PREFIX "%s" O7S_UNIT_SUFFIX, fake_layers[i].name);
                r = sd_bus_message_append(reply, "(ssssso)", fake_layers[i].name, fake_layers[i].type,
                                          fake_layers[i].state,
                                          unit, fake_layers[i].service, path);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int get_object(sd_bus_message *m, sd_bus_error *e, const char *prefix, const char *known,
                      const char *error) {
        _cleanup_free_ char *path = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (!streq(name, known))
                return fake_error(e, error, "There is none of this name");

        (void) sd_bus_path_encode(prefix, name, &path);
        return sd_bus_reply_method_return(m, "o", path);
}

static int get_layer(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_free_ char *path = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;

        for (size_t i = 0; i < FAKE_LAYERS; i++)
                if (streq(fake_layers[i].name, name) && !streq(name, "lab")) {
                        (void) sd_bus_path_encode(BUS_PATH_LAYER, name, &path);
                        return sd_bus_reply_method_return(m, "o", path);
                }

        return fake_error(e, "NoSuchLayer", "There is none of this name");
}

static int get_name(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return get_object(m, e, BUS_PATH_NAME, "web.example", "NoSuchName");
}

static int list_names(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ssuuuo)", 1, "web.example", "round-robin", 1U, 1U, 2U,
                                          BUS_PATH_NAME "/web_2eexample");
}

/* Operation 1 is done after some looks, 2 has failed, 3 goes on for ever. */
static int start_layer(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Fake *f = userdata;
        const char *name;
        uint64_t flags;
        int r, operation;

        r = sd_bus_message_read(m, "st", &name, &flags);
        if (r < 0)
                return r;
        fake_note(f, sd_bus_message_get_member(m), name, flags & 2 ? "no-wait" : "");
        f->looks = 0;

        if (streq(name, "denied"))
                return sd_bus_error_set(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                        "Interactive authentication required");

        operation = streq(name, "lan") || streq(name, "lab") ? 1
                    : streq(name, "broken")                  ? 2
                    : streq(name, "slow")                    ? 3
                                                             : 0;
        if (operation == 0)
                return fake_error(e, "NoSuchLayer",
                                 "There is no layer of this name. Make one with: o7sctl new NAME.");

        return sd_bus_reply_method_return(m, "o", operation == 1   ? BUS_PATH_OPERATION "/1"
                                                  : operation == 2 ? BUS_PATH_OPERATION "/2"
                                                                   : BUS_PATH_OPERATION "/3");
}

/* Name first, what else there is second. */
static int change_name(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *member = sd_bus_message_get_member(m), *name, *second = "";
        Fake *f = userdata;
        uint32_t pid;
        char number[16];
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0 && sd_bus_message_get_signature(m, true)[1] == 's')
                r = sd_bus_message_read(m, "s", &second);
        if (r >= 0 && sd_bus_message_get_signature(m, true)[1] == 'u') {
                r = sd_bus_message_read(m, "u", &pid);
                (void) snprintf(number, sizeof(number), "%u", pid);
                second = number;
        }
        if (r < 0)
                return r;
        fake_note(f, member, name, second);

        if (streq(member, "CreateName") && streq(name, "web.example"))
                return fake_error(e, "NameExists", "The name exists already");
        if (streq(member, "Register") && streq(second, "nowhere"))
                return fake_error(e, "NoSuchLayer", "There is no layer of this name");
        if (streq(member, "CreateName"))
                return sd_bus_reply_method_return(m, "o", BUS_PATH_NAME "/new");

        return sd_bus_reply_method_return(m, NULL);
}

static int read_strings(sd_bus_message *m, Fake *f, const char *key) {
        const char *value;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &value)) > 0)
                fake_note(f, "list", key, value);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);

        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* "Ethernet.Interface=eth0" for each assignment. */
static int create_layer(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *key, *value;
        Fake *f = userdata;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        fake_note(f, "CreateLayer", r >= 0 ? name : "?", "");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = sd_bus_message_peek_type(m, NULL, &value);
                if (r >= 0 && streq(value, "as"))
                        r = read_strings(m, f, key);
                else if (r >= 0 && (r = sd_bus_message_read(m, "v", "s", &value)) > 0)
                        fake_note(f, "set", key, value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }

        return r < 0 ? r : sd_bus_reply_method_return(m, "o", BUS_PATH_LAYER "/new");
}

static int append_flow(sd_bus_message *reply, uint64_t id, const char *name, const char *state,
                       const char *protection) {
        return sd_bus_message_append(reply, "(tssssuutta{sv})", id, name, "lan", "beta", state, 0U, 42U,
                                     UINT64_C(1700000000000000), UINT64_C(270336), 5, "Direction", "s",
                                     "incoming", "MaxMessage", "u", 1486U, "PeerVerified", "b", id == 1,
                                     "Protection", "s", protection,
                                     "KeyExchange", "s", streq(protection, "none") ? "" : "X25519");
}

/* Two flows, then one more; the filter may ask for a name that none has. */
static int list_flows(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *key, *value, *name = NULL;
        uint64_t cursor;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{sv}", &key, "s", &value)) > 0)
                if (streq(key, "name"))
                        name = value;
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &cursor);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(tssssuutta{sv})");
        if (r >= 0 && !name && cursor == 0)
                r = append_flow(reply, 1, "web.example", "established", "aes-128-gcm");
        if (r >= 0 && !name && cursor == 0)
                r = append_flow(reply, 2, "web.example", "pending", "none");
        if (r >= 0 && !name && cursor == 2)
                r = append_flow(reply, UINT64_C(1) << 60, "oping", "established", "mac");
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", !name && cursor == 0 ? UINT64_C(2) : UINT64_C(0));

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Only the first. */
static int get_flow(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        uint64_t id;
        int r;

        r = sd_bus_message_read(m, "t", &id);
        if (r < 0)
                return r;
        if (id != 1)
                return fake_error(e, "Stale", "There is no such flow");

        return sd_bus_reply_method_return(m, "a{sv}", 11, "Name", "s", "web.example", "Layer", "s", "lan", "Peer", "s",
                                          "o7s:name:alice", "PeerVerified", "b", 1, "Protection", "s", "aes-128-gcm",
                                          "KeyExchange", "s", "X25519", "State", "s", "established", "CallerUID", "u",
                                          UINT32_MAX, "CallerPID", "u", 0U, "AcceptorUID", "u", 0U, "AcceptorPID", "u",
                                          42U);
}

/* -- security -- */

/* "SetNameSecurity web.example server; set Encryption required". */
static int set_name_security(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *side, *key, *value;
        Fake *f = userdata;
        int r;

        r = sd_bus_message_read(m, "ss", &name, &side);
        if (r < 0)
                return r;
        if (!streq(name, "web.example"))
                return fake_error(e, "NoSuchName", "There is none of this name");

        fake_note(f, "SetNameSecurity", name, side);
        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
                fake_note(f, "set", key, value);

        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

/* web.example is served well, with a certificate that lasts until 2100; nobody proves who db.example is. */
static int test_security(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *side;
        int r;

        r = sd_bus_message_read(m, "ss", &name, &side);
        if (r < 0)
                return r;
        if (streq(name, "web.example") && streq(side, "server"))
                return sd_bus_reply_method_return(m, "a(isst)", 1, 0, "/etc/crt.pem", "proves web.example",
                                                  UINT64_C(4102444800000000));

        return sd_bus_reply_method_return(m, "a(isst)", 1, -ENOKEY, "/etc/key.pem", "The key cannot be read",
                                          UINT64_C(0));
}

static int reload(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        fake_note(userdata, sd_bus_message_get_member(m), "", "");
        return sd_bus_reply_method_return(m, NULL);
}

static int describe(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Fake *f = userdata;
        char text[sizeof(f->calls) + 64];

        (void) snprintf(text, sizeof(text), "{\"calls\":\"%s\"}", f->calls);
        return sd_bus_reply_method_return(m, "s", text);
}

/* Whoever subscribes hears something at once. */
static int subscribe(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Fake *f = userdata;
        int r;

        r = sd_bus_reply_method_return(m, NULL);
        if (r >= 0)
                r = sd_bus_emit_signal(f->bus, BUS_PATH_LAYER "/lan", BUS_INTERFACE_LAYER, "StateChanged",
                                       "sss", "degraded", "online", "carrier is back");
        if (r >= 0)
                r = sd_bus_emit_signal(f->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "FlowNew", "ta{sv}",
                                       UINT64_C(1) << 60, 5, "Name", "s", "web.example", "Layer", "s", "lan", "Peer",
                                       "s", "o7s:name:alice", "PeerVerified", "b", 1, "Protection", "s",
                                       "aes-128-gcm");
        if (r >= 0)
                r = sd_bus_emit_signal(f->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "FlowRemoved", "tsa{sv}",
                                       UINT64_C(1) << 60, "normal", 0);
        if (r >= 0)
                r = sd_bus_emit_signal(f->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "CertificateExpiring", "sst",
                                       "web.example", "it expires tomorrow", UINT64_C(1700000000000000));
        return r;
}

/* Only web.example is anywhere. */
static int resolve(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        bool known;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;

        known = streq(name, "web.example");
        if (streq(name, "db.example"))
                return sd_bus_reply_method_return(m, "a(ssxa{sv})", 2, "lan", "not-found", INT64_C(900), 1, "Type",
                                                  "s", "eth-dix", "home", "found", INT64_C(2300), 1, "Type", "s",
                                                  "unicast");
        return sd_bus_reply_method_return(
                m, "a(ssxa{sv})", 3,
                "local", "not-found", INT64_C(0), 2, "Type", "s", "local", "Reason", "s", "not a name of this host",
                "lan", known ? "found" : "no-answer", known ? INT64_C(1300) : INT64_C(-1), 3, "Type", "s", "eth-dix",
                "Hash", "s", "a41cff0011223344", "Reason", "s", known ? "reached through this layer" : "nobody",
                "lab", "skipped", INT64_C(-1), 2, "Type", "s", "eth", "Reason", "s", "layer failed: no carrier");
}

static int explain(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (!streq(name, "NoSuchLayer"))
                return fake_error(e, "InvalidArgument", "There is no such error");

        return sd_bus_reply_method_return(m, "sas", "There is no layer of this name", 1, "See o7sctl layers");
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "u", 2U);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", "9.9");
}

static int get_refusals(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "a(stts)", 2, "policy", UINT64_C(9), UINT64_C(1), "'a' from b: not allowed",
                                     "clock", UINT64_C(4), UINT64_C(7000000), "'a' from b: too old");
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ListLayers", NULL, "a(ssssso)", list_layers, 0),
        SD_BUS_METHOD("GetLayer", "s", "o", get_layer, 0),
        SD_BUS_METHOD("CreateLayer", "sa{sv}t", "o", create_layer, 0),
        SD_BUS_METHOD("StartLayer", "st", "o", start_layer, 0),
        SD_BUS_METHOD("StopLayer", "st", "o", start_layer, 0),
        SD_BUS_METHOD("ListNames", NULL, "a(ssuuuo)", list_names, 0),
        SD_BUS_METHOD("GetName", "s", "o", get_name, 0),
        SD_BUS_METHOD("CreateName", "sa{sv}t", "o", change_name, 0),
        SD_BUS_METHOD("RemoveName", "st", NULL, change_name, 0),
        SD_BUS_METHOD("BindUnit", "ssa{sv}t", NULL, change_name, 0),
        SD_BUS_METHOD("BindProgram", "ssasa{sv}t", NULL, change_name, 0),
        SD_BUS_METHOD("BindProcess", "sut", NULL, change_name, 0),
        SD_BUS_METHOD("BindUser", "sst", NULL, change_name, 0),
        SD_BUS_METHOD("Register", "ssa{sv}t", NULL, change_name, 0),
        SD_BUS_METHOD("ListFlows", "a{sv}tu", "a(tssssuutta{sv})t", list_flows, 0),
        SD_BUS_METHOD("GetFlow", "t", "a{sv}", get_flow, 0),
        SD_BUS_METHOD("SetNameSecurity", "ssa{ss}t", NULL, set_name_security, 0),
        SD_BUS_METHOD("TestSecurity", "ss", "a(isst)", test_security, 0),
        SD_BUS_METHOD("ReloadSecurity", NULL, NULL, reload, 0),
        SD_BUS_METHOD("Reload", NULL, NULL, reload, 0),
        SD_BUS_METHOD("Describe", NULL, "s", describe, 0),
        SD_BUS_METHOD("Subscribe", NULL, NULL, subscribe, 0),
        SD_BUS_METHOD("Resolve", "sa{sv}", "a(ssxa{sv})", resolve, 0),
        SD_BUS_METHOD("Explain", "s", "sas", explain, 0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, 0),
        SD_BUS_PROPERTY("Refusals", "a(stts)", get_refusals, 0, 0),
        SD_BUS_PROPERTY("NLayers", "u", get_number, 0, 0),
        SD_BUS_PROPERTY("NFlows", "u", get_number, 0, 0),
        SD_BUS_VTABLE_END,
};

int fake_add_manager(Fake *f) {
        return sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, manager_vtable, f);
}
