/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON of describe.h. */

#include "services/common/bus.h"
#include "services/common/json.h"
#include "services/irm/describe.h"

static int add_key(void *userdata, const char *key, const char *value) {
        json_add_string(userdata, key, value);
        return 0;
}

/* Its keys and values, as in files. */
static Json *policy_json(const SecurityPolicy *policy) {
        Json *json = json_object();

        (void) security_policy_describe(policy, add_key, json);
        return json;
}

static Json *layer_json(const Layer *l) {
        _cleanup_free_ char *unit = NULL;
        char id[2 * LAYER_ID_BYTES + 1];
        Json *json = json_object(), *over = json_array();

        (void) bus_layer_unit(l->name, &unit);
        for (size_t i = 0; l->file && i < l->file->over.n; i++)
                json_append_string(over, l->file->over.items[i]);

        json_add_string(json, "name", l->name);
        json_add_string(json, "id", l->have_id ? hex_encode(id, l->id, sizeof(l->id)) : NULL);
        json_add_string(json, "type", layer_kind_name(l));
        json_add_string(json, "state", layer_state_to_string(l->state));
        json_add_string(json, "reason", l->reason);
        json_add_string(json, "unit", unit);
        json_add_string(json, "description", l->file ? l->file->description : NULL);
        json_add_u64(json, "main_pid", l->process ? (uint64_t) l->process->key.pid : 0);
        json_add_string(json, "hash", hash_algorithm_to_string(l->hash));
        json_add_u64(json, "max_packet_size", l->mtu);
        json_add_u64(json, "flows", l->n_flows);
        json_add_u64(json, "neighbours", l->n_neighbours_up);
        json_add_id(json, "address", l->address);
        json_add(json, "over", over);
        if (l->file)
                json_add(json, "security", policy_json(&l->file->security));
        return json;
}

static Json *name_json(const Name *n) {
        Json *json = json_object(), *bindings = json_array(), *layers = json_array();
        const Registration *registration;
        const Binding *b;

        list_for_each(b, &n->bindings, by_name) {
                Json *binding = json_object();

                json_add_string(binding, "kind", binding_kind_to_string(b->kind));
                json_add_string(binding, "id", b->id);
                json_append(bindings, binding);
        }
        list_for_each(registration, &n->registrations, by_name)
                json_append_string(layers, registration->layer);

        json_add_string(json, "name", n->name);
        json_add_u64(json, "owner", n->owner);
        json_add_string(json, "load_balance", load_balance_to_string(n->balance));
        json_add_bool(json, "local", n->local);
        json_add_bool(json, "from_file", n->from_file);
        json_add_string(json, "layer", n->layer[0] ? n->layer : NULL);
        json_add_u64(json, "max_flows", n->max_flows);
        json_add_u64(json, "flows", n->n_flows);
        json_add_u64(json, "waiting", n->n_waiting);
        json_add_u64(json, "accepted_total", n->accepted_total);
        json_add_u64(json, "refused_total", n->refused_total);
        json_add(json, "bindings", bindings);
        json_add(json, "registered_in", layers);
        json_add(json, "server_security", policy_json(&n->security[SECURITY_SERVER].current));
        json_add(json, "client_security", policy_json(&n->security[SECURITY_CLIENT].current));
        return json;
}

static Json *quota_json(const Quota *quota) {
        const QuotaLimits *l = &quota->limits;
        Json *json = json_object();

        json_add_u64(json, "flows_per_user", l->flows_per_user);
        json_add_u64(json, "lane_bytes_per_user", l->lane_bytes_per_user);
        json_add_u64(json, "pending_per_user", l->pending_per_user);
        json_add_u64(json, "rate_per_user", l->rate_per_user);
        json_add_u64(json, "burst_per_user", l->burst_per_user);
        json_add_u64(json, "names_per_user", l->names_per_user);
        json_add_u64(json, "connections_per_user", l->connections_per_user);
        json_add_u64(json, "flows", l->flows);
        json_add_u64(json, "lane_bytes", l->lane_bytes);
        json_add_u64(json, "flows_used", quota->n_flows);
        json_add_u64(json, "lane_bytes_used", quota->lane_bytes);
        return json;
}

int describe_layer(const Layer *l, char **ret) {
        _cleanup_(json_freep) Json *json = layer_json(l);

        return json_text(json, ret);
}

int describe_manager(Manager *m, char **ret) {
        _cleanup_(json_freep) Json *json = json_object();
        Json *layers = json_array(), *names = json_array();
        size_t position;
        Layer *l;
        Name *n;

        map_for_each(l, m->layers, position)
                json_append(layers, layer_json(l));
        map_for_each(n, m->names, position)
                json_append(names, name_json(n));

        json_add_string(json, "version", O7S_VERSION);
        json_add_u64(json, "started_usec", m->started);
        json_add_u64(json, "flows", map_size(m->flows));
        json_add_u64(json, "flows_total", m->flows_total);
        json_add_u64(json, "flows_failed_total", m->flows_failed_total);
        json_add(json, "quota", quota_json(&m->quota));
        json_add(json, "layers", layers);
        json_add(json, "names", names);
        return json_text(json, ret);
}
