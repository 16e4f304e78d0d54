/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The IPCPs of two layers: an Ethernet one, lan, and a unicast one, home. */

#include "tests/unit/o7sctl/fake-irm-internal.h"

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
        return sd_bus_reply_method_return(m, "a(ttuas)", 2, UINT64_C(9923), UINT64_C(1), 1U, 1, "home.beta",
                                          UINT64_C(55), UINT64_C(2), 2U, 2, "home.beta", "home.gamma");
}

static int list_links(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ttxutb)", 2, UINT64_C(4711), UINT64_C(9923), INT64_C(1200), 1U,
                                          UINT64_C(4000000), 1, UINT64_C(9923), UINT64_C(55), INT64_C(-1), 1U,
                                          UINT64_C(61000000), 0);
}

static int look_up(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (!streq(name, "db.example"))
                return fake_error(e, "NoSuchName", "No member of the layer serves this name");

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

        return sd_bus_reply_method_return(m, "a(utsuuxxxu)", 2, 1U, UINT64_C(9923), "home.beta", probes, probes,
                                          INT64_C(550), INT64_C(600), INT64_C(800), 0U, 2U, UINT64_C(55),
                                          "home.epsilon", probes, probes - 1, INT64_C(1100), INT64_C(1900),
                                          INT64_C(2500), 3U);
}

static int list_entries(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ayatt)", 1, 4, 0xa4, 0x1c, 0xff, 0x00, 2, UINT64_C(4711), UINT64_C(55),
                                          UINT64_C(32503680000000000));
}

static int list_contacts(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return sd_bus_reply_method_return(m, "a(ayttts)", 1, 2, 0xbe, 0xef, UINT64_C(9923), UINT64_C(1700000000000000),
                                          UINT64_C(2), "doubtful");
}

static int get_clock_offset(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "(xs)", INT64_C(-2500000), "home.beta");
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
        SD_BUS_PROPERTY("ClockOffset", "(xs)", get_clock_offset, 0, 0),
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

int fake_add_ipcps(Fake *f) {
        int r;

        r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_STATISTICS, statistics_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_ETHERNET, ethernet_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_UNICAST, unicast_vtable, f);
        if (r >= 0)
                r = sd_bus_add_object_vtable(f->bus, NULL, BUS_PATH_IPCP, BUS_INTERFACE_DIRECTORY, directory_vtable, f);

        return r;
}
