/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Making a name in a single step, with its policy; removing names. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/bus.h"
#include "o7sctl/name-security.h"

/* Returns: 0; the exit status. *ret_created: there was no such name before. */
static int name_create(Ctl *ctl, const char *name, bool *ret_created) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "CreateName", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = ctl->options.balance
                            ? sd_bus_message_append(call, "a{sv}", 1, "LoadBalance", "s", ctl->options.balance)
                            : sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        r = bus_try(ctl, call, &error, NULL);
        if (r < 0 && sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NameExists"))
                return 0;               /* then this run adds bindings and layers to it */
        if (r < 0)
                return bus_complain(ctl, &error, r, "Cannot create '%s'", name);

        *ret_created = true;
        return 0;
}

/* Whether the step was done already: then there is nothing to complain about. */
static int send_step(Ctl *ctl, sd_bus_message *call, const char *name, const char *step, const char *what) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = bus_try(ctl, call, &error, NULL);
        if (r >= 0 || sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NameExists"))
                return 0;

        return bus_complain(ctl, &error, r, "Cannot %s '%s' %s", step, name, what);
}

/* All four have the name first and flags last. */
static int name_bind(Ctl *ctl, const char *name, const char *member, const char *what) {
        const Options *o = &ctl->options;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, member, &call);
        if (r > 0)
                return r;

        if (streq(member, "BindUnit"))
                r = sd_bus_message_append(call, "ssa{sv}t", name, o->unit, 0, (uint64_t) 0);
        else if (streq(member, "BindProgram"))
                r = sd_bus_message_append(call, "ssasa{sv}t", name, o->program, 0, 0, (uint64_t) 0);
        else if (streq(member, "BindProcess"))
                r = sd_bus_message_append(call, "sut", name, o->pid, (uint64_t) 0);
        else
                r = sd_bus_message_append(call, "sst", name, o->user, (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        return send_step(ctl, call, name, "bind", what);
}

static int name_register(Ctl *ctl, const char *name, const char *layer) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        _cleanup_free_ char *what = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "Register", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "ssa{sv}t", name, layer, 0, (uint64_t) 0);
        if (r >= 0)
                r = format_string(&what, "in layer '%s'", layer);
        if (r < 0)
                return bus_complain_message(r);

        return send_step(ctl, call, name, "register", what);
}

static int name_remove(Ctl *ctl, const char *name) {
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "RemoveName", &call);
        if (r > 0)
                return r;

        r = sd_bus_message_append(call, "st", name, (uint64_t) 0);
        if (r < 0)
                return bus_complain_message(r);

        return bus_send(ctl, call, NULL, "Cannot remove '%s'", name);
}

static int name_bind_and_register(Ctl *ctl, const char *name) {
        const Options *o = &ctl->options;
        int r = 0;

        if (o->unit)
                r = name_bind(ctl, name, "BindUnit", "to the unit");
        if (r == 0 && o->user)
                r = name_bind(ctl, name, "BindUser", "to the user");
        if (r == 0 && o->pid)
                r = name_bind(ctl, name, "BindProcess", "to the process");
        if (r == 0 && o->program)
                r = name_bind(ctl, name, "BindProgram", "to the program");

        for (size_t i = 0; r == 0 && i < o->n_layers; i++)
                r = name_register(ctl, name, o->layers[i]);

        return r;
}

static void print_made(const Options *o, const char *name, bool created) {
        (void) printf("%s '%s'", created ? "Created" : "Updated", name);
        for (size_t i = 0; i < o->n_layers; i++)
                (void) printf("%s%s", i == 0 ? ", registered in " : " and ", o->layers[i]);
        (void) printf(".\n");

        /* Whoever else creates a name is bound to it by that. */
        if (created && geteuid() == 0 && !o->unit && !o->user && !o->pid)
                (void) printf("  Only root may serve it yet: o7sctl name %s --user=USER or --unit=UNIT\n", name);
        if (created && o->n_layers == 0)
                (void) printf(
                        "  It can be reached from this host only; for others: o7sctl name %s --layer=LAYER\n",
                        name);
}

/* Before the name is bound and registered, its policy holds. */
static int name_make(Ctl *ctl, const char *name) {
        const Options *o = &ctl->options;
        bool created = false;
        int r;

        agent_open(ctl);
        r = name_create(ctl, name, &created);
        if (r > 0)
                return r;

        if (o->n_settings > 0)
                r = name_set_security(ctl, name);
        if (r == 0)
                r = name_bind_and_register(ctl, name);
        if (r > 0) {
                /* All or nothing, for a name that did not exist before. */
                if (created)
                        (void) name_remove(ctl, name);
                return r;
        }

        if (!o->quiet && o->json == JSON_OFF)
                print_made(o, name, created);
        return EXIT_FINE;
}

/* Returns: 1; 0; a negative exit status after a complaint. */
static int name_exists(Ctl *ctl, const char *name) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL;
        int r;

        r = bus_prepare(ctl, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, "GetName", &call);
        if (r > 0)
                return -r;

        r = sd_bus_message_append(call, "s", name);
        if (r < 0)
                return -bus_complain_message(r);

        r = bus_try(ctl, call, &error, NULL);
        if (r < 0 && sd_bus_error_has_name(&error, BUS_ERROR_PREFIX "NoSuchName"))
                return 0;

        return r < 0 ? -bus_complain(ctl, &error, r, "Cannot look for '%s'", name) : 1;
}

static bool check_name(const char *name) {
        if (flow_name_is_valid(name))
                return true;

        (void) fprintf(stderr, "'%s' cannot be a name: UTF-8 without control characters and '/', at most %u bytes.\n",
                       name, FLOW_NAME_BYTES_MAX);
        return false;
}

/* Policies may be of names that are served elsewhere: those are shown and changed without making the name. */
int verb_name(Ctl *ctl, int argc, char *argv[]) {
        const Options *o = &ctl->options;
        const uint64_t making = OPTION_BIT(OPTION_UNIT) | OPTION_BIT(OPTION_USER) | OPTION_BIT(OPTION_PID) |
                                OPTION_BIT(OPTION_PROGRAM) | OPTION_BIT(OPTION_LAYER) | OPTION_BIT(OPTION_BALANCE);
        const char *name = argv[1];
        int r;

        if (!check_name(name))
                return EXIT_USAGE;

        if (argc > 2 && (argc != 4 || !streq(argv[2], "import"))) {
                (void) fprintf(stderr, "Only 'import DIRECTORY' can follow the name.\nSee 'o7sctl name --help'.\n");
                return EXIT_USAGE;
        }
        if (argc > 2)
                return name_import(ctl, name, argv[3]);

        if (o->given & making)
                return name_make(ctl, name);
        if (o->n_settings > 0)
                return name_set_security(ctl, name);
        if (o->side || o->root[0] != '\0')
                return name_show_security(ctl, name);

        r = name_exists(ctl, name);
        if (r < 0)
                return -r;

        return r > 0 ? name_show_security(ctl, name) : name_make(ctl, name);
}

int verb_unname(Ctl *ctl, int argc, char *argv[]) {
        int status = EXIT_FINE;

        agent_open(ctl);
        for (int i = 1; i < argc; i++) {
                int r = name_remove(ctl, argv[i]);

                status = status ?: r;
        }

        return status;
}
