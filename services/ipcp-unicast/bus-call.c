/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the handlers of our bus name share, see bus-call.h. */

#include <stdio.h>

#include "services/common/bus-error.h"
#include "services/ipcp-unicast/bus-call.h"

BusCall *bus_call_free(BusCall *call) {
        if (!call)
                return NULL;

        list_unlink(&call->by_service);
        call->service->n_bus_calls--;
        sd_bus_message_unref(call->message);
        return mfree(call);
}

int bus_call_new(Service *s, sd_bus_message *message, sd_bus_error *error, BusCall **ret) {
        BusCall *call;

        if (s->n_bus_calls >= BUS_CALLS_MAX)
                return bus_error_set(error, -EBUSY, "%u traces and lookups are under way already", BUS_CALLS_MAX);

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;

        call->service = s;
        call->message = sd_bus_message_ref(message);
        list_init(&call->by_service);
        list_append(&s->bus_calls, &call->by_service);
        s->n_bus_calls++;
        *ret = call;
        return 0;
}

void bus_call_fail(BusCall *call, int error, const char *text) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        (void) bus_error_set(&e, error, "%s", text);
        (void) sd_bus_reply_method_error(call->message, &e);
        bus_call_free(call);
}

void bus_calls_fail(Service *s, const char *text) {
        while (s->bus_calls.next && !list_is_empty(&s->bus_calls)) {
                BusCall *call = list_first(&s->bus_calls, BusCall, by_service);

                echo_trace_free(call->trace);
                bus_call_fail(call, -ENETDOWN, text);
        }
}

int bus_check_member(const Service *s, sd_bus_error *error) {
        if (s->unicast.is_member)
                return 0;

        return bus_error_set_named(error, "WrongState", "Layer %s is %s: %s", s->file->name,
                                   layer_state_to_string(layer_state(s->layer)), layer_state_reason(s->layer));
}

int bus_append_member(sd_bus_message *reply, const Service *s, uint64_t address) {
        const Neighbour *n = neighbour_find(&s->unicast, address);
        char digits[32];

        if (n && n->member[0] != '\0')
                return sd_bus_message_append(reply, "s", n->member);

        (void) snprintf(digits, sizeof(digits), "%" PRIu64, address);
        return sd_bus_message_append(reply, "s", digits);
}
