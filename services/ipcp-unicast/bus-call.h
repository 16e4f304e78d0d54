/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A method of our bus name whose answer comes later: a trace, a lookup in the directory. Bounded, and answered in any
 * case: also where the layer ends first, or stops to be a member.
 */

#include "services/ipcp-unicast/echo.h"
#include "services/ipcp-unicast/service.h"

#define BUS_CALLS_MAX 32U

typedef struct BusCall {
        Service *service;               /* not owned */
        ListNode by_service;
        sd_bus_message *message;        /* owned */
        EchoTrace *trace;               /* not owned; NULL: it is a lookup */
        bool statistics;                /* of a trace: all columns are wanted */
        bool hash;                      /* of a lookup: it was for a hash */
        uint64_t lookup;
        size_t hash_size;
        uint8_t key[HASH_BYTES_MAX];    /* what was looked up */
} BusCall;

/* Keeps the message. Returns: 0; -EBUSY: error is set, too many wait; -ENOMEM. */
int bus_call_new(Service *service, sd_bus_message *message, sd_bus_error *error, BusCall **ret);
BusCall *bus_call_free(BusCall *call);

/* Answers with an error, and frees it. */
void bus_call_fail(BusCall *call, int error, const char *text);

/* All that wait, traces too. */
void bus_calls_fail(Service *service, const char *text);

/* Nobody is a member without routing and a directory. Returns: 0; -ENOTCONN: error is set. */
int bus_check_member(const Service *service, sd_bus_error *error);

/* The name of a member as far as its neighbour knows it: its own, or its address in digits. */
int bus_append_member(sd_bus_message *reply, const Service *service, uint64_t address);

/* trace-bus.c */
int method_trace(sd_bus_message *message, void *userdata, sd_bus_error *error);
int method_trace_statistics(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* directory-bus.c */
extern const sd_bus_vtable directory_vtable[];

/* statistics.c */
extern const sd_bus_vtable unicast_statistics_vtable[];
