/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-irm says: how its layers are, and what would become of flows to its names. */

#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/doctor.h"
#include "o7sctl/security-bus.h"

/* A method without arguments that returns rows. Without a complaint: that it fails is a finding. */
static int list(Doctor *d, const char *member, json_object **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BUS_REPLY_FREE sd_bus_message *call = NULL, *reply = NULL;
        int r;

        if (d->deaf)
                return -ENOTCONN;

        r = sd_bus_message_new_method_call(d->ctl->bus, &call, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER,
                                           member);
        if (r >= 0)
                r = bus_try(d->ctl, call, &error, &reply);
        if (r >= 0)
                r = bus_json_read_rows(reply, ret);
        if (r < 0) {
                d->deaf = true;
                doctor_add(d, FINDING_PROBLEM, "o7s-irm", "systemctl start o7s-irm.socket o7s-irm.service",
                           "does not answer: %s", error.message ?: strerror(-r));
        }

        return r;
}

/* -- layers -- */

static void check_layer(Doctor *d, json_object *row) {
        const char *name = item_string(row, 0), *state = item_string(row, 2), *reason;
        _cleanup_json_ json_object *layer = NULL;
        _cleanup_free_ char *subject = NULL, *mend = NULL;

        if (format_string(&subject, "layer %s", name) < 0 ||
            format_string(&mend, "o7sctl %s %s", streq(state, "created") ? "up" : "status", name) < 0)
                return;
        if (streq(state, "online")) {
                doctor_add(d, FINDING_GOOD, subject, NULL, "is online");
                return;
        }

        if (bus_try_properties(d->ctl, BUS_NAME_IRM, item_string(row, 5), BUS_INTERFACE_LAYER, &layer) < 0)
                layer = NULL;
        reason = layer ? member_string(layer, "StateReason") : "";
        doctor_add(d, streq(state, "created") ? FINDING_NOTE : FINDING_PROBLEM, subject, mend, "is %s%s%s",
                   streq(state, "created") ? "not started" : state,
                   isempty(reason) || streq(state, "created") ? "" : ": ", streq(state, "created") ? "" : reason);
}

void doctor_check_layers(Doctor *d) {
        _cleanup_json_ json_object *rows = NULL;

        if (list(d, "ListLayers", &rows) < 0)
                return;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                json_object *row = json_object_array_get_idx(rows, i);

                if (doctor_wants(d, item_string(row, 0)))
                        check_layer(d, row);
        }
}

/* -- names -- */

static int64_t item_i64(json_object *row, size_t i) {
        return json_object_get_int64(json_object_array_get_idx(row, i));
}

/* One of o7s-auth: result, subject, text, expiry in µs. */
static void add_tested(Doctor *d, const char *name, const char *side, json_object *row) {
        const char *subject = item_string(row, 1), *text = item_string(row, 2);
        _cleanup_free_ char *what = NULL, *renew = NULL;

        if (format_string(&what, "%s (%s)%s%s", name, side, isempty(subject) ? "" : ", ", subject) < 0 ||
            format_string(&renew, "o7sctl ca issue %s%s, or whoever issued it", name,
                          streq(side, "client") ? " --client" : "") < 0)
                return;

        if (item_i64(row, 0) != 0)
                doctor_add(d, FINDING_PROBLEM, what, NULL, "%s", isempty(text) ? "cannot be used" : text);
        else
                doctor_add_expiring(d, what, isempty(text) ? "is good" : text, item_u64(row, 3) / USEC_PER_SEC, renew);
}

static void test_name(Doctor *d, const char *name, const char *side) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_json_ json_object *rows = NULL;
        int r;

        if (d->deaf)
                return;

        r = security_try_test(d->ctl, name, side, &error, &rows);
        if (r < 0) {
                _cleanup_free_ char *what = NULL;

                if (format_string(&what, "%s (%s)", name, side) >= 0)
                        doctor_add(d, FINDING_PROBLEM, what, "systemctl enable --now o7s-auth.socket o7s-keyd.socket",
                                   "cannot be tested: %s", error.message ?: strerror(-r));
                return;
        }

        for (size_t i = 0; i < json_object_array_length(rows); i++)
                add_tested(d, name, side, json_object_array_get_idx(rows, i));
}

/* The names of this host as they are served; one that is asked about also as it is called. */
void doctor_check_names(Doctor *d) {
        _cleanup_json_ json_object *rows = NULL, *layers = NULL;
        bool is_layer = false;

        if (list(d, "ListNames", &rows) < 0 || list(d, "ListLayers", &layers) < 0)
                return;

        for (size_t i = 0; d->what && i < json_object_array_length(layers); i++)
                is_layer |= streq(item_string(json_object_array_get_idx(layers, i), 0), d->what);

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                const char *name = item_string(json_object_array_get_idx(rows, i), 0);

                if (doctor_wants(d, name))
                        test_name(d, name, "server");
        }
        if (d->what && !is_layer)
                test_name(d, d->what, "client");
}
