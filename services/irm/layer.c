/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layers and the connections of their IPCPs, see layer.h. */

#include <stdarg.h>

#include "basic/log.h"
#include "libo7s/bus-names.h"
#include "services/common/message-id.h"
#include "services/irm/announce.h"
#include "services/irm/file-stamp.h"
#include "services/irm/neighbour.h"
#include "services/irm/layer-names.h"
#include "services/irm/reattach.h"
#include "services/irm/resolve.h"

#define LAYER_FIELD_BYTES_MAX (STRLEN(LOG_FIELD_LAYER) + 1 + LAYER_NAME_BYTES_MAX + 1)

Layer *layer_find(Manager *m, const char *name) {
        return map_get_string(m->layers, name);
}

Layer *layer_free(Layer *l) {
        Process *p;

        if (!l)
                return NULL;

        layer_names_remove(l);
        layer_link_free(l->link);
        while (!list_is_empty(&l->flows)) {
                Flow *f = list_first(&l->flows, Flow, by_layer);

                f->ended_by_layer = true;
                flow_end(f, CLOSE_LAYER_DOWN, -ENETDOWN, NULL);
        }

        neighbours_forget(l, NULL);
        if (map_get_string(l->manager->layers, l->name) == l)
                map_remove_string(l->manager->layers, l->name);

        p = l->process;
        if (p) {
                p->n_layers--;
                process_settle(p);
        }

        layer_file_free(l->file);
        free(l->reason);
        free(l->said);
        free(l->problem);
        return mfree(l);
}

int layer_get(Manager *m, const char *name, Layer **ret) {
        Layer *l = layer_find(m, name);
        int r;

        if (l) {
                *ret = l;
                return 0;
        }
        if (!layer_name_is_valid(name))
                return -EINVAL;
        if (map_size(m->layers) >= LAYERS_MAX)
                return -E2BIG;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->manager = m;
        l->type = _LAYER_TYPE_INVALID;
        l->hash = HASH_SHA3_256;
        list_init(&l->flows);
        list_init(&l->admissions);
        list_init(&l->neighbours);
        (void) copy_string(l->name, sizeof(l->name), name);

        l->reason = strdup("Not started");
        r = l->reason ? map_put_string(m->layers, l->name, l) : -ENOMEM;
        if (r < 0) {
                layer_free(l);
                return r;
        }

        announce_layer_new(l);
        manager_changed(m);
        *ret = l;
        return 0;
}

static uint64_t layer_file_stamp(const Layer *l) {
        char file[LAYER_NAME_BYTES_MAX + sizeof(LAYER_FILE_SUFFIX)];

        (void) snprintf(file, sizeof(file), "%s" LAYER_FILE_SUFFIX, l->name);
        return file_stamp(l->manager->config.root, LAYER_FILE_DIRECTORY, file);
}

bool layer_needs_reload(const Layer *l) {
        return layer_file_stamp(l) != l->file_stamp;
}

void layer_reload_file(Layer *l) {
        LayerFile *file = NULL;
        Name *n;
        size_t position;
        uint64_t stamp;
        int r;

        stamp = layer_file_stamp(l);
        l->manager->layers_stamp += stamp - l->file_stamp;      /* a sum: this layer's share of it is new */
        l->file_stamp = stamp;
        r = layer_file_load(l->manager->config.root, l->name, &file);
        if (r < 0 && file) {
                config_log_messages(file->conf);
                if (l->state == LAYER_CREATED)
                        layer_set_state(l, LAYER_CREATED, "%s%s has errors; see: o7sctl verify %s", l->name,
                                        LAYER_FILE_SUFFIX, l->name);
        } else if (r < 0 && r != -ENOENT)
                log_warning_errno(r, "Failed to read %s%s: %m", l->name, LAYER_FILE_SUFFIX);

        /* Names that only its file registers come and go with it. */
        map_for_each(n, l->manager->names, position) {
                bool before = layer_lists_name(l, n->name);
                bool after = false;

                for (size_t i = 0; file && i < file->register_names.n; i++)
                        after = after || streq(file->register_names.items[i], n->name);

                if (before != after && !registration_find(n, l->name))
                        layer_send_registration(l, after ? LAYER_REGISTER : LAYER_UNREGISTER, n);
        }

        layer_file_free(l->file);
        l->file = file;
        l->file_is_bad = r < 0 && r != -ENOENT;
        layer_names_update(l);
}

void layer_settle(Layer *l) {
        if (l->file || l->link || l->process || !list_is_empty(&l->flows))
                return;

        announce_layer_removed(l);
        manager_changed(l->manager);
        layer_free(l);
}

bool layer_lists_name(const Layer *l, const char *name) {
        for (size_t i = 0; l->file && i < l->file->register_names.n; i++)
                if (streq(l->file->register_names.items[i], name))
                        return true;

        return false;
}

const char *layer_kind_name(const Layer *l) {
        const char *name = NULL;

        if (l->type > 0)
                name = layer_type_to_string(l->type);
        if (!name && l->file)
                name = layer_kind_to_string((LayerKind) l->file->kind);

        return name ? name : "unknown";
}

/* Takes the text. */
static void set_reason(Layer *l, char *said) {
        char *reason = NULL;

        if (l->problem && format_string(&reason, "%s; %s", said, l->problem) < 0)
                reason = NULL;

        free(l->said);
        free(l->reason);
        l->said = reason ? said : NULL;
        l->reason = reason ? reason : said;
}

void layer_set_problem(Layer *l, char *problem) {
        _cleanup_free_ char *before = TAKE_PTR(l->problem);
        char *said;

        l->problem = problem;
        if (!before && !problem)
                return;
        if (before && problem && streq(before, problem))
                return;

        if (problem) {
                char field[LAYER_FIELD_BYTES_MAX];

                (void) snprintf(field, sizeof(field), LOG_FIELD_LAYER "=%s", l->name);
                log_with(LOG_WARNING, LOG_FIELDS(MESSAGE_LAYER_PROBLEM, field), "Layer %s: %s.", l->name, problem);
        }

        said = strdup(l->said ? l->said : l->reason);
        if (!said)
                return;

        set_reason(l, said);
        announce_layer_state(l, l->state);
}

/* The IPCP's own word on its state is taken as it is; what it means for us is only whether it can be asked. */
void layer_set_state(Layer *l, LayerState state, const char *format, ...) {
        char field[LAYER_FIELD_BYTES_MAX];
        _cleanup_free_ char *reason = NULL;
        LayerState before = l->state;
        va_list list;
        int r;

        va_start(list, format);
        r = vasprintf(&reason, format, list);
        va_end(list);
        if (r < 0)
                reason = NULL;

        if (!layer_state_may_follow(before, state))
                log_debug("Layer %s: unusual change from %s to %s", l->name, layer_state_to_string(before),
                          layer_state_to_string(state));
        (void) snprintf(field, sizeof(field), LOG_FIELD_LAYER "=%s", l->name);
        if (before != state)
                log_with(LOG_INFO, LOG_FIELDS(MESSAGE_LAYER_STATE, field), "Layer %s: %s → %s: %s", l->name,
                         layer_state_to_string(before), layer_state_to_string(state), strempty(reason));

        l->state = state;
        if (reason)
                set_reason(l, TAKE_PTR(reason));

        announce_layer_state(l, before);
        layer_names_tell_above(l);
        operation_layer_changed(l->manager, l->name);
        resolve_layer_changed(l);
        manager_changed(l->manager);
}

void layer_set_address(Layer *l, uint64_t address) {
        bool was_member = l->address != 0;

        if (address == l->address)
                return;

        l->address = address;
        if (was_member != (address != 0))
                layer_names_member_changed(l);
        announce_layer_changed(l, "Address");
}

void layer_set_id(Layer *l, const uint8_t id[LAYER_ID_BYTES]) {
        static const uint8_t none[LAYER_ID_BYTES] = {};
        const uint8_t *bytes = id ? id : none;

        if ((id != NULL) == l->have_id && memcmp(bytes, l->id, LAYER_ID_BYTES) == 0)
                return;

        l->have_id = id != NULL;
        memcpy(l->id, bytes, LAYER_ID_BYTES);
        announce_layer_changed(l, "Id");
}

void layer_send_registration(Layer *l, LayerMessageType type, const Name *name) {
        LayerMessage message = { .type = type };
        size_t size = hash_size(l->hash);

        if (!l->link || size == 0)
                return;

        message.hash_size = size;
        memcpy(message.hash, name->hashes[l->hash], size);
        (void) copy_string(message.name, sizeof(message.name), name->name);
        layer_send(l, &message, NULL, 0);
}

void layer_send_query(Layer *l, uint64_t query_id, const char *name) {
        LayerMessage query = { .type = LAYER_QUERY, .query_id = query_id };
        ssize_t size;

        size = hash_compute(l->hash, name, strlen(name), query.hash);
        if (size < 0)
                return;                         /* the query times out: "no answer" */

        query.hash_size = (size_t) size;
        (void) copy_string(query.name, sizeof(query.name), name);
        layer_send(l, &query, NULL, 0);
}

static void layer_end_flows(Layer *l) {
        Flow *f, *following;

        list_for_each_safe(f, following, &l->flows, by_layer) {
                f->ended_by_layer = true;
                flow_end(f, CLOSE_LAYER_DOWN, -ENETDOWN, "The layer went away");
        }
}

void layer_process_died(Layer *l) {
        Process *p = TAKE_PTR(l->process);

        neighbours_forget(l, "The layer went away");
        layer_set_address(l, 0);
        layer_set_id(l, NULL);

        if (l->state == LAYER_STOPPING || l->state == LAYER_CREATED)
                layer_end_flows(l);
        else
                reattach_layer_lost(l);

        if (p) {
                p->n_layers--;
                process_settle(p);
        }

        if (l->state == LAYER_STOPPING || l->state == LAYER_CREATED)
                layer_set_state(l, LAYER_CREATED, "it was stopped");
        else
                layer_set_state(l, LAYER_FAILED, "Its process has ended; see: systemctl status " O7S_UNIT_PREFIX "%s",
                                l->name);

        layer_settle(l);
}
