/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions where a name is, see resolve.h. */

#include <stdio.h>

#include "libo7s/error.h"
#include "services/irm/flow.h"
#include "services/irm/resolve.h"

struct Resolve {
        Manager *manager;               /* not owned */
        uint64_t id;                    /* of the queries, from the same numbers as those of flows */
        uid_t uid;
        char name[FLOW_NAME_BYTES_MAX + 1];
        Allocation asked;               /* held for ever: it gathers answers and never asks for a request */
        sd_bus_message *message;        /* the call that waits */
        sd_event_source *timer;
};

Resolve *resolve_free(Resolve *resolve) {
        if (!resolve)
                return NULL;

        if (map_get(resolve->manager->resolves, &resolve->id, sizeof(resolve->id)) == resolve)
                map_remove(resolve->manager->resolves, &resolve->id, sizeof(resolve->id));

        sd_event_source_disable_unref(resolve->timer);
        sd_bus_message_unref(resolve->message);
        return mfree(resolve);
}

/* -- the answer -- */

/* rtt_usec < 0: there is none. */
static int append_row(sd_bus_message *reply, const char *layer, const char *state, int64_t rtt_usec, const char *type,
                      const char *hash, const char *reason) {
        return sd_bus_message_append(reply, "(ssxa{sv})", layer, state, rtt_usec, 3, "Type", "s", type, "Hash", "s",
                                     hash, "Reason", "s", reason);
}

/* This host itself comes first: what it serves is reached without any layer. */
static int append_local(sd_bus_message *reply, const Resolve *resolve) {
        const Name *n = name_find(resolve->manager, resolve->name);

        if (!n)
                return append_row(reply, "local", "not-found", 0, "local", "", "not a name of this host");
        if (!n->local)
                return append_row(reply, "local", "skipped", -1, "local", "", "Local=no: reached through layers only");
        if (list_is_empty(&n->acceptors))
                return append_row(reply, "local", "waiting", 0, "local", "",
                                  "a name of this host that nobody serves now");

        return append_row(reply, "local", "found", 0, "local", "", "served by a program of this host");
}

static const char *why_not(const AllocationLayer *a) {
        return a->error == -ENOENT ? "not known there" : error_row(a->error)->sentence;
}

static int append_asked(sd_bus_message *reply, const Resolve *resolve, const AllocationLayer *a) {
        const Layer *l = layer_find(resolve->manager, a->name);
        int64_t rtt = a->answered == USEC_INFINITY ? -1 : (int64_t) usec_sub(a->answered, a->asked);
        const char *type = l ? layer_kind_name(l) : "unknown", *reason = l ? l->reason : "gone";
        uint8_t digest[HASH_BYTES_MAX];
        char hash[2 * HASH_BYTES_MAX + 1] = "";
        ssize_t size;

        size = l ? hash_compute(l->hash, resolve->name, strlen(resolve->name), digest) : 0;
        if (size > 0)
                (void) hex_encode(hash, digest, (size_t) size);

        switch (a->verdict) {
        case ALLOCATION_HAS:
        case ALLOCATION_TRIED:
                return append_row(reply, a->name, "found", rtt, type, hash, "reached through this layer");
        case ALLOCATION_HAS_NOT:
                return append_row(reply, a->name, "not-found", rtt, type, hash, why_not(a));
        case ALLOCATION_ASKED:
        case ALLOCATION_SILENT:
                return append_row(reply, a->name, "no-answer", rtt, type, hash, "nobody answered in time");
        case ALLOCATION_GONE:
                break;
        }

        return append_row(reply, a->name, "skipped", -1, type, hash, reason);
}

static bool was_asked(const Resolve *resolve, const char *layer) {
        for (unsigned i = 0; i < resolve->asked.n_layers; i++)
                if (streq(resolve->asked.layers[i].name, layer))
                        return true;

        return false;
}

static int append_skipped(sd_bus_message *reply, const Layer *l) {
        char reason[LAYER_TEXT_BYTES_MAX + 64];

        (void) snprintf(reason, sizeof(reason), "layer %s: %s", layer_state_to_string(l->state), l->reason);
        return append_row(reply, l->name, "skipped", -1, layer_kind_name(l), "", reason);
}

static int send_answer(const Resolve *resolve) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t position;
        const Layer *l;
        int r;

        r = sd_bus_message_new_method_return(resolve->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssxa{sv})");
        if (r >= 0)
                r = append_local(reply, resolve);
        for (unsigned i = 0; r >= 0 && i < resolve->asked.n_layers; i++)
                r = append_asked(reply, resolve, &resolve->asked.layers[i]);
        map_for_each(l, resolve->manager->layers, position)
                if (r >= 0 && !was_asked(resolve, l->name))
                        r = append_skipped(reply, l);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* When the last layer has said something. The resolve is gone then. */
static void finish_if_over(Resolve *resolve) {
        int r;

        if (allocation_is_asking(&resolve->asked))
                return;

        r = send_answer(resolve);
        if (r < 0)
                (void) sd_bus_reply_method_errno(resolve->message, r, NULL);
        resolve_free(resolve);
}

/* -- the question -- */

static int time_is_over(sd_event_source *s, uint64_t usec, void *userdata) {
        Resolve *resolve = userdata;

        (void) allocation_elapsed(&resolve->asked, MAX((usec_t) usec, time_now()));
        if (allocation_is_asking(&resolve->asked)) {
                (void) sd_event_source_set_time(s, allocation_next(&resolve->asked));
                return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        }

        finish_if_over(resolve);
        return 0;
}

static void ask_layers(Resolve *resolve) {
        size_t position;
        Layer *l;

        map_for_each(l, resolve->manager->layers, position)
                if (layer_is_usable(l) && allocation_add_layer(&resolve->asked, l->key, l->name, time_now()) == 0)
                        layer_send_query(l, resolve->id, resolve->name);
}

static int check_limits(const Manager *m, uid_t uid) {
        const Resolve *resolve;
        unsigned n = 0;
        size_t position;

        map_for_each(resolve, m->resolves, position)
                n += resolve->uid == uid;

        return n >= RESOLVES_PER_USER_MAX || map_size(m->resolves) >= RESOLVES_MAX ? -EDQUOT : 0;
}

int resolve_start(Manager *m, sd_bus_message *message, const char *name, uid_t uid) {
        _cleanup_(resolve_freep) Resolve *resolve = NULL;
        int r;

        r = check_limits(m, uid);
        if (r < 0)
                return r;

        resolve = malloc(sizeof(*resolve));
        if (!resolve)
                return -ENOMEM;

        *resolve = (Resolve) {
                .manager = m,
                .id = manager_next_flow_id(m),
                .uid = uid,
                .message = sd_bus_message_ref(message),
        };
        r = copy_string(resolve->name, sizeof(resolve->name), name);
        if (r < 0)
                return r;

        allocation_init(&resolve->asked, time_now(), USEC_INFINITY, false);
        allocation_hold(&resolve->asked, USEC_INFINITY);
        r = map_put(m->resolves, &resolve->id, sizeof(resolve->id), resolve);
        if (r < 0)
                return r;

        ask_layers(resolve);
        r = sd_event_add_time(m->event, &resolve->timer, CLOCK_MONOTONIC, allocation_next(&resolve->asked),
                              USEC_PER_MSEC, time_is_over, resolve);
        if (r < 0)
                return r;

        finish_if_over(TAKE_PTR(resolve));
        return 0;
}

void resolve_answered(Layer *l, uint64_t query_id, int result) {
        Resolve *resolve = map_get(l->manager->resolves, &query_id, sizeof(query_id));

        if (!resolve)
                return;                 /* it came too late */

        (void) allocation_answered(&resolve->asked, l->key, result, time_now());
        finish_if_over(resolve);
}

/* One that went away while it was asked will not answer; nobody need wait for it. */
void resolve_layer_changed(Layer *l) {
        Resolve *resolve;
        size_t position;

        map_for_each(resolve, l->manager->resolves, position) {
                for (unsigned i = 0; i < resolve->asked.n_layers; i++) {
                        const AllocationLayer *a = &resolve->asked.layers[i];

                        if (streq(a->name, l->name) && a->verdict == ALLOCATION_ASKED &&
                            (!layer_is_usable(l) || a->key != l->key))
                                (void) allocation_layer_gone(&resolve->asked, a->key, time_now());
                }

                finish_if_over(resolve);        /* may remove it: the one that was just returned */
        }
}
