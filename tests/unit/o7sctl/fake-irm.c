/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A private bus with a small o7s-irm on it. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <systemd/sd-bus.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "tests/unit/o7sctl/fake-irm.h"

#define LOOKS_UNTIL_DONE 3
#define SERVICE_LAN BUS_NAME_IPCP_PREFIX ".lan"
#define SERVICE_HOME BUS_NAME_IPCP_PREFIX ".home"

typedef struct Fake {
        sd_bus *bus;
        char calls[4096];       /* "CreateName a; Register a lan; " */
        int looks;              /* at operation 1 */
} Fake;

typedef struct FakeLayer {
        const char *name;
        const char *state;
        const char *reason;
        const char *service;
        uint32_t n_flows;
        const char *type;
        const char *over[2];
        const char *used_by;
        uint64_t address;
        uint32_t n_neighbours;
} FakeLayer;

static const FakeLayer fake_layers[] = {
        { "lan", "online", "", SERVICE_LAN, 2, "eth", {}, "home", 0, 0 },
        { "lab", "degraded", "no carrier on eth1", BUS_NAME_IPCP_PREFIX ".lab", 0, "eth", {}, "home", 0, 0 },     /* does not run */
        { "home", "online", "member of home with 2 neighbours", SERVICE_HOME, 1, "unicast", { "lan", "lab" }, "", 4711, 2 },
        { "far", "failed", "its process has ended", BUS_NAME_IPCP_PREFIX ".far", 0, "unicast", {}, "", 0, 0 },
};

static Fake *the_fake;          /* for objects whose userdata is their layer */

static int bus_error(sd_bus_error *e, const char *name, const char *text) {
        char full[128];

        (void) snprintf(full, sizeof(full), BUS_ERROR_PREFIX "%s", name);
        (void) sd_bus_error_set(e, full, text);
        return -EIO;
}

static void note(Fake *f, const char *member, const char *first, const char *second) {
        size_t n = strlen(f->calls);

        (void) snprintf(f->calls + n, sizeof(f->calls) - n, "%s %s%s%s; ", member, first, *second ? " " : "",
                        second);
}

/* -- manager -- */

static int list_layers(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssso)");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fake_layers); i++) {
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
                return bus_error(e, error, "There is none of this name");

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

        for (size_t i = 0; i < ELEMENTSOF(fake_layers); i++)
                if (streq(fake_layers[i].name, name) && !streq(name, "lab")) {
                        (void) sd_bus_path_encode(BUS_PATH_LAYER, name, &path);
                        return sd_bus_reply_method_return(m, "o", path);
                }

        return bus_error(e, "NoSuchLayer", "There is none of this name");
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
        note(f, sd_bus_message_get_member(m), name, flags & 2 ? "no-wait" : "");
        f->looks = 0;

        if (streq(name, "denied"))
                return sd_bus_error_set(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                        "Interactive authentication required");

        operation = streq(name, "lan") || streq(name, "lab") ? 1
                    : streq(name, "broken")                  ? 2
                    : streq(name, "slow")                    ? 3
                                                             : 0;
        if (operation == 0)
                return bus_error(e, "NoSuchLayer",
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
        note(f, member, name, second);

        if (streq(member, "CreateName") && streq(name, "web.example"))
                return bus_error(e, "NameExists", "The name exists already");
        if (streq(member, "Register") && streq(second, "nowhere"))
                return bus_error(e, "NoSuchLayer", "There is no layer of this name");
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
                note(f, "list", key, value);
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
        note(f, "CreateLayer", r >= 0 ? name : "?", "");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = sd_bus_message_peek_type(m, NULL, &value);
                if (r >= 0 && streq(value, "as"))
                        r = read_strings(m, f, key);
                else if (r >= 0 && (r = sd_bus_message_read(m, "v", "s", &value)) > 0)
                        note(f, "set", key, value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }

        return r < 0 ? r : sd_bus_reply_method_return(m, "o", BUS_PATH_LAYER "/new");
}

static int append_flow(sd_bus_message *reply, uint64_t id, const char *name, const char *state) {
        return sd_bus_message_append(reply, "(tssssuutta{sv})", id, name, "lan", "beta", state, 0U, 42U,
                                     UINT64_C(1700000000000000), UINT64_C(270336), 2, "Direction", "s",
                                     "incoming", "MaxMessage", "u", 1486U);
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
                r = append_flow(reply, 1, "web.example", "established");
        if (r >= 0 && !name && cursor == 0)
                r = append_flow(reply, 2, "web.example", "pending");
        if (r >= 0 && !name && cursor == 2)
                r = append_flow(reply, UINT64_C(1) << 60, "oping", "established");
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", !name && cursor == 0 ? UINT64_C(2) : UINT64_C(0));

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
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
                                       UINT64_C(1) << 60, 2, "Name", "s", "web.example", "Layer", "s", "lan");
        if (r >= 0)
                r = sd_bus_emit_signal(f->bus, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "FlowRemoved", "tsa{sv}",
                                       UINT64_C(1) << 60, "normal", 0);
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
                return sd_bus_reply_method_return(m, "a(ssxa{sv})", 2, "lan", "not-found", INT64_C(900), 1, "Type", "s", "eth-dix",
                                                  "home", "found", INT64_C(2300), 1, "Type", "s", "unicast");
        return sd_bus_reply_method_return(
                m, "a(ssxa{sv})", 3, "local", "not-found", INT64_C(0), 2, "Type", "s", "local", "Reason", "s",
                "not a name of this host", "lan", known ? "found" : "no-answer", known ? INT64_C(1300) : INT64_C(-1), 3, "Type",
                "s", "eth-dix", "Hash", "s", "a41cff0011223344", "Reason", "s", known ? "reached through this layer" : "nobody",
                "lab", "skipped", INT64_C(-1), 2, "Type", "s", "eth", "Reason", "s", "layer failed: no carrier");
}

static int explain(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (!streq(name, "NoSuchLayer"))
                return bus_error(e, "InvalidArgument", "There is no such error");

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
        SD_BUS_METHOD("Describe", NULL, "s", describe, 0),
        SD_BUS_METHOD("Subscribe", NULL, NULL, subscribe, 0),
        SD_BUS_METHOD("Resolve", "sa{sv}", "a(ssxa{sv})", resolve, 0),
        SD_BUS_METHOD("Explain", "s", "sas", explain, 0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, 0),
        SD_BUS_PROPERTY("NLayers", "u", get_number, 0, 0),
        SD_BUS_PROPERTY("NFlows", "u", get_number, 0, 0),
        SD_BUS_VTABLE_END,
};

/* -- layers -- */

static int get_layer_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const FakeLayer *l = userdata;

        return sd_bus_message_append(reply, "s", streq(property, "Name")      ? l->name
                                                 : streq(property, "State")   ? l->state
                                                 : streq(property, "Type")    ? l->type
                                                 : streq(property, "BusName") ? l->service
                                                                              : l->reason);
}

/* A layer with a member in it has one. */
static int get_layer_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        static const uint8_t id[] = { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf5 };
        const FakeLayer *l = userdata;

        return sd_bus_message_append_array(reply, 'y', id, l->address != 0 ? sizeof(id) : 0);
}

static int get_layer_list(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const FakeLayer *l = userdata;
        bool over = streq(property, "Over");
        const char *first = over ? strempty(l->over[0]) : l->used_by, *second = over ? strempty(l->over[1]) : "";

        return sd_bus_message_append(reply, "as", !isempty(first) + !isempty(second), first, second);
}

static int list_neighbours(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(
                m, "a(ssstxxtta{sv})", 3, "home.gamma", "up", "mgmt dt", UINT64_C(1187), INT64_C(8900), INT64_C(1700000000000000),
                UINT64_C(20971520), UINT64_C(9437184), 1, "Over", "s", "lan", "home.beta", "up", "mgmt dt", UINT64_C(9923),
                INT64_C(1200), INT64_C(1700000000000000), UINT64_C(1024), UINT64_C(2048), 1, "Over", "s", "lan", "home.delta",
                "trying", "", UINT64_C(0), INT64_C(-1), INT64_C(1700000000000000), UINT64_C(0), UINT64_C(0), 2, "Over", "s", "lab",
                "Reason", "s", "no answer in 5 s");
}

/* A stream of a few bytes, which ends at once. */
static int capture(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const FakeLayer *l = userdata;
        int ends[2], r;

        if (!streq(l->state, "online"))
                return bus_error(e, "WrongState", "It is not there");
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;

        r = write(ends[1], "packets", strlen("packets")) < 0 ? -errno : 0;
        (void) close(ends[1]);
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "h", ends[0]);
        (void) close(ends[0]);
        return r;
}

/* Operation 4 ends well at the first look, 5 badly. */
static int order(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name, *key = "", *over = "";
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_skip(m, "as");
        if (r >= 0 && streq(sd_bus_message_get_member(m), "Connect"))
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r >= 0 && streq(sd_bus_message_get_member(m), "Connect"))
                r = sd_bus_message_read(m, "{sv}", &key, "s", &over);
        if (r < 0)
                return r;

        note(the_fake, sd_bus_message_get_member(m), name, over);
        return sd_bus_reply_method_return(m, "o", streq(name, "home.delta") ? BUS_PATH_OPERATION "/5" : BUS_PATH_OPERATION "/4");
}

static const sd_bus_vtable layer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ListNeighbours", NULL, "a(ssstxxtta{sv})", list_neighbours, 0),
        SD_BUS_METHOD("Capture", "a{sv}t", "h", capture, 0),
        SD_BUS_METHOD("Connect", "sasa{sv}t", "o", order, 0),
        SD_BUS_METHOD("Disconnect", "sast", "o", order, 0),
        SD_BUS_PROPERTY("Name", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("Type", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("State", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("StateReason", "s", get_layer_text, 0, 0),
        SD_BUS_PROPERTY("Id", "ay", get_layer_id, 0, 0),
        SD_BUS_PROPERTY("NFlows", "u", NULL, offsetof(FakeLayer, n_flows), 0),
        SD_BUS_PROPERTY("Address", "t", NULL, offsetof(FakeLayer, address), 0),
        SD_BUS_PROPERTY("NNeighbours", "u", NULL, offsetof(FakeLayer, n_neighbours), 0),
        SD_BUS_PROPERTY("Over", "as", get_layer_list, 0, 0),
        SD_BUS_PROPERTY("UsedBy", "as", get_layer_list, 0, 0),
        SD_BUS_PROPERTY("BusName", "s", get_layer_text, 0, 0),
        SD_BUS_VTABLE_END,
};

/* -- the IPCP of lan -- */

static int get_counters(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a{st}", 4, "frames-rx-bytes", UINT64_C(2202010),
                                          "frames-rx-packets", UINT64_C(1500), "frames-drop-queue-full",
                                          UINT64_C(10), "flows-drop-malformed", UINT64_C(2));
}

static int get_interface(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", streq(property, "Framing") ? "dix" : "eth0");
}

static int get_address(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        static const uint8_t address[] = { 0x02, 0, 0, 0, 0xab, 1 };

        return sd_bus_message_append_array(reply, 'y', address, sizeof(address));
}

static int get_ethertype(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "q", 0xa000);
}

static const sd_bus_vtable statistics_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetAll", NULL, "a{st}", get_counters, 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable ethernet_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Interface", "s", get_interface, 0, 0),
        SD_BUS_PROPERTY("Framing", "s", get_interface, 0, 0),
        SD_BUS_PROPERTY("HardwareAddress", "ay", get_address, 0, 0),
        SD_BUS_PROPERTY("EtherType", "q", get_ethertype, 0, 0),
        SD_BUS_VTABLE_END,
};

/* -- the IPCP of home -- */

static int list_routes(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ttuas)", 2, UINT64_C(9923), UINT64_C(1), 1U, 1, "home.beta", UINT64_C(55),
                                          UINT64_C(2), 2U, 2, "home.beta", "home.gamma");
}

static int list_links(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ttxutb)", 2, UINT64_C(4711), UINT64_C(9923), INT64_C(1200), 1U, UINT64_C(4000000), 1,
                                          UINT64_C(9923), UINT64_C(55), INT64_C(-1), 1U, UINT64_C(61000000), 0);
}

static int look_up(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (!streq(name, "db.example"))
                return bus_error(e, "NoSuchName", "No member of the layer serves this name");

        return sd_bus_reply_method_return(m, "ata(tsx)", 1, UINT64_C(55), 0);
}

static int trace(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *key;
        uint64_t address;
        uint32_t probes;
        int r;

        r = sd_bus_message_read(m, "ta{sv}", &address, 1, &key, "u", &probes);
        if (r < 0)
                return r;

        return sd_bus_reply_method_return(m, "a(utsuuxxxu)", 2, 1U, UINT64_C(9923), "home.beta", probes, probes, INT64_C(550),
                                          INT64_C(600), INT64_C(800), 0U, 2U, UINT64_C(55), "home.epsilon", probes, probes - 1,
                                          INT64_C(1100), INT64_C(1900), INT64_C(2500), 3U);
}

static int list_entries(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ayatt)", 1, 4, 0xa4, 0x1c, 0xff, 0x00, 2, UINT64_C(4711), UINT64_C(55),
                                          UINT64_C(32503680000000000));
}

static int list_contacts(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ayttts)", 1, 2, 0xbe, 0xef, UINT64_C(9923), UINT64_C(1700000000000000), UINT64_C(2),
                                          "doubtful");
}

static int get_unicast_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", streq(property, "Routing") ? "lfa" : "mb-ecn");
}

static int get_total(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "t", streq(property, "LookupsTotal") ? UINT64_C(12) : UINT64_C(3));
}

static const sd_bus_vtable unicast_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ListRoutes", "a{sv}", "a(ttuas)", list_routes, 0),
        SD_BUS_METHOD("ListLinks", NULL, "a(ttxutb)", list_links, 0),
        SD_BUS_METHOD("TraceStatistics", "ta{sv}", "a(utsuuxxxu)", trace, 0),
        SD_BUS_PROPERTY("Routing", "s", get_unicast_text, 0, 0),
        SD_BUS_PROPERTY("Congestion", "s", get_unicast_text, 0, 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable directory_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Lookup", "sa{sv}", "ata(tsx)", look_up, 0),
        SD_BUS_METHOD("ListEntries", "u", "a(ayatt)", list_entries, 0),
        SD_BUS_METHOD("ListContacts", NULL, "a(ayttts)", list_contacts, 0),
        SD_BUS_PROPERTY("LookupsTotal", "t", get_total, 0, 0),
        SD_BUS_PROPERTY("LookupFailuresTotal", "t", get_total, 0, 0),
        SD_BUS_VTABLE_END,
};

/* -- names and operations -- */

static int get_bindings(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "a(sss)", 1, "unit", "web.service", "active");
}

static int get_name_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "s", "web.example");
}

static const sd_bus_vtable name_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", get_name_text, 0, 0),
        SD_BUS_PROPERTY("Bindings", "a(sss)", get_bindings, 0, 0),
        SD_BUS_VTABLE_END,
};

static int get_operation(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Fake *f = userdata;
        char number = path[strlen(path) - 1];
        const char *state = number == '2' || number == '5'                    ? "failed"
                            : number == '4'                                   ? "done"
                            : number == '1' && ++f->looks >= LOOKS_UNTIL_DONE ? "done"
                                                                              : "running";

        if (number >= '4' && streq(property, "Message"))
                return sd_bus_message_append(reply, "s", number == '4' ? "home.epsilon is a neighbour"
                                                                       : "home.delta is not a neighbour yet");
        if (number == '5' && streq(property, "Error"))
                return sd_bus_message_append(reply, "(ss)", BUS_ERROR_PREFIX "PeerTimeout", "home.delta is not a neighbour yet");
        if (streq(property, "Error"))
                return sd_bus_message_append(reply, "(ss)", number == '2' ? BUS_ERROR_PREFIX "ConfigInvalid" : "",
                                             number == '2' ? "broken.layer:3:1: Unknown section" : "");

        return sd_bus_message_append(reply, "s", streq(property, "State") ? state : "waiting for the unit");
}

static const sd_bus_vtable operation_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", get_operation, 0, 0),
        SD_BUS_PROPERTY("Message", "s", get_operation, 0, 0),
        SD_BUS_PROPERTY("Error", "(ss)", get_operation, 0, 0),
        SD_BUS_VTABLE_END,
};

static int add_objects(Fake *f) {
        int r;

        r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, manager_vtable, f);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fake_layers); i++) {
                _cleanup_free_ char *path = NULL;

                (void) sd_bus_path_encode(BUS_PATH_LAYER, fake_layers[i].name, &path);
                r = sd_bus_add_object_vtable(f->bus, NULL, path, BUS_INTERFACE_LAYER, layer_vtable,
                                             (void *) (uintptr_t) &fake_layers[i]);
        }
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_NAME "/web_2eexample", BUS_INTERFACE_NAME,
                                             name_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_STATISTICS,
                                             statistics_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_ETHERNET,
                                             ethernet_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_UNICAST, unicast_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_DIRECTORY, directory_vtable, f);
        for (char path[] = BUS_PATH_OPERATION "/1"; r >= 0 && path[sizeof(path) - 2] <= '5';
             path[sizeof(path) - 2]++)
                r = sd_bus_add_object_vtable(f->bus, NULL, path, BUS_INTERFACE_OPERATION, operation_vtable, f);

        return r;
}

static _Noreturn void serve(int ready_fd) {
        Fake f = {};
        int r;

        the_fake = &f;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);

        r = sd_bus_open_system(&f.bus);
        if (r >= 0)
                r = add_objects(&f);
        if (r >= 0)
                r = sd_bus_request_name(f.bus, SERVICE_LAN, 0);
        if (r >= 0)
                r = sd_bus_request_name(f.bus, SERVICE_HOME, 0);
        if (r >= 0)
                r = sd_bus_request_name(f.bus, BUS_NAME_IRM, 0);
        if (r >= 0 && write(ready_fd, "y", 1) != 1)
                r = -errno;

        while (r >= 0) {
                r = sd_bus_process(f.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(f.bus, UINT64_MAX);
        }

        _exit(1);
}

/* -- the bus -- */

static int write_config(const FakeIrm *fake, char *path, size_t size) {
        _cleanup_close_ int fd = -1;
        int n;

        (void) snprintf(path, size, "%s/bus.conf", fake->directory);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        n = dprintf(fd, "<busconfig><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
                        "<policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
                        "<allow own=\"*\"/></policy></busconfig>", fake->directory);
        return n < 0 ? -EIO : 0;
}

/* Whether anything came through the pipe before it was closed. */
static bool wait_ready(int fd) {
        char byte;
        ssize_t n;

        do
                n = read(fd, &byte, 1);
        while (n < 0 && errno == EINTR);

        return n == 1;
}

int fake_irm_start(FakeIrm *fake) {
        char config[128], address[128];
        int bus_ready[2], service_ready[2], r;

        *fake = (FakeIrm) { .directory = "/tmp/o7sctl-test-XXXXXX" };
        if (!mkdtemp(fake->directory))
                return -errno;

        r = write_config(fake, config, sizeof(config));
        if (r < 0)
                return r;
        if (pipe2(bus_ready, O_CLOEXEC) < 0 || pipe2(service_ready, O_CLOEXEC) < 0)
                return -errno;

        fake->daemon = fork();
        if (fake->daemon == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) dup2(bus_ready[1], STDOUT_FILENO);
                (void) execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                              "--config-file", config, "--print-address=1", (char *) NULL);
                _exit(127);
        }
        (void) close(bus_ready[1]);
        r = wait_ready(bus_ready[0]);
        (void) close(bus_ready[0]);
        if (!r)
                return -ENOENT;

        (void) snprintf(address, sizeof(address), "unix:path=%s/bus", fake->directory);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);

        fake->service = fork();
        if (fake->service == 0)
                serve(service_ready[1]);
        (void) close(service_ready[1]);
        r = wait_ready(service_ready[0]);
        (void) close(service_ready[0]);

        return r ? 0 : -EIO;
}

static void end(pid_t pid) {
        if (pid <= 0)
                return;

        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

void fake_irm_stop_service(FakeIrm *fake) {
        end(fake->service);
        fake->service = 0;
}

void fake_irm_stop(FakeIrm *fake) {
        char path[128];

        fake_irm_stop_service(fake);
        end(fake->daemon);

        (void) snprintf(path, sizeof(path), "%s/bus.conf", fake->directory);
        (void) unlink(path);
        (void) snprintf(path, sizeof(path), "%s/bus", fake->directory);
        (void) unlink(path);
        (void) rmdir(fake->directory);
}
