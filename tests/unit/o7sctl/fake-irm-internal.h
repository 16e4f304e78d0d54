/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of the small o7s-irm: fake-irm.c has the bus, the others the objects on it. */

#include <stdio.h>

#include <systemd/sd-bus.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "tests/unit/o7sctl/fake-irm.h"

#define SERVICE_LAN BUS_NAME_IPCP_PREFIX ".lan"
#define SERVICE_HOME BUS_NAME_IPCP_PREFIX ".home"

typedef struct Fake {
        sd_bus *bus;
        char calls[8192];       /* "CreateName a; Register a lan; " */
        int looks;              /* at operation 1 */
} Fake;

typedef struct FakeLayer {
        Fake *fake;
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

#define FAKE_LAYERS 4U
extern const FakeLayer fake_layers[FAKE_LAYERS];

/* "org.o7s.Error.NAME". Returns: what a handler is to return. */
int fake_error(sd_bus_error *e, const char *name, const char *text);

/* Remembers a call that changes something. */
void fake_note(Fake *f, const char *member, const char *first, const char *second);

int fake_add_manager(Fake *f);
int fake_add_layers(Fake *f);
int fake_add_ipcps(Fake *f);
int fake_add_names(Fake *f);
