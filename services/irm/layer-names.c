/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layers over layers, see layer-names.h. */

#include <limits.h>
#include <unistd.h>

#include "basic/log.h"
#include "services/common/bus.h"
#include "services/irm/announce.h"
#include "services/irm/layer-names.h"

#define LAYER_NAMES 2U                  /* the layer's, and the member's own */

/* -- who is over whom -- */

bool layer_is_over(const Layer *l, const char *lower) {
        for (size_t i = 0; l->file && i < l->file->over.n; i++)
                if (streq(l->file->over.items[i], lower))
                        return true;

        return false;
}

static bool has_members(const Layer *l) {
        if (l->type > 0)
                return l->type == LAYER_UNICAST || l->type == LAYER_BROADCAST;

        return l->file && (l->file->kind == LAYER_KIND_UNICAST || l->file->kind == LAYER_KIND_BROADCAST);
}

Layer *layer_of_process(const Process *p) {
        _cleanup_free_ char *name = NULL;
        size_t position;
        Layer *l;

        map_for_each(l, p->manager->layers, position)
                if (l->process == p && has_members(l))
                        return l;

        /* Not connected (yet): its unit still says what it is. */
        if (!p->unit || bus_layer_from_unit(p->unit, &name) < 0)
                return NULL;

        l = layer_find(p->manager, name);
        return l && has_members(l) ? l : NULL;
}

bool layer_may_be_asked(const Layer *l, const Process *p, const char *wanted) {
        const Layer *own;

        if (!isempty(wanted) && !streq(l->name, wanted))
                return false;

        own = p ? layer_of_process(p) : NULL;
        return !own || layer_is_over(own, l->name);
}

/* -- how the layers below are -- */

static void tell_lower(Layer *l, const Layer *lower) {
        LayerMessage message = { .type = LAYER_LOWER, .layer_type = lower->type, .state = lower->state };

        if (lower->type == _LAYER_TYPE_INVALID)
                return;                 /* it was never there, and nobody has anything over it */

        (void) copy_string(message.layer, sizeof(message.layer), lower->name);
        (void) snprintf(message.text, sizeof(message.text), "%s", lower->reason);
        utf8_mend(message.text);
        layer_send(l, &message, NULL, 0);
}

void layer_names_tell_above(Layer *l) {
        size_t position;
        Layer *above;

        map_for_each(above, l->manager->layers, position)
                if (above->link && layer_is_over(above, l->name))
                        tell_lower(above, l);
}

/* Of those that cannot be used it hears when they can: after a restart of ours they have not come back yet, and what
 * it has over them may be as good as ever. */
static void tell_usable_lowers(Layer *l) {
        for (size_t i = 0; l->link && l->file && i < l->file->over.n; i++) {
                const Layer *lower = layer_find(l->manager, l->file->over.items[i]);

                if (lower && layer_is_usable(lower))
                        tell_lower(l, lower);
        }
}

void layer_names_attach(Layer *l) {
        size_t position;
        Name *n;

        tell_usable_lowers(l);

        map_for_each(n, l->manager->names, position)
                if (streq(n->layer, l->name))
                        name_bindings_changed(n);
}

/* -- the names -- */

static void remove_name(Name *n) {
        announce_name_removed(n);
        name_free(n);
}

void layer_names_remove(Layer *l) {
        Manager *m = l->manager;
        size_t position = 0;
        Name *n;

        while (m->names && (n = map_next(m->names, &position)))
                if (streq(n->layer, l->name)) {
                        remove_name(n);
                        position = 0;
                }
}

/* What the layer's name leads to must be a member; its own name it has from the beginning. */
static bool may_be_found(const Name *n, const Layer *l) {
        return l->address != 0 || !streq(n->name, l->name);
}

/* In exactly the layers below. */
static void register_below(Name *n, const Layer *l) {
        bool found = may_be_found(n, l);
        Registration *r, *following;

        list_for_each_safe(r, following, &n->registrations, by_name)
                if (!found || !layer_is_over(l, r->layer))
                        registration_free(r);

        for (size_t i = 0; found && i < l->file->over.n; i++) {
                int error;

                error = registration_new(n, l->file->over.items[i], true, &r);
                if (error < 0 && error != -EEXIST)
                        log_warning_errno(error, "Cannot register '%s' in layer %s: %m", n->name,
                                          l->file->over.items[i]);
        }
}

void layer_names_member_changed(Layer *l) {
        Name *n = name_find(l->manager, l->name);

        if (n && l->file && streq(n->layer, l->name))
                register_below(n, l);
}

static int make_name(Layer *l, const char *name, Name **ret) {
        _cleanup_free_ char *unit = NULL;
        Binding *binding;
        Name *n;
        int r;

        r = bus_layer_unit(l->name, &unit);
        if (r < 0)
                return r;

        r = name_new(l->manager, name, 0, true, NULL, &n);
        if (r < 0)
                return r;

        n->local = false;
        n->seen = true;
        (void) copy_string(n->layer, sizeof(n->layer), l->name);

        r = binding_new(n, BINDING_UNIT, unit, -1, true, &binding);
        if (r < 0) {
                name_free(n);
                return r;
        }

        announce_name_new(n);
        *ret = n;
        return 0;
}

/* Returns: 0; 1: somebody else has the name, *ret_problem says who; < 0. */
static int ensure_name(Layer *l, const char *name, char **ret_problem) {
        Name *n = name_find(l->manager, name);
        int r;

        if (n && !streq(n->layer, l->name)) {
                r = format_string(
                        ret_problem,
                        "the name '%s', by which other members would find this one, is already %s%s%s on this host",
                        name,
                        n->layer[0]    ? "that of layer "
                        : n->from_file ? "in "
                                       : "that of a user",
                        n->layer[0]    ? n->layer
                        : n->from_file ? n->name
                                       : "",
                        n->layer[0] || !n->from_file ? "" : NAME_FILE_SUFFIX);
                return r < 0 ? r : 1;
        }

        r = n ? 0 : make_name(l, name, &n);
        if (r < 0)
                return r;

        register_below(n, l);
        name_bindings_changed(n);
        return 0;
}

/* Also an empty one: NULL is no name. Returns: how many. */
static size_t wanted_names(const Layer *l, char *ret[LAYER_NAMES]) {
        char host[HOST_NAME_MAX + 1] = "";
        size_t n = 0;

        if (!l->file || l->file->kind != LAYER_KIND_UNICAST || gethostname(host, sizeof(host) - 1) < 0)
                return 0;

        ret[n] = strdup(l->name);
        n += ret[n] != NULL;
        if (layer_member_name(&l->file->member, l->name, host, &ret[n]) >= 0)
                n++;

        return n;
}

static void remove_unwanted(Layer *l, char *const *wanted, size_t n_wanted) {
        Manager *m = l->manager;
        size_t position = 0;
        Name *n;

        while ((n = map_next(m->names, &position))) {
                bool keep = !streq(n->layer, l->name);

                for (size_t i = 0; i < n_wanted; i++)
                        keep = keep || streq(n->name, wanted[i]);
                if (keep)
                        continue;

                remove_name(n);
                position = 0;
        }
}

void layer_names_update(Layer *l) {
        char *wanted[LAYER_NAMES] = {}, *problem = NULL;
        size_t n_wanted = wanted_names(l, wanted);
        int r;

        remove_unwanted(l, wanted, n_wanted);
        for (size_t i = 0; i < n_wanted; i++) {
                r = problem ? 0 : ensure_name(l, wanted[i], &problem);
                if (r < 0)
                        log_warning_errno(r, "Cannot make the name '%s' for layer %s: %m", wanted[i], l->name);
                free(wanted[i]);
        }

        layer_set_problem(l, problem);
        tell_usable_lowers(l);
}
