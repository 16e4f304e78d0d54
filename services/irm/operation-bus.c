/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An operation's object on the bus. */

#include "libo7s/bus-names.h"
#include "libo7s/error.h"
#include "services/irm/announce.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"

static int property_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Operation *o = userdata;
        const char *text;

        if (streq(property, "Kind"))
                text = operation_kind_to_string(o->kind);
        else if (streq(property, "Subject"))
                text = o->subject;
        else if (streq(property, "State"))
                text = operation_state_to_string(o->state);
        else
                text = o->message;

        return sd_bus_message_append(reply, "s", text);
}

static int property_error(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Operation *o = userdata;
        const ErrorRow *row = o->error < 0 ? error_row(o->error) : NULL;
        char name[256] = "";

        if (row)
                (void) snprintf(name, sizeof(name), BUS_ERROR_PREFIX "%s", strempty(row->bus_name));

        return sd_bus_message_append(reply, "(ss)", name, row ? o->message : "");
}

/* What a step is, for people; how it goes is in Message. */
static int step_text(const Operation *o, OperationStepKind kind, char **ret) {
        bool start = o->kind == OPERATION_START_LAYER;

        switch (kind) {
        case OPERATION_STEP_RELOAD:
                return format_string(ret, "Let systemd read its units again");
        case OPERATION_STEP_QUEUE:
                return format_string(ret, "Ask systemd to %s the unit", start ? "start" : "stop");
        case OPERATION_STEP_UNIT:
                return format_string(ret, "%s " O7S_UNIT_PREFIX "%s" O7S_UNIT_SUFFIX, start ? "Start" : "Stop",
                                     o->subject);
        case OPERATION_STEP_LAYER:
                return format_string(ret, "Wait until layer %s is online", o->subject);
        case OPERATION_STEP_ORDER:
                return format_string(ret, "Have layer %s do it: %s", o->subject, operation_kind_to_string(o->kind));
        case _OPERATION_STEP_KIND_MAX:
        case _OPERATION_STEP_KIND_INVALID:
                break;
        }

        return -EINVAL;
}

/* Columns: step, state, text, how long it took or has taken (-1: not begun). */
static int property_steps(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Operation *o = userdata;
        usec_t now = time_now();
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sssx)");
        for (unsigned i = 0; r >= 0 && i < o->steps.n; i++) {
                const OperationStep *step = &o->steps.items[i];
                _cleanup_free_ char *text = NULL;

                r = step_text(o, step->kind, &text);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "(sssx)", operation_step_kind_to_string(step->kind),
                                                  operation_step_state_to_string(step->state), text,
                                                  operation_step_usec(step, now));
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_progress(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Operation *o = userdata;

        return sd_bus_message_append(reply, "d", operation_steps_progress(&o->steps));
}

static int method_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Operation *o = userdata;
        int r;

        r = bus_authorize(o->manager, message, POLKIT_MANAGE_LAYER, NULL, o->subject, "cancel", error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (o->state != OPERATION_RUNNING)
                return bus_error_set_named(error, "WrongState", "The operation is %s already",
                                           operation_state_to_string(o->state));

        operation_cancel(o);
        return sd_bus_reply_method_return(message, NULL);
}

const sd_bus_vtable operation_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "t", NULL, offsetof(Operation, id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Kind", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Subject", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Progress", "d", property_progress, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Steps", "a(sssx)", property_steps, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Message", "s", property_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Error", "(ss)", property_error, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StartTimestamp", "t", NULL, offsetof(Operation, started), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int operation_find_object(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                          sd_bus_error *error) {
        _cleanup_free_ char *text = NULL;
        Manager *m = userdata;
        Operation *o;
        uint64_t id;
        int r;

        r = sd_bus_path_decode(path, BUS_PATH_OPERATION, &text);
        if (r <= 0)
                return r;
        if (parse_u64(text, UINT64_MAX, &id) < 0)
                return 0;

        o = map_get(m->operations, &id, sizeof(id));
        if (!o)
                return 0;

        *ret = o;
        return 1;
}

int operation_list_objects(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Manager *m = userdata;
        size_t n = 0, position;
        Operation *o;
        char **paths;

        paths = calloc(map_size(m->operations) + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;

        map_for_each(o, m->operations, position)
                if (operation_path(o, &paths[n]) >= 0)
                        n++;

        *ret = paths;
        return 1;
}
