/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What o7s-irm says: how its layers are, and what would become of flows to its names. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/string.h"
#include "libo7s/bus-names.h"
#include "o7sctl/doctor.h"
#include "o7sctl/security-bus.h"

#define CLOCK_APART_SEC 0.1
#define CLOCK_REFUSED_SEC 2.0
#define REFUSED_RECENTLY_USEC (86400 * USEC_PER_SEC)

static int64_t item_i64(json_object *row, size_t i) {
        return json_object_get_int64(json_object_array_get_idx(row, i));
}

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

/* How far it was from the clock of whoever let us in. A request is backdated by 2 s and may be 20 s old when it comes,
 * and 0.1 s early where the other is of another make. */
static void check_layer_clock(Doctor *d, const char *subject, json_object *layer) {
        static const char mend[] = "timedatectl set-ntp true, on both hosts";
        _cleanup_json_ json_object *unicast = NULL;
        json_object *offset;
        const char *peer;
        int64_t usec;
        double sec;

        if (bus_try_properties(d->ctl, member_string(layer, "BusName"), BUS_PATH_IPCP, BUS_INTERFACE_UNICAST,
                               &unicast) < 0)
                return;

        offset = member_array(unicast, "ClockOffset");
        peer = offset ? item_string(offset, 1) : "";
        if (isempty(peer))
                return;

        usec = item_i64(offset, 0);
        sec = (double) (usec < 0 ? -usec : usec) / USEC_PER_SEC;
        doctor_add(d, sec >= CLOCK_REFUSED_SEC ? FINDING_PROBLEM : sec >= CLOCK_APART_SEC ? FINDING_NOTE : FINDING_GOOD,
                   subject, sec >= CLOCK_APART_SEC ? mend : NULL,
                   "the clock of %s was %.3f s %s ours when it let us in%s", peer, sec,
                   usec < 0 ? "behind" : "ahead of",
                   sec >= CLOCK_REFUSED_SEC ? ": flows between hosts that are so far apart are refused" : "");
}

static void check_layer(Doctor *d, json_object *row) {
        const char *name = item_string(row, 0), *state = item_string(row, 2), *reason;
        _cleanup_json_ json_object *layer = NULL;
        _cleanup_free_ char *subject = NULL, *mend = NULL;

        if (format_string(&subject, "layer %s", name) < 0 ||
            format_string(&mend, "o7sctl %s %s", streq(state, "created") ? "up" : "status", name) < 0)
                return;
        if (bus_try_properties(d->ctl, BUS_NAME_IRM, item_string(row, 5), BUS_INTERFACE_LAYER, &layer) < 0)
                layer = NULL;
        if (streq(state, "online")) {
                doctor_add(d, FINDING_GOOD, subject, NULL, "is online");
                if (layer && streq(member_string(layer, "Type"), "unicast"))
                        check_layer_clock(d, subject, layer);
                return;
        }

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

/* -- the manager -- */

/* Handshakes of the last day whose time was wrong: what a clock has done already. */
void doctor_check_refusals(Doctor *d) {
        _cleanup_json_ json_object *manager = NULL;
        json_object *refusals;

        if (d->deaf || bus_try_properties(d->ctl, BUS_NAME_IRM, BUS_PATH_IRM, BUS_INTERFACE_MANAGER, &manager) < 0)
                return;

        refusals = member_array(manager, "Refusals");
        for (size_t i = 0; refusals && i < json_object_array_length(refusals); i++) {
                json_object *row = json_object_array_get_idx(refusals, i);
                const char *last = item_string(row, 3);         /* "": not for us to know */

                if (streq(item_string(row, 0), "clock") && item_u64(row, 2) < REFUSED_RECENTLY_USEC)
                        doctor_add(d, FINDING_NOTE, "clock", "timedatectl set-ntp true, on both hosts",
                                   "%" PRIu64 " requests were refused for their time, the last one %" PRIu64
                                   " s ago%s%s",
                                   item_u64(row, 1), item_u64(row, 2) / USEC_PER_SEC, isempty(last) ? "" : ": ", last);
        }
}

/* -- names -- */

/* What to do about what o7s-auth does not like. */
static int mend_tested(int64_t result, const char *subject, const char *name, const char *side, char **ret) {
        const char *option = streq(side, "client") ? " --client" : "";

        if (strstr(subject, "/key.pem") || result == -EACCES || result == -EPERM)
                return format_string(ret,
                                     "chown o7s-keyd: and chmod 400 its key.pem, or a new pair: o7sctl ca issue %s%s",
                                     name, option);
        if (result == -ENOTCONN || result == -ECONNREFUSED)
                return format_string(ret, "systemctl enable --now o7s-auth.socket o7s-keyd.socket");

        return format_string(ret,
                             "o7sctl ca issue %s%s, or whoever issued it; o7sctl ca trust FILE, with the authority; "
                             "o7sctl name %s, with another policy",
                             name, option, name);
}

/* One of o7s-auth: result, subject, text, expiry in µs. Its subject is the name, a file, or an authority. */
static void add_tested(Doctor *d, const char *name, const char *side, json_object *row) {
        const char *subject = item_string(row, 1), *text = item_string(row, 2);
        _cleanup_free_ char *of_name = NULL, *renew = NULL, *mend = NULL;
        int64_t result = item_i64(row, 0);
        const char *what;

        if (format_string(&of_name, "%s (%s)", name, side) < 0 ||
            format_string(&renew, "o7sctl ca issue %s%s, or whoever issued it", name,
                          streq(side, "client") ? " --client" : "") < 0 ||
            mend_tested(result, subject, name, side, &mend) < 0)
                return;

        what = isempty(subject) || streq(subject, name) ? of_name : subject;
        text = !isempty(text) ? text : result != 0 ? "cannot be used" : "is good";
        if (doctor_knows_file(d, what, result != 0 ? FINDING_PROBLEM : FINDING_GOOD) || doctor_knows(d, what, text))
                return;

        if (result != 0)
                doctor_add(d, FINDING_PROBLEM, what, mend, "%s", text);
        else
                doctor_add_expiring(d, what, text, item_u64(row, 3) / USEC_PER_SEC, renew);
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
