/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Trace answers with one row per hop; TraceStatistics with all that there is to know of each. */

#include "services/common/bus-error.h"
#include "services/common/bus-option.h"
#include "services/ipcp-unicast/bus-call.h"

static int append_hop(sd_bus_message *reply, unsigned i, const EchoHop *hop, bool statistics) {
        bool answered = hop->n_answered > 0;

        if (!statistics)
                return sd_bus_message_append(reply, "(utsx)", i + 1, hop->address, hop->member,
                                             answered ? (int64_t) echo_hop_quantile(hop, 50) : INT64_C(-1));

        return sd_bus_message_append(reply, "(utsuuxxxu)", i + 1, hop->address, hop->member, hop->n_sent,
                                     hop->n_answered, answered ? (int64_t) echo_hop_quantile(hop, 0) : INT64_C(-1),
                                     answered ? (int64_t) echo_hop_quantile(hop, 50) : INT64_C(-1),
                                     answered ? (int64_t) echo_hop_quantile(hop, 99) : INT64_C(-1), hop->queue);
}

static int reply_hops(const BusCall *call, const EchoTrace *trace) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', call->statistics ? "(utsuuxxxu)" : "(utsx)");
        for (unsigned i = 0; r >= 0 && i < trace->n_hops; i++)
                r = append_hop(reply, i, &trace->hops[i], call->statistics);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void traced(void *userdata, const EchoTrace *trace) {
        BusCall *call = userdata;
        int r;

        call->trace = NULL;             /* it goes when we return */
        r = reply_hops(call, trace);
        if (r < 0)
                return bus_call_fail(call, r, "The answer could not be built");

        bus_call_free(call);
}

static int read_trace_option(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        if (!streq(key, "Probes"))
                return bus_error_set(error, -EINVAL, "A trace knows no option '%s', only 'Probes'", key);

        return sd_bus_message_read(message, "v", "u", target);
}

static int trace_error(int error, uint64_t address, sd_bus_error *e) {
        switch (error) {
        case -EINVAL:
                return bus_error_set(e, error,
                                     "%" PRIu64 " is this member itself, or more than %u probes were asked for",
                                     address, ECHO_PROBES_MAX);
        case -EHOSTUNREACH:
                return bus_error_set(e, error, "There is no way to %" PRIu64, address);
        case -EBUSY:
                return bus_error_set(e, error, "%u traces are under way already", ECHO_TRACES_MAX);
        default:
                return bus_error_set(e, error, "Cannot trace: %s", strerror(-error));
        }
}

static int begin_trace(sd_bus_message *message, Service *s, bool statistics, sd_bus_error *error) {
        uint32_t probes = 0;
        uint64_t address;
        BusCall *call = NULL;
        int r;

        r = sd_bus_message_read(message, "t", &address);
        if (r >= 0)
                r = bus_read_options(message, read_trace_option, &probes, error);
        if (r >= 0)
                r = bus_check_member(s, error);
        if (r >= 0)
                r = bus_call_new(s, message, error, &call);
        if (r < 0)
                return r;

        call->statistics = statistics;
        r = echo_trace_start(&s->unicast, address, probes, traced, call, time_now(), &call->trace);
        if (r < 0) {
                bus_call_free(call);
                return trace_error(r, address, error);
        }

        return 1;
}

int method_trace(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return begin_trace(message, userdata, false, error);
}

int method_trace_statistics(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return begin_trace(message, userdata, true, error);
}
