/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager about flows and clients. There are many: they are rows in pages, not objects. */

#include "libo7s/bus-names.h"
#include "services/irm/bus-call.h"
#include "services/irm/manager-bus.h"

#define PAGE_MAX 4096U

/* What ListFlows can be asked to leave out. */
typedef struct FlowFilter {
        char layer[LAYER_NAME_BYTES_MAX + 1];
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        bool by_layer;
        bool by_name;
        bool by_uid;
        uint32_t uid;
} FlowFilter;

static int read_filter_key(sd_bus_message *message, const char *key, void *target, sd_bus_error *error) {
        FlowFilter *filter = target;
        const char *text;
        int r;

        if (streq(key, "uid")) {
                filter->by_uid = true;
                r = sd_bus_message_read(message, "v", "u", &filter->uid);
                return r < 0 ? bus_error_set(error, -EINVAL, "The filter uid is a number (u)") : 0;
        }
        if (!streq(key, "layer") && !streq(key, "name"))
                return bus_error_set(error, -EINVAL, "Flows are filtered by layer, name and uid, not by '%s'", key);

        r = sd_bus_message_read(message, "v", "s", &text);
        if (r < 0)
                return bus_error_set(error, -EINVAL, "The filter %s is a string", key);

        if (streq(key, "layer")) {
                filter->by_layer = true;
                (void) copy_string(filter->layer, sizeof(filter->layer), text);
        } else {
                filter->by_name = true;
                (void) copy_string(filter->name, sizeof(filter->name), text);
        }

        return 0;
}

/* Whose it is, for lists: the asking side where that is here. */
static const Process *flow_process(const Flow *f) {
        return f->caller ? f->caller : f->acceptor;
}

static bool flow_is_of(const Flow *f, uid_t uid) {
        return (f->caller && f->caller->key.uid == uid) || (f->acceptor && f->acceptor->key.uid == uid);
}

static bool filter_matches(const FlowFilter *filter, const Flow *f) {
        if (filter->by_layer && !streq(filter->layer, f->layer ? f->layer->name : ""))
                return false;
        if (filter->by_name && !streq(filter->name, f->name))
                return false;

        return !filter->by_uid || flow_is_of(f, filter->uid);
}

static int compare_ids(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

/* The ids of one page, ascending from cursor: one more than limit, where there are more. */
static int collect_page(Manager *m, const FlowFilter *filter, uint64_t cursor, uid_t only_uid, bool others,
                        uint64_t **ret, size_t *ret_n) {
        _cleanup_free_ uint64_t *ids = NULL;
        size_t n = 0, position;
        Flow *f;

        ids = calloc(MAX(map_size(m->flows), (size_t) 1), sizeof(*ids));
        if (!ids)
                return -ENOMEM;

        map_for_each(f, m->flows, position)
                if (f->id >= cursor && filter_matches(filter, f) && (others || flow_is_of(f, only_uid)))
                        ids[n++] = f->id;

        qsort(ids, n, sizeof(*ids), compare_ids);
        *ret = TAKE_PTR(ids);
        *ret_n = n;
        return 0;
}

static int append_details(sd_bus_message *reply, const Flow *f) {
        return sd_bus_message_append(reply, "a{sv}", 9,
                                     "Direction", "s", f->incoming ? "incoming" : f->layer ? "outgoing" : "local",
                                     "LaneBytes", "t", (uint64_t) f->charge.bytes,
                                     "MaxMessage", "u", f->layer ? f->layer->mtu : 0,
                                     "SinceUSec", "t", f->since,
                                     "PeerVerified", "b", (int) f->verified,
                                     "Protection", "s", flow_protection(f),
                                     "KeyExchange", "s", f->key_exchange,
                                     "AcceptorUID", "u", f->acceptor ? f->acceptor->key.uid : UINT32_MAX,
                                     "AcceptorPID", "u", f->acceptor ? (uint32_t) f->acceptor->key.pid : 0U);
}

static int append_row(sd_bus_message *reply, const Flow *f) {
        const Process *p = flow_process(f);
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        int r;

        r = sd_bus_message_open_container(reply, 'r', "tssssuutta{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "tssssuutt", f->id, flow_shown_name(f, name),
                                          f->layer ? f->layer->name : "", f->peer,
                                          flow_state_to_string(f->state), p ? p->key.uid : UINT32_MAX,
                                          p ? (uint32_t) p->key.pid : 0U, f->since, (uint64_t) f->charge.bytes);
        if (r >= 0)
                r = append_details(reply, f);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_list_flows(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ uint64_t *ids = NULL;
        FlowFilter filter = {};
        Manager *m = userdata;
        uint64_t cursor;
        uint32_t limit;
        size_t n;
        uid_t uid;
        int others, r;

        r = bus_read_options(message, read_filter_key, &filter, error);
        if (r >= 0)
                r = sd_bus_message_read(message, "tu", &cursor, &limit);
        if (r >= 0)
                r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        others = bus_may_inspect(m, message, uid);
        if (others == -EINPROGRESS)
                return 1;

        r = collect_page(m, &filter, cursor, uid, others > 0, &ids, &n);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(tssssuutta{sv})");

        limit = CLAMP(limit, 1U, PAGE_MAX);
        for (size_t i = 0; r >= 0 && i < MIN(n, (size_t) limit); i++)
                r = append_row(reply, flow_find(m, ids[i]));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", n > limit ? ids[limit] : 0);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* A flow that the caller may not see is one that is not there. */
static int find_flow(Manager *m, sd_bus_message *message, uint64_t id, Flow **ret, sd_bus_error *error) {
        Flow *f = flow_find(m, id);
        int others;
        uid_t uid;
        int r;

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        if (f && !flow_is_of(f, uid)) {
                others = bus_may_inspect(m, message, uid);
                if (others < 0)
                        return others;
                if (others == 0)
                        f = NULL;
        }
        if (!f)
                return bus_error_set_named(error, "Stale", "There is no flow %" PRIu64, id);

        *ret = f;
        return 0;
}

int method_get_flow(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        Flow *f = NULL;
        uint64_t id;
        int r;

        r = sd_bus_message_read(message, "t", &id);
        if (r < 0)
                return r;

        r = find_flow(userdata, message, id, &f, error);
        if (r == -EINPROGRESS)
                return 1;
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "a{sv}", 13,
                                          "Name", "s", flow_shown_name(f, name),
                                          "Layer", "s", f->layer ? f->layer->name : "",
                                          "Peer", "s", f->peer,
                                          "PeerVerified", "b", (int) f->verified,
                                          "Protection", "s", flow_protection(f),
                                          "KeyExchange", "s", f->key_exchange,
                                          "State", "s", flow_state_to_string(f->state),
                                          "CallerUID", "u", f->caller ? f->caller->key.uid : UINT32_MAX,
                                          "CallerPID", "u", f->caller ? (uint32_t) f->caller->key.pid : 0U,
                                          "AcceptorUID", "u", f->acceptor ? f->acceptor->key.uid : UINT32_MAX,
                                          "AcceptorPID", "u", f->acceptor ? (uint32_t) f->acceptor->key.pid : 0U,
                                          "SinceUSec", "t", f->since,
                                          "LaneBytes", "t", (uint64_t) f->charge.bytes);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Everybody may end his own; others are for whom polkit lets manage the layer. */
int method_close_flow(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        char name[FLOW_NAME_WIRE_BYTES_MAX + 1];
        const char *reason;
        uint64_t id, flags;
        uid_t uid;
        Flow *f;
        int r;

        r = sd_bus_message_read(message, "ts", &id, &reason);
        if (r >= 0)
                r = bus_read_flags(message, 0, &flags, error);
        if (r >= 0)
                r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        f = flow_find(m, id);
        if (!f)
                return bus_error_set_named(error, "Stale", "There is no flow %" PRIu64, id);
        if (!f->layer && !flow_state_is_pending(f->state))
                return bus_error_set(error, -EOPNOTSUPP,
                                     "Flow %" PRIu64 " is between two programs of this host, which hold it without us; "
                                     "it ends when one of them closes it or ends (GetFlow says which they are)", id);

        if (!flow_is_of(f, uid)) {
                r = bus_authorize(m, message, POLKIT_MANAGE_LAYER, flow_shown_name(f, name),
                                  f->layer ? f->layer->name : NULL, "close-flow", error);
                if (r <= 0)
                        return r < 0 ? r : 1;
        }

        flow_end(f, CLOSE_BY_OPERATOR, -ECANCELED, reason);
        return sd_bus_reply_method_return(message, NULL);
}

static uint32_t count_flows(const Process *p) {
        uint32_t n = 0;

        for (const ListNode *node = p->called_flows.next; node != &p->called_flows; node = node->next)
                n++;
        for (const ListNode *node = p->accepted_flows.next; node != &p->accepted_flows; node = node->next)
                n++;

        return n;
}

int method_list_clients(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *m = userdata;
        size_t position;
        Process *p;
        uid_t uid;
        int others, r;

        r = bus_caller_uid(message, &uid, error);
        if (r < 0)
                return r;

        others = bus_may_inspect(m, message, uid);
        if (others == -EINPROGRESS)
                return 1;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(uussu)");

        map_for_each(p, m->processes, position) {
                const Client *c;
                bool listens = false;

                if (list_is_empty(&p->clients) || (others <= 0 && p->key.uid != uid))
                        continue;

                list_for_each(c, &p->clients, by_process)
                        listens = listens || c->listening;
                if (r >= 0)
                        r = sd_bus_message_append(reply, "(uussu)", (uint32_t) p->key.pid, p->key.uid,
                                                  strempty(p->unit), listens ? "listening" : "connected",
                                                  count_flows(p));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
